//! Attributes of what is stored or restored as a plain file: given, read back, and what a file system keeps of them.
//!
//! Takes an open file or directory, or a symlink by its name, with owner, mode, time and extended attributes (access
//! control lists and capabilities are extended attributes). What the file system or our rights cannot keep is reported
//! as [`Lacking`]; every other failure is an error.
//! Invariant: every other attribute was read back from the file system, or accepted by it.

use super::handle::{Dir, identity_of};
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The access control list of an entry, and the one that new entries in a directory get.
pub const ACLS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];

const CAPABILITIES: &[u8] = b"security.capability";

/// The kernel's limit for a list of names, and for a value.
const MAX_XATTR_SIZE: usize = 64 * 1024;

const SET_IDS: (u32, u32) = (0o4000, 0o2000);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Owner and group, when they are to be given.
    pub owner: Option<(u32, u32)>,
    /// Permission bits under that owner.
    pub mode: u32,
    /// Bits that are added when the owner is not given, so that its user can read it.
    pub readable: u32,
    /// Last change of the content, nanoseconds since the Unix epoch.
    pub mtime_ns: i128,
    /// Extended attributes: name and value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What the file system, or our rights, could not keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lacking {
    pub owners: bool,
    /// Set-id bits, which would apply to the wrong owner.
    pub set_ids: bool,
    pub modes: bool,
    /// The time of the last change, to the nanosecond.
    pub times: bool,
    pub acls: bool,
    pub capabilities: bool,
    /// Other extended attributes.
    pub xattrs: bool,
}

impl Lacking {
    pub fn add(&mut self, other: Self) {
        self.owners |= other.owners;
        self.set_ids |= other.set_ids;
        self.modes |= other.modes;
        self.times |= other.times;
        self.acls |= other.acls;
        self.capabilities |= other.capabilities;
        self.xattrs |= other.xattrs;
    }

    /// Some extended attribute, of whatever kind.
    pub fn any_xattrs(&self) -> bool {
        self.acls || self.capabilities || self.xattrs
    }

