//! What a copy says of its backup when the history knows of no run: the state was lost, and the copy is there.
//!
//! Reads the destination, and only then. Invariant: an answer waits for a destination no longer than a few seconds.

use crate::exec::own_copies::{NewestCopy, OwnCopies};
use crate::launch::own_writer;
use crate::model::{JobKind, JobName, Model, StepKind, StepName};
use crate::run::{Outcome, State};
use crate::store::{JobResult, JobStatus, Store, StoreError};
use std::sync::mpsc;
use std::time::Duration;

/// A destination that does not answer is left out.
const PATIENCE: Duration = Duration::from_secs(3);

/// The status of a job; of a backup without any, from the run that made its newest copy.
pub fn job_status(model: &Model, store: &Store, job: &JobName) -> Result<JobStatus, StoreError> {
    let status = store.job_status(job)?;
    if job.kind != JobKind::Backup || status.last.is_some() || status.begun.is_some() {
        return Ok(status);
    }
    let copies = OwnCopies::new(model, own_writer::known(model, store)?);
    let (found, newest) = mpsc::channel();
    let name = job.name.clone();
    std::thread::spawn(move || found.send(copies.newest(&name)));
    let Ok(NewestCopy::Found { name, run, at }) = newest.recv_timeout(PATIENCE) else {
        return Ok(status);
    };
    let summary = format!("{name} is there; its run is not in the history");
    let step = StepName::new(StepKind::Verify, &job.name);
    let last = JobResult {
        run,
        at,
        took: None,
        outcomes: vec![(step, Outcome::new(State::Ok, summary))],
    };
    Ok(JobStatus {
        last: Some(last),
        begun: None,
    })
}
