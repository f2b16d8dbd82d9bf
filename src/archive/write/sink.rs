//! Writing members in order, and the rows that speak of them.
//!
//! Takes packed work in the archive's order, gives three synced drafts. Knows where everything stands: rows get
//! their member's number here, links are compared here with the file that they name.
//! Invariant: a row is listed only after the bytes that it speaks of are written.

use super::super::error::CopyError;
use super::super::header::TRAILER;
use super::super::intake::Absent;
use super::super::list::{ListDone, ListWriter};
use super::super::manifest::{FORMAT, Incomplete, Manifest, Member, NAMED};
use super::super::row::{Bytes, Row, RowKind, hex};
use super::pack::Packer;
use super::{Packed, Written};
use crate::entry::Identity;
use crate::path::RelPath;
use crate::tree::publish::Draft;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

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
    incomplete: Vec<Incomplete>,
    incomplete_total: u64,
    torn: Vec<RelPath>,
    vanished: u64,
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
            incomplete: Vec::new(),
            incomplete_total: 0,
            torn: Vec::new(),
            vanished: 0,
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
                self.absent(at, why);
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
                Err(why) => self.absent(at, why),
            }
        }
        self.packer.job.watch.advance(files, content);
        Ok(())
    }

    fn row(&mut self, at: Option<usize>, row: &Row) -> Result<(), CopyError> {
        if row.is_torn() && self.torn.len() < 20 {
            self.torn.push(row.path.clone());
        }
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

    fn absent(&mut self, at: usize, why: Absent) {
        let path = self.packer.job.entries.get(at).map(|entry| entry.path.clone());
        match why {
            Absent::Vanished | Absent::Special => self.vanished += 1,
            Absent::Unreadable(why) => self.miss(path, why),
        }
    }

    pub(super) fn miss(&mut self, path: Option<RelPath>, why: String) {
        self.incomplete_total += 1;
        if self.incomplete.len() < NAMED {
            self.incomplete.push(Incomplete { path, why });
        }
    }

    pub(super) fn finish(mut self) -> Result<Written, CopyError> {
        self.archive.sync()?;
        let ListDone {
            draft: list,
            members: list_members,
            size: list_bytes,
            checksum: list_checksum,
            rows,
            files,
            bytes,
            torn,
        } = self.list.finish()?;
        let job = self.packer.job;
        let about = job.about.clone();
        let manifest = Manifest {
            format: FORMAT,
            tool: format!("opsrun {}", env!("CARGO_PKG_VERSION")),
            ops_name: about.ops_name,
            host: about.host,
            backup_id: job.name.backup().to_owned(),
            run: about.run,
            sequence: about.sequence,
            parent: about.parent,
            source_fs_uuid: about.source_fs_uuid,
            encryption: None,
            backup_at: about.backup_at,
            source: Bytes::new(about.source.as_os_str().as_bytes()),
            source_files: about.source_files,
            contents: about.contents,
            archive_name: job.name.archive(),
            archive_bytes: self.at,
            checksum: hex(&self.hash.finalize()),
            list_name: job.name.list(),
            list_bytes,
            list_checksum,
            record_count: rows,
            files,
            bytes,
            torn,
            complete: self.incomplete_total == 0,
            incomplete_total: self.incomplete_total,
            incomplete: self.incomplete,
            suspect: about.suspect,
            members: self.members,
            list_members,
            self_checksum: String::new(),
        };
        let mut manifest_file = Draft::create(job.destination, &job.name.manifest())?;
        let name = manifest_file.temp_name();
        let text = manifest.to_bytes();
        manifest_file
            .file()
            .write_all(&text)
            .map_err(|e| CopyError::io("write", &name, e))?;
        manifest_file.sync()?;
        // With its own checksum filled in.
        let manifest = Manifest::from_bytes(&text, &name)?;
        let mut remarks: Vec<String> = self
            .torn
            .iter()
            .map(|path| format!("`{path}` changed each time it was read: stored, but no proof for a deletion"))
            .collect();
        if torn > self.torn.len() as u64 {
            remarks.push(format!(
                "{} more files changed each time they were read",
                torn - self.torn.len() as u64
            ));
        }
        if self.vanished > 0 {
            remarks.push(format!(
                "{} gone or replaced since the listing",
                crate::units::plural(self.vanished, "entry was", "entries were")
            ));
        }
        Ok(Written {
            name: job.name.clone(),
            destination: job.destination.try_clone()?,
            archive: self.archive,
            list,
            manifest_file,
            manifest,
            remarks,
        })
    }
}
