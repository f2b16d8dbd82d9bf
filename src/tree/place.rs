//! Putting restored things below a target: never outside it, never half, never over something unasked.
//!
//! Takes an open target and relative paths, gives files that are written under a private name, finished on their
//! handle, made durable, and only then given their name. Every way down goes through handles that follow no symlink.
//! Directories that lack the right are made writable for the time; [`super::dir_journal`] knows which.
//! Invariant: an existing file stays unless `force` was given, and an existing directory always stays; a file whose sync
//! failed never gets its name.

use super::attributes::{Attributes, Lacking, Node, cannot};
use super::dir_journal::DirJournal;
use super::handle::{Dir, TreeError, identity_of, if_there};
use super::leftovers::{self, part_name};
use super::naming::rename_noreplace;
use super::publish::hold;
use crate::entry::Entry;
use crate::file_system;
use crate::path::RelPath;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many files and fewer are made durable one by one: a sync of the whole file system may have to write what others wrote.
const FEW: usize = 4;

/// What becomes of a name that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    Done,
    /// Something exists there; it was left unchanged.
    Taken,
}

/// What becomes of the wish to give a restored file one more name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPlacement {
    Done,
    Taken,
    /// The file system does not link, or not so often.
    Refused,
    /// Another file has the first name by now.
    Other,
}

/// Device and inode of a restored file.
pub type FileId = (u64, u64);

/// A directory and its path below the target.
type OpenedDir = (Box<[u8]>, Arc<Dir>);

/// Below which directory things are placed. The caller holds that directory's lock.
#[derive(Debug)]
pub struct RestoreTarget<'a> {
    root: &'a Dir,
    token: String,
    count: AtomicU64,
    force: bool,
    /// One sync makes the whole file system durable.
    syncs_whole: bool,
    /// The directory used last.
    last: Mutex<Option<OpenedDir>>,
    journal: Mutex<DirJournal>,
    /// The file system refuses to make files durable.
    volatile: AtomicBool,
}

/// A file that has no name yet that anybody knows.
#[derive(Debug)]
pub struct Unnamed {
    dir: Arc<Dir>,
    temp: String,
    pub file: File,
    done: bool,
}

/// A file with its content and its attributes, not yet durable.
#[derive(Debug)]
pub struct FinishedFile {
    file: Unnamed,
    name: Box<[u8]>,
    /// Attributes that it could not get.
    pub lacking: Lacking,
}

impl<'a> RestoreTarget<'a> {
    /// Below `root`. `token` is a ULID that names this restore.
    pub fn new(root: &'a Dir, token: &str, force: bool) -> Self {
        Self {
            root,
            token: token.to_owned(),
            count: AtomicU64::new(0),
            force,
            syncs_whole: file_system::syncs_whole(root),
            last: Mutex::default(),
            journal: Mutex::new(DirJournal::new(token)),
            volatile: AtomicBool::new(false),
        }
    }

    /// Reads what restores that died left at the top of the target, and clears it.
    pub fn take_over(&self) -> Result<(), TreeError> {
        self.journal().take_over(self.root)?;
        self.clear(b"").map(drop)
    }

    /// Removes the files of restores that died from the directory at `path` (empty: the target itself). False when there is
    /// no such directory.
    pub fn clear(&self, path: &[u8]) -> Result<bool, TreeError> {
        let Some(dir) = if_there(self.root.open_dir(path, false))? else {
            return Ok(false);
        };
        let held = self.root.id()?;
        self.changing(&dir, path, || leftovers::clear(&dir, held, &self.token).map(|_| true))
    }

    /// The directory that holds `path`; made, with all above it, where it lacks.
    pub fn parent(&self, path: &RelPath) -> Result<Arc<Dir>, TreeError> {
        let wanted = path.parent_bytes();
        if let Some((at, dir)) = &*held(&self.last)
            && **at == *wanted
        {
            return Ok(Arc::clone(dir));
        }
        let dir = match if_there(self.root.open_dir(wanted, false))? {
            Some(dir) => dir,
            None => self.make_all(path)?,
        };
        let dir = Arc::new(dir);
        *held(&self.last) = Some((wanted.into(), Arc::clone(&dir)));
        Ok(dir)
    }

