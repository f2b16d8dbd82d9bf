//! How the jobs of a file stand: what became of them, what was decided about them, and what comes next.
//!
//! Takes a model and `now`, reads the state; gives [`Standing`]s. Makes no state and changes none; a state that is not
//! there has nothing to tell.
//! Invariant: jobs that the file no longer declares have no standing.

use crate::daemon::timetable::{Book, Due, Entry};
use crate::inspect::next_run::{Ahead, Past, ahead};
use crate::launch::LaunchError;
use crate::model::{JobName, Model};
use crate::store::schedules::{Agenda, StoredDecision};
use crate::store::{JobStatus, Store};
use chrono::{DateTime, Utc};

/// Decisions that are looked at to tell whether a job is overdue.
const NEWEST: u32 = 5;

#[derive(Debug)]
pub struct Standing {
    pub job: JobName,
    pub standing: JobStatus,
    /// What comes next; `None` when it has no schedule.
    pub ahead: Option<Ahead>,
}

/// How every job of the file stands, in its order.
pub fn standings(model: &Model, now: DateTime<Utc>) -> Result<Vec<Standing>, LaunchError> {
    let store = Store::open_read_only(&model.ops.state_dir)?;
    let book = Book::new(model);
    let agenda = agenda(store.as_ref())?;
    let one = |job: JobName| {
        let standing = match &store {
            Some(store) => store.job_status(&job)?,
            None => JobStatus::default(),
        };
        let ahead = match place(&book, &job) {
            Some((entry, due)) => {
                let decisions = decisions(store.as_ref(), &job, NEWEST)?;
                let past = Past {
                    standing: &standing,
                    decisions: &decisions,
                };
                Some(ahead(entry, due, &agenda, past, now))
            }
            None => None,
        };
        Ok(Standing { job, standing, ahead })
    };
    model.jobs().map(|job| one(job.name())).collect()
}

pub(super) fn agenda(store: Option<&Store>) -> Result<Agenda, LaunchError> {
    Ok(store.map(Store::agenda).transpose()?.unwrap_or_default())
}

/// What was decided about a job, newest first.
pub(super) fn decisions(store: Option<&Store>, job: &JobName, limit: u32) -> Result<Vec<StoredDecision>, LaunchError> {
    let told = store.map(|store| store.decisions(job, limit)).transpose()?;
    Ok(told.unwrap_or_default())
}

/// Where a job with a schedule stands.
pub(super) fn place<'a>(book: &'a Book, job: &JobName) -> Option<(&'a Entry, &'a Due)> {
    let mut entries = book.entries.iter();
    entries.find_map(|entry| Some((entry, entry.jobs.iter().find(|due| due.job == *job)?)))
}
