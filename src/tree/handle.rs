//! Directories and files, reached beneath an open root.
//!
//! Takes a root directory once by path, then only names and relative paths below the handle; gives handles
//! and facts. Resolution never follows a symlink below the root, never leaves it, and crosses mounts only
//! when asked to (`openat2`, Linux 5.6).
//! Invariant: nothing here changes a file system but [`Dir::make_dir`] and [`create_dir_all`].

use crate::entry::{Entry, EntryKind, Identity};
use crate::file_system::{Abilities, Capacity, Naming};
use crate::path::{RelPath, shown};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A call on a file or directory that failed. The cause is the `source`.
#[derive(Debug, thiserror::Error)]
#[error("cannot {call} `{path}`")]
pub struct TreeError {
    /// What was attempted: `open`, `list`, `sync`.
    pub call: &'static str,
    pub path: String,
    #[source]
    pub source: io::Error,
}

impl TreeError {
    /// Of a call on a path of the file system.
    pub fn at(call: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self {
            call,
            path: shown(path).to_string(),
            source: source.into(),
        }
    }

    /// The system's error number, if it was one.
    pub fn errno(&self) -> Option<Errno> {
        Errno::from_io_error(&self.source)
    }
}

/// `None` for what is not there.
pub fn if_there<T>(found: Result<T, TreeError>) -> Result<Option<T>, TreeError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.errno() == Some(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    /// For messages only; never resolved again.
    path: PathBuf,
    /// Of a directory for copies, shared by all its handles, and by handles of directories below.
    known: Option<Arc<KnownPlace>>,
}

/// A directory whose abilities are known, and what was seen of them since.
#[derive(Debug)]
struct KnownPlace {
    abilities: Abilities,
    /// A sync was refused: what was written may not survive a power cut.
    unsynced: AtomicBool,
}

