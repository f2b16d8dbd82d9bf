//! What a file of a tree carries of the attributes of its source, and whether it still does.
//!
//! Root gives files their owners and all permission bits. Anybody else owns the copies: they lose the set-id bits, which
//! would speak of the wrong user, and their owner may always read them, or the copy could be neither proven nor
//! removed. What the tree does not carry is in the file list.
//! Invariant: [`differs`] finds nothing right after [`wanted`] was applied on a file system that keeps it.

use super::super::manifest::TreeFacts;
use super::super::row::{Row, RowKind};
use crate::entry::{Entry, Kind};
use crate::path::unshown;
use crate::tree::attributes::Attributes;
use std::ffi::CString;
use std::os::fd::AsFd;

#[derive(Debug, Clone, Copy)]
pub struct Carried {
    /// Owners, and with them all permission bits.
    pub owners: bool,
    pub modes: bool,
    pub times: bool,
    pub xattrs: bool,
}

impl Carried {
    /// All that this process can give.
    pub fn best() -> Self {
        Self {
            owners: gives_owners(),
            modes: true,
            times: true,
            xattrs: true,
        }
    }
}

impl From<&TreeFacts> for Carried {
    fn from(facts: &TreeFacts) -> Self {
        Self {
            owners: facts.owners,
            modes: facts.modes,
            times: facts.times,
            xattrs: facts.xattrs,
        }
    }
}

/// Whether files can be given to others.
pub fn gives_owners() -> bool {
    rustix::process::geteuid().is_root()
}

/// Permission bits of what belongs to whoever made the copy.
fn own_mode(mode: u32, dir: bool) -> u32 {
    mode & 0o1777 | if dir { 0o700 } else { 0o400 }
}

/// What the entry of `row` shall have.
pub fn wanted(row: &Row) -> Attributes {
    Attributes {
        owner: gives_owners().then_some((row.uid, row.gid, row.mode)),
        mode: own_mode(row.mode, row.kind == RowKind::Dir),
        mtime_ns: row.mtime_ns,
        xattrs: row
            .xattrs
            .iter()
            .map(|(key, value)| (unshown(key.as_bytes()), value.to_bytes()))
            .collect(),
    }
}

/// What the stored file or directory has that it should not have.
pub fn differs(found: &Entry, row: &Row, carried: Carried) -> Option<&'static str> {
    let dir = found.kind == Kind::Dir;
    let mode = |mode: u32| if carried.owners { mode } else { own_mode(mode, dir) };
    if carried.modes && mode(found.mode) != mode(row.mode) {
        return Some("its mode is not what the list says");
    }
    if carried.owners && (found.uid, found.gid) != (row.uid, row.gid) {
        return Some("its owner is not what the list says");
    }
    if carried.times && !dir && found.identity.mtime_ns != row.mtime_ns {
        return Some("its time is not what the list says");
    }
    None
}

/// True when it has every extended attribute of the row.
pub fn has_xattrs(file: &impl AsFd, row: &Row) -> bool {
    row.xattrs.iter().all(|(key, value)| {
        let value = value.to_bytes();
        // One byte more than there should be: a longer value shows.
        let mut found = Vec::with_capacity(value.len() + 1);
        CString::new(unshown(key.as_bytes())).is_ok_and(|key| {
            rustix::fs::fgetxattr(file, &*key, rustix::buffer::spare_capacity(&mut found)).is_ok() && found == value
        })
    })
}
