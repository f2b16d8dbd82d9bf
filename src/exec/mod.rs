//! Plan → events: what is done, in which order, and what becomes of it.
//!
//! - [`survey`]: what is there before anything happens; the facts that plans are built from
//! - [`own_copies`]: the newest copy of a backup
//! - `longest_keep`: what other retentions keep · `source_loss`: what a source lost
//! - [`engine`]: the one loop over the steps · `due_steps`: those that wait for a slot · `step_thread`: work that blocks
//! - [`pool`]: the slots for steps, over all runs of the process · [`recorder`]: where events go
//! - [`action`]: what the steps do
//!
//! Takes a plan, the handles that its survey opened and a [`crate::run::Record`]; reaches store, reports and
//! alerts only through that. Invariant: every step of the plan is settled exactly once.

pub mod action;
mod due_steps;
pub mod engine;
mod longest_keep;
pub mod own_copies;
pub mod pool;
pub mod recorder;
mod source_loss;
pub mod step_progress;
mod step_thread;
pub mod survey;

use crate::clock::Stopwatch;
use crate::liveness::children::Children;
use crate::signal::Stop;
use own_copies::OwnCopies;
use pool::PoolMember;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct RunSettings {
    pub run: String,
    /// Where its steps get their slots; with one slot and one thread, all is deterministic.
    pub slots: Arc<PoolMember>,
    pub stop: Stop,
    /// Marks of its commands.
    pub children: Arc<Children>,
    /// What a check of a backup's age asks when the history knows of no success.
    pub copies: Arc<OwnCopies>,
}

/// When a step has to end: asked to by a signal, or by its own timeout.
#[derive(Debug)]
pub struct Deadline<'a> {
    stop: &'a Stop,
    since: Stopwatch,
    timeout: Option<Duration>,
}

impl<'a> Deadline<'a> {
    pub fn new(stop: &'a Stop, timeout: Option<Duration>) -> Self {
        Self {
            stop,
            since: Stopwatch::set(),
            timeout,
        }
    }

    /// True when the step has to end.
    pub fn reached(&self) -> bool {
        self.stop.asked() || self.timed_out()
    }

    pub fn signal(&self) -> Option<u8> {
        self.stop.signal()
    }

    /// True when it was the timeout.
    pub fn timed_out(&self) -> bool {
        self.timeout.is_some_and(|most| self.since.elapsed() >= most)
    }
}

/// What is shared between steps; a panic elsewhere left it as it was.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
