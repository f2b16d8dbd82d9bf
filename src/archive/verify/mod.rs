//! Reading a copy back whole, and what that proves.
//!
//! Opens the stored bytes anew, decodes every member, makes every header again from its row and compares, hashes
//! every content and compares with the hash taken while the source was read. What it gives, [`Checked`] and after
//! publishing [`Verified`], cannot be made in any other way.
//! Invariant: whoever holds a [`Verified`] holds the open files of a committed copy that was read in this process
//! and found to be, byte for byte, what its list and manifest say.

use super::content::ContentHash;
use super::error::CopyError;
use super::header::{TRAILER, header_bytes, padding};
use super::list::{Rows, read_member};
use super::manifest::{LARGEST, Manifest, Member};
use super::member::{self, MOST};
use super::name::CopyName;
use super::pipeline;
use super::row::{Row, RowKind, hex, parse_hex};
use super::write::{Watch, Written};
use crate::entry::Identity;
use crate::path::RelPath;
use crate::tree::Dir;
use crate::tree::handle::regular;
use crate::tree::publish::clear_debris;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// Three open files of one copy that were read and found right.
#[derive(Debug)]
struct Proven {
    archive: (File, Identity),
    list: (File, Identity),
    manifest_file: (File, Identity),
    manifest: Manifest,
    digests: Vec<[u8; 32]>,
}

/// A copy under temporary names that was read back and found right: may be published.
#[derive(Debug)]
pub struct Checked(Proven);

/// A committed copy that was read back in this process and found right.
#[derive(Debug)]
pub struct Verified {
    name: CopyName,
    destination: Dir,
    list_name: String,
    proven: Proven,
}

impl Verified {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &CopyName {
        &self.name
    }

    /// Its manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.proven.manifest
    }

    /// The destination's path, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        crate::path::shown(self.destination.path()).to_string()
    }

    /// Its rows in path order, read through the held handle; a member that changed since is an error.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(
            &self.proven.list.0,
            &self.list_name,
            &self.proven.manifest,
            Some(&self.proven.digests),
        )
    }

    /// Its names still lead to the files that were proven, unchanged.
    pub fn still_there(&self) -> Result<(), CopyError> {
        for (name, (held, identity)) in [
            (self.name.archive(), &self.proven.archive),
            (self.name.list(), &self.proven.list),
            (self.name.manifest(), &self.proven.manifest_file),
        ] {
            let moved = || CopyError::Moved { file: name.clone() };
            let now = self.destination.open_file(name.as_bytes(), true).map_err(|_| moved())?;
            let same = |file: &File| regular(file).ok().flatten() == Some(*identity);
            if !same(&now) || !same(held) {
                return Err(moved());
            }
        }
        Ok(())
    }
}

/// Reads a written copy back.
pub fn verify(written: &Written, threads: usize, watch: &dyn Watch) -> Result<Checked, CopyError> {
    let files = (
        written.archive.reopen()?,
        written.list.reopen()?,
        written.manifest_file.reopen()?,
    );
    let proven = prove(files, &written.name, threads, watch)?;
    if proven.manifest != written.manifest {
        return Err(CopyError::damaged(
            &written.name.manifest(),
            "it is not what was written",
        ));
    }
    Ok(Checked(proven))
}

/// Gives a copy its final names; the manifest's, given last, is the commit point.
pub fn publish(written: Written, checked: Checked) -> Result<Verified, CopyError> {
    let Written {
        name,
        destination,
        archive,
        list,
        manifest_file,
        ..
    } = written;
    archive.publish()?;
    list.publish()?;
    destination.sync()?;
    let manifest_held = manifest_file.publish()?;
    if let Err(e) = destination.sync() {
        // The commit may or may not be on the disk, and asking again would lie: it is taken back.
        drop(manifest_held);
        let _ = clear_debris(&destination, name.manifest().as_bytes());
        return Err(e.into());
    }
    let mut proven = checked.0;
    for (file, held) in [
        (name.archive(), &mut proven.archive),
        (name.list(), &mut proven.list),
        (name.manifest(), &mut proven.manifest_file),
    ] {
        // Renaming moved the ctime, nothing else.
        let now = regular(&held.0).map_err(|e| CopyError::io("read", &file, e))?;
        let rest = |i: &Identity| (i.dev, i.ino, i.size, i.mtime_ns);
        match now.filter(|now| rest(now) == rest(&held.1)) {
            Some(now) => held.1 = now,
            None => return Err(CopyError::Moved { file }),
        }
    }
    let list_name = name.list();
    let verified = Verified {
        name,
        destination,
        list_name,
        proven,
    };
    verified.still_there()?;
    Ok(verified)
}

