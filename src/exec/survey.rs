//! What is there before anything happens: sources listed, destinations read.
//!
//! Takes a model, the jobs of the run and what the store remembers; gives [`PlanFacts`] for the plan and the
//! handles ([`World`]) that its steps will use, so that plan and apply see the same things through the same
//! code. Changes nothing.
//! Invariant: an error is a fact, never an empty listing.

use super::longest_keep::{self, Claims, DirId};
use super::source_loss::{deleted_bytes, emptied, measure};
use crate::archive::{
    self, Catalogue, CatalogueCopy, CopyContents, CopyOwner, Incomplete, Manifest, Marker, OwnWriter,
};
use crate::entry::{Entry, EntryKind};
use crate::error_chain::{error_chain, with_reason};
use crate::file_system;
use crate::model::pattern::Selector;
use crate::model::retention::{Circumstances, Verdict, decide};
use crate::model::{Backup, Contents, JobKind, JobName, Model, Retention};
use crate::own_process;
use crate::path::{RelPath, shown};
use crate::plan::facts::{
    BackupFacts, CopyFacts, Destination, DestinationState, PlanFacts, Scan, SizeRecord, SourceSize, Unlisted,
    WriterStanding,
};
use crate::signal::Stop;
use crate::tree::handle::content_hash;
use crate::tree::probe;
use crate::tree::walk::{self, Walk};
use crate::tree::{Dir, Opener, TreeError};
use chrono::{DateTime, Utc};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// What the store remembers of earlier runs.
#[derive(Debug, Default)]
pub struct Remembered {
    /// By backup: the marker id that its destination had.
    pub markers: HashMap<String, String>,
    /// By copy: the runs that were about to delete on the strength of it.
    pub relied_on: BTreeMap<String, BTreeSet<String>>,
    /// By backup: paths in its source that were restored lately.
    pub holds: HashMap<String, HashSet<RelPath>>,
    /// Who makes copies here.
    pub own: OwnWriter,
    /// By backup: the highest sequence of a copy.
    pub sequences: HashMap<String, u64>,
}

#[derive(Debug, Default)]
pub struct World {
    pub sources: BTreeMap<String, Dir>,
    /// By backup: its destination, where there is one.
    pub destinations: BTreeMap<String, Dir>,
    /// By backup: why its destination cannot be written to, as far as a probe has shown it.
    pub unwritable: BTreeMap<String, String>,
    /// Locks on destinations that were made in this run.
    pub locks: Vec<crate::tree::lock::Lock>,
}

/// Opens the sources and destinations of the backups among `jobs`. What cannot be opened is not in the world;
/// [`look`] finds out why.
pub fn open(model: &Model, jobs: &BTreeSet<JobName>) -> World {
    let mut world = World::default();
    for backup in selected(model, jobs) {
        if let Ok(dir) = Dir::open(&backup.source) {
            world.sources.insert(backup.name.clone(), dir);
        }
        if let Ok(dir) = Dir::open(&backup.to) {
            world.destinations.insert(backup.name.clone(), dir);
        }
    }
    world
}

/// Tries what the file systems of the destinations can do, each in a scratch directory. Left out are those that lost their
/// marker: the disk may not be mounted.
pub fn probe(world: &mut World, remembered: &Remembered) {
    for (backup, dir) in &mut world.destinations {
        let known = remembered.markers.contains_key(backup);
        if known && !Marker::read(dir).is_ok_and(|marker| marker.is_some()) {
            continue;
        }
        match probe::probe(dir) {
            Ok(abilities) => dir.learn(abilities),
            Err(e) => {
                world.unwritable.insert(backup.clone(), reason(&e));
            }
        }
    }
}

pub fn selected<'a>(model: &'a Model, jobs: &'a BTreeSet<JobName>) -> impl Iterator<Item = &'a Backup> {
    let is_selected = |backup: &&Backup| jobs.contains(&JobName::new(JobKind::Backup, &backup.name));
    model.backups.iter().filter(is_selected)
}

