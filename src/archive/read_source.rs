//! Reading the source: one entry at a time, and noticing what changes meanwhile.
//!
//! Takes a listed entry and the source's handle, gives what to store, or why it cannot. A file that changes while it is
//! read is read again, three times; then it is stored as read, and marked torn. A file that changed less than a
//! clock granule ago is read once that time has passed.
//! Invariant: a row that is neither torn nor fresh has the hash of exactly the bytes that were passed on, read from a
//! file whose identity was the row's before and after.

use super::file_entry::{Bytes, ContentState, FileEntry, FileEntryKind, Names, hex};
use super::top_directory::TopDirectory;
use crate::entry::{Entry, EntryKind, Identity};
use crate::path::{RelPath, Shown};
use crate::tree::handle::{TreeError, identity_of};
use crate::tree::{Dir, Opener};
use rustix::fs::FileType;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

pub const MAX_REREADS: u32 = 3;

/// Files below this size are read whole; larger files, and files with holes, piece by piece.
pub const SMALL_FILE_SIZE: u64 = 1 << 20;

/// A file with more data segments is stored whole, its holes as zeros.
const MAX_SEGMENTS: usize = 100_000;

const MAX_XATTR_BYTES: usize = 1 << 20;

/// A file listed as small that has grown larger is left to the next run.
const MAX_GROWN_SIZE: u64 = 4 << 20;

/// Why an entry is not in the copy.
#[derive(Debug)]
pub enum ReadFailure {
    Vanished,
    /// It was replaced by something that cannot be stored.
    Special,
    /// It could not be read: the copy is incomplete.
    Unreadable(String),
}

impl From<TreeError> for ReadFailure {
    fn from(e: TreeError) -> Self {
        match e.errno() {
            Some(Errno::NOENT) => Self::Vanished,
            // A symlink or a mount has replaced the listed file or directory.
            Some(Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::NXIO) => Self::Special,
            _ => Self::Unreadable(e.source.to_string()),
        }
    }
}

impl From<io::Error> for ReadFailure {
    fn from(e: io::Error) -> Self {
        Self::Unreadable(e.to_string())
    }
}

/// The shortest time between a change and a read that timestamps can show: two clock granules, at least 20 ms.
pub fn granule() -> Duration {
    let coarse = rustix::time::clock_getres(rustix::time::ClockId::RealtimeCoarse);
    let nanos = u64::try_from(coarse.tv_nsec).unwrap_or(0);
    Duration::from_nanos(2 * nanos).max(Duration::from_millis(20))
}

/// A row with the facts of `entry`; callers fill in content, position and links.
fn row_of(entry: &Entry, kind: FileEntryKind, identity: Identity) -> FileEntry {
    FileEntry {
        path: entry.path.clone(),
        kind,
        size: if kind == FileEntryKind::File { identity.size } else { 0 },
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        names: Names::default(),
        mtime_ns: identity.mtime_ns,
        ctime_ns: identity.ctime_ns,
        dev: identity.dev,
        ino: identity.ino,
        nlink: entry.nlink,
        sha256: None,
        member: 0,
        offset: 0,
        link: None,
        sparse: None,
        holes: None,
        xattrs: BTreeMap::new(),
        state: ContentState::Ok,
        fresh: false,
    }
}

pub fn directory(root: &Dir, entry: &Entry, cross_mounts: bool) -> Result<FileEntry, ReadFailure> {
    let mut row = row_of(entry, FileEntryKind::Dir, entry.identity);
    if let Ok(dir) = root.open_dir(entry.path.as_bytes(), cross_mounts) {
        row.xattrs = xattrs(&dir)?;
    }
    Ok(row)
}

/// The source's own directory.
pub fn top(root: &Dir) -> Result<TopDirectory, TreeError> {
    let stat = rustix::fs::fstat(root).map_err(|e| TreeError::at("read", root.path(), e))?;
    Ok(TopDirectory {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime_ns: identity_of(&stat).mtime_ns,
        names: Names::default(),
        xattrs: xattrs(root).unwrap_or_default(),
    })
}

/// A directory without its extended attributes.
pub fn bare_directory(entry: &Entry) -> FileEntry {
    row_of(entry, FileEntryKind::Dir, entry.identity)
}

pub fn symlink(opener: &mut Opener<'_>, entry: &Entry) -> Result<FileEntry, ReadFailure> {
    let dir = opener.dir(&entry.path)?;
    let target = dir.read_link(entry.path.name()).map_err(|e| match e.errno() {
        Some(Errno::INVAL) => ReadFailure::Special,
        _ => e.into(),
    })?;
    let mut row = row_of(entry, FileEntryKind::Symlink, entry.identity);
    row.link = Some(Bytes::new(&target));
    Ok(row)
}

/// Another name of an inode whose first name is `first`.
pub fn hardlink(opener: &mut Opener<'_>, entry: &Entry, first: &RelPath) -> Result<FileEntry, ReadFailure> {
    let now = opener.dir(&entry.path)?.entry(entry.path.name(), entry.path.clone())?;
    if now.kind != EntryKind::File {
        return Err(ReadFailure::Special);
    }
    let mut row = row_of(&now, FileEntryKind::Hardlink, now.identity);
    row.size = now.identity.size;
    row.link = Some(Bytes::new(first.as_bytes()));
    Ok(row)
}

