//! Putting restored things below a target: never outside it, never half, never over something unasked.
//!
//! Takes an open target and relative paths, gives files that are written under a private name, finished on their
//! handle, and only then given their name. Every way down goes through handles that follow no symlink.
//! Invariant: an existing file stays unless `force` was given, and an existing directory always stays.

use super::attributes::times;
use super::handle::{Dir, TreeError, if_there};
use super::naming::rename_noreplace;
use super::publish::hold;
use crate::path::RelPath;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What becomes of a name that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    Done,
    /// Something exists there; it was left unchanged.
    Taken,
}

/// Below which directory things are placed.
#[derive(Debug)]
pub struct RestoreTarget<'a> {
    root: &'a Dir,
    token: String,
    count: AtomicU64,
    force: bool,
}

/// A file that has no name yet that anybody knows.
#[derive(Debug)]
pub struct Unnamed {
    dir: Dir,
    temp: String,
    pub file: File,
    force: bool,
    done: bool,
}

impl<'a> RestoreTarget<'a> {
    /// Below `root`. `token` is a ULID that names this restore.
    pub fn new(root: &'a Dir, token: &str, force: bool) -> Self {
        Self {
            root,
            token: token.to_owned(),
            count: AtomicU64::new(0),
            force,
        }
    }

    /// The directory that holds `path`; made, with all above it, where it lacks.
    pub fn parent(&self, path: &RelPath) -> Result<Dir, TreeError> {
        if let Some(dir) = if_there(self.root.open_dir(path.parent_bytes(), false))? {
            return Ok(dir);
        }
        let mut dir = self.root.try_clone()?;
        for name in path.parent_bytes().split(|b| *b == b'/') {
            dir.make_dir(name, 0o700)?;
            dir = dir.open_dir(name, false)?;
        }
        Ok(dir)
    }

    /// Makes the directory `path`. [`Placement::Taken`] when something is there already.
    pub fn dir(&self, path: &RelPath) -> Result<Placement, TreeError> {
        let made = self.parent(path)?.make_dir(path.name(), 0o700)?;
        Ok(if made { Placement::Done } else { Placement::Taken })
    }

    /// Starts a file that will be at `path`.
    pub fn file(&self, path: &RelPath) -> Result<Unnamed, TreeError> {
        let dir = self.parent(path)?;
        let temp = self.temp();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&dir, temp.as_str(), flags, Mode::from_raw_mode(0o600))
            .map_err(|e| TreeError::at("create", &dir.path_of(path.name()), e))?;
        // While this restore lives, no other run clears its files.
        hold(&fd).map_err(|e| TreeError::at("lock", &dir.path_of(temp.as_bytes()), e))?;
        Ok(Unnamed {
            dir,
            temp,
            file: File::from(fd),
            force: self.force,
            done: false,
        })
    }

    pub fn symlink(&self, path: &RelPath, to: &[u8], facts: &RestoredAttributes) -> Result<Placement, TreeError> {
        let dir = self.parent(path)?;
        let temp = self.temp();
        let fail = |e: Errno| TreeError::at("link", &dir.path_of(path.name()), e);
        rustix::fs::symlinkat(OsStr::from_bytes(to), &dir, temp.as_str()).map_err(fail)?;
        let finish = || {
            if let Some((uid, gid)) = facts.owner {
                rustix::fs::chownat(&dir, temp.as_str(), Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            rustix::fs::utimensat(&dir, temp.as_str(), &times(facts.mtime_ns), AtFlags::SYMLINK_NOFOLLOW)
        };
        finish().map_err(fail)?;
        name_it(&dir, &temp, path.name(), self.force)
    }

    /// Makes `path` another name of the restored `first`.
    pub fn hardlink(&self, path: &RelPath, first: &RelPath) -> Result<Placement, TreeError> {
        let (from, dir) = (self.parent(first)?, self.parent(path)?);
        let temp = self.temp();
        let held = OsStr::from_bytes(first.name());
        rustix::fs::linkat(&from, held, &dir, temp.as_str(), AtFlags::empty())
            .map_err(|e| TreeError::at("link", &dir.path_of(path.name()), e))?;
        name_it(&dir, &temp, path.name(), self.force)
    }

    /// Gives a directory its mode, owner and times.
    pub fn finish_dir(&self, path: &RelPath, facts: &RestoredAttributes) -> Result<(), TreeError> {
        let dir = self.root.open_dir(path.as_bytes(), false)?;
        let set = facts.apply(&dir);
        set.map_err(|e| TreeError::at("set the attributes of", dir.path(), e))
    }

    /// What exists at `path`, if anything.
    pub fn existing(&self, path: &RelPath) -> Result<Option<crate::entry::Entry>, TreeError> {
        let dir = self.root.open_dir(path.parent_bytes(), false);
        if_there(dir.and_then(|dir| dir.entry(path.name(), path.clone())))
    }

    /// Where the symlink at `path` leads; `None` when it is not a symlink.
    pub fn link_target(&self, path: &RelPath) -> Option<Vec<u8>> {
        let dir = self.root.open_dir(path.parent_bytes(), false);
        dir.and_then(|dir| dir.read_link(path.name())).ok()
    }

    pub fn open(&self, path: &RelPath) -> Result<File, TreeError> {
        let dir = self.root.open_dir(path.parent_bytes(), false)?;
        dir.open_file(path.name(), false)
    }

    /// Makes everything placed so far durable.
    pub fn sync(&self) -> Result<(), TreeError> {
        rustix::fs::syncfs(self.root).map_err(|e| TreeError::at("sync", self.root.path(), e))
    }

    fn temp(&self) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        format!(".opsrun-{}-{number}.part", self.token)
    }
}

