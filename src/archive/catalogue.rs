//! The contents of a destination.
//!
//! Takes a directory, sorts every name in it into copies, broken copies, unfinished files, orphans and foreign
//! files; reads and makes the marker. The manifest decides whose copy it is, never a name alone.
//! Invariant: reads manifests only; knows nothing about content, which `verify` proves.

use super::error::{CopyError, write_draft};
use super::file_entry::FileEntry;
use super::file_list::{self, FileEntries};
use super::form::OpenContent;
use super::manifest::{Manifest, read_manifest};
use super::name::CopyName;
use super::receipt;
use super::writer::{CopyOwner, OwnWriter, Writer};
use crate::error_chain::error_chain;
use crate::path::{RelPath, Shown};
use crate::tree::Dir;
use crate::tree::handle::{if_there, regular};
use crate::tree::probe::is_scratch;
use crate::tree::publish::{DRAFT, Draft, clear_dead_debris};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub const MARKER: &str = ".opsrun-destination";

/// The file that distinguishes a destination from the empty directory of an unmounted disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    pub id: String,
    pub ops_name: String,
    /// Who may put copies here. Versions that knew no writers made no list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writers: Vec<Writer>,
}

/// The largest marker that is read or written: over a thousand writers.
const MAX_MARKER_SIZE: usize = 256 * 1024;

impl Marker {
    /// Reads it; `None` when there is none, or an empty one, as a run leaves it that died while it named it.
    pub fn read(destination: &Dir) -> Result<Option<Self>, CopyError> {
        let Some(file) = if_there(destination.open_file(MARKER.as_bytes(), true))? else {
            return Ok(None);
        };
        let mut text = Vec::new();
        let read = file.take(MAX_MARKER_SIZE as u64).read_to_end(&mut text);
        read.map_err(|e| CopyError::io("read", MARKER, e))?;
        if text.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|e| CopyError::damaged(MARKER, format!("it is not a valid marker ({e})")))
    }

    pub fn lists(&self, writer: &Writer) -> bool {
        self.writers.iter().any(|listed| listed.id == writer.id)
    }

    /// Removes an unfinished one: the process that writes one holds the destination's lock, as the caller does.
    pub fn clear_draft(destination: &Dir) -> Result<bool, CopyError> {
        Ok(clear_dead_debris(destination, format!("{MARKER}{DRAFT}").as_bytes())?)
    }

    /// Reads it, or makes it, durably. Adds the writer to its list where that lacks it: the marker is replaced by a
    /// longer one in one step, so that it is there at every moment.
    pub fn ensure(destination: &Dir, ops_name: &str, writer: &Writer) -> Result<Self, CopyError> {
        let found = Self::read(destination)?;
        if let Some(marker) = found.as_ref().filter(|marker| marker.lists(writer)) {
            return Ok(marker.clone());
        }
        let mut marker = found.unwrap_or_else(|| Self {
            id: ulid::Ulid::new().to_string(),
            ops_name: ops_name.to_owned(),
            writers: Vec::new(),
        });
        marker.writers.push(writer.clone());
        Self::clear_draft(destination)?;
        let mut draft = Draft::create(destination, MARKER)?;
        let mut text = serde_json::to_vec(&marker).map_err(|e| CopyError::io("write", MARKER, e.into()))?;
        text.push(b'\n');
        if text.len() > MAX_MARKER_SIZE {
            return Err(CopyError::damaged(MARKER, "its list of writers is full"));
        }
        write_draft(&mut draft, &text)?;
        draft.sync()?;
        if destination.has(MARKER.as_bytes())? {
            draft.replace()?;
        } else {
            drop(draft.publish()?);
        }
        destination.sync()?;
        // The directory itself may not be durable yet. Without access to its parent, others must sync it.
        if let Ok(above) = destination.parent() {
            above.sync()?;
        }
        Ok(marker)
    }
}

#[derive(Debug, Clone)]
pub struct CatalogueCopy {
    pub name: CopyName,
    pub manifest: Manifest,
    pub owner: CopyOwner,
    /// Source files deleted because this copy holds them. All of them when its receipt cannot be read.
    pub deleted: u64,
    /// The same by time, from its receipt; empty when that cannot be read.
    pub deleted_at: BTreeMap<DateTime<Utc>, u64>,
    /// The runs that its receipt names.
    pub deleted_by: BTreeSet<String>,
}

