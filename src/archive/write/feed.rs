//! Cutting the work into tasks, in the order of the archive.
//!
//! Takes the entries, gives batches of small ones and, one after another, the pieces of large files, which it reads
//! and hashes itself since both must happen in order.
//! Invariant: tasks come in path order; a large file that changed is taken back before it is read again.

use super::super::error::CopyError;
use super::super::header::{header_bytes, padding};
use super::super::intake::{self, AGAIN, Absent};
use super::super::member::CUT;
use super::super::row::{Row, RowState, hex};
use super::pack::Packer;
use super::{Piece, Task, Watch};
use crate::entry::{Entry, Kind};
use sha2::{Digest, Sha256};
use std::fs::File;

/// Cuts the entries into tasks, in order.
pub(super) struct Feed<'a> {
    packer: &'a Packer<'a>,
    next: usize,
    large: Option<Large>,
    over: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn new(packer: &'a Packer<'a>) -> Self {
        Self {
            packer,
            next: 0,
            large: None,
            over: false,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Task>, CopyError> {
        if self.packer.job.watch.stop() {
            return Err(CopyError::Stopped);
        }
        if let Some(mut large) = self.large.take() {
            return self.go_on(&mut large).map(|(task, more)| {
                if more {
                    self.large = Some(large);
                }
                Some(task)
            });
        }
        let entries = self.packer.job.entries;
        let Some(entry) = entries.get(self.next) else {
            if self.over {
                return Ok(None);
            }
            self.over = true;
            return Ok(Some(Task::Trailer));
        };
        let alone = |at: usize, e: &Entry| {
            e.kind == Kind::File && intake::is_large(e) && self.packer.first_name(at, e).is_none()
        };
        if alone(self.next, entry) {
            let at = self.next;
            self.next += 1;
            let mut large = Large::new(at);
            return self.go_on(&mut large).map(|(task, more)| {
                if more {
                    self.large = Some(large);
                }
                Some(task)
            });
        }
        let from = self.next;
        let mut size = 0;
        while let Some(entry) = entries.get(self.next) {
            if size >= CUT as u64 || alone(self.next, entry) {
                break;
            }
            let content = if entry.kind == Kind::File && self.packer.first_name(self.next, entry).is_none() {
                entry.identity.size + padding(entry.identity.size) as u64
            } else {
                0
            };
            size += header_size(entry) + content;
            self.next += 1;
        }
        Ok(Some(Task::Batch { from, to: self.next }))
    }

    /// The next task of a large file, and whether there are more.
    fn go_on(&mut self, large: &mut Large) -> Result<(Task, bool), CopyError> {
        match large.step(self.packer) {
            Ok(Step::Piece(piece)) => {
                let more = piece.row.is_none();
                Ok((Task::Piece(piece), more))
            }
            Ok(Step::Again) => Ok((Task::Rollback, true)),
            Err(Some(why)) => Ok((Task::Lost { at: large.at, why }, false)),
            Err(None) => Err(CopyError::Stopped),
        }
    }
}

/// About how long an entry's headers will be, extended attributes apart.
fn header_size(entry: &Entry) -> u64 {
    let path = entry.path.as_bytes().len() as u64;
    if path <= 100 { 512 } else { 1536 + path }
}

pub(super) struct Large {
    at: usize,
    tries: u32,
    reading: Option<Reading>,
}

pub(super) struct Reading {
    file: File,
    row: Row,
    fresh: bool,
    hash: Sha256,
    segments: Vec<(u64, u64)>,
    /// Index into the segments and position in that one.
    place: (usize, u64),
    hashed: u64,
    torn: bool,
    begun: bool,
}

pub(super) enum Step {
    Piece(Piece),
    Again,
}

impl Large {
    fn new(at: usize) -> Self {
        Self {
            at,
            tries: 0,
            reading: None,
        }
    }

    /// Reads one piece. `Err(None)` is the order to stop.
    fn step(&mut self, packer: &Packer<'_>) -> Result<Step, Option<Absent>> {
        let entry = packer.job.entries.get(self.at).ok_or(Some(Absent::Vanished))?;
        let mut plain = Vec::with_capacity(CUT + 2048);
        if self.reading.is_none() {
            let mut opener = packer.opener();
            let opened = intake::open(&mut opener, entry, packer.granule);
            packer.put_away(opener);
            self.reading = Some(Reading::begin(opened.map_err(Some)?, &mut plain));
        }
        let Some(reading) = &mut self.reading else {
            return Err(Some(Absent::Vanished));
        };
        let before = plain.len();
        let whole = reading
            .fill(&mut plain, packer.job.watch)
            .map_err(|e| e.map(Absent::from))?;
        if reading.torn && self.tries < AGAIN {
            self.tries += 1;
            self.reading = None;
            return Ok(Step::Again);
        }
        let first = !std::mem::replace(&mut reading.begun, true);
        let content = (plain.len() - before) as u64;
        let row = if whole {
            let calm = intake::unchanged(&reading.file, &reading.row.identity()) && !reading.torn;
            if !calm && self.tries < AGAIN {
                self.tries += 1;
                self.reading = None;
                return Ok(Step::Again);
            }
            let mut row = reading.row.clone();
            row.sha256 = Some(hex(&reading.hash.clone().finalize()));
            row.state = if calm { RowState::Ok } else { RowState::Torn };
            row.fresh = reading.fresh;
            plain.resize(plain.len() + padding(row.stored()), 0);
            Some(Box::new(row))
        } else {
            None
        };
        Ok(Step::Piece(Piece {
            plain,
            first,
            row,
            content,
        }))
    }
}

impl Reading {
    fn begin(opened: intake::Opened, plain: &mut Vec<u8>) -> Self {
        let fresh = opened.is_fresh();
        let intake::Opened { file, mut row, .. } = opened;
        row.sparse = intake::segments(&file, row.size);
        row.offset = 0;
        plain.extend_from_slice(&header_bytes(&row));
        let segments = row.sparse.clone().unwrap_or_else(|| vec![(0, row.size)]);
        Self {
            file,
            row,
            fresh,
            hash: Sha256::new(),
            segments,
            place: (0, 0),
            hashed: 0,
            torn: false,
            begun: false,
        }
    }

    /// Reads up to one member's worth; says whether the file is whole now.
    fn fill(&mut self, plain: &mut Vec<u8>, watch: &dyn Watch) -> Result<bool, Option<std::io::Error>> {
        while let Some((offset, length)) = self.segments.get(self.place.0).copied() {
            self.skip_hole(offset, watch).ok_or(None)?;
            let left = length - self.place.1;
            let room = CUT.saturating_sub(plain.len()) as u64;
            if left > 0 && room == 0 {
                return Ok(false);
            }
            let take = usize::try_from(left.min(room)).unwrap_or(CUT);
            let start = plain.len();
            plain.resize(start + take, 0);
            let got = match plain.get_mut(start..) {
                Some(buffer) => intake::read_full(&self.file, buffer, offset + self.place.1).map_err(Some)?,
                None => 0,
            };
            // A file that shrank is filled up with zeros: what was announced must come.
            self.torn |= got < take;
            self.hash.update(plain.get(start..).unwrap_or_default());
            self.hashed += take as u64;
            self.place.1 += take as u64;
            if self.place.1 == length {
                self.place = (self.place.0 + 1, 0);
            }
        }
        self.skip_hole(self.row.size, watch).ok_or(None)?;
        Ok(true)
    }

    /// Hashes zeros up to `offset`. `None` is the order to stop.
    fn skip_hole(&mut self, offset: u64, watch: &dyn Watch) -> Option<()> {
        static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];
        while self.hashed < offset {
            if watch.stop() {
                return None;
            }
            let n = usize::try_from(offset - self.hashed)
                .unwrap_or(usize::MAX)
                .min(ZEROS.len());
            self.hash.update(ZEROS.get(..n)?);
            self.hashed += n as u64;
        }
        Some(())
    }
}
