//! A run that is claimed and has not begun: what it needs before it can.
//!
//! Takes a claimed run, gives the [`WaitingRun`] with its place in the pool, the names of its locks, and the words for what it
//! waits for. No thread, no lock and no slot is spent on it.
//! Invariant: a run that needs what an active run has locked asks for no slot.

use crate::exec::pool::{Lane, PoolMember, SlotRequest, StepPool, StepSlot};
use crate::launch::{locked_directories, locked_jobs};
use crate::model::{JobKind, JobName, Model};
use crate::path::shown;
use crate::plan::RunRequest;
use crate::signal::Ring;
use crate::store::schedules::{Decision, ScheduledRun};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// What a run locks, by name.
#[derive(Debug, Default)]
pub(super) struct LockNames {
    pub(super) jobs: BTreeSet<JobName>,
    pub(super) directories: BTreeSet<PathBuf>,
}

/// What active runs have locked, with the runs.
#[derive(Debug, Default)]
pub(super) struct TakenLocks<'a> {
    jobs: BTreeMap<&'a JobName, &'a str>,
    directories: BTreeMap<&'a PathBuf, &'a str>,
}

impl<'a> TakenLocks<'a> {
    pub(super) fn add(&mut self, run: &'a str, locks: &'a LockNames) {
        self.jobs.extend(locks.jobs.iter().map(|job| (job, run)));
        let directories = locks.directories.iter();
        self.directories.extend(directories.map(|path| (path, run)));
    }

    /// What a run with these locks waits for.
    pub(super) fn awaited_by(&self, locks: &LockNames) -> Option<String> {
        let of_job = |job| {
            self.jobs
                .get(job)
                .map(|run| format!("{job}, which run {run} has locked"))
        };
        let of_path = |path: &PathBuf| {
            let run = self.directories.get(path)?;
            Some(format!("`{}`, which run {run} has locked", shown(path)))
        };
        let mut directories = locks.directories.iter();
        locks
            .jobs
            .iter()
            .find_map(of_job)
            .or_else(|| directories.find_map(of_path))
    }
}

#[derive(Debug)]
pub(super) struct WaitingRun {
    pub(super) model: Arc<Model>,
    pub(super) claimed: ScheduledRun,
    pub(super) claimed_at: DateTime<Utc>,
    pub(super) request: RunRequest,
    /// The jobs that are due, without those that are only needed.
    pub(super) due: BTreeSet<JobName>,
    /// All jobs of the run.
    pub(super) jobs: BTreeSet<JobName>,
    pub(super) locks: LockNames,
    pub(super) slots: Arc<PoolMember>,
    /// What it waits for, in words; `None` before it was looked at.
    pub(super) awaited: Option<String>,
    /// The lane of the first step: of a check that is due itself, the checks'.
    lane: Lane,
    slot: Option<SlotRequest>,
}

impl WaitingRun {
    pub(super) fn new(
        model: &Arc<Model>,
        claimed: &ScheduledRun,
        claimed_at: DateTime<Utc>,
        pool: &Arc<StepPool>,
    ) -> Self {
        let due: BTreeSet<JobName> = claimed.jobs.iter().map(|decision| decision.job.clone()).collect();
        let request = RunRequest {
            only: due.iter().map(JobName::to_string).collect(),
            ..RunRequest::default()
        };
        let jobs = request.jobs(model).unwrap_or_default();
        let first_due = claimed.jobs.iter().map(|decision: &Decision| decision.first).min();
        let has_check = due.iter().any(|job| job.kind == JobKind::Check);
        Self {
            locks: LockNames {
                jobs: locked_jobs(model, &jobs),
                directories: locked_directories(model, &jobs),
            },
            slots: Arc::new(pool.member(first_due.unwrap_or(claimed_at))),
            model: Arc::clone(model),
            claimed: claimed.clone(),
            claimed_at,
            request,
            due,
            jobs,
            awaited: None,
            lane: if has_check { pool.check_lane() } else { Lane::Work },
            slot: None,
        }
    }

    /// True if it never waits for a slot of the other lane once it has begun.
    pub(super) fn is_checks_only(&self) -> bool {
        self.jobs.iter().all(|job| job.kind == JobKind::Check)
    }

    pub(super) fn first_due(&self) -> Option<DateTime<Utc>> {
        self.claimed.jobs.iter().map(|decision| decision.first).min()
    }

    /// Asks for a slot, and takes it if there is one.
    pub(super) fn take_slot(&mut self, ring: Option<&Ring>) -> Option<StepSlot> {
        let (slots, lane) = (&self.slots, self.lane);
        let request = self.slot.get_or_insert_with(|| slots.request(lane, ring.cloned()));
        let slot = request.take();
        let size = self.slots.pool().size();
        self.awaited = Some(awaited_slot(self.lane, size));
        slot
    }

    /// It waits for something else.
    pub(super) fn wait_for(&mut self, what: String) {
        self.slot = None;
        self.awaited = Some(what);
    }
}

/// `size`: of the pool.
pub(super) fn awaited_slot(lane: Lane, size: usize) -> String {
    match lane {
        Lane::Work => format!("a slot (`concurrency` {size})"),
        Lane::Check => format!("a slot for checks (`concurrency` {size})"),
    }
}