/// Answers that mean: a flag, or the whole call, is not there. No data was lost.
pub fn is_missing(e: Errno) -> bool {
    matches!(e, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

const DIR_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);

/// Flags under which a file of unknown nature may be opened for reading without harm or hang.
const FILE_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Longest path handed to the kernel in one call.
const CHUNK: usize = 4000;

impl Dir {
    /// Opens a directory that the user named: symlinks in this path are followed, as everywhere in Unix.
    pub fn open(path: &Path) -> Result<Self, TreeError> {
        let fd = rustix::fs::open(path, DIR_FLAGS, Mode::empty()).map_err(|e| TreeError::at("open", path, e))?;
        let (path, known) = (path.to_owned(), None);
        Ok(Self { fd, path, known })
    }

    /// Notes what its file system can do. From now on a sync that the file system does not offer does not fail:
    /// [`Self::is_durable`] says so.
    pub fn learn(&mut self, abilities: Abilities) {
        let unsynced = AtomicBool::new(!abilities.durable());
        self.known = Some(Arc::new(KnownPlace { abilities, unsynced }));
    }

    /// What its file system can do, where that was tried.
    pub fn abilities(&self) -> Option<Abilities> {
        self.known.as_ref().map(|known| known.abilities)
    }

    pub(super) fn naming(&self) -> Naming {
        self.abilities().unwrap_or_default().naming
    }

    /// False when a sync was refused, here or through a handle that comes from this one: what was written may not survive a
    /// power cut.
    pub fn is_durable(&self) -> bool {
        let unsynced = |known: &Arc<KnownPlace>| known.unsynced.load(Ordering::Relaxed);
        !self.known.as_ref().is_some_and(unsynced)
    }

    /// What became of a sync. A refusal is remembered where the place is known, and an error elsewhere.
    fn synced(&self, done: Result<(), Errno>) -> Result<(), Errno> {
        match (done, &self.known) {
            (Err(e), Some(known)) if is_missing(e) => {
                known.unsynced.store(true, Ordering::Relaxed);
                Ok(())
            }
            (done, _) => done,
        }
    }

    /// Where it was opened, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn path_of(&self, rel: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(rel))
    }

    /// A second handle of the same directory.
    pub fn try_clone(&self) -> Result<Self, TreeError> {
        let fd = self.fd.try_clone().map_err(|e| TreeError::at("open", &self.path, e))?;
        let (path, known) = (self.path.clone(), self.known.clone());
        Ok(Self { fd, path, known })
    }

    pub fn id(&self) -> Result<(u64, u64), TreeError> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|e| TreeError::at("read", &self.path, e))?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// True when the path by which it was opened still leads here: it was not renamed, replaced or
    /// mounted something over it.
    pub fn in_place(&self) -> bool {
        let here = self.id().ok();
        let there = Self::open(&self.path).and_then(|dir| dir.id()).ok();
        here.is_some() && here == there
    }

    /// The directory above it; itself at `/`.
    pub fn parent(&self) -> Result<Self, TreeError> {
        let path = self.path.join("..");
        let fd = rustix::fs::openat(&self.fd, "..", DIR_FLAGS, Mode::empty())
            .map_err(|e| TreeError::at("open", &path, e))?;
        let known = self.known.clone();
        Ok(Self { fd, path, known })
    }

    /// Device and inode of every directory above it, the nearest first. Needs no right to read them: `/home` may have
    /// mode 711.
    pub fn ids_above(&self) -> Result<Vec<(u64, u64)>, TreeError> {
        let id = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
        let climb = || -> Result<Vec<(u64, u64)>, Errno> {
            let mut ids = Vec::new();
            let mut below = id(self.fd.as_fd())?;
            let mut at = rustix::fs::openat(&self.fd, "..", DIR_FLAGS | OFlags::PATH, Mode::empty())?;
            loop {
                let here = id(at.as_fd())?;
                if here == below {
                    return Ok(ids);
                }
                ids.push(here);
                below = here;
                at = rustix::fs::openat(&at, "..", DIR_FLAGS | OFlags::PATH, Mode::empty())?;
            }
        };
        climb().map_err(|e| TreeError::at("look at the directories above", &self.path, e))
    }

    /// Opens the directory at `rel` below this one, however long the path.
    pub fn open_dir(&self, rel: &[u8], cross_mounts: bool) -> Result<Self, TreeError> {
        let mut fd: Option<OwnedFd> = None;
        for piece in pieces(rel) {
            let (from, piece) = (
                fd.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd),
                OsStr::from_bytes(piece),
            );
            let next = rustix::fs::openat2(from, piece, DIR_FLAGS, Mode::empty(), resolve(cross_mounts));
            fd = Some(next.map_err(|e| TreeError::at("open", &self.path_of(rel), e))?);
        }
        let Some(fd) = fd else {
            return self.try_clone();
        };
        let (path, known) = (self.path_of(rel), self.known.clone());
        Ok(Self { fd, path, known })
    }

    /// Opens the file `name` in this directory for reading, never blocking, never following.
    pub fn open_file(&self, name: &[u8], cross_mounts: bool) -> Result<File, TreeError> {
        let (name_os, how) = (OsStr::from_bytes(name), resolve(cross_mounts));
        let opened = rustix::fs::openat2(&self.fd, name_os, FILE_FLAGS, Mode::empty(), how);
        opened
            .map(File::from)
            .map_err(|e| TreeError::at("open", &self.path_of(name), e))
    }

    /// Opens the regular file `name` in this directory for a lock that needs the right to write. Nothing is written by it.
    pub(super) fn open_for_lock(&self, name: &[u8]) -> Result<File, Errno> {
        let flags = FILE_FLAGS.union(OFlags::RDWR);
        let opened = rustix::fs::openat2(&self.fd, OsStr::from_bytes(name), flags, Mode::empty(), resolve(false))?;
        Ok(File::from(opened))
    }

    /// What `name` in this directory is, without following it. `path` becomes the entry's path.
    pub fn entry(&self, name: &[u8], path: RelPath) -> Result<Entry, TreeError> {
        rustix::fs::statat(&self.fd, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW)
            .map(|stat| entry_of(path, &stat))
            .map_err(|e| TreeError::at("read", &self.path_of(name), e))
    }

    /// True when something of that name exists here, whatever it is.
    pub fn has(&self, name: &[u8]) -> Result<bool, TreeError> {
        let found = rustix::fs::statat(&self.fd, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW);
        let found = found.map_err(|e| TreeError::at("read", &self.path_of(name), e));
        if_there(found).map(|found| found.is_some())
    }

    /// The target of the symlink `name`.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>, TreeError> {
        rustix::fs::readlinkat(&self.fd, OsStr::from_bytes(name), Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|e| TreeError::at("read", &self.path_of(name), e))
    }

    /// The names in this directory, without `.` and `..`, sorted by their bytes.
    pub fn names(&self) -> Result<Vec<Box<[u8]>>, TreeError> {
        let mut names = Vec::new();
        self.each_name(&mut |name| names.push(Box::from(name)))?;
        names.sort_unstable();
        Ok(names)
    }

    /// Calls `each` with every name in this directory, but for `.` and `..`, in no order. Every error is an error: some
    /// libraries take ENOENT, the answer of a directory that was removed, for the end.
    pub fn each_name(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), TreeError> {
        let fail = |e: Errno| TreeError::at("list", &self.path, e);
        // A directory stream of its own: reading through a shared offset would disturb other handles.
        let own = rustix::fs::openat(&self.fd, ".", DIR_FLAGS, Mode::empty()).map_err(fail)?;
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut items = RawDir::new(own, buffer.spare_capacity_mut());
        while let Some(item) = items.next() {
            let item = item.map_err(fail)?;
            let name = item.file_name().to_bytes();
            if name != b"." && name != b".." {
                each(name);
            }
        }
        Ok(())
    }

    /// Makes the directory `name` here. Says whether it was made: `false` when something was there already.
    pub fn make_dir(&self, name: &[u8], mode: u32) -> Result<bool, TreeError> {
        match rustix::fs::mkdirat(&self.fd, OsStr::from_bytes(name), Mode::from_raw_mode(mode)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(e) => Err(TreeError::at("make the directory", &self.path_of(name), e)),
        }
    }

    /// Makes what was published or removed here durable.
    pub fn sync(&self) -> Result<(), TreeError> {
        let done = self.synced(rustix::fs::fsync(&self.fd));
        done.map_err(|e| TreeError::at("sync", &self.path, e))
    }

    /// Makes the content of a file in it, or below, durable.
    pub fn sync_file(&self, file: &File) -> io::Result<()> {
        Ok(self.synced(rustix::fs::fsync(file))?)
    }

    /// What is free for us on its file system.
    pub fn capacity(&self) -> Result<Capacity, TreeError> {
        let facts = rustix::fs::fstatvfs(&self.fd).map_err(|e| TreeError::at("read", &self.path, e))?;
        Ok(Capacity::from(facts))
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn resolve(cross_mounts: bool) -> ResolveFlags {
    let flags = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    if cross_mounts {
        flags
    } else {
        flags | ResolveFlags::NO_XDEV
    }
}

/// Cuts a relative path at `/` into pieces that the kernel takes.
fn pieces(rel: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = rel;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let cut = if rest.len() <= CHUNK {
            rest.len()
        } else {
            let head = rest.get(..CHUNK).unwrap_or(rest);
            head.iter().rposition(|b| *b == b'/').unwrap_or(CHUNK)
        };
        let (piece, tail) = rest.split_at(cut);
        rest = tail.strip_prefix(b"/").unwrap_or(tail);
        Some(piece)
    })
}

