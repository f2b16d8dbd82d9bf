//! [`TreeDraft`]: a directory of plain files that appears whole or not at all.
//!
//! Takes a directory and a name; gives a locked directory under a temporary name, in which files, links and
//! directories are made, each never over anything, and which is then renamed as a whole. Knows nothing of what the
//! files mean.
//! Invariant: a draft in which anything was not made durable, or could not be, can never be published; dropped
//! unpublished it takes all that is in it along.

use super::attributes::{Attributes, Lacking, Node, cannot};
use super::debris::remove_tree;
use super::handle::{Dir, TreeError};
use super::naming::rename_noreplace;
use super::publish::{DRAFT, hold};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A directory being filled under a temporary name (`<final name>.tmp`, mode 0700).
#[derive(Debug)]
pub struct TreeDraft {
    dir: Dir,
    name: String,
    root: Dir,
    /// Files that are not durable yet.
    unsynced: AtomicU64,
    /// All directories were synced, and nothing was made since.
    sealed: AtomicBool,
    poisoned: AtomicBool,
    gone: bool,
}

/// What became of the wish to give a file one more name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    Done,
    /// The file system does not link, not so often, or not from there.
    Refused,
    /// Another file has the old name.
    Other,
}

impl TreeDraft {
    /// Starts the directory that will become `name` in `dir`.
    pub fn create(dir: &Dir, name: &str) -> Result<Self, TreeError> {
        let dir = dir.try_clone()?;
        let temp = format!("{name}{DRAFT}");
        let fail = |e: Errno| TreeError::at("create", &dir.path_of(temp.as_bytes()), e);
        if !dir.make_dir(temp.as_bytes(), 0o700)? {
            return Err(fail(Errno::EXIST));
        }
        let root = dir.open_dir(temp.as_bytes(), true)?;
        hold(&root).map_err(fail)?;
        Ok(Self {
            root,
            name: name.to_owned(),
            dir,
            unsynced: AtomicU64::new(0),
            sealed: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            gone: false,
        })
    }

    pub fn root(&self) -> &Dir {
        &self.root
    }

    pub fn temp_name(&self) -> String {
        format!("{}{DRAFT}", self.name)
    }

    pub fn reopen(&self) -> Result<Dir, TreeError> {
        self.dir.open_dir(self.temp_name().as_bytes(), true)
    }

    /// Makes the directory `name` in `dir`, which lies in this tree. It gets its attributes from [`Self::finish_dir`].
    pub fn make_dir(&self, dir: &Dir, name: &[u8]) -> Result<(), TreeError> {
        self.sealed.store(false, Ordering::Relaxed);
        if dir.make_dir(name, 0o700)? {
            Ok(())
        } else {
            Err(TreeError::at("make the directory", &dir.path_of(name), Errno::EXIST))
        }
    }

