//! The end of a job while its run goes on: its lock is released, and its back-off is updated.
//!
//! Locks of backups and retentions stay until the run is over, like the locks of their directories.
//! Invariant: a target that is tried after failures counts as failed unless it is known to have succeeded.

use crate::model::backoff::{BackOff, BackOffState};
use crate::model::{JobKind, JobName, Model};
use crate::run::{Event, State};
use crate::store::{Store, StoreError};
use crate::tree::lock::Lock;
use std::collections::BTreeMap;

pub(super) struct JobEnds<'a> {
    store: &'a Store,
    run: &'a str,
    scheduled: bool,
    locks: &'a mut BTreeMap<JobName, Lock>,
    rules: BTreeMap<JobName, BackOff>,
}

impl<'a> JobEnds<'a> {
    pub(super) fn new(
        model: &Model,
        store: &'a Store,
        run: &'a str,
        scheduled: bool,
        locks: &'a mut BTreeMap<JobName, Lock>,
    ) -> Self {
        Self {
            store,
            run,
            scheduled,
            locks,
            rules: rules(model).collect(),
        }
    }

    pub(super) fn observe(&mut self, event: &Event) {
        let settled = match event {
            Event::StepStarted { step } if self.scheduled => self.begun(&step.job()),
            Event::StepFinished { step, outcome } => {
                let job = step.job();
                if job.kind == JobKind::Target {
                    self.locks.remove(&job);
                }
                self.ended(&job, outcome.state)
            }
            _ => Ok(()),
        };
        if let Err(error) = settled {
            // The event itself is written: the next run of the job shows it.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(run = self.run, error, "cannot note a back-off");
        }
    }

    fn begun(&self, job: &JobName) -> Result<(), StoreError> {
        if self.rules.contains_key(job) {
            self.store.begin_attempt(job, self.run)?;
        }
        Ok(())
    }

    fn ended(&self, job: &JobName, state: State) -> Result<(), StoreError> {
        let Some(rule) = self.rules.get(job) else {
            return Ok(());
        };
        let now = crate::clock::now();
        let scheduled = self.scheduled;
        self.store.settle_back_off(job, |before| match state {
            _ if state.opens() => before.after(rule, true, now),
            State::Failed | State::NoSpace if scheduled => before.after(rule, false, now),
            // An interrupted attempt has shown nothing.
            State::Interrupted if scheduled && before.open_until.is_some() => before.after(rule, false, now),
            _ => before,
        })
    }
}

/// Counts the tries that ended with their process as failed. To be called before anything is begun.
pub fn lost_attempts(model: &Model, store: &Store) -> Result<(), StoreError> {
    let now = crate::clock::now();
    let rules: BTreeMap<JobName, BackOff> = rules(model).collect();
    for job in store.lost_attempts()? {
        store.settle_back_off(&job, |before: BackOffState| match rules.get(&job) {
            Some(rule) => before.after(rule, false, now),
            None => BackOffState::default(),
        })?;
    }
    Ok(())
}

fn rules(model: &Model) -> impl Iterator<Item = (JobName, BackOff)> {
    let targets = model.targets.iter();
    targets.filter_map(|target| Some((JobName::new(JobKind::Target, &target.name), target.back_off?)))
}
