//! One tick, decided and written to the store in one transaction.
//!
//! Takes a timetable, a store and the time; gives what was decided. The daemon and `apply --due` may work side by side:
//! whoever comes second decides again.
//! Invariant: what is returned is in the store.

use crate::clock::now;
use crate::daemon::tick::{ActiveJobs, Tick, tick};
use crate::daemon::timetable::Timetable;
use crate::model::Overlap;
use crate::store::claims::{Agenda, Turn};
use crate::store::{RunEnd, Store, StoreError};
use chrono::{DateTime, Utc};

/// Decides as of `at`, and writes what was decided. None when somebody else was faster. Who knows of nothing at work has
/// no queue either: what waits there is for those who do.
pub(super) fn take_turn(
    book: &Timetable,
    store: &Store,
    at_work: Option<&ActiveJobs>,
    at: DateTime<Utc>,
    command: &str,
) -> Result<Option<Tick>, StoreError> {
    let mut agenda: Agenda = store.agenda()?;
    let elsewhere;
    let at_work = if let Some(at_work) = at_work {
        at_work
    } else {
        agenda.queue.clear();
        elsewhere = at_work_elsewhere(book, store)?;
        &elsewhere
    };
    let mut tick = tick(book, &agenda, at_work, at);
    for beginning in &mut tick.turn.runs {
        beginning.run = ulid::Ulid::new().to_string();
    }
    let turn: &Turn = &tick.turn;
    let taken = turn.is_empty() || store.take_turn(turn, command, now())?;
    Ok(taken.then_some(tick))
}

/// Jobs that any process has at work, and that are left out for that. Others wait for it at their lock.
fn at_work_elsewhere(book: &Timetable, store: &Store) -> Result<ActiveJobs, StoreError> {
    let mut at_work = ActiveJobs::default();
    for due in book.entries.iter().flat_map(|entry| &entry.jobs) {
        if due.overlap == Overlap::Skip {
            let begun = store.job_standing(&due.job)?.begun;
            if begun.is_some_and(|begun| begun.end == RunEnd::GoingOn) {
                at_work.add(due.job.clone(), true);
            }
        }
    }
    Ok(at_work)
}
