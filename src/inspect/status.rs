//! The status of all jobs of a file.
//!
//! Takes a model and `now`, reads the state; gives a [`StatusDocument`]. A state that does not exist is empty.
//! Invariant: the worst step is the result of a job; jobs that the file no longer declares are left out.

use crate::clock::MillisUtc;
use crate::daemon::timetable::Timetable;
use crate::inspect::lost_history;
use crate::inspect::outlook::{JobOutlook, JobPast, outlook};
use crate::inspect::waiting::waiting;
use crate::launch::LaunchError;
use crate::liveness::children;
use crate::model::{JobName, Model, StepName};
use crate::plan::RunRequest;
use crate::report::schedule::status::{FORMAT, JobDocument, LastDocument, LeftRunning, StatusDocument};
use crate::run::{Outcome, State};
use crate::store::outbox::Undelivered;
use crate::store::{JobStatus, RunEnd, Store};
use crate::units::millis;
use chrono::{DateTime, Utc};
use std::collections::HashSet;

/// Decisions that are read to find out whether a job is overdue.
const MAX_DECISIONS: u32 = 5;

pub fn status(model: &Model, undelivered: Vec<Undelivered>, now: DateTime<Utc>) -> Result<StatusDocument, LaunchError> {
    let store = Store::open_or_empty(&model.ops.state_dir)?;
    let timetable = Timetable::new(model);
    let agenda = store.agenda()?;
    let open = store.open_runs()?;
    let paused: HashSet<JobName> = RunRequest::default().paused(model).into_iter().collect();
    let orphans = children::orphans(&model.ops.state_dir);
    let mut jobs = Vec::new();
    for job in model.jobs().map(|job| job.name()) {
        let standing = lost_history::job_status(model, &store, &job)?;
        let waiting = waiting(model, &open, &job);
        let outlook = match timetable.find(&job) {
            Some(scheduled) => {
                let decisions = store.decisions(&job, MAX_DECISIONS)?;
                let past = JobPast {
                    standing: &standing,
                    decisions: &decisions,
                    waiting: waiting.as_ref(),
                };
                outlook(scheduled, &agenda, past, now)
            }
            None => JobOutlook::default(),
        };
        let left_running = LeftRunning::of(&job, &orphans);
        jobs.push(JobDocument {
            waiting,
            left_running,
            ..document(paused.contains(&job), job.to_string(), standing, outlook)
        });
    }
    jobs.sort_by_key(rank);
    Ok(StatusDocument {
        format: FORMAT,
        ops: model.ops.name.clone(),
        at: MillisUtc(now),
        well: !jobs.iter().any(is_bad),
        jobs,
        undelivered,
    })
}

/// The outcome of a job with these steps: the worst one. Of several blocked steps the first counts, since it names the
/// cause; of other equal ones the last.
pub(super) fn worst_outcome(steps: &[(StepName, Outcome)]) -> Option<&Outcome> {
    let (_, worst) = steps
        .iter()
        .rev()
        .min_by_key(|(_, outcome)| rank_of_state(outcome.state))?;
    let blocked = steps.iter().find(|(_, outcome)| outcome.state == State::Blocked);
    match blocked {
        Some((_, first)) if worst.state == State::Blocked => Some(first),
        _ => Some(worst),
    }
}

fn document(paused: bool, job: String, standing: JobStatus, outlook: JobOutlook) -> JobDocument {
    let last = standing.last.and_then(|last| {
        Some(LastDocument {
            at: MillisUtc(last.at),
            millis: last.took.map(millis),
            outcome: worst_outcome(&last.outcomes)?.clone(),
            run: last.run,
        })
    });
    let (running_since, last) = match standing.begun {
        None => (None, last),
        Some(begun) if begun.end == RunEnd::Running => (Some(MillisUtc(begun.at)), last),
        Some(begun) => {
            let interrupted = LastDocument {
                run: begun.run,
                at: MillisUtc(begun.at),
                millis: None,
                outcome: Outcome::new(State::Interrupted, "its run was interrupted"),
            };
            (None, Some(interrupted))
        }
    };
    JobDocument {
        job,
        paused,
        running_since,
        waiting: None,
        next_run: outlook.next_run.map(MillisUtc),
        back_off: outlook.back_off,
        overdue_since: outlook.overdue_since.map(MillisUtc),
        handled_until: outlook.handled_until.map(MillisUtc),
        left_running: Vec::new(),
        last,
    }
}

/// True if the job needs attention. A paused job does not.
fn is_bad(job: &JobDocument) -> bool {
    let state = job.last.as_ref().map(|last| last.outcome.state);
    let bad = state.is_some_and(|state| !state.opens() && state != State::Paused);
    !job.paused && (bad || job.overdue_since.is_some() || job.handled_until.is_some())
}

