//! The channels that jobs notify, and checks that silence each other.
//!
//! Reports channels that are declared twice, unknown, or receive nothing (OPS3004), jobs that notify no channel (OPS6003),
//! and checks that silence each other in a cycle. What a channel says of others is in [`channels`](super::channels).
//! Invariant: a doubt that rests on text that could not be read is not reported.

use crate::channel::service::MessageScope;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::JobNode;
use crate::config::nodes::channel::ChannelNode;
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
                findings.push(no_channel("notify", reference, near, &names));
            }
        }
    }
}

pub(super) fn declared(document: &Document) -> impl Iterator<Item = &str> {
    let names = document.channels.iter().filter_map(|node| node.name.as_ref());
    names.map(|name| name.value.as_str())
}

/// OPS3002: the name of a channel in `setting`.
pub(super) fn no_channel(setting: &str, reference: &Spanned<String>, near: Option<&str>, names: &[&str]) -> Finding {
    let wanted = reference.value.as_str();
    let message = format!("unknown channel `{}`", excerpt(wanted));
    let bare = wanted.strip_prefix("channel:").filter(|bare| names.contains(bare));
    let help = match (bare, near, names) {
        (Some(bare), _, _) => format!("write `{setting} \"{bare}\"`, without the kind"),
        (None, Some(near), _) => format!("did you mean `{setting} \"{near}\"`?"),
        (None, None, []) => {
            let name = as_name(wanted).unwrap_or_else(|| "ops".to_owned());
            format!("declare it: `channel \"{name}\" {{ webhook {{ url from-env=\"OPS_WEBHOOK\"; }}; }}`")
        }
        (None, None, names) if setting == "notify" => format!("declared: {}, {LOG}", listed(names.iter().copied())),
        (None, None, names) => format!("declared: {}", listed(names.iter().copied())),
    };
    Finding::new(Code::BadReference, reference.span, message, "not declared").help(help)
}

/// OPS3004: every job notifies other channels, or the channel follows none of those that notify it.
fn unused(document: &Document, findings: &mut Vec<Finding>) {
    let unsure = |job: &JobNode| job.damaged || job.notify.as_ref().is_some_and(|notify| notify.damaged);
    if !document.fully_read() || document.jobs().any(|(_, job)| unsure(job)) {
        return;
    }
    let Some((_, any)) = document.jobs().next() else {
        return;
    };
    let example = document
        .jobs()
        .find_map(|(_, job)| job.notify.as_ref())
        .map(|notify| notify.span);
    let fallbacks = document.channels.iter().filter_map(|channel| channel.fallback.as_ref());
    let fallbacks: HashSet<&str> = fallbacks.map(|name| name.value.as_str()).collect();
    let free = |channel: &&ChannelNode| {
        let name = channel.name.as_ref();
        name.is_none_or(|name| !fallbacks.contains(name.value.as_str()))
    };
    for channel in document.channels.iter().filter(free) {
        let (Some(name), Some(scope), None) = (&channel.name, channel.scope(), &channel.follows) else {
            continue;
        };
        let mut notifying = document.jobs().filter(|(_, job)| notifies(job, &name.value)).peekable();
        let shown = &name.value;
        let message = format!("channel `{shown}` receives no alerts");
        if notifying.peek().is_none() {
            let finding = Finding::new(Code::Unused, name.span, message, "every job notifies other channels");
            findings.push(finding.also(example, "for example here").help(format!(
                "add it to a job with `notify \"{shown}\"`, or delete the channel; a job without `notify` notifies all channels"
            )));
        } else if scope == MessageScope::Runs && notifying.all(|(kind, _)| kind == JobKind::Check) {
            let check = any.name_text();
            findings.push(
                Finding::new(
                    Code::Unused,
                    name.span,
                    message,
                    "follows no checks, and only checks notify it",
                )
                .help(format!(
                    "write `job \"check:{check}\"` in it to follow the runs of a check, or delete the channel"
                )),
            );
        }
    }
}

/// True without `notify`: then it notifies all channels.
pub(super) fn notifies(job: &JobNode, channel: &str) -> bool {
    let notify = job.notify.as_ref();
    notify.is_none_or(|notify| notify.channels.iter().any(|name| name.value == channel))
}

