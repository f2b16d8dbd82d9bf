//! The vocabulary of a run: what can happen, and what that makes of its steps.
//!
//! Events are written by `exec` through a sink: first, durably, to the store, then to people and programs. The
//! state of a run is a fold over them ([`Status`]), the same code live and from the store.
//! Invariant: an [`Event`] that announces a side effect is durable before that effect.

use crate::model::StepName;
use crate::model::retention::KeepReason;
pub use crate::model::state::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Something that a person or a later run needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A run begins.
    RunStarted {
        /// Its id, a ULID.
        run: String,
        /// The `ops` name.
        ops: String,
        /// The machine.
        host: String,
        /// SHA-256 of the ops files.
        digest: String,
        /// The time zone data in use: version and directory.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        zone_data: String,
        /// Guards that the user switched off, as flags.
        overrides: Vec<String>,
        /// The instants of schedules for which it was begun.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        occurrences: Vec<Occurrence>,
    },
    /// What an earlier run left in a source or destination was put in order.
    Recovered {
        /// The source or destination.
        place: String,
        /// Quarantined files put back.
        put_back: u64,
        /// Deletions that had been completed and are now in the receipt.
        completed: u64,
        /// Unfinished files of opsrun that were removed.
        cleared: u64,
        /// Quarantined files that could not be put back, with the reason.
        stuck: Vec<String>,
    },
    /// A step begins.
    StepStarted {
        /// Its name.
        step: StepName,
    },
    /// A file of this copy will be made.
    CopyStarted {
        /// The step.
        step: StepName,
        /// The copy.
        copy: String,
        /// Where.
        destination: String,
    },
    /// The copy is committed: its manifest has its name.
    CopyPublished {
        /// The step.
        step: StepName,
        /// The copy.
        copy: String,
        /// Where.
        destination: String,
        /// Entries in it.
        records: u64,
        /// Bytes of content.
        bytes: u64,
        /// Size of the archive.
        archive_bytes: u64,
        /// Nothing is missing.
        complete: bool,
        /// Why it is not trusted to represent the source.
        suspect: Option<String>,
        /// Its number; every earlier copy has a lower one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sequence: Option<u64>,
    },
    /// A copy was read back whole and equals what was recorded when the source was read.
    CopyProven {
        /// The step.
        step: StepName,
        /// The copy.
        copy: String,
    },
    /// Files will be deleted.
    DeleteIntended {
        /// The step.
        step: StepName,
        /// Counts up within the step.
        batch: u64,
        /// Copies whose proof covers them.
        copies: Vec<String>,
        /// How many.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// The first path, escaped.
        first: String,
        /// The last path, escaped.
        last: String,
    },
    /// Files were deleted.
    Deleted {
        /// The step.
        step: StepName,
        /// The intent it answers.
        batch: u64,
        /// How many went.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// How many were kept, by reason.
        kept: BTreeMap<KeepReason, u64>,
    },
    /// A command was run once for a target.
    Attempted {
        /// The step.
        step: StepName,
        /// Counts up from 1 within the step.
        attempt: u32,
        /// How it ended, in words: `exit code 3`, `signal 9`, `timeout after 5m`.
        ending: String,
        /// Its exit code, when it ended by itself.
        code: Option<u8>,
        /// How long it took.
        millis: u64,
        /// What it printed.
        output: Output,
        /// Milliseconds until the next attempt; null when there is none.
        retry_in: Option<u64>,
        /// The file that its standard output became.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<WrittenFile>,
    },
    /// Something worth knowing.
    Note {
        /// The step, or `run` and the id of an earlier run.
        #[cfg_attr(test, schemars(with = "String"))]
        step: NoteSubject,
        /// What.
        message: String,
    },
    /// A step is settled.
    StepFinished {
        /// Its name.
        step: StepName,
        /// How.
        outcome: Outcome,
    },
    /// The run is over.
    RunFinished {
        /// Exit code.
        exit: u8,
        /// Milliseconds.
        millis: u64,
    },
}

/// What a note is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NoteSubject {
    Step(StepName),
    /// `run` and the id of an earlier run.
    Run(String),
}

impl fmt::Display for NoteSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => step.fmt(f),
            Self::Run(run) => f.write_str(run),
        }
    }
}

/// An instant of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Occurrence {
    /// The schedule: the declared one, or `kind:name` of the job that holds it.
    pub schedule: String,
    /// The instant by its rhythm, whatever the jitter.
    pub instant: DateTime<Utc>,
}

