//! The channels that jobs notify, and checks that silence each other.
//!
//! Reports channels that are declared twice, unknown, or receive nothing (OPS3004), jobs that notify no channel (OPS6003),
//! and checks that silence each other in a cycle.
//! Invariant: a doubt that rests on text that could not be read is not reported.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::JobNode;
use crate::config::nodes::document::Document;
use crate::config::rules::cycles;
use crate::config::rules::name_lists::{NameSearch, distinct, listed, unique};
use crate::config::rules::names::JobNames;
use crate::config::source::{Span, Spanned};
use crate::config::values::as_name;
use crate::model::JobKind;
use crate::model::channel::LOG;
use crate::model::check::Worst;
use std::collections::{HashMap, HashSet};

pub fn check(document: &Document, names: &JobNames<'_>, findings: &mut Vec<Finding>) {
    let channels = document.channels.iter().filter_map(|node| node.name.as_ref());
    unique("channel", channels, findings);
    references(document, findings);
    unused(document, findings);
    not_notified(document, findings);
    silences(document, names, findings);
}

/// OPS3002 and OPS2006 of `notify`.
fn references(document: &Document, findings: &mut Vec<Finding>) {
    let names: Vec<&str> = declared(document).collect();
    let all: Vec<&str> = names.iter().copied().chain([LOG]).collect();
    let known: HashSet<&str> = all.iter().copied().collect();
    let search = NameSearch::default();
    let again = |name: &str| {
        let message = format!("channel `{}` appears twice in `notify`", excerpt(name));
        (message, "delete one of them".to_owned())
    };
    for notify in document.jobs().filter_map(|(_, job)| job.notify.as_ref()) {
        for reference in distinct(&notify.channels, Code::Repeated, findings, again) {
            let wanted = reference.value.as_str();
            if !known.contains(wanted) && document.surely_lacks(wanted) {
                let near = search.nearest(wanted, all.iter().copied());
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
    let message = format!("unknown channel `{}`", excerpt(wanted));
    let bare = wanted.strip_prefix("channel:").filter(|bare| names.contains(bare));
    let help = match (bare, near, names) {
        (Some(bare), _, _) => format!("write `notify \"{bare}\"`, without the kind"),
        (None, Some(near), _) => format!("did you mean `notify \"{near}\"`?"),
        (None, None, []) => {
            let name = as_name(wanted).unwrap_or_else(|| "ops".to_owned());
            format!("declare it: `channel \"{name}\" {{ webhook {{ url from-env=\"OPS_WEBHOOK\"; }}; }}`")
        }
        (None, None, names) => format!("declared: {}, {LOG}", listed(names.iter().copied())),
    };
    Finding::new(Code::BadReference, reference.span, message, "not declared").help(help)
}

/// OPS3004: every job notifies other channels.
fn unused(document: &Document, findings: &mut Vec<Finding>) {
    let unsure = |job: &JobNode| job.damaged || job.notify.as_ref().is_none_or(|notify| notify.damaged);
    if !document.fully_read() || document.jobs().any(|(_, job)| unsure(job)) {
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
    let example = any.notify.as_ref().map(|notify| notify.span);
    for name in document.channels.iter().filter_map(|node| node.name.as_ref()) {
        let shown = &name.value;
        if notified.contains(shown.as_str()) {
            continue;
        }
        let message = format!("channel `{shown}` receives no alerts");
        let finding = Finding::new(Code::Unused, name.span, message, "every job notifies other channels");
        findings.push(finding.also(example, "for example here").help(format!(
            "add it to a job with `notify \"{shown}\"`, or delete the channel; a job without `notify` notifies all channels"
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
        .map(|check| check.job.name_text())
        .collect();
    for (kind, job) in document.jobs() {
        let (Some(notify), Some(name)) = (&job.notify, job.full_name(kind)) else {
            continue;
        };
        let bearable = kind == JobKind::Check && bearable.contains(name.name.as_str());
        let only_log = notify.channels.iter().all(|channel| channel.value == LOG);
        if notify.damaged || !only_log || job.paused || bearable {
            continue;
        }
        let message = format!("no channel is notified when `{name}` fails");
        let lower = match kind {
            JobKind::Check => "; for a check that is not urgent, write `severity \"warning\"`",
            JobKind::Target | JobKind::Backup | JobKind::Retention => "",
        };
        findings.push(
            Finding::new(Code::Unheard, notify.span, message, "only the log")
                .also(job.name_span(), "can become critical")
                .help(format!(
                    "write `notify \"{channel}\"`, or delete the line to notify all channels{lower}"
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
            let help = if names.all.iter().any(|name| name.kind == JobKind::Check) {
                format!("name a check of that job, such as one with `job \"{job}\" {{ age critical=\"26h\"; }}`")
            } else {
                "delete the line".to_owned()
            };
            let (message, label) = (format!("`{job}` is not a check"), "only a check can silence another");
            findings.push(Finding::new(Code::BadReference, reference.span, message, label).help(help));
        } else if let (Some(name), Some((_, other))) = (&check.job.name, reference.value.split_once(':')) {
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

fn cycle(names: &[&str], by: &HashMap<&str, (&str, Span)>) -> Option<Finding> {
    let edges = names
        .iter()
        .filter_map(|name| by.get(name).map(|(other, span)| (*span, *name, *other)));
    let mut edges: Vec<(Span, &str, &str)> = edges.collect();
    edges.sort_by_key(|(span, ..)| *span);
    let (message, help) = match edges.as_slice() {
        [(_, name, _)] => (format!("`check:{name}` silences itself"), "delete the line"),
        _ => (
            "checks silence each other, so no channel is notified when all of them fail".to_owned(),
            "delete one of these lines, preferably in the check that shows the root cause",
        ),
    };
    let label = |(span, name, other): &(Span, &str, &str)| {
        let label = if name == other {
            "silenced by itself".to_owned()
        } else {
            format!("`check:{other}` silences `check:{name}`")
        };
        (*span, label)
    };
    cycles::labelled(message, edges.iter().map(label), help)
}
