//! Reading an archive back: every member decoded, every header made again, every content hashed.
//!
//! Takes the open archive and its list, gives nothing but its success. Members are looked through on all threads;
//! what spans them is hashed in order.
//! Invariant: when it succeeds, the archive is byte for byte what list and manifest say.

use super::super::content::ContentHash;
use super::super::error::CopyError;
use super::super::header::{TRAILER, header_bytes, padding};
use super::super::manifest::{Manifest, Member};
use super::super::member::{self, MOST};
use super::super::pipeline;
use super::super::row::{Row, RowKind, hex, parse_hex};
use super::super::write::Watch;
use super::listed::ListReader;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Reads it back. The rows are used up.
pub fn prove(
    archive: &File,
    archive_name: &str,
    rows: &mut ListReader<'_>,
    manifest: &Manifest,
    threads: usize,
    watch: &dyn Watch,
) -> Result<(), CopyError> {
    let mut source = Source {
        archive,
        archive_name,
        manifest,
        rows,
        next: 0,
        carry: 0,
        watch,
    };
    let mut sink = Sink {
        name: archive_name,
        hash: Sha256::new(),
        open: None,
        watch,
    };
    pipeline::run(threads, 4 * threads, || source.next(), look, |looked| sink.take(looked))?;
    if source.carry != 0 || sink.open.is_some() {
        return Err(CopyError::damaged(archive_name, "its last entry is cut"));
    }
    if hex(&sink.hash.finalize()) != manifest.checksum {
        return Err(CopyError::damaged(archive_name, "its checksum does not match"));
    }
    Ok(())
}

/// One member of the archive with the rows that begin in it.
struct Chunk {
    packed: Vec<u8>,
    member: Member,
    /// Bytes at its start that belong to the entry before.
    carry: u64,
    rows: Vec<Row>,
    number: usize,
    trailer: bool,
}

/// A chunk that was looked through.
struct Looked {
    packed: Vec<u8>,
    /// There when an entry reaches beyond the member on either side.
    plain: Vec<u8>,
    carry: u64,
    /// The entry that goes on in the next member, and where its content begins.
    open: Option<(Row, usize)>,
    files: u64,
    bytes: u64,
    wrong: Option<String>,
}

/// Hands out members with their rows, in order.
struct Source<'a, 'l> {
    archive: &'a File,
    archive_name: &'a str,
    manifest: &'a Manifest,
    rows: &'a mut ListReader<'l>,
    next: usize,
    carry: u64,
    watch: &'a dyn Watch,
}

