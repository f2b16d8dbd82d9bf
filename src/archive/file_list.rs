//! The file list: one JSON line per entry, in path order, in gzip members.
//!
//! [`ListWriter`] groups lines into members; [`FileEntries`] reads them back one member at a time; [`find`] reads only
//! the members that can hold given paths.
//! Invariant: a member never splits a line.

use super::error::{CopyError, write_draft};
use super::file_entry::{FileEntry, FileEntryKind};
use super::gzip_member::{self, MEMBER_SIZE};
use super::manifest::{ListMember, Manifest};
use crate::path::RelPath;
use crate::tree::publish::Draft;
use crate::units::show_size;
use sha2::{Digest, Sha256};
use std::borrow::Borrow;
use std::fs::File;

/// The list is small, and finding a path decodes a whole member.
const COMPRESSION_LEVEL: u8 = 4;

pub struct ListWriter {
    pub draft: Draft,
    text: Vec<u8>,
    first: Option<RelPath>,
    pub members: Vec<ListMember>,
    /// Bytes written.
    pub size: u64,
    pub hash: Sha256,
    pub rows: u64,
    /// Rows that are not directories.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
    pub torn: u64,
}

impl ListWriter {
    pub fn new(draft: Draft) -> Self {
        Self {
            draft,
            text: Vec::with_capacity(MEMBER_SIZE + 4096),
            first: None,
            members: Vec::new(),
            size: 0,
            hash: Sha256::new(),
            rows: 0,
            files: 0,
            bytes: 0,
            torn: 0,
        }
    }

    pub fn push(&mut self, row: &FileEntry) -> Result<(), CopyError> {
        self.first.get_or_insert_with(|| row.path.clone());
        serde_json::to_writer(&mut self.text, row).map_err(|e| CopyError::io("write", self.draft.name(), e.into()))?;
        self.text.push(b'\n');
        self.rows += 1;
        self.files += u64::from(row.kind != FileEntryKind::Dir);
        self.bytes = self.bytes.saturating_add(row.size);
        self.torn += u64::from(row.is_torn());
        if self.text.len() >= MEMBER_SIZE {
            self.cut()
        } else {
            Ok(())
        }
    }

    fn cut(&mut self) -> Result<(), CopyError> {
        let Some(first) = self.first.take() else {
            return Ok(());
        };
        let packed = gzip_member::encode(&self.text, COMPRESSION_LEVEL);
        write_draft(&mut self.draft, &packed)?;
        self.hash.update(&packed);
        let (length, plain) = (packed.len() as u64, self.text.len() as u64);
        self.members.push(ListMember(self.size, length, plain, first));
        self.size += length;
        self.text.clear();
        Ok(())
    }

    /// Writes what is left and makes it durable.
    pub fn finish(&mut self) -> Result<(), CopyError> {
        self.cut()?;
        Ok(self.draft.sync()?)
    }
}

/// Smaller lists may unpack to anything.
const SMALL: u64 = 64 << 20;

/// No list is so much longer than it is packed: every row has a hash or a name of its own.
const MAX_RATIO: u64 = 250;

/// The shortest row, in bytes.
const MIN_ROW: u64 = 64;

/// Refuses a list that would unpack to far more than a list can, or have fewer bytes than its entries need.
pub fn plausible(manifest: &Manifest) -> Result<(), CopyError> {
    let plain = manifest
        .list_members
        .iter()
        .fold(0_u64, |sum, member| sum.saturating_add(member.2));
    if plain > SMALL && plain / MAX_RATIO > manifest.list_bytes {
        let (plain, packed) = (show_size(plain), show_size(manifest.list_bytes));
        let what = format!("it would unpack from {packed} to {plain}, as no file list does");
        return Err(CopyError::damaged(&manifest.list_name, what));
    }
    if manifest.record_count > plain / MIN_ROW {
        let what = "it is too short for as many entries as the manifest says";
        return Err(CopyError::damaged(&manifest.list_name, what));
    }
    Ok(())
}

pub fn read_member(file: &File, name: &str, member: &ListMember) -> Result<(Vec<u8>, Vec<FileEntry>), CopyError> {
    let packed = gzip_member::read(file, member.0, member.1).map_err(|e| CopyError::io("read", name, e))?;
    let damaged = |what: String| CopyError::damaged(name, what);
    let plain = gzip_member::decode(&packed, member.2)
        .ok_or_else(|| damaged(format!("the member at byte {} cannot be decoded", member.0)))?;
    let lines = plain.strip_suffix(b"\n");
    let lines = lines.ok_or_else(|| damaged("its last line is incomplete".to_owned()))?;
    let rows: Result<Vec<FileEntry>, _> = lines.split(|b| *b == b'\n').map(serde_json::from_slice).collect();
    let rows = rows.map_err(|e| damaged(format!("a line is not a valid entry ({e})")))?;
    if let Some(row) = rows.iter().find(|row| row.holes.is_some()) {
        return Err(CopyError::newer(
            name,
            format!("`{}` has a hole map of its own", row.path),
        ));
    }
    Ok((packed, rows))
}

/// The rows of a list, one member at a time. With `digests`, each member must have the given hash: a change after the
/// proof is an error.
pub struct FileEntries<'a, F> {
    file: F,
    name: String,
    members: &'a [ListMember],
    digests: Option<&'a [[u8; 32]]>,
    next: usize,
    pending: std::vec::IntoIter<FileEntry>,
    failed: bool,
}

impl<'a, F: Borrow<File>> FileEntries<'a, F> {
    pub fn new(file: F, name: String, manifest: &'a Manifest, digests: Option<&'a [[u8; 32]]>) -> Self {
        Self {
            file,
            name,
            members: &manifest.list_members,
            digests,
            next: 0,
            pending: Vec::new().into_iter(),
            failed: false,
        }
    }
}

impl<F: Borrow<File>> Iterator for FileEntries<'_, F> {
    type Item = Result<FileEntry, CopyError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.pending.next() {
                return Some(Ok(row));
            }
            let member = self.members.get(self.next)?;
            if self.failed {
                return None;
            }
            let read = read_member(self.file.borrow(), &self.name, member).and_then(|(packed, rows)| {
                let known = self.digests.map(|all| all.get(self.next));
                match known {
                    Some(known) if known != Some(&Sha256::digest(&packed).into()) => {
                        Err(CopyError::damaged(&self.name, "it changed after it was proven"))
                    }
                    _ => Ok(rows),
                }
            });
            match read {
                Ok(rows) => self.pending = rows.into_iter(),
                Err(e) => {
                    self.failed = true;
                    return Some(Err(e));
                }
            }
            self.next += 1;
        }
    }
}

/// The rows of `paths` (in path order), reading only the members that can hold them.
pub fn find(file: &File, name: &str, manifest: &Manifest, paths: &[&RelPath]) -> Result<Vec<FileEntry>, CopyError> {
    let mut found = Vec::new();
    let mut left = paths;
    for (at, member) in manifest.list_members.iter().enumerate() {
        let before = manifest.list_members.get(at + 1).map(|next| &next.3);
        let skip = left.partition_point(|path| **path < member.3);
        left = left.get(skip..).unwrap_or_default();
        let take = before.map_or(left.len(), |next| left.partition_point(|path| *path < next));
        let (here, rest) = left.split_at(take);
        left = rest;
        if here.is_empty() {
            continue;
        }
        let (_, rows) = read_member(file, name, member)?;
        found.extend(rows.into_iter().filter(|row| here.binary_search(&&row.path).is_ok()));
    }
    Ok(found)
}
