//! Attributes of restored entries: which they should get, and which they could not.
//!
//! Takes rows, gives [`Attributes`]; owners go by name where the name exists here, else by number. Takes what `tree` could
//! not give, and counts it by kind.

use super::super::attributes::{attributes_of, attributes_of_top, renumber};
use super::super::file_entry::FileEntry;
use super::super::top_directory::TopDirectory;
use super::super::tree_form::gives_owners;
use crate::path::RelPath;
use crate::tree::attributes::{Attributes, Lacking};
use crate::units::plural;
use crate::user_database::UserDatabase;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A kind of attribute that some restored entries lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttributeKind {
    /// Left out by a user who cannot give files away.
    OwnerOfOthers,
    /// Could not be set by root.
    Owner,
    SetId,
    Mode,
    Acl,
    Capabilities,
    Xattr,
    /// The copy itself lacks extended attributes.
    NotInCopy,
    Time,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostAttribute {
    pub kind: AttributeKind,
    pub entries: u64,
    /// The first of them; `None` is the target itself.
    pub first: Option<RelPath>,
}

impl LostAttribute {
    /// A user expects to own what he restores, as with `tar`: that is not a loss.
    pub fn is_loss(&self) -> bool {
        self.kind != AttributeKind::OwnerOfOthers
    }
}

impl fmt::Display for LostAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, then) = match self.kind {
            AttributeKind::OwnerOfOthers => ("owner or group was left out", "; restore as root to set it"),
            AttributeKind::Owner => ("owner or group could not be set", ""),
            AttributeKind::SetId => ("set-id bits were left out, because the owner differs", ""),
            AttributeKind::Mode => ("permission bits could not be set", ""),
            AttributeKind::Acl => ("access control lists could not be set", ""),
            AttributeKind::Capabilities => ("capabilities could not be set", "; restore as root to set them"),
            AttributeKind::Xattr => ("extended attributes could not be set", ""),
            AttributeKind::NotInCopy => ("the copy lacks extended attributes that could not be read", ""),
            AttributeKind::Time => ("times could not be set to the nanosecond", ""),
        };
        let entries = plural(self.entries, "entry", "entries");
        match &self.first {
            Some(first) if self.entries == 1 => write!(f, "`{first}`: {what}{then}"),
            Some(first) => write!(f, "{entries}: {what}, first `{first}`{then}"),
            None => write!(f, "{entries}: {what}, first the target itself{then}"),
        }
    }
}

pub struct AttributeRestorer<'a> {
    users: UserDatabase<'a>,
    /// Owners go by number only.
    numeric_owner: bool,
    lost: Mutex<BTreeMap<AttributeKind, LostAttribute>>,
}

impl<'a> AttributeRestorer<'a> {
    pub fn new(numeric_owner: bool, stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self {
            users: UserDatabase::new(stop),
            numeric_owner,
            lost: Mutex::default(),
        }
    }

    /// What an entry should get; counts what the copy lacks.
    pub fn wanted(&self, row: &FileEntry) -> Attributes {
        if row.xattrs_unread.is_some() {
            self.count(AttributeKind::NotInCopy, Some(&row.path));
        }
        self.recorded(row)
    }

    /// What the copy says of an entry.
    pub fn recorded(&self, row: &FileEntry) -> Attributes {
        let mut wanted = attributes_of(row);
        if !self.numeric_owner {
            renumber(&mut wanted, &row.names, &self.users);
        }
        wanted
    }

    /// What the target itself should get.
    pub fn wanted_of_top(&self, top: &TopDirectory) -> Attributes {
        if top.xattrs_unread.is_some() {
            self.count(AttributeKind::NotInCopy, None);
        }
        let mut wanted = attributes_of_top(top);
        if !self.numeric_owner {
            renumber(&mut wanted, &top.names, &self.users);
        }
        wanted
    }

    /// Counts what an entry could not get; `None` is the target itself.
    pub fn record(&self, path: Option<&RelPath>, lacking: Lacking) {
        let kinds = [
            (lacking.owners && gives_owners(), AttributeKind::Owner),
            (lacking.owners && !gives_owners(), AttributeKind::OwnerOfOthers),
            (lacking.set_ids, AttributeKind::SetId),
            (lacking.modes, AttributeKind::Mode),
            (lacking.acls, AttributeKind::Acl),
            (lacking.capabilities, AttributeKind::Capabilities),
            (lacking.xattrs, AttributeKind::Xattr),
            (lacking.times, AttributeKind::Time),
        ];
        for (_, kind) in kinds.into_iter().filter(|(lacks, _)| *lacks) {
            self.count(kind, path);
        }
    }

    fn count(&self, kind: AttributeKind, path: Option<&RelPath>) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let first = || LostAttribute {
            kind,
            entries: 0,
            first: path.cloned(),
        };
        lost.entry(kind).or_insert_with(first).entries += 1;
    }

    pub fn lost(&self) -> Vec<LostAttribute> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.values().cloned().collect()
    }

    /// True when the system did not say which numbers the names have: recorded numbers were used.
    pub fn lacks_names(&self) -> bool {
        self.users.is_silent()
    }
}
