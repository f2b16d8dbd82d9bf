//! Making members: entries are opened, read, hashed and compressed, on any thread.
//!
//! Takes a [`WriteTask`], gives a [`CompressedTask`]. Knows nothing of other tasks: positions in the archive are
//! relative to the task until the writer adds its own.
//! Invariant: a member ends once it holds [`MEMBER_SIZE`] bytes, so readers accept every one.

use super::super::gzip_member::{self, MEMBER_SIZE};
use super::super::header::{TRAILER, header_bytes, padding};
use super::super::job::WriteJob;
use super::super::manifest::FORMAT;
use super::super::pipeline::Pool;
use super::super::read_source::{ReadFailure, SourceReader};
use super::task::{CompressedBatch, CompressedTask, PackedMember, WriteTask};
use crate::entry::{Entry, EntryKind};
use crate::path::RelPath;
use crate::tree::Opener;
use std::collections::{HashMap, HashSet};

pub(super) struct TaskCompressor<'a> {
    pub(super) job: &'a WriteJob<'a>,
    level: u8,
    pub(super) reader: &'a SourceReader<'a>,
    pub(super) openers: Pool<Opener<'a>>,
    pub(super) links: HashMap<(u64, u64), usize>,
}

impl<'a> TaskCompressor<'a> {
    pub(super) fn new(job: &'a WriteJob<'a>, reader: &'a SourceReader<'a>, level: u8) -> Self {
        Self {
            job,
            level,
            reader,
            openers: Pool::new(),
            links: job.first_names(),
        }
    }

    pub(super) fn opener(&self) -> Opener<'a> {
        let kept = self.openers.take();
        kept.unwrap_or_else(|| Opener::new(self.job.source, self.job.cross_mounts))
    }

    pub(super) fn work(&self, task: WriteTask) -> CompressedTask {
        match task {
            WriteTask::Batch { from, to } => CompressedTask::Batch(self.batch(from, to, &HashSet::new())),
            WriteTask::Piece(plain, piece) => CompressedTask::Piece(self.member(&plain), piece),
            WriteTask::Rollback => CompressedTask::Rollback,
            WriteTask::Lost { at, why } => CompressedTask::Lost { at, why },
            WriteTask::Trailer => CompressedTask::Trailer(self.member(&TRAILER)),
        }
    }

    /// The earlier entry of the same inode, if there is one.
    pub(super) fn first_name(&self, at: usize, entry: &Entry) -> Option<&'a RelPath> {
        let id = (entry.identity.dev, entry.identity.ino);
        let first = self.links.get(&id).filter(|first| entry.nlink > 1 && **first < at)?;
        self.job.entries.get(*first).map(|e| &e.path)
    }

    /// Reads and compresses entries. Those in `whole` are stored as files of their own, not as links.
    pub(super) fn batch(&self, from: usize, to: usize, whole: &HashSet<usize>) -> CompressedBatch {
        let mut opener = self.opener();
        let mut plain = Vec::with_capacity(MEMBER_SIZE + MEMBER_SIZE / 4);
        let mut members = Vec::new();
        let mut found = Vec::with_capacity(to - from);
        let mut content = 0;
        for at in from..to {
            let Some(entry) = self.job.entries.get(at) else {
                continue;
            };
            if self.job.progress.stop() {
                break;
            }
            // Headers may be longer, and files larger, than the listing suggested.
            if plain.len() >= MEMBER_SIZE {
                members.push(self.member(&plain));
                plain.clear();
            }
            let link = self.first_name(at, entry).filter(|_| !whole.contains(&at));
            let read = match (entry.kind, link) {
                (EntryKind::Dir, _) => {
                    let row = self.reader.directory(self.job.source, entry, self.job.cross_mounts);
                    Ok((row, Vec::new()))
                }
                (EntryKind::Symlink, _) => self.reader.symlink(&mut opener, entry).map(|row| (row, Vec::new())),
                (EntryKind::File, Some(first)) => {
                    let row = self.reader.hardlink(&mut opener, entry, first);
                    row.map(|row| (row, Vec::new()))
                }
                (EntryKind::File, None) => self.reader.small(&mut opener, entry),
                _ => Err(ReadFailure::Special),
            };
            let read = read.map(|(mut row, data)| {
                row.member = members.len() as u64;
                row.offset = plain.len() as u64;
                plain.extend_from_slice(&header_bytes(&row, FORMAT.0));
                plain.extend_from_slice(&data);
                plain.resize(plain.len() + padding(data.len() as u64), 0);
                content += data.len() as u64;
                row
            });
            found.push((at, read));
        }
        self.openers.put(opener);
        if !plain.is_empty() {
            members.push(self.member(&plain));
        }
        CompressedBatch {
            from,
            to,
            members,
            found,
            content,
        }
    }

    fn member(&self, plain: &[u8]) -> PackedMember {
        (gzip_member::encode(plain, self.level), plain.len() as u64)
    }
}
