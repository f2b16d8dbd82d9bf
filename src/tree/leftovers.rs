//! What a restore that died left in the directories it wrote to.
//!
//! Takes an open directory, finds files and symlinks under the private names of restores, removes those that no restore
//! at work can own, and settles the journals of directories ([`super::dir_journal`]).
//! Invariant: only regular files and symlinks of exactly such a name go, and nothing of a restore that lives: it holds the
//! lock of its file and the lock of its target.

use super::handle::{Dir, TreeError, if_there, regular};
use super::lock::{FileLock, lock_open_file};
use super::walk::after_run_id;
use crate::entry::EntryKind;
use crate::path::RelPath;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

/// Ends the names of files that a restore has not named yet.
pub const PART: &str = ".part";

/// The private name of the file `what` of the restore `token`.
pub(super) fn part_name(token: &str, what: impl std::fmt::Display) -> String {
    format!(".opsrun-{token}-{what}{PART}")
}

/// True for a name that [`part_name`] gives to a file with a number.
fn is_part(name: &[u8]) -> bool {
    let number = after_run_id(name).and_then(|rest| rest.strip_suffix(PART.as_bytes()));
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

/// Removes from `dir` what dead restores left there. The caller holds the lock of the directory `held`, and its own files
/// have `token` in their names. Says how many went.
pub(super) fn clear(dir: &Dir, held: (u64, u64), token: &str) -> Result<u64, TreeError> {
    let own = format!(".opsrun-{token}-");
    let mut found: Vec<Box<[u8]>> = Vec::new();
    dir.each_name(&mut |name| {
        if is_part(name) && !name.starts_with(own.as_bytes()) {
            found.push(name.into());
        }
    })?;
    let mut cleared = 0;
    for name in found {
        cleared += u64::from(clear_part(dir, &name, held)?);
    }
    Ok(cleared)
}

/// Removes the file or symlink `name` that a dead restore left in `dir`. Does nothing and returns `false` when a restore
/// may still be at work on it, or when it is something else. The caller holds the lock of the directory `held`.
pub fn clear_part(dir: &Dir, name: &[u8], held: (u64, u64)) -> Result<bool, TreeError> {
    let Some(path) = RelPath::new(name).filter(|_| is_part(name)) else {
        return Ok(false);
    };
    let Some(entry) = if_there(dir.entry(name, path))? else {
        return Ok(false);
    };
    // A symlink has no lock, nor has a file in the moment in which it gets its lock or a second name.
    if !matches!(entry.kind, EntryKind::File | EntryKind::Symlink) || restored_into(dir, held) {
        return Ok(false);
    }
    let _lock = match entry.kind {
        EntryKind::File => match dir.open_file(name, false) {
            Ok(file) => match lock_open_file(dir, name, &file) {
                Ok(FileLock::Taken) => return Ok(false),
                // Without locks of files, the lock of the target shows that no restore of this host lives.
                Ok(lock) => Some((file, lock)),
                Err(e) => return Err(TreeError::at("lock", &dir.path_of(name), e)),
            },
            // It has its final mode already, and cannot be opened under it.
            Err(e) if e.errno() == Some(Errno::ACCESS) => None,
            Err(e) if e.errno() == Some(Errno::NOENT) => return Ok(false),
            Err(e) => return Err(e),
        },
        _ => None,
    };
    unlink(dir, name)
}

#[expect(clippy::disallowed_methods, reason = "our own debris, no restore at work")]
pub(super) fn unlink(dir: &Dir, name: &[u8]) -> Result<bool, TreeError> {
    match rustix::fs::unlinkat(dir, OsStr::from_bytes(name), AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(TreeError::at("remove", &dir.path_of(name), e)),
    }
}

/// True when another process holds the lock of `dir` or of a directory above it, as every restore does of its target.
fn restored_into(dir: &Dir, held: (u64, u64)) -> bool {
    let Ok(mut at) = dir.try_clone() else { return true };
    loop {
        let Ok(id) = at.id() else { return true };
        if id != held && locked(&at) {
            return true;
        }
        // Without access to it, none of our own restores has it as its target.
        let Ok(above) = at.parent() else { return false };
        if above.id().is_ok_and(|above| above == id) {
            return false;
        }
        at = above;
    }
}

fn locked(dir: &Dir) -> bool {
    // A description of its own: its lock ends with it.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = rustix::fs::openat(dir, ".", flags, Mode::empty());
    own.is_ok_and(|own| rustix::fs::flock(&own, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK))
}

/// An open file of a dead restore, and its lock.
#[derive(Debug)]
pub(super) struct LockedFile {
    pub(super) file: File,
    _lock: FileLock,
}

/// Opens our own regular file that a dead restore left; the handle holds its lock. `None` when it is something else.
pub(super) fn take(dir: &Dir, name: &[u8]) -> Result<Option<LockedFile>, TreeError> {
    let file = match dir.open_file(name, false) {
        Ok(file) => file,
        Err(e) if matches!(e.errno(), Some(Errno::NOENT | Errno::LOOP | Errno::ACCESS)) => return Ok(None),
        Err(e) => return Err(e),
    };
    let fail = |e: std::io::Error| TreeError::at("read", &dir.path_of(name), e);
    let stat = rustix::fs::fstat(&file).map_err(|e| fail(e.into()))?;
    let private = Mode::from_raw_mode(stat.st_mode)
        .intersection(Mode::RWXG | Mode::RWXO)
        .is_empty();
    let ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_nlink == 1 && private;
    if !ours || regular(&file).map_err(fail)?.is_none() {
        return Ok(None);
    }
    match lock_open_file(dir, name, &file).map_err(|e| fail(e.into()))? {
        FileLock::Taken => Ok(None),
        lock => Ok(Some(LockedFile { file, _lock: lock })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const DEAD: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const OWN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAW";

    #[test]
    fn only_parts_of_dead_restores_go() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        let dir = Dir::open(temp.path()).unwrap();
        let id = dir.id().unwrap();
        fs::write(at(&part_name(DEAD, 1)), "half").unwrap();
        std::os::unix::fs::symlink("/", at(&part_name(DEAD, 2))).unwrap();
        fs::write(at("first"), "whole").unwrap();
        fs::hard_link(at("first"), at(&part_name(DEAD, 3))).unwrap();
        fs::create_dir(at(&part_name(DEAD, 4))).unwrap();
        fs::write(at(&part_name(OWN, 1)), "ours").unwrap();
        for name in [
            ".opsrun-x-1.part",
            ".opsrun-01ARZ3NDEKTSV4RRFFQ69G5FAV-a.part",
            "b.part",
        ] {
            fs::write(at(name), "").unwrap();
        }
        let held = File::create(at(&part_name(DEAD, 5))).unwrap();
        rustix::fs::flock(&held, FlockOperation::LockExclusive).unwrap();
        assert_eq!(clear(&dir, id, OWN).unwrap(), 3);
        assert_eq!(fs::read(at("first")).unwrap(), b"whole");
        assert_eq!(dir.names().unwrap().len(), 7);
        drop(held);
        assert_eq!(clear(&dir, id, OWN).unwrap(), 1);
    }

    #[test]
    fn nothing_goes_while_a_restore_is_at_work_above() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("a/b")).unwrap();
        let dir = Dir::open(&temp.path().join("a/b")).unwrap();
        std::os::unix::fs::symlink("x", temp.path().join("a/b").join(part_name(DEAD, 1))).unwrap();
        let target = File::open(temp.path().join("a")).unwrap();
        rustix::fs::flock(&target, FlockOperation::LockExclusive).unwrap();
        assert_eq!(clear(&dir, dir.id().unwrap(), OWN).unwrap(), 0);
        // The lock that the caller holds itself.
        let own = Dir::open(&temp.path().join("a")).unwrap().id().unwrap();
        assert_eq!(clear(&dir, own, OWN).unwrap(), 1);
    }
}
