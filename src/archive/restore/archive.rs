//! Reading content from an archive: found by member and offset, decoded and hashed.
//!
//! Takes a row of the list, writes its content to an unnamed file. Knows nothing about targets.
//! Invariant: succeeds only when the content has the hash that the list names.

use super::super::content::ContentHash;
use super::super::file_entry::{FileEntry, parse_hex};
use super::super::gzip_member::{self, MAX_MEMBER_SIZE};
use super::super::header::header_bytes;
use super::super::manifest::Manifest;
use crate::error_chain::error_chain;
use crate::tree::place::Unnamed;
use std::fs::File;
use std::os::unix::fs::FileExt;

pub struct ArchiveReader<'a> {
    pub archive: File,
    pub name: String,
    pub manifest: &'a Manifest,
}

impl ArchiveReader<'_> {
    /// True when the row's content may reach beyond its first member.
    pub fn spans(&self, row: &FileEntry) -> bool {
        let size = usize::try_from(row.member)
            .ok()
            .and_then(|at| self.manifest.members.get(at))
            .map_or(0, |m| m.2);
        row.offset.saturating_add(row.stored()).saturating_add(1024) > size && row.stored() > 0
            || row.offset.saturating_add(row.stored()) > size
    }

    pub fn member(&self, number: u64) -> Result<Vec<u8>, String> {
        let at = usize::try_from(number).map_err(|e| e.to_string())?;
        let member = self
            .manifest
            .members
            .get(at)
            .ok_or("the list names a member that is not in the archive")?;
        let mut packed = vec![0; usize::try_from(member.1).unwrap_or(usize::MAX).min(2 * MAX_MEMBER_SIZE)];
        self.archive
            .read_exact_at(&mut packed, member.0)
            .map_err(|e| format!("cannot read `{}`: {e}", self.name))?;
        usize::try_from(member.2)
            .ok()
            .and_then(|size| gzip_member::decode(&packed, size))
            .ok_or_else(|| format!("`{}` is damaged: member {number} cannot be decoded", self.name))
    }

    /// Writes the content of `row` to `out`; `first` is its first member, decoded.
    pub fn content(&self, row: &FileEntry, first: &[u8], out: &Unnamed) -> Result<(), String> {
        if !ContentHash::plausible(row) {
            return Err("its data segments in the list are invalid".to_owned());
        }
        let mut hash = ContentHash::new(row);
        let put = |at: u64, bytes: &[u8]| out.file.write_all_at(bytes, at).map_err(|e| e.to_string());
        let header = header_bytes(row);
        let begin = usize::try_from(row.offset)
            .ok()
            .and_then(|o| o.checked_add(header.len()));
        let begin = begin
            .filter(|b| *b <= first.len())
            .ok_or("its position in the list is not in the archive")?;
        let at = begin - header.len();
        if first.get(at..begin) != Some(&header[..]) {
            return Err("its header in the archive differs from the list".to_owned());
        }
        let mut left = row.stored();
        let mut number = row.member;
        let mut data = first.get(begin..).unwrap_or_default();
        let mut owned;
        loop {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
            hash.push(data.get(..take).unwrap_or_default(), put)?;
            left -= take as u64;
            if left == 0 {
                break;
            }
            number += 1;
            owned = self.member(number)?;
            data = &owned;
        }
        if row.sparse.is_some() {
            out.set_len(row.size).map_err(|e| error_chain(&e))?;
        }
        if row.sha256.as_deref().and_then(parse_hex) == Some(hash.finish()) {
            Ok(())
        } else {
            Err("its content in the archive differs from what was read from the source".to_owned())
        }
    }
}