/// Looks at everything that the plan needs to know.
pub fn look(
    model: &Model,
    jobs: &BTreeSet<JobName>,
    world: &World,
    remembered: &Remembered,
    now: DateTime<Utc>,
    stop: &Stop,
) -> PlanFacts {
    let mut facts = PlanFacts {
        now,
        clock: crate::clock::now(),
        host: host(),
        writer: remembered.own.writer.clone(),
        uid: rustix::process::geteuid().as_raw(),
        may_lease_all: own_process::has_cap_lease(),
        backups: BTreeMap::new(),
        verdicts: BTreeMap::new(),
    };
    let own_files: HashSet<(u64, u64)> = model.ops.files.iter().filter_map(|path| id_of_file(path)).collect();
    let protected = |entry: &Entry| own_files.contains(&(entry.identity.dev, entry.identity.ino));
    let none = HashSet::new();
    let holds = |backup: &Backup| remembered.holds.get(&backup.name).unwrap_or(&none);
    let mut claims = Vec::new();
    let (mut listed, mut unlisted) = (BTreeSet::new(), Vec::new());
    let mut looked = Vec::new();
    let mut catalogues: BTreeMap<String, Catalogue> = BTreeMap::new();
    for backup in selected(model, jobs) {
        let mut destination = destination(model, backup, world, remembered, stop);
        let source = source(model, backup, world, stop).map(|(scan, dev)| {
            destination.1.same_file_system = device_at(&backup.to) == Some(dev);
            Arc::new(scan)
        });
        let claimed = match (&source, world.sources.get(&backup.name)) {
            (Ok(scan), Some(root)) => claimed(model, backup, root, scan, holds(backup)),
            (Ok(_), None) => Ok(None),
            (Err(failed), _) => Err(failed.why.clone()),
        };
        match claimed {
            Ok(claimed) => {
                listed.insert(backup.name.as_str());
                claims.extend(claimed);
            }
            Err(why) => unlisted.push((backup, why)),
        }
        looked.push((backup, source, destination));
    }
    let mut unclear = claims_of_others(model, &unlisted, &listed, &mut claims, &holds, stop);
    let now_ns = crate::clock::nanos(now);
    for claims in &mut claims {
        for (retention, verdicts) in &mut claims.verdicts {
            let about = Circumstances {
                now_ns,
                covered: &claims.backup.select,
                held: &|path| claims.held.contains(path),
                protected: &protected,
            };
            *verdicts = decide(retention, &claims.scan.entries, &about);
        }
    }
    unclear.extend(longest_keep::settle(&mut claims, now_ns, &protected));
    for (retention, verdicts) in claims.into_iter().flat_map(|claims| claims.verdicts) {
        facts.verdicts.insert(retention.name.clone(), verdicts);
    }
    for (backup, source, destination) in looked {
        let mut located = BTreeMap::new();
        if let (Ok(scan), Contents::Expired) = (&source, backup.contents) {
            let candidates = candidates(model, backup, &facts, scan);
            located = locate(
                &candidates,
                scan,
                destination.0.as_ref(),
                &destination.1,
                (world.sources.get(&backup.name), world.destinations.get(&backup.name)),
                backup.cross_mounts,
                stop,
            );
        }
        let emptied = match (&source, &destination.0, world.destinations.get(&backup.name)) {
            (Ok(scan), Some(catalogue), Some(dir)) if backup.contents == Contents::All => {
                emptied(scan, catalogue, &destination.1, dir)
            }
            _ => Vec::new(),
        };
        let found = BackupFacts {
            source,
            destination: destination.1,
            located,
            unclear: unclear.remove(&backup.name),
            deleted_bytes: 0,
            emptied,
        };
        facts.backups.insert(backup.name.clone(), found);
        catalogues.extend(destination.0.map(|catalogue| (backup.name.clone(), catalogue)));
    }
    for backup in selected(model, jobs) {
        let bytes = deleted_bytes(model, backup, &facts, &catalogues, &world.destinations);
        if let Some(found) = facts.backups.get_mut(&backup.name) {
            found.deleted_bytes = bytes;
        }
    }
    facts
}

/// The retentions of a backup, not yet asked, and its listing; or why it is not known what they are about.
fn claimed<'a>(
    model: &'a Model,
    backup: &'a Backup,
    root: &Dir,
    scan: &Arc<Scan>,
    held: &'a HashSet<RelPath>,
) -> Result<Option<Claims<'a>>, String> {
    let verdicts: Vec<(&Retention, Vec<Verdict>)> =
        model.retentions_of(&backup.name).map(|r| (r, Vec::new())).collect();
    if verdicts.is_empty() && held.is_empty() {
        return Ok(None);
    }
    Ok(Some(Claims {
        backup,
        root: root.id().map_err(|e| reason(&e))?,
        above: root.ids_above().map_err(|e| reason(&e))?,
        // By its handle: the path may lead elsewhere by now.
        real_path: std::fs::canonicalize(format!("/proc/self/fd/{}", root.as_fd().as_raw_fd())).ok(),
        scan: Arc::clone(scan),
        held,
        verdicts,
    }))
}

