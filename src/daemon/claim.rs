//! One tick, decided and written to the store in one transaction.
//!
//! Takes a timetable, a store and the time; gives what was decided. The daemon and `apply --due` may work side by side:
//! whoever comes second decides again.
//! Invariant: what is returned is in the store.

use crate::clock::now;
use crate::daemon::tick::{AtWork, Round, round};
use crate::daemon::timetable::Book;
use crate::model::Overlap;
use crate::store::schedules::{Agenda, TickRecord};
use crate::store::{RunEnd, Store, StoreError};
use chrono::{DateTime, Utc};

/// Decides as of `at`, and writes what was decided. None when somebody else was faster. Who knows of nothing at work has
/// no queue either: what waits there is for those who do.
pub(super) fn take_turn(
    book: &Book,
    store: &Store,
    at_work: Option<&AtWork>,
    at: DateTime<Utc>,
    command: &str,
) -> Result<Option<Round>, StoreError> {
    let mut agenda: Agenda = store.agenda()?;
    let elsewhere;
    let at_work = if let Some(at_work) = at_work {
        at_work
    } else {
        agenda.queue.clear();
        elsewhere = at_work_elsewhere(book, store)?;
        &elsewhere
    };
    let mut round = round(book, &agenda, at_work, at);
    for beginning in &mut round.turn.runs {
        beginning.run = ulid::Ulid::new().to_string();
    }
    let turn: &TickRecord = &round.turn;
    let taken = turn.is_empty() || store.record_tick(turn, command, now())?;
    Ok(taken.then_some(round))
}

/// Jobs that any process has at work, and that are left out for that. Others wait for it at their lock.
fn at_work_elsewhere(book: &Book, store: &Store) -> Result<AtWork, StoreError> {
    let mut at_work = AtWork::default();
    for due in book.entries.iter().flat_map(|entry| &entry.jobs) {
        if due.overlap == Overlap::Skip {
            let begun = store.job_status(&due.job)?.begun;
            if begun.is_some_and(|begun| begun.end == RunEnd::GoingOn) {
                at_work.add(due.job.clone(), true);
            }
        }
    }
    Ok(at_work)
}