    /// Starts the file `name` in `dir`, which lies in this tree.
    pub fn file(&self, dir: &Dir, name: &[u8]) -> Result<NewFile<'_>, TreeError> {
        let dir = dir.try_clone()?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&dir, OsStr::from_bytes(name), flags, Mode::from_raw_mode(0o600))
            .map_err(|e| TreeError::at("create", &dir.path_of(name), e))?;
        self.sealed.store(false, Ordering::Relaxed);
        self.unsynced.fetch_add(1, Ordering::Relaxed);
        Ok(NewFile {
            tree: self,
            dir,
            name: name.into(),
            file: File::from(fd),
            done: false,
        })
    }

    /// Makes the symlink `name` in `dir`. `None` when the file system has no symlinks.
    pub fn symlink(
        &self,
        dir: &Dir,
        name: &[u8],
        to: &[u8],
        wanted: &Attributes,
    ) -> Result<Option<Lacking>, TreeError> {
        let fail = |e: Errno| TreeError::at("link", &dir.path_of(name), e);
        self.sealed.store(false, Ordering::Relaxed);
        let name_os = OsStr::from_bytes(name);
        match rustix::fs::symlinkat(OsStr::from_bytes(to), dir, name_os) {
            Ok(()) => {}
            Err(e) if cannot(e) => return Ok(None),
            Err(e) => return Err(fail(e)),
        }
        wanted.apply(&Node::symlink(dir, name)).map(Some).map_err(fail)
    }

    /// Gives `held`, which is named `from` in `from_dir`, the name `name` in `dir` of this tree as well.
    pub fn link(&self, held: &File, from: (&Dir, &[u8]), dir: &Dir, name: &[u8]) -> Result<Linked, TreeError> {
        let fail = |e: Errno| TreeError::at("link", &dir.path_of(name), e);
        self.sealed.store(false, Ordering::Relaxed);
        let name_os = OsStr::from_bytes(name);
        match rustix::fs::linkat(from.0, OsStr::from_bytes(from.1), dir, name_os, AtFlags::empty()) {
            Ok(()) => {}
            Err(e) if cannot(e) => return Ok(Linked::Refused),
            Err(Errno::NOENT) => return Ok(Linked::Other),
            Err(e) => return Err(fail(e)),
        }
        let id = |stat: &rustix::fs::Stat| (stat.st_dev, stat.st_ino);
        let meant = rustix::fs::fstat(held).map_err(fail)?;
        let got = rustix::fs::statat(dir, name_os, AtFlags::SYMLINK_NOFOLLOW).map_err(fail)?;
        if id(&meant) != id(&got) {
            take_back(dir, name);
            return Ok(Linked::Other);
        }
        if let Err(e) = dir.sync_file(held) {
            self.poisoned.store(true, Ordering::Relaxed);
            return Err(TreeError::at("sync", &dir.path_of(name), e));
        }
        let _ = rustix::fs::fadvise(held, 0, None, rustix::fs::Advice::DontNeed);
        Ok(Linked::Done)
    }

    /// Gives the directory `dir` of this tree its attributes and makes it durable: after all that it holds.
    pub fn finish_dir(&self, dir: &Dir, wanted: &Attributes) -> Result<Lacking, TreeError> {
        let lacking = wanted.apply(&Node::open(dir));
        let lacking = lacking.map_err(|e| TreeError::at("set the attributes of", dir.path(), e))?;
        self.sync_dir(dir)?;
        Ok(lacking)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), TreeError> {
        dir.sync().inspect_err(|_| self.poisoned.store(true, Ordering::Relaxed))
    }

    /// Says that all directories in it are finished, and makes the topmost one durable too.
    pub fn seal(&self) -> Result<(), TreeError> {
        self.sync_dir(&self.root)?;
        self.sealed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Gives it its final name, which must be free. Durable only after the directory's sync.
    pub fn publish(mut self) -> Result<(), TreeError> {
        let whole = self.sealed.load(Ordering::Relaxed)
            && self.unsynced.load(Ordering::Relaxed) == 0
            && !self.poisoned.load(Ordering::Relaxed);
        let fail = |e: std::io::Error| TreeError::at("publish", &self.dir.path_of(self.temp_name().as_bytes()), e);
        if !whole {
            return Err(fail(std::io::Error::other("its content was not made durable")));
        }
        let temp = self.temp_name();
        let (from, to) = ((&self.dir, temp.as_bytes()), (&self.dir, self.name.as_bytes()));
        rename_noreplace(from, to).map_err(|e| fail(e.into()))?;
        self.gone = true;
        Ok(())
    }
}

impl Drop for TreeDraft {
    fn drop(&mut self) {
        if !self.gone {
            // Best effort: what stays is cleared by the next run.
            let _ = remove_tree(&self.dir, self.temp_name().as_bytes());
        }
    }
}

/// A file of a [`TreeDraft`] that is being written. Dropped unfinished it goes.
#[derive(Debug)]
pub struct NewFile<'t> {
    tree: &'t TreeDraft,
    dir: Dir,
    name: Box<[u8]>,
    file: File,
    done: bool,
}

