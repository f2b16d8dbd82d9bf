//! One round and its runs, one after the other: for people who keep cron.
//!
//! Takes a model, gives the exit code of what was due. The decision and the claim are those of the daemon, so that both
//! may work side by side. What waits in the daemon's queue is left to the daemon.
//! Invariant: nothing is begun that is not claimed.

use crate::daemon::claim::take_turn;
use crate::daemon::timetable::Book;
use crate::launch::{self, Apply, ClaimedRun, LaunchError, settle};
use crate::model::Model;
use crate::plan::{Plan, Request};
use crate::run::{Event, Progress, Record as _};
use crate::store::Store;
use crate::store::schedules::Decision;
use chrono::{DateTime, Utc};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Once {
    /// The gravest exit code of the runs, and of those that could not be done.
    pub exit: u8,
    pub runs: u64,
    /// Jobs that were due and are not run.
    pub left: Vec<Decision>,
    /// Why runs could not be done.
    pub failures: Vec<LaunchError>,
    pub next: Option<DateTime<Utc>>,
}

/// Does it. `how.claimed` plays no part.
pub fn once(
    model: &Model,
    how: &Apply,
    confirm: &mut dyn FnMut(&Plan) -> bool,
    sink: &mut (dyn FnMut(&Event) + Send),
    progress: &dyn Progress,
) -> Result<Once, LaunchError> {
    let book = Book::new(model);
    let mut once = Once::default();
    let store = Store::open(&model.ops.state_dir)?;
    settle::lost_attempts(model, &store)?;
    // What falls due meanwhile is for the next round.
    let at = crate::clock::now();
    loop {
        let Some(round) = take_turn(&book, &store, None, at, &how.command)? else {
            continue;
        };
        once.left.extend(round.turn.decisions);
        for beginning in round.turn.runs {
            let request = Request {
                only: beginning.jobs.iter().map(|decision| decision.job.to_string()).collect(),
                ..Request::default()
            };
            let claimed = ClaimedRun {
                run: beginning.run.clone(),
                occurrences: beginning.occurrences,
            };
            let how = Apply {
                claimed: Some(claimed),
                // Nobody else will run what is claimed: whatever holds a lock is waited for.
                lock_wait: Some(how.lock_wait)
                    .filter(|wait| !wait.is_zero())
                    .unwrap_or(Duration::MAX),
                ..how.clone()
            };
            once.runs += 1;
            // The others are claimed as well: they have their turn whatever becomes of this one.
            let exit = match launch::apply(model, &request, &how, confirm, sink, progress) {
                Ok(finished) => finished.exit,
                Err(error) => {
                    let exit = how
                        .stop
                        .signal()
                        .map_or_else(|| error.exit_code(), |signal| 128 + signal);
                    store
                        .journal(&beginning.run)
                        .record(&Event::RunFinished { exit, millis: 0 })?;
                    once.failures.push(error);
                    exit
                }
            };
            once.exit = graver(once.exit, exit);
        }
        once.next = round.wake;
        // Missed instants that are made up for come one at a time.
        if how.stop.asked() || round.wake.is_none_or(|wake| wake > at) {
            return Ok(once);
        }
    }
}

/// The one of two exit codes that counts: a signal, then the first of 73, 75, 3, 1, 4.
fn graver(one: u8, other: u8) -> u8 {
    let rank = |exit: u8| match exit {
        128.. => 0,
        70 => 1,
        73 => 2,
        75 => 3,
        3 => 4,
        0 => 7,
        4 => 6,
        _ => 5,
    };
    if rank(other) < rank(one) { other } else { one }
}
