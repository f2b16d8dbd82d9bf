//! [`Manifest`]: the facts of a copy in one small immutable file. Its final name commits the copy.
//!
//! Takes facts, gives JSON and back. A manifest that is read must be, byte for byte, what would be written for it, and
//! must hold its own checksum: one changed bit anywhere makes it invalid. Archives have major format 1, trees 2: a
//! version that knows archives only rejects a tree instead of reading it as an archive.
//! Invariant: the tables of a manifest that was read are in range, in order and without gaps.

use super::error::CopyError;
use super::file_entry::{Bytes, hex};
use super::form::CopyForm;
use super::gzip_member::MAX_MEMBER_SIZE;
use super::name::CopyName;
use crate::model::Contents;
use crate::path::RelPath;
use crate::tree::handle::regular;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub const ARCHIVE_FORMAT: (u32, u32) = (1, 0);

pub const TREE_FORMAT: (u32, u32) = (2, 0);

/// The largest major number of a format that this version reads.
pub const MAX_KNOWN_FORMAT: u32 = TREE_FORMAT.0;

/// How many missing paths a manifest names; the rest is counted.
pub const MAX_NAMED_INCOMPLETE: usize = 1000;

pub const MAX_MANIFEST_SIZE: u64 = 256 << 20;

/// A gzip member in its file: offset, compressed size, decoded size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberPosition(pub u64, pub u64, pub u64);

/// A member of the file list and the first path in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListMember(pub u64, pub u64, pub u64, pub RelPath);

/// Something that is missing in the copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incomplete {
    /// `None` is the source itself.
    pub path: Option<RelPath>,
    pub why: String,
}

impl Incomplete {
    /// What, for people.
    pub fn place(&self) -> String {
        let path = self.path.as_ref();
        path.map_or_else(|| "the source itself".to_owned(), |path| format!("`{path}`"))
    }
}

/// Facts of a copy by `strategy "copy"`: what it shares with the previous copy, and which attributes its files have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeFacts {
    /// The previous copy, whose unchanged files it shares.
    pub shares_with: Option<String>,
    pub shared_files: u64,
    pub shared_bytes: u64,
    /// Files and directories have the owners and permission bits of the source. Otherwise they belong to the user who
    /// made the copy, who may always read them, and have no set-id bits.
    pub owners: bool,
    /// They have the permission bits of the source.
    pub modes: bool,
    /// Files have the times of the source, to the nanosecond.
    pub times: bool,
    /// They have all extended attributes that the list names.
    pub xattrs: bool,
    /// Hard links are hard links; otherwise some are files of their own.
    pub hard_links: bool,
}

/// What the copy was to hold. A word of a later version is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CopyContents {
    Known(Contents),
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Major and minor number of the format.
    pub format: (u32, u32),
    /// Version of the opsrun that wrote it.
    pub tool: String,
    pub ops_name: String,
    pub host: String,
    pub backup_id: String,
    pub run: String,
    /// Increases with every copy of a backup: the newest copy has the highest, whatever the clock says.
    pub sequence: u64,
    /// The previous copy.
    pub parent: Option<String>,
    /// UUID of the source's file system, if known.
    pub source_fs_uuid: Option<String>,
    /// Always null in this format.
    pub encryption: Option<String>,
    /// When the copy was begun.
    pub backup_at: DateTime<Utc>,
    pub source: Bytes,
    /// How many files, links and others the source held.
    pub source_files: u64,
    pub contents: CopyContents,
    /// File name of the archive, or of the tree.
    pub archive_name: String,
    /// Size of the archive; for a tree, the bytes of content stored in it, without holes.
    pub archive_bytes: u64,
    /// SHA-256 of the archive. Empty for a tree: the list has the SHA-256 of every file.
    pub checksum: String,
    pub list_name: String,
    pub list_bytes: u64,
    /// SHA-256 of the list.
    pub list_checksum: String,
    pub record_count: u64,
    /// Entries that are not directories.
    pub files: u64,
    /// Bytes of content, holes included.
    pub bytes: u64,
    /// Entries that changed each time they were read.
    pub torn: u64,
    /// Nothing is missing.
    pub complete: bool,
    pub incomplete_total: u64,
    /// What is missing: at most [`MAX_NAMED_INCOMPLETE`] paths.
    pub incomplete: Vec<Incomplete>,
    /// Why the copy is not trusted to represent the source.
    pub suspect: Option<String>,
    /// Only in the manifest of a tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeFacts>,
    pub members: Vec<MemberPosition>,
    pub list_members: Vec<ListMember>,
    /// SHA-256 of this file with an empty string here.
    pub self_checksum: String,
}

impl Manifest {
    pub fn source_path(&self) -> PathBuf {
        Path::new(OsStr::from_bytes(&self.source.to_bytes())).to_owned()
    }

