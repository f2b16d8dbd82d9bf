//! One file of a tree: read from the source, hashed, and stored, or shared with the tree before.
//!
//! Takes a listed file, gives its row and what of it could not be kept. A file that changes while it is read is read
//! again, three times; then it is stored as it came, and marked torn.
//! Invariant: the row's hash is always of bytes that were read from the source.

use super::super::content::ContentHash;
use super::super::error::CopyError;
use super::super::intake::{self, AGAIN, Absent, Opened};
use super::super::row::{Row, RowState, hex};
use super::attributes::{Carried, differs, gives_owners, wanted};
use super::share::{Previous, candidate, same_content};
use super::write::Writer;
use crate::entry::Entry;
use crate::tree::attributes::Lacking;
use crate::tree::draft_tree::Linked;
use crate::tree::handle::entry_of;
use crate::tree::{Dir, Opener, TreeError};
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::FileExt;

pub struct Stored {
    pub row: Row,
    /// What it does not carry.
    pub lacking: Lacking,
    /// Its data is that of the tree before.
    pub shared: bool,
}

/// Why a file was not stored.
pub enum Trouble {
    /// It is not in the copy.
    Absent(Absent),
    /// The copy cannot go on.
    Copy(CopyError),
}

impl From<Absent> for Trouble {
    fn from(why: Absent) -> Self {
        Self::Absent(why)
    }
}

impl From<CopyError> for Trouble {
    fn from(e: CopyError) -> Self {
        Self::Copy(e)
    }
}

/// What a failure to make an entry in the tree means: the file system may not take its name, or take it for another.
pub fn refusal(e: TreeError) -> Trouble {
    let why = match e.errno() {
        Some(Errno::INVAL | Errno::ILSEQ | Errno::NAMETOOLONG) => {
            "the destination's file system does not take its name"
        }
        Some(Errno::EXIST) => "the destination's file system takes its name for another one beside it",
        _ => return Trouble::Copy(e.into()),
    };
    Trouble::Absent(Absent::Unreadable(why.to_owned()))
}

/// Ways into the three trees, each with its last directory kept open.
pub struct Openers<'a> {
    pub source: Opener<'a>,
    /// The tree that is being written.
    pub tree: Opener<'a>,
    /// The tree before.
    pub previous: Option<Opener<'a>>,
}

impl Writer<'_> {
    /// Stores a file; `known` is its row in the list of the tree before.
    pub fn store(&self, openers: &mut Openers<'_>, entry: &Entry, known: Option<&Row>) -> Result<Stored, Trouble> {
        let mut known = known;
        let mut tries = 0;
        loop {
            let opened = intake::open(&mut openers.source, entry, self.granule)?;
            let fresh = opened.is_fresh();
            let Opened { file, mut row, .. } = opened;
            row.fresh = fresh;
            row.sparse = intake::segments(&file, row.size);
            let dir = openers.tree.dir(&row.path).map_err(CopyError::from)?;
            if let (Some(known), Some(before), Some(opener)) = (known.take(), &self.previous, openers.previous.as_mut())
                && let Some(stored) = self.share(&file, &row, known, before, opener, dir)?
            {
                return Ok(stored);
            }
            let new = self.tree.file(dir, row.path.name()).map_err(refusal)?;
            let (hash, whole) = self.pour(&file, &row, new.file())?;
            if row.sparse.is_some() {
                new.set_len(row.size).map_err(CopyError::from)?;
            }
            let calm = whole && intake::unchanged(&file, &row.identity());
            if !calm && tries < AGAIN {
                tries += 1;
                continue;
            }
            row.sha256 = Some(hex(&hash));
            row.state = if calm { RowState::Ok } else { RowState::Torn };
            let lacking = new.finish(&wanted(&row)).map_err(CopyError::from)?;
            return Ok(Stored {
                row,
                lacking,
                shared: false,
            });
        }
    }

    /// Copies the stretches of data, hashing; says whether all that was announced came.
    fn pour(&self, from: &File, row: &Row, to: &File) -> Result<([u8; 32], bool), Trouble> {
        let mut hash = ContentHash::new(row);
        let mut whole = true;
        let segments = row.sparse.clone().unwrap_or_else(|| vec![(0, row.size)]);
        let most = usize::try_from(row.size).unwrap_or(usize::MAX).min(256 * 1024);
        let mut buffer = vec![0; most];
        for (offset, length) in segments {
            let mut done = 0;
            while done < length {
                if self.job.watch.stop() {
                    return Err(CopyError::Stopped.into());
                }
                let take = usize::try_from(length - done).unwrap_or(usize::MAX).min(most);
                let piece = buffer.get_mut(..take).unwrap_or_default();
                let got = intake::read_full(from, piece, offset + done).map_err(Absent::from)?;
                // A file that shrank is filled up with zeros: what was announced must come.
                piece.get_mut(got..).unwrap_or_default().fill(0);
                whole &= got == take;
                hash.push(piece, |at, bytes| to.write_all_at(bytes, at))
                    .map_err(|e| CopyError::io("write", &format!("{}/{}", self.tree.temp_name(), row.path), e))?;
                self.job.watch.advance(0, take as u64);
                done += take as u64;
            }
        }
        Ok((hash.finish(), whole))
    }

    /// Stores the file by sharing what the tree before holds; `None` when that is not the same, or cannot be shared.
    fn share(
        &self,
        file: &File,
        row: &Row,
        known: &Row,
        before: &Previous,
        opener: &mut Opener<'_>,
        dir: &Dir,
    ) -> Result<Option<Stored>, Trouble> {
        let Some((held, held_dir)) = candidate(opener, row, known) else {
            return Ok(None);
        };
        let Some(hash) = same_content(file, &held, row.size, self.job.watch)? else {
            return Ok(None);
        };
        if !intake::unchanged(file, &row.identity()) {
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
                done = Some(Lacking {
                    owners: !gives_owners(),
                    ..Lacking::default()
                });
            }
        }
        if done.is_some() {
            self.job.watch.advance(0, row.size);
        }
        Ok(done.map(|lacking| Stored {
            row,
            lacking,
            shared: true,
        }))
    }
}

/// True when one inode can stand for both: a hard link shares all attributes.
fn same_attributes(held: &File, row: &Row, known: &Row) -> bool {
    rustix::fs::fstat(held).is_ok_and(|stat| {
        let found = entry_of(row.path.clone(), &stat);
        let source = row.identity();
        // A source that is a link into the tree itself would change with it.
        (stat.st_dev, stat.st_ino) != (source.dev, source.ino)
            && known.xattrs == row.xattrs
            && differs(&found, row, Carried::best()).is_none()
            && intake::xattrs(held).is_ok_and(|found| found == row.xattrs)
    })
}
