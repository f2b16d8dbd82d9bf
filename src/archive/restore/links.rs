//! [`LinkRestorer`]: hard links, after the files that they are other names of.
//!
//! Reads the list once more. Each link becomes a link to the restored file; where that was not wanted, or not restored, the
//! first of its links gets the content and the others become links to that. What is remembered of a file is a hash of its
//! path and who leads its names, so that a million links need little memory.
//! Invariant: a link is made to the very file that was restored, or to one with the same content.

use super::super::catalogue::locate;
use super::super::error::CopyError;
use super::super::file_entry::{FileEntry, FileEntryKind};
use super::super::header::link_path;
use super::restorer::{RestoreReport, Restored, RestoredEntry, Restorer, WrittenEntry, chain};
use crate::entry::EntryKind;
use crate::path::RelPath;
use crate::tree::place::{FileId, LinkPlacement, Placement};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// So many bytes of rows of files whose content is not restored yet are kept; others are looked up in the list.
const MAX_KEPT: usize = 32 << 20;

/// Sixteen bytes of a path's SHA-256.
pub type PathHash = [u8; 16];

pub fn path_hash(path: &RelPath) -> PathHash {
    let full: [u8; 32] = Sha256::digest(path.as_bytes()).into();
    *full.first_chunk().unwrap_or(&[0; 16])
}

/// Which restored file has the content of a first name.
enum Leader {
    /// The first name itself.
    First(FileId),
    Other(RelPath, FileId),
    /// The content cannot be restored, with the reason.
    None(String),
}

pub struct LinkRestorer<'a> {
    job: &'a Restorer<'a>,
    leaders: HashMap<PathHash, Leader>,
    /// Files with several names that were not restored.
    kept: HashMap<PathHash, FileEntry>,
    /// Bytes that all need that ever were kept.
    kept_size: usize,
}

impl<'a> LinkRestorer<'a> {
    pub fn new(job: &'a Restorer<'a>, firsts: HashMap<PathHash, FileId>) -> Self {
        let leaders = firsts.into_iter().map(|(path, id)| (path, Leader::First(id))).collect();
        Self {
            job,
            leaders,
            kept: HashMap::new(),
            kept_size: 0,
        }
    }

    pub fn run(
        mut self,
        rows: impl Iterator<Item = Result<FileEntry, CopyError>>,
        restored: &mut RestoreReport,
    ) -> Result<(), CopyError> {
        for row in rows {
            if self.job.progress.stop() {
                return Err(CopyError::Stopped);
            }
            let row = row?;
            match row.kind {
                FileEntryKind::File if row.nlink > 1 && self.kept_size < MAX_KEPT => {
                    let hash = path_hash(&row.path);
                    if !self.leaders.contains_key(&hash) {
                        self.kept_size += row.listed();
                        self.kept.insert(hash, row);
                    }
                }
                FileEntryKind::Hardlink if (self.job.select)(&row) => {
                    let result = self.link(&row);
                    if result.is_err() && self.job.progress.stop() {
                        return Err(CopyError::Stopped);
                    }
                    restored.add(&row.path, result);
                    self.job.progress.advance(1, 0);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A link to the restored file, or the content.
    fn link(&mut self, row: &FileEntry) -> Restored {
        let first = link_path(row).ok_or("its link points outside the copy")?;
        let hash = path_hash(&first);
        let (path, id) = match self.leaders.get(&hash) {
            Some(Leader::First(id)) => (&first, *id),
            Some(Leader::Other(path, id)) => (path, *id),
            Some(Leader::None(why)) => return Err(why.clone()),
            None => return self.content(row, &first, hash),
        };
        let job = self.job;
        if let Some(entry) = job.target.existing(&row.path).map_err(chain)? {
            if (entry.identity.dev, entry.identity.ino) == id {
                return Ok(RestoredEntry::Already);
            }
            // With force, a file of its own becomes a name of the other one again.
            if !job.options.force {
                let same = entry.kind == EntryKind::File && job.same_at(&row.path, row)?;
                return Ok(if same {
                    RestoredEntry::Already
                } else {
                    RestoredEntry::Existing
                });
            }
            if entry.kind == EntryKind::Dir {
                return Err("a directory exists at this path".to_owned());
            }
        }
        let linked = job.target.hardlink(&row.path, (path, id), &|file| job.same(file, row));
        match linked.map_err(chain)? {
            LinkPlacement::Done => Ok(RestoredEntry::Link),
            LinkPlacement::Taken => Ok(RestoredEntry::Existing),
            LinkPlacement::Refused | LinkPlacement::Other => self.content(row, &first, hash),
        }
    }

    /// Restores the content to the path of `row`, which leads the names of `first` from then on.
    fn content(&mut self, row: &FileEntry, first: &RelPath, hash: PathHash) -> Restored {
        let job = self.job;
        let held = if let Some(held) = self.kept.remove(&hash) {
            held
        } else {
            let found = locate(job.destination, job.copy, &[first]).map_err(|e| e.to_string())?;
            let held = found.into_iter().find(|found| found.kind == FileEntryKind::File);
            held.ok_or("the file that it links to is not in the list")?
        };
        match job.there(row, &held)? {
            Some(WrittenEntry::Already(id)) => {
                self.leaders.insert(hash, Leader::Other(row.path.clone(), id));
                return Ok(RestoredEntry::Already);
            }
            Some(_) => {
                self.kept.insert(hash, held);
                return Ok(RestoredEntry::Existing);
            }
            None => {}
        }
        let out = job.target.file(&row.path).map_err(chain)?;
        let ahead = job.reader.ahead(&held);
        let written = ahead.and_then(|ahead| job.fill(out, row, &held, &ahead));
        let file = match written {
            Ok(file) => file,
            Err(why) => {
                // The other names need the same content.
                self.leaders.insert(hash, Leader::None(why.clone()));
                return Err(why);
            }
        };
        let (id, lacking) = (file.id(), file.lacking);
        let placed = job.target.name(vec![file]).pop().unwrap_or(Ok(Placement::Taken));
        if let (Ok(Placement::Done), Some(id)) = (&placed, id) {
            self.leaders.insert(hash, Leader::Other(row.path.clone(), id));
        }
        let placed = placed.map(|placed| (placed, lacking));
        job.placed(row, RestoredEntry::File(held.size), placed)
    }
}
