//! Removing a whole directory tree of our own that was never published.
//!
//! Takes the directory that holds it and its name. Goes down and up by handles, one directory open at a time and
//! never by path, so that depth costs neither stack nor descriptors, and nothing outside is ever reached: no
//! symlink is followed and no other mount entered.
//! Invariant: only [`clear_tree`], which asks for the tree's lock, and the draft that holds that lock come here.

use super::handle::{Dir, TreeError};
use super::lock::has_no_locks;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

const OPEN: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Removes an unpublished tree that an interrupted run left. Does nothing and returns `false` when another process holds
/// its lock, or when it is not a directory. Where there are no locks the caller knows that its process is gone.
pub fn clear_tree(dir: &Dir, name: &[u8]) -> Result<bool, TreeError> {
    let tree = match dir.open_dir(name, false) {
        Ok(tree) => tree,
        // opsrun makes no symlink or file of that name.
        Err(e) if matches!(e.errno(), Some(Errno::NOENT | Errno::LOOP | Errno::NOTDIR)) => return Ok(false),
        Err(e) => return Err(e),
    };
    match rustix::fs::flock(&tree, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(false),
        Err(e) if has_no_locks(e) => {}
        Err(e) => return Err(TreeError::at("remove", &dir.path_of(name), e)),
    }
    remove_tree(dir, name)?;
    Ok(true)
}

/// Removes it; the caller holds its lock.
pub(super) fn remove_tree(dir: &Dir, name: &[u8]) -> Result<(), TreeError> {
    CString::new(name)
        .map_err(|_| Errno::INVAL)
        .and_then(|name| remove(dir, &name))
        .map_err(|e| TreeError::at("remove", &dir.path_of(name), e))
}

struct Level {
    name: CString,
    id: (u64, u64),
    /// Directories in it that are still there.
    below: Vec<CString>,
}

#[expect(clippy::disallowed_methods, reason = "our own unpublished tree, lock held")]
fn remove(dir: &Dir, name: &CStr) -> Result<(), Errno> {
    let mut at = open_below(dir, name)?;
    let mut levels = vec![enter(&at, name.to_owned())?];
    while let Some(level) = levels.last_mut() {
        if let Some(child) = level.below.pop() {
            let next = open_below(&at, &child)?;
            levels.push(enter(&next, child)?);
            at = next;
            continue;
        }
        let Some(done) = levels.pop() else { break };
        let Some(above) = levels.last() else {
            return rustix::fs::unlinkat(dir, &*done.name, AtFlags::REMOVEDIR);
        };
        let parent = rustix::fs::openat(&at, "..", OPEN, Mode::empty())?;
        if id(&parent)? != above.id {
            // It was moved while it was being removed.
            return Err(Errno::STALE);
        }
        rustix::fs::unlinkat(&parent, &*done.name, AtFlags::REMOVEDIR)?;
        at = parent;
    }
    Ok(())
}

fn open_below(dir: &impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(dir, name, OPEN, Mode::empty(), resolve)
}

fn id(dir: &OwnedFd) -> Result<(u64, u64), Errno> {
    rustix::fs::fstat(dir).map(|stat| (stat.st_dev, stat.st_ino))
}

/// Takes everything out of a directory but the directories in it.
#[expect(clippy::disallowed_methods, reason = "our own unpublished tree, lock held")]
fn enter(dir: &OwnedFd, name: CString) -> Result<Level, Errno> {
    // A directory may have got its final mode already. Where we may not, the removal says so.
    let _ = rustix::fs::fchmod(dir, Mode::from_raw_mode(0o700));
    let items = rustix::fs::Dir::read_from(dir)?;
    let names: Result<Vec<CString>, Errno> = items.map(|item| Ok(item?.file_name().to_owned())).collect();
    let mut below = Vec::new();
    for name in names?.into_iter().filter(|name| **name != *c"." && **name != *c"..") {
        let stat = match rustix::fs::statat(dir, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(e) => return Err(e),
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            below.push(name);
        } else {
            match rustix::fs::unlinkat(dir, &*name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(e),
            }
        }
    }
    let id = id(dir)?;
    Ok(Level { name, id, below })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::draft_tree::TreeDraft;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_deep_tree_goes_on_a_small_stack_and_nothing_outside() {
        let temp = tempfile::tempdir().unwrap();
        let top = Dir::open(temp.path()).unwrap();
        std::fs::create_dir(temp.path().join("outside")).unwrap();
        std::fs::write(temp.path().join("outside/f"), "x").unwrap();
        std::fs::create_dir(temp.path().join("t")).unwrap();
        std::os::unix::fs::symlink("../outside", temp.path().join("t/link")).unwrap();
        std::fs::create_dir(temp.path().join("t/closed")).unwrap();
        std::fs::write(temp.path().join("t/closed/f"), "x").unwrap();
        std::fs::set_permissions(temp.path().join("t/closed"), std::fs::Permissions::from_mode(0o500)).unwrap();
        let mut dir = top.open_dir(b"t", false).unwrap();
        for _ in 0..1200 {
            dir.make_dir(b"d", 0o755).unwrap();
            dir = dir.open_dir(b"d", false).unwrap();
        }
        let remover = std::thread::Builder::new().stack_size(64 * 1024);
        let gone = remover
            .spawn(move || clear_tree(&top, b"t").unwrap())
            .unwrap()
            .join()
            .unwrap();
        assert!(gone);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
        assert!(temp.path().join("outside/f").exists());
    }

    #[test]
    fn stays_while_its_writer_lives_and_when_it_is_no_tree() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let draft = TreeDraft::create(&dir, "a").unwrap();
        assert!(!clear_tree(&dir, b"a.tmp").unwrap());
        drop(draft);
        assert!(!clear_tree(&dir, b"a.tmp").unwrap());
        std::fs::write(temp.path().join("b.tmp"), "").unwrap();
        std::os::unix::fs::symlink("/", temp.path().join("c.tmp")).unwrap();
        assert!(!clear_tree(&dir, b"b.tmp").unwrap());
        assert!(!clear_tree(&dir, b"c.tmp").unwrap());
        assert_eq!(dir.names().unwrap().len(), 2);
    }
}