/// An open regular file with its facts at that time.
pub struct OpenSourceFile {
    pub file: File,
    pub row: FileEntry,
}

/// Opens a file and waits once, briefly, until its last change is a granule ago.
pub fn open(opener: &mut Opener<'_>, entry: &Entry, granule: Duration) -> Result<OpenSourceFile, ReadFailure> {
    let file = opener.file(&entry.path)?;
    let look = |file: &File| -> Result<Entry, ReadFailure> {
        let stat = rustix::fs::fstat(file).map_err(io::Error::from)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(ReadFailure::Special);
        }
        Ok(crate::tree::handle::entry_of(entry.path.clone(), &stat))
    };
    let mut now = look(&file)?;
    let age = |entry: &Entry| crate::clock::nanos(crate::clock::now()) - entry.identity.ctime_ns;
    let least = i128::try_from(granule.as_nanos()).unwrap_or(0);
    let young = age(&now);
    if (0..least).contains(&young) {
        std::thread::sleep(Duration::from_nanos(u64::try_from(least - young).unwrap_or(0)));
        now = look(&file)?;
    }
    let mut row = row_of(&now, FileEntryKind::File, now.identity);
    row.xattrs = xattrs(&file)?;
    // Even after waiting.
    row.fresh = age(&now) < least;
    Ok(OpenSourceFile { file, row })
}

/// True when `entry` must be read piece by piece.
pub fn is_large(entry: &Entry) -> bool {
    let size = entry.identity.size;
    size >= SMALL_FILE_SIZE || (size >= 32 * 1024 && entry.blocks.saturating_mul(512) < size)
}

/// Reads a small file whole.
pub fn small(opener: &mut Opener<'_>, entry: &Entry, granule: Duration) -> Result<(FileEntry, Vec<u8>), ReadFailure> {
    let mut tries = 0;
    loop {
        let OpenSourceFile { file, mut row } = open(opener, entry, granule)?;
        if row.size > MAX_GROWN_SIZE {
            let why = "it grew while the copy was made; the next run will store it";
            return Err(ReadFailure::Unreadable(why.to_owned()));
        }
        let wanted = usize::try_from(row.size).unwrap_or(usize::MAX);
        // One byte more than expected: this shows a growing file.
        let mut data = vec![0; wanted.saturating_add(1)];
        let got = read_full(&file, &mut data, 0)?;
        let calm = got == wanted && unchanged(&file, &row.identity());
        if calm || tries == MAX_REREADS {
            data.truncate(got.min(wanted));
            row.size = data.len() as u64;
            row.sha256 = Some(hex(&Sha256::digest(&data)));
            row.state = if calm { ContentState::Ok } else { ContentState::Torn };
            return Ok((row, data));
        }
        tries += 1;
    }
}

pub fn unchanged(file: &File, identity: &Identity) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| identity_of(&stat) == *identity)
}

/// Reads until the buffer is full or the file ends.
pub fn read_full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Data segments, in order; `None` when there are no holes. The last segment ends where the file ends, and may be empty.
pub fn segments(file: &File, size: u64) -> Option<Vec<(u64, u64)>> {
    use rustix::fs::{SeekFrom, seek};
    let mut found: Vec<(u64, u64)> = Vec::new();
    let mut at = 0;
    while at < size {
        let data = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data.min(size),
            Err(Errno::NXIO) => break,
            Err(_) => return None,
        };
        if data >= size {
            break;
        }
        let hole = seek(file, SeekFrom::Hole(data)).ok()?.min(size);
        if hole <= data || found.len() == MAX_SEGMENTS {
            return None;
        }
        found.push((data, hole - data));
        at = hole;
    }
    if found == [(0, size)] {
        return None;
    }
    if found.last().is_none_or(|(offset, length)| offset + length < size) {
        found.push((size, 0));
    }
    Some(found)
}

pub(super) fn xattrs(file: &impl AsFd) -> Result<BTreeMap<String, Bytes>, ReadFailure> {
    let mut found = BTreeMap::new();
    let mut names = Vec::with_capacity(64 * 1024);
    let Ok(size) = rustix::fs::flistxattr(file, rustix::buffer::spare_capacity(&mut names)) else {
        return Ok(found);
    };
    names.truncate(size);
    let mut sum = 0;
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let mut value = Vec::with_capacity(64 * 1024);
        let key = Shown(name).to_string();
        if let Ok(c_name) = std::ffi::CString::new(name)
            && rustix::fs::fgetxattr(file, &*c_name, rustix::buffer::spare_capacity(&mut value)).is_ok()
            && !key.contains('=')
        {
            sum += value.len();
            found.insert(key, Bytes::new(&value));
        }
    }
    if sum > MAX_XATTR_BYTES {
        let why = "its extended attributes exceed 1 MiB";
        return Err(ReadFailure::Unreadable(why.to_owned()));
    }
    Ok(found)
}
