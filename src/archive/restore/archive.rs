//! Reading content from an archive: found by member and offset, decoded and hashed.
//!
//! Takes a row of the list, writes its content to an unnamed file and gives its hash. Knows nothing about targets.

use super::super::content::ContentHash;
use super::super::file_entry::FileEntry;
use super::super::gzip_member;
use super::super::header::header_bytes;
use super::super::manifest::Manifest;
use super::super::progress::CopyProgress;
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
        let at = usize::try_from(row.member).ok();
        let size = at.and_then(|at| self.manifest.members.get(at)).map_or(0, |m| m.2);
        let end = row.offset.saturating_add(row.stored());
        end.saturating_add(1024) > size && row.stored() > 0 || end > size
    }

    pub fn member(&self, number: u64) -> Result<Vec<u8>, String> {
        let at = usize::try_from(number).map_err(|e| e.to_string())?;
        let member = self.manifest.members.get(at);
        let member = member.ok_or("the list names a member that is not in the archive")?;
        let packed = gzip_member::read(&self.archive, member.0, member.1);
        let packed = packed.map_err(|e| format!("cannot read `{}`: {e}", self.name))?;
        gzip_member::decode(&packed, member.2)
            .ok_or_else(|| format!("`{}` is damaged: member {number} cannot be decoded", self.name))
    }

    /// Writes the content of `row` to `out`, and gives its hash; `first` is its first member, decoded. `None` when it was
    /// asked to stop.
    pub fn content(
        &self,
        row: &FileEntry,
        first: &[u8],
        out: &Unnamed,
        progress: &dyn CopyProgress,
    ) -> Result<Option<[u8; 32]>, String> {
        let mut hash = ContentHash::new(row, progress);
        let put = |at: u64, bytes: &[u8]| out.file.write_all_at(bytes, at).map_err(|e| e.to_string());
        let header = header_bytes(row, self.manifest.format.0);
        let at = usize::try_from(row.offset).unwrap_or(usize::MAX);
        let begin = at.checked_add(header.len()).filter(|begin| *begin <= first.len());
        let begin = begin.ok_or("its position in the list is not in the archive")?;
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
            if progress.stop() {
                return Ok(None);
            }
            number += 1;
            owned = self.member(number)?;
            data = &owned;
        }
        Ok(hash.finish())
    }
}
