//! Attributes of what is stored as a plain file, and what a file system keeps of them.
//!
//! Takes an open file or directory and its new owner, mode, time and extended attributes. What the file system cannot
//! keep is reported as [`Lacking`]; every other failure is an error.
//! Invariant: every other attribute was read back from the file system, or accepted by it.

use super::handle::identity_of;
use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::AsFd;

#[derive(Debug, Clone)]
pub struct Attributes {
    /// Owner and group with the permission bits under them, when they are to be given.
    pub owner: Option<(u32, u32, u32)>,
    /// Permission bits when the owner is not given, or cannot be.
    pub mode: u32,
    /// Last change of the content, nanoseconds since the Unix epoch.
    pub mtime_ns: i128,
    /// Extended attributes: name and value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What the file system, or our rights, could not keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lacking {
    pub owners: bool,
    pub modes: bool,
    /// The time of the last change, to the nanosecond.
    pub times: bool,
    pub xattrs: bool,
}

impl Lacking {
    pub fn add(&mut self, other: Self) {
        self.owners |= other.owners;
        self.modes |= other.modes;
        self.times |= other.times;
        self.xattrs |= other.xattrs;
    }
}

/// Answers that mean: this file system, or this user, cannot; not: something failed.
pub(super) fn cannot(e: Errno) -> bool {
    matches!(
        e,
        Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::NOTTY | Errno::MLINK | Errno::XDEV
    )
}

/// Whether an attribute could be kept.
pub(super) fn kept(result: Result<(), Errno>) -> Result<bool, Errno> {
    match result {
        Ok(()) => Ok(true),
        Err(e) if cannot(e) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Both times of a file, from nanoseconds since the Unix epoch.
pub(super) fn times(mtime_ns: i128) -> Timestamps {
    let time = Timespec {
        tv_sec: i64::try_from(mtime_ns.div_euclid(1_000_000_000)).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(mtime_ns.rem_euclid(1_000_000_000)).unwrap_or(0),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Gives one file the extended attributes of another, as far as the file system and our rights go: labels that only the
/// system may write it writes itself.
pub(super) fn copy_xattrs(from: &File, to: &File) {
    let mut names = vec![0; 64 * 1024];
    let Ok(len) = rustix::fs::flistxattr(from, names.as_mut_slice()) else {
        return;
    };
    let mut value = vec![0; 64 * 1024];
    for name in names.get(..len).unwrap_or_default().split_inclusive(|b| *b == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        if let Ok(len) = rustix::fs::fgetxattr(from, name, value.as_mut_slice()) {
            let value = value.get(..len).unwrap_or_default();
            let _ = rustix::fs::fsetxattr(to, name, value, XattrFlags::empty());
        }
    }
}

impl Attributes {
    /// Gives them to an open file or directory. Owner first, whose change clears the set-id bits and capabilities; time last.
    pub(super) fn apply(&self, fd: &impl AsFd) -> Result<Lacking, Errno> {
        let mut lacking = Lacking::default();
        let mut mode = self.mode;
        lacking.owners = true;
        if let Some((uid, gid, with)) = self.owner {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            if kept(rustix::fs::fchown(fd, Some(uid), Some(gid)))? {
                mode = with;
                lacking.owners = false;
            }
        }
        for (key, value) in &self.xattrs {
            let set = CString::new(key.as_slice())
                .map_err(|_| Errno::INVAL)
                .and_then(|key| rustix::fs::fsetxattr(fd, &*key, value, XattrFlags::empty()));
            match set {
                Err(Errno::IO) => return Err(Errno::IO),
                Err(_) => lacking.xattrs = true,
                Ok(()) => {}
            }
        }
        kept(rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)))?;
        kept(rustix::fs::futimens(fd, &times(self.mtime_ns)))?;
        // A file system may take what it does not keep.
        let got = rustix::fs::fstat(fd)?;
        lacking.modes = got.st_mode & 0o7777 != mode;
        lacking.times = identity_of(&got).mtime_ns != self.mtime_ns;
        Ok(lacking)
    }
}
