//! One tick, decided and written to the store in one transaction.
//!
//! Takes a timetable, a store and the time; gives what was decided. The daemon and `apply --due` may work side by side:
//! the second one decides again.
//! Invariant: what is returned is in the store.

use crate::clock::now;
use crate::daemon::clock::{ClockView, SinceLook};
use crate::daemon::tick::{ActiveJobs, Tick, tick};
use crate::daemon::timetable::Timetable;
use crate::liveness::children;
use crate::model::{JobName, Overlap};
use crate::store::unbegun::UNKNOWN_WAIT;
use crate::store::{RunEnd, Store, StoreError};
use chrono::{DateTime, SecondsFormat, Utc};

/// Whose turn it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Taker<'a> {
    /// The daemon, with the jobs of its runs.
    Daemon(&'a ActiveJobs),
    /// `apply --due`, with the jobs of its runs. It leaves the queue to the daemon.
    Once(&'a ActiveJobs),
}

/// Decides as of `clock`, and writes the decisions. None if another process was faster.
pub(super) fn take_turn(
    timetable: &Timetable,
    store: &Store,
    taker: Taker<'_>,
    clock: ClockView,
    command: &str,
) -> Result<Option<Tick>, StoreError> {
    let daemon = matches!(taker, Taker::Daemon(_));
    let mut agenda = store.agenda()?;
    if clock.since != SinceLook::Steady {
        agenda.ran = store.ran_until(clock.now)?;
    }
    let mut active = match taker {
        Taker::Daemon(active) => active.clone(),
        Taker::Once(own) => {
            agenda.queue.clear();
            let mut active = active_elsewhere(timetable, store)?;
            active.extend(own.clone());
            active
        }
    };
    left_running(timetable, store, daemon, &mut active);
    let mut tick = tick(timetable, &agenda, &active, clock);
    for beginning in &mut tick.turn.runs {
        beginning.run = ulid::Ulid::new().to_string();
    }
    let taken = tick.turn.is_empty() || store.record_tick(&tick.turn, command, now())?;
    Ok(taken.then_some(tick))
}

/// Jobs that are running in any process, or wait there in a run that was claimed for them, and are skipped for that. Other
/// jobs wait for the lock.
fn active_elsewhere(timetable: &Timetable, store: &Store) -> Result<ActiveJobs, StoreError> {
    let mut active = ActiveJobs::default();
    let skipped = |job: &JobName| timetable.job(job).is_some_and(|job| job.overlap == Overlap::Skip);
    for job in timetable.entries.iter().flat_map(|entry| &entry.jobs) {
        if job.overlap == Overlap::Skip {
            let begun = store.job_status(&job.job)?.begun;
            if begun.is_some_and(|begun| begun.end == RunEnd::Running) {
                active.add_started(job.job.clone());
            }
        }
    }
    for open in store.open_runs()?.into_iter().filter(|open| open.alive) {
        let waits = |job: &&JobName| skipped(job) && !open.started.contains(*job);
        for job in open.due.keys().filter(waits) {
            let waits = match &open.reason {
                _ if open.begun => "its turn in that run",
                Some(reason) => reason,
                None => UNKNOWN_WAIT,
            };
            active.add_waiting(job.clone(), previous_run(waits, open.claimed_at));
        }
    }
    Ok(active)
}

/// Why a job is not begun once more.
pub(super) fn previous_run(waits: &str, since: DateTime<Utc>) -> String {
    let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("its previous run waits for {waits}, since {since}")
}

/// Jobs that an opsrun which was killed left at work. A new run of a job that replaces its earlier one ends them. A run of
/// `apply --due` waits for them where the daemon queues the job.
fn left_running(timetable: &Timetable, store: &Store, daemon: bool, active: &mut ActiveJobs) {
    for orphan in children::orphans(store.state_dir()) {
        let waits = match timetable.job(&orphan.job()).map(|job| job.overlap) {
            Some(Overlap::Skip) => true,
            Some(Overlap::Queue) => daemon,
            Some(Overlap::Replace | Overlap::Allow) | None => false,
        };
        if waits {
            active.add_left_running(orphan.job(), orphan.to_string());
        }
    }
}
