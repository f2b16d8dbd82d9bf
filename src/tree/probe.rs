//! Trying what a file system can do, instead of looking it up.
//!
//! Takes an open directory, tries everything in a scratch directory inside it, and gives [`Abilities`]. What cannot be
//! tried at all, because the directory cannot be written to, is an error.
//! Invariant: outside of the scratch directory nothing changes, and it is removed again; what a killed process left is
//! removed by the next one that tries.

use super::debris::remove_tree;
use super::handle::{Dir, TreeError, identity_of, is_missing};
use super::naming::{has_no_link, in_one_step, over_empty_file, second_name};
use crate::file_system::{Abilities, Naming};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;

/// Names of scratch directories begin like this.
const SCRATCH: &str = ".opsrun-probe-";

/// Tries what the file system of `dir` can do. The caller may be one of several that do.
pub fn probe(dir: &Dir) -> Result<Abilities, TreeError> {
    clear_scratch(dir);
    let name = format!("{SCRATCH}{}", ulid::Ulid::new());
    if !dir.make_dir(name.as_bytes(), 0o700)? {
        return Err(TreeError::at("create", &dir.path_of(name.as_bytes()), Errno::EXIST));
    }
    let tried = dir.open_dir(name.as_bytes(), true).and_then(|scratch| {
        // Held while it is in use: another process takes it for debris otherwise.
        let _ = rustix::fs::flock(&scratch, FlockOperation::NonBlockingLockExclusive);
        attempt(&scratch)
    });
    let removed = remove_tree(dir, name.as_bytes());
    let abilities = tried?;
    removed.map(|()| abilities)
}

/// True for the name of a scratch directory.
pub fn is_scratch(name: &[u8]) -> bool {
    name.starts_with(SCRATCH.as_bytes())
}

/// Best effort: what stays is a few empty files. Where no lock shows whether its process lives, what is a day old goes.
fn clear_scratch(dir: &Dir) {
    let names = dir.names().unwrap_or_default();
    for name in names.iter().filter(|name| is_scratch(name)) {
        let free = dir.open_dir(name, true).map(|scratch| {
            let lock = rustix::fs::flock(&scratch, FlockOperation::NonBlockingLockExclusive);
            lock.is_ok() || (lock != Err(Errno::WOULDBLOCK) && is_old(name))
        });
        if free.unwrap_or(false) {
            let _ = remove_tree(dir, name);
        }
    }
}

/// By the ULID in the name of a scratch directory.
fn is_old(name: &[u8]) -> bool {
    let id = name.get(SCRATCH.len()..).and_then(|id| std::str::from_utf8(id).ok());
    let made = id.and_then(|id| ulid::Ulid::from_string(id).ok());
    let day_ago = crate::clock::now() - chrono::TimeDelta::days(1);
    made.is_some_and(|made| i128::from(made.timestamp_ms()) < crate::clock::nanos(day_ago) / 1_000_000)
}

/// Of a file that is open for writing: NFS, SMB and FUSE lock directories on this host only, and never refuse that.
fn has_locks(file: &File) -> bool {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

fn attempt(scratch: &Dir) -> Result<Abilities, TreeError> {
    let fail = |call: &'static str, e: Errno| TreeError::at(call, scratch.path(), e);
    let has = |call, done: Result<(), Errno>| match done {
        Ok(()) => Ok(true),
        Err(e) if is_missing(e) || (call == "link" && has_no_link(e)) => Ok(false),
        Err(e) => Err(fail(call, e)),
    };
    let mut file = make(scratch, "a")?;
    file.write_all(b"opsrun")
        .map_err(|e| TreeError::at("write", &scratch.path_of(b"a"), e))?;
    let sync_files = has("sync", rustix::fs::fsync(&file))?;
    let links = has("link", second_name((scratch, b"a"), (scratch, b"b")))? && one_inode(scratch);
    let renames = has("rename", in_one_step((scratch, b"a"), (scratch, b"c")))?;
    let naming = if renames {
        Naming::Rename
    } else if over_empty_file((scratch, b"a"), (scratch, b"r")).is_ok() {
        Naming::Reserve
    } else {
        Naming::Link
    };
    let time = Timespec {
        tv_sec: 1_234_567_890,
        tv_nsec: 123_456_789,
    };
    let both = Timestamps {
        last_access: time,
        last_modification: time,
    };
    // What is asked from here on only decides what a tree of plain files keeps: no answer is a failure.
    let stamped = rustix::fs::futimens(&file, &both).is_ok();
    let moded = rustix::fs::fchmod(&file, Mode::from_raw_mode(0o640)).is_ok();
    let got = rustix::fs::fstat(&file).map_err(|e| fail("read", e))?;
    Ok(Abilities {
        naming,
        sync_files,
        sync_dirs: has("sync", rustix::fs::fsync(scratch))?,
        locks: has_locks(&file),
        links,
        symlinks: rustix::fs::symlinkat("a", scratch, "l").is_ok(),
        times: stamped && identity_of(&got).mtime_ns == 1_234_567_890_123_456_789,
        modes: moded && got.st_mode & 0o7777 == 0o640,
        attributes: rustix::fs::fsetxattr(&file, c"user.opsrun", b"1", XattrFlags::empty()).is_ok(),
        long_names: make(scratch, &"n".repeat(255)).is_ok(),
        holes: has_holes(scratch),
    })
}

fn make(scratch: &Dir, name: &str) -> Result<File, TreeError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(scratch, name, flags, Mode::from_raw_mode(0o600));
    made.map(File::from)
        .map_err(|e| TreeError::at("create", &scratch.path_of(name.as_bytes()), e))
}

/// Some file systems number names, not files.
fn one_inode(scratch: &Dir) -> bool {
    let at = |name: &str| rustix::fs::statat(scratch, name, AtFlags::SYMLINK_NOFOLLOW);
    match (at("a"), at("b")) {
        (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
        _ => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "our own scratch file")]
fn has_holes(scratch: &Dir) -> bool {
    const SIZE: u64 = 1 << 20;
    let Ok(file) = make(scratch, "h") else { return false };
    let long = file.set_len(SIZE).is_ok();
    let stat = rustix::fs::fstat(&file);
    long && stat.is_ok_and(|stat| u64::try_from(stat.st_blocks).is_ok_and(|blocks| blocks * 512 < SIZE / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_leaves_nothing_and_clears_what_another_left() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        std::fs::create_dir(temp.path().join(".opsrun-probe-old")).unwrap();
        std::fs::write(temp.path().join(".opsrun-probe-old/a"), "").unwrap();
        std::fs::create_dir(temp.path().join(".opsrun-probe-live")).unwrap();
        let live = File::open(temp.path().join(".opsrun-probe-live")).unwrap();
        rustix::fs::flock(&live, FlockOperation::NonBlockingLockExclusive).unwrap();
        let found = probe(&dir).unwrap();
        assert!(found.durable() && found.lacking().is_empty(), "{found:?}");
        assert_eq!(dir.names().unwrap(), [Box::from(&b".opsrun-probe-live"[..])]);
    }
}
