//! [`FileEntry`]: one entry of a copy, one row of its file list.
//!
//! Written while the source is read; read back by verify, restore, cleanup and people (`zcat`).
//! Invariant: together with the archive's bytes a row says everything about its entry; the tar headers are a
//! function of it (`header`).

use crate::entry::Identity;
pub use crate::path::Bytes;
use crate::path::RelPath;
pub use crate::units::{hex, parse_hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileEntryKind {
    File,
    Dir,
    Symlink,
    /// Another name of an earlier file of the same copy.
    Hardlink,
}

/// Whether the content is one state of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentState {
    Ok,
    /// The file changed each time it was read: it proves nothing.
    Torn,
}

/// Names of the owners of an entry, beside their numbers. Only in format 3, and only what the system knew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Users that its access control lists name, by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub acl_users: BTreeMap<u32, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub acl_groups: BTreeMap<u32, String>,
}

/// A hole map as later versions write it. This version reads it as "there is one".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaterHoleMap;

impl<'de> Deserialize<'de> for LaterHoleMap {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(from).map(|_| Self)
    }
}

/// Fields that a later minor version adds are skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where, relative to the source.
    pub path: RelPath,
    #[serde(rename = "type")]
    pub kind: FileEntryKind,
    /// Bytes of content; 0 for what has none.
    pub size: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    pub names: Names,
    /// Last change of the content, nanoseconds since the Unix epoch.
    pub mtime_ns: i128,
    /// Last change of anything, nanoseconds since the Unix epoch.
    pub ctime_ns: i128,
    pub dev: u64,
    pub ino: u64,
    pub nlink: u32,
    /// SHA-256 of the content in hexadecimal, holes read as zeros; a hard link has the hash of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Number of the archive's member that holds its first header byte.
    pub member: u64,
    pub offset: u64,
    /// Target of a symlink, or the path that a hard link is another name of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Bytes>,
    /// Data segments of a file with holes: offset and length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparse: Option<Vec<(u64, u64)>>,
    /// Never written; where it is read, this version cannot read the copy.
    #[serde(default, skip_serializing)]
    pub holes: Option<LaterHoleMap>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Bytes>,
    /// Why some of its extended attributes are missing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xattrs_unread: Option<String>,
    pub state: ContentState,
    /// It changed so shortly before it was read that its times cannot prove it unchanged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}

/// Proof of what a file's content was in exactly one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    pub identity: Identity,
    /// SHA-256 of the content in it.
    pub sha256: [u8; 32],
}

impl Names {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl FileEntry {
    /// It changed each time it was read.
    pub fn is_torn(&self) -> bool {
        self.state == ContentState::Torn
    }

    /// SHA-256 of the content.
    pub fn hash(&self) -> Option<[u8; 32]> {
        self.sha256.as_deref().and_then(parse_hex)
    }

    /// Data segments: offset and length.
    pub fn segments(&self) -> Vec<(u64, u64)> {
        self.sparse.clone().unwrap_or_else(|| vec![(0, self.size)])
    }

    pub fn identity(&self) -> Identity {
        Identity {
            dev: self.dev,
            ino: self.ino,
            size: self.size,
            mtime_ns: self.mtime_ns,
            ctime_ns: self.ctime_ns,
        }
    }

    /// What it proves: `None` unless it is a file, whole, and neither torn nor fresh.
    pub fn evidence(&self) -> Option<Evidence> {
        let file = matches!(self.kind, FileEntryKind::File | FileEntryKind::Hardlink);
        let whole = self.state == ContentState::Ok && !self.fresh && self.xattrs_unread.is_none();
        (file && whole).then_some(())?;
        Some(Evidence {
            identity: self.identity(),
            sha256: self.hash()?,
        })
    }

    /// Bytes that what the list says of it needs in memory, about.
    pub fn listed(&self) -> usize {
        let link = self.link.as_ref().map_or(0, Bytes::text_len);
        let segments = self.sparse.as_ref().map_or(0, |segments| 16 * segments.len());
        let xattrs = self
            .xattrs
            .iter()
            .map(|(name, value)| name.len() + value.text_len() + 64);
        let Names {
            owner,
            group,
            acl_users,
            acl_groups,
        } = &self.names;
        let texts = [owner, group, &self.xattrs_unread]
            .into_iter()
            .flatten()
            .map(String::len);
        let listed = acl_users
            .values()
            .chain(acl_groups.values())
            .map(|name| name.len() + 64);
        let fixed = size_of::<Self>() + self.path.as_bytes().len() + link + segments;
        fixed + xattrs.chain(texts).chain(listed).sum::<usize>()
    }

    /// Bytes of content in the archive: fewer than the size where there are holes.
    pub fn stored(&self) -> u64 {
        match (self.kind, &self.sparse) {
            (FileEntryKind::File, None) => self.size,
            (FileEntryKind::File, Some(segments)) => segments.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len)),
            _ => 0,
        }
    }
}
