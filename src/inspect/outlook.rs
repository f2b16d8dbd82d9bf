//! The outlook of a job: its next run, its back-off, and whether it is overdue.
//!
//! Takes a job of the [`Timetable`](crate::daemon::timetable::Timetable), the state and the past of the job; gives a
//! [`JobOutlook`]. Pure: `now` is an argument.
//! Invariant: nothing is overdue on a schedule that was never served, or that was first served after the instant.

use crate::daemon::timetable::{ScheduledJob, TimetableEntry};
use crate::model::backoff::Gate;
use crate::model::schedule::due::{self, GRACE};
use crate::report::schedule::status::{BackOffRow, WaitRow};
use crate::store::schedules::{Agenda, FiringVerdict, ScheduleState, StoredDecision};
use crate::store::{JobStatus, RunEnd};
use chrono::{DateTime, TimeDelta, Utc};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobOutlook {
    /// Jitter included. None: it is paused, or its schedule has no later instant.
    pub next_run: Option<DateTime<Utc>>,
    pub back_off: Option<BackOffRow>,
    /// The last instant at which it should have run but did not.
    pub overdue_since: Option<DateTime<Utc>>,
    /// Since when the schedule is served in its current definition.
    pub served_since: Option<DateTime<Utc>>,
    /// Up to when its schedule was handled, if it waits because the clock is before that.
    pub handled_until: Option<DateTime<Utc>>,
}

/// Up to when a schedule counts as handled, as the next tick will see it: a clock that was set back too far is followed.
pub fn handled(entry: &TimetableEntry, agenda: &Agenda, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let state = agenda.schedules.get(&entry.schedule.name);
    let handled = state.filter(|state| state.definition == entry.definition)?.handled;
    let jitter = TimeDelta::from_std(entry.jitter).unwrap_or_default();
    match due::set_back(&entry.schedule, handled, now) {
        Some(_) => now.checked_sub_signed(jitter),
        None => Some(handled),
    }
}

/// Up to when a schedule was handled, if nothing of it runs because the clock is before that.
fn stands_until(entry: &TimetableEntry, state: &ScheduleState, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (schedule, handled) = (&entry.schedule, state.handled);
    let set_back = due::set_back(schedule, handled, now).map(|_| handled);
    set_back.or_else(|| due::stands_until(schedule, handled, now))
}

/// What is known of a job's past.
#[derive(Debug, Clone, Copy)]
pub struct JobPast<'a> {
    pub standing: &'a JobStatus,
    /// Newest first.
    pub decisions: &'a [StoredDecision],
    pub waiting: Option<&'a WaitRow>,
}

pub fn outlook(
    (entry, job): (&TimetableEntry, &ScheduledJob),
    agenda: &Agenda,
    past: JobPast<'_>,
    now: DateTime<Utc>,
) -> JobOutlook {
    let jitter = TimeDelta::from_std(entry.jitter).unwrap_or_default();
    let state = agenda.schedules.get(&entry.schedule.name);
    let state = state.filter(|state| state.definition == entry.definition);
    let back_off = back_off(job, agenda, now);
    let free = back_off.as_ref().map_or(now, |back_off| back_off.until);
    let handled = handled(entry, agenda, now).unwrap_or(free);
    let after = free.checked_sub_signed(jitter).unwrap_or(free).max(handled);
    let next = entry
        .schedule
        .next(after)
        .and_then(|next| next.checked_add_signed(jitter));
    let queued = agenda.queue.contains_key(&job.job);
    let excused = job.paused.is_some() || queued || back_off.is_some();
    JobOutlook {
        next_run: next.filter(|_| job.paused.is_none()),
        overdue_since: state
            .filter(|_| !excused)
            .and_then(|state| overdue(entry, state, past, now)),
        back_off,
        served_since: state.map(|state| state.since.min(now)),
        handled_until: state.and_then(|state| stands_until(entry, state, now)),
    }
}

/// The back-off that lasts longest.
fn back_off(job: &ScheduledJob, agenda: &Agenda, now: DateTime<Utc>) -> Option<BackOffRow> {
    let gates = job.gates.iter().filter_map(|target| {
        let state = agenda.back_offs.get(target)?;
        match state.may_run(now) {
            Gate::Wait { until } => Some(BackOffRow {
                target: target.to_string(),
                failures: state.failures,
                until,
            }),
            Gate::Run | Gate::Probe => None,
        }
    });
    gates.max_by_key(|back_off| back_off.until)
}

