//! The channels that jobs notify, and checks that silence each other.
//!
//! Reports channels that are declared twice, unknown, or receive nothing (OPS3004), jobs that notify no channel (OPS6003),
//! and checks that silence each other in a cycle.
//! Invariant: a doubt that rests on text that could not be read is not reported.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::nodes::JobNode;
use crate::config::nodes::document::Document;
use crate::config::rules::names::{JobNames, twice};
use crate::config::source::{Span, Spanned};
use crate::model::channel::LOG;
use crate::model::check::Worst;
use crate::model::{JobKind, JobName};
use std::collections::{HashMap, HashSet};

/// How many names are compared in search of similar ones: a hostile file has very many of both.
const MAX_NAME_COMPARISONS: usize = 500_000;

pub(in crate::config) fn check(document: &Document, names: &JobNames<'_>, findings: &mut Vec<Finding>) {
    let channels = document.channels.iter().filter_map(|node| node.name.as_ref());
    twice("channel", channels, findings);
    references(document, findings);
    unused(document, findings);
    not_notified(document, findings);
    silences(document, names, findings);
}

/// OPS3002 and OPS2006 of `notify`.
fn references(document: &Document, findings: &mut Vec<Finding>) {
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
                        format!("channel `{}` appears twice in `notify`", excerpt(wanted)),
                        "again here",
                    )
                    .also(first, "first here")
                    .help("delete one of them"),
                );
            } else if !known.contains(wanted) && !document.blind && !document.hidden.contains(wanted) {
                let near = (compared < MAX_NAME_COMPARISONS)
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
        format!("unknown channel `{}`", excerpt(wanted)),
        "not declared",
    );
    let bare = wanted.strip_prefix("channel:").filter(|bare| names.contains(bare));
    finding.help(match (bare, near, names) {
        (Some(bare), _, _) => format!("write `notify \"{bare}\"`, without the kind"),
        (None, Some(near), _) => format!("did you mean `notify \"{near}\"`?"),
        (None, None, []) => format!(
            "declare it: `channel \"{}\" {{ webhook {{ url from-env=\"OPS_WEBHOOK\"; }}; }}`",
            crate::config::values::as_name(wanted).unwrap_or_else(|| "ops".to_owned())
        ),
        (None, None, names) => format!(
            "declared: {}, {LOG}",
            names.iter().take(12).copied().collect::<Vec<_>>().join(", ")
        ),
    })
}

/// OPS3004: every job notifies other channels.
fn unused(document: &Document, findings: &mut Vec<Finding>) {
    let unsure = |job: &JobNode| job.damaged || job.notify.as_ref().is_none_or(|notify| notify.damaged);
    if document.blind || !document.hidden.is_empty() || document.jobs().any(|(_, job)| unsure(job)) {
        return;
    }
    let notified: HashSet<&str> = document
        .jobs()
        .filter_map(|(_, job)| job.notify.as_ref())
        .flat_map(|notify| notify.channels.iter().map(|name| name.value.as_str()))
        .collect();
    let Some((_, any)) = document.jobs().next() else {
        return;
    };
    for node in &document.channels {
        let Some(name) = node
            .name
            .as_ref()
            .filter(|name| !notified.contains(name.value.as_str()))
        else {
            continue;
        };
        let mut finding = Finding::new(
            Code::Unused,
            name.span,
            format!("channel `{}` receives no alerts", name.value),
            "every job notifies other channels",
        );
        if let Some(notify) = &any.notify {
            finding = finding.also(notify.span, "for example here");
        }
        findings.push(finding.help(format!(
            "add it to a job with `notify \"{}\"`, or delete the channel; a job without `notify` notifies all channels",
            name.value
        )));
    }
}

/// OPS6003, only in files that declare channels.
fn not_notified(document: &Document, findings: &mut Vec<Finding>) {
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
                format!(
                    "no channel is notified when `{}` fails",
                    JobName::new(kind, &name.value)
                ),
                "only the log",
            )
            .also(name.span, "can become critical")
            .help(format!(
                "write `notify \"{channel}\"`, or delete the line to notify all channels{}",
                if kind == JobKind::Check {
                    "; for a check that is not urgent, write `severity \"warning\"`"
                } else {
                    ""
                }
            )),
        );
    }
}

/// OPS3002 and OPS3003 of `silenced-by`.
fn silences(document: &Document, names: &JobNames<'_>, findings: &mut Vec<Finding>) {
    // Which check, and where it is named, by the name of the silenced check.
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
                    format!("`{job}` is not a check"),
                    "only a check can silence another",
                )
                .help(match names.all().iter().find(|name| name.kind == JobKind::Check) {
                    Some(_) => {
                        format!(
                            "name a check of that job, such as one with `job \"{job}\" {{ age critical=\"26h\"; }}`"
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
                findings.extend(cycle(path.get(*from..).unwrap_or_default(), &by));
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

/// Most edges of one cycle that are labelled.
const MAX_CYCLE_LABELS: usize = 64;

fn cycle(names: &[&str], by: &HashMap<&str, (&str, Span)>) -> Option<Finding> {
    let mut edges: Vec<(&str, &str, Span)> = names
        .iter()
        .filter_map(|name| by.get(name).map(|(other, span)| (*name, *other, *span)))
        .collect();
    edges.sort_by_key(|(_, _, span)| *span);
    let label = |(name, other, _): &(&str, &str, Span)| {
        if name == other {
            "silenced by itself".to_owned()
        } else {
            format!("`check:{other}` silences `check:{name}`")
        }
    };
    let (first, rest) = edges.split_first()?;
    let message = if rest.is_empty() {
        format!("`check:{}` silences itself", first.0)
    } else {
        "checks silence each other, so no channel is notified when all of them fail".to_owned()
    };
    let mut finding = Finding::new(Code::Cycle, first.2, message, label(first));
    for edge in rest.iter().take(MAX_CYCLE_LABELS) {
        finding = finding.also(edge.2, label(edge));
    }
    Some(finding.help(if rest.is_empty() {
        "delete the line"
    } else {
        "delete one of these lines, preferably in the check that shows the root cause"
    }))
}
