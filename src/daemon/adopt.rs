//! Runs that an earlier process claimed and never began: begun now, or given up.
//!
//! Takes what the store has of them and the timetable, gives those to begin. What `missed` says about instants at which
//! opsrun was not running holds for them too.
//! Invariant: only a run that has recorded nothing is begun again, and only by one process.

use crate::daemon::timetable::Timetable;
use crate::model::schedule::due::{due, grace};
use crate::model::schedule::{Missed, SkipReason};
use crate::store::schedules::{Agenda, Decision, FiringVerdict, ScheduledRun};
use crate::store::{Store, StoreError};
use chrono::{DateTime, TimeDelta, Utc};

/// Takes over the runs that may still begin; the others are at their end. Each is given on at once: after a failure, those
/// before it are this process's all the same.
pub(super) fn adopt_unbegun(
    timetable: &Timetable,
    store: &Store,
    now: DateTime<Utc>,
    adopt: &mut dyn FnMut(ScheduledRun),
) -> Result<(), StoreError> {
    let unbegun = store.unbegun_runs()?;
    if unbegun.is_empty() {
        return Ok(());
    }
    let agenda = store.agenda()?;
    for run in unbegun {
        let judged = run.jobs.iter().map(|decision| judge(timetable, &agenda, decision, now));
        let (kept, left): (Vec<Decision>, Vec<Decision>) =
            judged.partition(|decision| decision.verdict == FiringVerdict::Ran);
        if store.take_over(&run.run, &kept, &left)? && !kept.is_empty() {
            adopt(ScheduledRun { jobs: kept, ..run });
        }
    }
    Ok(())
}

/// What becomes of a job whose run waits, now that the ops file is another one. `None`: it goes on waiting.
pub(super) fn revised(timetable: &Timetable, claimed: &Decision) -> Option<Decision> {
    let decided = |verdict, reason: &str| Decision {
        verdict,
        reason: reason.to_owned(),
        ..claimed.clone()
    };
    let found = timetable.find(&claimed.job);
    let Some((_, job)) = found.filter(|(entry, _)| entry.schedule.name == claimed.schedule) else {
        return Some(decided(FiringVerdict::Dropped, "the ops file no longer schedules it"));
    };
    job.paused.as_ref().map(|paused| decided(FiringVerdict::Paused, paused))
}

