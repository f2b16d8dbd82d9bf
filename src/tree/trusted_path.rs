//! The way to a directory that root writes to, where another user may own a part of it.
//!
//! Takes the path of a directory, gives it open. The owner of a directory on the way can put a symlink there, and would then
//! choose where root writes. Each symlink is looked at by handle, so that none is swapped after the look.
//! Invariant: for root, no symlink on the way is another user's.

use super::handle::{Dir, TreeError, create_dir_all};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// The kernel follows as many.
const MAX_LINKS: usize = 40;

/// Opens a directory; it and those above it are made where they are missing.
pub(super) fn create_trusted_dir(path: &Path) -> Result<Dir, TreeError> {
    let own = rustix::process::geteuid();
    if !own.is_root() {
        return create_dir_all(path);
    }
    // Before anything is made, and once more: what was opened must be what the way leads to.
    follow(path, own.as_raw())?;
    let dir = create_dir_all(path)?;
    if follow(path, own.as_raw())? == Some(dir.id()?) {
        return Ok(dir);
    }
    Err(TreeError::at("open", path, Errno::STALE))
}

/// Where a path leads: device and inode, or `None` when there is nothing.
fn follow(path: &Path, own: u32) -> Result<Option<(u64, u64)>, TreeError> {
    let fail = |e: Errno| TreeError::at("open", path, e);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = || rustix::fs::open("/", flags, Mode::empty()).map_err(fail);
    let mut at = root()?;
    let mut left: Vec<OsString> = names(path).collect();
    let mut links = 0;
    while let Some(name) = left.pop() {
        let next = match rustix::fs::openat(&at, &name, flags, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(fail(e)),
        };
        let stat = rustix::fs::fstat(&next).map_err(fail)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            at = next;
            continue;
        }
        if stat.st_uid != 0 && stat.st_uid != own {
            let why = format!(
                "`{}` in it is a symlink of the user {}, who could lead root anywhere; write the path without it",
                crate::path::Shown(name.as_bytes()),
                stat.st_uid
            );
            return Err(TreeError::at("write to", path, io::Error::other(why)));
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(fail(Errno::LOOP));
        }
        let target = rustix::fs::readlinkat(&next, "", Vec::new()).map_err(fail)?;
        let target = Path::new(OsStr::from_bytes(target.as_bytes()));
        if target.is_absolute() {
            at = root()?;
        }
        left.extend(names(target));
    }
    let stat = rustix::fs::fstat(&at).map_err(fail)?;
    Ok(Some((stat.st_dev, stat.st_ino)))
}

/// The last one first.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    let names = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    names.collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn links_of_root_and_of_the_own_user_are_followed_and_others_are_not() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        std::fs::create_dir_all(at("real/deep")).unwrap();
        symlink("../real", at("real/round")).unwrap();
        symlink(at("real"), at("link")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let meta = std::fs::metadata(at("real/deep")).unwrap();
        let id = Some((meta.dev(), meta.ino()));
        let own = meta.uid();
        for way in [
            "real/deep",
            "link/deep",
            "link/round/./deep",
            "real/deep/../../link/deep",
        ] {
            assert_eq!(follow(&at(way), own).unwrap(), id, "{way}");
        }
        assert_eq!(follow(&at("link/none/deep"), own).unwrap(), None);
        assert_eq!(follow(&at("loop"), own).unwrap_err().errno(), Some(Errno::LOOP));
        if own != 0 {
            let refused = follow(&at("link/deep"), own + 1).unwrap_err();
            assert!(
                refused.source.to_string().contains("symlink of the user"),
                "{refused:?}"
            );
        }
    }
}
