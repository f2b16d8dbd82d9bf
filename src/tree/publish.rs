//! Files that appear whole or not at all, and the removal of our own debris.
//!
//! Takes a directory and a name, gives a [`Draft`]: a temporary file made with `O_EXCL`, flocked while it is
//! written, that gets its final name without ever overwriting. A draft that is dropped unpublished
//! takes its temporary file along.
//! Invariant: a draft whose sync failed can never be published: the kernel may have dropped its pages, and
//! a second fsync would report success for data that is not there.

use super::handle::{Dir, TreeError, is_same_file};
use super::lock::{FileLock, has_no_locks, lock_open_file};
use super::naming::{Given, drop_name, give_name};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// Suffix of files that are being written.
pub const DRAFT: &str = ".tmp";

/// A file being written under a temporary name (`<final name>.tmp`, mode 0600).
#[derive(Debug)]
pub struct Draft {
    dir: Dir,
    name: String,
    file: File,
    /// Set while the file's content may be lost: from the first write to a good sync.
    dirty: bool,
    poisoned: bool,
    gone: bool,
}

impl Draft {
    /// Starts the file that will become `name` in `dir`.
    pub fn create(dir: &Dir, name: &str) -> Result<Self, TreeError> {
        let dir = dir.try_clone()?;
        let temp = format!("{name}{DRAFT}");
        let fail = |e: Errno| TreeError::at("create", &dir.path_of(temp.as_bytes()), e);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&dir, temp.as_str(), flags, Mode::from_raw_mode(0o600)).map_err(fail)?;
        hold(&fd).map_err(fail)?;
        Ok(Self {
            file: File::from(fd),
            name: name.to_owned(),
            dir,
            dirty: true,
            poisoned: false,
            gone: false,
        })
    }

    /// Its final name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn temp_name(&self) -> String {
        format!("{}{DRAFT}", self.name)
    }

    pub fn file(&mut self) -> &mut File {
        self.dirty = true;
        &mut self.file
    }

    /// Cuts it back to `len` bytes; what follows is written from there.
    #[expect(clippy::disallowed_methods, reason = "our own unpublished file")]
    pub fn truncate(&mut self, len: u64) -> Result<(), TreeError> {
        use std::io::Seek;
        self.dirty = true;
        let cut = self
            .file
            .set_len(len)
            .and_then(|()| self.file.seek(std::io::SeekFrom::Start(len)));
        cut.map(|_| ()).map_err(|e| self.error("truncate", e))
    }

    /// Makes the content durable and drops it from the page cache, so that the next read is from the disk.
    pub fn sync(&mut self) -> Result<(), TreeError> {
        if self.poisoned {
            return Err(self.error("sync", std::io::Error::from(Errno::IO)));
        }
        if let Err(e) = self.dir.sync_file(&self.file) {
            self.poisoned = true;
            return Err(self.error("sync", e));
        }
        self.dirty = false;
        // Advice only: a file system that ignores it still reads back what it has.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
        Ok(())
    }

    /// Opens what was written again, by its name, for reading.
    pub fn reopen(&self) -> Result<File, TreeError> {
        self.dir.open_file(self.temp_name().as_bytes(), true)
    }

    /// Gives it its final name, which must be free, and opens it by that. Durable only after the directory's sync.
    pub fn publish(mut self) -> Result<File, TreeError> {
        if self.poisoned || self.dirty {
            return Err(self.error("publish", std::io::Error::other("its content was not made durable")));
        }
        let temp = self.temp_name();
        let (from, to) = ((&self.dir, temp.as_bytes()), (&self.dir, self.name.as_bytes()));
        let given = give_name(from, to).map_err(|e| self.error("publish", e))?;
        self.gone = true;
        let named = self.dir.open_file(self.name.as_bytes(), true)?;
        if !is_same_file(&named, &self.file) {
            let other = std::io::Error::other("another file has its name");
            return Err(TreeError::at("publish", &self.dir.path_of(self.name.as_bytes()), other));
        }
        // NFS and FUSE keep a name that is dropped while it is open as a hidden file.
        self.file = named.try_clone().map_err(|e| self.error("publish", e))?;
        if given == Given::Both {
            drop_name((&self.dir, temp.as_bytes()));
        }
        Ok(named)
    }

    /// Gives it its final name, replacing the previous version of the same file.
    #[expect(
        clippy::disallowed_methods,
        reason = "replaces our own file by a longer edition of itself"
    )]
    pub fn replace(mut self) -> Result<(), TreeError> {
        if self.poisoned || self.dirty {
            return Err(self.error("publish", std::io::Error::other("its content was not made durable")));
        }
        rustix::fs::renameat(&self.dir, self.temp_name().as_str(), &self.dir, self.name.as_str())
            .map_err(|e| self.error("publish", e))?;
        self.gone = true;
        Ok(())
    }

    fn error(&self, call: &'static str, source: impl Into<std::io::Error>) -> TreeError {
        TreeError::at(call, &self.dir.path_of(self.temp_name().as_bytes()), source)
    }
}

