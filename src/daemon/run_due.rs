//! One tick and its runs, for `apply --due`.
//!
//! Decision and claim are the same as in the daemon, and its runs go on side by side as there, so that both may run at the
//! same time. Jobs in the queue of the daemon are left to the daemon.
//! Invariant: nothing starts that is not claimed.

use crate::alert::recorder::report_clock;
use crate::clock::ClockReading;
use crate::daemon::adopt::adopt_unbegun;
use crate::daemon::claim::{Taker, take_turn};
use crate::daemon::clock::{self, ClockView};
use crate::daemon::runs::{ActiveRuns, RunFailure, RunMessage, RunOptions, RunWork};
use crate::daemon::timetable::Timetable;
use crate::launch::{LaunchError, job_ends};
use crate::model::Model;
use crate::plan::Plan;
use crate::run::{Event, Progress};
use crate::secret::Vault;
use crate::signal::Stop;
use crate::store::Store;
use crate::store::schedules::Decision;
use chrono::{DateTime, Utc};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How soon a stop, or a slot that became free, is noticed.
const MAX_WAIT: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub struct DueRuns {
    /// The worst exit code, failures included.
    pub exit: u8,
    pub runs: u64,
    /// Jobs that were due and are not run.
    pub skipped: Vec<Decision>,
    /// Runs that could not be carried out.
    pub failures: Vec<RunFailure>,
    pub next: Option<DateTime<Utc>>,
}

/// Asked by the runs, and given their events, one at a time.
pub struct DueObserver<'a> {
    pub confirm: &'a mut (dyn FnMut(&Plan) -> bool + Send),
    /// Also gets the id of the run.
    pub sink: &'a mut (dyn FnMut(&str, &Event) + Send),
}

pub fn run_due(
    model: &Arc<Model>,
    options: &RunOptions,
    stop: &Stop,
    observer: DueObserver<'_>,
    progress: &dyn Progress,
) -> Result<DueRuns, LaunchError> {
    let store = Store::open(&model.ops.state_dir)?;
    let observer = Mutex::new(observer);
    thread::scope(|scope| {
        let (observer, mut first_step) = (&observer, 0);
        let mut spawn = |work: RunWork| {
            let progress = RunProgress { progress, first_step };
            first_step += STEPS_OF_A_RUN;
            let thread = thread::Builder::new().name(work.name());
            let carry_out = move || work.carry_out(&mut |plan| (lock(observer).confirm)(plan), &progress);
            thread.spawn_scoped(scope, carry_out).map(drop)
        };
        let mut due = RunsDue {
            model,
            timetable: Timetable::new(model),
            store: &store,
            stop,
            // What becomes due meanwhile is for the next call.
            view: ClockView::new(&ClockReading::take(), None),
            command: &options.command,
            runs: ActiveRuns::new(model, options.clone(), None),
            done: DueRuns::default(),
        };
        due.begin()?;
        loop {
            let more = due.take_turn()?;
            due.runs.begin_waiting(&mut spawn);
            due.runs.write_waits(&store)?;
            if due.is_over(more) {
                return Ok(due.done);
            }
            if due.runs.is_empty() && due.runs.waiting() == 0 {
                continue;
            }
            while let Some(message) = due.runs.wait_message(MAX_WAIT) {
                if let RunMessage::Event { run, event } = &message {
                    (lock(observer).sink)(run, event);
                }
                if due.follow(message) {
                    break;
                }
            }
        }
    })
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More than a run has.
const STEPS_OF_A_RUN: usize = 1 << 24;

/// The progress of one of several runs: their steps have the same numbers.
struct RunProgress<'a> {
    progress: &'a dyn Progress,
    first_step: usize,
}

impl Progress for RunProgress<'_> {
    fn begin(&self, step: usize, what: &str, files: u64, bytes: u64) {
        self.progress.begin(self.first_step + step, what, files, bytes);
    }

    fn advance(&self, step: usize, files: u64, bytes: u64) {
        self.progress.advance(self.first_step + step, files, bytes);
    }

    fn end(&self, step: usize) {
        self.progress.end(self.first_step + step);
    }
}

struct RunsDue<'a> {
    model: &'a Arc<Model>,
    timetable: Timetable,
    store: &'a Store,
    stop: &'a Stop,
    view: ClockView,
    command: &'a str,
    runs: ActiveRuns,
    done: DueRuns,
}

impl RunsDue<'_> {
    /// Settles what an earlier process left.
    fn begin(&mut self) -> Result<(), LaunchError> {
        job_ends::lost_attempts(self.model, self.store)?;
        let mut adopt = |adopted| {
            self.done.runs += 1;
            self.runs.add(self.model, &adopted);
        };
        Ok(adopt_unbegun(&self.timetable, self.store, self.view.now, &mut adopt)?)
    }

    /// Claims what is due. True if there may be more: missed instants catch up one at a time.
    fn take_turn(&mut self) -> Result<bool, LaunchError> {
        if let Some(signal) = self.stop.signal() {
            self.runs.stop(signal);
            self.runs.leave_waiting(self.store)?;
            self.done.exit = worse(self.done.exit, 128 + signal);
            return Ok(false);
        }
        loop {
            let (active, at) = (self.runs.active_jobs(), self.view.now);
            let taker = Taker::Once(&active);
            let Some(tick) = take_turn(&self.timetable, self.store, taker, self.view, self.command)? else {
                continue;
            };
            let clock = clock::set_back(&tick.set_back).or_else(|| Some(clock::stands_until(tick.stands_until?, at)));
            let vault = Vault::expecting(self.model.values());
            if !tick.set_back.is_empty() {
                self.store.due_after_clock_was_set_back(at)?;
            }
            report_clock(self.model, self.store, &vault, &clock.unwrap_or_else(clock::right))?;
            self.done.skipped.extend(tick.turn.decisions);
            for claimed in &tick.turn.runs {
                self.done.runs += 1;
                self.runs.add(self.model, claimed);
            }
            self.done.next = tick.wake;
            return Ok(tick.wake.is_some_and(|wake| wake <= at));
        }
    }

    fn is_over(&mut self, more: bool) -> bool {
        self.runs.write_ends(self.model, self.store);
        !more && self.runs.is_empty() && self.runs.waiting() == 0
    }

    /// True when a run has ended.
    fn follow(&mut self, message: RunMessage) -> bool {
        let RunMessage::Ended { exit, failure, .. } = message else {
            return false;
        };
        self.done.exit = worse(self.done.exit, exit);
        self.done.failures.extend(failure);
        true
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
