//! Why a job ran or did not run.
//!
//! Invariant: the reasons are those that were recorded with the decisions.

use crate::daemon::timetable::Timetable;
use crate::inspect::lost_history;
use crate::inspect::outlook::{JobPast, outlook};
use crate::inspect::status::worst_outcome;
use crate::inspect::waiting::waiting;
use crate::launch::LaunchError;
use crate::launch::history::known;
use crate::liveness::children;
use crate::model::{Job, JobKind, JobName, Model, StepName};
use crate::plan::RunRequest;
use crate::report::schedule::status::LeftRunning;
use crate::report::schedule::why::{Because, FORMAT, JobRun, JobSchedule, RootCause, Silencer, WhyDocument};
use crate::run::{Event, Outcome, State};
use crate::store::schedules::FiringVerdict;
use crate::store::{JobResult, RunEnd, RunFilter, RunSummary, Store};
use crate::units::millis;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// `limit`: the maximum number of decisions, and of runs.
///
/// # Errors
/// An unknown job; an unreadable state.
pub fn why(model: &Model, job: &JobName, limit: u32, now: DateTime<Utc>) -> Result<WhyDocument, LaunchError> {
    known(model, Some(job))?;
    let store = Store::open_or_empty(&model.ops.state_dir)?;
    let standing = lost_history::job_status(model, &store, job)?;
    let timetable = Timetable::new(model);
    let agenda = store.agenda()?;
    let mut past = store.decisions(job, limit)?;
    // Decisions of one tick have no order of their own: use the order of their instants. Decisions of different ticks keep
    // theirs, whatever the clock was then.
    for tick in past.chunk_by_mut(|one, other| one.at == other.at) {
        tick.sort_by_key(|past| std::cmp::Reverse(past.decision.last));
    }
    let runs = store
        .runs(
            RunFilter {
                job: Some(job),
                outcome: None,
            },
            limit,
        )?
        .into_iter()
        .map(|run| job_run(&store, job, run));
    let mut runs = runs.collect::<Result<Vec<_>, _>>()?;
    if runs.is_empty() {
        runs.extend(standing.last.as_ref().map(unknown_run));
    }
    let request = RunRequest {
        only: vec![job.to_string()],
        ..RunRequest::default()
    };
    let scheduled = timetable.find(job);
    let waiting = waiting(model, &store.open_runs()?, job);
    let of_job = JobPast {
        standing: &standing,
        decisions: &past,
        waiting: waiting.as_ref(),
    };
    let outlook = scheduled.map(|scheduled| outlook(scheduled, &agenda, of_job, now));
    let outlook = outlook.unwrap_or_default();
    let mut why = WhyDocument {
        format: FORMAT,
        job: job.to_string(),
        at: now,
        because: Because::Never,
        schedule: scheduled.map(|(entry, scheduled)| JobSchedule {
            name: entry.schedule.name.clone(),
            definition: entry.definition.clone(),
            jitter_millis: millis(entry.jitter),
            along: scheduled.along.as_ref().map(JobName::to_string),
            since: outlook.served_since,
        }),
        paused: match scheduled {
            Some((_, scheduled)) => scheduled.paused.clone(),
            None => request.left_out(model).into_iter().next(),
        },
        next_run: outlook.next_run,
        back_off: outlook.back_off,
        overdue_since: outlook.overdue_since,
        handled_until: outlook.handled_until,
        waiting_since: agenda.queue.get(job).map(|queued| queued.instant),
        waiting,
        running: standing.begun.filter(|begun| begun.end == RunEnd::Running),
        left_running: LeftRunning::of(job, &children::orphans(&model.ops.state_dir)),
        silenced_by: silencer(model, job, &store)?,
        decisions: past,
        runs,
    };
    why.because = because(&why);
    Ok(why)
}

/// The topic of the answer: the present comes before the past.
fn because(why: &WhyDocument) -> Because {
    let begun = why.runs.first().map(|run| run.begun_at);
    let not_run = why
        .decisions
        .first()
        .is_some_and(|newest| newest.decision.verdict != FiringVerdict::Ran && begun.is_none_or(|at| at <= newest.at));
    match () {
        () if why.running.is_some() => Because::Running,
        () if !why.left_running.is_empty() => Because::LeftRunning,
        () if why.waiting.is_some() => Because::Waiting,
        () if why.paused.is_some() => Because::Paused,
        () if why.back_off.is_some() => Because::BackedOff,
        () if why.waiting_since.is_some() => Because::Queued,
        () if why.handled_until.is_some() => Because::WaitsForClock,
        () if why.overdue_since.is_some() => Because::Overdue,
        () if not_run => Because::NotRun,
        () if begun.is_some() => Because::Ran,
        () => Because::Never,
    }
}

