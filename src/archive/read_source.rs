//! Reading the source: one entry at a time, and noticing what changes meanwhile.
//!
//! Takes a listed entry and the source's handle, gives what to store, or why it cannot. A file that changes while it is
//! read is read again, three times; then it is stored as read, and marked torn. A file that changed less than a
//! clock granule ago is read once that time has passed.
//! Invariant: a row that is neither torn nor fresh has the hash of exactly the bytes that were passed on, read from a
//! file whose identity was the row's before and after.

use super::attributes::names_of;
use super::file_entry::{Bytes, ContentState, FileEntry, FileEntryKind, hex};
use super::top_directory::TopDirectory;
use crate::entry::{Entry, EntryKind, Identity};
use crate::error_chain::with_reason;
use crate::path::{RelPath, Shown};
use crate::tree::attributes::Node;
use crate::tree::handle::{TreeError, identity_of};
use crate::tree::{Dir, Opener};
use crate::user_database::UserDatabase;
use rustix::fs::FileType;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
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
    /// Another file system, or another file, is mounted there.
    Mount,
    /// It could not be read: the copy is incomplete.
    Unreadable(String),
}

impl From<TreeError> for ReadFailure {
    fn from(e: TreeError) -> Self {
        match e.errno() {
            Some(Errno::NOENT) => Self::Vanished,
            Some(Errno::XDEV) => Self::Mount,
            // A symlink has replaced the listed file or directory.
            Some(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => Self::Special,
            _ => Self::Unreadable(with_reason(&e.source)),
        }
    }
}

impl From<io::Error> for ReadFailure {
    fn from(e: io::Error) -> Self {
        Self::Unreadable(with_reason(&e))
    }
}

/// The shortest time between a change and a read that timestamps can show: two clock granules, at least 20 ms.
fn granule() -> Duration {
    let coarse = rustix::time::clock_getres(rustix::time::ClockId::RealtimeCoarse);
    let nanos = u64::try_from(coarse.tv_nsec).unwrap_or(0);
    Duration::from_nanos(2 * nanos).max(Duration::from_millis(20))
}

/// An open regular file with its facts at that time.
pub struct OpenSourceFile {
    pub file: File,
    pub row: FileEntry,
}

/// Reads entries on any thread.
pub struct SourceReader<'a> {
    granule: Duration,
    users: UserDatabase<'a>,
}

impl<'a> SourceReader<'a> {
    pub fn new(stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self {
            granule: granule(),
            users: UserDatabase::new(stop),
        }
    }

    /// True when the system did not say whose the entries are: the copy has numbers only.
    pub fn lacks_names(&self) -> bool {
        self.users.is_silent()
    }

    /// A row with the facts of `entry`; callers fill in content, position and links.
    fn row(&self, entry: &Entry, kind: FileEntryKind, xattrs: XattrReading) -> FileEntry {
        let identity = entry.identity;
        FileEntry {
            path: entry.path.clone(),
            kind,
            size: if kind == FileEntryKind::File { identity.size } else { 0 },
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            names: names_of(&self.users, (entry.uid, entry.gid), &xattrs.found),
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
            xattrs: xattrs.found,
            xattrs_unread: xattrs.unread,
            state: ContentState::Ok,
            fresh: false,
        }
    }

    pub fn directory(&self, root: &Dir, entry: &Entry, cross_mounts: bool) -> FileEntry {
        let xattrs = match root.open_dir(entry.path.as_bytes(), cross_mounts) {
            Ok(dir) => xattrs(&Node::open(&dir)),
            // It is gone, or it is a mount point, of which the copy has only the name.
            Err(e) if matches!(e.errno(), Some(Errno::NOENT | Errno::XDEV)) => XattrReading::default(),
            // A directory that cannot be opened has attributes all the same.
            Err(e) if e.errno() == Some(Errno::ACCESS) => {
                let parent = entry.path.parent_bytes();
                match root.open_dir(parent, cross_mounts) {
                    Ok(parent) => xattrs(&Node::symlink(&parent, entry.path.name())),
                    Err(_) => XattrReading::failed(with_reason(&e.source)),
                }
            }
            Err(e) => XattrReading::failed(with_reason(&e.source)),
        };
        self.row(entry, FileEntryKind::Dir, xattrs)
    }

