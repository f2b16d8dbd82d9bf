//! One tick and its runs, one after the other, for `apply --due`.
//!
//! Decision and claim are the same as in the daemon, so that both may run at the same time. Jobs in the queue of the
//! daemon are left to the daemon.
//! Invariant: nothing starts that is not claimed.

use crate::alert::recorder::report_clock;
use crate::clock::ClockReading;
use crate::daemon::claim::take_turn;
use crate::daemon::clock::{self, ClockView};
use crate::daemon::timetable::Timetable;
use crate::launch::{self, Apply, LaunchError, job_ends};
use crate::model::Model;
use crate::plan::{Plan, RunRequest};
use crate::run::{Event, Progress, Record as _};
use crate::secret::Vault;
use crate::store::Store;
use crate::store::schedules::Decision;
use chrono::{DateTime, Utc};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct DueRuns {
    /// The worst exit code, failures included.
    pub exit: u8,
    pub runs: u64,
    /// Jobs that were due and are not run.
    pub skipped: Vec<Decision>,
    /// Runs that could not be carried out.
    pub failures: Vec<LaunchError>,
    pub next: Option<DateTime<Utc>>,
}

/// `options.claimed` is ignored.
pub fn run_due(
    model: &Model,
    options: &Apply,
    confirm: &mut dyn FnMut(&Plan) -> bool,
    sink: &mut (dyn FnMut(&Event) + Send),
    progress: &dyn Progress,
) -> Result<DueRuns, LaunchError> {
    let timetable = Timetable::new(model);
    let mut done = DueRuns::default();
    let store = Store::open(&model.ops.state_dir)?;
    job_ends::lost_attempts(model, &store)?;
    // What becomes due meanwhile is for the next call.
    let view = ClockView::new(&ClockReading::take(), None);
    let at = view.now;
    loop {
        let Some(tick) = take_turn(&timetable, &store, None, view, &options.command)? else {
            continue;
        };
        let clock = clock::set_back(&tick.set_back).or_else(|| Some(clock::stands_until(tick.stands_until?, at)));
        let vault = Vault::expecting(model.values());
        report_clock(model, &store, &vault, &clock.unwrap_or_else(clock::right))?;
        done.skipped.extend(tick.turn.decisions);
        for beginning in tick.turn.runs {
            let request = RunRequest {
                only: beginning.jobs.iter().map(|decision| decision.job.to_string()).collect(),
                ..RunRequest::default()
            };
            let mut options = options.clone();
            options.claimed = Some(beginning.clone());
            if options.lock_wait.is_zero() {
                // No other process will run what is claimed: wait for any lock.
                options.lock_wait = Duration::MAX;
            }
            done.runs += 1;
            // The other runs are claimed as well: they follow even if this one fails.
            let exit = match launch::apply(model, &request, &options, confirm, sink, progress) {
                Ok(exit) => exit,
                Err(error) => {
                    let exit = options.exit_code_of(&error);
                    let finished = Event::RunFinished { exit, millis: 0 };
                    store.journal(&beginning.run).record(&finished)?;
                    done.failures.push(error);
                    exit
                }
            };
            done.exit = worse(done.exit, exit);
        }
        done.next = tick.wake;
        // Missed instants catch up one at a time.
        if options.stop.asked() || tick.wake.is_none_or(|wake| wake > at) {
            return Ok(done);
        }
    }
}

/// The worse exit code: a signal, then the first of 70, 73, 75, 3, 1, 4.
fn worse(one: u8, other: u8) -> u8 {
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
