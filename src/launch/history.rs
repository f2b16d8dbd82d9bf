//! Past runs, as the state remembers them.
//!
//! Invariant: a missing state gives no runs, and is not a failure. Makes no state and changes none.

use super::LaunchError;
use crate::model::{JobName, Model};
use crate::run::Event;
use crate::store::{RunSearch, RunSummary, Store};
use crate::units::joined;

/// Runs that are named instead of an unknown one.
const MAX_NAMED: u32 = 5;

/// Runs, newest first, at most `limit`; with a job only those in which it took part.
pub fn runs(model: &Model, job: Option<&JobName>, limit: u32) -> Result<Vec<RunSummary>, LaunchError> {
    let Some(store) = Store::open_read_only(&model.ops.state_dir)? else {
        return known(model, job).map(|()| Vec::new());
    };
    let runs = store.runs(job, limit)?;
    if runs.is_empty() {
        known(model, job)?;
    }
    Ok(runs)
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
                format!("jobs are: {}", joined(&names))
            },
        }),
    }
}

#[derive(Debug)]
pub struct RunRecord {
    pub run: RunSummary,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// The run that `text` names: `last`, or the beginning of an id. `None` when the last one is asked for and there is
/// none yet.
pub fn run(model: &Model, text: &str) -> Result<Option<RunRecord>, LaunchError> {
    let store = Store::open_read_only(&model.ops.state_dir)?;
    let found = match &store {
        Some(store) => store.find_run(text)?,
        None => RunSearch::Nothing,
    };
    match (store, found) {
        (Some(store), RunSearch::Found(run)) => {
            let events = store.events_of(&run.run)?.into_iter().map(|stored| stored.event);
            Ok(Some(RunRecord {
                events: events.collect(),
                run,
            }))
        }
        (_, RunSearch::Several(runs)) => Err(LaunchError::Usage {
            message: format!("several run ids begin with `{text}`"),
            help: format!("give more of the id: {}", runs.join(", ")),
        }),
        _ if text == "last" => Ok(None),
        (store, _) => {
            let newest = match store {
                Some(store) => store.runs(None, MAX_NAMED)?,
                None => Vec::new(),
            };
            let names: Vec<String> = newest.into_iter().map(|line| line.run).collect();
            Err(LaunchError::Usage {
                message: format!("there is no run `{text}`"),
                help: if names.is_empty() {
                    "there are no runs yet".to_owned()
                } else {
                    format!("the newest are: {}; `opsrun history` lists them", names.join(", "))
                },
            })
        }
    }
}
