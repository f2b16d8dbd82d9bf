//! Reading an archive back: every member is decoded, every header made again, every content hashed.
//!
//! Takes the open archive and its list, gives only success or an error. All threads inspect members; content that
//! spans members is hashed in order.
//! Invariant: on success, the archive is byte for byte what list and manifest say.

use super::super::content::ContentHash;
use super::super::error::CopyError;
use super::super::file_entry::{FileEntry, FileEntryKind, hex};
use super::super::gzip_member;
use super::super::header::{BLOCK, TRAILER, header_bytes, padding};
use super::super::manifest::{Manifest, MemberPosition};
use super::super::pipeline;
use super::super::progress::CopyProgress;
use super::list_reader::ListReader;
use sha2::{Digest, Sha256};
use std::fs::File;

/// Reads the archive back and consumes the rows.
pub fn prove(
    archive: &File,
    archive_name: &str,
    rows: &mut ListReader<'_>,
    manifest: &Manifest,
    threads: usize,
    progress: &dyn CopyProgress,
) -> Result<(), CopyError> {
    let mut source = MemberSource {
        archive,
        archive_name,
        manifest,
        rows,
        next: 0,
        carry: 0,
        progress,
    };
    let mut sink = ContentChecker {
        name: archive_name,
        hash: Sha256::new(),
        open: None,
        progress,
    };
    pipeline::run(
        threads,
        4 * threads,
        || source.next(),
        |chunk| look(chunk, manifest.format.0, progress),
        |inspected| sink.take(inspected),
    )?;
    if source.carry != 0 || sink.open.is_some() {
        return Err(CopyError::damaged(archive_name, "its last entry is incomplete"));
    }
    if hex(&sink.hash.finalize()) != manifest.checksum {
        return Err(CopyError::damaged(
            archive_name,
            "its checksum does not match the manifest",
        ));
    }
    Ok(())
}

/// One member of the archive with the rows that begin in it.
struct Chunk {
    packed: Vec<u8>,
    member: MemberPosition,
    /// Bytes at its start that belong to the previous entry.
    carry: u64,
    rows: Vec<FileEntry>,
    number: usize,
    trailer: bool,
}

struct InspectedChunk {
    packed: Vec<u8>,
    /// Empty unless an entry reaches beyond the member on either side.
    plain: Vec<u8>,
    carry: u64,
    /// The entry that continues in the next member, and where its content begins.
    open: Option<(FileEntry, usize)>,
    files: u64,
    bytes: u64,
    wrong: Option<String>,
}

/// Gives out members with their rows, in order.
struct MemberSource<'a, 'l> {
    archive: &'a File,
    archive_name: &'a str,
    manifest: &'a Manifest,
    rows: &'a mut ListReader<'l>,
    next: usize,
    carry: u64,
    progress: &'a dyn CopyProgress,
}

impl MemberSource<'_, '_> {
    fn next(&mut self) -> Result<Option<Chunk>, CopyError> {
        if self.progress.stop() {
            return Err(CopyError::Stopped);
        }
        let Some(member) = self.manifest.members.get(self.next).copied() else {
            return match self.rows.peek()? {
                None => Ok(None),
                Some(row) => Err(CopyError::damaged(
                    self.archive_name,
                    format!("it ends before `{}`", row.path),
                )),
            };
        };
        let number = self.next;
        self.next += 1;
        let packed = gzip_member::read(self.archive, member.0, member.1);
        let packed = packed.map_err(|e| CopyError::io("read", self.archive_name, e))?;
        let mut rows = Vec::new();
        // Each has a header of its own.
        let most = member.2 / BLOCK as u64;
        while self.rows.peek()?.is_some_and(|row| row.member == number as u64) {
            rows.extend(self.rows.take());
            if rows.len() as u64 > most {
                let what = format!("member {number} cannot contain as many entries as are in the list");
                return Err(CopyError::damaged(self.archive_name, what));
            }
        }
        let trailer = self.next == self.manifest.members.len();
        let carry = self.carry;
        self.carry = match rows.last() {
            None => carry.saturating_sub(member.2),
            Some(row) => {
                let stored = row.stored();
                let end = row
                    .offset
                    .saturating_add(header_bytes(row, self.manifest.format.0).len() as u64)
                    .saturating_add(stored)
                    .saturating_add(padding(stored) as u64);
                end.saturating_sub(member.2)
            }
        };
        Ok(Some(Chunk {
            packed,
            member,
            carry,
            rows,
            number,
            trailer,
        }))
    }
}

/// Decodes a member and compares everything within it.
fn look(chunk: Chunk, format: u32, progress: &dyn CopyProgress) -> InspectedChunk {
    let Chunk {
        packed,
        member,
        carry,
        rows,
        number,
        trailer,
    } = chunk;
    let mut inspected = InspectedChunk {
        packed,
        plain: Vec::new(),
        carry,
        open: None,
        files: rows.len() as u64,
        bytes: 0,
        wrong: None,
    };
    match through(&mut inspected, member, rows, trailer, (format, progress)) {
        Ok(()) => {}
        Err(what) => inspected.wrong = Some(format!("member {number}: {what}")),
    }
    inspected
}

