//! [`ListReader`]: reads a file list in order, with all checks that need only the list.
//!
//! Takes the open list and the manifest, gives one row after the other. Knows nothing about the content.
//! Invariant: rows come in path order, each path once; the fields of a row do not contradict each other; links lead to
//! earlier files in the same state.

use super::super::content::ContentHash;
use super::super::error::CopyError;
use super::super::file_entry::{FileEntry, FileEntryKind, hex};
use super::super::file_list::read_member;
use super::super::header::link_path;
use super::super::manifest::Manifest;
use crate::entry::Identity;
use crate::path::RelPath;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;

pub struct ListReader<'a> {
    file: &'a File,
    name: &'a str,
    manifest: &'a Manifest,
    next: usize,
    rows: std::iter::Peekable<std::vec::IntoIter<FileEntry>>,
    hash: Sha256,
    digests: Vec<[u8; 32]>,
    last: Option<RelPath>,
    count: u64,
    bytes: u64,
    torn: u64,
    /// Files with several names, for later links: hashes of the path, and of the state and the content. A million of them
    /// in full would need too much memory.
    linked: HashMap<[u8; 16], [u8; 16]>,
}

impl<'a> ListReader<'a> {
    pub fn new(file: &'a File, name: &'a str, manifest: &'a Manifest) -> Self {
        Self {
            file,
            name,
            manifest,
            next: 0,
            rows: Vec::new().into_iter().peekable(),
            hash: Sha256::new(),
            digests: Vec::new(),
            last: None,
            count: 0,
            bytes: 0,
            torn: 0,
            linked: HashMap::new(),
        }
    }

    /// The next row, if there is one.
    pub fn peek(&mut self) -> Result<Option<&FileEntry>, CopyError> {
        while self.rows.peek().is_none() {
            let Some(member) = self.manifest.list_members.get(self.next) else {
                return Ok(None);
            };
            let (packed, rows) = read_member(self.file, self.name, member)?;
            self.hash.update(&packed);
            self.digests.push(Sha256::digest(&packed).into());
            if rows.first().map(|row| &row.path) != Some(&member.3) {
                return Err(CopyError::damaged(
                    self.name,
                    "a member does not begin with the path in the manifest",
                ));
            }
            for row in &rows {
                self.check(row)
                    .map_err(|what| CopyError::damaged(self.name, format!("`{}`: {what}", row.path)))?;
            }
            self.next += 1;
            self.rows = rows.into_iter().peekable();
        }
        Ok(self.rows.peek())
    }

    /// Takes the row that was peeked at.
    pub fn take(&mut self) -> Option<FileEntry> {
        self.rows.next()
    }

    fn check(&mut self, row: &FileEntry) -> Result<(), &'static str> {
        if self.last.as_ref().is_some_and(|last| *last >= row.path) {
            return Err("it is out of order, or listed twice");
        }
        self.last = Some(row.path.clone());
        self.count += 1;
        self.bytes = self.bytes.saturating_add(row.size);
        self.torn += u64::from(row.is_torn());
        let has_hash = row.hash().is_some();
        let fine = match row.kind {
            FileEntryKind::File => has_hash && row.link.is_none() && ContentHash::plausible(row),
            FileEntryKind::Hardlink => has_hash && row.link.is_some() && row.sparse.is_none(),
            FileEntryKind::Symlink => row.link.is_some() && row.size == 0 && row.sparse.is_none(),
            FileEntryKind::Dir => row.link.is_none() && row.size == 0 && row.sparse.is_none(),
        };
        if !fine {
            return Err("its fields contradict each other");
        }
        match row.kind {
            FileEntryKind::File if row.nlink > 1 => {
                self.linked.insert(short_hash(row.path.as_bytes()), state_hash(row));
            }
            FileEntryKind::Hardlink => {
                let target = link_path(row).ok_or("its link target is not valid")?;
                let known = self
                    .linked
                    .get(&short_hash(target.as_bytes()))
                    .ok_or("its link target is not an earlier file")?;
                if *known != state_hash(row) {
                    return Err("its link target was recorded in another state");
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks that the list is complete and matches the manifest. Gives the SHA-256 of each member.
    pub fn finish(&mut self) -> Result<Vec<[u8; 32]>, CopyError> {
        let damaged = |what: &str| Err(CopyError::damaged(self.name, what));
        if hex(&self.hash.clone().finalize()) != self.manifest.list_checksum {
            return damaged("its checksum does not match the manifest");
        }
        if (self.count, self.bytes, self.torn) != (self.manifest.record_count, self.manifest.bytes, self.manifest.torn)
        {
            return damaged("its totals differ from the manifest");
        }
        Ok(std::mem::take(&mut self.digests))
    }
}

fn short_hash(bytes: &[u8]) -> [u8; 16] {
    let full: [u8; 32] = Sha256::digest(bytes).into();
    *full.first_chunk().unwrap_or(&[0; 16])
}

/// Of everything in which two names of one file agree.
fn state_hash(row: &FileEntry) -> [u8; 16] {
    let Identity {
        dev,
        ino,
        size,
        mtime_ns,
        ctime_ns,
    } = row.identity();
    let text = format!("{dev} {ino} {size} {mtime_ns} {ctime_ns} {:?}", row.sha256);
    short_hash(text.as_bytes())
}
