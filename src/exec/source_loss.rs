//! How much a source has, and what it lost since the newest trusted copy.
//!
//! Takes listings and catalogues; gives the figures that the guard against a shrunken source decides with, and the files
//! that deserve a note. Reads lists and receipts only where a source has lost much.

use crate::archive::{self, Catalogue, CatalogueCopy, LeftOut};
use crate::entry::{Entry, EntryKind};
use crate::model::pattern::Selector;
use crate::model::{Backup, Contents, Model};
use crate::path::RelPath;
use crate::plan::facts::{Destination, EmptiedFile, PlanFacts, Scan, SizeRecord, SourceSize};
use crate::tree::Dir;
use crate::units::total;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashSet};

/// What the backup selects of the listed entries and can store, and what it leaves out by itself.
pub(super) struct SourceMeasure {
    pub(super) selected: SourceSize,
    pub(super) unselected: u64,
    pub(super) left_out: LeftOut,
}

/// From a copy of expired files, special files are not missing: no retention deletes them.
pub(super) fn measure(
    backup: &Backup,
    selector: &mut Selector,
    entries: &[Entry],
    mounts: &[RelPath],
) -> SourceMeasure {
    let (mut size, mut left_out) = (SourceSize::default(), LeftOut::default());
    mounts.iter().cloned().for_each(|path| left_out.mount(path));
    let (mut seen, mut unselected) = (HashSet::new(), 0);
    for entry in entries {
        if !selector.standing(&entry.path).selected() {
            unselected += 1;
            continue;
        }
        match entry.kind {
            EntryKind::File => {
                size.files += 1;
                if entry.nlink < 2 || seen.insert((entry.identity.dev, entry.identity.ino)) {
                    size.bytes = size.bytes.saturating_add(entry.identity.size);
                }
            }
            EntryKind::Symlink => size.files += 1,
            kind if backup.contents == Contents::All => left_out.special(kind),
            _ => {}
        }
    }
    SourceMeasure {
        selected: size,
        unselected,
        left_out,
    }
}

/// A file with fewer bytes in its copy is not worth a line when it is empty.
const MIN_EMPTIED: u64 = 1 << 20;

/// The most bytes that a file has which is as good as empty: the header of a database.
const MAX_REMAINDER: u64 = 16 * 1024;

/// How many changed small files are looked up in the copy.
const MAX_LOOKED_UP: usize = 10_000;

/// How many emptied files are named.
const MAX_EMPTIED: usize = 20;

/// Large files of the newest trusted copy of which nothing is left, or a hundredth under the same inode. A new file of
/// that name is a log that was rotated.
pub(super) fn emptied(scan: &Scan, catalogue: &Catalogue, destination: &Destination, dir: &Dir) -> Vec<EmptiedFile> {
    let Some(last) = destination.copies.iter().find(|copy| copy.suspect.is_none()) else {
        return Vec::new();
    };
    let since = crate::clock::nanos(last.at);
    let files = scan.entries.iter().filter(|entry| {
        let identity = entry.identity;
        entry.kind == EntryKind::File && identity.size <= MAX_REMAINDER && identity.ctime_ns >= since
    });
    let small: BTreeMap<&RelPath, &Entry> = files.take(MAX_LOOKED_UP).map(|entry| (&entry.path, entry)).collect();
    let Some(copy) = copy_named(catalogue, &last.name).filter(|_| !small.is_empty()) else {
        return Vec::new();
    };
    let paths: Vec<&RelPath> = small.keys().copied().collect();
    // A list that cannot be read is reported by those who need it.
    let rows = archive::locate(dir, copy, &paths).unwrap_or_default();
    let lost = rows.into_iter().filter_map(|row| {
        let now = small.get(&row.path)?.identity;
        let emptied = now.size == 0 || (now.ino == row.ino && now.size <= row.size / 100);
        (emptied && row.size >= MIN_EMPTIED).then(|| EmptiedFile {
            path: row.path,
            before: row.size,
            now: now.size,
            copy: last.name.clone(),
        })
    });
    lost.take(MAX_EMPTIED).collect()
}

fn copy_named<'a>(catalogue: &'a Catalogue, name: &str) -> Option<&'a CatalogueCopy> {
    catalogue.copies.iter().find(|copy| copy.name.to_string() == name)
}

/// Bytes that cleanups deleted from the source of `backup`, or below it, since its newest trusted copy. Receipts name
/// paths; their sizes are in the lists of the copies. 0 where the source has enough bytes without them.
pub(super) fn deleted_bytes(
    model: &Model,
    backup: &Backup,
    facts: &PlanFacts,
    catalogues: &BTreeMap<String, Catalogue>,
    destinations: &BTreeMap<String, Dir>,
) -> u64 {
    let Some(found) = facts.backups.get(&backup.name) else {
        return 0;
    };
    let last = found.destination.copies.iter().find(|copy| copy.suspect.is_none());
    let (Some(last), Ok(scan)) = (last, &found.source) else {
        return 0;
    };
    let then = match last.source {
        SizeRecord::Listed { .. } => 0,
        SizeRecord::Selected(size) => size.bytes,
    };
    if scan.selected.bytes >= then.div_ceil(2) {
        return 0;
    }
    let mut bytes = 0_u64;
    for other in model
        .backups
        .iter()
        .filter(|other| other.source.starts_with(&backup.source))
    {
        let (Some(found), Some(catalogue), Some(dir)) = (
            facts.backups.get(&other.name),
            catalogues.get(&other.name),
            destinations.get(&other.name),
        ) else {
            continue;
        };
        let copies = found.destination.copies.iter();
        for copy in copies.filter(|copy| copy.deleted_at.range(last.at..).next().is_some()) {
            let sizes = copy_named(catalogue, &copy.name).map(|copy| deleted_from(dir, copy, last.at));
            // What cannot be looked up was perhaps all of it.
            bytes = bytes.saturating_add(sizes.flatten().unwrap_or(copy.bytes));
        }
    }
    bytes
}

/// Bytes of the files that were deleted because of a copy, since then; `None` when receipt or list cannot be read.
fn deleted_from(dir: &Dir, copy: &CatalogueCopy, since: DateTime<Utc>) -> Option<u64> {
    let paths = archive::receipt::paths_since(dir, &copy.name, since).ok()?;
    let mut rows = archive::locate(dir, copy, &paths.iter().collect::<Vec<_>>()).ok()?;
    // Names of one file are counted once, as they are in a source.
    let mut seen = HashSet::new();
    rows.retain(|row| row.nlink < 2 || seen.insert((row.dev, row.ino)));
    Some(total(rows.iter().map(|row| row.size)))
}
