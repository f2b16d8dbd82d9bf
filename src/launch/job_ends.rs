//! The end of a job while its run goes on: its lock is released, and its back-off is updated.
//!
//! Takes the events of a run after the store. Locks of backups and retentions stay until the run is over, like the locks
//! of their directories.
//! Invariant: a target that is tried after failures counts as failed unless it is known to have succeeded.

use crate::model::backoff::{BackOff, BackOffState};
use crate::model::{JobKind, JobName, Model, Overlap};
use crate::run::{Event, State};
use crate::store::{Store, StoreError};
use crate::tree::lock::Lock;
use std::collections::{BTreeMap, BTreeSet};

/// The jobs of a run that exclude themselves in other runs: questions may be asked side by side, and so may run what
/// is declared so.
pub(super) fn locked(model: &Model, jobs: &BTreeSet<JobName>) -> BTreeSet<JobName> {
    let free: BTreeSet<JobName> = model
        .jobs()
        .filter(|job| match job {
            crate::model::Job::Check(_) => true,
            crate::model::Job::Target(target) => target.overlap == Overlap::Allow,
            crate::model::Job::Backup(_) | crate::model::Job::Retention(_) => false,
        })
        .map(|job| job.name())
        .collect();
    jobs.difference(&free).cloned().collect()
}

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

    pub(super) fn hear(&mut self, event: &Event) {
        let told = match event {
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
        if let Err(error) = told {
            // The event itself is written: the next run of the job shows it.
            tracing::warn!(
                run = self.run,
                error = &error as &dyn std::error::Error,
                "cannot note a back-off"
            );
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
            // A try that was cut short has shown nothing.
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
    let ruled = model
        .targets
        .iter()
        .filter_map(|target| Some((target, target.back_off?)));
    ruled.map(|(target, rule)| (JobName::new(JobKind::Target, &target.name), rule))
}