    fn make_all(&self, path: &RelPath) -> Result<Dir, TreeError> {
        let mut dir = self.root.try_clone()?;
        let mut above: &[u8] = b"";
        for next in path.ancestors() {
            let name = next.rsplit(|b| *b == b'/').next().unwrap_or(next);
            self.changing(&dir, above, || dir.make_dir(name, 0o700))?;
            dir = dir.open_dir(name, false)?;
            above = next;
        }
        Ok(dir)
    }

    /// Does what changes `dir`, which is at `path`; where that lacks the right, it gets it for the time.
    fn changing<T>(&self, dir: &Dir, path: &[u8], act: impl Fn() -> Result<T, TreeError>) -> Result<T, TreeError> {
        match act() {
            Err(e) if e.errno() == Some(Errno::ACCESS) && self.journal().open_up(self.root, dir, path)? => act(),
            done => done,
        }
    }

    /// Makes the directory `path`. [`Placement::Taken`] when something is there already.
    pub fn dir(&self, path: &RelPath) -> Result<Placement, TreeError> {
        let above = self.parent(path)?;
        if above.has(path.name())? {
            return Ok(Placement::Taken);
        }
        self.changing(self.root, b"", || self.journal().make(self.root, Some(path)))?;
        let made = self.changing(&above, path.parent_bytes(), || above.make_dir(path.name(), 0o700))?;
        Ok(if made { Placement::Done } else { Placement::Taken })
    }

    /// Notes that the restore has made the target itself.
    pub fn note_made(&self) -> Result<(), TreeError> {
        self.changing(self.root, b"", || self.journal().make(self.root, None))
    }

    /// True when this restore, or one that died, made the target itself, and it does not have its attributes yet.
    pub fn is_unfinished_itself(&self) -> bool {
        self.journal().is_unfinished_itself()
    }

    /// Gives the target, of which no copy records the attributes, a mode of its own.
    pub fn finish_plain(&self) -> Result<(), TreeError> {
        let set = rustix::fs::fchmod(self.root, Mode::from_raw_mode(0o700));
        set.map_err(|e| TreeError::at("set the attributes of", self.root.path(), e))
    }

    /// True for a directory that a restore which died has made, and not given its attributes.
    pub fn is_unfinished(&self, path: &RelPath) -> bool {
        self.journal().is_unfinished(path)
    }

    /// Starts a file that will be at `path`.
    pub fn file(&self, path: &RelPath) -> Result<Unnamed, TreeError> {
        let dir = self.parent(path)?;
        let temp = self.temp();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = self.changing(&dir, path.parent_bytes(), || {
            rustix::fs::openat(&*dir, temp.as_str(), flags, Mode::from_raw_mode(0o600))
                .map_err(|e| TreeError::at("create", &dir.path_of(path.name()), e))
        })?;
        let unnamed = Unnamed {
            dir,
            temp,
            file: File::from(fd),
            done: false,
        };
        // While this restore lives, no other run clears its files.
        hold(&unnamed.file).map_err(|e| unnamed.error("lock", e))?;
        Ok(unnamed)
    }

    /// Makes files durable, then gives them their names. Each with what became of it: a file that is not durable is
    /// discarded.
    pub fn name(&self, files: Vec<FinishedFile>) -> Vec<Result<Placement, TreeError>> {
        let together = self.syncs_whole && files.len() > FEW;
        let synced = if together {
            rustix::fs::syncfs(self.root)
        } else {
            Ok(())
        };
        let mut dirs: Vec<Arc<Dir>> = Vec::new();
        let mut placed = Vec::with_capacity(files.len());
        for FinishedFile { mut file, name, .. } in files {
            let one = || {
                if together {
                    synced
                } else {
                    rustix::fs::fsync(&file.file)
                }
            };
            if let Err(e) = self.durable(one()) {
                // The kernel may have dropped its pages; a second sync would report success for data that is not there.
                placed.push(Err(file.error("sync", e)));
                continue;
            }
            file.done = true;
            if dirs.last().is_none_or(|last| !Arc::ptr_eq(last, &file.dir)) {
                dirs.push(Arc::clone(&file.dir));
            }
            placed.push(name_it(&file.dir, &file.temp, &name, self.force));
        }
        if let Err(e) = dirs.iter().try_for_each(|dir| self.sync_dir(dir)) {
            // They are whole, but their names may be lost.
            for one in placed.iter_mut().filter(|one| one.is_ok()) {
                *one = Err(TreeError::at("sync", self.root.path(), e.errno().unwrap_or(Errno::IO)));
            }
        }
        placed
    }