/// Reads a committed copy back.
pub fn verify_committed(
    destination: &Dir,
    name: &CopyName,
    threads: usize,
    watch: &dyn Watch,
) -> Result<Verified, CopyError> {
    let open = |file: String| destination.open_file(file.as_bytes(), true);
    let files = (open(name.archive())?, open(name.list())?, open(name.manifest())?);
    // It may have been moved here by hand, or its run may have died at the last sync: what a deletion relies on is
    // made durable first, and read from the disk after that.
    for (file, own) in [
        (&files.0, name.archive()),
        (&files.1, name.list()),
        (&files.2, name.manifest()),
    ] {
        file.sync_all().map_err(|e| CopyError::io("sync", &own, e))?;
        // Advice only: a file system that ignores it still reads back what it has.
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    }
    destination.sync()?;
    let proven = prove(files, name, threads, watch)?;
    Ok(Verified {
        name: name.clone(),
        destination: destination.try_clone()?,
        list_name: name.list(),
        proven,
    })
}

/// Reads a manifest and makes sure that it is the one of `name`.
pub fn read_manifest(file: &File, name: &CopyName) -> Result<Manifest, CopyError> {
    let own = name.manifest();
    let size = regular(file)
        .map_err(|e| CopyError::io("read", &own, e))?
        .ok_or_else(|| CopyError::damaged(&own, "it is no regular file"))?
        .size;
    if size > LARGEST {
        return Err(CopyError::damaged(&own, "it is too large for a manifest"));
    }
    let mut bytes = Vec::new();
    let reader = file;
    reader
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|e| CopyError::io("read", &own, e))?;
    let manifest = Manifest::from_bytes(&bytes, &own)?;
    let named = manifest.archive_name == name.archive()
        && manifest.list_name == name.list()
        && manifest.backup_id == name.backup()
        && manifest.run == name.run();
    if named {
        Ok(manifest)
    } else {
        Err(CopyError::damaged(&own, "it is the manifest of another copy"))
    }
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

fn prove(files: (File, File, File), name: &CopyName, threads: usize, watch: &dyn Watch) -> Result<Proven, CopyError> {
    let (archive, list, manifest_file) = files;
    let (archive_name, list_name) = (name.archive(), name.list());
    let state = |file: &File, name: &str| {
        regular(file)
            .map_err(|e| CopyError::io("read", name, e))?
            .ok_or_else(|| CopyError::damaged(name, "it is no regular file"))
    };
    let manifest_state = state(&manifest_file, &name.manifest())?;
    let manifest = read_manifest(&manifest_file, name)?;
    let (archive_state, list_state) = (state(&archive, &archive_name)?, state(&list, &list_name)?);
    for (file, found, recorded) in [
        (&archive_name, archive_state.size, manifest.archive_bytes),
        (&list_name, list_state.size, manifest.list_bytes),
    ] {
        if found != recorded {
            return Err(CopyError::damaged(
                file,
                format!("it has {found} bytes, {recorded} were written"),
            ));
        }
    }

    let mut source = Source {
        archive: &archive,
        archive_name: &archive_name,
        manifest: &manifest,
        rows: ListReader::new(&list, &list_name, &manifest),
        next: 0,
        carry: 0,
        watch,
    };
    let mut sink = Sink {
        name: &archive_name,
        hash: Sha256::new(),
        open: None,
        watch,
    };
    pipeline::run(threads, 4 * threads, || source.next(), look, |looked| sink.take(looked))?;
    let digests = source.rows.finish()?;
    if source.carry != 0 || sink.open.is_some() {
        return Err(CopyError::damaged(&archive_name, "its last entry is cut"));
    }
    if hex(&sink.hash.finalize()) != manifest.checksum {
        return Err(CopyError::damaged(&archive_name, "its checksum does not match"));
    }
    for (file, name, before) in [
        (&archive, &archive_name, archive_state),
        (&list, &list_name, list_state),
        (&manifest_file, &name.manifest(), manifest_state),
    ] {
        if state(file, name)? != before {
            return Err(CopyError::damaged(name, "it changed while it was read"));
        }
    }
    Ok(Proven {
        archive: (archive, archive_state),
        list: (list, list_state),
        manifest_file: (manifest_file, manifest_state),
        manifest,
        digests,
    })
}