/// OPS6003, only in files that declare channels.
fn not_notified(document: &Document, findings: &mut Vec<Finding>) {
    let for_people = |node: &&ChannelNode| node.scope() != Some(MessageScope::Runs);
    let mut people = document.channels.iter().filter(for_people);
    let channel = people
        .find_map(|node| node.name.as_ref())
        .map(|name| name.value.as_str());
    if document.channels.is_empty()
        || document
            .channels
            .iter()
            .any(|node| node.name.is_none() || node.kind.is_none())
    {
        return;
    }
    let bearable: HashSet<&str> = document
        .checks
        .iter()
        .filter(|check| check.worst == Worst::Warning)
        .map(|check| check.job.name_text())
        .collect();
    for (kind, job) in document.jobs() {
        let Some(name) = job.full_name(kind) else {
            continue;
        };
        let bearable = kind == JobKind::Check && bearable.contains(name.name.as_str());
        let damaged = job.notify.as_ref().is_some_and(|notify| notify.damaged);
        let unknown = |wanted: &str| wanted != LOG && declared(document).all(|known| known != wanted);
        let unsure = job
            .notify
            .iter()
            .flat_map(|notify| &notify.channels)
            .any(|name| unknown(&name.value));
        let mut channels = document.channels.iter();
        let heard = channels.any(|node| hears(node, kind, job, &name.to_string()));
        if damaged || unsure || heard || job.paused || bearable {
            continue;
        }
        let lower = match kind {
            JobKind::Check => "; for a check that is not urgent, write `severity \"warning\"`",
            JobKind::Target | JobKind::Backup | JobKind::Retention => "",
        };
        let only_log = job
            .notify
            .as_ref()
            .is_some_and(|notify| notify.channels.iter().all(|name| name.value == LOG));
        let label = if only_log {
            "only the log"
        } else {
            "only channels that follow other jobs"
        };
        let help = match channel {
            Some(channel) => {
                format!("write `notify \"{channel}\"`, or delete the line to notify all channels{lower}")
            }
            None => format!(
                "declare another channel: `channel \"ops\" {{ webhook {{ url from-env=\"OPS_WEBHOOK\"; }}; }}`{lower}"
            ),
        };
        let span = job.notify.as_ref().map_or(job.name_span(), |notify| notify.span);
        let message = format!("no channel is notified when `{name}` fails");
        let mut finding = Finding::new(Code::Unheard, span, message, label);
        if job.notify.is_some() {
            finding = finding.also(job.name_span(), "can become critical");
        }
        findings.push(finding.help(help));
    }
}

/// True when the channel receives a failure of this job.
fn hears(channel: &ChannelNode, kind: JobKind, job: &JobNode, full_name: &str) -> bool {
    let notified = channel.name.as_ref().is_some_and(|name| notifies(job, &name.value));
    match (&channel.follows, channel.scope()) {
        (Some(follows), _) => follows.damaged || follows.jobs.iter().any(|name| name.value == full_name),
        (None, Some(MessageScope::Runs)) => notified && kind != JobKind::Check,
        (None, _) => notified,
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
    let checks = document.checks.iter().filter_map(|check| check.job.name.as_ref());
    for names in closed_paths(checks.map(|name| name.value.as_str()), &by) {
        findings.extend(cycle(&names, &by));
    }
}

/// Where each name leads to at most one other: every path that comes back to its beginning, once.
pub(super) fn closed_paths<'n>(
    names: impl Iterator<Item = &'n str>,
    by: &HashMap<&'n str, (&'n str, Span)>,
) -> Vec<Vec<&'n str>> {
    let mut closed = Vec::new();
    let mut done: HashSet<&str> = HashSet::new();
    for name in names {
        let mut path: Vec<&str> = Vec::new();
        let mut on_path: HashMap<&str, usize> = HashMap::new();
        let mut at = name;
        while !done.contains(at) {
            if let Some(from) = on_path.get(at) {
                closed.push(path.get(*from..).unwrap_or_default().to_vec());
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
    closed
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
