//! Giving what exists another name, never over anything.
//!
//! Takes two directories and two names. `RENAME_NOREPLACE` does it in one step; many file systems do not have it (FUSE, NFS,
//! 9p), and a filter of seccomp may take it away. There, a file gets a second name by `linkat`, which is never given over
//! anything, and loses the first one. Where files have one name only, the new name is taken by an empty file that is made
//! exclusively, and the file is renamed over that; in a directory for copies, which is ours alone, that comes first, since
//! NFS and FUSE keep a dropped name of an open file for a while. A directory is renamed over an empty one that was made for it: the
//! kernel replaces no other.
//! Invariant: whatever has the new name already keeps it.

use super::handle::{Dir, is_missing};
use crate::file_system::Naming;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Answers that mean: this file gets no second name here.
pub(super) fn has_no_link(e: Errno) -> bool {
    is_missing(e) || matches!(e, Errno::PERM | Errno::MLINK)
}

/// Renames a file, a symlink or a directory. `EXIST` when the new name is taken. Not durable before both directories are
/// synced.
///
/// A process that dies in between leaves a file with both names, or an empty file or directory under the new one.
pub(super) fn rename_noreplace(from: (&Dir, &[u8]), to: (&Dir, &[u8])) -> Result<(), Errno> {
    if give_name(from, to)? == Given::Both {
        drop_name(from);
    }
    Ok(())
}

/// The same for what is not ours: without links it is an error, not a matter of an empty file.
pub(super) fn give_back(from: (&Dir, &[u8]), to: (&Dir, &[u8])) -> Result<Given, Errno> {
    match in_one_step(from, to) {
        Err(e) if is_missing(e) => {}
        done => return done.map(|()| Given::Moved),
    }
    if is_dir(from)? {
        return over_empty_dir(from, to).map(|()| Given::Moved);
    }
    second_name(from, to).map(|()| Given::Both)
}

fn is_dir((dir, name): (&Dir, &[u8])) -> Result<bool, Errno> {
    let stat = rustix::fs::statat(dir, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// What became of the first name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Moved,
    /// It is still there, to be dropped with [`drop_name`].
    Both,
}

/// The same, but where a file got a second name it keeps the first one.
pub(super) fn give_name(from: (&Dir, &[u8]), to: (&Dir, &[u8])) -> Result<Given, Errno> {
    let naming = to.0.naming();
    if naming == Naming::Rename {
        match in_one_step(from, to) {
            Err(e) if is_missing(e) => {}
            done => return done.map(|()| Given::Moved),
        }
    }
    if is_dir(from)? {
        return over_empty_dir(from, to).map(|()| Given::Moved);
    }
    if naming != Naming::Reserve {
        match second_name(from, to) {
            Err(e) if has_no_link(e) => {}
            Err(e) => return Err(e),
            Ok(()) => return Ok(Given::Both),
        }
    }
    over_empty_file(from, to).map(|()| Given::Moved)
}

#[expect(clippy::disallowed_methods, reason = "never over anything: NOREPLACE")]
pub(super) fn in_one_step(from: (&Dir, &[u8]), to: (&Dir, &[u8])) -> Result<(), Errno> {
    let (old, new) = (OsStr::from_bytes(from.1), OsStr::from_bytes(to.1));
    rustix::fs::renameat_with(from.0, old, to.0, new, RenameFlags::NOREPLACE)
}

/// A symlink gets the second name itself, not what it leads to.
pub(super) fn second_name(from: (&Dir, &[u8]), to: (&Dir, &[u8])) -> Result<(), Errno> {
    let (old, new) = (OsStr::from_bytes(from.1), OsStr::from_bytes(to.1));
    rustix::fs::linkat(from.0, old, to.0, new, AtFlags::empty())
}

/// Best effort: a first name that stays is debris, which a later run clears.
#[expect(clippy::disallowed_methods, reason = "the file has its second name")]
pub(super) fn drop_name((dir, name): (&Dir, &[u8])) {
    let _ = rustix::fs::unlinkat(dir, OsStr::from_bytes(name), AtFlags::empty());
}

#[expect(
    clippy::disallowed_methods,
    reason = "over an empty file that was just made exclusively, and is looked at again"
)]
pub(super) fn over_empty_file(from: (&Dir, &[u8]), to: (&Dir, &[u8])) -> Result<(), Errno> {
    let (old, new) = (OsStr::from_bytes(from.1), OsStr::from_bytes(to.1));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(to.0, new, flags, Mode::from_raw_mode(0o600))?;
    let made = rustix::fs::fstat(&made)?;
    let now = rustix::fs::statat(to.0, new, AtFlags::SYMLINK_NOFOLLOW)?;
    if (made.st_dev, made.st_ino, 0) != (now.st_dev, now.st_ino, now.st_size) {
        return Err(Errno::EXIST);
    }
    // Where this fails the empty file stays: it may be another program's by now.
    rustix::fs::renameat(from.0, old, to.0, new)
}

