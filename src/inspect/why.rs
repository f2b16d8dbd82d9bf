//! Why a job ran or did not, at length.
//!
//! Takes a model, a job and `now`, reads the state; gives a [`Why`]. Makes no state and changes none.
//! Invariant: reasons are those that were recorded when it was decided.

use crate::daemon::timetable::Book;
use crate::inspect::next_run::{Past, ahead};
use crate::inspect::status::{agenda, decisions, place};
use crate::launch::LaunchError;
use crate::launch::history::known;
use crate::model::{Job, JobName, Model, StepName};
use crate::plan::Request;
use crate::report::schedule::status::{BackOffRow, speaker};
use crate::report::schedule::why::{Because, Decided, FORMAT, Of, Root, RunAnswer, Running, Scheduled, Silencer, Why};
use crate::run::{Event, Outcome, State};
use crate::store::schedules::{FiringVerdict, StoredDecision};
use crate::store::{JobStatus, RunEnd, RunSummary, Store};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Answers, with so many decisions and runs at most.
///
/// # Errors
/// The file has no such job; a state that cannot be read.
pub fn why(model: &Model, job: &JobName, limit: u32, now: DateTime<Utc>) -> Result<Why, LaunchError> {
    known(model, Some(job))?;
    let store = Store::open_read_only(&model.ops.state_dir)?;
    let store = store.as_ref();
    let standing = match store {
        Some(store) => store.job_status(job)?,
        None => JobStatus::default(),
    };
    let book = Book::new(model);
    let agenda = agenda(store)?;
    let mut told = decisions(store, job, limit)?;
    // What was decided at one look has no order of its own: that of the instants tells more.
    told.sort_by_key(|told| std::cmp::Reverse(told.decision.last));
    let mut runs = Vec::new();
    if let Some(store) = store {
        for line in store.runs(Some(job), limit)? {
            runs.push(answer(store, job, line)?);
        }
    }
    let request = Request {
        only: vec![job.to_string()],
        ..Request::default()
    };
    let place = place(&book, job);
    let past = Past {
        standing: &standing,
        decisions: &told,
    };
    let ahead = place.map(|(entry, due)| ahead(entry, due, &agenda, past, now));
    let ahead = ahead.unwrap_or_default();
    let mut why = Why {
        format: FORMAT,
        job: job.to_string(),
        at: now,
        because: Because::Never,
        schedule: place.map(|(entry, due)| Scheduled {
            name: entry.schedule.name.clone(),
            definition: entry.definition.clone(),
            jitter_millis: u64::try_from(entry.jitter.as_millis()).unwrap_or(u64::MAX),
            along: due.along.as_ref().map(JobName::to_string),
            since: ahead.since,
        }),
        paused: match place {
            Some((_, due)) => due.paused.clone(),
            None => request.left_out(model).into_iter().next(),
        },
        next_run: ahead.next,
        back_off: ahead.left_alone.map(|left| BackOffRow {
            target: left.target.to_string(),
            failures: left.failures,
            until: left.until,
        }),
        overdue_since: ahead.overdue,
        waiting_since: agenda.queue.get(job).map(|waiting| waiting.instant),
        running: standing
            .begun
            .filter(|begun| begun.end == RunEnd::GoingOn)
            .map(|begun| Running {
                run: begun.run,
                since: begun.at,
            }),
        silenced_by: silencer(model, job, store)?,
        decisions: told.iter().map(decided).collect(),
        runs,
    };
    why.because = because(&why, told.first());
    Ok(why)
}

/// What the answer is about: what is now comes before what was.
fn because(why: &Why, newest: Option<&StoredDecision>) -> Because {
    let begun = why.runs.first().map(|run| run.begun_at);
    let not_run =
        newest.is_some_and(|told| told.decision.verdict != FiringVerdict::Ran && begun.is_none_or(|at| at <= told.at));
    match () {
        () if why.running.is_some() => Because::Running,
        () if why.paused.is_some() => Because::Paused,
        () if why.back_off.is_some() => Because::BackedOff,
        () if why.waiting_since.is_some() => Because::Queued,
        () if why.overdue_since.is_some() => Because::Overdue,
        () if not_run => Because::NotRun,
        () if begun.is_some() => Because::Ran,
        () => Because::Never,
    }
}

