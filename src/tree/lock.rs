//! One process at a time: advisory locks on open directories and files, gone with the process.
//!
//! Takes a directory (a source, a destination) or a lock file's path, gives a [`Lock`] that is held until it
//! is dropped, or who holds it. Locking the directory itself, not a file of some state directory, makes two
//! differently configured runs on one tree exclude each other.
//! Invariant: waiting is bounded and polls `stop`.

use super::handle::{Dir, TreeError, is_missing, is_same_file};
use crate::clock::Stopwatch;
use crate::units::show_duration;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

#[derive(Debug)]
pub struct Lock {
    _fd: OwnedFd,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another run holds the lock on `{path}`{}", .holder.map(|h| format!(" ({h})")).unwrap_or_default())]
    Held { path: String, holder: Option<LockHolder> },
    #[error(transparent)]
    Tree(#[from] TreeError),
}

#[derive(Debug, Clone, Copy)]
pub struct LockHolder {
    pub pid: u32,
    pub age: Option<Duration>,
}

impl std::fmt::Display for LockHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {}", self.pid)?;
        let Some(age) = self.age else { return Ok(()) };
        write!(f, ", running for {}", show_duration(Duration::from_secs(age.as_secs())))
    }
}

/// How long to wait for a lock, and when to give up early.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    pub wait: Duration,
    pub stop: &'a dyn Fn() -> bool,
}

pub fn lock_dir(dir: &Dir, patience: Patience<'_>) -> Result<Lock, LockError> {
    // A description of its own: the lock must not be shared with, or dropped by, other handles.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, ".", flags, Mode::empty()).map_err(|e| TreeError::at("lock", dir.path(), e))?;
    lock(&fd, dir.path(), patience).map(|()| Lock { _fd: fd })
}

/// The same for a directory of copies, whose file system may have no locks: `None` then. The locks of jobs and sources
/// still keep two runs on one host apart.
pub fn lock_place(dir: &Dir, patience: Patience<'_>) -> Result<Option<Lock>, LockError> {
    match lock_dir(dir, patience) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Tree(e)) if e.errno().is_some_and(has_no_locks) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Answers that mean: there are no locks here.
pub(super) fn has_no_locks(e: Errno) -> bool {
    is_missing(e) || e == Errno::NOLCK
}

/// What became of the wish to lock a file that may be another process's.
#[derive(Debug)]
pub(super) enum FileLock {
    /// Held as long as the file that was asked for and this one are open.
    Held(Option<File>),
    /// Another process holds it.
    Taken,
    /// There are no locks here.
    Missing,
}

/// Locks a regular file, which is open for reading under this name. NFS locks only what is open for writing, and answers
/// EBADF.
pub(super) fn lock_open_file(dir: &Dir, name: &[u8], file: &File) -> Result<FileLock, Errno> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::BADF) => {}
        done => return outcome_of(done, None),
    }
    let writable = match dir.open_for_lock(name) {
        Ok(writable) if is_same_file(&writable, file) => writable,
        // Without the right to write to it nothing is known of its lock.
        _ => return Ok(FileLock::Missing),
    };
    match rustix::fs::flock(&writable, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::BADF) => Ok(FileLock::Missing),
        done => outcome_of(done, Some(writable)),
    }
}

fn outcome_of(done: Result<(), Errno>, writable: Option<File>) -> Result<FileLock, Errno> {
    match done {
        Ok(()) => Ok(FileLock::Held(writable)),
        Err(Errno::WOULDBLOCK) => Ok(FileLock::Taken),
        Err(e) if has_no_locks(e) => Ok(FileLock::Missing),
        Err(e) => Err(e),
    }
}

/// Locks the file `name` in `dir`, which is made when it is missing.
pub fn lock_file(dir: &Dir, name: &str, patience: Patience<'_>) -> Result<Lock, LockError> {
    let path = dir.path().join(name);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))
        .map_err(|e| TreeError::at("lock", &path, e))?;
    lock(&fd, &path, patience).map(|()| Lock { _fd: fd })
}

/// A shared lock on a file, which needs only the right to read it.
pub fn share_file(path: &Path, patience: Patience<'_>) -> Result<Lock, LockError> {
    let fd = open_file(path)?;
    let operation = FlockOperation::NonBlockingLockShared;
    lock_as(operation, &fd, path, patience).map(|()| Lock { _fd: fd })
}

