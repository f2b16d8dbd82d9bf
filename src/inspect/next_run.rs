//! How a job stands in time: when it runs next, how long it is left alone, and whether it is overdue.
//!
//! Takes its place in the [`Book`](crate::daemon::timetable::Book), what the store remembers and what became of it, gives [`Ahead`].
//! Pure: `now` is an argument.
//! Invariant: nothing is overdue by a schedule that was never served, or is served first after the instant.

use crate::daemon::timetable::{Due, Entry};
use crate::model::JobName;
use crate::model::backoff::Gate;
use crate::model::schedule::due::GRACE;
use crate::store::schedules::{Agenda, FiringVerdict, ScheduleState, StoredDecision};
use crate::store::{JobStatus, RunEnd};
use chrono::{DateTime, TimeDelta, Utc};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ahead {
    /// When it runs next, jitter included. None: it is paused, or its schedule does not fire again.
    pub next: Option<DateTime<Utc>>,
    pub left_alone: Option<LeftAlone>,
    /// The last instant that should have been a run by now, and was none.
    pub overdue: Option<DateTime<Utc>>,
    /// Since when the schedule is served as it is defined.
    pub since: Option<DateTime<Utc>>,
}

/// A target that failed too often of late, and with it what needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAlone {
    pub target: JobName,
    pub failures: u32,
    pub until: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    pub standing: &'a JobStatus,
    /// What was decided about it, newest first.
    pub decisions: &'a [StoredDecision],
}

#[must_use]
pub fn ahead(entry: &Entry, due: &Due, agenda: &Agenda, past: Past<'_>, now: DateTime<Utc>) -> Ahead {
    let jitter = TimeDelta::from_std(entry.jitter).unwrap_or_default();
    let state = agenda.schedules.get(&entry.schedule.name);
    let state = state.filter(|state| state.definition == entry.definition);
    let left_alone = left_alone(due, agenda, now);
    let free = left_alone.as_ref().map_or(now, |left| left.until);
    let handled = state.map_or(free, |state| state.handled);
    let after = free.checked_sub_signed(jitter).unwrap_or(free).max(handled);
    let next = entry
        .schedule
        .next(after)
        .and_then(|next| next.checked_add_signed(jitter));
    let waits = agenda.queue.contains_key(&due.job);
    let excused = due.paused.is_some() || waits || left_alone.is_some();
    Ahead {
        next: next.filter(|_| due.paused.is_none()),
        overdue: state
            .filter(|_| !excused)
            .and_then(|state| overdue(entry, state, past, now)),
        left_alone,
        since: state.map(|state| state.since),
    }
}

/// The target for which it waits longest.
fn left_alone(due: &Due, agenda: &Agenda, now: DateTime<Utc>) -> Option<LeftAlone> {
    let gates = due.gates.iter().filter_map(|target| {
        let state = agenda.back_offs.get(target)?;
        match state.may_run(now) {
            Gate::Wait { until } => Some(LeftAlone {
                target: target.clone(),
                failures: state.failures,
                until,
            }),
            Gate::Run | Gate::Probe => None,
        }
    });
    gates.max_by_key(|left| left.until)
}