    pub fn form(&self) -> CopyForm {
        if self.tree.is_some() {
            CopyForm::Tree
        } else {
            CopyForm::Archive
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut own = self.clone();
        own.self_checksum = String::new();
        own.self_checksum = hex(&Sha256::digest(own.text()));
        own.text()
    }

    /// Two-space JSON; the member tables, which may be long, have one member per line.
    fn text(&self) -> Vec<u8> {
        let mut short = self.clone();
        short.members = Vec::new();
        short.list_members = Vec::new();
        let text = serde_json::to_string_pretty(&short).unwrap_or_default();
        let text = with_table(&text, "list_members", &self.list_members);
        let mut text = with_table(&text, "members", &self.members);
        text.push('\n');
        text.into_bytes()
    }

    /// Reads and checks. `file` is the manifest's name, for messages.
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Self, CopyError> {
        let damaged = |what: &str| CopyError::damaged(file, what);
        if let Ok(Versioned { format }) = serde_json::from_slice(bytes)
            && format.0 > MAX_KNOWN_FORMAT
        {
            return Err(CopyError::Newer {
                file: file.to_owned(),
                found: format.0,
                known: MAX_KNOWN_FORMAT,
            });
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|e| damaged(&format!("it is not a valid manifest ({e})")))?;
        if manifest.to_bytes() != bytes {
            return Err(damaged("its own checksum does not match"));
        }
        manifest.check().map_err(|what| damaged(&what))?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let (major, checksum) = match self.form() {
            CopyForm::Archive => (ARCHIVE_FORMAT.0, 64),
            CopyForm::Tree => (TREE_FORMAT.0, 0),
        };
        if self.format.0 != major || self.checksum.len() != checksum {
            return Err("its format number does not match its form".to_owned());
        }
        let archive = self.members.iter().map(|m| (m.0, m.1, m.2));
        // A tree has no members.
        let archive_end = if self.tree.is_some() { 0 } else { self.archive_bytes };
        let list = self.list_members.iter().map(|m| (m.0, m.1, m.2));
        for (what, table, bytes) in [
            ("archive", archive.collect::<Vec<_>>(), archive_end),
            ("list", list.collect::<Vec<_>>(), self.list_bytes),
        ] {
            let mut end = 0_u64;
            for (offset, length, size) in table {
                let fits = size <= MAX_MEMBER_SIZE as u64 && length <= 2 * MAX_MEMBER_SIZE as u64;
                let valid = fits && offset == end && length > 0;
                let next = end.checked_add(length).filter(|_| valid);
                end = next.ok_or_else(|| format!("its table of {what} members is invalid"))?;
            }
            if end != bytes {
                return Err(format!(
                    "its table of {what} members ends at byte {end}, but the {what} ends at byte {bytes}"
                ));
            }
        }
        if !self.list_members.is_sorted_by(|a, b| a.3 < b.3) {
            return Err("its list members are out of order".to_owned());
        }
        if self.complete != (self.incomplete_total == 0) || self.encryption.is_some() || self.files > self.record_count
        {
            return Err("its fields contradict each other".to_owned());
        }
        Ok(())
    }
}

/// Reads a manifest, which must be the one of `name`.
pub fn read_manifest(file: &File, name: &CopyName) -> Result<Manifest, CopyError> {
    let own = name.manifest();
    let size = regular(file)
        .map_err(|e| CopyError::io("read", &own, e))?
        .ok_or_else(|| CopyError::damaged(&own, "it is not a regular file"))?
        .size;
    if size > MAX_MANIFEST_SIZE {
        return Err(CopyError::damaged(&own, "it is too large for a manifest"));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    // By position: it may be read more than once through one handle.
    file.read_exact_at(&mut bytes, 0)
        .map_err(|e| CopyError::io("read", &own, e))?;
    let manifest = Manifest::from_bytes(&bytes, &own)?;
    let named = manifest.archive_name == manifest.form().content_name(name)
        && manifest.list_name == name.list()
        && manifest.backup_id == name.backup()
        && manifest.run == name.run();
    if named {
        Ok(manifest)
    } else {
        Err(CopyError::damaged(&own, "it is the manifest of another copy"))
    }
}

/// The part that every format has.
#[derive(Deserialize)]
struct Versioned {
    format: (u32, u32),
}

/// With a table in place of an empty one, one member per line. Its key comes from our own serializer, at the top level
/// and once, after all free text.
fn with_table<T: Serialize>(text: &str, key: &str, members: &[T]) -> String {
    let lines: Vec<String> = members
        .iter()
        .map(|m| serde_json::to_string(m).unwrap_or_default())
        .collect();
    match text.rsplit_once(&format!("\n  \"{key}\": [],")) {
        Some((head, tail)) if !lines.is_empty() => {
            format!("{head}\n  \"{key}\": [\n    {}\n  ],{tail}", lines.join(",\n    "))
        }
        _ => text.to_owned(),
    }
}