/// What becomes of a job whose run was claimed and never began.
fn judge(timetable: &Timetable, agenda: &Agenda, claimed: &Decision, now: DateTime<Utc>) -> Decision {
    let decided = |verdict, reason: &str| Decision {
        verdict,
        reason: reason.to_owned(),
        ..claimed.clone()
    };
    if let Some(revised) = revised(timetable, claimed) {
        return revised;
    }
    let Some((entry, _)) = timetable.find(&claimed.job) else {
        return decided(FiringVerdict::Dropped, "the ops file no longer schedules it");
    };
    let jitter = TimeDelta::from_std(entry.jitter).unwrap_or_default();
    let then = now.checked_sub_signed(jitter).unwrap_or(now);
    let age = (then - claimed.first).to_std().unwrap_or_default();
    let is_newer_due = || {
        let state = agenda.schedules.get(&entry.schedule.name);
        state.is_some_and(|state| !due(&entry.schedule, Some(state.handled), then).run.is_empty())
    };
    let missed = match entry.schedule.missed {
        _ if age <= grace(&entry.schedule) => None,
        Missed::Skip => Some(SkipReason::Missed),
        Missed::Latest { window } | Missed::All { window, .. } if window.is_some_and(|window| age > window) => {
            Some(SkipReason::TooOld)
        }
        Missed::Latest { .. } if is_newer_due() => Some(SkipReason::Superseded),
        Missed::Latest { .. } | Missed::All { .. } => None,
    };
    match missed {
        Some(reason) => decided(FiringVerdict::Missed, reason.word()),
        None => decided(FiringVerdict::Ran, "it was due; opsrun ended before it could begin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::run::{Event, Record as _};
    use crate::store::schedules::{ScheduleAdvance, ScheduleState, TickRecord};
    use std::path::Path;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-25T{text}Z").parse().unwrap()
    }

    fn timetable(settings: &str) -> Timetable {
        let text = format!("schedule \"s\" {{ {settings} }}\ntarget \"t\" {{ command \"true\"; schedule \"s\"; }}\n");
        let loaded = config::load_text(Path::new("/srv/ops.kdl"), text.into_bytes());
        Timetable::new(&loaded.model.unwrap())
    }

    fn claimed(instant: &str) -> Decision {
        Decision {
            job: "target:t".parse().unwrap(),
            schedule: "s".to_owned(),
            first: at(instant),
            last: at(instant),
            count: 1,
            more: false,
            verdict: FiringVerdict::Ran,
            reason: "it was due".to_owned(),
        }
    }

    fn agenda(timetable: &Timetable, handled: &str) -> Agenda {
        let entry = &timetable.entries[0];
        let state = ScheduleState {
            definition: entry.definition.clone(),
            since: at("00:00:00"),
            handled: at(handled),
            era: 0,
        };
        let mut agenda = Agenda::default();
        agenda.schedules.insert("s".to_owned(), state);
        agenda
    }

    /// What becomes of the run of 12:00, which an earlier process claimed, when the schedule is decided up to `handled`.
    fn judged(settings: &str, handled: &str, now: &str) -> (FiringVerdict, String) {
        let timetable = timetable(settings);
        let decision = judge(&timetable, &agenda(&timetable, handled), &claimed("12:00:00"), at(now));
        (decision.verdict, decision.reason)
    }

    #[test]
    fn what_was_claimed_and_never_began_goes_by_the_policy_for_missed_instants() {
        let again = (
            FiringVerdict::Ran,
            "it was due; opsrun ended before it could begin".to_owned(),
        );
        let missed = |reason: &str| (FiringVerdict::Missed, reason.to_owned());
        let hourly = |policy: &str| format!("cron \"0 * * * *\"; missed {policy};");
        for policy in ["\"skip\"", "\"latest\"", "\"all\" max=3"] {
            assert_eq!(judged(&hourly(policy), "12:00:00", "12:00:50"), again, "{policy}");
        }
        assert_eq!(judged(&hourly("\"skip\""), "12:00:00", "12:10:00"), missed("missed"));
        assert_eq!(judged(&hourly("\"latest\""), "12:00:00", "12:40:00"), again);
        assert_eq!(
            judged(&hourly("\"latest\" window=\"30m\""), "12:00:00", "12:40:00"),
            missed("too-old")
        );
        assert_eq!(
            judged(&hourly("\"latest\""), "12:00:00", "13:10:00"),
            missed("superseded")
        );
        // What was left out since it waited takes its place no more.
        assert_eq!(judged(&hourly("\"latest\""), "13:00:00", "13:10:00"), again);
        assert_eq!(judged(&hourly("\"all\" max=3"), "12:00:00", "13:10:00"), again);
        assert_eq!(judged("every \"10s\";", "12:00:00", "12:00:09"), again);
        assert_eq!(judged("every \"10s\";", "12:00:00", "12:00:11"), missed("missed"));
        let other = timetable("every \"10s\";");
        let gone = Decision {
            job: "target:gone".parse().unwrap(),
            ..claimed("12:00:00")
        };
        let judged = judge(&other, &Agenda::default(), &gone, at("12:00:01"));
        assert_eq!(judged.verdict, FiringVerdict::Dropped);
    }

    /// A state in which a run for 12:00 is claimed by a process that is gone.
    fn left_behind(timetable: &Timetable) -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let turn = TickRecord {
            advances: vec![ScheduleAdvance {
                schedule: "s".to_owned(),
                before: None,
                after: agenda(timetable, "12:00:00").schedules["s"].clone(),
            }],
            runs: vec![ScheduledRun {
                run: "01JD0000000000000000000001".to_owned(),
                occurrences: vec![claimed("12:00:00").occurrence()],
                jobs: vec![claimed("12:00:00")],
            }],
            ..TickRecord::default()
        };
        assert!(store.record_tick(&turn, "opsrun serve", at("12:00:00")).unwrap());
        let db = rusqlite::Connection::open(dir.path().join(crate::store::FILE_NAME)).unwrap();
        db.execute("UPDATE runs SET process = '1 0 elsewhere'", []).unwrap();
        (dir, store)
    }

    fn adopted(timetable: &Timetable, store: &Store) -> Vec<ScheduledRun> {
        let mut adopted = Vec::new();
        adopt_unbegun(timetable, store, at("12:10:00"), &mut |run| adopted.push(run)).unwrap();
        adopted
    }

    #[test]
    fn a_run_that_never_began_is_taken_over_once() {
        let timetable = timetable("cron \"0 * * * *\"; missed \"latest\";");
        let (_dir, store) = left_behind(&timetable);
        let first = adopted(&timetable, &store);
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].run, "01JD0000000000000000000001");
        assert_eq!(
            first[0].jobs[0].reason,
            "it was due; opsrun ended before it could begin"
        );
        assert_eq!(adopted(&timetable, &store), []);
        assert_eq!(store.interrupted_runs().unwrap(), [""; 0]);
    }

    #[test]
    fn a_run_that_began_is_never_taken_over() {
        let timetable = timetable("cron \"0 * * * *\"; missed \"latest\";");
        let (_dir, store) = left_behind(&timetable);
        let event = Event::RunFinished { exit: 0, millis: 0 };
        let begun = Event::StepStarted {
            step: "target:t".parse().unwrap(),
        };
        store.journal("01JD0000000000000000000001").record(&begun).unwrap();
        assert_eq!(adopted(&timetable, &store), []);
        assert_eq!(store.interrupted_runs().unwrap(), ["01JD0000000000000000000001"]);
        store.journal("01JD0000000000000000000001").record(&event).unwrap();
        assert_eq!(adopted(&timetable, &store), []);
    }

    #[test]
    fn a_run_that_is_too_late_is_given_up_with_its_reason() {
        let timetable = timetable("cron \"0 * * * *\"; missed \"skip\";");
        let (_dir, store) = left_behind(&timetable);
        assert_eq!(adopted(&timetable, &store), []);
        let decided = store.decisions(&"target:t".parse().unwrap(), 5).unwrap();
        let [only] = decided.as_slice() else {
            panic!("{decided:?}")
        };
        assert_eq!(
            (only.decision.verdict, only.run.as_deref()),
            (FiringVerdict::Missed, None)
        );
        assert_eq!(only.decision.reason, "missed");
        assert_eq!(store.open_runs().unwrap(), []);
    }
}
