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
pub(in crate::config) fn check(document: &Document, needs: &Needs, findings: &mut Vec<Finding>) {
    let waits = waits(document, needs);
    let paused: HashMap<JobName, Span> = document
        .jobs()
        .filter(|(_, job)| job.paused)
        .filter_map(|(kind, job)| {
            let name = job.name.as_ref()?;
            Some((JobName::new(kind, &name.value), name.span))
        })
        .collect();
    for (kind, job) in document.jobs() {
        let Some(name) = job.name.as_ref().filter(|_| !job.paused) else {
            continue;
        };
        let own = JobName::new(kind, &name.value);
        for needed in waits.get(&own).into_iter().flatten() {
            if let Some(span) = paused.get(&needed.value) {
                findings.push(left_out(&own, job, needed, *span));
            }
        }
    }
    let mut followed = 0;
    for check in &document.checks {
        let Some(job) = &check.asked_job else {
            continue;
        };
        let (Ok(asked), Some(name)) = (job.value.parse::<JobName>(), &check.job.name) else {
            continue;
        };
        if let Some(span) = paused.get(&asked).filter(|_| !check.job.paused) {
            findings.push(
                Finding::new(
                    Code::ClosedGate,
                    job.span,
                    format!("`{asked}` is paused, so its last success only gets older"),
                    "this job never runs",
                )
                .warning()
                .also(*span, "paused")
                .help(format!(
                    "pause `check \"{}\"` too, or remove `paused` from `{asked}`",
                    name.value
                )),
            );
        }
        let own = JobName::new(JobKind::Check, &name.value);
        if never_ok_before(check)
            && let Some(last) = reaches(&asked, &own, &waits, &mut followed)
        {
            findings.push(
                Finding::new(
                    Code::ClosedGate,
                    last,
                    format!("`{asked}` can never run because it needs a check of its own success"),
                    format!("needs `{own}`"),
                )
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
        if let Some(name) = &job.name {
            let own = waits.entry(JobName::new(kind, &name.value)).or_default();
            own.extend(needs.iter().cloned());
        }
    }
    for node in &document.retentions {
        if let (Some(name), Some(backup)) = (&node.job.name, &node.backup) {
            let own = waits.entry(JobName::new(JobKind::Retention, &name.value)).or_default();
            let backup = Spanned {
                value: JobName::new(JobKind::Backup, &backup.value),
                span: backup.span,
            };
            if own.iter().all(|needed| needed.value != backup.value) {
                own.push(backup);
            }
        }
    }
    waits
}

fn left_out(own: &JobName, job: &JobNode, needed: &Spanned<JobName>, paused: Span) -> Finding {
    let finding = Finding::new(
        Code::ClosedGate,
        needed.span,
        format!(
            "`{own}` never runs because it needs `{}`, which is paused",
            needed.value
        ),
        "skipped in every run",
    )
    .warning()
    .also(paused, "paused");
    if job.needs.iter().any(|reference| reference.span == needed.span) {
        finding.help(format!(
            "pause this job too, or remove `{}` from its `needs`",
            needed.value
        ))
    } else {
        finding.help(format!(
            "pause this job too, or remove `paused` from `{}`",
            needed.value
        ))
    }
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