    fn add_xattr(&mut self, name: &[u8]) {
        if ACLS.contains(&name) {
            self.acls = true;
        } else if name == CAPABILITIES {
            self.capabilities = true;
        } else {
            self.xattrs = true;
        }
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
fn kept(result: Result<(), Errno>) -> Result<bool, Errno> {
    match result {
        Ok(()) => Ok(true),
        Err(e) if cannot(e) => Ok(false),
        Err(e) => Err(e),
    }
}

/// True for what belongs to a file as its content does. Other kinds belong to the system: security labels, for example.
fn is_own(name: &[u8]) -> bool {
    ACLS.contains(&name) || name.starts_with(b"user.")
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

/// What has attributes: an open file or directory, or a symlink, which cannot be opened.
#[derive(Debug)]
pub enum Node<'a> {
    Open(BorrowedFd<'a>),
    Symlink {
        dir: BorrowedFd<'a>,
        name: &'a OsStr,
        /// The same name for calls that know no directory handle.
        path: PathBuf,
    },
}

impl<'a> Node<'a> {
    pub fn open(fd: &'a impl AsFd) -> Self {
        Self::Open(fd.as_fd())
    }

    /// The symlink `name` in `dir`.
    pub fn symlink(dir: &'a Dir, name: &'a [u8]) -> Self {
        let (dir, name) = (dir.as_fd(), OsStr::from_bytes(name));
        let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
        Self::Symlink { dir, name, path }
    }

    fn stat(&self) -> Result<Stat, Errno> {
        match self {
            Self::Open(fd) => rustix::fs::fstat(fd),
            Self::Symlink { dir, name, .. } => rustix::fs::statat(dir, *name, AtFlags::SYMLINK_NOFOLLOW),
        }
    }

    fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        // The largest number is not an id: to the kernel it means "unchanged".
        let valid = |id: &u32| *id != u32::MAX;
        let (uid, gid) = (uid.filter(valid), gid.filter(valid));
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self {
            Self::Open(fd) => rustix::fs::fchown(fd, uid, gid),
            Self::Symlink { dir, name, .. } => rustix::fs::chownat(dir, *name, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
        }
    }

    /// A symlink has no permission bits of its own.
    fn chmod(&self, mode: u32) -> Result<(), Errno> {
        match self {
            Self::Open(fd) => rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)),
            Self::Symlink { .. } => Ok(()),
        }
    }

    fn set_times(&self, mtime_ns: i128) -> Result<(), Errno> {
        match self {
            Self::Open(fd) => rustix::fs::futimens(fd, &times(mtime_ns)),
            Self::Symlink { dir, name, .. } => {
                rustix::fs::utimensat(dir, *name, &times(mtime_ns), AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    fn set_xattr(&self, key: &[u8], value: &[u8]) -> Result<(), Errno> {
        let key = CString::new(key).map_err(|_| Errno::INVAL)?;
        match self {
            Self::Open(fd) => rustix::fs::fsetxattr(fd, &*key, value, XattrFlags::empty()),
            Self::Symlink { path, .. } => rustix::fs::lsetxattr(path, &*key, value, XattrFlags::empty()),
        }
    }

    fn remove_xattr(&self, key: &[u8]) -> Result<(), Errno> {
        let key = CString::new(key).map_err(|_| Errno::INVAL)?;
        match self {
            Self::Open(fd) => rustix::fs::fremovexattr(fd, &*key),
            Self::Symlink { path, .. } => rustix::fs::lremovexattr(path, &*key),
        }
    }

    /// The value of an extended attribute; `None` when it has none of this name.
    pub fn xattr(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        let key = CString::new(key).map_err(|_| Errno::INVAL)?;
        let mut value = Vec::with_capacity(MAX_XATTR_SIZE);
        let read = match self {
            Self::Open(fd) => rustix::fs::fgetxattr(fd, &*key, spare_capacity(&mut value)),
            Self::Symlink { path, .. } => rustix::fs::lgetxattr(path, &*key, spare_capacity(&mut value)),
        };
        match read {
            Ok(_) => Ok(Some(value)),
            Err(Errno::NODATA) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The names of all extended attributes. A file system without any has none.
    pub fn xattr_names(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let mut names = Vec::new();
        for size in [1024, MAX_XATTR_SIZE] {
            names.clear();
            names.reserve_exact(size);
            let read = match self {
                Self::Open(fd) => rustix::fs::flistxattr(fd, spare_capacity(&mut names)),
                Self::Symlink { path, .. } => rustix::fs::llistxattr(path, spare_capacity(&mut names)),
            };
            match read {
                Ok(_) => break,
                Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
                Err(Errno::RANGE) if size < MAX_XATTR_SIZE => {}
                Err(e) => return Err(e),
            }
        }
        let names = names.split(|b| *b == 0).filter(|name| !name.is_empty());
        Ok(names.map(<[u8]>::to_vec).collect())
    }
}

/// Gives one file the extended attributes of another, as far as the file system and our rights go: labels that only the
/// system may write it writes itself.
pub(super) fn copy_xattrs(from: &File, to: &File) {
    let (from, to) = (Node::open(from), Node::open(to));
    for name in from.xattr_names().unwrap_or_default() {
        if let Ok(Some(value)) = from.xattr(&name) {
            let _ = to.set_xattr(&name, &value);
        }
    }
}

impl Attributes {
    /// Gives them. The owner first, whose change takes set-id bits and capabilities away; then the mode, then access
    /// control lists, capabilities and the rest; the time last.
    pub(super) fn apply(&self, node: &Node<'_>) -> Result<Lacking, Errno> {
        let mut lacking = Lacking::default();
        let mode = self.give_owner(node, &mut lacking)?;
        kept(node.chmod(mode))?;
        self.give_xattrs(node, &mut lacking)?;
        // Access control lists bring permission bits along.
        if node.stat()?.st_mode & 0o7777 != mode {
            kept(node.chmod(mode))?;
        }
        kept(node.set_times(self.mtime_ns))?;
        // A file system may take what it does not keep.
        let got = node.stat()?;
        lacking.modes = matches!(node, Node::Open(_)) && got.st_mode & 0o7777 != mode;
        lacking.times = identity_of(&got).mtime_ns != self.mtime_ns;
        Ok(lacking)
    }

    /// True when it has exactly these already.
    pub(super) fn fits(&self, node: &Node<'_>) -> bool {
        let (Ok(got), Ok(names)) = (node.stat(), node.xattr_names()) else {
            return false;
        };
        let mode = matches!(node, Node::Symlink { .. }) || got.st_mode & 0o7777 == self.mode;
        let owner = self.owner.is_none_or(|owner| owner == (got.st_uid, got.st_gid));
        let wanted = |name: &[u8]| self.xattrs.iter().any(|(key, _)| key == name);
        let has = |(key, value): &(Vec<u8>, Vec<u8>)| node.xattr(key).is_ok_and(|found| found.as_ref() == Some(value));
        mode && owner
            && identity_of(&got).mtime_ns == self.mtime_ns
            && self.xattrs.iter().all(has)
            && names.iter().all(|name| !is_own(name) || wanted(name))
    }

    /// Gives the permission bits that fit the owner that it then has.
    fn give_owner(&self, node: &Node<'_>, lacking: &mut Lacking) -> Result<u32, Errno> {
        let Some((uid, gid)) = self.owner else {
            lacking.owners = true;
            return Ok(self.mode & !(SET_IDS.0 | SET_IDS.1) | self.readable);
        };
        let mut got = node.stat()?;
        if (got.st_uid, got.st_gid) != (uid, gid) {
            // A user who may not give files away may still give them to a group that has this user.
            if !kept(node.chown(Some(uid), Some(gid)))? && got.st_gid != gid {
                kept(node.chown(None, Some(gid)))?;
            }
            got = node.stat()?;
        }
        let (own, group) = (got.st_uid == uid, got.st_gid == gid);
        if own && group {
            return Ok(self.mode);
        }
        lacking.owners = true;
        let lost = if own { 0 } else { SET_IDS.0 } | if group { 0 } else { SET_IDS.1 };
        lacking.set_ids = self.mode & lost != 0;
        Ok(self.mode & !lost | self.readable)
    }

    /// Sets the extended attributes, and removes what a new file inherits from its directory, or had before.
    fn give_xattrs(&self, node: &Node<'_>, lacking: &mut Lacking) -> Result<(), Errno> {
        for (key, value) in &self.xattrs {
            match node.set_xattr(key, value) {
                Ok(()) => {}
                Err(Errno::IO) => return Err(Errno::IO),
                Err(_) => lacking.add_xattr(key),
            }
        }
        for name in node.xattr_names().unwrap_or_default() {
            if is_own(&name) && !self.xattrs.iter().any(|(key, _)| *key == name) && node.remove_xattr(&name).is_err() {
                lacking.add_xattr(&name);
            }
        }
        Ok(())
    }
}
