//! Where everything that happens goes, from any thread: to the journal first, then into the [`Status`].
//!
//! Takes events from the engine and from the actions. Knows nothing of what they mean.
//! Invariant: events are recorded in the order in which they come; after the first that could not be there are no
//! more, and the run stops. What announces something is durable before it is done.

use crate::model::{JobName, StepName};
use crate::run::{Event, JobHistory, Record, RecordError, State, Status};
use crate::signal::Stop;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What actions remember and ask beyond this run.
pub trait Memory {
    /// Remembers which marker a backup's destination has.
    fn remember_marker(&mut self, backup: &str, path: &Path, id: &str) -> Result<(), RecordError>;

    fn history_of(&mut self, job: &JobName) -> Result<JobHistory, RecordError>;

    /// What a check measured when it was last asked, as JSON.
    fn reading_of(&mut self, check: &str) -> Result<Option<String>, RecordError>;

    fn remember_reading(&mut self, check: &str, json: &str) -> Result<(), RecordError>;
}

/// Records durably, and remembers.
pub trait Journal: Record + Memory {}
impl<T: Record + Memory> Journal for T {}

/// Where steps record, from any thread.
pub trait Recorder: Sync {
    /// Records; durable when it returns.
    fn record(&self, event: &Event) -> Result<(), RecordError>;

    /// Records with the next event or at the next pause of the loop, whichever comes first: for what nothing is
    /// done upon before.
    fn record_soon(&self, event: Event);

    /// Remembers which marker a backup's destination has.
    fn remember_marker(&self, backup: &str, path: &Path, id: &str) -> Result<(), RecordError>;

    /// What the history says of a job, this run's part of it included.
    fn history_of(&self, job: &JobName) -> Result<JobHistory, RecordError>;

    /// What a check measured when it was last asked, as JSON.
    fn reading_of(&self, check: &str) -> Result<Option<String>, RecordError>;

    fn remember_reading(&self, check: &str, json: &str) -> Result<(), RecordError>;
}

pub struct Shared<'a> {
    inner: Mutex<Inner<'a>>,
    stop: Stop,
}

struct Inner<'a> {
    journal: &'a mut (dyn Journal + Send),
    status: Status,
    /// Not yet recorded, in order.
    waiting: Vec<Event>,
    /// Something could not be recorded: the run is over.
    broken: bool,
}

impl Recorder for Shared<'_> {
    fn record(&self, event: &Event) -> Result<(), RecordError> {
        self.record_soon(event.clone());
        self.flush()
    }

    fn record_soon(&self, event: Event) {
        let mut inner = self.lock();
        inner.status.apply(&event);
        inner.waiting.push(event);
    }

    fn remember_marker(&self, backup: &str, path: &Path, id: &str) -> Result<(), RecordError> {
        self.with(|inner| inner.journal.remember_marker(backup, path, id))
    }

    fn history_of(&self, job: &JobName) -> Result<JobHistory, RecordError> {
        self.with(|inner| inner.journal.history_of(job))
    }

    fn reading_of(&self, check: &str) -> Result<Option<String>, RecordError> {
        self.with(|inner| inner.journal.reading_of(check))
    }

    fn remember_reading(&self, check: &str, json: &str) -> Result<(), RecordError> {
        self.with(|inner| inner.journal.remember_reading(check, json))
    }
}

impl<'a> Shared<'a> {
    /// Around a journal; `stop` is asked when it breaks.
    pub fn new(journal: &'a mut (dyn Journal + Send), stop: Stop) -> Self {
        Self {
            inner: Mutex::new(Inner {
                journal,
                status: Status::default(),
                waiting: Vec::new(),
                broken: false,
            }),
            stop,
        }
    }

    pub fn flush(&self) -> Result<(), RecordError> {
        self.with(|inner| match std::mem::take(&mut inner.waiting).as_slice() {
            [] => Ok(()),
            events => inner.journal.record_all(events),
        })
    }

    /// What the events made of the steps so far.
    pub fn status(&self) -> Status {
        self.lock().status.clone()
    }

    /// How a step ended, once it did.
    pub fn state_of(&self, step: &StepName) -> Option<State> {
        self.lock().status.steps.get(step).copied().flatten()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<'a>> {
        // A panic elsewhere leaves what was durable before it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner<'a>) -> Result<T, RecordError>) -> Result<T, RecordError> {
        let mut inner = self.lock();
        if inner.broken {
            return Err(RecordError {
                place: "the state".to_owned(),
                source: "an earlier event could not be recorded".into(),
            });
        }
        let done = work(&mut inner);
        if done.is_err() {
            inner.broken = true;
            self.stop.ask();
        }
        done
    }
}
