//! Jobs that can never run because they wait for what cannot happen (OPS3008).
//!
//! Takes the resolved `needs`; reports jobs that need a paused one, checks that ask how fresh a paused one is, and jobs
//! that need a check which asks for a success of the same job. Cycles of `needs` belong to `cycles`.
//! Invariant: reported only when no run of any kind can open the gate.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::document::Document;
use crate::config::nodes::{CheckNode, JobNode};
use crate::config::rules::names::Needs;
use crate::config::source::{Span, Spanned};
use crate::model::check::{Probe, Worst};
use crate::model::{JobKind, JobName};
use std::collections::{HashMap, HashSet, VecDeque};

/// Most edges that are followed in search of gates that wait for what they open.
const MAX_EDGES: usize = 2_000_000;

/// OPS3008.
pub fn check(document: &Document, needs: &Needs, findings: &mut Vec<Finding>) {
    let waits = waits(document, needs);
    let paused = document.jobs().filter(|(_, job)| job.paused);
    let paused: HashMap<JobName, Span> = paused
        .filter_map(|(kind, job)| Some((job.full_name(kind)?, job.name_span())))
        .collect();
    for (kind, job) in document.jobs().filter(|(_, job)| !job.paused) {
        let Some(own) = job.full_name(kind) else {
            continue;
        };
        for needed in waits.get(&own).into_iter().flatten() {
            if let Some(span) = paused.get(&needed.value) {
                findings.push(left_out(&own, job, needed, *span));
            }
        }
    }
    let mut followed = 0;
    for check in &document.checks {
        let (Some(job), Some(own)) = (&check.asked_job, check.job.full_name(JobKind::Check)) else {
            continue;
        };
        let Ok(asked) = job.value.parse::<JobName>() else {
            continue;
        };
        if let Some(span) = paused.get(&asked).filter(|_| !check.job.paused) {
            let message = format!("`{asked}` is paused, so its last success only gets older");
            findings.push(
                Finding::new(Code::ClosedGate, job.span, message, "this job never runs")
                    .warning()
                    .also(*span, "paused")
                    .help(format!(
                        "pause `check \"{}\"` too, or remove `paused` from `{asked}`",
                        own.name
                    )),
            );
        }
        if never_ok_before(check)
            && let Some(last) = reaches(&asked, &own, &waits, &mut followed)
        {
            let message = format!("`{asked}` can never run because it needs a check of its own success");
            findings.push(
                Finding::new(Code::ClosedGate, last, message, format!("needs `{own}`"))
                    .also(job.span, format!("checks whether `{asked}` succeeded"))
                    .help("delete one of the two references: a check of a job cannot be a condition for that job"),
            );
        }
    }
}

/// A check of a job that has never succeeded is closed, unless critical counts as a warning.
fn never_ok_before(check: &CheckNode) -> bool {
    let ages = match &check.probe {
        Some(Probe::Job { age, .. }) => age.warn.is_some() || age.critical.is_some(),
        _ => return false,
    };
    check.worst == Worst::Critical || !ages
}

/// What each job waits for, a retention for its backup as well.
fn waits(document: &Document, needs: &Needs) -> HashMap<JobName, Vec<Spanned<JobName>>> {
    let mut waits: HashMap<JobName, Vec<Spanned<JobName>>> = HashMap::new();
    for ((kind, job), needs) in document.jobs().zip(needs) {
        if let Some(own) = job.full_name(kind) {
            waits.entry(own).or_default().extend(needs.iter().cloned());
        }
    }
    for node in &document.retentions {
        if let (Some(own), Some(backup)) = (node.job.full_name(JobKind::Retention), &node.backup) {
            let (value, span) = (JobName::new(JobKind::Backup, &backup.value), backup.span);
            let own = waits.entry(own).or_default();
            if own.iter().all(|needed| needed.value != value) {
                own.push(Spanned { value, span });
            }
        }
    }
    waits
}

fn left_out(own: &JobName, job: &JobNode, needed: &Spanned<JobName>, paused: Span) -> Finding {
    let name = &needed.value;
    let message = format!("`{own}` never runs because it needs `{name}`, which is paused");
    Finding::new(Code::ClosedGate, needed.span, message, "skipped in every run")
        .warning()
        .also(paused, "paused")
        .help(if job.needs.iter().any(|reference| reference.span == needed.span) {
            format!("pause this job too, or remove `{name}` from its `needs`")
        } else {
            format!("pause this job too, or remove `paused` from `{name}`")
        })
}

/// The last reference to `to` on the way from one job to what it waits for.
fn reaches(
    from: &JobName,
    to: &JobName,
    waits: &HashMap<JobName, Vec<Spanned<JobName>>>,
    followed: &mut usize,
) -> Option<Span> {
    let mut seen: HashSet<&JobName> = HashSet::from([from]);
    let mut next: VecDeque<&JobName> = VecDeque::from([from]);
    while let Some(at) = next.pop_front() {
        for needed in waits.get(at).into_iter().flatten() {
            *followed += 1;
            if *followed > MAX_EDGES {
                return None;
            }
            if needed.value == *to {
                return Some(needed.span);
            }
            if seen.insert(&needed.value) {
                next.push_back(&needed.value);
            }
        }
    }
    None
}