impl Unnamed {
    /// Sets the file's size: what was not written is a hole.
    #[expect(clippy::disallowed_methods, reason = "a file that has no name yet")]
    pub fn set_len(&self, size: u64) -> Result<(), TreeError> {
        self.file.set_len(size).map_err(|e| self.error("write", e))
    }

    /// Gives it its attributes and names it. Durable after [`RestoreTarget::sync`].
    pub fn finish(mut self, name: &[u8], facts: &RestoredAttributes) -> Result<Placement, TreeError> {
        let set = facts.apply(&self.file);
        set.map_err(|e| self.error("set the attributes of", e))?;
        let placed = name_it(&self.dir, &self.temp, name, self.force)?;
        self.done = true;
        Ok(placed)
    }

    fn error(&self, call: &'static str, e: impl Into<std::io::Error>) -> TreeError {
        TreeError::at(call, &self.dir.path().join(&self.temp), e)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if !self.done {
            discard(&self.dir, &self.temp);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "our own unnamed file")]
fn discard(dir: &Dir, temp: &str) {
    let _ = rustix::fs::unlinkat(dir, temp, AtFlags::empty());
}

/// From the private name to its own.
#[expect(
    clippy::disallowed_methods,
    reason = "never over anything, unless the user asked for it with --force"
)]
fn name_it(dir: &Dir, temp: &str, name: &[u8], force: bool) -> Result<Placement, TreeError> {
    let name_os = OsStr::from_bytes(name);
    let result = if force {
        // The kernel does not rename a file over a directory.
        rustix::fs::renameat(dir, temp, dir, name_os)
    } else {
        rename_noreplace((dir, temp.as_bytes()), (dir, name))
    };
    // After a success too: with two names of one inode, rename does nothing and leaves both.
    discard(dir, temp);
    match result {
        Ok(()) => Ok(Placement::Done),
        Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => Ok(Placement::Taken),
        Err(e) => Err(TreeError::at("name", &dir.path_of(name), e)),
    }
}

#[derive(Debug, Clone, Copy)]
pub struct RestoredAttributes {
    pub mode: u32,
    /// Owner and group, when they are to be set.
    pub owner: Option<(Uid, Gid)>,
    /// Last change of the content, nanoseconds since the Unix epoch.
    pub mtime_ns: i128,
}

impl RestoredAttributes {
    fn apply(&self, fd: &impl std::os::fd::AsFd) -> Result<(), Errno> {
        if let Some((uid, gid)) = self.owner {
            rustix::fs::fchown(fd, Some(uid), Some(gid))?;
        }
        // After the owner, whose change clears the set-id bits; without the owner they are not given.
        let given = if self.owner.is_some() { 0o7777 } else { 0o1777 };
        let mode = self.mode & given;
        rustix::fs::fchmod(fd, Mode::from_raw_mode(mode))?;
        rustix::fs::futimens(fd, &times(self.mtime_ns))
    }
}
