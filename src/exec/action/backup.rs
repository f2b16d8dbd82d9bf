//! Writes a copy: not yet published, not yet proven.
//!
//! Takes the step's listing and its destination, gives a [`WrittenCopy`](crate::archive::WrittenCopy) in the slot of its
//! step. Makes the destination and its marker on first use.
//! Invariant: the event that names the copy is durable before the first file of it is made.

use super::{Context, Ended, failure, outcome, tree_failure};
use crate::archive::{self, CopyName, Incomplete, ManifestFacts, Marker, WriteJob};
use crate::error_chain::error_chain;
use crate::exec::{Deadline, locked, step_progress::StepProgress};
use crate::file_system::is_on_own_mount;
use crate::model::Contents;
use crate::path::shown;
use crate::plan::{BackupStep, MOUNT_HELP, SHRINK_HELP};
use crate::run::{Event, Outcome, State};
use crate::tree::lock::{self, Patience};
use crate::tree::probe;
use crate::tree::{Dir, handle::create_dir_all};
use crate::units::{plural, show_count, show_size};
use std::time::Duration;

pub fn run(context: &Context<'_>, step: &BackupStep) -> Ended {
    let backup = &step.backup;
    if step.nothing {
        return Ok(match step.suspect.as_ref().filter(|_| step.is_source_empty()) {
            Some(why) => outcome(State::Partial, format!("no copy: {why}")).with_help(SHRINK_HELP),
            None => outcome(State::Nothing, "no expired file needs a new copy"),
        });
    }
    let Some(scan) = step.scan.as_deref() else {
        return Ok(outcome(State::Failed, "the source was not listed"));
    };
    let destination = prepare(context, step)?;
    let source = locked(context.world).sources.get(&backup.name).map(Dir::try_clone);
    let Some(source) = source else {
        let summary = format!("the source `{}` is not open", backup.source.display());
        return Ok(outcome(State::Failed, summary));
    };
    let source = source.map_err(|e| tree_failure(&e))?;

    let name = CopyName::new(&backup.name, crate::clock::now(), &context.how.run);
    context.record(&Event::CopyStarted {
        step: context.step.name.clone(),
        copy: name.to_string(),
        destination: backup.to.display().to_string(),
    })?;
    for line in &step.emptied {
        context.note(line)?;
    }
    let deadline = Deadline::new(&context.how.stop, backup.timeout);
    let watch = StepProgress::new(&deadline, context.progress, context.step.id);
    let shown = context.show(&context.step.name.to_string(), step.files, step.bytes);
    let entries: Vec<&crate::entry::Entry> = step.store.iter().filter_map(|at| scan.entries.get(*at)).collect();
    let written = archive::write(&WriteJob {
        source: &source,
        cross_mounts: backup.cross_mounts,
        entries: &entries,
        destination: &destination,
        name,
        strategy: backup.strategy,
        threads: context.threads(),
        facts: ManifestFacts {
            ops_name: context.plan.ops.clone(),
            host: context.plan.host.clone(),
            run: context.how.run.clone(),
            sequence: step.sequence,
            parent: step.parent.clone(),
            backup_at: crate::clock::now(),
            source: backup.source.clone(),
            source_files: scan.selected.files,
            source_bytes: scan.selected.bytes,
            suspect: step.suspect.clone(),
            contents: backup.contents,
            writer: Some(context.plan.writer.id.clone()),
            shares_with: step.shares_with.clone(),
            left_out: scan.left_out.clone(),
        },
        problems: scan.problems.clone(),
        progress: &watch,
    });
    drop(shown);
    match written {
        Ok(written) => {
            for line in &written.remarks {
                context.note(line)?;
            }
            let manifest = &written.manifest;
            if let Some(line) = manifest.left_out.change(step.left_out_before.as_ref()) {
                context.note(line)?;
            }
            if manifest.files == 0 && backup.contents == Contents::Expired && !step.store.is_empty() {
                // Directories alone prove nothing that may be deleted.
                return Ok(nothing_came(&manifest.incomplete, manifest.incomplete_total));
            }
            let (files, size) = (plural(manifest.files, "file", "files"), show_size(manifest.bytes));
            let summary = format!("{files} written, {size}");
            locked(context.slots).written.insert(context.step.id, written);
            let warning = step.first_beside_source.iter().cloned().collect();
            Ok(outcome(State::Ok, summary).with_details(warning))
        }
        Err(error) => Ok(failure(&error, &deadline)),
    }
}

