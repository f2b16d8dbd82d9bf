//! Writing members in order, and the rows that speak of them.
//!
//! Takes packed work in the archive's order, gives three synced drafts. Knows where everything stands: rows get
//! their member's number here, links are compared here with the file that they name.
//! Invariant: a row is listed only after the bytes that it speaks of are written.

use super::super::error::CopyError;
use super::super::form::Unpublished;
use super::super::header::TRAILER;
use super::super::intake::Absent;
use super::super::list::ListWriter;
use super::super::manifest::Member;
use super::super::row::{Row, RowKind, hex};
use super::pack::Packer;
use super::seal::{Account, ContentFacts, seal};
use super::{Packed, Written};
use crate::entry::Identity;
use crate::tree::publish::Draft;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::io::Write;

/// Writes members in order.
pub(super) struct Sink<'a> {
    packer: &'a Packer<'a>,
    archive: Draft,
    list: ListWriter,
    members: Vec<Member>,
    at: u64,
    hash: Sha256,
    checkpoint: Option<(u64, usize, Sha256)>,
    /// By index of a first name: the state and hash under which it was stored.
    stored: HashMap<usize, (Identity, Row)>,
    account: Account,
}

impl<'a> Sink<'a> {
    pub(super) fn new(packer: &'a Packer<'a>, archive: Draft, list: ListWriter) -> Self {
        Self {
            packer,
            archive,
            list,
            members: Vec::new(),
            at: 0,
            hash: Sha256::new(),
            checkpoint: None,
            stored: HashMap::new(),
            account: Account::new(packer.job),
        }
    }

    pub(super) fn take(&mut self, done: Packed) -> Result<(), CopyError> {
        match done {
            Packed::Batch {
                from,
                to,
                members,
                found,
                content,
            } => self.batch(from, to, members, found, content),
            Packed::Piece {
                packed,
                plain,
                first,
                row,
                content,
            } => {
                if first {
                    self.checkpoint = Some((self.at, self.members.len(), self.hash.clone()));
                }
                self.append(&packed, plain)?;
                if let Some(mut row) = row {
                    // The checkpoint was taken where its first member stands now.
                    row.member = self.checkpoint.take().map_or(0, |(_, members, _)| members as u64);
                    let at = self.packer.links.get(&(row.dev, row.ino)).copied();
                    self.row(at, &row)?;
                    self.packer.job.watch.advance(1, content);
                } else {
                    self.packer.job.watch.advance(0, content);
                }
                Ok(())
            }
            Packed::Rollback => self.roll_back(),
            Packed::Lost { at, why } => {
                self.roll_back()?;
                self.account.absent(self.packer.job, at, why);
                Ok(())
            }
            Packed::Trailer { packed } => self.append(&packed, TRAILER.len() as u64),
        }
    }

    fn batch(
        &mut self,
        from: usize,
        to: usize,
        mut members: Vec<(Vec<u8>, u64)>,
        mut found: Vec<(usize, Result<Row, Absent>)>,
        mut content: u64,
    ) -> Result<(), CopyError> {
        if found.len() < to - from {
            return Err(CopyError::Stopped);
        }
        // A link whose file was not stored, or not in this state, becomes a file of its own. Rare; done here,
        // where all that comes before is known.
        let mut whole = HashSet::new();
        loop {
            let mut batch_firsts: HashMap<usize, (Identity, Row)> = HashMap::new();
            let mut wrong = Vec::new();
            for (at, result) in &mut found {
                let Ok(row) = result else { continue };
                let id = (row.dev, row.ino);
                if row.link.is_some() && row.kind == RowKind::Hardlink {
                    let first = self.packer.links.get(&id).copied();
                    let known = first.and_then(|f| self.stored.get(&f).or_else(|| batch_firsts.get(&f)));
                    match known {
                        Some((identity, file)) if *identity == row.identity() => {
                            row.sha256.clone_from(&file.sha256);
                            row.state = file.state;
                            row.fresh = file.fresh;
                        }
                        _ => wrong.push(*at),
                    }
                } else if self.packer.links.get(&id) == Some(at) {
                    batch_firsts.insert(*at, (row.identity(), row.clone()));
                }
            }
            if wrong.is_empty() {
                break;
            }
            whole.extend(wrong);
            let Packed::Batch {
                members: again,
                found: refound,
                content: recontent,
                ..
            } = self.packer.batch(from, to, &whole)
            else {
                return Err(CopyError::Stopped);
            };
            if refound.len() < to - from {
                return Err(CopyError::Stopped);
            }
            (members, found, content) = (again, refound, recontent);
        }
        let base = self.members.len() as u64;
        for (packed, plain) in members {
            self.append(&packed, plain)?;
        }
        let files = found.len() as u64;
        for (at, result) in found {
            match result {
                Ok(mut row) => {
                    row.member += base;
                    self.row(Some(at), &row)?;
                }
                Err(why) => self.account.absent(self.packer.job, at, why),
            }
        }
        self.packer.job.watch.advance(files, content);
        Ok(())
    }

    fn row(&mut self, at: Option<usize>, row: &Row) -> Result<(), CopyError> {
        self.account.stored(row);
        if let Some(at) = at
            && row.nlink > 1
            && self.packer.links.get(&(row.dev, row.ino)) == Some(&at)
        {
            self.stored.insert(at, (row.identity(), row.clone()));
        }
        self.list.push(row)
    }

    fn append(&mut self, packed: &[u8], plain: u64) -> Result<(), CopyError> {
        let name = self.archive.temp_name();
        self.archive
            .file()
            .write_all(packed)
            .map_err(|e| CopyError::io("write", &name, e))?;
        self.hash.update(packed);
        self.members.push(Member(self.at, packed.len() as u64, plain));
        self.at += packed.len() as u64;
        Ok(())
    }

    fn roll_back(&mut self) -> Result<(), CopyError> {
        if let Some((at, members, hash)) = self.checkpoint.take() {
            self.archive.truncate(at)?;
            self.at = at;
            self.members.truncate(members);
            self.hash = hash;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Written, CopyError> {
        self.archive.sync()?;
        let facts = ContentFacts {
            bytes: self.at,
            checksum: hex(&self.hash.finalize()),
            members: self.members,
            tree: None,
        };
        seal(
            self.packer.job,
            Unpublished::Archive(self.archive),
            facts,
            self.list,
            self.account,
        )
    }
}