/// True when a process holds a lock on a file, of whatever kind.
pub fn is_locked(path: &Path, patience: Patience<'_>) -> Result<bool, TreeError> {
    let fd = open_file(path)?;
    match lock(&fd, path, patience) {
        Ok(()) => Ok(false),
        Err(LockError::Held { .. }) => Ok(true),
        Err(LockError::Tree(e)) => Err(e),
    }
}

fn open_file(path: &Path) -> Result<OwnedFd, TreeError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|e| TreeError::at("open", path, e))
}

fn lock(fd: &OwnedFd, path: &Path, patience: Patience<'_>) -> Result<(), LockError> {
    lock_as(FlockOperation::NonBlockingLockExclusive, fd, path, patience)
}

fn lock_as(operation: FlockOperation, fd: &OwnedFd, path: &Path, patience: Patience<'_>) -> Result<(), LockError> {
    let since = Stopwatch::set();
    loop {
        match rustix::fs::flock(fd, operation) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if since.elapsed() < patience.wait && !(patience.stop)() => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(Errno::WOULDBLOCK) => {
                let holder = holder(fd);
                return Err(LockError::Held {
                    path: crate::path::shown(path).to_string(),
                    holder,
                });
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(TreeError::at("lock", path, e).into()),
        }
    }
}

/// Looks the lock's holder up in `/proc/locks`, where the kernel lists device, inode and process.
fn holder(fd: &OwnedFd) -> Option<LockHolder> {
    let stat = rustix::fs::fstat(fd.as_fd()).ok()?;
    let (major, minor) = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let place = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
    let table = std::fs::read_to_string("/proc/locks").ok()?;
    let held = |line: &&str| line.contains(" FLOCK ") && line.split(' ').any(|word| word == place);
    let line = table.lines().find(held)?;
    let pid = line.split_ascii_whitespace().nth(4)?.parse().ok()?;
    Some(LockHolder { pid, age: age(pid) })
}

fn age(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command in parentheses may hold anything; the fields count from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let up = std::fs::read_to_string("/proc/uptime").ok()?;
    let up: f64 = up.split_ascii_whitespace().next()?.parse().ok()?;
    let started = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Duration::try_from_secs_f64((up - started).max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Patience<'_> = Patience {
        wait: Duration::ZERO,
        stop: &|| false,
    };

    /// As NFS does with a file that is open for reading only.
    #[test]
    fn a_file_that_cannot_be_locked_as_it_is_open_is_opened_for_writing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        std::fs::write(temp.path().join("a"), "content").unwrap();
        std::fs::write(temp.path().join("b"), "").unwrap();
        let open = |name: &str, flags| File::from(rustix::fs::openat(&dir, name, flags, Mode::empty()).unwrap());
        let unlockable = open("a", OFlags::PATH);
        assert_eq!(
            rustix::fs::flock(&unlockable, FlockOperation::NonBlockingLockExclusive),
            Err(Errno::BADF)
        );
        let lock = |name: &str| lock_open_file(&dir, name.as_bytes(), &unlockable).unwrap();
        let held = lock("a");
        assert!(matches!(held, FileLock::Held(Some(_))), "{held:?}");
        assert!(matches!(lock("a"), FileLock::Taken));
        drop(held);
        let other = open("a", OFlags::RDONLY);
        rustix::fs::flock(&other, FlockOperation::LockExclusive).unwrap();
        assert!(matches!(lock("a"), FileLock::Taken));
        assert!(matches!(lock("b"), FileLock::Missing), "it is another file by now");
        assert!(matches!(lock("c"), FileLock::Missing));
        assert_eq!(std::fs::read(temp.path().join("a")).unwrap(), b"content");
    }

    #[test]
    fn the_second_is_told_who_is_first() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let first = lock_dir(&dir, NOW).unwrap();
        match lock_dir(&Dir::open(temp.path()).unwrap(), NOW) {
            Err(LockError::Held {
                holder: Some(holder), ..
            }) => assert_eq!(holder.pid, std::process::id()),
            other => panic!("{other:?}"),
        }
        drop(first);
        lock_dir(&dir, NOW).unwrap();
    }
}