impl NewFile<'_> {
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Sets its size: what was not written is a hole. Size 0 throws away what was written.
    #[expect(clippy::disallowed_methods, reason = "our own unpublished file")]
    pub fn set_len(&self, size: u64) -> Result<(), TreeError> {
        self.file.set_len(size).map_err(|e| self.error("truncate", e))
    }

    /// Lets it share all data of `from`, where the file system can; else it is left as it was.
    pub fn share(&self, from: &File) -> Result<bool, TreeError> {
        match rustix::fs::ioctl_ficlone(&self.file, from) {
            Ok(()) => Ok(true),
            Err(e) if cannot(e) => Ok(false),
            Err(e) => Err(self.error("share the data of", e)),
        }
    }

    /// Gives it its attributes, makes it durable, and drops it from the page cache, so that the next read
    /// reads the disk.
    pub fn finish(mut self, wanted: &Attributes) -> Result<Lacking, TreeError> {
        let lacking = wanted.apply(&Node::open(&self.file));
        let lacking = lacking.map_err(|e| self.error("set the attributes of", e))?;
        if let Err(e) = self.dir.sync_file(&self.file) {
            // The kernel may have dropped its pages; a second sync would report success for data that is not there.
            self.tree.poisoned.store(true, Ordering::Relaxed);
            return Err(self.error("sync", e));
        }
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
        self.done = true;
        Ok(lacking)
    }

    fn error(&self, call: &'static str, e: impl Into<std::io::Error>) -> TreeError {
        TreeError::at(call, &self.dir.path_of(&self.name), e)
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.done {
            take_back(&self.dir, &self.name);
        }
        self.tree.unsynced.fetch_sub(1, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "our own unpublished file")]
fn take_back(dir: &Dir, name: &[u8]) {
    // What stays is not in the list: the copy is not published.
    let _ = rustix::fs::unlinkat(dir, OsStr::from_bytes(name), AtFlags::empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const PLAIN: Attributes = Attributes {
        owner: None,
        mode: 0o640,
        readable: 0,
        mtime_ns: 1_600_000_000_123_456_789,
        xattrs: Vec::new(),
    };

    fn written(tree: &TreeDraft, name: &[u8]) {
        let file = tree.file(tree.root(), name).unwrap();
        file.file().write_all(b"hello").unwrap();
        file.finish(&PLAIN).unwrap();
    }

    #[test]
    fn appears_whole_and_never_over_anything() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let tree = TreeDraft::create(&dir, "t").unwrap();
        written(&tree, b"a");
        assert!(tree.file(tree.root(), b"a").is_err());
        assert!(tree.make_dir(tree.root(), b"a").is_err());
        tree.seal().unwrap();
        tree.publish().unwrap();
        assert_eq!(std::fs::read(temp.path().join("t/a")).unwrap(), b"hello");

        let second = TreeDraft::create(&dir, "t").unwrap();
        second.seal().unwrap();
        assert!(second.publish().is_err());
        assert_eq!(dir.names().unwrap(), [Box::from(&b"t"[..])]);
        assert_eq!(std::fs::read(temp.path().join("t/a")).unwrap(), b"hello");
    }

    #[test]
    fn what_was_not_made_durable_is_never_published() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let tree = TreeDraft::create(&dir, "t").unwrap();
        tree.seal().unwrap();
        written(&tree, b"late");
        assert!(tree.publish().is_err());
        assert!(dir.names().unwrap().is_empty());
    }

    #[test]
    fn an_unfinished_file_goes() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let tree = TreeDraft::create(&dir, "t").unwrap();
        let file = tree.file(tree.root(), b"a").unwrap();
        file.file().write_all(b"half").unwrap();
        drop(file);
        assert!(tree.root().names().unwrap().is_empty());
    }

    #[test]
    fn a_link_is_made_to_the_held_file_only() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        std::fs::write(temp.path().join("old"), "old").unwrap();
        let held = File::open(temp.path().join("old")).unwrap();
        let tree = TreeDraft::create(&dir, "t").unwrap();
        let link = |from: &[u8], name: &[u8]| tree.link(&held, (&dir, from), tree.root(), name).unwrap();
        assert_eq!(link(b"old", b"a"), Linked::Done);
        std::fs::write(temp.path().join("new"), "new").unwrap();
        assert_eq!(link(b"new", b"b"), Linked::Other);
        assert_eq!(tree.root().names().unwrap(), [Box::from(&b"a"[..])]);
    }
}
