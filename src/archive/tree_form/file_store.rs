//! [`FileStore`]: one file of a tree is read from the source, hashed, and stored, or shared with the previous tree.
//!
//! Takes a listed file, gives its row and the attributes that could not be kept. A file that changes while it is read
//! is read again, three times; then it is stored as read, and marked torn.
//! Invariant: the row's hash is always of bytes that were read from the source.

use super::super::content::pour;
use super::super::error::CopyError;
use super::super::file_entry::{ContentState, FileEntry, hex};
use super::super::job::WriteJob;
use super::super::read_source::{self, MAX_REREADS, OpenSourceFile, ReadFailure, SourceReader};
use super::attributes::{differs, wanted};
use super::share::{PreviousTree, candidate, same_content};
use crate::entry::Entry;
use crate::tree::attributes::{Lacking, Node};
use crate::tree::draft_tree::{Linked, TreeDraft};
use crate::tree::handle::entry_of;
use crate::tree::{Dir, Opener, TreeError};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

pub struct StoredFile {
    pub row: FileEntry,
    /// Attributes that could not be kept.
    pub lacking: Lacking,
    /// It shares its data with the previous tree.
    pub shared: bool,
}

pub enum FileStoreError {
    /// This file is not in the copy; the copy goes on.
    Read(ReadFailure),
    /// The copy cannot be written.
    Copy(CopyError),
}

impl From<ReadFailure> for FileStoreError {
    fn from(why: ReadFailure) -> Self {
        Self::Read(why)
    }
}

impl From<CopyError> for FileStoreError {
    fn from(e: CopyError) -> Self {
        Self::Copy(e)
    }
}

/// Why an entry could not be made in the tree: the file system may reject its name, or confuse it with another.
pub fn refusal(e: TreeError) -> FileStoreError {
    let why = match e.errno() {
        Some(Errno::INVAL | Errno::ILSEQ | Errno::NAMETOOLONG) => "the destination's file system rejects its name",
        Some(Errno::EXIST) => "the destination's file system does not distinguish its name from another one",
        _ => return FileStoreError::Copy(e.into()),
    };
    FileStoreError::Read(ReadFailure::Unreadable(why.to_owned()))
}

/// Openers of the three trees; each keeps its last directory open.
pub struct Openers<'a> {
    pub source: Opener<'a>,
    /// The tree being written.
    pub tree: Opener<'a>,
    pub previous: Option<Opener<'a>>,
}

/// What all workers share.
pub struct FileStore<'a> {
    pub job: &'a WriteJob<'a>,
    pub tree: &'a TreeDraft,
    pub reader: &'a SourceReader<'a>,
    pub previous: Option<PreviousTree>,
    pub links: HashMap<(u64, u64), usize>,
}

impl FileStore<'_> {
    /// Stores a file; `known` is its row in the list of the previous tree.
    pub fn store(
        &self,
        openers: &mut Openers<'_>,
        entry: &Entry,
        known: Option<&FileEntry>,
    ) -> Result<StoredFile, FileStoreError> {
        let mut known = known;
        let mut tries = 0;
        loop {
            let OpenSourceFile { file, mut row } = self.reader.open(&mut openers.source, entry)?;
            row.sparse = read_source::segments(&file, row.size);
            let dir = openers.tree.dir(&row.path).map_err(CopyError::from)?;
            if let (Some(known), Some(before), Some(opener)) = (known.take(), &self.previous, openers.previous.as_mut())
                && let Some(stored) = self.share(&file, &row, known, before, opener, dir)?
            {
                return Ok(stored);
            }
            let new = self.tree.file(dir, row.path.name()).map_err(refusal)?;
            let (hash, whole) = self.pour(&file, &row, new.file())?;
            let hash = hash.ok_or(CopyError::Stopped)?;
            if row.sparse.is_some() {
                new.set_len(row.size).map_err(CopyError::from)?;
            }
            let calm = whole && read_source::unchanged(&file, &row.identity());
            if !calm && tries < MAX_REREADS {
                tries += 1;
                continue;
            }
            row.sha256 = Some(hex(&hash));
            row.state = if calm { ContentState::Ok } else { ContentState::Torn };
            let lacking = new.finish(&wanted(&row)).map_err(CopyError::from)?;
            let shared = false;
            return Ok(StoredFile { row, lacking, shared });
        }
    }

    /// Copies and hashes the data segments; false when the file was shorter than announced.
    fn pour(&self, from: &File, row: &FileEntry, to: &File) -> Result<(Option<[u8; 32]>, bool), FileStoreError> {
        let unread = |e| FileStoreError::Read(ReadFailure::from(e));
        pour(from, row, self.job.progress, unread, |at, piece| {
            if self.job.progress.stop() {
                return Err(CopyError::Stopped.into());
            }
            let name = || format!("{}/{}", self.tree.temp_name(), row.path);
            to.write_all_at(piece, at)
                .map_err(|e| CopyError::io("write", &name(), e))?;
            self.job.progress.advance(0, piece.len() as u64);
            Ok(())
        })
    }

    /// Stores the file by sharing the data of the previous tree; `None` when it differs, or cannot be shared.
    fn share(
        &self,
        file: &File,
        row: &FileEntry,
        known: &FileEntry,
        before: &PreviousTree,
        opener: &mut Opener<'_>,
        dir: &Dir,
    ) -> Result<Option<StoredFile>, FileStoreError> {
        let Some((held, held_dir)) = candidate(opener, row, known) else {
            return Ok(None);
        };
        let Some(hash) = same_content(file, &held, row.size, self.job.progress)? else {
            return Ok(None);
        };
        if !read_source::unchanged(file, &row.identity()) {
            return Ok(None);
        }
        let name = row.path.name();
        let mut row = row.clone();
        row.sha256 = Some(hex(&hash));
        let mut done = None;
        if before.clones() {
            let new = self.tree.file(dir, name).map_err(refusal)?;
            if new.share(&held).map_err(CopyError::from)? {
                done = Some(new.finish(&wanted(&row)).map_err(CopyError::from)?);
            } else {
                before.cannot_clone();
            }
        }
        if done.is_none() && same_attributes(&held, &row, known) {
            let linked = self.tree.link(&held, (held_dir, name), dir, name);
            if linked.map_err(CopyError::from)? == Linked::Done {
                done = Some(Lacking::least());
            }
        }
        if done.is_some() {
            self.job.progress.advance(0, row.size);
        }
        let shared = true;
        Ok(done.map(|lacking| StoredFile { row, lacking, shared }))
    }
}

/// True when one inode can represent both: a hard link shares all attributes.
fn same_attributes(held: &File, row: &FileEntry, known: &FileEntry) -> bool {
    rustix::fs::fstat(held).is_ok_and(|stat| {
        let found = entry_of(row.path.clone(), &stat);
        let source = row.identity();
        // A source that is itself a link into the tree would change with it.
        (stat.st_dev, stat.st_ino) != (source.dev, source.ino)
            && known.xattrs == row.xattrs
            && differs(&found, row, Lacking::least()).is_none()
            && read_source::xattrs(&Node::open(held)).found == row.xattrs
    })
}
