//! How a run is carried out: what it may use, how long it waits, what it is for.
//!
//! Plain values, given by `apply` and by the daemon.

use super::error::LaunchError;
use crate::exec::pool::{PoolMember, StepPool};
use crate::model::Model;
use crate::signal::Stop;
use crate::store::schedules::ScheduledRun;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Steps at once, unless the ops file or a flag says otherwise and even on one core.
const MIN_STEPS: usize = 4;

#[derive(Debug, Clone)]
pub struct Apply {
    /// Steps at once, and threads; `None` is the ops file's `concurrency`, and the number of cores.
    pub threads: Option<usize>,
    /// Where the run gets slots for its steps; `None` is a pool of its own.
    pub slots: Option<Arc<PoolMember>>,
    /// For others that ask why it has not begun.
    pub awaited: Awaited,
    /// How long to wait for locks that others hold.
    pub lock_wait: Duration,
    /// The command line, for the record.
    pub command: String,
    pub stop: Stop,
    /// The run that was begun already, together with the claim to what it is for; `None` begins one.
    pub claimed: Option<ScheduledRun>,
}

/// What a run that was claimed waits for before it begins, in words; `None` once it goes on.
#[derive(Debug, Clone, Default)]
pub struct Awaited(Arc<Mutex<Option<String>>>);

impl Awaited {
    pub fn get(&self) -> Option<String> {
        self.cell().clone()
    }

    pub(super) fn set(&self, what: Option<String>) {
        *self.cell() = what;
    }

    fn cell(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Apply {
    /// The exit code of a run that could not be carried out. A signal may have ended its wait for a lock.
    pub fn exit_code_of(&self, error: &LaunchError) -> u8 {
        let signal = self.stop.signal();
        signal.map_or_else(|| error.exit_code(), |signal| 128 + signal)
    }
}

/// Steps at once: by default at least a few, since most of them wait for something.
pub fn steps(model: &Model, requested: Option<usize>) -> usize {
    let declared = model.ops.concurrency.map(|n| n as usize);
    requested.or(declared).unwrap_or_else(|| cores().max(MIN_STEPS)).max(1)
}

/// The slots of a process; with one thread, all is in a fixed order.
pub fn step_pool(model: &Model, requested: Option<usize>) -> Arc<StepPool> {
    match requested {
        Some(1) => StepPool::in_order(),
        _ => StepPool::new(steps(model, requested), threads(requested)),
    }
}

/// Threads that copy and prove.
pub fn threads(requested: Option<usize>) -> usize {
    requested.unwrap_or_else(cores).max(1)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
