//! Writing members in order, and the rows that describe them.
//!
//! Takes compressed work in the archive's order, gives three synced drafts. Knows the position of everything: rows get
//! their member's number here, and links are compared here with the file that they name.
//! Invariant: a row is listed only after its bytes are written.

use super::super::error::{CopyError, write_draft};
use super::super::file_entry::{FileEntry, FileEntryKind, hex};
use super::super::file_list::ListWriter;
use super::super::form::UnpublishedContent;
use super::super::job::WrittenCopy;
use super::super::manifest::MemberPosition;
use super::compress::TaskCompressor;
use super::finish::{ContentFacts, Omissions, finish};
use super::task::{CompressedBatch, CompressedTask, LargeFilePiece, PackedMember};
use crate::entry::Identity;
use crate::tree::publish::Draft;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

pub(super) struct ArchiveWriter<'a> {
    compressor: &'a TaskCompressor<'a>,
    archive: Draft,
    list: ListWriter,
    members: Vec<MemberPosition>,
    at: u64,
    hash: Sha256,
    checkpoint: Option<(u64, usize, Sha256)>,
    /// By index of a first name: the state and hash under which it was stored.
    stored: HashMap<usize, (Identity, FileEntry)>,
    account: Omissions,
}

impl<'a> ArchiveWriter<'a> {
    pub(super) fn new(compressor: &'a TaskCompressor<'a>, archive: Draft, list: ListWriter) -> Self {
        Self {
            compressor,
            archive,
            list,
            members: Vec::new(),
            at: 0,
            hash: Sha256::new(),
            checkpoint: None,
            stored: HashMap::new(),
            account: Omissions::new(compressor.job),
        }
    }

    pub(super) fn take(&mut self, done: CompressedTask) -> Result<(), CopyError> {
        match done {
            CompressedTask::Batch(batch) => self.batch(batch),
            CompressedTask::Piece(member, LargeFilePiece { first, row, content }) => {
                if first {
                    self.checkpoint = Some((self.at, self.members.len(), self.hash.clone()));
                }
                self.append(&member)?;
                let files = u64::from(row.is_some());
                if let Some(mut row) = row {
                    // The checkpoint was taken at the position of its first member.
                    row.member = self.checkpoint.take().map_or(0, |(_, members, _)| members as u64);
                    let at = self.compressor.links.get(&(row.dev, row.ino)).copied();
                    self.row(at, &row)?;
                }
                self.compressor.job.progress.advance(files, content);
                Ok(())
            }
            CompressedTask::Rollback => self.roll_back(),
            CompressedTask::Lost { at, why } => {
                self.roll_back()?;
                self.account.absent(self.compressor.job, at, why);
                Ok(())
            }
            CompressedTask::Trailer(member) => self.append(&member),
        }
    }

    fn batch(&mut self, mut batch: CompressedBatch) -> Result<(), CopyError> {
        // A link whose file was not stored, or not in this state, becomes a file of its own. Rare; done here,
        // where everything before it is known.
        let mut whole = HashSet::new();
        loop {
            if batch.found.len() < batch.to - batch.from {
                return Err(CopyError::Stopped);
            }
            let broken = self.resolve_links(&mut batch);
            if broken.is_empty() {
                break;
            }
            whole.extend(broken);
            batch = self.compressor.batch(batch.from, batch.to, &whole);
        }
        let base = self.members.len() as u64;
        for member in &batch.members {
            self.append(member)?;
        }
        let files = batch.found.len() as u64;
        for (at, result) in batch.found {
            match result {
                Ok(mut row) => {
                    row.member += base;
                    self.row(Some(at), &row)?;
                }
                Err(why) => self.account.absent(self.compressor.job, at, why),
            }
        }
        self.compressor.job.progress.advance(files, batch.content);
        Ok(())
    }

    /// Gives links the hash of the file that they name; returns the indices of those whose file is missing or different.
    fn resolve_links(&self, batch: &mut CompressedBatch) -> Vec<usize> {
        let links = &self.compressor.links;
        let mut batch_firsts: HashMap<usize, (Identity, FileEntry)> = HashMap::new();
        let mut broken = Vec::new();
        for (at, result) in &mut batch.found {
            let Ok(row) = result else { continue };
            let id = (row.dev, row.ino);
            if row.link.is_some() && row.kind == FileEntryKind::Hardlink {
                let first = links.get(&id).copied();
                let known = first.and_then(|f| self.stored.get(&f).or_else(|| batch_firsts.get(&f)));
                match known {
                    Some((identity, file)) if *identity == row.identity() => {
                        row.sha256.clone_from(&file.sha256);
                        row.state = file.state;
                        row.fresh = file.fresh;
                    }
                    _ => broken.push(*at),
                }
            } else if links.get(&id) == Some(at) {
                batch_firsts.insert(*at, (row.identity(), row.clone()));
            }
        }
        broken
    }

    fn row(&mut self, at: Option<usize>, row: &FileEntry) -> Result<(), CopyError> {
        self.account.stored(row);
        if let Some(at) = at
            && row.nlink > 1
            && self.compressor.links.get(&(row.dev, row.ino)) == Some(&at)
        {
            self.stored.insert(at, (row.identity(), row.clone()));
        }
        self.list.push(row)
    }

    fn append(&mut self, (packed, plain): &PackedMember) -> Result<(), CopyError> {
        write_draft(&mut self.archive, packed)?;
        self.hash.update(packed);
        self.members.push(MemberPosition(self.at, packed.len() as u64, *plain));
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

    pub(super) fn finish(mut self) -> Result<WrittenCopy, CopyError> {
        self.archive.sync()?;
        let facts = ContentFacts {
            bytes: self.at,
            checksum: hex(&self.hash.finalize()),
            members: self.members,
            tree: None,
        };
        let content = UnpublishedContent::Archive(self.archive);
        let TaskCompressor { job, reader, .. } = self.compressor;
        finish(job, reader, content, facts, self.list, self.account)
    }
}
