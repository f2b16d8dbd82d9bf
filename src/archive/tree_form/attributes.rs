//! Which attributes of its source a file of a tree has, and whether it still has them.
//!
//! Root gives files their owners and all permission bits. Other users own the copies: these lose the set-id bits, which
//! would apply to the wrong user, and their owner may always read them, or the copy could be neither proven nor
//! removed. The file list has all attributes.
//! Invariant: [`differs`] finds nothing right after [`wanted`] was applied, on a file system that keeps attributes.

use super::super::attributes::attributes_of;
use super::super::file_entry::{FileEntry, FileEntryKind};
use super::super::manifest::TreeFacts;
use super::super::posix_acl::PosixAcl;
use crate::entry::{Entry, EntryKind};
use crate::path::unshown;
use crate::tree::attributes::{ACLS, Attributes, Lacking, Node};

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
            acls: !facts.xattrs,
            capabilities: !facts.xattrs,
            xattrs: !facts.xattrs,
            ..Self::default()
        }
    }
}

/// True when this process can change the owner of files.
pub fn gives_owners() -> bool {
    rustix::process::geteuid().is_root()
}

/// The bits that the user who made the copy always has.
fn readable(dir: bool) -> u32 {
    if dir { 0o700 } else { 0o400 }
}

/// Permission bits of a file that belongs to the user who made the copy.
fn own_mode(mode: u32, dir: bool) -> u32 {
    mode & 0o1777 | readable(dir)
}

/// The attributes that the stored entry of `row` should have.
pub fn wanted(row: &FileEntry) -> Attributes {
    Attributes {
        owner: gives_owners().then_some((row.uid, row.gid)),
        readable: readable(row.kind == FileEntryKind::Dir),
        ..attributes_of(row)
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
pub fn has_xattrs(node: &Node<'_>, row: &FileEntry, lacking: Lacking) -> bool {
    row.xattrs.iter().all(|(key, value)| {
        let (key, value) = (unshown(key.as_bytes()), value.to_bytes());
        let found = node.xattr(&key).ok().flatten();
        found.as_ref() == Some(&value) || key == ACLS[0] && lacking.owners && same_list(found, &value, row)
    })
}

/// Where the owner is another one, its rights may be more than the list says.
fn same_list(found: Option<Vec<u8>>, value: &[u8], row: &FileEntry) -> bool {
    let bits = readable(row.kind == FileEntryKind::Dir) >> 6;
    let least = |value: &[u8]| {
        let mut acl = PosixAcl::parse(value)?;
        acl.add_owner_rights(u16::try_from(bits).unwrap_or(0));
        Some(acl)
    };
    found.is_some_and(|found| least(&found).is_some_and(|acl| Some(acl) == least(value)))
}