/// Where a source lies.
enum SourcePlace {
    /// It does not exist: there is nothing that it could keep.
    Nowhere,
    Known(Dir, DirId, Vec<DirId>),
    /// It cannot be found out, for this reason.
    Unknown(String),
}

impl SourcePlace {
    fn of(source: &Path) -> Self {
        let found = Dir::open(source).and_then(|dir| Ok((dir.id()?, dir.ids_above()?, dir)));
        match found {
            Ok((root, above, dir)) => Self::Known(dir, root, above),
            Err(e) if matches!(e.errno(), Some(Errno::NOENT | Errno::NOTDIR)) => Self::Nowhere,
            Err(e) => Self::Unknown(reason(&e)),
        }
    }

    /// Whether files that retentions may delete may lie in this source too; `path` is its own.
    fn overlaps(&self, path: &Path, claims: &Claims<'_>) -> bool {
        let source = &claims.backup.source;
        !claims.verdicts.is_empty()
            && match self {
                Self::Nowhere => false,
                Self::Known(_, root, above) => {
                    claims.root == *root || claims.above.contains(root) || above.contains(&claims.root)
                }
                Self::Unknown(_) => match path.strip_prefix(source) {
                    // Where nothing is selected, nothing is deleted.
                    Ok(below) => RelPath::new(below.as_os_str().as_bytes())
                        .is_none_or(|below| !Selector::new(&claims.backup.select).nothing_below(&below)),
                    Err(_) => source.starts_with(path),
                },
            }
    }
}