    /// What a sync answered. A file system that has none is noted.
    fn durable(&self, synced: Result<(), Errno>) -> Result<(), Errno> {
        match synced {
            Err(e) if e != Errno::PERM && cannot(e) => {
                self.volatile.store(true, Ordering::Relaxed);
                Ok(())
            }
            answer => answer,
        }
    }

    /// Makes the names in a directory durable, where [`Self::close`] will not do it for all at once.
    fn sync_dir(&self, dir: &Dir) -> Result<(), TreeError> {
        let synced = if self.syncs_whole {
            Ok(())
        } else {
            rustix::fs::fsync(dir)
        };
        self.durable(synced).map_err(|e| TreeError::at("sync", dir.path(), e))
    }

    /// Gives what could not be kept of its attributes.
    pub fn symlink(&self, path: &RelPath, to: &[u8], wanted: &Attributes) -> Result<(Placement, Lacking), TreeError> {
        let dir = self.parent(path)?;
        let temp = self.temp();
        let fail = |e: Errno| TreeError::at("link", &dir.path_of(path.name()), e);
        self.changing(&dir, path.parent_bytes(), || {
            rustix::fs::symlinkat(OsStr::from_bytes(to), &*dir, temp.as_str()).map_err(fail)
        })?;
        let lacking = match wanted.apply(&Node::symlink(&dir, temp.as_bytes())) {
            Ok(lacking) => lacking,
            Err(e) => {
                discard(&dir, &temp);
                return Err(fail(e));
            }
        };
        // Its content is its target, which comes with its name; only what it replaces could be lost.
        if self.force
            && let Err(e) = self.durable(rustix::fs::fsync(&*dir))
        {
            discard(&dir, &temp);
            return Err(fail(e));
        }
        let placed = name_it(&dir, &temp, path.name(), self.force)?;
        self.sync_dir(&dir)?;
        Ok((placed, lacking))
    }

    /// Makes `path` another name of the restored file `first`, which must be the file `id`, or else `same`.
    pub fn hardlink(
        &self,
        path: &RelPath,
        (first, id): (&RelPath, FileId),
        same: &dyn Fn(&File) -> bool,
    ) -> Result<LinkPlacement, TreeError> {
        let (from, dir) = (self.parent(first)?, self.parent(path)?);
        let temp = self.temp();
        let fail = |e: Errno| TreeError::at("link", &dir.path_of(path.name()), e);
        let held = OsStr::from_bytes(first.name());
        let linked = self.changing(&dir, path.parent_bytes(), || {
            rustix::fs::linkat(&*from, held, &*dir, temp.as_str(), AtFlags::empty()).map_err(fail)
        });
        match linked {
            Ok(()) => {}
            Err(e) if e.errno().is_some_and(cannot) => return Ok(LinkPlacement::Refused),
            Err(e) if e.errno() == Some(Errno::NOENT) => return Ok(LinkPlacement::Other),
            Err(e) => return Err(e),
        }
        let got = rustix::fs::statat(&*dir, temp.as_str(), AtFlags::SYMLINK_NOFOLLOW).map_err(fail);
        let meant = got.map(|got| {
            let got = identity_of(&got);
            (got.dev, got.ino) == id
        });
        // Some file systems number the names of one file apart.
        let meant = meant.map(|meant| meant || dir.open_file(temp.as_bytes(), false).is_ok_and(|file| same(&file)));
        match meant {
            Ok(true) => {}
            other => {
                discard(&dir, &temp);
                return other.map(|_| LinkPlacement::Other);
            }
        }
        let placed = name_it(&dir, &temp, path.name(), self.force)?;
        self.sync_dir(&dir)?;
        Ok(match placed {
            Placement::Done => LinkPlacement::Done,
            Placement::Taken => LinkPlacement::Taken,
        })
    }

    /// Gives a directory its attributes; `None` is the target itself.
    pub fn finish_dir(&self, path: Option<&RelPath>, wanted: &Attributes) -> Result<Lacking, TreeError> {
        let path = path.map_or(&[][..], RelPath::as_bytes);
        let dir = self.root.open_dir(path, false)?;
        let set = wanted.apply(&Node::open(&dir));
        let lacking = set.map_err(|e| TreeError::at("set the attributes of", dir.path(), e))?;
        self.journal().forget(path);
        if path.is_empty() {
            // It comes last, after the sync of all.
            self.durable(rustix::fs::fsync(&dir))
                .map_err(|e| TreeError::at("sync", dir.path(), e))?;
        } else {
            self.sync_dir(&dir)?;
        }
        Ok(lacking)
    }