/// A run of which only its copy is known.
fn unknown_run(last: &JobResult) -> JobRun {
    let outcome = worst_outcome(&last.outcomes);
    JobRun {
        run: last.run.clone(),
        begun_at: last.at,
        instants: Vec::new(),
        command: String::new(),
        state: outcome.map(|outcome| outcome.state),
        summary: outcome.map(|outcome| outcome.summary.clone()),
        waited: None,
        root: None,
    }
}

/// The result of the job in a run, and why the run was started.
fn job_run(store: &Store, job: &JobName, line: RunSummary) -> Result<JobRun, LaunchError> {
    let mut outcomes: BTreeMap<StepName, Outcome> = BTreeMap::new();
    for stored in store.events_of(&line.run)? {
        if let Event::StepFinished { step, outcome } = stored.event {
            outcomes.insert(step, outcome);
        }
    }
    let steps = job.steps().into_iter();
    let steps: Vec<(StepName, Outcome)> = steps
        .filter_map(|step| Some((step.clone(), outcomes.get(&step)?.clone())))
        .collect();
    let worst = worst_outcome(&steps);
    let (state, summary) = match worst {
        Some(outcome) => (Some(outcome.state), Some(outcome.summary.clone())),
        None if line.end == RunEnd::Interrupted => {
            (Some(State::Interrupted), Some("the run was interrupted".to_owned()))
        }
        None => (None, None),
    };
    Ok(JobRun {
        instants: store.claims_of(&line.run)?,
        waited: store.waited(&line.run)?,
        root: worst.and_then(|outcome| root_cause(&outcomes, outcome)),
        state,
        summary,
        run: line.run,
        begun_at: line.begun_at.0,
        command: line.command,
    })
}

/// The step at the start of a chain of blocked steps: each summary names the next one.
fn root_cause(outcomes: &BTreeMap<StepName, Outcome>, blocked: &Outcome) -> Option<RootCause> {
    let mut outcome = blocked;
    let mut found = None;
    for _ in 0..outcomes.len() {
        if outcome.state != State::Blocked {
            break;
        }
        let mut words = outcome.summary.split_whitespace();
        let (step, next) = words.find_map(|word| outcomes.get_key_value(&word.parse().ok()?))?;
        outcome = next;
        found = Some(RootCause {
            step: step.to_string(),
            state: next.state,
            summary: next.summary.clone(),
        });
    }
    found
}

/// The check that silences the alerts of this job, and its last result.
fn silencer(model: &Model, job: &JobName, store: &Store) -> Result<Option<Silencer>, LaunchError> {
    let found = model.jobs().find(|known| known.name() == *job);
    let name = found.and_then(|found| match found {
        Job::Check(check) => check.silenced_by.clone(),
        Job::Target(_) | Job::Backup(_) | Job::Retention(_) => None,
    });
    let Some(name) = name else { return Ok(None) };
    let check = JobName::new(JobKind::Check, name);
    let last = store.job_status(&check)?.last;
    Ok(Some(Silencer {
        check: check.to_string(),
        state: last.and_then(|last| worst_outcome(&last.outcomes).map(|outcome| outcome.state)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(state: State, summary: &str) -> Outcome {
        Outcome {
            state,
            summary: summary.to_owned(),
            help: None,
            details: Vec::new(),
        }
    }

    #[test]
    fn the_root_cause_is_found_behind_all_blocked_steps() {
        let outcomes = BTreeMap::from(
            [
                ("check:disk", outcome(State::Critical, "1 % is free")),
                ("backup:b", outcome(State::Blocked, "check:disk is critical")),
                ("verify:b", outcome(State::Blocked, "backup:b is blocked")),
            ]
            .map(|(step, outcome)| (step.parse().unwrap(), outcome)),
        );
        let found = root_cause(&outcomes, &outcome(State::Blocked, "verify:b is blocked")).unwrap();
        assert_eq!(
            (&*found.step, found.state, &*found.summary),
            ("check:disk", State::Critical, "1 % is free")
        );
        assert_eq!(root_cause(&outcomes, &outcome(State::Failed, "check:disk")), None);
        assert_eq!(root_cause(&outcomes, &outcome(State::Blocked, "unknown cause")), None);
        // Events that name each other in a circle do not loop forever.
        let circle = BTreeMap::from([(
            "verify:b".parse().unwrap(),
            outcome(State::Blocked, "verify:b is blocked"),
        )]);
        assert!(root_cause(&circle, &outcome(State::Blocked, "verify:b is blocked")).is_some());
    }
}