impl CatalogueCopy {
    /// True for a tree whose unchanged files the next one may share.
    pub fn is_shareable(&self) -> bool {
        self.manifest.complete && self.manifest.suspect.is_none() && self.manifest.tree.is_some()
    }
}

#[derive(Debug, Default)]
pub struct Catalogue {
    pub marker: Option<Marker>,
    /// Newest first: by sequence, then by name.
    pub copies: Vec<CatalogueCopy>,
    /// Copies that cannot be used, with the reason.
    pub broken: Vec<(CopyName, String)>,
    /// Broken copies whose manifest is not one, with the names of their files. A run that died while it named the manifest
    /// leaves that, too.
    pub unreadable: Vec<(CopyName, Vec<String>)>,
    /// Archives and lists with final names but without a manifest.
    pub orphans: Vec<String>,
    /// Files being written, or left by an interrupted run.
    pub drafts: Vec<String>,
    /// Everything else; never touched.
    pub foreign: Vec<String>,
    /// The highest sequence in any manifest, broken copies included as far as they can be read.
    pub highest_sequence: u64,
}

/// No destination has that many copies: a manifest that says more decides nothing about the next sequence.
const MAX_SEQUENCE: u64 = 1 << 48;

impl Catalogue {
    /// Whose the copies are is decided without a store; [`Self::assign`] knows more.
    pub fn read(destination: &Dir) -> Result<Self, CopyError> {
        Self::read_while(destination, &|| true)
    }

    /// Reads it as long as `go_on` says so: a destination may hold thousands of copies with long receipts.
    pub fn read_while(destination: &Dir, go_on: &dyn Fn() -> bool) -> Result<Self, CopyError> {
        let mut found = Self {
            marker: Marker::read(destination)?,
            ..Self::default()
        };
        let mut copies: BTreeMap<CopyName, BTreeSet<String>> = BTreeMap::new();
        let mut sequences = Vec::new();
        for name in destination.names()? {
            let text = String::from_utf8_lossy(&name).into_owned();
            match CopyName::of_file(&text) {
                Some(_) if text.ends_with(DRAFT) => found.drafts.push(text),
                Some(copy) => {
                    copies.entry(copy).or_default().insert(text);
                }
                // Perhaps unfinished.
                None if text.strip_suffix(DRAFT).unwrap_or(&text) == MARKER || is_scratch(&name) => {}
                None => found.foreign.push(text),
            }
        }
        for (name, files) in copies {
            if !go_on() {
                return Err(CopyError::Stopped);
            }
            if files.contains(&name.manifest()) {
                match open(destination, &name, go_on) {
                    Ok(copy) => found.copies.push(copy),
                    Err(CopyError::Stopped) => return Err(CopyError::Stopped),
                    Err(e) => {
                        sequences.extend(broken_sequence(destination, &name));
                        if is_no_manifest(destination, &name) {
                            found.unreadable.push((name.clone(), files.into_iter().collect()));
                        }
                        let why = Shown(reason(&e).as_bytes()).to_string();
                        found.broken.push((name, why));
                    }
                }
            } else {
                found.orphans.extend(files);
            }
        }
        found
            .copies
            .sort_by(|a, b| (b.manifest.sequence, &b.name).cmp(&(a.manifest.sequence, &a.name)));
        sequences.extend(found.copies.iter().map(|copy| copy.manifest.sequence));
        let known = sequences.into_iter().filter(|sequence| *sequence <= MAX_SEQUENCE);
        found.highest_sequence = known.max().unwrap_or(0);
        found.assign(None);
        Ok(found)
    }

    /// Decides whose copies they are, with what the store of a writer knows.
    pub fn assign(&mut self, own: Option<&OwnWriter>) {
        let listed = self.writers();
        for copy in &mut self.copies {
            copy.owner = CopyOwner::of(&copy.name, &copy.manifest, own, &listed);
        }
    }

