//! Put in order what an earlier run left, before anything is listed.
//!
//! Takes the open sources and destinations, whose locks the caller holds, and the names of copies that the store
//! knows to be unfinished. Quarantined files go back to their places; deletions that had been completed go into
//! the receipts of their copies, where those copies lie; our own unfinished files are removed.
//! Invariant: nothing is removed here but drafts, archives and trees of copies that the store knows never to have been
//! committed, temporary names in committed copies, and quarantines that are answered for.

use crate::archive::{self, Catalogue, CopyName, Deletion, OwnWriter};
use crate::error_chain::error_chain;
use crate::exec::survey::{World, selected};
use crate::model::{Backup, JobName, Model};
use crate::plan::facts::PlanFacts;
use crate::run::Event;
use crate::signal::Stop;
use crate::tree::leftovers::{PART, clear_part};
use crate::tree::publish::DRAFT;
use crate::tree::recovery::{self, Leftover};
use crate::tree::{Dir, dir_journal};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};

/// Does it for the backups among `jobs`. Gives the events, and the names of copies whose debris is gone now.
pub fn run(
    model: &Model,
    jobs: &BTreeSet<JobName>,
    world: &World,
    own: &OwnWriter,
    unfinished: &[String],
    stop: &Stop,
) -> (Vec<Event>, Vec<String>) {
    let mut events = Vec::new();
    let mut cleared = Vec::new();
    // First, so that no unfinished receipt blocks its completion.
    for backup in selected(model, jobs) {
        if let Some(destination) = world.destinations.get(&backup.name) {
            let (event, names) = destination_side(own, backup, destination, unfinished, stop);
            events.extend(event);
            cleared.extend(names);
        }
    }
    // Several backups may have one source: its quarantine holds files that rely on copies of any of them.
    let mut seen = BTreeSet::new();
    for backup in selected(model, jobs) {
        if let Some(source) = world.sources.get(&backup.name)
            && source.id().is_ok_and(|id| seen.insert(id))
        {
            events.extend(source_side(backup, source, world, own, stop));
        }
    }
    (events, cleared)
}

