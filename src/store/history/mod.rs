//! Runs and their events, read again: which there were, what happened in one, how a job fared.
//!
//! Takes ids and names of jobs, gives what was written; judges nothing. Works on a store of any older schema, which
//! a reader cannot bring up to date: only the indices are lacking there.
//! - [`runs`]: lists of runs · [`events`]: what happened in one · [`jobs`]: how a job fared
//!
//! Invariant: a run is interrupted from the moment its process is gone, marked or not.

pub mod events;
pub mod jobs;
pub mod runs;

pub use events::StoredEvent;
pub use jobs::{BegunJob, JobResult, JobStatus};
pub use runs::{OutcomeFilter, RunEnd, RunFilter, RunJob, RunSearch, RunSummary};

#[cfg(test)]
mod tests;