impl Drop for Draft {
    #[expect(clippy::disallowed_methods, reason = "our own unpublished file")]
    fn drop(&mut self) {
        if !self.gone {
            // Best effort: what stays is cleared by the next run.
            let _ = rustix::fs::unlinkat(&self.dir, self.temp_name().as_str(), AtFlags::empty());
        }
    }
}

/// Locks what we just made, as long as it is open. Where there are no locks nothing is taken for debris by the lack of one.
pub(super) fn hold(file: impl AsFd) -> Result<(), Errno> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(e) if has_no_locks(e) => Ok(()),
        done => done,
    }
}

/// Removes a file that an interrupted run left in a destination. Does nothing and returns `false` when
/// another process holds its lock, when no lock can be had, or when it is not a regular file.
pub fn clear_debris(dir: &Dir, name: &[u8]) -> Result<bool, TreeError> {
    clear(dir, name, false)
}

/// The same for a file whose process is known to be gone: no lock is needed where there are none.
pub fn clear_dead_debris(dir: &Dir, name: &[u8]) -> Result<bool, TreeError> {
    clear(dir, name, true)
}

#[expect(clippy::disallowed_methods, reason = "our own debris, lock held or its process gone")]
fn clear(dir: &Dir, name: &[u8], dead: bool) -> Result<bool, TreeError> {
    let file = match dir.open_file(name, true) {
        Ok(file) => file,
        // opsrun makes no symlink of that name.
        Err(e) if matches!(e.errno(), Some(Errno::NOENT | Errno::LOOP)) => return Ok(false),
        Err(e) => return Err(e),
    };
    let fail = |e: std::io::Error| TreeError::at("remove", &dir.path_of(name), e);
    if super::handle::regular(&file).map_err(fail)?.is_none() {
        return Ok(false);
    }
    let lock = lock_open_file(dir, name, &file).map_err(|e| fail(e.into()))?;
    match &lock {
        FileLock::Taken => return Ok(false),
        FileLock::Missing if !dead => return Ok(false),
        FileLock::Held(_) | FileLock::Missing => {}
    }
    match rustix::fs::unlinkat(dir, OsStr::from_bytes(name), AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(fail(e.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn appears_whole_and_never_over_anything() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let mut draft = Draft::create(&dir, "a").unwrap();
        draft.file().write_all(b"hello").unwrap();
        assert!(!temp.path().join("a").exists());
        draft.sync().unwrap();
        draft.publish().unwrap();
        assert_eq!(std::fs::read(temp.path().join("a")).unwrap(), b"hello");

        let mut second = Draft::create(&dir, "a").unwrap();
        second.file().write_all(b"other").unwrap();
        second.sync().unwrap();
        assert!(second.publish().is_err());
        assert_eq!(std::fs::read(temp.path().join("a")).unwrap(), b"hello");
        assert_eq!(dir.names().unwrap().len(), 1);
    }

    #[test]
    fn unsynced_content_is_never_published() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let mut draft = Draft::create(&dir, "a").unwrap();
        draft.file().write_all(b"hello").unwrap();
        assert!(draft.publish().is_err());
        assert!(dir.names().unwrap().is_empty());
    }

    #[test]
    fn debris_stays_while_its_writer_lives() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let draft = Draft::create(&dir, "a").unwrap();
        assert!(!clear_debris(&dir, b"a.tmp").unwrap());
        drop(draft);
        std::fs::write(temp.path().join("b.tmp"), "").unwrap();
        assert!(clear_debris(&dir, b"b.tmp").unwrap());
        assert!(dir.names().unwrap().is_empty());
    }
}