#[expect(
    clippy::disallowed_methods,
    reason = "over an empty directory that was just made; the kernel replaces no other"
)]
fn over_empty_dir(from: (&Dir, &[u8]), to: (&Dir, &[u8])) -> Result<(), Errno> {
    let (old, new) = (OsStr::from_bytes(from.1), OsStr::from_bytes(to.1));
    rustix::fs::mkdirat(to.0, new, Mode::from_raw_mode(0o700))?;
    let renamed = rustix::fs::renameat(from.0, old, to.0, new);
    if renamed.is_err() {
        let _ = rustix::fs::unlinkat(to.0, new, AtFlags::REMOVEDIR);
    }
    renamed.map_err(|e| if e == Errno::NOTEMPTY { Errno::EXIST } else { e })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_system::Abilities;

    type Move = fn((&Dir, &[u8]), (&Dir, &[u8])) -> Result<(), Errno>;

    #[test]
    fn no_way_replaces_anything() {
        for naming in [Naming::Rename, Naming::Link, Naming::Reserve] {
            let temp = tempfile::tempdir().unwrap();
            let mut dir = Dir::open(temp.path()).unwrap();
            dir.learn(Abilities {
                naming,
                ..Abilities::default()
            });
            let way = rename_noreplace;
            let at = |name: &str| temp.path().join(name);
            std::fs::write(at("a"), "a").unwrap();
            std::fs::write(at("b"), "b").unwrap();
            std::os::unix::fs::symlink("nowhere", at("c")).unwrap();
            for taken in [b"b", b"c"] {
                assert_eq!(way((&dir, b"a"), (&dir, taken)), Err(Errno::EXIST));
            }
            assert_eq!(way((&dir, b"a"), (&dir, b"new")), Ok(()));
            assert_eq!(way((&dir, b"c"), (&dir, b"link")), Ok(()));
            assert_eq!(std::fs::read(at("new")).unwrap(), b"a");
            assert_eq!(std::fs::read(at("b")).unwrap(), b"b");
            assert!(at("link").is_symlink());
            assert_eq!(dir.names().unwrap().len(), 3);
        }
    }

    #[test]
    fn a_directory_moves_whole_and_over_nothing() {
        for way in [rename_noreplace as Move, over_empty_dir] {
            let temp = tempfile::tempdir().unwrap();
            let dir = Dir::open(temp.path()).unwrap();
            let at = |name: &str| temp.path().join(name);
            for name in ["a", "full", "empty"] {
                std::fs::create_dir(at(name)).unwrap();
            }
            std::fs::write(at("a/f"), "f").unwrap();
            std::fs::write(at("full/g"), "g").unwrap();
            for taken in [b"full".as_slice(), b"empty", b"full/g"] {
                assert_eq!(way((&dir, b"a"), (&dir, taken)), Err(Errno::EXIST));
            }
            assert_eq!(way((&dir, b"a"), (&dir, b"new")), Ok(()));
            assert!(at("new/f").exists() && at("full/g").exists() && at("empty").exists() && !at("a").exists());
        }
    }
}