/// Hands out members with their rows, in order.
struct Source<'a> {
    archive: &'a File,
    archive_name: &'a str,
    manifest: &'a Manifest,
    rows: ListReader<'a>,
    next: usize,
    carry: u64,
    watch: &'a dyn Watch,
}

impl Source<'_> {
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

/// Reads the list in order, and checks all that can be told from it alone.
struct ListReader<'a> {
    file: &'a File,
    name: &'a str,
    manifest: &'a Manifest,
    next: usize,
    rows: std::iter::Peekable<std::vec::IntoIter<Row>>,
    hash: Sha256,
    digests: Vec<[u8; 32]>,
    last: Option<RelPath>,
    count: u64,
    bytes: u64,
    torn: u64,
    /// Files with several names, for the links that may follow.
    linked: HashMap<RelPath, (Identity, Option<String>)>,
}

impl<'a> ListReader<'a> {
    fn new(file: &'a File, name: &'a str, manifest: &'a Manifest) -> Self {
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

    fn peek(&mut self) -> Result<Option<&Row>, CopyError> {
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
                    "a member does not begin where the manifest says",
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

    fn take(&mut self) -> Option<Row> {
        self.rows.next()
    }

    fn check(&mut self, row: &Row) -> Result<(), &'static str> {
        if self.last.as_ref().is_some_and(|last| *last >= row.path) {
            return Err("it is out of order, or named twice");
        }
        self.last = Some(row.path.clone());
        self.count += 1;
        self.bytes = self.bytes.saturating_add(row.size);
        self.torn += u64::from(row.is_torn());
        let has_hash = row.sha256.as_deref().and_then(parse_hex).is_some();
        let fine = match row.kind {
            RowKind::File => has_hash && row.link.is_none() && ContentHash::plausible(row),
            RowKind::Hardlink => has_hash && row.link.is_some() && row.sparse.is_none(),
            RowKind::Symlink => row.link.is_some() && row.size == 0 && row.sparse.is_none(),
            RowKind::Dir => row.link.is_none() && row.size == 0 && row.sparse.is_none(),
        };
        if !fine {
            return Err("it contradicts itself");
        }
        match row.kind {
            RowKind::File if row.nlink > 1 => {
                self.linked
                    .insert(row.path.clone(), (row.identity(), row.sha256.clone()));
            }
            RowKind::Hardlink => {
                let target = super::header::link_path(row).ok_or("its link leads nowhere")?;
                let known = self.linked.get(&target).ok_or("it is a link to no file before it")?;
                if *known != (row.identity(), row.sha256.clone()) {
                    return Err("it is a link to a file in another state");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<[u8; 32]>, CopyError> {
        let damaged = |what: &str| Err(CopyError::damaged(self.name, what));
        if hex(&self.hash.clone().finalize()) != self.manifest.list_checksum {
            return damaged("its checksum does not match");
        }
        if (self.count, self.bytes, self.torn) != (self.manifest.record_count, self.manifest.bytes, self.manifest.torn)
        {
            return damaged("it does not hold what the manifest says");
        }
        Ok(std::mem::take(&mut self.digests))
    }
}
