//! Who is told: the channels that jobs name, and checks that silence one another.
//!
//! Takes the document, resolves every `notify` and `silenced-by`; reports channels that are declared twice, named and not
//! there, or told nothing (OPS3004), jobs that reach nobody (OPS6003), and checks that silence each other in a circle.
//! Invariant: a doubt that rests on text which could not be read is not reported.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::nodes::JobNode;
use crate::config::nodes::document::Document;
use crate::config::rules::names::{Names, twice};
use crate::config::source::{Span, Spanned};
use crate::model::channel::LOG;
use crate::model::check::Worst;
use crate::model::{JobKind, JobName};
use std::collections::{HashMap, HashSet};

/// How many names are compared in search of similar ones: a hostile file has very many of both.
const MOST_COMPARED: usize = 500_000;

/// Judges all that is about being told.
pub(in crate::config) fn judge(document: &Document, names: &Names<'_>, findings: &mut Vec<Finding>) {
    let channels = document.channels.iter().filter_map(|node| node.name.as_ref());
    twice("channel", channels, findings);
    notified(document, findings);
    unused(document, findings);
    unheard(document, findings);
    silences(document, names, findings);
}

/// OPS3002 and OPS2006 of `notify`.
fn notified(document: &Document, findings: &mut Vec<Finding>) {
    let names: Vec<&str> = declared(document).collect();
    let known: HashSet<&str> = names.iter().copied().chain([LOG]).collect();
    let mut compared = 0;
    for (_, job) in document.jobs() {
        let Some(notify) = &job.notify else {
            continue;
        };
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for reference in &notify.channels {
            let wanted = reference.value.as_str();
            if let Some(first) = seen.insert(wanted, reference.span) {
                findings.push(
                    Finding::new(
                        Code::Repeated,
                        reference.span,
                        format!("`{}` is told twice", excerpt(wanted)),
                        "again here",
                    )
                    .also(first, "first here")
                    .help("delete one of them"),
                );
            } else if !known.contains(wanted) && !document.blind && !document.hidden.contains(wanted) {
                let near = (compared < MOST_COMPARED)
                    .then(|| nearest(wanted, known.iter().copied()))
                    .flatten();
                compared += known.len();
                findings.push(no_channel(reference, near, &names));
            }
        }
    }
}

fn declared(document: &Document) -> impl Iterator<Item = &str> {
    let names = document.channels.iter().filter_map(|node| node.name.as_ref());
    names.map(|name| name.value.as_str())
}

fn no_channel(reference: &Spanned<String>, near: Option<&str>, names: &[&str]) -> Finding {
    let wanted = reference.value.as_str();
    let finding = Finding::new(
        Code::BadReference,
        reference.span,
        format!("there is no channel `{}`", excerpt(wanted)),
        "names nothing",
    );
    let bare = wanted.strip_prefix("channel:").filter(|bare| names.contains(bare));
    finding.help(match (bare, near, names) {
        (Some(bare), _, _) => format!("the name alone belongs here: write `notify \"{bare}\"`"),
        (None, Some(near), _) => format!("did you mean `notify \"{near}\"`?"),
        (None, None, []) => format!(
            "declare it: `channel \"{}\" {{ webhook {{ url from-env=\"OPS_WEBHOOK\"; }}; }}`",
            crate::config::values::as_name(wanted).unwrap_or_else(|| "ops".to_owned())
        ),
        (None, None, names) => format!(
            "there are: {}, {LOG}",
            names.iter().take(12).copied().collect::<Vec<_>>().join(", ")
        ),
    })
}

/// OPS3004: every job tells others.
fn unused(document: &Document, findings: &mut Vec<Finding>) {
    let unsure = |job: &JobNode| job.damaged || job.notify.as_ref().is_none_or(|notify| notify.damaged);
    if document.blind || !document.hidden.is_empty() || document.jobs().any(|(_, job)| unsure(job)) {
        return;
    }
    let told: HashSet<&str> = document
        .jobs()
        .filter_map(|(_, job)| job.notify.as_ref())
        .flat_map(|notify| notify.channels.iter().map(|name| name.value.as_str()))
        .collect();
    let Some((_, any)) = document.jobs().next() else {
        return;
    };
    for node in &document.channels {
        let Some(name) = node.name.as_ref().filter(|name| !told.contains(name.value.as_str())) else {
            continue;
        };
        let mut finding = Finding::new(
            Code::Unused,
            name.span,
            format!("the channel `{}` is told nothing", name.value),
            "every job names other channels",
        );
        if let Some(notify) = &any.notify {
            finding = finding.also(notify.span, "one of them");
        }
        findings.push(finding.help(format!(
            "add it to a job, as in `notify \"{}\"`, or delete the channel: without `notify` a job tells all of them",
            name.value
        )));
    }
}