/// Rank of a job that is overdue, or waits for the clock: like an interrupted one.
const OVERDUE: u8 = 4;
/// Rank of a job that never ran: needs a look, but nothing went wrong.
const NEVER_RAN: u8 = 9;

/// The worst is 0.
fn rank(job: &JobDocument) -> u8 {
    let rank = match &job.last {
        _ if job.paused => return rank_of_state(State::Paused),
        None => NEVER_RAN,
        Some(last) => rank_of_state(last.outcome.state),
    };
    job.overdue_since
        .or(job.handled_until)
        .map_or(rank, |_| rank.min(OVERDUE))
}

fn rank_of_state(state: State) -> u8 {
    match state {
        State::NoSpace => 0,
        State::Refused => 1,
        State::Failed => 2,
        State::Critical => 3,
        State::Interrupted => OVERDUE,
        State::Unknown => 5,
        State::Blocked => 6,
        State::Partial => 7,
        State::Warning => 8,
        State::Ok => 10,
        State::Nothing => 11,
        State::Paused => 12,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{BegunJob, JobResult};

    fn outcome(state: State, summary: &str) -> Outcome {
        Outcome {
            state,
            summary: summary.to_owned(),
            help: None,
            details: Vec::new(),
        }
    }

    fn standing(state: Option<State>, begun: Option<RunEnd>) -> JobStatus {
        JobStatus {
            last: state.map(|state| JobResult {
                run: "A".to_owned(),
                at: "2026-11-23T01:00:00Z".parse().unwrap(),
                took: None,
                outcomes: vec![("target:t".parse().unwrap(), outcome(state, "ended"))],
            }),
            begun: begun.map(|end| BegunJob {
                run: "B".to_owned(),
                at: "2026-11-23T02:00:00Z".parse().unwrap(),
                end,
            }),
        }
    }

    fn row(job: &str, paused: bool, state: Option<State>) -> JobDocument {
        document(paused, job.to_owned(), standing(state, None), JobOutlook::default())
    }

    #[test]
    fn what_began_later_counts_more() {
        let of = |paused, state, begun| {
            let standing = standing(Some(state), begun);
            document(paused, "target:t".to_owned(), standing, JobOutlook::default())
        };
        let settled = of(false, State::Ok, None);
        assert!(settled.running_since.is_none() && !is_bad(&settled));
        let running = of(false, State::Failed, Some(RunEnd::Running));
        assert_eq!(
            running.running_since.unwrap().0.to_rfc3339(),
            "2026-11-23T02:00:00+00:00"
        );
        assert!(is_bad(&running));
        let cut = of(false, State::Ok, Some(RunEnd::Interrupted));
        assert_eq!(cut.last.as_ref().unwrap().outcome.state, State::Interrupted);
        assert!(is_bad(&cut));
        assert!(!is_bad(&of(true, State::Failed, None)));
    }

    #[test]
    fn the_worst_step_is_the_result_of_the_job() {
        let of = |states: &[State]| {
            let steps: Vec<_> = states
                .iter()
                .map(|state| ("verify:b".parse().unwrap(), outcome(*state, state.word())))
                .collect();
            worst_outcome(&steps).map(|outcome| outcome.state)
        };
        assert_eq!(of(&[State::Failed, State::Blocked]), Some(State::Failed));
        assert_eq!(of(&[State::Partial, State::Ok]), Some(State::Partial));
        assert_eq!(of(&[State::Nothing, State::Ok]), Some(State::Ok));
        assert_eq!(of(&[]), None);
        let two = |state| {
            let steps = ["a", "b"].map(|text| ("verify:b".parse().unwrap(), outcome(state, text)));
            worst_outcome(&steps).unwrap().summary.clone()
        };
        assert_eq!((two(State::Ok).as_str(), two(State::Blocked).as_str()), ("b", "a"));
    }

    #[test]
    fn the_worst_job_is_first_and_equal_ones_keep_the_file_order() {
        let mut rows = [
            row("a", false, Some(State::Ok)),
            row("b", false, None),
            row("c", false, Some(State::Critical)),
            row("d", true, Some(State::Failed)),
            row("e", false, Some(State::Critical)),
            row("f", false, Some(State::Warning)),
            JobDocument {
                overdue_since: Some(MillisUtc("2026-11-23T12:00:00Z".parse().unwrap())),
                ..row("g", false, Some(State::Ok))
            },
        ];
        rows.sort_by_key(rank);
        assert_eq!(
            rows.each_ref().map(|row| row.job.as_str()),
            ["c", "e", "g", "f", "b", "a", "d"]
        );
        assert_eq!(
            rows.each_ref().map(is_bad),
            [true, true, true, false, false, false, false]
        );
        let standing = JobDocument {
            handled_until: Some(MillisUtc("2036-11-23T12:00:00Z".parse().unwrap())),
            ..row("h", false, Some(State::Ok))
        };
        assert_eq!((rank(&standing), is_bad(&standing)), (OVERDUE, true));
    }
}
