//! Reading the source: one entry at a time, told from what changes while it is read.
//!
//! Takes a listed entry and the source's handle, gives what to store or why not. A file that changes while it is
//! read is read again, three times; then it is stored as it came, and marked torn. A file that changed less than
//! a clock granule before it was read is read once that time has passed.
//! Invariant: a row that is neither torn nor fresh carries the hash of exactly the bytes that were handed on, read
//! from a file whose identity was the row's before and after.

use super::row::{Bytes, Row, RowKind, RowState, hex};
use crate::entry::{Entry, Identity, Kind};
use crate::path::Shown;
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

/// How often a file that changes is read again.
pub const AGAIN: u32 = 3;

/// Files below this size are read whole; larger ones, and those with holes, piece by piece.
pub const SMALL: u64 = 1 << 20;

/// The most stretches of data that are listed; a file with more is stored whole, its holes as zeros.
const MOST_SEGMENTS: usize = 100_000;

/// The most bytes of extended attributes that an entry may have.
const XATTRS: usize = 1 << 20;

/// A file listed as small that has grown beyond this is left to the next run.
const GROWN: u64 = 4 << 20;

/// Why an entry is not in the copy.
#[derive(Debug)]
pub enum Absent {
    Vanished,
    /// It is something else now, that cannot be stored.
    Special,
    /// It could not be read: the copy is incomplete.
    Unreadable(String),
}

impl From<TreeError> for Absent {
    fn from(e: TreeError) -> Self {
        match e.errno() {
            Some(Errno::NOENT) => Self::Vanished,
            // A symlink or another mount stands where a file or directory was listed.
            Some(Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::NXIO) => Self::Special,
            _ => Self::Unreadable(e.source.to_string()),
        }
    }
}

impl From<io::Error> for Absent {
    fn from(e: io::Error) -> Self {
        Self::Unreadable(e.to_string())
    }
}

/// The shortest time between a change and a reading that can be told apart: two clock granules, at least 20 ms.
#[must_use]
pub fn granule() -> Duration {
    let coarse = rustix::time::clock_getres(rustix::time::ClockId::RealtimeCoarse);
    let nanos = u64::try_from(coarse.tv_nsec).unwrap_or(0);
    Duration::from_nanos(2 * nanos).max(Duration::from_millis(20))
}

/// A row with what `entry` says; content, place and links are filled in by others.
fn row_of(entry: &Entry, kind: RowKind, identity: Identity) -> Row {
    Row {
        path: entry.path.clone(),
        kind,
        size: if kind == RowKind::File { identity.size } else { 0 },
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
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
        xattrs: BTreeMap::new(),
        state: RowState::Ok,
        fresh: false,
    }
}

pub fn directory(root: &Dir, entry: &Entry, cross_mounts: bool) -> Result<Row, Absent> {
    let mut row = row_of(entry, RowKind::Dir, entry.identity);
    if let Ok(dir) = root.open_dir(entry.path.as_bytes(), cross_mounts) {
        row.xattrs = xattrs(&dir)?;
    }
    Ok(row)
}

/// A directory whose extended attributes are left out.
pub fn bare_directory(entry: &Entry) -> Row {
    row_of(entry, RowKind::Dir, entry.identity)
}

pub fn symlink(opener: &mut Opener<'_>, entry: &Entry) -> Result<Row, Absent> {
    let dir = opener.dir(&entry.path)?;
    let target = dir.read_link(entry.path.name()).map_err(|e| match e.errno() {
        Some(Errno::INVAL) => Absent::Special,
        _ => e.into(),
    })?;
    let mut row = row_of(entry, RowKind::Symlink, entry.identity);
    row.link = Some(Bytes::new(&target));
    Ok(row)
}

/// Another name of an inode whose first name is `first`.
pub fn hardlink(opener: &mut Opener<'_>, entry: &Entry, first: &crate::path::RelPath) -> Result<Row, Absent> {
    let now = opener.dir(&entry.path)?.entry(entry.path.name(), entry.path.clone())?;
    if now.kind != Kind::File {
        return Err(Absent::Special);
    }
    let mut row = row_of(&now, RowKind::Hardlink, now.identity);
    row.size = now.identity.size;
    row.link = Some(Bytes::new(first.as_bytes()));
    Ok(row)
}

/// An open regular file with the facts of that moment.
pub struct Opened {
    pub file: File,
    pub row: Row,
    fresh: bool,
}

impl Opened {
    /// It changed just before it was opened, and waiting did not help.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }
}

/// Opens a file and waits, once and briefly, until its last change lies a granule back.
pub fn open(opener: &mut Opener<'_>, entry: &Entry, granule: Duration) -> Result<Opened, Absent> {
    let file = opener.file(&entry.path)?;
    let look = |file: &File| -> Result<Entry, Absent> {
        let stat = rustix::fs::fstat(file).map_err(io::Error::from)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Absent::Special);
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
    let mut row = row_of(&now, RowKind::File, now.identity);
    row.xattrs = xattrs(&file)?;
    Ok(Opened {
        file,
        row,
        fresh: age(&now) < least,
    })
}

/// True when `entry` is to be read piece by piece.
#[must_use]
pub fn is_large(entry: &Entry) -> bool {
    let size = entry.identity.size;
    size >= SMALL || (size >= 32 * 1024 && entry.blocks.saturating_mul(512) < size)
}

/// Reads a small file whole.
pub fn small(opener: &mut Opener<'_>, entry: &Entry, granule: Duration) -> Result<(Row, Vec<u8>), Absent> {
    let mut tries = 0;
    loop {
        let opened = open(opener, entry, granule)?;
        let Opened { file, mut row, fresh } = opened;
        if row.size > GROWN {
            return Err(Absent::Unreadable(
                "it grew while the copy was made; the next run stores it".to_owned(),
            ));
        }
        let wanted = usize::try_from(row.size).unwrap_or(usize::MAX);
        // One byte more than there should be: a growing file shows.
        let mut data = vec![0; wanted.saturating_add(1)];
        let got = read_full(&file, &mut data, 0)?;
        let calm = got == wanted && unchanged(&file, &row.identity());
        if calm || tries == AGAIN {
            data.truncate(got.min(wanted));
            row.size = data.len() as u64;
            row.sha256 = Some(hex(&Sha256::digest(&data)));
            row.state = if calm { RowState::Ok } else { RowState::Torn };
            row.fresh = fresh;
            return Ok((row, data));
        }
        tries += 1;
    }
}

/// True when the file is still in that state.
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

/// Stretches of data, in order; `None` when there are no holes. The last one ends where the file ends, if need be
/// with no length.
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
        if hole <= data {
            return None;
        }
        if found.len() == MOST_SEGMENTS {
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

pub(super) fn xattrs(file: &impl AsFd) -> Result<BTreeMap<String, Bytes>, Absent> {
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
    if sum > XATTRS {
        return Err(Absent::Unreadable(
            "its extended attributes are larger than 1 MiB".to_owned(),
        ));
    }
    Ok(found)
}