fn through(
    inspected: &mut InspectedChunk,
    member: MemberPosition,
    rows: Vec<FileEntry>,
    trailer: bool,
    (format, progress): (u32, &dyn CopyProgress),
) -> Result<(), String> {
    let plain = gzip_member::decode(&inspected.packed, member.2).ok_or("it cannot be decoded")?;
    let size = plain.len();
    let mut at = usize::try_from(inspected.carry).unwrap_or(usize::MAX).min(size);
    if trailer {
        let right = rows.is_empty() && inspected.carry == 0 && plain == TRAILER;
        return if right {
            Ok(())
        } else {
            Err("it is not a valid end of the archive".to_owned())
        };
    }
    for row in rows {
        let wrong = |what: &str| format!("`{}`: {what}", row.path);
        if row.offset != at as u64 {
            return Err(wrong("its position differs from the list"));
        }
        let header = header_bytes(&row, format);
        let begin = at + header.len();
        if plain.get(at..begin) != Some(&header[..]) {
            return Err(wrong("its header differs from the list"));
        }
        let stored = row.stored();
        let end = stored
            .checked_add(padding(stored) as u64)
            .and_then(|len| usize::try_from(len).ok())
            .and_then(|len| begin.checked_add(len));
        match end.filter(|end| *end <= size) {
            // It continues in the next member: the sink hashes it.
            None => {
                inspected.open = Some((row, begin));
                at = size;
            }
            Some(end) => {
                let content_end = begin + usize::try_from(stored).unwrap_or(usize::MAX);
                let content = plain.get(begin..content_end).unwrap_or_default();
                if row.kind == FileEntryKind::File {
                    let mut hash = ContentHash::new(&row, progress);
                    let _ = hash.push(content, |_, _| Ok::<(), ()>(()));
                    let hash = hash.finish();
                    if hash.is_none() || row.hash() != hash {
                        return Err(wrong("its content differs from what was read from the source"));
                    }
                }
                if plain
                    .get(content_end..end)
                    .is_some_and(|pad| pad.iter().any(|b| *b != 0))
                {
                    return Err(wrong("its padding is not zero"));
                }
                inspected.bytes = inspected.bytes.saturating_add(row.size);
                at = end;
            }
        }
    }
    if at != size {
        return Err("it contains something that is not in the list".to_owned());
    }
    if inspected.carry > 0 || inspected.open.is_some() {
        inspected.plain = plain;
    }
    Ok(())
}

/// Hashes the archive, and the content of entries that span members, in order.
struct ContentChecker<'a> {
    name: &'a str,
    hash: Sha256,
    open: Option<(FileEntry, ContentHash<'a>, u64)>,
    progress: &'a dyn CopyProgress,
}

impl ContentChecker<'_> {
    fn take(&mut self, inspected: InspectedChunk) -> Result<(), CopyError> {
        if let Some(what) = inspected.wrong {
            // Content that was hashed in part only differs too.
            return Err(if self.progress.stop() {
                CopyError::Stopped
            } else {
                CopyError::damaged(self.name, what)
            });
        }
        self.hash.update(&inspected.packed);
        if inspected.carry > 0 {
            let Some((row, mut hash, left)) = self.open.take() else {
                return Err(CopyError::damaged(self.name, "an entry continues that did not begin"));
            };
            let here = usize::try_from(inspected.carry)
                .unwrap_or(usize::MAX)
                .min(inspected.plain.len());
            let data = usize::try_from(left).unwrap_or(usize::MAX).min(here);
            let _ = hash.push(inspected.plain.get(..data).unwrap_or_default(), |_, _| Ok::<(), ()>(()));
            if inspected
                .plain
                .get(data..here)
                .is_some_and(|pad| pad.iter().any(|b| *b != 0))
            {
                return Err(CopyError::damaged(
                    self.name,
                    format!("`{}`: its padding is not zero", row.path),
                ));
            }
            if inspected.carry > inspected.plain.len() as u64 {
                self.open = Some((row, hash, left - data as u64));
            } else if row.hash() != Some(hash.finish().ok_or(CopyError::Stopped)?) {
                return Err(CopyError::damaged(
                    self.name,
                    format!("`{}`: its content differs from what was read from the source", row.path),
                ));
            }
        }
        let mut bytes = inspected.bytes;
        if let Some((row, begin)) = inspected.open {
            let mut hash = ContentHash::new(&row, self.progress);
            let stored = row.stored();
            let data = inspected.plain.get(begin..).unwrap_or_default();
            let here = usize::try_from(stored).unwrap_or(usize::MAX).min(data.len());
            let _ = hash.push(data.get(..here).unwrap_or_default(), |_, _| Ok::<(), ()>(()));
            bytes = bytes.saturating_add(row.size);
            self.open = Some((row, hash, stored - here as u64));
        }
        self.progress.advance(inspected.files, bytes);
        Ok(())
    }
}
