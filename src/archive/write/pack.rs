//! Making members: entries are opened, read, hashed and compressed, on any thread.
//!
//! Takes a [`Task`], gives a [`Packed`]. Knows nothing of what comes before or after: places in the archive are
//! relative to the task until the sink knows better.
//! Invariant: a member is cut once it holds [`CUT`] bytes, so none outgrows what readers accept.

use super::super::header::{TRAILER, header_bytes, padding};
use super::super::intake::{self, Absent};
use super::super::member::{self, CUT};
use super::{Packed, Task, WriteJob};
use crate::entry::{Entry, Kind};
use crate::path::RelPath;
use crate::tree::Opener;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub(super) struct Packer<'a> {
    pub(super) job: &'a WriteJob<'a>,
    pub(super) level: u8,
    pub(super) granule: Duration,
    pub(super) scratch: Mutex<Vec<Opener<'a>>>,
    pub(super) links: HashMap<(u64, u64), usize>,
}

impl<'a> Packer<'a> {
    pub(super) fn opener(&self) -> Opener<'a> {
        let kept = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| Opener::new(self.job.source, self.job.cross_mounts))
    }

    pub(super) fn put_away(&self, opener: Opener<'a>) {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(opener);
    }

    pub(super) fn work(&self, task: Task) -> Packed {
        match task {
            Task::Batch { from, to } => self.batch(from, to, &HashSet::new()),
            Task::Piece(piece) => Packed::Piece {
                packed: member::encode(&piece.plain, self.level),
                plain: piece.plain.len() as u64,
                first: piece.first,
                row: piece.row,
                content: piece.content,
            },
            Task::Rollback => Packed::Rollback,
            Task::Lost { at, why } => Packed::Lost { at, why },
            Task::Trailer => Packed::Trailer {
                packed: member::encode(&TRAILER, self.level),
            },
        }
    }

    /// The entry whose other name this is, if it comes before.
    pub(super) fn first_name(&self, at: usize, entry: &Entry) -> Option<(usize, &'a RelPath)> {
        let id = (entry.identity.dev, entry.identity.ino);
        let first = *self.links.get(&id).filter(|first| entry.nlink > 1 && **first < at)?;
        self.job.entries.get(first).map(|e| (first, &e.path))
    }

    /// Reads and packs entries. Those in `whole` are stored as files of their own, whatever their links.
    pub(super) fn batch(&self, from: usize, to: usize, whole: &HashSet<usize>) -> Packed {
        let mut opener = self.opener();
        let mut plain = Vec::with_capacity(CUT + CUT / 4);
        let mut members = Vec::new();
        let mut found = Vec::with_capacity(to - from);
        let mut content = 0;
        for at in from..to {
            let Some(entry) = self.job.entries.get(at) else {
                continue;
            };
            if self.job.watch.stop() {
                break;
            }
            // Headers may be longer, and files larger, than the listing let one expect.
            if plain.len() >= CUT {
                members.push(self.member(&plain));
                plain.clear();
            }
            let link = self.first_name(at, entry).filter(|_| !whole.contains(&at));
            let read = match (entry.kind, link) {
                (Kind::Dir, _) => {
                    intake::directory(self.job.source, entry, self.job.cross_mounts).map(|row| (row, Vec::new()))
                }
                (Kind::Symlink, _) => intake::symlink(&mut opener, entry).map(|row| (row, Vec::new())),
                (Kind::File, Some((_, first))) => {
                    intake::hardlink(&mut opener, entry, first).map(|row| (row, Vec::new()))
                }
                (Kind::File, None) => intake::small(&mut opener, entry, self.granule),
                _ => Err(Absent::Special),
            };
            found.push((
                at,
                read.map(|(mut row, data)| {
                    row.member = members.len() as u64;
                    row.offset = plain.len() as u64;
                    plain.extend_from_slice(&header_bytes(&row));
                    plain.extend_from_slice(&data);
                    plain.resize(plain.len() + padding(data.len() as u64), 0);
                    content += data.len() as u64;
                    row
                }),
            ));
        }
        self.put_away(opener);
        if !plain.is_empty() {
            members.push(self.member(&plain));
        }
        Packed::Batch {
            from,
            to,
            members,
            found,
            content,
        }
    }

    fn member(&self, plain: &[u8]) -> (Vec<u8>, u64) {
        (member::encode(plain, self.level), plain.len() as u64)
    }
}
