//! Attributes of entries as a copy records them, and as files get them.
//!
//! Takes rows and the manifest's [`TopDirectory`]; gives [`Attributes`] for `tree`. [`OwnerNames`] finds the names of
//! owners when a copy is made, and their numbers when it is restored, also those in access control lists.

use super::file_entry::{Bytes, FileEntry, Names};
use super::posix_acl::PosixAcl;
use super::top_directory::TopDirectory;
use crate::path::unshown;
use crate::tree::attributes::{ACLS, Attributes};
use crate::user_database::UserDatabase;
use std::collections::BTreeMap;

/// What the copy says, in numbers.
pub fn attributes_of(row: &FileEntry) -> Attributes {
    attributes((row.uid, row.gid), row.mode, row.mtime_ns, &row.xattrs)
}

/// The same of the source's own directory.
pub fn attributes_of_top(top: &TopDirectory) -> Attributes {
    attributes((top.uid, top.gid), top.mode, top.mtime_ns, &top.xattrs)
}

fn attributes(owner: (u32, u32), mode: u32, mtime_ns: i128, xattrs: &BTreeMap<String, Bytes>) -> Attributes {
    let xattrs = xattrs.iter();
    Attributes {
        owner: Some(owner),
        mode,
        readable: 0,
        mtime_ns,
        xattrs: xattrs
            .map(|(key, value)| (unshown(key.as_bytes()), value.to_bytes()))
            .collect(),
    }
}

/// The names of the owner and group, and of whom the access control lists name.
pub fn names_of(users: &UserDatabase<'_>, (uid, gid): (u32, u32), xattrs: &BTreeMap<String, Bytes>) -> Names {
    let mut names = Names {
        owner: users.user(uid),
        group: users.group(gid),
        ..Names::default()
    };
    let acls = xattrs.iter().filter(|(key, _)| ACLS.contains(&key.as_bytes()));
    for acl in acls.filter_map(|(_, value)| PosixAcl::parse(&value.to_bytes())) {
        let users_named = acl.users().filter_map(|uid| Some((uid, users.user(uid)?)));
        names.acl_users.extend(users_named);
        let groups_named = acl.groups().filter_map(|gid| Some((gid, users.group(gid)?)));
        names.acl_groups.extend(groups_named);
    }
    names
}

/// Puts the numbers that the recorded names have here in place of the recorded numbers. A name that is unknown here
/// leaves its number.
pub fn renumber(wanted: &mut Attributes, names: &Names, users: &UserDatabase<'_>) {
    let number = |name: Option<&String>, find: &dyn Fn(&str) -> Option<u32>, old: u32| {
        name.and_then(|name| find(name)).unwrap_or(old)
    };
    let (by_user, by_group) = (|name: &str| users.uid(name), |name: &str| users.gid(name));
    if let Some((uid, gid)) = &mut wanted.owner {
        *uid = number(names.owner.as_ref(), &by_user, *uid);
        *gid = number(names.group.as_ref(), &by_group, *gid);
    }
    for (key, value) in &mut wanted.xattrs {
        if !ACLS.contains(&key.as_slice()) {
            continue;
        }
        if let Some(mut acl) = PosixAcl::parse(value) {
            acl.renumber(
                |uid| number(names.acl_users.get(&uid), &by_user, uid),
                |gid| number(names.acl_groups.get(&gid), &by_group, gid),
            );
            *value = acl.to_bytes();
        }
    }
}