/// Lists the sources of backups that may keep files of those in `claims`, and adds what they claim: of backups that are not
/// in this run. `unlisted` are those that are, and whose source could not be listed. Nothing is deleted where it is not
/// known what others keep: gives by backup why.
fn claims_of_others<'a>(
    model: &'a Model,
    unlisted: &[(&'a Backup, String)],
    listed: &BTreeSet<&str>,
    claims: &mut Vec<Claims<'a>>,
    holds: &dyn Fn(&Backup) -> &'a HashSet<RelPath>,
    stop: &Stop,
) -> BTreeMap<String, String> {
    let mut unclear = BTreeMap::new();
    let mut added = Vec::new();
    for other in &model.backups {
        let claims_nothing = model.retentions_of(&other.name).next().is_none() && holds(other).is_empty();
        if claims_nothing || listed.contains(&*other.name) {
            continue;
        }
        let place = SourcePlace::of(&other.source);
        let overlapped: Vec<&Claims<'_>> = claims.iter().filter(|own| place.overlaps(&other.source, own)).collect();
        if overlapped.is_empty() {
            continue;
        }
        let failed = unlisted.iter().find(|(backup, _)| backup.name == other.name);
        let claimed = match (failed, place) {
            (Some((_, why)), _) => Err(why.clone()),
            (None, SourcePlace::Unknown(why)) => Err(why),
            (None, SourcePlace::Nowhere) => continue,
            (None, SourcePlace::Known(root, ..)) => {
                let mut world = World::default();
                world
                    .sources
                    .extend(root.try_clone().ok().map(|root| (other.name.clone(), root)));
                let scan = source(model, other, &world, stop).map_err(|unlisted| unlisted.why);
                scan.and_then(|(scan, _)| claimed(model, other, &root, &Arc::new(scan), holds(other)))
            }
        };
        match claimed {
            Ok(claimed) => added.extend(claimed),
            Err(why) => {
                for own in overlapped {
                    unclear.entry(own.backup.name.clone()).or_insert_with(|| {
                        format!(
                            "the source `{}` of backup `{}` overlaps it and cannot be listed ({why}), so it is not known \
                             what its retentions keep",
                            shown(&other.source),
                            other.name
                        )
                    });
                }
            }
        }
    }
    claims.append(&mut added);
    unclear
}

/// Indices of all entries that some retention on this backup may delete, in walk order.
fn candidates(model: &Model, backup: &Backup, facts: &PlanFacts, scan: &Scan) -> Vec<usize> {
    let verdicts = |retention: &Retention| facts.verdicts.get(&retention.name);
    let verdicts: Vec<&Vec<Verdict>> = model.retentions_of(&backup.name).filter_map(verdicts).collect();
    let deletes = |verdicts: &&Vec<Verdict>, at: usize| matches!(verdicts.get(at), Some(Verdict::Delete(_)));
    let indices = 0..scan.entries.len();
    indices
        .filter(|at| verdicts.iter().any(|verdicts| deletes(verdicts, *at)))
        .collect()
}

/// Which candidates an older copy holds with equal identity.
fn locate(
    candidates: &[usize],
    scan: &Scan,
    catalogue: Option<&Catalogue>,
    destination: &Destination,
    (source, dir): (Option<&Dir>, Option<&Dir>),
    cross_mounts: bool,
    stop: &Stop,
) -> BTreeMap<usize, usize> {
    let mut located = BTreeMap::new();
    let (Some(catalogue), Some(source), Some(dir)) = (catalogue, source, dir) else {
        return located;
    };
    let mut opener = Opener::new(source, cross_mounts);
    let mut left: Vec<usize> = candidates.to_vec();
    // A copy's reading was over when the next one began: what changed later cannot be in it.
    let mut until = i128::MAX;
    for (at, copy) in destination.copies.iter().enumerate() {
        let entry = |i: &usize| scan.entries.get(*i);
        let mut asked = left.clone();
        asked.retain(|i| entry(i).is_some_and(|e| e.identity.ctime_ns <= until));
        if stop.asked() {
            break;
        }
        until = crate::clock::nanos(copy.at);
        if asked.is_empty() {
            continue;
        }
        let paths: Vec<&RelPath> = asked.iter().filter_map(|i| entry(i).map(|e| &e.path)).collect();
        let Some(found) = catalogue.copies.iter().find(|c| c.name.to_string() == copy.name) else {
            continue;
        };
        // A list that cannot be read proves nothing: the files are stored again.
        let Ok(rows) = archive::locate(dir, found, &paths) else {
            continue;
        };
        for row in rows {
            let Ok(place) = asked.binary_search_by(|i| entry(i).map(|e| &e.path).cmp(&Some(&row.path))) else {
                continue;
            };
            let Some(index) = asked.get(place) else {
                continue;
            };
            // Equal times do not prove equal content; what the copy does not hold is stored again.
            let mut holds = |e: &Entry, known: archive::Evidence| {
                let hash = |file: File| content_hash(&file, e.identity.size, &|| !stop.asked());
                known.identity == e.identity && opener.file(&e.path).is_ok_and(|file| hash(file) == Some(known.sha256))
            };
            let found = entry(index).zip(row.evidence());
            if found.is_some_and(|(e, known)| holds(e, known)) {
                located.insert(*index, at);
            }
        }
        left.retain(|i| !located.contains_key(i));
        if left.is_empty() {
            break;
        }
    }
    located
}

fn destination(
    model: &Model,
    backup: &Backup,
    world: &World,
    remembered: &Remembered,
    stop: &Stop,
) -> (Option<Catalogue>, Destination) {
    let known = remembered.markers.get(&backup.name);
    let mut found = Destination {
        ops: model.ops.name.clone(),
        state: DestinationState::Missing,
        known: known.is_some(),
        free: None,
        same_file_system: false,
        unmounted: backup.require_mount && !file_system::is_on_own_mount(&backup.to, &backup.source),
        abilities: None,
        unwritable: world.unwritable.get(&backup.name).cloned(),
        copies: Vec::new(),
        broken: Vec::new(),
        highest_sequence: remembered.sequences.get(&backup.name).copied().unwrap_or(0),
    };
    let Some(dir) = world.destinations.get(&backup.name) else {
        match Dir::open(&backup.to) {
            Err(e) if e.errno() == Some(Errno::NOENT) => {}
            Err(e) => found.state = DestinationState::Unusable(reason(&e)),
            Ok(_) => found.state = DestinationState::Unusable("it appeared just now".to_owned()),
        }
        return (None, found);
    };
    found.free = dir.capacity().ok().map(|capacity| capacity.free);
    found.abilities = dir.abilities();
    let mut catalogue = match Catalogue::read_while(dir, &|| !stop.asked()) {
        Ok(catalogue) => catalogue,
        Err(e) => {
            found.state = DestinationState::Unusable(error_chain(&e));
            return (None, found);
        }
    };
    catalogue.assign(Some(&remembered.own));
    found.highest_sequence = found.highest_sequence.max(catalogue.highest_sequence);
    found.state = match &catalogue.marker {
        None => DestinationState::Unmarked,
        Some(marker) => DestinationState::Marked {
            ops: marker.ops_name.clone(),
            expected: known.is_none_or(|id| *id == marker.id),
            standing: standing(marker, &catalogue, &remembered.own),
        },
    };
    found.copies = catalogue
        .of_group(&remembered.own, &backup.name, &backup.source)
        .map(|copy| copy_facts(copy, remembered))
        .collect();
    let broken = catalogue.broken.iter().filter(|(name, _)| name.backup() == backup.name);
    found.broken = broken.map(|(name, why)| (name.to_string(), why.clone())).collect();
    (Some(catalogue), found)
}

/// Where a destination has no list of writers yet, the first takes it whose store or host knows a copy there. A writer
/// whose store knows a copy that was made before there were lists is not a stranger either.
fn standing(marker: &Marker, catalogue: &Catalogue, own: &OwnWriter) -> WriterStanding {
    if marker.lists(&own.writer) {
        return WriterStanding::Listed;
    }
    let copies = || catalogue.copies.iter().filter(|copy| copy.manifest.ops_name == own.ops);
    let is_own = |copy: &CatalogueCopy| copy.owner == CopyOwner::Writer(own.writer.id.clone());
    let joins = if marker.writers.is_empty() {
        copies().next().is_none() || copies().any(is_own)
    } else {
        copies().any(|copy| copy.manifest.writer.is_none() && own.published.contains(&copy.name.to_string()))
    };
    if joins {
        return WriterStanding::Joins;
    }
    let listed = marker.writers.iter().map(|writer| writer.host.clone());
    let hosts: BTreeSet<String> = listed.chain(copies().map(|copy| copy.manifest.host.clone())).collect();
    WriterStanding::Other(hosts.into_iter().collect())
}

fn copy_facts(copy: &archive::CatalogueCopy, remembered: &Remembered) -> CopyFacts {
    let manifest = &copy.manifest;
    // A receipt that lacks a run which relied on the copy says too little: everything counts as deleted.
    let relied = remembered.relied_on.get(&copy.name.to_string());
    let full = relied.is_none_or(|runs| runs.is_subset(&copy.deleted_by));
    CopyFacts {
        name: copy.name.to_string(),
        sequence: manifest.sequence,
        at: manifest.backup_at,
        suspect: manifest.suspect.clone(),
        shareable: copy.is_shareable(),
        records: manifest.record_count,
        bytes: manifest.bytes,
        source: size_record(manifest),
        left_out: (manifest.format.0 >= 3).then(|| manifest.left_out.clone()),
        deleted: if full { copy.deleted } else { manifest.record_count },
        deleted_at: copy.deleted_at.clone(),
        archive_bytes: manifest.archive_bytes,
    }
}

fn source(model: &Model, backup: &Backup, world: &World, stop: &Stop) -> Result<(Scan, u64), Unlisted> {
    let Some(root) = world.sources.get(&backup.name) else {
        let why = Dir::open(&backup.source).map_or_else(|e| reason(&e), |_| "it appeared just now".to_owned());
        return Err(why.into());
    };
    let (dev, ino) = root.id().map_err(|e| reason(&e))?;
    // Proves that opsrun may call openat2 with the flags that it relies on.
    root.open_dir(b".", false)
        .map_err(|e| match e.errno().and_then(own_process::why_not_allowed) {
            Some(why) => Unlisted {
                why: format!("openat2: {why}"),
                help: "run opsrun where openat2 is allowed, as it is in the units in examples/systemd",
            },
            None => reason(&e).into(),
        })?;
    let mut watch: Vec<((u64, u64), &'static str)> = Vec::new();
    let has_retention = model.retentions_of(&backup.name).next().is_some();
    // Copies may be copied on; they are not what a retention deletes.
    for other in model
        .backups
        .iter()
        .filter(|other| has_retention || other.name == backup.name)
    {
        let own = other.name == backup.name;
        let at = if own {
            "destination"
        } else {
            "destination of another backup"
        };
        watch.extend(Dir::open(&other.to).and_then(|d| d.id()).ok().map(|id| (id, at)));
    }
    if let Some(id) = Dir::open(&model.ops.state_dir).ok().and_then(|d| d.id().ok()) {
        watch.push((id, "state directory"));
    }
    let what = |id: (u64, u64)| {
        let known = watch.iter().find(|(watched, _)| *watched == id);
        known.map_or("destination", |(_, what)| *what)
    };
    let mut selector = Selector::new(&backup.select);
    let ids: Vec<(u64, u64)> = watch.iter().map(|(id, _)| *id).collect();
    let mut unopened = 0;
    let listing = walk::walk(
        root,
        &mut Walk {
            cross_mounts: backup.cross_mounts,
            watch: &ids,
            // Where nothing can be selected, nothing is opened: it may be unreadable, or hang.
            enter: &mut |path| {
                let closed = selector.nothing_below(path);
                unopened += u64::from(closed);
                !closed
            },
            stop: &|| stop.asked(),
        },
    );
    if stop.asked() {
        return Err("stopped by a signal".to_owned().into());
    }
    let mut overlaps: Vec<(String, &'static str)> = listing
        .overlaps
        .iter()
        .filter(|(path, _)| !selector.nothing_below(path))
        .map(|(path, id)| (path.to_string(), what(*id)))
        .collect();
    for id in root.ids_above().map_err(|e| reason(&e))? {
        if ids.contains(&id) {
            overlaps.push((".".to_owned(), what(id)));
        }
    }
    if ids.contains(&(dev, ino)) {
        overlaps.push((".".to_owned(), what((dev, ino))));
    }
    let problems = listing
        .problems
        .into_iter()
        .filter(|(path, _)| {
            let matters = |path: &RelPath| selector.standing(path).selected() || !selector.nothing_below(path);
            path.as_ref().is_none_or(matters)
        })
        .map(|(path, error)| Incomplete {
            path,
            why: reason(&error),
        })
        .collect();
    let mut mounts = listing.mounts;
    mounts.retain(|path| !selector.standing(path).excluded);
    let measured = measure(backup, &mut selector, &listing.entries, &mounts);
    let scan = Scan {
        selected: measured.selected,
        unselected: measured.unselected,
        left_out: measured.left_out,
        unreliable_leases: unreliable_leases(root, &listing.entries, backup.cross_mounts),
        entries: listing.entries,
        problems,
        unopened,
        mounts,
        overlaps,
        ours: listing.ours,
    };
    Ok((scan, dev))
}

fn size_record(manifest: &Manifest) -> SizeRecord {
    let selected = |files, bytes| SizeRecord::Selected(SourceSize { files, bytes });
    if let Some(bytes) = manifest.source_bytes {
        return selected(manifest.source_files, bytes);
    }
    if manifest.contents == CopyContents::Known(Contents::All) {
        // What was selected is stored, or is missing; what was listed may be more.
        let files = manifest.files.saturating_add(manifest.incomplete_total);
        return selected(files.min(manifest.source_files), manifest.bytes);
    }
    SizeRecord::Listed {
        files: manifest.source_files,
    }
}

/// The file systems of the listed files on which leases may miss a writer, each by its device.
fn unreliable_leases(root: &Dir, entries: &[Entry], cross_mounts: bool) -> BTreeMap<u64, String> {
    let mut seen = HashSet::new();
    let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
    files
        .filter(|entry| seen.insert(entry.identity.dev))
        .filter_map(|entry| {
            let parent = entry.path.parent();
            let dir = root
                .open_dir(parent.as_ref().map_or(&[][..], RelPath::as_bytes), cross_mounts)
                .ok()?;
            Some((entry.identity.dev, file_system::unreliable_leases(&dir)?.into_owned()))
        })
        .collect()
}

/// The device of the directory at `path`, or, when it is still to be made, of the one that it will be made in.
fn device_at(path: &Path) -> Option<u64> {
    let dir = path.ancestors().find_map(|dir| Dir::open(dir).ok())?;
    dir.id().ok().map(|(dev, _)| dev)
}

fn id_of_file(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Only the system's answer: callers name the path.
fn reason(error: &TreeError) -> String {
    with_reason(&error.source)
}
