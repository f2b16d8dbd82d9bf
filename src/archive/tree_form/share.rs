//! Sharing data with the previous tree: the same bytes are not stored twice if the file system allows it.
//!
//! Takes the newest complete, trusted tree of the same group. Gives its file at a path when that has, byte for byte,
//! the content of the source's file; both are read now. Its list only says where comparing may be worth it.
//! Invariant: nothing in the earlier tree changes except the link counts of its files.

use super::super::catalogue::{Catalogue, CatalogueCopy, rows};
use super::super::error::CopyError;
use super::super::file_entry::{FileEntry, FileEntryKind};
use super::super::file_list::FileEntries;
use super::super::job::WriteJob;
use super::super::progress::CopyProgress;
use super::super::read_source::read_full;
use crate::path::RelPath;
use crate::tree::handle::regular;
use crate::tree::{Dir, Opener};
use rustix::fs::Advice;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

/// The tree that the job may share with, if it is still there.
pub fn newest(job: &WriteJob<'_>) -> Option<CatalogueCopy> {
    let wanted = job.facts.shares_with.as_deref()?;
    let catalogue = Catalogue::read_while(job.destination, &|| !job.progress.stop()).ok()?;
    let trees = catalogue.copies.into_iter().filter(CatalogueCopy::is_shareable);
    trees.into_iter().find(|copy| copy.name.to_string() == wanted)
}

pub struct PreviousTree {
    pub root: Dir,
    /// False once the file system answered that files cannot share data there.
    clones: AtomicBool,
}

impl PreviousTree {
    /// `None` when it cannot be opened: then nothing is shared.
    pub fn open(destination: &Dir, copy: &CatalogueCopy) -> Option<Self> {
        let root = destination.open_dir(copy.name.tree().as_bytes(), true).ok()?;
        Some(Self {
            root,
            clones: AtomicBool::new(true),
        })
    }

    /// True while trying to share data makes sense.
    pub fn clones(&self) -> bool {
        self.clones.load(Ordering::Relaxed)
    }

    pub fn cannot_clone(&self) {
        self.clones.store(false, Ordering::Relaxed);
    }
}

/// The list of the previous tree, read in path order.
pub struct PreviousList<'a> {
    rows: FileEntries<'a, File>,
    next: Option<FileEntry>,
}

impl<'a> PreviousList<'a> {
    pub fn open(destination: &Dir, copy: &'a CatalogueCopy) -> Option<Self> {
        let rows = rows(destination, copy).ok()?;
        Some(Self { rows, next: None })
    }

    /// The row of `path`, if it is a file of its own. When the list cannot be read further, all later rows are unknown.
    pub fn file(&mut self, path: &RelPath) -> Option<FileEntry> {
        while self.next.as_ref().is_none_or(|row| row.path < *path) {
            self.next = Some(self.rows.next()?.ok()?);
        }
        // Two names of one inode may be two files by now: these must not become one again.
        self.next
            .take_if(|row| row.path == *path)
            .filter(|row| row.kind == FileEntryKind::File)
    }
}

/// The file of the previous tree at the same path, if comparing may be worth it.
pub fn candidate<'o>(opener: &'o mut Opener<'_>, row: &FileEntry, known: &FileEntry) -> Option<(File, &'o Dir)> {
    if known.size != row.size || row.size == 0 {
        return None;
    }
    let file = opener.file(&row.path).ok()?;
    if regular(&file).ok()??.size != row.size {
        return None;
    }
    // The data on the disk counts, not the page cache.
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    Some((file, opener.dir(&row.path).ok()?))
}

/// SHA-256 of `size` bytes of the source's file if the stored file holds the same; `None` at the first difference, and
/// when either cannot be read.
pub fn same_content(
    source: &File,
    stored: &File,
    size: u64,
    progress: &dyn CopyProgress,
) -> Result<Option<[u8; 32]>, CopyError> {
    let most = usize::try_from(size).unwrap_or(usize::MAX).min(256 * 1024);
    let (mut ours, mut theirs) = (vec![0; most], vec![0; most]);
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < size {
        if progress.stop() {
            return Err(CopyError::Stopped);
        }
        let wanted = usize::try_from(size - at).unwrap_or(usize::MAX).min(most);
        let (Some(ours), Some(theirs)) = (ours.get_mut(..wanted), theirs.get_mut(..wanted)) else {
            return Ok(None);
        };
        let read = |file: &File, buffer: &mut [u8]| read_full(file, buffer, at).is_ok_and(|n| n == wanted);
        if !read(source, ours) || !read(stored, theirs) || ours != theirs {
            return Ok(None);
        }
        hash.update(ours);
        at += wanted as u64;
    }
    Ok(Some(hash.finalize().into()))
}