/// What a command printed on standard output and error, in the order in which it came, without secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Output {
    /// The beginning; all of it when nothing was dropped.
    pub head: String,
    /// Bytes that were dropped behind `head`.
    pub dropped: u64,
    /// The end, when something was dropped.
    pub tail: String,
}

/// A file that the standard output of a command became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WrittenFile {
    /// Where, escaped.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// What the command printed, before compression.
    pub printed: u64,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Outcome {
    /// In one word.
    pub state: State,
    /// In one line.
    pub summary: String,
    /// What to try next, where something went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Single things worth naming: paths with reasons; capped, the total is in the summary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

impl Outcome {
    pub fn new(state: State, summary: impl Into<String>) -> Self {
        Self {
            state,
            summary: summary.into(),
            help: None,
            details: Vec::new(),
        }
    }

    pub fn with_help(self, help: impl Into<String>) -> Self {
        let help = Some(help.into());
        Self { help, ..self }
    }

    pub fn with_details(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }
}

/// What events make of a run's steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// By step name: `None` while running.
    pub steps: BTreeMap<StepName, Option<State>>,
    /// The exit code, once it is over.
    pub exit: Option<u8>,
}

impl Status {
    /// The one function through which every transition passes.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::StepStarted { step } => {
                self.steps.insert(step.clone(), None);
            }
            Event::StepFinished { step, outcome } => {
                self.steps.insert(step.clone(), Some(outcome.state));
            }
            Event::RunFinished { exit, .. } => self.exit = Some(*exit),
            _ => {}
        }
    }

    /// The exit code that the settled steps ask for: the first that applies of 73, 3, 1, 4, else 0.
    pub fn exit_code(&self) -> u8 {
        use State::{Blocked, Critical, Failed, Interrupted, NoSpace, Partial, Refused, Unknown};
        let codes: [(&[State], u8); 4] = [
            (&[NoSpace], 73),
            (&[Refused], 3),
            (&[Failed, Critical, Unknown, Blocked, Interrupted], 1),
            (&[Partial], 4),
        ];
        let any = |wanted: &[State]| self.steps.values().flatten().any(|state| wanted.contains(state));
        codes
            .iter()
            .find(|(wanted, _)| any(wanted))
            .map_or(0, |(_, code)| *code)
    }
}

/// What the history says of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobHistory {
    /// When its last step last succeeded.
    pub succeeded_at: Option<DateTime<Utc>>,
    /// How long it took when it last ended, whatever came of it: from the start of its first step to the end of
    /// its last.
    pub took: Option<Duration>,
}

/// Takes events. Recording must be durable before it returns `Ok`.
pub trait Record {
    /// Records some in order: all of them, or none.
    fn record_all(&mut self, events: &[Event]) -> Result<(), RecordError>;

    fn record(&mut self, event: &Event) -> Result<(), RecordError> {
        self.record_all(std::slice::from_ref(event))
    }
}

/// An event could not be made durable: nothing that depends on it may happen.
#[derive(Debug, thiserror::Error)]
#[error("cannot record what happens in `{place}`")]
pub struct RecordError {
    pub place: String,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Receives the progress of steps, if it is to be shown; never stored. Several steps may be under way: each has its number.
pub trait Progress: Sync {
    /// A step, or a phase of it, begins; `bytes` is how much it will go through. Without files and bytes it is unknown
    /// how long it takes.
    fn begin(&self, _step: usize, _what: &str, _files: u64, _bytes: u64) {}
    fn advance(&self, _step: usize, _files: u64, _bytes: u64) {}
    fn end(&self, _step: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(step: &str, state: State) -> Event {
        Event::StepFinished {
            step: step.parse().unwrap(),
            outcome: Outcome {
                state,
                summary: String::new(),
                help: None,
                details: Vec::new(),
            },
        }
    }

    #[test]
    fn the_gravest_state_decides_the_exit_code() {
        let exit = |states: &[State]| {
            let mut status = Status::default();
            for (at, state) in states.iter().enumerate() {
                status.apply(&finished(&format!("check:{at}"), *state));
            }
            status.exit_code()
        };
        assert_eq!(exit(&[State::Ok, State::Nothing, State::Paused]), 0);
        assert_eq!(exit(&[State::Ok, State::Partial]), 4);
        assert_eq!(exit(&[State::Warning]), 0);
        assert_eq!(exit(&[State::Partial, State::Failed]), 1);
        assert_eq!(exit(&[State::Partial, State::Unknown]), 1);
        assert_eq!(exit(&[State::Blocked, State::Refused]), 3);
        assert_eq!(exit(&[State::Refused, State::NoSpace]), 73);
    }
}