    /// All writers that marker and manifests name.
    fn writers(&self) -> HashSet<Writer> {
        let of_copy = |copy: &CatalogueCopy| {
            let (id, host) = (copy.manifest.writer.clone()?, copy.manifest.host.clone());
            Some(Writer { id, host })
        };
        let listed = self.marker.iter().flat_map(|marker| marker.writers.iter().cloned());
        listed.chain(self.copies.iter().filter_map(of_copy)).collect()
    }

    /// The copies that a writer made of one source for one backup, newest first.
    pub fn of_group<'a>(
        &'a self,
        own: &'a OwnWriter,
        backup: &'a str,
        source: &'a Path,
    ) -> impl Iterator<Item = &'a CatalogueCopy> {
        let is_own = |copy: &CatalogueCopy| matches!(&copy.owner, CopyOwner::Writer(id) if *id == own.writer.id);
        self.copies.iter().filter(move |copy| {
            let manifest = &copy.manifest;
            let same = manifest.backup_id == backup && manifest.ops_name == own.ops;
            same && is_own(copy) && manifest.source_path() == source
        })
    }
}

/// The sequence in the manifest of a copy that cannot be used.
fn broken_sequence(destination: &Dir, name: &CopyName) -> Option<u64> {
    const MAX_HEAD: u64 = 64 * 1024;
    const KEY: &str = "\"sequence\":";
    let file = destination.open_file(name.manifest().as_bytes(), true).ok()?;
    regular(&file).ok()??;
    // It comes before the lists, which may be long.
    let mut head = Vec::new();
    file.take(MAX_HEAD).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head);
    let (_, after) = head.split_once(KEY)?;
    let digits: String = after.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// True when the manifest was read, and is not a manifest of any format.
fn is_no_manifest(destination: &Dir, name: &CopyName) -> bool {
    let file = destination.open_file(name.manifest().as_bytes(), true);
    file.is_ok_and(|file| matches!(read_manifest(&file, name), Err(CopyError::Damaged { .. })))
}

fn reason(error: &CopyError) -> String {
    match error {
        CopyError::Damaged { what, .. } => what.clone(),
        other => error_chain(other),
    }
}

fn open(destination: &Dir, name: &CopyName, go_on: &dyn Fn() -> bool) -> Result<CatalogueCopy, CopyError> {
    let manifest = read_manifest(&destination.open_file(name.manifest().as_bytes(), true)?, name)?;
    let sized = |file: &File, own: &str, size: u64| {
        let found = regular(file).map_err(|e| CopyError::io("read", own, e))?;
        let wrong = || CopyError::damaged(own, format!("`{own}` does not have the size that was written"));
        found.filter(|i| i.size == size).map(drop).ok_or_else(wrong)
    };
    if let OpenContent::Archive(archive) = OpenContent::open(destination, name, manifest.form())? {
        sized(&archive, &name.archive(), manifest.archive_bytes)?;
    }
    let list = destination.open_file(name.list().as_bytes(), true)?;
    sized(&list, &name.list(), manifest.list_bytes)?;
    file_list::plausible(&manifest)?;
    let (deleted, deleted_at, deleted_by) = match receipt::summary(destination, name, manifest.record_count, go_on) {
        Err(CopyError::Stopped) => return Err(CopyError::Stopped),
        Err(_) => (manifest.record_count, BTreeMap::new(), BTreeSet::new()),
        Ok(found) => (found.paths, found.at, found.runs),
    };
    Ok(CatalogueCopy {
        name: name.clone(),
        owner: CopyOwner::Host(manifest.host.clone()),
        manifest,
        deleted,
        deleted_at,
        deleted_by,
    })
}

/// The rows of `paths`, which are in path order, in a copy.
pub fn locate(destination: &Dir, copy: &CatalogueCopy, paths: &[&RelPath]) -> Result<Vec<FileEntry>, CopyError> {
    let name = copy.name.list();
    let file = destination.open_file(name.as_bytes(), true)?;
    file_list::find(&file, &name, &copy.manifest, paths)
}

/// All rows of a copy, in path order.
pub fn rows<'a>(destination: &Dir, copy: &'a CatalogueCopy) -> Result<FileEntries<'a, File>, CopyError> {
    let name = copy.name.list();
    let file = destination.open_file(name.as_bytes(), true)?;
    Ok(FileEntries::new(file, name, &copy.manifest, None))
}