fn overdue(
    entry: &TimetableEntry,
    state: &ScheduleState,
    past: JobPast<'_>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let JobPast {
        standing: JobStatus { last, begun },
        decisions,
        waiting,
    } = past;
    let late = TimeDelta::from_std(entry.jitter + GRACE).ok()?;
    let latest = now.checked_sub_signed(late)?;
    let instant = entry.schedule.previous(latest)?;
    // A run that was claimed and does not begin makes nothing right.
    if let Some(waiting) = waiting.filter(|waiting| waiting.needs.is_none()) {
        return (waiting.instant <= latest).then_some(instant.max(waiting.instant));
    }
    if instant <= state.since.min(now) {
        return None;
    }
    let running = waiting.is_some() || begun.as_ref().is_some_and(|begun| begun.end == RunEnd::Running);
    let began = last.as_ref().map(|last| {
        let took = last.took.and_then(|took| TimeDelta::from_std(took).ok());
        last.at - took.unwrap_or_default()
    });
    let began = began.max(begun.as_ref().map(|begun| begun.at));
    // What is in the future happened under a clock that was ahead.
    let began = began.filter(|began| *began <= now + TimeDelta::from_std(GRACE).unwrap_or_default());
    let decided = decisions.iter().any(|past| {
        let dropped = past.decision.verdict == FiringVerdict::Dropped;
        past.decision.last >= instant && past.decision.first <= now && !dropped
    });
    (!running && !decided && began.is_none_or(|began| began < instant)).then_some(instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::timetable::Timetable;
    use crate::model::backoff::BackOffState;
    use crate::run::{Outcome, State};
    use crate::store::schedules::Decision;
    use crate::store::{BegunJob, JobResult};
    use std::time::Duration;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn timetable() -> Timetable {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ops.kdl");
        let text = "schedule \"noon\" { cron \"0 12 * * *\"; jitter \"10m\"; }
target \"a\" { command \"true\"; schedule \"noon\"; back-off after=1 wait=\"30h\" factor=1.0 cap=\"30h\"; }
target \"p\" { command \"true\"; schedule \"noon\"; paused; }\n";
        std::fs::write(&path, text).unwrap();
        Timetable::new(&crate::config::load(&path).unwrap().model.unwrap())
    }

    /// The jobs `a` and `p` at `now`, on a schedule that is served since the 1st and decided up to `handled`.
    fn outlooks(
        handled: &str,
        now: &str,
        standing: &JobStatus,
        decisions: &[StoredDecision],
        failed: Option<&str>,
    ) -> [JobOutlook; 2] {
        let timetable = timetable();
        let entry = &timetable.entries[0];
        let mut agenda = Agenda::default();
        let state = ScheduleState {
            definition: entry.definition.clone(),
            since: at("2026-11-01T00:00:00Z"),
            handled: at(handled),
            era: 0,
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
        let past = JobPast {
            standing,
            decisions,
            waiting: None,
        };
        [0, 1].map(|n| outlook((entry, &entry.jobs[n]), &agenda, past, at(now)))
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

    fn decision(instant: &str, verdict: FiringVerdict) -> StoredDecision {
        StoredDecision {
            at: at(instant),
            decision: Decision {
                job: "target:a".parse().unwrap(),
                schedule: "noon".to_owned(),
                first: at(instant),
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
    fn the_next_run_counts_jitter_and_back_off() {
        let jitter = TimeDelta::from_std(timetable().entries[0].jitter).unwrap();
        assert!(jitter > TimeDelta::zero());
        let none = JobStatus::default();
        let next = |handled, now, failed| outlooks(handled, now, &none, &[], failed)[0].next_run;
        let noon = |day: u32| Some(at(&format!("2026-11-{day}T12:00:00Z")) + jitter);
        assert_eq!(next("2026-11-09T12:00:00Z", "2026-11-10T11:00:00Z", None), noon(10));
        // It is noon, and the jitter has not passed.
        assert_eq!(next("2026-11-09T12:00:00Z", "2026-11-10T12:00:01Z", None), noon(10));
        assert_eq!(next("2026-11-10T12:00:00Z", "2026-11-10T12:30:00Z", None), noon(11));
        // A clock that was set back by less than a run repeats nothing; by more, the schedule follows it.
        let standing = |now| outlooks("2026-11-10T12:00:00Z", now, &none, &[], None)[0].handled_until;
        let until = Some(at("2026-11-10T12:00:00Z"));
        assert_eq!(next("2026-11-10T12:00:00Z", "2026-11-09T12:30:00Z", None), noon(11));
        assert_eq!(standing("2026-11-09T12:30:00Z"), until);
        assert_eq!(next("2026-11-10T12:00:00Z", "2026-11-08T12:30:00Z", None), noon(9));
        assert_eq!(standing("2026-11-08T12:30:00Z"), until);
        assert_eq!(standing("2026-11-10T11:59:30Z"), None, "as a correction may");
        assert_eq!(standing("2026-11-10T12:30:00Z"), None);
        let failed = Some("2026-11-11T13:00:00Z");
        assert_eq!(next("2026-11-10T12:00:00Z", "2026-11-10T12:30:00Z", failed), noon(12));
        let [a, p] = outlooks("2026-11-09T12:00:00Z", "2026-11-10T11:00:00Z", &none, &[], None);
        assert_eq!((a.next_run.is_some(), p.next_run), (true, None));
    }

    #[test]
    fn a_job_that_should_have_started_is_overdue() {
        let noon = Some(at("2026-11-10T12:00:00Z"));
        let (handled, now) = ("2026-11-09T12:00:00Z", "2026-11-10T12:30:00Z");
        let yesterday = ran("2026-11-09T12:05:00Z");
        let of =
            |now, standing: &JobStatus, past: &[StoredDecision], failed| outlooks(handled, now, standing, past, failed);
        let [a, p] = of(now, &yesterday, &[], None);
        assert_eq!((a.overdue_since, p.overdue_since), (noon, None));
        assert_eq!(of(now, &JobStatus::default(), &[], None)[0].overdue_since, noon);
        // The jitter and one minute are tolerated.
        assert_eq!(of("2026-11-10T12:00:59Z", &yesterday, &[], None)[0].overdue_since, None);
        // A manual run counts, and so does an active one.
        assert_eq!(of(now, &ran("2026-11-10T12:20:00Z"), &[], None)[0].overdue_since, None);
        let going_on = JobStatus {
            begun: Some(BegunJob {
                run: "B".to_owned(),
                at: at("2026-11-10T10:00:00Z"),
                end: RunEnd::Running,
            }),
            ..yesterday.clone()
        };
        assert_eq!(of(now, &going_on, &[], None)[0].overdue_since, None);
        let cut = JobStatus {
            begun: going_on.begun.map(|begun| BegunJob {
                end: RunEnd::Interrupted,
                ..begun
            }),
            ..yesterday.clone()
        };
        assert_eq!(of(now, &cut, &[], None)[0].overdue_since, noon);
        // A deliberate decision is not a delay, nor is an instant that was left out by its window, or by `missed`.
        let decided =
            |verdict| of(now, &yesterday, &[decision("2026-11-10T12:00:00Z", verdict)], None)[0].overdue_since;
        assert_eq!(decided(FiringVerdict::SkippedOverlap), None);
        assert_eq!(decided(FiringVerdict::Ran), None);
        assert_eq!(decided(FiringVerdict::Missed), None);
        assert_eq!(decided(FiringVerdict::Dropped), noon);
        // What was decided or ran under a clock that was ahead says nothing about now.
        let ahead = decision("2031-11-10T12:00:00Z", FiringVerdict::Ran);
        assert_eq!(of(now, &yesterday, &[ahead], None)[0].overdue_since, noon);
        assert_eq!(of(now, &ran("2031-11-10T12:20:00Z"), &[], None)[0].overdue_since, noon);
        assert_eq!(
            of(now, &yesterday, &[], Some("2026-11-11T13:00:00Z"))[0].overdue_since,
            None
        );
        // Never served.
        let timetable = timetable();
        let entry = &timetable.entries[0];
        let job = (entry, &entry.jobs[0]);
        let past = JobPast {
            standing: &yesterday,
            decisions: &[],
            waiting: None,
        };
        assert_eq!(outlook(job, &Agenda::default(), past, at(now)).overdue_since, None);
        assert_eq!(
            outlooks("2026-11-01T00:00:00Z", "2026-11-01T11:00:00Z", &yesterday, &[], None)[0].overdue_since,
            None
        );
    }

    #[test]
    fn a_run_that_waits_longer_than_is_tolerated_is_overdue() {
        let timetable = timetable();
        let entry = &timetable.entries[0];
        let mut agenda = Agenda::default();
        let state = ScheduleState {
            definition: entry.definition.clone(),
            since: at("2026-11-01T00:00:00Z"),
            handled: at("2026-11-10T12:00:00Z"),
            era: 0,
        };
        agenda.schedules.insert("noon".to_owned(), state);
        let noon = at("2026-11-10T12:00:00Z");
        let of = |needs: Option<&str>, now| {
            let waiting = WaitRow {
                run: "A".to_owned(),
                instant: noon,
                since: noon,
                awaited: "a slot (`concurrency` 1)".to_owned(),
                needs: needs.map(str::to_owned),
            };
            let past = JobPast {
                standing: &ran("2026-11-09T12:05:00Z"),
                // That a run was claimed is no excuse.
                decisions: &[decision("2026-11-10T12:00:00Z", FiringVerdict::Ran)],
                waiting: Some(&waiting),
            };
            outlook((entry, &entry.jobs[0]), &agenda, past, at(now)).overdue_since
        };
        assert_eq!(of(None, "2026-11-10T12:00:59Z"), None);
        assert_eq!(of(None, "2026-11-10T12:30:00Z"), Some(noon));
        assert_eq!(of(Some("target:dump"), "2026-11-10T12:30:00Z"), None);
    }
}