pub fn entry_of(path: RelPath, stat: &Stat) -> Entry {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Dir,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo => EntryKind::Fifo,
        FileType::Socket => EntryKind::Socket,
        _ => EntryKind::Device,
    };
    Entry {
        path,
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        nlink: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
        identity: identity_of(stat),
    }
}

/// The identity in what `stat` says.
pub fn identity_of(stat: &Stat) -> Identity {
    let ns = |secs: i64, nanos: u64| i128::from(secs) * 1_000_000_000 + i128::from(nanos);
    Identity {
        dev: stat.st_dev,
        ino: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_ns: ns(stat.st_mtime, stat.st_mtime_nsec),
        ctime_ns: ns(stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// Asks the file system again what it knows of an open file. FUSE and NFS answer from a cache otherwise, which lags when the
/// file changes through another of its names.
pub fn refresh(file: &File) {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
    // What follows fails where this does.
    let _ = rustix::fs::statx(file, "", flags, rustix::fs::StatxFlags::BASIC_STATS);
}

/// `fstat` on an open file: `None` when it is not a regular file.
pub fn regular(file: &File) -> io::Result<Option<Identity>> {
    let stat = rustix::fs::fstat(file)?;
    Ok((FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then(|| identity_of(&stat)))
}

/// True when both are open on one file.
pub(super) fn is_same_file(a: &File, b: &File) -> bool {
    let id = |file| rustix::fs::fstat(file).map(|stat| (stat.st_dev, stat.st_ino));
    matches!((id(a), id(b)), (Ok(a), Ok(b)) if a == b)
}

/// SHA-256 of the whole file; `None` when it is not of that size, cannot be read, or `go_on` returned false.
pub fn content_hash(file: &File, size: u64, go_on: &dyn Fn() -> bool) -> Option<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => break,
            Ok(_) if at > size || !go_on() => return None,
            Ok(n) => {
                hash.update(buffer.get(..n)?);
                at += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    (at == size).then(|| hash.finalize().into())
}

/// Opens files below a root, keeping the directory used last open: cheap when asked in walk order.
#[derive(Debug)]
pub struct Opener<'a> {
    root: &'a Dir,
    cross_mounts: bool,
    last: Option<(Box<[u8]>, Dir)>,
}

impl<'a> Opener<'a> {
    pub fn new(root: &'a Dir, cross_mounts: bool) -> Self {
        Self {
            root,
            cross_mounts,
            last: None,
        }
    }

    /// The directory that holds `path`.
    pub fn dir(&mut self, path: &RelPath) -> Result<&Dir, TreeError> {
        let parent = path.parent_bytes();
        if parent.is_empty() {
            return Ok(self.root);
        }
        let known = self.last.as_ref().is_some_and(|(at, _)| **at == *parent);
        if !known {
            let dir = self.root.open_dir(parent, self.cross_mounts)?;
            self.last = Some((parent.into(), dir));
        }
        Ok(self.last.as_ref().map_or(self.root, |(_, dir)| dir))
    }

    /// Opens the file at `path` for reading.
    pub fn file(&mut self, path: &RelPath) -> Result<File, TreeError> {
        let cross = self.cross_mounts;
        self.dir(path)?.open_file(path.name(), cross)
    }
}

/// A sync that the file system does not offer does not fail here: nothing relies on it alone.
fn offered(done: Result<(), TreeError>) -> Result<(), TreeError> {
    match done {
        Err(e) if e.errno().is_some_and(is_missing) => Ok(()),
        done => done,
    }
}

/// Makes a directory and all that lack above it (mode 0700), and syncs every one that was made into the one
/// above it. Gives the handle.
pub fn create_dir_all(path: &Path) -> Result<Dir, TreeError> {
    make_missing(path, 0o700, 0o700).map(|(dir, _)| dir)
}

/// Mode of a directory that is made as a target, until it gets its own. From its first moment it shows that it is not
/// finished: no one else has a use for the sticky bit where others have no rights.
pub const TARGET_MODE: u32 = 0o1700;

/// The same with [`TARGET_MODE`], but the directories above it get the mode that `mkdir -p` gives them. Says whether the
/// directory itself was made.
pub fn create_target(path: &Path) -> Result<(Dir, bool), TreeError> {
    make_missing(path, TARGET_MODE, 0o777)
}

fn make_missing(path: &Path, own: u32, above: u32) -> Result<(Dir, bool), TreeError> {
    let mut missing = Vec::new();
    let mut at = path;
    let mut dir = loop {
        match Dir::open(at) {
            Ok(dir) => break dir,
            Err(e) if e.errno() == Some(Errno::NOENT) => match (at.parent(), at.file_name()) {
                (Some(parent), Some(name)) => {
                    missing.push(name);
                    let here = parent.as_os_str().is_empty();
                    at = if here { Path::new(".") } else { parent };
                }
                _ => return Err(e),
            },
            Err(e) => return Err(e),
        }
    };
    let mut made = false;
    for (left, name) in missing.into_iter().enumerate().rev() {
        made = dir.make_dir(name.as_bytes(), if left == 0 { own } else { above })?;
        let next = Dir::open(&dir.path.join(name))?;
        offered(next.sync())?;
        offered(dir.sync())?;
        dir = next;
    }
    path.clone_into(&mut dir.path);
    Ok((dir, made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_are_cut_between_components() {
        let long = vec!["d".repeat(200); 100].join("/");
        let parts: Vec<&[u8]> = pieces(long.as_bytes()).collect();
        assert!(
            parts
                .iter()
                .all(|p| p.len() <= CHUNK && !p.ends_with(b"/") && !p.starts_with(b"/"))
        );
        assert_eq!(parts.join(&b'/'), long.as_bytes());
    }

    #[test]
    fn a_symlink_below_the_root_is_never_followed() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("real")).unwrap();
        std::fs::write(temp.path().join("real/f"), "x").unwrap();
        std::os::unix::fs::symlink("real", temp.path().join("link")).unwrap();
        std::os::unix::fs::symlink("f", temp.path().join("real/l")).unwrap();
        let root = Dir::open(temp.path()).unwrap();
        let open = |p: &str| {
            Opener::new(&root, false)
                .file(&RelPath::new(p.as_bytes()).unwrap())
                .is_ok()
        };
        assert!(open("real/f"));
        assert!(!open("link/f"));
        assert!(!open("real/l"));
    }

    #[test]
    fn a_fifo_does_not_block() {
        let temp = tempfile::tempdir().unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, temp.path().join("p"), Mode::from_raw_mode(0o600)).unwrap();
        let root = Dir::open(temp.path()).unwrap();
        let file = root.open_file(b"p", false).unwrap();
        assert_eq!(regular(&file).unwrap(), None);
    }

    #[test]
    fn missing_directories_are_made() {
        let temp = tempfile::tempdir().unwrap();
        let dir = create_dir_all(&temp.path().join("a/b/c")).unwrap();
        assert!(dir.names().unwrap().is_empty());
        assert!(temp.path().join("a/b/c").is_dir());
    }
}
