//! What the steps of a plan do.
//!
//! - [`check`]: ask whether something is as it should be
//! - [`target`]: run a command, and write what it prints (`stdout_writer`); what it has in common with such checks is in `child`
//! - [`recover`]: put in order what an earlier run left
//! - [`backup`]: write a copy
//! - [`verify`]: read it back, publish it; prove older copies again
//! - [`cleanup`]: delete what the proof covers
//!
//! A step hands its result to the next in [`Slots`], by the tokens of the plan. Invariant: a cleanup has no
//! way to a proof but the slot that its verify step filled in this run.

pub mod backup;
pub mod check;
mod child;
pub mod cleanup;
pub mod recover;
mod stdout_writer;
pub mod target;
pub mod verify;

use super::RunSettings;
use super::recorder::Recorder;
use super::step_progress::ShownStep;
use super::survey::World;
use crate::archive::{CopyError, VerifiedCopy, WrittenCopy};
use crate::error_chain::error_chain;
use crate::model::JobName;
use crate::plan::{Plan, Step, StepId};
use crate::run::{Event, JobHistory, NoteSubject, Outcome, Progress, RecordError, State};
use crate::secret::Vault;
use crate::tree::TreeError;
use rustix::io::Errno;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// What a step works with.
pub struct Context<'a> {
    /// The whole plan.
    pub plan: &'a Plan,
    pub step: &'a Step,
    pub world: &'a Mutex<World>,
    pub recorder: &'a dyn Recorder,
    pub progress: &'a dyn Progress,
    pub how: &'a RunSettings,
    pub slots: &'a Mutex<Slots>,
    /// Secrets of the run, and what must not be shown.
    pub secrets: &'a Vault,
}

/// What steps hand on to those that need them, by the step that made it.
#[derive(Default)]
pub struct Slots {
    /// Copies that are written, not published.
    pub written: HashMap<StepId, WrittenCopy>,
    /// Proofs; several cleanups may rely on one.
    pub proofs: HashMap<StepId, Arc<Proof>>,
    /// Steps that were planned again, in place of the plan's.
    pub again: HashMap<StepId, Arc<Step>>,
}

/// What a verify step proved in this run.
pub struct Proof {
    /// This run's copy; `None` when there was nothing to store.
    pub this_run: Option<VerifiedCopy>,
    /// Older copies, in the order of the plan's verify step.
    pub older: Vec<VerifiedCopy>,
}

/// A step that ended before its end.
pub enum StepAbort {
    Outcome(Outcome),
    /// An event could not be recorded: the run ends.
    Record(RecordError),
}

impl From<RecordError> for StepAbort {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<Outcome> for StepAbort {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

/// How a step's work ends: an outcome either way, unless an event could not be recorded.
pub type Ended = Result<Outcome, StepAbort>;

impl<'a> Context<'a> {
    /// Shows the step as under way until the result is dropped. Without files and bytes its length is unknown.
    pub fn show(&self, what: &str, files: u64, bytes: u64) -> ShownStep<'a> {
        ShownStep::begin(self.progress, self.step.id, what, files, bytes)
    }

    pub fn record(&self, event: &Event) -> Result<(), RecordError> {
        self.recorder.record(event)
    }

    pub fn note(&self, message: impl Into<String>) -> Result<(), RecordError> {
        self.record(&Event::Note {
            step: NoteSubject::Step(self.step.name.clone()),
            message: message.into(),
        })
    }

    /// What the history says of a job.
    pub fn history_of(&self, job: &JobName) -> Result<JobHistory, RecordError> {
        self.recorder.history_of(job)
    }

    /// Threads for this step: its share when several work with files, in any run.
    pub fn threads(&self) -> usize {
        self.how.slots.pool().threads_of_step()
    }
}

pub fn outcome(state: State, summary: impl Into<String>) -> Outcome {
    Outcome::new(state, summary)
}

pub fn interrupted(signal: u8) -> Outcome {
    outcome(State::Interrupted, format!("stopped by signal {signal}"))
}

/// What a failure at a destination makes of a step.
pub fn failure(error: &CopyError, deadline: &super::Deadline<'_>) -> Outcome {
    if deadline.timed_out() {
        return outcome(State::Failed, "the step reached its timeout")
            .with_help("nothing was published; raise `timeout`, or find out what is slow");
    }
    if let Some(signal) = deadline.signal() {
        return interrupted(signal);
    }
    if error.errno().is_some_and(is_no_room) {
        return outcome(State::NoSpace, error_chain(error))
            .with_help("free space there or make it writable; nothing was deleted");
    }
    let failed = outcome(State::Failed, error_chain(error));
    match error.help() {
        Some(help) => failed.with_help(help),
        None => failed,
    }
}

/// What a failed call on a source or destination makes of a step.
pub fn tree_failure(error: &TreeError) -> Outcome {
    let no_room = error.errno().is_some_and(is_no_room);
    outcome(if no_room { State::NoSpace } else { State::Failed }, error_chain(error))
}

/// What a failed call on a source makes of a step: 73 speaks of destinations and the state only.
pub fn source_failure(error: &TreeError) -> Outcome {
    outcome(State::Failed, error_chain(error))
}

/// True for errors that mean: cannot be written, or too little space.
pub fn is_no_room(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::FBIG | Errno::ACCESS | Errno::PERM
    )
}
