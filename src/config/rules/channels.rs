//! What a channel says of others: its fallback, and the jobs that it follows.
//!
//! Reports fallbacks that are unknown, receive runs only, or lead back to their channel (OPS3002, OPS3003), followed jobs
//! that are unknown or named twice, and channels that follow jobs of different schedules (OPS6005).
//! Invariant: a doubt that rests on text that could not be read is not reported.

use super::notify::{closed_paths, declared, no_channel, notifies};
use crate::channel::service::MessageScope;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::channel::ChannelNode;
use crate::config::nodes::document::Document;
use crate::config::rules::cycles;
use crate::config::rules::name_lists::{NameSearch, distinct};
use crate::config::rules::names::JobNames;
use crate::config::rules::schedules::Schedules;
use crate::config::source::{Span, Spanned};
use crate::model::channel::LOG;
use crate::model::schedule::Rhythm;
use crate::model::{JobKind, JobName};
use std::collections::HashMap;

pub fn check(document: &Document, names: &JobNames<'_>, schedules: &Schedules<'_>, findings: &mut Vec<Finding>) {
    fallbacks(document, findings);
    for channel in &document.channels {
        let again = |name: &str| {
            let message = format!("`{}` appears twice in `job`", excerpt(name));
            (message, "delete one of them".to_owned())
        };
        if let Some(follows) = &channel.follows {
            for reference in distinct(&follows.jobs, Code::Repeated, findings, again) {
                names.resolve(reference, "job", findings);
            }
        }
        findings.extend(mixed_rhythm(document, channel, schedules));
    }
}

fn fallbacks(document: &Document, findings: &mut Vec<Finding>) {
    let names: Vec<&str> = declared(document).collect();
    let search = NameSearch::default();
    // The fallback, and where it is named, by the name of the channel.
    let mut by: HashMap<&str, (&str, Span)> = HashMap::new();
    for channel in &document.channels {
        let Some(reference) = &channel.fallback else {
            continue;
        };
        let wanted = reference.value.as_str();
        let mut known = document.channels.iter();
        let known = known.find(|node| node.name.as_ref().is_some_and(|name| name.value == wanted));
        match known {
            None if wanted == LOG => findings.push(
                Finding::new(
                    Code::BadReference,
                    reference.span,
                    "the log is not a fallback",
                    "what is given up is logged in any case",
                )
                .help("name another channel, or delete the line"),
            ),
            None if document.surely_lacks(wanted) => {
                let near = search.nearest(wanted, names.iter().copied());
                findings.push(no_channel("fallback", reference, near, &names));
            }
            None => {}
            Some(node) if node.scope() == Some(MessageScope::Runs) => findings.push(runs_only(reference, node)),
            Some(_) => {
                if let Some(name) = &channel.name {
                    by.insert(&name.value, (wanted, reference.span));
                }
            }
        }
    }
    for path in closed_paths(names.iter().copied(), &by) {
        findings.extend(cycle(&path, &by));
    }
}

fn runs_only(reference: &Spanned<String>, node: &ChannelNode) -> Finding {
    let message = format!("channel `{}` cannot be a fallback", reference.value);
    Finding::new(Code::BadReference, reference.span, message, "receives runs, not alerts")
        .also(node.name.as_ref().map(|name| name.span), "declared here")
        .help("name a channel that people read, such as an `email`")
}

fn cycle(names: &[&str], by: &HashMap<&str, (&str, Span)>) -> Option<Finding> {
    let edges = names
        .iter()
        .filter_map(|name| by.get(name).map(|(other, span)| (*span, *name, *other)));
    let mut edges: Vec<(Span, &str, &str)> = edges.collect();
    edges.sort_by_key(|(span, ..)| *span);
    let message = match edges.as_slice() {
        [(_, name, _)] => format!("channel `{name}` is its own fallback"),
        _ => "channels are fallbacks of each other".to_owned(),
    };
    let label = |(span, name, other): &(Span, &str, &str)| (*span, format!("`{name}` falls back to `{other}`"));
    let help = "delete one of these lines: what the last channel gives up is logged";
    cycles::labelled(message, edges.iter().map(label), help)
}

/// OPS6005.
fn mixed_rhythm(document: &Document, channel: &ChannelNode, schedules: &Schedules<'_>) -> Option<Finding> {
    let name = channel.name.as_ref()?;
    let damaged = channel.follows.as_ref().is_some_and(|follows| follows.damaged);
    if channel.scope() != Some(MessageScope::Runs) || damaged {
        return None;
    }
    let mut first: Option<(JobName, &Rhythm, Span)> = None;
    for (kind, job, known) in schedules.of_jobs(document) {
        let (Some(full), Some(known)) = (job.full_name(kind), known) else {
            continue;
        };
        let followed = match &channel.follows {
            Some(follows) => follows.jobs.iter().any(|job| job.value == full.to_string()),
            None => kind != JobKind::Check && notifies(job, &name.value),
        };
        if !followed || job.paused {
            continue;
        }
        let (rhythm, span) = (&known.schedule.rhythm, known.rhythm.span());
        let Some((other, before, other_span)) = &first else {
            first = Some((full, rhythm, span));
            continue;
        };
        if *before == rhythm {
            continue;
        }
        let place = channel.follows.as_ref().map_or(name.span, |follows| follows.span);
        let message = format!("channel `{}` follows jobs of different schedules", name.value);
        let (shown, own) = (&name.value, &full.name);
        return Some(
            Finding::new(Code::MixedRhythm, place, message, "a missing run of one is hidden by the other")
                .also(*other_span, format!("when `{other}` runs"))
                .also(span, format!("when `{full}` runs"))
                .help(format!(
                    "write one channel for each, each with a ping URL of its own: write `job \"{other}\"` in `{shown}`, and \
                     `channel \"{shown}-{own}\" {{ healthchecks {{ url from-env=\"HC_URL_2\"; job \"{full}\"; }}; }}`"
                )),
        );
    }
    None
}