    /// What exists at `path`, if anything.
    pub fn existing(&self, path: &RelPath) -> Result<Option<Entry>, TreeError> {
        let dir = self.root.open_dir(path.parent_bytes(), false);
        if_there(dir.and_then(|dir| dir.entry(path.name(), path.clone())))
    }

    /// Where the symlink at `path` leads; `None` when it is not a symlink.
    pub fn link_target(&self, path: &RelPath) -> Option<Vec<u8>> {
        let dir = self.root.open_dir(path.parent_bytes(), false);
        dir.and_then(|dir| dir.read_link(path.name())).ok()
    }

    /// True when the file or symlink at `path` has exactly these attributes.
    pub fn has_attributes(&self, path: &RelPath, wanted: &Attributes) -> bool {
        let Ok(dir) = self.root.open_dir(path.parent_bytes(), false) else {
            return false;
        };
        match dir.open_file(path.name(), false) {
            Ok(file) => wanted.fits(&Node::open(&file)),
            Err(e) if e.errno() == Some(Errno::LOOP) => wanted.fits(&Node::symlink(&dir, path.name())),
            Err(_) => false,
        }
    }

    pub fn open(&self, path: &RelPath) -> Result<File, TreeError> {
        let dir = self.root.open_dir(path.parent_bytes(), false)?;
        dir.open_file(path.name(), false)
    }

    /// Ends the restore: all names become durable, and directories that were made writable get their modes back. What an
    /// incomplete restore leaves unfinished is kept in its journal, and so is what dead restores left and this one did not
    /// finish. Gives the modes that could not be given back.
    pub fn close(&self, complete: bool) -> Result<Vec<TreeError>, TreeError> {
        let fail = |e| TreeError::at("sync", self.root.path(), e);
        // It may take long: the journal is needed until it is done.
        if self.syncs_whole {
            rustix::fs::syncfs(self.root).map_err(fail)?;
        }
        let failed = self.journal().close(self.root, complete);
        self.durable(rustix::fs::fsync(self.root)).map_err(fail)?;
        Ok(failed)
    }

    /// Directories that dead restores made and that still are as they made them: the first, and how many.
    pub fn unfinished(&self) -> Option<(RelPath, u64)> {
        self.journal().unfinished()
    }

    /// True when the file system refused to make files durable.
    pub fn is_volatile(&self) -> bool {
        self.volatile.load(Ordering::Relaxed)
    }

    fn temp(&self) -> String {
        part_name(&self.token, self.count.fetch_add(1, Ordering::Relaxed))
    }

    fn journal(&self) -> MutexGuard<'_, DirJournal> {
        held(&self.journal)
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for RestoreTarget<'_> {
    fn drop(&mut self) {
        // A restore that ended early: best effort.
        drop(self.journal().close(self.root, false));
    }
}

impl Unnamed {
    /// Sets the file's size: what was not written is a hole.
    #[expect(clippy::disallowed_methods, reason = "a file that has no name yet")]
    pub fn set_len(&self, size: u64) -> Result<(), TreeError> {
        self.file.set_len(size).map_err(|e| self.error("write", e))
    }

    /// Gives it its attributes. It gets its name from [`RestoreTarget::name`].
    pub fn finish(self, name: &[u8], wanted: &Attributes) -> Result<FinishedFile, TreeError> {
        let set = wanted.apply(&Node::open(&self.file));
        let lacking = set.map_err(|e| self.error("set the attributes of", e))?;
        Ok(FinishedFile {
            file: self,
            name: name.into(),
            lacking,
        })
    }

    fn error(&self, call: &'static str, e: impl Into<std::io::Error>) -> TreeError {
        TreeError::at(call, &self.dir.path().join(&self.temp), e)
    }
}

impl FinishedFile {
    pub fn id(&self) -> Option<FileId> {
        let stat = rustix::fs::fstat(&self.file.file).ok()?;
        Some((stat.st_dev, stat.st_ino))
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
    if force || result.is_err() {
        discard(dir, temp);
    }
    match result {
        Ok(()) => Ok(Placement::Done),
        Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => Ok(Placement::Taken),
        Err(e) => Err(TreeError::at("name", &dir.path_of(name), e)),
    }
}
