//! What keeps two runs apart: locks of jobs, and of the directories of their backups.
//!
//! Takes jobs and open directories, gives the [`Locks`] that a run holds until it ends. A run that has to wait for one frees
//! its slot first, and says what it waits for.
//! Invariant: locks are taken in one order, so that two runs never wait for each other.

use super::error::LaunchError;
use super::left_running;
use super::settings::Apply;
use crate::exec::pool::PoolMember;
use crate::exec::survey::{self, World};
use crate::limits;
use crate::model::{Job, JobName, Model, Overlap};
use crate::path::shown;
use crate::run::Event;
use crate::store::{RunEnd, Store, StoreError};
use crate::tree::lock::{self, Lock, LockError, Patience};
use crate::tree::{Dir, handle::create_dir_all};
use crate::units::joined;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The jobs of a run that exclude themselves in other runs. Checks do not, nor targets with `overlap "allow"`.
pub fn locked_jobs(model: &Model, jobs: &BTreeSet<JobName>) -> BTreeSet<JobName> {
    let is_free = |job: &Job<'_>| match job {
        Job::Check(_) => true,
        Job::Target(target) => target.overlap == Overlap::Allow,
        Job::Backup(_) | Job::Retention(_) => false,
    };
    let free: BTreeSet<JobName> = model.jobs().filter(is_free).map(|job| job.name()).collect();
    jobs.difference(&free).cloned().collect()
}

/// The directories that a run with these jobs locks, by the names that the ops file has for them.
pub fn locked_directories(model: &Model, jobs: &BTreeSet<JobName>) -> BTreeSet<PathBuf> {
    let backups = survey::selected(model, jobs);
    backups
        .flat_map(|backup| [backup.source.clone(), backup.to.clone()])
        .collect()
}

/// The locks of a run, one per directory even if it has several names.
pub(super) struct Locks<'a> {
    how: &'a Apply,
    store: &'a Store,
    slots: &'a PoolMember,
    pub(super) jobs: BTreeMap<JobName, Lock>,
    held: Vec<Lock>,
    seen: BTreeSet<(u64, u64)>,
}

impl<'a> Locks<'a> {
    pub(super) fn new(how: &'a Apply, store: &'a Store, slots: &'a PoolMember) -> Self {
        Self {
            how,
            store,
            slots,
            jobs: BTreeMap::new(),
            held: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    /// In the order of their file names.
    pub(super) fn jobs(&mut self, state_dir: &Path, jobs: &BTreeSet<JobName>) -> Result<(), LaunchError> {
        // Every lock is an open file.
        limits::raise_open_files((jobs.len() as u64).saturating_add(limits::FILES_OF_A_RUN));
        let dir = create_dir_all(&state_dir.join("locks"))?;
        let file = |job: &JobName| format!("{}-{}.lock", job.kind.word(), job.name);
        let by_file: BTreeMap<String, &JobName> = jobs.iter().map(|job| (file(job), job)).collect();
        for (name, job) in by_file {
            let awaited = || Ok(format!("{job}, {}", self.holder_of(job)?));
            let lock = self.wait(awaited, |patience| lock::lock_file(&dir, &name, patience))?;
            self.jobs.insert(job.clone(), lock);
        }
        Ok(())
    }

    /// In the order of device and inode.
    pub(super) fn world(&mut self, world: &World) -> Result<(), LaunchError> {
        let sources = world.sources.values().map(|dir| (dir, true));
        let mut dirs: Vec<((u64, u64), &Dir, bool)> = Vec::new();
        // A source comes before a destination that is the same directory.
        for (dir, source) in sources.chain(world.destinations.values().map(|dir| (dir, false))) {
            dirs.push((dir.id()?, dir, source));
        }
        dirs.sort_by_key(|(id, ..)| *id);
        for (id, dir, source) in dirs {
            if self.seen.insert(id) {
                let path = shown(dir.path()).to_string();
                let awaited = || Ok(format!("`{path}`, which another run has locked"));
                if source {
                    let lock = self.wait(awaited, |patience| lock::lock_dir(dir, patience))?;
                    self.held.push(lock);
                } else {
                    let lock = self.wait(awaited, |patience| lock::lock_place(dir, patience))?;
                    self.held.extend(lock);
                }
            }
        }
        Ok(())
    }

    /// Takes a lock at once, or frees the slot and waits for it.
    fn wait<T>(
        &self,
        awaited: impl Fn() -> Result<String, StoreError>,
        take: impl Fn(Patience<'_>) -> Result<T, LockError>,
    ) -> Result<T, LaunchError> {
        let stop = || self.how.stop.asked();
        let wait = Duration::ZERO;
        match take(Patience { wait, stop: &stop }) {
            Err(LockError::Held { .. }) if !self.how.lock_wait.is_zero() => {}
            taken => return Ok(taken?),
        }
        self.begin_waiting(awaited()?)?;
        let wait = self.how.lock_wait;
        Ok(take(Patience { wait, stop: &stop })?)
    }

    /// Waits for what an opsrun that was killed left running, or ends it; the events report that.
    pub(super) fn left_running(&self, model: &Model, jobs: &BTreeSet<JobName>) -> Result<Vec<Event>, LaunchError> {
        let stop = || self.how.stop.asked();
        // By hand nothing is ended: a person may do that.
        let replace = self.how.claimed.is_some();
        let settle = |wait| left_running::settle(model, jobs, replace, Patience { wait, stop: &stop });
        match settle(Duration::ZERO) {
            Err(LaunchError::LeftRunning(left)) if !self.how.lock_wait.is_zero() => {
                self.begin_waiting(format!("what an earlier run left: {}", joined(&left)))?;
            }
            settled => return settled,
        }
        settle(self.how.lock_wait)
    }

    /// Frees the slot, and says what the run waits for.
    fn begin_waiting(&self, awaited: String) -> Result<(), StoreError> {
        self.slots.let_go();
        let Some(claimed) = &self.how.claimed else {
            return Ok(());
        };
        self.how.awaited.set(Some(awaited.clone()));
        self.store.note_waits(&BTreeMap::from([(claimed.run.clone(), awaited)]))
    }

    fn holder_of(&self, job: &JobName) -> Result<String, StoreError> {
        let begun = self.store.job_status(job)?.begun;
        let running = begun.filter(|begun| begun.end == RunEnd::Running);
        Ok(running.map_or_else(
            || "which another process has locked".to_owned(),
            |running| format!("which run {} is running", running.run),
        ))
    }
}
