//! History that is too old, removed a little at a time; and which copies it still has to speak for.
//!
//! Invariant: a failure does not fail a run: what could not be removed is removed the next time.

use crate::archive::{CopyName, Marker};
use crate::clock::Stopwatch;
use crate::exec::survey::{World, selected};
use crate::model::{JobName, Keep, Model};
use crate::store::prune::PrunePolicy;
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long the end of a command may take.
const AFTER_A_RUN: Duration = Duration::from_millis(200);

/// Removes some of it; true if there is more. Takes some ten milliseconds.
pub fn prune_step(model: &Model, store: &Store) -> Result<bool, StoreError> {
    let Keep::For(keep) = model.ops.history else {
        return Ok(false);
    };
    let rate_limits = model.channels.iter().filter_map(|channel| channel.rate_limit);
    let policy = PrunePolicy {
        keep,
        jobs: model.jobs().map(|job| job.name()).collect(),
        rate_limits: rate_limits.map(|limit| limit.per).max().unwrap_or_default(),
    };
    if store.prune(&policy, crate::clock::now())?.more {
        return Ok(true);
    }
    store.give_back_space()
}

/// Removes some of it after a command that wrote to the state.
pub fn prune_after_run(model: &Model) {
    let since = Stopwatch::set();
    let all = || -> Result<(), StoreError> {
        let store = Store::open(&model.ops.state_dir)?;
        while prune_step(model, &store)? && since.elapsed() < AFTER_A_RUN {}
        Ok(())
    };
    if let Err(error) = all() {
        tracing::debug!("old history was not removed: {error}");
    }
}

/// What the state remembers of copies that are gone is forgotten. A copy is gone when the directory of its destination has its
/// marker, was read to the end, and has no file of it.
pub(super) fn forget_missing_copies(
    model: &Model,
    jobs: &BTreeSet<JobName>,
    world: &World,
    store: &Store,
) -> Result<(), StoreError> {
    let mut missing = Vec::new();
    for backup in selected(model, jobs) {
        let of_backup = |name: &String| CopyName::parse(name).is_some_and(|copy| copy.backup() == backup.name);
        let mut copies = store.outlived_copies(&backup.name, &backup.to)?;
        copies.retain(of_backup);
        let Some(dir) = world.destinations.get(&backup.name).filter(|_| !copies.is_empty()) else {
            continue;
        };
        let marker = Marker::read(dir).ok().flatten().map(|marker| marker.id);
        let known = store.marker_of(&backup.name, &backup.to)?;
        let (Ok(names), true) = (dir.names(), known.is_some() && marker == known) else {
            continue;
        };
        let files = names
            .iter()
            .filter_map(|name| CopyName::of_file(str::from_utf8(name).ok()?));
        let there: BTreeSet<String> = files.map(|copy| copy.to_string()).collect();
        missing.extend(copies.into_iter().filter(|copy| !there.contains(copy)));
    }
    if missing.is_empty() {
        Ok(())
    } else {
        store.forget_missing(&missing)
    }
}
