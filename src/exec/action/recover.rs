//! Put in order what an earlier run left, before anything is listed.
//!
//! Takes the open sources and destinations, whose locks the caller holds, and the names of copies that the store
//! knows to be unfinished. Quarantined files go back to their places; deletions that had been completed go into
//! the receipts of their copies; our own unfinished files are removed.
//! Invariant: nothing is removed here but drafts of ours, copies that the store knows never to have been
//! committed, and empty quarantines.

use crate::archive::{self, Catalogue, CopyName, Deletion};
use crate::exec::survey::{World, chain};
use crate::model::{Backup, Model};
use crate::run::Event;
use crate::tree::quarantine::{self, Leftover};
use crate::tree::{Dir, publish::clear_debris};
use std::collections::{BTreeMap, BTreeSet};

/// Does it for one backup. Gives the event, if there was anything, and the names of copies that are gone now.
#[must_use]
pub fn run(model: &Model, backup: &Backup, world: &World, unfinished: &[String]) -> (Vec<Event>, Vec<String>) {
    let mut events = Vec::new();
    let mut cleared = Vec::new();
    let destination = world.destinations.get(&backup.name);
    // First, so that no unfinished receipt stands in the way of its completion.
    if let Some(destination) = destination {
        let (event, names) = destination_side(model, backup, destination, unfinished);
        events.extend(event);
        cleared = names;
    }
    if let Some(source) = world.sources.get(&backup.name) {
        events.extend(source_side(backup, source, destination));
    }
    (events, cleared)
}

fn source_side(backup: &Backup, source: &Dir, destination: Option<&Dir>) -> Option<Event> {
    let mut stuck = Vec::new();
    let (mut put_back, mut completed) = (0, 0);
    match quarantine::recover(source, backup.cross_mounts) {
        Ok(leftovers) => {
            for leftover in &leftovers {
                put_back += leftover.put_back;
                stuck.extend(leftover.stuck.iter().map(|e| chain(e)));
                match receipts(leftover, destination) {
                    Ok(n) => {
                        completed += n;
                        if let Err(e) = quarantine::dismiss(source, leftover) {
                            stuck.push(chain(&e));
                        }
                    }
                    Err(why) => stuck.push(why),
                }
            }
        }
        Err(e) => stuck.push(chain(&e)),
    }
    (put_back + completed > 0 || !stuck.is_empty()).then(|| Event::Recovered {
        place: backup.source.display().to_string(),
        put_back,
        completed,
        cleared: 0,
        stuck,
    })
}

/// Completes the receipts from the index of a run that could not.
fn receipts(leftover: &Leftover, destination: Option<&Dir>) -> Result<u64, String> {
    let mut by_copy: BTreeMap<&str, Vec<Deletion>> = BTreeMap::new();
    for line in &leftover.completed {
        let sha256 = archive::parse_hex(&line.sha256).ok_or_else(|| {
            format!(
                "the quarantine index of run {} holds `{}`, which is no SHA-256",
                leftover.run, line.sha256
            )
        })?;
        by_copy.entry(&line.copy).or_default().push(Deletion {
            path: line.path.clone(),
            sha256,
        });
    }
    if by_copy.is_empty() {
        return Ok(0);
    }
    let destination = destination.ok_or_else(|| {
        format!(
            "the destination is not there to complete the receipts of run {}",
            leftover.run
        )
    })?;
    for (copy, deletions) in by_copy {
        let name = CopyName::parse(copy).ok_or_else(|| format!("`{copy}` is no name of a copy"))?;
        archive::receipt::append(destination, &name, &leftover.run, crate::clock::now(), &deletions)
            .map_err(|e| chain(&e))?;
    }
    Ok(leftover.completed.len() as u64)
}

fn destination_side(
    model: &Model,
    backup: &Backup,
    destination: &Dir,
    unfinished: &[String],
) -> (Option<Event>, Vec<String>) {
    let Ok(catalogue) = Catalogue::read(destination) else {
        // The survey reads it again and says what is wrong.
        return (None, Vec::new());
    };
    // Only in a destination that is ours is anything ours.
    if catalogue
        .marker
        .as_ref()
        .is_none_or(|marker| marker.ops_name != model.ops.name)
    {
        return (None, Vec::new());
    }
    let ours = |name: &str| CopyName::of_file(name).filter(|copy| copy.backup() == backup.name);
    let known: BTreeSet<&str> = unfinished.iter().map(String::as_str).collect();
    let drafts = catalogue.drafts.iter().filter(|name| ours(name).is_some());
    let orphans = catalogue
        .orphans
        .iter()
        .filter(|name| ours(name).is_some_and(|copy| known.contains(copy.to_string().as_str())));
    let (mut cleared, mut stuck) = (0, Vec::new());
    for name in drafts.chain(orphans) {
        match clear_debris(destination, name.as_bytes()) {
            Ok(true) => cleared += 1,
            Ok(false) => {}
            Err(e) => stuck.push(chain(&e)),
        }
    }
    let _ = destination.sync();
    let gone: Vec<String> = unfinished
        .iter()
        .filter(|name| CopyName::parse(name).is_some_and(|copy| copy.backup() == backup.name))
        .filter(|_| stuck.is_empty())
        .cloned()
        .collect();
    let event = (cleared > 0 || !stuck.is_empty()).then(|| Event::Recovered {
        place: backup.to.display().to_string(),
        put_back: 0,
        completed: 0,
        cleared,
        stuck,
    });
    (event, gone)
}