impl Source<'_, '_> {
    fn next(&mut self) -> Result<Option<Chunk>, CopyError> {
        if self.watch.stop() {
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
        let mut packed = vec![0; usize::try_from(member.1).unwrap_or(usize::MAX).min(2 * MOST)];
        self.archive
            .read_exact_at(&mut packed, member.0)
            .map_err(|e| CopyError::io("read", self.archive_name, e))?;
        let mut rows = Vec::new();
        while self.rows.peek()?.is_some_and(|row| row.member == number as u64) {
            rows.extend(self.rows.take());
        }
        let trailer = self.next == self.manifest.members.len();
        let carry = self.carry;
        self.carry = match rows.last() {
            None => carry.saturating_sub(member.2),
            Some(row) => {
                let stored = row.stored();
                let end = row
                    .offset
                    .saturating_add(header_bytes(row).len() as u64)
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

/// Decodes a member and compares everything that lies within it.
fn look(chunk: Chunk) -> Looked {
    let Chunk {
        packed,
        member,
        carry,
        rows,
        number,
        trailer,
    } = chunk;
    let mut looked = Looked {
        packed,
        plain: Vec::new(),
        carry,
        open: None,
        files: rows.len() as u64,
        bytes: 0,
        wrong: None,
    };
    match through(&mut looked, member, rows, trailer) {
        Ok(()) => {}
        Err(what) => looked.wrong = Some(format!("member {number}: {what}")),
    }
    looked
}

fn through(looked: &mut Looked, member: Member, rows: Vec<Row>, trailer: bool) -> Result<(), String> {
    let size = usize::try_from(member.2).unwrap_or(usize::MAX);
    let plain = member::decode(&looked.packed, size).ok_or("it does not decode")?;
    let mut at = usize::try_from(looked.carry).unwrap_or(usize::MAX).min(size);
    if trailer {
        let right = rows.is_empty() && looked.carry == 0 && plain == TRAILER;
        return if right {
            Ok(())
        } else {
            Err("the archive does not end as it should".to_owned())
        };
    }
    for row in rows {
        let wrong = |what: &str| format!("`{}`: {what}", row.path);
        if row.offset != at as u64 {
            return Err(wrong("it is not where the list says"));
        }
        let header = header_bytes(&row);
        let begin = at + header.len();
        if plain.get(at..begin) != Some(&header[..]) {
            return Err(wrong("its header is not what the list says"));
        }
        let stored = row.stored();
        let end = stored
            .checked_add(padding(stored) as u64)
            .and_then(|len| usize::try_from(len).ok())
            .and_then(|len| begin.checked_add(len));
        match end.filter(|end| *end <= size) {
            // It goes on in the next member: the sink hashes it.
            None => {
                looked.open = Some((row, begin));
                at = size;
            }
            Some(end) => {
                let content_end = begin + usize::try_from(stored).unwrap_or(usize::MAX);
                let content = plain.get(begin..content_end).unwrap_or_default();
                if row.kind == RowKind::File {
                    let mut hash = ContentHash::new(&row);
                    let _ = hash.push(content, |_, _| Ok::<(), ()>(()));
                    if row.sha256.as_deref().and_then(parse_hex) != Some(hash.finish()) {
                        return Err(wrong("its content is not what was read from the source"));
                    }
                }
                if plain
                    .get(content_end..end)
                    .is_some_and(|pad| pad.iter().any(|b| *b != 0))
                {
                    return Err(wrong("there is something behind its content"));
                }
                looked.bytes += row.size;
                at = end;
            }
        }
    }
    if at != size {
        return Err("it holds something that the list does not name".to_owned());
    }
    if looked.carry > 0 || looked.open.is_some() {
        looked.plain = plain;
    }
    Ok(())
}

/// Hashes the archive, and the content of entries that span members, in order.
struct Sink<'a> {
    name: &'a str,
    hash: Sha256,
    open: Option<(Row, ContentHash, u64)>,
    watch: &'a dyn Watch,
}

impl Sink<'_> {
    fn take(&mut self, looked: Looked) -> Result<(), CopyError> {
        if let Some(what) = looked.wrong {
            return Err(CopyError::damaged(self.name, what));
        }
        self.hash.update(&looked.packed);
        if looked.carry > 0 {
            let Some((row, mut hash, left)) = self.open.take() else {
                return Err(CopyError::damaged(self.name, "an entry goes on that did not begin"));
            };
            let here = usize::try_from(looked.carry)
                .unwrap_or(usize::MAX)
                .min(looked.plain.len());
            let data = usize::try_from(left).unwrap_or(usize::MAX).min(here);
            let _ = hash.push(looked.plain.get(..data).unwrap_or_default(), |_, _| Ok::<(), ()>(()));
            if looked
                .plain
                .get(data..here)
                .is_some_and(|pad| pad.iter().any(|b| *b != 0))
            {
                return Err(CopyError::damaged(
                    self.name,
                    format!("`{}`: there is something behind its content", row.path),
                ));
            }
            if looked.carry > looked.plain.len() as u64 {
                self.open = Some((row, hash, left - data as u64));
            } else if row.sha256.as_deref().and_then(parse_hex) != Some(hash.finish()) {
                return Err(CopyError::damaged(
                    self.name,
                    format!("`{}`: its content is not what was read from the source", row.path),
                ));
            }
        }
        let mut bytes = looked.bytes;
        if let Some((row, begin)) = looked.open {
            let mut hash = ContentHash::new(&row);
            let stored = row.stored();
            let data = looked.plain.get(begin..).unwrap_or_default();
            let here = usize::try_from(stored).unwrap_or(usize::MAX).min(data.len());
            let _ = hash.push(data.get(..here).unwrap_or_default(), |_, _| Ok::<(), ()>(()));
            bytes += row.size;
            self.open = Some((row, hash, stored - here as u64));
        }
        self.watch.advance(looked.files, bytes);
        Ok(())
    }
}
