//! A small file of our own that is locked as long as something goes on: a process that asks tries the lock.
//!
//! Takes a directory, gives a [`HeldFile`] under a name that no other ever had, or the [`LockState`] of one. The kernel
//! releases the lock with the process, so the answer is right across PID namespaces, and without `/proc`.
//! Invariant: a file is removed only by who holds its lock; a question needs only the right to read, and waits for nothing.

use super::handle::{Dir, TreeError};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// A process that clears up may take a new file for an old one, before it is locked.
const MAX_TRIES: u32 = 5;

/// Unlocked when it is dropped.
#[derive(Debug)]
pub struct HeldFile {
    dir: Dir,
    name: String,
    file: Arc<File>,
}

/// What the lock of a file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    Held,
    Free,
    /// There is no such file.
    Missing,
    /// The file may not be read, or its file system has no locks.
    Unknown,
}

impl HeldFile {
    /// Makes one, open for reading and writing.
    ///
    /// # Errors
    /// Also where the file system has no locks.
    pub fn create(dir: &Dir, mode: u32) -> Result<Self, TreeError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let made = Self::try_create(dir, mode)?;
            if made.in_place() || tries == MAX_TRIES {
                return Ok(made);
            }
        }
    }

    fn try_create(dir: &Dir, mode: u32) -> Result<Self, TreeError> {
        let name = ulid::Ulid::new().to_string();
        let fail = |call, e| TreeError::at(call, &dir.path_of(name.as_bytes()), e);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(dir, name.as_str(), flags, Mode::from_raw_mode(mode));
        let file = Arc::new(File::from(fd.map_err(|e| fail("make", e))?));
        let made = Self {
            dir: dir.try_clone()?,
            name: name.clone(),
            file,
        };
        loop {
            // Who asks may hold it for a moment.
            match rustix::fs::flock(&made.file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(made),
                Err(Errno::INTR) => {}
                Err(e) => {
                    made.remove();
                    return Err(fail("lock", e));
                }
            }
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The lock is held until every clone of this is gone.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// True while it has its name.
    pub fn in_place(&self) -> bool {
        rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink > 0)
    }

    /// Removes it while it is locked.
    #[expect(
        clippy::disallowed_methods,
        reason = "our own file, lock held, under a name that no other has"
    )]
    pub fn remove(self) {
        // Best effort: what stays is free, and cleared by a later process.
        let _ = rustix::fs::unlinkat(&self.dir, self.name.as_str(), AtFlags::empty());
    }
}

/// Asks for a moment, without keeping the lock.
pub fn lock_state(dir: &Path, name: &str) -> LockState {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match rustix::fs::open(dir.join(name), flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NOTDIR) => return LockState::Missing,
        Err(_) => return LockState::Unknown,
    };
    // Shared: it needs no right to write, on NFS either, and two that ask do not take each other for the holder.
    match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockShared) {
        Ok(()) => LockState::Free,
        Err(Errno::WOULDBLOCK) => LockState::Held,
        Err(_) => LockState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::publish::clear_debris;

    #[test]
    fn the_lock_is_seen_through_another_description_until_the_file_is_dropped() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let held = HeldFile::create(&dir, 0o600).unwrap();
        let name = held.name().to_owned();
        assert_eq!(lock_state(temp.path(), &name), LockState::Held);
        assert!(!clear_debris(&dir, name.as_bytes()).unwrap());
        let shared = Arc::clone(held.file());
        drop(held);
        assert_eq!(lock_state(temp.path(), &name), LockState::Held);
        drop(shared);
        assert_eq!(lock_state(temp.path(), &name), LockState::Free);
        assert!(clear_debris(&dir, name.as_bytes()).unwrap());
        assert_eq!(lock_state(temp.path(), &name), LockState::Missing);
        assert_eq!(lock_state(&temp.path().join("none"), &name), LockState::Missing);
        HeldFile::create(&dir, 0o600).unwrap().remove();
        assert!(dir.names().unwrap().is_empty());
    }

    #[test]
    fn a_file_that_was_cleared_is_not_in_place() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let held = HeldFile::create(&dir, 0o600).unwrap();
        assert!(held.in_place());
        #[expect(clippy::disallowed_methods, reason = "plays a person who clears up")]
        std::fs::remove_file(temp.path().join(held.name())).unwrap();
        assert!(!held.in_place());
    }
}