    /// The source's own directory.
    pub fn top(&self, root: &Dir) -> Result<TopDirectory, TreeError> {
        let stat = rustix::fs::fstat(root).map_err(|e| TreeError::at("read", root.path(), e))?;
        let xattrs = xattrs(&Node::open(root));
        Ok(TopDirectory {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime_ns: identity_of(&stat).mtime_ns,
            names: names_of(&self.users, (stat.st_uid, stat.st_gid), &xattrs.found),
            xattrs: xattrs.found,
            xattrs_unread: xattrs.unread,
        })
    }

    pub fn symlink(&self, opener: &mut Opener<'_>, entry: &Entry) -> Result<FileEntry, ReadFailure> {
        let dir = opener.dir(&entry.path)?;
        let target = dir.read_link(entry.path.name()).map_err(|e| match e.errno() {
            Some(Errno::INVAL) => ReadFailure::Special,
            _ => e.into(),
        })?;
        let xattrs = xattrs(&Node::symlink(dir, entry.path.name()));
        let mut row = self.row(entry, FileEntryKind::Symlink, xattrs);
        row.link = Some(Bytes::new(&target));
        Ok(row)
    }

    /// Another name of an inode whose first name is `first`, which has the extended attributes.
    pub fn hardlink(&self, opener: &mut Opener<'_>, entry: &Entry, first: &RelPath) -> Result<FileEntry, ReadFailure> {
        let now = opener.dir(&entry.path)?.entry(entry.path.name(), entry.path.clone())?;
        if now.kind != EntryKind::File {
            return Err(ReadFailure::Special);
        }
        let mut row = self.row(&now, FileEntryKind::Hardlink, XattrReading::default());
        row.size = now.identity.size;
        row.link = Some(Bytes::new(first.as_bytes()));
        Ok(row)
    }

    /// Opens a file and waits once, briefly, until its last change is a granule ago.
    pub fn open(&self, opener: &mut Opener<'_>, entry: &Entry) -> Result<OpenSourceFile, ReadFailure> {
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
        let least = i128::try_from(self.granule.as_nanos()).unwrap_or(0);
        let young = age(&now);
        if (0..least).contains(&young) {
            std::thread::sleep(Duration::from_nanos(u64::try_from(least - young).unwrap_or(0)));
            now = look(&file)?;
        }
        let mut row = self.row(&now, FileEntryKind::File, xattrs(&Node::open(&file)));
        // Even after waiting.
        row.fresh = age(&now) < least;
        Ok(OpenSourceFile { file, row })
    }

    /// Reads a small file whole.
    pub fn small(&self, opener: &mut Opener<'_>, entry: &Entry) -> Result<(FileEntry, Vec<u8>), ReadFailure> {
        let mut tries = 0;
        loop {
            let OpenSourceFile { file, mut row } = self.open(opener, entry)?;
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
}

/// True when `entry` must be read piece by piece.
pub fn is_large(entry: &Entry) -> bool {
    let size = entry.identity.size;
    size >= SMALL_FILE_SIZE || (size >= 32 * 1024 && entry.blocks.saturating_mul(512) < size)
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

/// Extended attributes: those that could be read, and why others could not.
#[derive(Default)]
pub(super) struct XattrReading {
    pub(super) found: BTreeMap<String, Bytes>,
    unread: Option<String>,
}

impl XattrReading {
    fn failed(why: String) -> Self {
        Self {
            unread: Some(why),
            ..Self::default()
        }
    }
}

/// Reads all extended attributes. A list that cannot be read never looks like none.
pub(super) fn xattrs(node: &Node<'_>) -> XattrReading {
    let names = match node.xattr_names() {
        Ok(names) => names,
        Err(e) => return XattrReading::failed(with_reason(&e.into())),
    };
    let mut read = XattrReading::default();
    let mut sum = 0;
    for name in names {
        match node.xattr(&name) {
            Ok(None) => {}
            Ok(Some(value)) => {
                sum += value.len();
                read.found.insert(Shown(&name).to_string(), Bytes::new(&value));
            }
            Err(e) => read.unread = Some(format!("`{}`: {}", Shown(&name), with_reason(&e.into()))),
        }
    }
    if sum > MAX_XATTR_BYTES {
        return XattrReading::failed("they exceed 1 MiB".to_owned());
    }
    read
}