/// Not one file could be stored: no copy is kept.
fn nothing_came(missing: &[Incomplete], total: u64) -> Outcome {
    if total == 0 {
        return outcome(State::Nothing, "all expired files are already gone");
    }
    let details = missing
        .iter()
        .take(20)
        .map(|item| format!("{}: {}", item.place(), item.why));
    let summary = format!("no copy: {} could not be read", plural(total, "path", "paths"));
    outcome(State::Partial, summary)
        .with_help("make these paths readable, or exclude them")
        .with_details(details.collect())
}

/// The destination: made, locked and marked on first use; with room for the copy.
fn prepare(context: &Context<'_>, step: &BackupStep) -> Result<Dir, super::StepAbort> {
    let backup = &step.backup;
    // Once more: a disk that was unmounted since must not be replaced by a directory.
    if backup.require_mount && !is_on_own_mount(&backup.to, &backup.source) {
        let summary = format!(
            "no disk is mounted at the destination `{}` any more",
            backup.to.display()
        );
        return Err(outcome(State::Refused, summary).with_help(MOUNT_HELP).into());
    }
    if !locked(context.world).destinations.contains_key(&backup.name) {
        let made = create_dir_all(&backup.to)
            .map_err(|e| tree_failure(&e).with_help("make it a writable directory, or correct `to` in the ops file"))?;
        let (wait, stop) = (Duration::ZERO, &|| context.how.stop.asked());
        let lock =
            lock::lock_place(&made, Patience { wait, stop }).map_err(|e| outcome(State::Failed, error_chain(&e)))?;
        let mut world = locked(context.world);
        world.locks.extend(lock);
        world.destinations.insert(backup.name.clone(), made);
    }
    enough_room(context, step)?;
    let destination = probed(context, &backup.name)?;
    let deadline = Deadline::new(&context.how.stop, None);
    let marker =
        Marker::ensure(&destination, &context.plan.ops, &context.plan.writer).map_err(|e| failure(&e, &deadline))?;
    context.recorder.remember_marker(&backup.name, &backup.to, &marker.id)?;
    Ok(destination)
}

/// Before anything is written: whether the destination has bytes and inodes for the copy.
fn enough_room(context: &Context<'_>, step: &BackupStep) -> Result<(), super::StepAbort> {
    let found = match locked(context.world).destinations.get(&step.backup.name) {
        Some(destination) => destination.capacity().map_err(|e| tree_failure(&e))?,
        None => return Ok(()),
    };
    let place = shown(&step.backup.to);
    let need = step.expected_size();
    let full = |summary| outcome(State::NoSpace, summary);
    if found.free < need {
        let (free, need) = (show_size(found.free), show_size(need));
        let full = full(format!("`{place}` has {free} free, the copy needs about {need}"));
        return Err(full
            .with_help("free space there; nothing was written or deleted")
            .into());
    }
    let need = step.expected_inodes();
    if let Some(inodes) = found.inodes.filter(|inodes| inodes.free < need) {
        let (free, need) = (plural(inodes.free, "free inode", "free inodes"), show_count(need));
        let full = full(format!("`{place}` has {free}, the copy needs about {need}"));
        let help = "delete files there that are not needed; nothing was written or deleted";
        return Err(full.with_help(help).into());
    }
    Ok(())
}

/// The destination, whose abilities are known: from the survey, or tried now.
fn probed(context: &Context<'_>, backup: &str) -> Result<Dir, super::StepAbort> {
    let mut world = locked(context.world);
    let Some(destination) = world.destinations.get_mut(backup) else {
        return Err(outcome(State::Failed, "the destination is not open").into());
    };
    if destination.abilities().is_none() {
        let abilities = probe::probe(destination).map_err(|e| tree_failure(&e))?;
        destination.learn(abilities);
    }
    Ok(destination.try_clone().map_err(|e| tree_failure(&e))?)
}
