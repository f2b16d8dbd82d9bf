//! Cutting the work into tasks, in the order of the archive.
//!
//! Takes the entries, gives batches of small entries and the pieces of large files, one after another. It reads and
//! hashes large files itself, since both must happen in order.
//! Invariant: tasks come in path order; a large file that changed is rolled back before it is read again.

use super::super::error::CopyError;
use super::super::file_entry::{ContentState, FileEntry, hex};
use super::super::gzip_member::MEMBER_SIZE;
use super::super::header::{header_bytes, padding};
use super::super::manifest::FORMAT;
use super::super::progress::CopyProgress;
use super::super::read_source::{self, MAX_REREADS, OpenSourceFile, ReadFailure};
use super::compress::TaskCompressor;
use super::task::{LargeFilePiece, WriteTask};
use crate::entry::{Entry, EntryKind};
use sha2::{Digest, Sha256};
use std::fs::File;

/// Cuts the entries into tasks, in order.
pub(super) struct TaskCutter<'a> {
    compressor: &'a TaskCompressor<'a>,
    next: usize,
    large: Option<LargeFile>,
    over: bool,
}

impl<'a> TaskCutter<'a> {
    pub(super) fn new(compressor: &'a TaskCompressor<'a>) -> Self {
        Self {
            compressor,
            next: 0,
            large: None,
            over: false,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<WriteTask>, CopyError> {
        if self.compressor.job.progress.stop() {
            return Err(CopyError::Stopped);
        }
        if let Some(large) = self.large.take() {
            return self.go_on(large).map(Some);
        }
        let entries = self.compressor.job.entries;
        let Some(entry) = entries.get(self.next) else {
            if self.over {
                return Ok(None);
            }
            self.over = true;
            return Ok(Some(WriteTask::Trailer));
        };
        let alone = |at: usize, e: &Entry| {
            e.kind == EntryKind::File && read_source::is_large(e) && self.compressor.first_name(at, e).is_none()
        };
        if alone(self.next, entry) {
            let at = self.next;
            self.next += 1;
            return self.go_on(LargeFile::new(at)).map(Some);
        }
        let from = self.next;
        let mut size = 0;
        while let Some(entry) = entries.get(self.next) {
            if size >= MEMBER_SIZE as u64 || alone(self.next, entry) {
                break;
            }
            let content = if entry.kind == EntryKind::File && self.compressor.first_name(self.next, entry).is_none() {
                entry.identity.size + padding(entry.identity.size) as u64
            } else {
                0
            };
            size += header_size(entry) + content;
            self.next += 1;
        }
        Ok(Some(WriteTask::Batch { from, to: self.next }))
    }

    /// The next task of a large file; keeps the file when more tasks follow.
    fn go_on(&mut self, mut large: LargeFile) -> Result<WriteTask, CopyError> {
        match large.step(self.compressor) {
            Ok(task) => {
                let last = matches!(&task, WriteTask::Piece(_, piece) if piece.row.is_some());
                self.large = (!last).then_some(large);
                Ok(task)
            }
            Err(Some(why)) => Ok(WriteTask::Lost { at: large.at, why }),
            Err(None) => Err(CopyError::Stopped),
        }
    }
}

/// Estimated length of an entry's headers, without extended attributes.
fn header_size(entry: &Entry) -> u64 {
    let path = entry.path.as_bytes().len() as u64;
    if path <= 100 { 512 } else { 1536 + path }
}

struct LargeFile {
    at: usize,
    tries: u32,
    reading: Option<LargeFileReading>,
}

struct LargeFileReading {
    file: File,
    row: FileEntry,
    hash: Sha256,
    segments: Vec<(u64, u64)>,
    /// Index into the segments and position in that one.
    place: (usize, u64),
    hashed: u64,
    torn: bool,
    begun: bool,
}

impl LargeFile {
    fn new(at: usize) -> Self {
        Self {
            at,
            tries: 0,
            reading: None,
        }
    }

    /// Reads one piece. `Err(None)` means that the work must stop.
    fn step(&mut self, compressor: &TaskCompressor<'_>) -> Result<WriteTask, Option<ReadFailure>> {
        let entry = compressor.job.entries.get(self.at).ok_or(Some(ReadFailure::Vanished))?;
        let mut plain = Vec::with_capacity(MEMBER_SIZE + 2048);
        if self.reading.is_none() {
            let mut opener = compressor.opener();
            let opened = compressor.reader.open(&mut opener, entry);
            compressor.openers.put(opener);
            self.reading = Some(LargeFileReading::begin(opened.map_err(Some)?, &mut plain));
        }
        let Some(reading) = &mut self.reading else {
            return Err(Some(ReadFailure::Vanished));
        };
        let before = plain.len();
        let whole = reading
            .fill(&mut plain, compressor.job.progress)
            .map_err(|e| e.map(ReadFailure::from))?;
        if reading.torn && self.tries < MAX_REREADS {
            self.tries += 1;
            self.reading = None;
            return Ok(WriteTask::Rollback);
        }
        let first = !std::mem::replace(&mut reading.begun, true);
        let content = (plain.len() - before) as u64;
        let row = if whole {
            let calm = read_source::unchanged(&reading.file, &reading.row.identity()) && !reading.torn;
            if !calm && self.tries < MAX_REREADS {
                self.tries += 1;
                self.reading = None;
                return Ok(WriteTask::Rollback);
            }
            let mut row = reading.row.clone();
            row.sha256 = Some(hex(&reading.hash.clone().finalize()));
            row.state = if calm { ContentState::Ok } else { ContentState::Torn };
            plain.resize(plain.len() + padding(row.stored()), 0);
            Some(Box::new(row))
        } else {
            None
        };
        Ok(WriteTask::Piece(plain, LargeFilePiece { first, row, content }))
    }
}

impl LargeFileReading {
    fn begin(opened: OpenSourceFile, plain: &mut Vec<u8>) -> Self {
        let OpenSourceFile { file, mut row } = opened;
        row.sparse = read_source::segments(&file, row.size);
        plain.extend_from_slice(&header_bytes(&row, FORMAT.0));
        Self {
            segments: row.segments(),
            file,
            row,
            hash: Sha256::new(),
            place: (0, 0),
            hashed: 0,
            torn: false,
            begun: false,
        }
    }

    /// Reads up to one member's worth; true when the file is complete.
    fn fill(&mut self, plain: &mut Vec<u8>, progress: &dyn CopyProgress) -> Result<bool, Option<std::io::Error>> {
        while let Some((offset, length)) = self.segments.get(self.place.0).copied() {
            self.skip_hole(offset, progress).ok_or(None)?;
            let left = length - self.place.1;
            let room = MEMBER_SIZE.saturating_sub(plain.len()) as u64;
            if left > 0 && room == 0 {
                return Ok(false);
            }
            let take = usize::try_from(left.min(room)).unwrap_or(MEMBER_SIZE);
            let start = plain.len();
            plain.resize(start + take, 0);
            let got = match plain.get_mut(start..) {
                Some(buffer) => read_source::read_full(&self.file, buffer, offset + self.place.1).map_err(Some)?,
                None => 0,
            };
            // A file that shrank is filled up with zeros: the header has announced its size.
            self.torn |= got < take;
            self.hash.update(plain.get(start..).unwrap_or_default());
            self.hashed += take as u64;
            self.place.1 += take as u64;
            if self.place.1 == length {
                self.place = (self.place.0 + 1, 0);
            }
        }
        self.skip_hole(self.row.size, progress).ok_or(None)?;
        Ok(true)
    }

    /// Hashes zeros up to `offset`. `None` means that the work must stop.
    fn skip_hole(&mut self, offset: u64, progress: &dyn CopyProgress) -> Option<()> {
        static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];
        while self.hashed < offset {
            if progress.stop() {
                return None;
            }
            let left = usize::try_from(offset - self.hashed).unwrap_or(usize::MAX);
            let n = left.min(ZEROS.len());
            self.hash.update(ZEROS.get(..n)?);
            self.hashed += n as u64;
        }
        Some(())
    }
}