/// Quarantined files beside their old places that no index led to: their directories were moved meanwhile.
pub fn strays(facts: &PlanFacts) -> Vec<String> {
    let scans = facts.backups.values().filter_map(|found| found.source.as_ref().ok());
    let ours = scans
        .flat_map(|scan| scan.ours.iter())
        .filter(|path| path.name().ends_with(b".q"));
    let mut lines: Vec<String> = ours
        .map(|path| {
            format!("`{path}` was quarantined by a run that died, and its directory moved since: give it its name back")
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

/// Removes what restores that died left in the listed sources: files that never got their name. Says how many.
pub fn parts(facts: &PlanFacts, world: &World) -> u64 {
    let mut cleared = 0;
    for (backup, found) in &facts.backups {
        let (Ok(scan), Some(source)) = (&found.source, world.sources.get(backup)) else {
            continue;
        };
        let Ok(locked) = source.id() else { continue };
        for path in scan.ours.iter().filter(|path| path.name().ends_with(PART.as_bytes())) {
            let Ok(dir) = source.open_dir(path.parent_bytes(), false) else {
                continue;
            };
            let settled = dir_journal::settle(&dir, path.name()).unwrap_or(false);
            cleared += u64::from(settled || clear_part(&dir, path.name(), locked).unwrap_or(false));
        }
    }
    cleared
}

fn source_side(backup: &Backup, source: &Dir, world: &World, own: &OwnWriter, stop: &Stop) -> Option<Event> {
    let mut stuck = Vec::new();
    let (mut put_back, mut completed) = (0, 0);
    match recovery::recover(source, backup.cross_mounts, &|| !stop.asked()) {
        Ok(leftovers) => {
            for leftover in &leftovers {
                put_back += leftover.put_back;
                stuck.extend(leftover.stuck.iter().map(|e| match e.errno() {
                    Some(Errno::EXIST) => {
                        format!(
                            "{}; move the file that has this name away, and the next run puts the quarantined file back",
                            error_chain(e)
                        )
                    }
                    _ => error_chain(e),
                }));
                match receipts(leftover, world, own) {
                    Ok(n) => {
                        completed += n;
                        if let Err(e) = recovery::dismiss(source, leftover) {
                            stuck.push(error_chain(&e));
                        }
                    }
                    Err(why) => stuck.push(why),
                }
            }
        }
        Err(e) => stuck.push(error_chain(&e)),
    }
    (put_back + completed > 0 || !stuck.is_empty()).then(|| Event::Recovered {
        place: backup.source.display().to_string(),
        put_back,
        completed,
        cleared: 0,
        stuck,
    })
}

/// Completes the receipts from the index of a run that could not. Until each is written the index stays.
fn receipts(leftover: &Leftover, world: &World, own: &OwnWriter) -> Result<u64, String> {
    let run = &leftover.run;
    let mut by_copy: BTreeMap<&str, Vec<Deletion>> = BTreeMap::new();
    for line in &leftover.completed {
        let sha256 = archive::parse_hex(&line.sha256).ok_or_else(|| {
            format!(
                "the quarantine index of run {run} contains `{}`, which is not a SHA-256",
                line.sha256
            )
        })?;
        by_copy.entry(&line.copy).or_default().push(Deletion {
            path: line.path.clone(),
            sha256,
        });
    }
    for (copy, deletions) in by_copy {
        let name = CopyName::parse(copy)
            .ok_or_else(|| format!("`{copy}` in the quarantine index of run {run} is not the name of a copy"))?;
        let place = world.destinations.get(name.backup()).ok_or_else(|| {
            format!(
                "the receipt of copy `{copy}` for run {run} waits until its destination is there and backup:{} runs",
                name.backup()
            )
        })?;
        // Where the copy itself lies, and nowhere else: the path may lead to the empty directory of a disk that
        // is not mounted. In a place that is marked as ours the copy was taken away: there is nothing to complete.
        if !place.has(name.manifest().as_bytes()).unwrap_or(false) {
            let marker = archive::Marker::read(place).ok().flatten();
            if marker.is_some_and(|marker| marker.ops_name == own.ops || marker.lists(&own.writer)) {
                continue;
            }
            return Err(format!(
                "the receipt of copy `{copy}` for run {run} waits until its destination is mounted"
            ));
        }
        archive::receipt::append(place, &name, run, crate::clock::now(), &deletions).map_err(|e| {
            format!(
                "{}; if it is damaged, move `{}` away: every entry of the copy counts as deleted then",
                error_chain(&e),
                name.receipt()
            )
        })?;
    }
    Ok(leftover.completed.len() as u64)
}

fn destination_side(
    own: &OwnWriter,
    backup: &Backup,
    destination: &Dir,
    unfinished: &[String],
    stop: &Stop,
) -> (Option<Event>, Vec<String>) {
    let Ok(mut catalogue) = Catalogue::read_while(destination, &|| !stop.asked()) else {
        // The survey reads it again and says what is wrong.
        return (None, Vec::new());
    };
    // Only in a destination that is ours is anything ours.
    if catalogue
        .marker
        .as_ref()
        .is_none_or(|marker| marker.ops_name != own.ops && !marker.lists(&own.writer))
    {
        return (None, Vec::new());
    }
    // Of other writers nothing is cleared: a lock that another machine holds may not be seen here.
    catalogue.assign(Some(own));
    let known: BTreeSet<&str> = unfinished.iter().map(String::as_str).collect();
    let ours = |file: &&String| {
        CopyName::of_file(file).is_some_and(|copy| {
            let committed = || {
                catalogue
                    .of_group(own, &backup.name, &backup.source)
                    .any(|c| c.name == copy)
            };
            copy.backup() == backup.name
                && (known.contains(copy.to_string().as_str()) || (file.ends_with(DRAFT) && committed()))
        })
    };
    let (mut cleared, mut stuck) = (0, Vec::new());
    match archive::Marker::clear_draft(destination) {
        Ok(gone) => cleared += u64::from(gone),
        Err(e) => stuck.push(error_chain(&e)),
    }
    // The manifest was being named when its run died: nothing relied on the copy, and it never counted. Without that record it
    // is a damaged copy, which stays.
    let half = catalogue
        .unreadable
        .iter()
        .filter(|(copy, _)| copy.backup() == backup.name && known.contains(copy.to_string().as_str()));
    // The manifest goes first: what is left then is an unfinished copy.
    let half = half.flat_map(|(copy, files)| {
        let manifest = copy.manifest();
        let rest = files.iter().filter(move |file| **file != copy.manifest()).cloned();
        std::iter::once(manifest).chain(rest).collect::<Vec<_>>()
    });
    let half: Vec<String> = half.collect();
    for name in half
        .iter()
        .chain(catalogue.drafts.iter().chain(&catalogue.orphans).filter(ours))
    {
        match archive::clear_debris(destination, name) {
            Ok(true) => cleared += 1,
            Ok(false) => {}
            Err(e) => stuck.push(error_chain(&e)),
        }
    }
    if let Err(e) = destination.sync() {
        stuck.push(error_chain(&e));
    }
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