fn overdue(entry: &Entry, state: &ScheduleState, past: Past<'_>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let late = TimeDelta::from_std(entry.jitter + GRACE).ok()?;
    let instant = entry.schedule.previous(now.checked_sub_signed(late)?)?;
    if instant <= state.since {
        return None;
    }
    let JobStatus { last, begun } = past.standing;
    let running = begun.as_ref().is_some_and(|begun| begun.end == RunEnd::GoingOn);
    let began = last.as_ref().map(|last| {
        let took = last
            .took
            .and_then(|took| TimeDelta::from_std(took).ok())
            .unwrap_or_default();
        last.at - took
    });
    let began = began.max(begun.as_ref().map(|begun| begun.at));
    let decided = past.decisions.iter().any(|told| {
        let passed_over = matches!(told.decision.verdict, FiringVerdict::Missed | FiringVerdict::Dropped);
        told.decision.last >= instant && !passed_over
    });
    (!running && !decided && began.is_none_or(|began| began < instant)).then_some(instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::timetable::Book;
    use crate::model::backoff::BackOffState;
    use crate::run::{Outcome, State};
    use crate::store::schedules::{Decision, Occurrence};
    use crate::store::{BegunJob, JobResult};
    use std::time::Duration;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn book() -> Book {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ops.kdl");
        let text = "schedule \"noon\" { cron \"0 12 * * *\"; jitter \"10m\"; }
target \"a\" { command \"true\"; schedule \"noon\"; back-off after=1 wait=\"30h\" factor=1.0 cap=\"30h\"; }
target \"p\" { command \"true\"; schedule \"noon\"; paused; }\n";
        std::fs::write(&path, text).unwrap();
        Book::new(&crate::config::load(&path).unwrap().model.unwrap())
    }

    /// The jobs `a` and `p` at that moment, when the schedule is served since the 1st and up to `handled`.
    fn stands(
        handled: &str,
        now: &str,
        standing: &JobStatus,
        decisions: &[StoredDecision],
        failed: Option<&str>,
    ) -> [Ahead; 2] {
        let book = book();
        let entry = &book.entries[0];
        let mut agenda = Agenda::default();
        let state = ScheduleState {
            definition: entry.definition.clone(),
            since: at("2026-11-01T00:00:00Z"),
            handled: at(handled),
        };
        agenda.schedules.insert("noon".to_owned(), state);
        if let Some(until) = failed {
            let state = BackOffState {
                failures: 4,
                opened: Some(at(until) - TimeDelta::hours(30)),
                open_until: Some(at(until)),
            };
            agenda.back_offs.insert("target:a".parse().unwrap(), state);
        }
        let past = Past { standing, decisions };
        [0, 1].map(|n| ahead(entry, &entry.jobs[n], &agenda, past, at(now)))
    }

    fn ran(ended: &str) -> JobStatus {
        let outcome = Outcome {
            state: State::Failed,
            summary: String::new(),
            help: None,
            details: Vec::new(),
        };
        JobStatus {
            last: Some(JobResult {
                run: "A".to_owned(),
                at: at(ended),
                took: Some(Duration::from_secs(60)),
                outcomes: vec![("target:a".parse().unwrap(), outcome)],
            }),
            begun: None,
        }
    }

    fn told(instant: &str, verdict: FiringVerdict) -> StoredDecision {
        StoredDecision {
            at: at(instant),
            decision: Decision {
                job: "target:a".parse().unwrap(),
                first: Occurrence {
                    schedule: "noon".to_owned(),
                    instant: at(instant),
                },
                last: at(instant),
                count: 1,
                more: false,
                verdict,
                reason: String::new(),
            },
            run: None,
        }
    }

    #[test]
    fn the_next_run_counts_jitter_and_cool_downs() {
        let jitter = TimeDelta::from_std(book().entries[0].jitter).unwrap();
        assert!(jitter > TimeDelta::zero());
        let none = JobStatus::default();
        let next = |handled, now, failed| stands(handled, now, &none, &[], failed)[0].next;
        let noon = |day: u32| Some(at(&format!("2026-11-{day}T12:00:00Z")) + jitter);
        assert_eq!(next("2026-11-09T12:00:00Z", "2026-11-10T11:00:00Z", None), noon(10));
        // It is noon, and the jitter has not passed.
        assert_eq!(next("2026-11-09T12:00:00Z", "2026-11-10T12:00:01Z", None), noon(10));
        assert_eq!(next("2026-11-10T12:00:00Z", "2026-11-10T12:30:00Z", None), noon(11));
        // A clock set back brings nothing again.
        assert_eq!(next("2026-11-10T12:00:00Z", "2026-11-08T12:30:00Z", None), noon(11));
        let failed = Some("2026-11-11T13:00:00Z");
        assert_eq!(next("2026-11-10T12:00:00Z", "2026-11-10T12:30:00Z", failed), noon(12));
        let [a, p] = stands("2026-11-09T12:00:00Z", "2026-11-10T11:00:00Z", &none, &[], None);
        assert_eq!((a.next.is_some(), p.next), (true, None));
    }

    #[test]
    fn what_should_have_begun_and_did_not_is_overdue() {
        let noon = Some(at("2026-11-10T12:00:00Z"));
        let (handled, now) = ("2026-11-09T12:00:00Z", "2026-11-10T12:30:00Z");
        let yesterday = ran("2026-11-09T12:05:00Z");
        let of =
            |now, standing: &JobStatus, told: &[StoredDecision], failed| stands(handled, now, standing, told, failed);
        let [a, p] = of(now, &yesterday, &[], None);
        assert_eq!((a.overdue, p.overdue), (noon, None));
        assert_eq!(of(now, &JobStatus::default(), &[], None)[0].overdue, noon);
        // The jitter and a minute are granted.
        assert_eq!(of("2026-11-10T12:00:59Z", &yesterday, &[], None)[0].overdue, None);
        // A run by hand counts, and one that goes on.
        assert_eq!(of(now, &ran("2026-11-10T12:20:00Z"), &[], None)[0].overdue, None);
        let going_on = JobStatus {
            begun: Some(BegunJob {
                run: "B".to_owned(),
                at: at("2026-11-10T10:00:00Z"),
                end: RunEnd::GoingOn,
            }),
            ..yesterday.clone()
        };
        assert_eq!(of(now, &going_on, &[], None)[0].overdue, None);
        let cut = JobStatus {
            begun: going_on.begun.map(|begun| BegunJob {
                end: RunEnd::Interrupted,
                ..begun
            }),
            ..yesterday.clone()
        };
        assert_eq!(of(now, &cut, &[], None)[0].overdue, noon);
        // What was decided on purpose is no delay; what nobody was there for is one.
        let decided = |verdict| of(now, &yesterday, &[told("2026-11-10T12:00:00Z", verdict)], None)[0].overdue;
        assert_eq!(decided(FiringVerdict::SkippedOverlap), None);
        assert_eq!(decided(FiringVerdict::Ran), None);
        assert_eq!(decided(FiringVerdict::Missed), noon);
        assert_eq!(of(now, &yesterday, &[], Some("2026-11-11T13:00:00Z"))[0].overdue, None);
        // Never served: there is nothing to go by.
        let book = book();
        let past = Past {
            standing: &yesterday,
            decisions: &[],
        };
        let entry = &book.entries[0];
        assert_eq!(
            ahead(entry, &entry.jobs[0], &Agenda::default(), past, at(now)).overdue,
            None
        );
        assert_eq!(
            stands("2026-11-01T00:00:00Z", "2026-11-01T11:00:00Z", &yesterday, &[], None)[0].overdue,
            None
        );
    }
}
