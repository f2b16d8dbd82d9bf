//! [`Restorer`]: restores one entry at a time; what all workers share.
//!
//! Takes rows, gives written files that still need their names, and symlinks.
//! Invariant: content that differs from its hash is discarded.

use super::super::catalogue::CatalogueCopy;
use super::super::error::CopyError;
use super::super::file_entry::{Bytes, FileEntry};
use super::super::progress::CopyProgress;
use super::super::top_directory::TopDirectory;
use super::attributes::{AttributeRestorer, LostAttribute};
use super::first_ones::FirstOnes;
use super::made_dirs::MadeDirs;
use super::reader::CopyReader;
use crate::entry::EntryKind;
use crate::error_chain::error_chain;
use crate::path::RelPath;
use crate::tree::attributes::Lacking;
use crate::tree::handle::{content_hash, regular};
use crate::tree::place::{FileId, FinishedFile, Placement, RestoreTarget, Unnamed};
use crate::tree::{Dir, TreeError};
use rustix::io::Errno;
use std::fs::File;

#[derive(Debug, Clone, Copy)]
pub struct RestoreOptions<'a> {
    pub force: bool,
    pub threads: usize,
    /// Owners go by number, although their names are known here.
    pub numeric_owner: bool,
    pub target: TargetOrigin<'a>,
}

/// Whether the target existed before the restore.
#[derive(Debug, Clone, Copy)]
pub enum TargetOrigin<'a> {
    /// It keeps the attributes that it has.
    Existed,
    /// The restore made it: it gets what the source's own directory had, as far as a copy records it.
    Made(Option<&'a TopDirectory>),
}

#[derive(Debug, Default)]
pub struct RestoreReport {
    pub files: u64,
    pub bytes: u64,
    pub dirs: u64,
    /// Symlinks and hard links.
    pub links: u64,
    /// Files and symlinks that already exist with the same content.
    pub already: u64,
    /// Paths where something else exists: left unchanged.
    pub existing: FirstOnes<RelPath>,
    /// Paths that could not be restored, with the reason.
    pub failed: FirstOnes<(RelPath, String)>,
    /// The directories that it made.
    pub made: MadeDirs,
    /// Attributes that restored entries lack, by kind.
    pub lost: Vec<LostAttribute>,
    pub notes: Vec<String>,
    /// Why it ended early; what it counts is restored all the same.
    pub ended: Option<CopyError>,
}

impl RestoreReport {
    pub fn add(&mut self, path: &RelPath, result: Restored) {
        match result {
            Ok(RestoredEntry::File(bytes)) => {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(bytes);
            }
            Ok(RestoredEntry::Link) => self.links += 1,
            Ok(RestoredEntry::Already) => self.already += 1,
            Ok(RestoredEntry::Existing) => self.existing.add(path.clone()),
            Err(why) => self.failed.add((path.clone(), why)),
        }
    }
}

pub enum RestoredEntry {
    File(u64),
    Link,
    Already,
    Existing,
}

pub type Restored = Result<RestoredEntry, String>;

/// What all workers share.
pub struct Restorer<'a> {
    pub destination: &'a Dir,
    pub copy: &'a CatalogueCopy,
    pub reader: CopyReader<'a>,
    pub select: &'a (dyn Fn(&FileEntry) -> bool + Sync),
    pub target: RestoreTarget<'a>,
    pub options: &'a RestoreOptions<'a>,
    pub attributes: AttributeRestorer<'a>,
    pub progress: &'a dyn CopyProgress,
    pub at_once: usize,
}

