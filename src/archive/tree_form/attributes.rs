//! Which attributes of its source a file of a tree has, and whether it still has them.
//!
//! Root gives files their owners and all permission bits. Other users own the copies: these lose the set-id bits, which
//! would apply to the wrong user, and their owner may always read them, or the copy could be neither proven nor
//! removed. The file list has all attributes.
//! Invariant: [`differs`] finds nothing right after [`wanted`] was applied, on a file system that keeps attributes.

use super::super::file_entry::{FileEntry, FileEntryKind};
use super::super::manifest::TreeFacts;
use crate::entry::{Entry, EntryKind};
use crate::path::unshown;
use crate::tree::attributes::{Attributes, Lacking};
use std::ffi::CString;
use std::os::fd::AsFd;

impl Lacking {
    /// What this process can never give: owners, and with them all permission bits, unless it is root.
    pub fn least() -> Self {
        Self {
            owners: !gives_owners(),
            ..Self::default()
        }
    }
}

impl From<&TreeFacts> for Lacking {
    fn from(facts: &TreeFacts) -> Self {
        Self {
            owners: !facts.owners,
            modes: !facts.modes,
            times: !facts.times,
            xattrs: !facts.xattrs,
        }
    }
}

/// True when this process can change the owner of files.
pub fn gives_owners() -> bool {
    rustix::process::geteuid().is_root()
}

/// Permission bits of a file that belongs to the user who made the copy.
fn own_mode(mode: u32, dir: bool) -> u32 {
    mode & 0o1777 | if dir { 0o700 } else { 0o400 }
}

/// The attributes that the stored entry of `row` should have.
pub fn wanted(row: &FileEntry) -> Attributes {
    Attributes {
        owner: gives_owners().then_some((row.uid, row.gid, row.mode)),
        mode: own_mode(row.mode, row.kind == FileEntryKind::Dir),
        mtime_ns: row.mtime_ns,
        xattrs: row
            .xattrs
            .iter()
            .map(|(key, value)| (unshown(key.as_bytes()), value.to_bytes()))
            .collect(),
    }
}

/// How a stored file or directory differs from its row, apart from what the tree lacks.
pub fn differs(found: &Entry, row: &FileEntry, lacking: Lacking) -> Option<&'static str> {
    let dir = found.kind == EntryKind::Dir;
    let mode = |mode: u32| if lacking.owners { own_mode(mode, dir) } else { mode };
    if !lacking.modes && mode(found.mode) != mode(row.mode) {
        return Some("its mode differs from the list");
    }
    if !lacking.owners && (found.uid, found.gid) != (row.uid, row.gid) {
        return Some("its owner differs from the list");
    }
    if !lacking.times && !dir && found.identity.mtime_ns != row.mtime_ns {
        return Some("its modification time differs from the list");
    }
    None
}

/// True when it has every extended attribute of the row.
pub fn has_xattrs(file: &impl AsFd, row: &FileEntry) -> bool {
    row.xattrs.iter().all(|(key, value)| {
        let value = value.to_bytes();
        // One byte more than expected: this shows a longer value.
        let mut found = Vec::with_capacity(value.len() + 1);
        CString::new(unshown(key.as_bytes())).is_ok_and(|key| {
            rustix::fs::fgetxattr(file, &*key, rustix::buffer::spare_capacity(&mut found)).is_ok() && found == value
        })
    })
}
