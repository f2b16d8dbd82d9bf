//! Past runs, as the state remembers them.
//!
//! Invariant: a missing state gives no runs, and is not a failure. Makes no state and changes none.

use super::LaunchError;
use crate::liveness::children::{self, Orphan};
use crate::model::{JobName, Keep, Model};
use crate::run::Event;
use crate::store::{RunFilter, RunJob, RunSearch, RunSummary, Store};
use crate::units::{joined, show_duration};

/// Runs that are named instead of an unknown one.
const MAX_NAMED: u32 = 5;

/// Runs with their jobs, newest first, at most `limit`.
pub fn runs(model: &Model, filter: RunFilter<'_>, limit: u32) -> Result<Vec<(RunSummary, Vec<RunJob>)>, LaunchError> {
    let store = Store::open_or_empty(&model.ops.state_dir)?;
    let runs = store.runs(filter, limit)?;
    if runs.is_empty() {
        known(model, filter.job)?;
    }
    let with_jobs = runs.into_iter().map(|run| {
        let jobs = store.jobs_of(&run.run)?;
        Ok((run, jobs))
    });
    with_jobs.collect()
}

/// Refuses a job that the file does not declare.
pub fn known(model: &Model, job: Option<&JobName>) -> Result<(), LaunchError> {
    let names: Vec<JobName> = model.jobs().map(|job| job.name()).collect();
    match job.filter(|job| !names.contains(job)) {
        None => Ok(()),
        Some(job) => Err(LaunchError::Usage {
            message: format!("there is no job `{job}`"),
            help: if names.is_empty() {
                "the ops file declares no jobs".to_owned()
            } else {
                format!("the jobs are {}", joined(&names))
            },
        }),
    }
}

#[derive(Debug)]
pub struct RunRecord {
    pub run: RunSummary,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What it left at work when it was killed.
    pub left_running: Vec<Orphan>,
}

/// The run that `text` names: `last`, or the beginning of an id. `None` when the last one is asked for and there is
/// none yet.
pub fn run(model: &Model, text: &str) -> Result<Option<RunRecord>, LaunchError> {
    let store = Store::open_or_empty(&model.ops.state_dir)?;
    match store.find_run(text)? {
        RunSearch::Found(run) => {
            let events = store.events_of(&run.run)?.into_iter().map(|stored| stored.event);
            let events = events.collect();
            let mut left_running = children::orphans(&model.ops.state_dir);
            left_running.retain(|orphan| orphan.run == run.run);
            Ok(Some(RunRecord {
                run,
                events,
                left_running,
            }))
        }
        RunSearch::Several(runs) => Err(LaunchError::Usage {
            message: format!("several run ids begin with `{text}`"),
            help: format!("give more of the id: {}", runs.join(", ")),
        }),
        RunSearch::Nothing if text == "last" => Ok(None),
        RunSearch::Nothing => {
            let newest = store.runs(RunFilter::default(), MAX_NAMED)?.into_iter();
            let names: Vec<String> = newest.map(|line| line.run).collect();
            Err(LaunchError::Usage {
                message: format!("there is no run `{text}`"),
                help: if names.is_empty() {
                    "there are no runs yet".to_owned()
                } else {
                    let removed = match model.ops.history {
                        Keep::Forever => String::new(),
                        Keep::For(keep) => format!("; runs older than {} are removed", show_duration(keep)),
                    };
                    format!(
                        "the newest are {}; `opsrun history` lists them{removed}",
                        names.join(", ")
                    )
                },
            })
        }
    }
}