impl Restorer<'_> {
    pub fn file(&self, row: &FileEntry, ahead: &[u8]) -> Result<WrittenEntry, String> {
        if let Some(there) = self.there(row, row)? {
            return Ok(there);
        }
        let out = self.target.file(&row.path).map_err(chain)?;
        self.fill(out, row, row, ahead).map(WrittenEntry::Written)
    }

    /// What exists at the path of `row` already, which is to get the content of `held`; `None` when nothing is in the way.
    pub fn there(&self, row: &FileEntry, held: &FileEntry) -> Result<Option<WrittenEntry>, String> {
        let Some(entry) = self.target.existing(&row.path).map_err(chain)? else {
            return Ok(None);
        };
        if entry.kind == EntryKind::File && self.same_at(&row.path, held)? && !self.is_to_change(row, held) {
            return Ok(Some(WrittenEntry::Already((entry.identity.dev, entry.identity.ino))));
        }
        match (self.options.force, entry.kind) {
            (false, _) => Ok(Some(WrittenEntry::Existing)),
            (true, EntryKind::Dir) => Err("a directory exists at this path".to_owned()),
            (true, _) => Ok(None),
        }
    }

    /// True for what is to be replaced because of its attributes alone.
    fn is_to_change(&self, row: &FileEntry, held: &FileEntry) -> bool {
        self.options.force && !self.target.has_attributes(&row.path, &self.attributes.recorded(held))
    }

    /// Writes the content of `held` for the path of `row`; the two differ only for hard links.
    pub fn fill(&self, out: Unnamed, row: &FileEntry, held: &FileEntry, ahead: &[u8]) -> Result<FinishedFile, String> {
        self.reader.content(held, ahead, &out, self.progress)?;
        // Two names of one file have the same attributes; the row of the first has them all.
        out.finish(row.path.name(), &self.attributes.wanted(held))
            .map_err(chain)
    }

    pub fn symlink(&self, row: &FileEntry) -> Restored {
        let to = row.link.as_ref().map(Bytes::to_bytes);
        let to = to.ok_or("the list does not name its target")?;
        let same = self.target.link_target(&row.path).is_some_and(|there| there == to);
        if same && !self.is_to_change(row, row) {
            return Ok(RestoredEntry::Already);
        }
        let placed = self.target.symlink(&row.path, &to, &self.attributes.wanted(row));
        self.placed(row, RestoredEntry::Link, placed)
    }

    /// True when the file at `path` has the content of `row`. With force, one that cannot be read differs.
    pub fn same_at(&self, path: &RelPath, row: &FileEntry) -> Result<bool, String> {
        let same = match self.target.open(path) {
            Ok(file) => self.same(&file, row),
            Err(e) if !self.options.force && matches!(e.errno(), Some(Errno::ACCESS | Errno::PERM | Errno::IO)) => {
                let next = "make it readable to compare it, or use --force to replace it";
                return Err(format!(
                    "a file exists that cannot be read ({}); {next}",
                    error_chain(&e)
                ));
            }
            Err(_) => false,
        };
        if !same && self.progress.stop() {
            return Err("stopped".to_owned());
        }
        Ok(same)
    }

    /// True when the file has the content of `row`; also false when it was asked to stop.
    pub fn same(&self, file: &File, row: &FileEntry) -> bool {
        let Ok(Some(found)) = regular(file) else { return false };
        let hash = (found.size == row.size).then(|| content_hash(file, row.size, &|| !self.progress.stop()));
        hash.flatten().is_some_and(|hash| row.hash() == Some(hash))
    }

    /// What became of an entry; counts the attributes that it could not get.
    pub fn placed(
        &self,
        row: &FileEntry,
        done: RestoredEntry,
        placed: Result<(Placement, Lacking), TreeError>,
    ) -> Restored {
        let (placement, lacking) = placed.map_err(chain)?;
        Ok(match placement {
            Placement::Done => {
                self.attributes.record(Some(&row.path), lacking);
                done
            }
            // The kernel puts nothing in the place of a directory.
            Placement::Taken if self.options.force => return Err("a directory exists at this path".to_owned()),
            Placement::Taken => RestoredEntry::Existing,
        })
    }
}

/// A file on its way to its name.
pub enum WrittenEntry {
    Written(FinishedFile),
    Already(FileId),
    Existing,
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub fn chain(error: TreeError) -> String {
    let why = match error.errno() {
        Some(Errno::LOOP) => "a symlink is in the way, and restore follows none",
        Some(Errno::XDEV) => "another file system is mounted there; restore into it with --to",
        _ => return error_chain(&error),
    };
    format!("{error}: {why}")
}