fn decided(told: &StoredDecision) -> Decided {
    let decision = &told.decision;
    Decided {
        at: told.at,
        schedule: decision.first.schedule.clone(),
        first: decision.first.instant,
        last: decision.last,
        count: decision.count,
        more: decision.more,
        decision: decision.verdict.word().to_owned(),
        reason: decision.reason.clone(),
        run: told.run.clone(),
    }
}

/// What a run came to for the job, and what it was begun for.
fn answer(store: &Store, job: &JobName, line: RunSummary) -> Result<RunAnswer, LaunchError> {
    let events = store.events_of(&line.run)?;
    let mut outcomes: BTreeMap<StepName, Outcome> = BTreeMap::new();
    for stored in events {
        if let Event::StepFinished { step, outcome } = stored.event {
            outcomes.insert(step, outcome);
        }
    }
    let own = job.steps().into_iter();
    let own: Vec<(StepName, Outcome)> = own
        .filter_map(|step| Some((step.clone(), outcomes.get(&step)?.clone())))
        .collect();
    let speaks = speaker(&own);
    let instants = store.claims_of(&line.run)?.into_iter().map(|claim| Of {
        schedule: claim.schedule,
        instant: claim.instant,
    });
    let cut_short = speaks.is_none() && line.end == RunEnd::Interrupted;
    Ok(RunAnswer {
        instants: instants.collect(),
        root: speaks.as_ref().and_then(|outcome| root(&outcomes, outcome)),
        state: (speaks.as_ref().map(|outcome| outcome.state)).or(cut_short.then_some(State::Interrupted)),
        summary: (speaks.map(|outcome| outcome.summary)).or(cut_short.then(|| "the run was cut short".to_owned())),
        run: line.run,
        begun_at: line.begun_at,
        command: line.command,
    })
}

/// The step that a blocked one waited for in vain, over all that were blocked in between: each names the next.
fn root(outcomes: &BTreeMap<StepName, Outcome>, blocked: &Outcome) -> Option<Root> {
    let mut outcome = blocked;
    let mut found = None;
    for _ in 0..outcomes.len() {
        if outcome.state != State::Blocked {
            break;
        }
        let mut words = outcome.summary.split_whitespace();
        let (step, next) = words.find_map(|word| outcomes.get_key_value(&word.parse().ok()?))?;
        outcome = next;
        found = Some(Root {
            step: step.to_string(),
            state: next.state,
            summary: next.summary.clone(),
        });
    }
    found
}

/// The check that holds the alerts of this one, and how it stands.
fn silencer(model: &Model, job: &JobName, store: Option<&Store>) -> Result<Option<Silencer>, LaunchError> {
    let check = model
        .jobs()
        .find(|known| known.name() == *job)
        .and_then(|found| match found {
            Job::Check(check) => check.silenced_by.clone(),
            Job::Target(_) | Job::Backup(_) | Job::Retention(_) => None,
        });
    let Some(name) = check else { return Ok(None) };
    let silencer = JobName::new(crate::model::JobKind::Check, name);
    let last = match store {
        Some(store) => store.job_status(&silencer)?.last,
        None => None,
    };
    Ok(Some(Silencer {
        check: silencer.to_string(),
        state: last
            .and_then(|last| speaker(&last.outcomes))
            .map(|outcome| outcome.state),
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
    fn the_root_is_found_behind_all_that_was_blocked() {
        let outcomes: BTreeMap<StepName, Outcome> = BTreeMap::from([
            ("check:disk".parse().unwrap(), outcome(State::Critical, "1 % is free")),
            (
                "backup:b".parse().unwrap(),
                outcome(State::Blocked, "check:disk is critical"),
            ),
            (
                "verify:b".parse().unwrap(),
                outcome(State::Blocked, "backup:b is blocked"),
            ),
        ]);
        let found = root(&outcomes, &outcome(State::Blocked, "verify:b is blocked")).unwrap();
        assert_eq!(
            (&*found.step, found.state, &*found.summary),
            ("check:disk", State::Critical, "1 % is free")
        );
        assert_eq!(root(&outcomes, &outcome(State::Failed, "check:disk")), None);
        assert_eq!(root(&outcomes, &outcome(State::Blocked, "nobody knows")), None);
        // What events say is believed, but not for ever.
        let circle: BTreeMap<StepName, Outcome> = BTreeMap::from([(
            "check:a".parse().unwrap(),
            outcome(State::Blocked, "check:a is blocked"),
        )]);
        assert!(root(&circle, &outcome(State::Blocked, "check:a is blocked")).is_some());
    }
}
