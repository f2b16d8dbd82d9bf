//! Looking at a backup's source and destination once more within a run: what ran before may have made files,
//! mounted a disk, or deleted.
//!
//! Takes what the run was planned with; gives the backup's steps, decided again. Directories that are others now are
//! locked and put in order like those that were there from the start.
//! Invariant: nothing is deleted that the plan does not list, or that changed since.

use super::error::LaunchError;
use super::own_writer;
use crate::archive::OwnWriter;
use crate::error_chain::error_chain;
use crate::exec::action::{StepAbort, interrupted, outcome, recover, tree_failure};
use crate::exec::engine::LookAgain;
use crate::exec::recorder::Recorder;
use crate::exec::survey::{self, Remembered, World};
use crate::model::{JobKind, JobName, Model};
use crate::plan::facts::PlanFacts;
use crate::plan::{self, Action, Plan, RunRequest, Step, StepId};
use crate::run::{Event, State};
use crate::signal::Stop;
use crate::store::Store;
use crate::tree::Dir;
use crate::tree::lock::{self, Lock, Patience};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What the store knows of earlier runs, as far as a survey needs it.
pub(super) fn remembered(model: &Model, store: &Store, own: OwnWriter) -> Result<Remembered, LaunchError> {
    let mut found = Remembered {
        relied_on: store.relied_on()?,
        own,
        ..Remembered::default()
    };
    let now = crate::clock::now();
    for backup in &model.backups {
        if let Some(id) = store.marker_of(&backup.name, &backup.to)? {
            found.markers.insert(backup.name.clone(), id);
        }
        let sequence = store.highest_sequence(&backup.name)?;
        found.sequences.insert(backup.name.clone(), sequence);
        let holds = store.holds(&backup.source, now)?;
        if !holds.is_empty() {
            found.holds.insert(backup.name.clone(), holds.into_iter().collect());
        }
    }
    Ok(found)
}

/// What the run was planned with.
pub(super) struct Resurvey<'a> {
    pub(super) model: &'a Model,
    pub(super) request: &'a RunRequest,
    pub(super) facts: &'a PlanFacts,
    pub(super) store: &'a Store,
    pub(super) stop: &'a Stop,
    /// One looks at a time: several backups may find the same new directory, which is locked once.
    pub(super) turn: Mutex<()>,
    /// What an earlier run had left in a directory that was found now could not be put in order.
    pub(super) stuck: AtomicBool,
}

impl LookAgain for Resurvey<'_> {
    fn look_again(
        &self,
        plan: &Plan,
        backup: StepId,
        world: &Mutex<World>,
        recorder: &dyn Recorder,
    ) -> Result<Vec<Step>, StepAbort> {
        let Some(Action::Backup(planned)) = plan.steps().get(backup).map(|step| &step.action) else {
            return Ok(Vec::new());
        };
        let name = &planned.backup.name;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Those below its source too: what was deleted from them counts for this one.
        let related = self.model.backups.iter();
        let jobs: BTreeSet<JobName> = related
            .filter(|other| other.source.starts_with(&planned.backup.source))
            .map(|other| JobName::new(JobKind::Backup, &other.name))
            .collect();
        let mut found = survey::open(self.model, &jobs);
        let own = own_writer::ensured(self.model, self.store).map_err(|e| failed(&e))?;
        survey::probe(
            &mut found,
            &remembered(self.model, self.store, own.clone()).map_err(|e| failed(&e))?,
        );
        let one = BTreeSet::from([JobName::new(JobKind::Backup, name)]);
        if self.moved(name, &mut found, world)? {
            let unfinished = self.store.unpublished_copies().map_err(|e| failed(&e))?;
            let (events, cleared) = recover::run(self.model, &one, &found, &own, &unfinished, self.stop);
            for event in events {
                if matches!(&event, Event::Recovered { stuck, .. } if !stuck.is_empty()) {
                    self.stuck.store(true, Ordering::SeqCst);
                }
                recorder.record(&event)?;
            }
            for copy in cleared {
                self.store.forget_copy(&copy).map_err(|e| failed(&e))?;
            }
        }
        let remembered = remembered(self.model, self.store, own).map_err(|e| failed(&e))?;
        // By the clock as it is now: what was just made is young, not from the future.
        let now = crate::clock::now();
        let fresh = survey::look(self.model, &jobs, &found, &remembered, now, self.stop);
        if self.stop.asked() {
            // What was seen is not the whole.
            let signal = self.stop.signal();
            return Err(signal
                .map_or_else(|| outcome(State::Interrupted, "stopped"), interrupted)
                .into());
        }
        let mut facts = self.facts.clone();
        (facts.now, facts.clock) = (fresh.now, fresh.clock);
        facts.backups.extend(fresh.backups);
        facts.verdicts.extend(fresh.verdicts);
        let steps = plan::look_again(plan, backup, self.model, self.request, &facts);

        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        put(&mut world.sources, name, found.sources.remove(name));
        put(&mut world.destinations, name, found.destinations.remove(name));
        world.locks.append(&mut found.locks);
        Ok(steps)
    }
}

impl Resurvey<'_> {
    /// Locks the directories of `name` that are others than before; true when any is.
    fn moved(&self, name: &str, found: &mut World, world: &Mutex<World>) -> Result<bool, StepAbort> {
        let (mut moved, mut locks) = (false, Vec::<Lock>::new());
        let before = {
            let world = world.lock().unwrap_or_else(PoisonError::into_inner);
            let ids = world.sources.values().chain(world.destinations.values()).map(Dir::id);
            ids.collect::<Result<BTreeSet<_>, _>>().map_err(|e| tree_failure(&e))?
        };
        let now = [(found.sources.get(name), true), (found.destinations.get(name), false)];
        for (dir, source) in now.into_iter().filter_map(|(dir, source)| Some((dir?, source))) {
            if !before.contains(&dir.id().map_err(|e| tree_failure(&e))?) {
                let stop = || self.stop.asked();
                let patience = Patience {
                    wait: Duration::ZERO,
                    stop: &stop,
                };
                moved = true;
                if source {
                    locks.push(lock::lock_dir(dir, patience).map_err(|e| failed(&e))?);
                } else {
                    locks.extend(lock::lock_place(dir, patience).map_err(|e| failed(&e))?);
                }
            }
        }
        found.locks.extend(locks);
        Ok(moved)
    }
}

fn put(dirs: &mut BTreeMap<String, Dir>, name: &str, found: Option<Dir>) {
    match found {
        Some(dir) => dirs.insert(name.to_owned(), dir),
        None => dirs.remove(name),
    };
}

fn failed(error: &dyn std::error::Error) -> StepAbort {
    outcome(State::Failed, error_chain(error)).into()
}
