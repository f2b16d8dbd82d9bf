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
use crate::model::Overlap;
use crate::store::{RunEnd, Store, StoreError};

/// Decides as of `clock`, and writes the decisions. None if another process was faster. Without `active`, the queue is left to
/// the daemon.
pub(super) fn take_turn(
    timetable: &Timetable,
    store: &Store,
    active: Option<&ActiveJobs>,
    clock: ClockView,
    command: &str,
) -> Result<Option<Tick>, StoreError> {
    let daemon = active.is_some();
    let mut agenda = store.agenda()?;
    if clock.since != SinceLook::Steady {
        agenda.ran = store.ran_until(clock.now)?;
    }
    let mut active = match active {
        Some(active) => active.clone(),
        None => {
            agenda.queue.clear();
            active_elsewhere(timetable, store)?
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

/// Jobs that are running in any process and are skipped for that. Other jobs wait for the lock.
fn active_elsewhere(timetable: &Timetable, store: &Store) -> Result<ActiveJobs, StoreError> {
    let mut active = ActiveJobs::default();
    for job in timetable.entries.iter().flat_map(|entry| &entry.jobs) {
        if job.overlap == Overlap::Skip {
            let begun = store.job_status(&job.job)?.begun;
            if begun.is_some_and(|begun| begun.end == RunEnd::Running) {
                active.add(job.job.clone(), true);
            }
        }
    }
    Ok(active)
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
