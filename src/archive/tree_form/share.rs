//! Sharing with the tree before: the same bytes are not stored twice where the file system can help it.
//!
//! Takes the newest complete, trusted tree of the same backup; gives for a path the file that it holds there, when
//! that has, read now, byte for byte the content of the source's file, read now. What its list recorded only says
//! where it is worth looking.
//! Invariant: nothing of the earlier tree is changed but the number of names of its files.

use super::super::catalogue::{Catalogue, CatalogueCopy, rows};
use super::super::error::CopyError;
use super::super::intake::read_full;
use super::super::row::{Row, RowKind};
use super::super::write::{Watch, WriteJob};
use crate::path::RelPath;
use crate::tree::handle::regular;
use crate::tree::{Dir, Opener};
use rustix::fs::Advice;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

/// The newest tree of the same backup that is complete and not suspect.
pub fn newest(job: &WriteJob<'_>) -> Option<CatalogueCopy> {
    let catalogue = Catalogue::read(job.destination).ok()?;
    catalogue
        .of_backup(&job.about.ops_name, job.name.backup())
        .find(|copy| copy.manifest.complete && copy.manifest.suspect.is_none() && copy.manifest.tree.is_some())
        .cloned()
}

/// The tree before.
pub struct Previous {
    /// Its topmost directory.
    pub root: Dir,
    /// False once the file system said that files cannot share data there.
    clones: AtomicBool,
}

impl Previous {
    /// Of that copy; `None` when it cannot be opened: then nothing is shared.
    pub fn open(destination: &Dir, copy: &CatalogueCopy) -> Option<Self> {
        let root = destination.open_dir(copy.name.tree().as_bytes(), true).ok()?;
        Some(Self {
            root,
            clones: AtomicBool::new(true),
        })
    }

    /// Whether it is worth trying to share data.
    pub fn clones(&self) -> bool {
        self.clones.load(Ordering::Relaxed)
    }

    pub fn cannot_clone(&self) {
        self.clones.store(false, Ordering::Relaxed);
    }
}

/// What the list of the tree before says, asked in path order.
pub struct Known<'a> {
    rows: Box<dyn Iterator<Item = Result<Row, CopyError>> + Send + 'a>,
    next: Option<Row>,
}

impl<'a> Known<'a> {
    pub fn open(destination: &'a Dir, copy: &'a CatalogueCopy) -> Option<Self> {
        let rows = rows(destination, copy).ok()?;
        Some(Self {
            rows: Box::new(rows),
            next: None,
        })
    }

    /// The row of `path`, if it is a file of its own. A list that cannot be read on knows nothing more.
    pub fn file(&mut self, path: &RelPath) -> Option<Row> {
        while self.next.as_ref().is_none_or(|row| row.path < *path) {
            self.next = Some(self.rows.next()?.ok()?);
        }
        // Two names of one inode then may be two files now: those are not made one again.
        self.next
            .take_if(|row| row.path == *path)
            .filter(|row| row.kind == RowKind::File)
    }
}

/// The file of the tree before at `path`, when it may be worth comparing.
pub fn candidate<'o>(opener: &'o mut Opener<'_>, row: &Row, known: &Row) -> Option<(File, &'o Dir)> {
    if known.size != row.size || row.size == 0 {
        return None;
    }
    let file = opener.file(&row.path).ok()?;
    if regular(&file).ok()??.size != row.size {
        return None;
    }
    // What counts is what is on the disk.
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    Some((file, opener.dir(&row.path).ok()?))
}

/// SHA-256 of `size` bytes of the source's file when the stored one holds the same; `None` at the first difference,
/// and when either cannot be read.
pub fn same_content(source: &File, stored: &File, size: u64, watch: &dyn Watch) -> Result<Option<[u8; 32]>, CopyError> {
    let most = usize::try_from(size).unwrap_or(usize::MAX).min(256 * 1024);
    let (mut ours, mut theirs) = (vec![0; most], vec![0; most]);
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < size {
        if watch.stop() {
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
