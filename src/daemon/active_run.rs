//! A run that has begun: which of its jobs are not settled yet, and what it has locked.
//!
//! Takes its events, gives what a tick needs to know of it. Pure, but for the question what its thread waits for.

use super::claim::previous_run;
use super::tick::ActiveJobs;
use super::waiting::{LockNames, WaitingRun, awaited_slot};
use crate::exec::pool::{Lane, PoolMember};
use crate::launch::Awaited;
use crate::model::{JobKind, JobName};
use crate::run::{Event, Outcome, State};
use crate::signal::Stop;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct ActiveRun {
    pub(super) stop: Stop,
    /// The jobs that are due, without those that are only needed.
    pub(super) due: BTreeSet<JobName>,
    /// The unsettled jobs.
    left: BTreeMap<JobName, LeftJob>,
    pub(super) locks: LockNames,
    pub(super) checks_only: bool,
    awaited: Awaited,
    slots: Arc<PoolMember>,
    claimed_at: DateTime<Utc>,
}

#[derive(Debug)]
struct LeftJob {
    started: bool,
    needs: Vec<JobName>,
}

impl ActiveRun {
    pub(super) fn new(run: &mut WaitingRun, stop: Stop, awaited: Awaited) -> Self {
        let jobs = run.model.jobs().filter(|job| run.jobs.contains(&job.name()));
        let left = jobs.map(|job| {
            let left = LeftJob {
                started: false,
                needs: job.needs(),
            };
            (job.name(), left)
        });
        Self {
            left: left.collect(),
            stop,
            due: run.due.clone(),
            checks_only: run.is_checks_only(),
            locks: std::mem::take(&mut run.locks),
            awaited,
            slots: Arc::clone(&run.slots),
            claimed_at: run.claimed_at,
        }
    }

    pub(super) fn update(&mut self, event: &Event) {
        match event {
            Event::StepStarted { step } => {
                if let Some(left) = self.left.get_mut(&step.job()) {
                    left.started = true;
                }
            }
            Event::StepFinished { step, .. } => {
                let job = step.job();
                if job.steps().last() == Some(step) {
                    self.left.remove(&job);
                }
                // Others keep their locks until the run ends.
                if job.kind == JobKind::Target {
                    self.locks.jobs.remove(&job);
                }
            }
            _ => {}
        }
    }

    /// True if one of these jobs is due in it and unsettled.
    pub(super) fn has_due(&self, jobs: &BTreeSet<JobName>) -> bool {
        let mut due = self.due.iter();
        due.any(|job| jobs.contains(job) && self.left.contains_key(job))
    }

    /// `run`: its id.
    pub(super) fn add_to(&self, active: &mut ActiveJobs, run: &str) {
        for (job, left) in &self.left {
            let due = self.due.contains(job);
            if left.started {
                active.add_started(job.clone());
            } else if due || job.kind != JobKind::Check {
                // Several runs may need the same check: there it counts only while it is really running.
                let waits = self.awaited_by(job, left);
                let why = if due {
                    previous_run(&waits, self.claimed_at)
                } else {
                    format!("run {run}, which includes it, waits for {waits}")
                };
                active.add_waiting(job.clone(), why);
            }
        }
    }

    fn awaited_by(&self, job: &JobName, left: &LeftJob) -> String {
        let needed = left.needs.iter().find(|need| self.left.contains_key(*need));
        let lane = if job.kind == JobKind::Check {
            self.slots.pool().check_lane()
        } else {
            Lane::Work
        };
        match (self.awaited.get(), needed) {
            (Some(awaited), _) => awaited,
            (None, Some(needed)) => format!("{needed}, which it needs"),
            (None, None) => awaited_slot(lane, self.slots.pool().size()),
        }
    }

    /// The end of a run that could not be carried out.
    pub(super) fn unwritten(&self, outcome: (&str, Option<&str>), exit: u8) -> UnwrittenEnd {
        let left = self.due.iter().filter(|job| self.left.contains_key(job));
        let state = if self.stop.asked() {
            State::Interrupted
        } else {
            State::Failed
        };
        UnwrittenEnd::new(left, state, outcome, exit)
    }
}

/// The end of a run that is not in the store yet.
#[derive(Debug)]
pub(super) struct UnwrittenEnd {
    /// The last steps of the due jobs that are not settled.
    pub(super) steps: Vec<crate::model::StepName>,
    pub(super) outcome: Outcome,
    pub(super) exit: u8,
}

impl UnwrittenEnd {
    pub(super) fn new<'a>(
        left: impl Iterator<Item = &'a JobName>,
        state: State,
        (message, help): (&str, Option<&str>),
        exit: u8,
    ) -> Self {
        Self {
            steps: left.filter_map(|job| job.steps().pop()).collect(),
            outcome: Outcome {
                help: help.map(str::to_owned),
                ..Outcome::new(state, message)
            },
            exit,
        }
    }
}