/// OPS6003, in files that declare channels: who has none reads the log or the exit code.
fn unheard(document: &Document, findings: &mut Vec<Finding>) {
    let Some(channel) = declared(document).next() else {
        return;
    };
    let bearable: HashSet<&str> = document
        .checks
        .iter()
        .filter(|check| check.worst == Worst::Warning)
        .filter_map(|check| Some(check.job.name.as_ref()?.value.as_str()))
        .collect();
    for (kind, job) in document.jobs() {
        let (Some(notify), Some(name)) = (&job.notify, &job.name) else {
            continue;
        };
        let bearable = kind == JobKind::Check && bearable.contains(name.value.as_str());
        let only_log = notify.channels.iter().all(|channel| channel.value == LOG);
        if notify.damaged || !only_log || job.paused || bearable {
            continue;
        }
        findings.push(
            Finding::new(
                Code::Unheard,
                notify.span,
                format!("nobody is told when `{}` fails", JobName::new(kind, &name.value)),
                "only the log is",
            )
            .also(name.span, "can become critical")
            .help(format!(
                "write `notify \"{channel}\"`, or delete the line to tell all channels{}",
                if kind == JobKind::Check {
                    "; a check that may wait says `severity \"warning\"`"
                } else {
                    ""
                }
            )),
        );
    }
}

/// OPS3002 and OPS3003 of `silenced-by`.
fn silences(document: &Document, names: &Names<'_>, findings: &mut Vec<Finding>) {
    // Which check, and where that stands, by the name of the one that is silenced.
    let mut by: HashMap<&str, (&str, Span)> = HashMap::new();
    for check in &document.checks {
        let Some(reference) = &check.silenced_by else {
            continue;
        };
        let Some(job) = names.resolve(reference, "silenced-by", findings) else {
            continue;
        };
        if job.kind != JobKind::Check {
            findings.push(
                Finding::new(
                    Code::BadReference,
                    reference.span,
                    format!("`{job}` is no check"),
                    "only a check can silence another",
                )
                .help(match names.all().iter().find(|name| name.kind == JobKind::Check) {
                    Some(_) => {
                        format!(
                            "name a check that asks about it, such as one with `job \"{job}\" {{ age critical=\"26h\"; }}`"
                        )
                    }
                    None => "delete the line".to_owned(),
                }),
            );
            continue;
        }
        if let (Some(name), Some((_, other))) = (&check.job.name, reference.value.split_once(':')) {
            by.insert(&name.value, (other, reference.span));
        }
    }
    let mut done: HashSet<&str> = HashSet::new();
    for check in &document.checks {
        let Some(name) = &check.job.name else {
            continue;
        };
        let mut path: Vec<&str> = Vec::new();
        let mut on_path: HashMap<&str, usize> = HashMap::new();
        let mut at = name.value.as_str();
        while !done.contains(at) {
            if let Some(from) = on_path.get(at) {
                findings.extend(circle(path.get(*from..).unwrap_or_default(), &by));
                break;
            }
            on_path.insert(at, path.len());
            path.push(at);
            match by.get(at) {
                Some((next, _)) => at = next,
                None => break,
            }
        }
        done.extend(path);
    }
}

/// Most edges of one circle that are labelled: nobody follows more.
const MOST_LABELS: usize = 64;

fn circle(names: &[&str], by: &HashMap<&str, (&str, Span)>) -> Option<Finding> {
    let mut edges: Vec<(&str, &str, Span)> = names
        .iter()
        .filter_map(|name| by.get(name).map(|(other, span)| (*name, *other, *span)))
        .collect();
    edges.sort_by_key(|(_, _, span)| *span);
    let label = |(name, other, _): &(&str, &str, Span)| {
        if name == other {
            "by itself".to_owned()
        } else {
            format!("`check:{other}` silences `check:{name}`")
        }
    };
    let (first, rest) = edges.split_first()?;
    let message = if rest.is_empty() {
        format!("`check:{}` silences itself", first.0)
    } else {
        "checks silence each other: when all of them are bad, nobody is told".to_owned()
    };
    let mut finding = Finding::new(Code::Cycle, first.2, message, label(first));
    for edge in rest.iter().take(MOST_LABELS) {
        finding = finding.also(edge.2, label(edge));
    }
    Some(finding.help(if rest.is_empty() {
        "delete the line"
    } else {
        "delete one of these lines, best that of the check whose trouble is the cause of the others'"
    }))
}
