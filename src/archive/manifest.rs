//! [`Manifest`]: what a copy is, in one small immutable file. Its final name is what makes a copy count.
//!
//! Takes facts, gives JSON and back. What is read must be, byte for byte, what would be written for it, and must
//! carry its own checksum: one changed bit anywhere is refused. Archives have major format 1, trees 2: a build that
//! knows archives only refuses a tree instead of taking it for an archive.
//! Invariant: a manifest that was read describes tables that are in range, in order and without gaps.

use super::error::CopyError;
use super::form::Form;
use super::member::MOST;
use super::row::{Bytes, hex};
use crate::path::RelPath;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub const ARCHIVE_FORMAT: (u32, u32) = (1, 0);

pub const TREE_FORMAT: (u32, u32) = (2, 0);

/// The largest first number of a format that this build reads.
pub const KNOWN: u32 = TREE_FORMAT.0;

/// Incomplete paths that a manifest names; the rest is counted.
pub const NAMED: usize = 1000;

/// The largest manifest that is read.
pub const LARGEST: u64 = 256 << 20;

/// A place in a file of members: where it begins, its size there, its size decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member(pub u64, pub u64, pub u64);

/// A member of the file list and the first path in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListMember(pub u64, pub u64, pub u64, pub RelPath);

/// Something that should be in the copy and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Incomplete {
    /// What; `None` is the source itself.
    pub path: Option<RelPath>,
    /// Why.
    pub why: String,
}

/// What a copy by `strategy "copy"` says besides: how its tree came to be, and what its files carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TreeFacts {
    /// The copy whose unchanged files it shares.
    pub shares_with: Option<String>,
    /// Files that share their data with that copy.
    pub shared_files: u64,
    /// Their bytes.
    pub shared_bytes: u64,
    /// Its files and directories have the owners and permission bits of the source; else they belong to whoever made
    /// the copy, who may always read them, and have no set-id bits.
    pub owners: bool,
    /// They have the permission bits of the source.
    pub modes: bool,
    /// Its files have the times of the source, to the nanosecond.
    pub times: bool,
    /// They have all extended attributes that the list names.
    pub xattrs: bool,
    /// Hard links are hard links; else some are files of their own.
    pub hard_links: bool,
}

/// What a copy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Major and minor number of the format.
    pub format: (u32, u32),
    /// Version of the opsrun that wrote it.
    pub tool: String,
    /// The `ops` name.
    pub ops_name: String,
    /// The machine.
    pub host: String,
    /// The backup's name.
    pub backup_id: String,
    /// The run that made it.
    pub run: String,
    /// Rises with every copy of a backup: the newest is the highest, whatever the clock says.
    pub sequence: u64,
    /// The copy before it.
    pub parent: Option<String>,
    /// UUID of the source's file system, where known.
    pub source_fs_uuid: Option<String>,
    /// Always null in this format.
    pub encryption: Option<String>,
    /// When it was begun.
    pub backup_at: DateTime<Utc>,
    /// The source directory.
    #[schemars(with = "serde_json::Value")]
    pub source: Bytes,
    /// Files, links and others that the source held.
    pub source_files: u64,
    /// `all` or `expired`.
    pub contents: String,
    /// File name of the archive, or of the tree.
    pub archive_name: String,
    /// Its size; of a tree, the bytes of content stored in it, holes left out.
    pub archive_bytes: u64,
    /// Its SHA-256; of a tree empty: the list has the SHA-256 of every file.
    pub checksum: String,
    /// File name of the file list.
    pub list_name: String,
    /// Its size.
    pub list_bytes: u64,
    /// Its SHA-256.
    pub list_checksum: String,
    /// Entries.
    pub record_count: u64,
    /// Entries that are no directories.
    pub files: u64,
    /// Bytes of content, holes included.
    pub bytes: u64,
    /// Entries that changed each time they were read.
    pub torn: u64,
    /// Nothing is missing.
    pub complete: bool,
    /// How much is missing.
    pub incomplete_total: u64,
    /// What is missing, up to a thousand.
    pub incomplete: Vec<Incomplete>,
    /// Why the copy is not trusted to stand for the source.
    pub suspect: Option<String>,
    /// What only a tree says; an archive's manifest does not have the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeFacts>,
    /// Members of the archive.
    pub members: Vec<Member>,
    /// Members of the file list.
    pub list_members: Vec<ListMember>,
    /// SHA-256 of this file with an empty string here.
    pub self_checksum: String,
}

impl Manifest {
    #[must_use]
    pub fn source_path(&self) -> PathBuf {
        Path::new(OsStr::from_bytes(&self.source.to_bytes())).to_owned()
    }

    #[must_use]
    pub fn form(&self) -> Form {
        if self.tree.is_some() { Form::Tree } else { Form::Archive }
    }

    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut own = self.clone();
        own.self_checksum = String::new();
        own.self_checksum = hex(&Sha256::digest(own.text()));
        own.text()
    }

    /// Two-space JSON; the member tables, which may be long, one member a line.
    fn text(&self) -> Vec<u8> {
        let mut short = self.clone();
        short.members = Vec::new();
        short.list_members = Vec::new();
        let text = serde_json::to_string_pretty(&short).unwrap_or_default();
        let table = |lines: Vec<String>| {
            if lines.is_empty() {
                "[]".to_owned()
            } else {
                format!("[\n    {}\n  ]", lines.join(",\n    "))
            }
        };
        let line = |value: serde_json::Result<String>| value.unwrap_or_default();
        let members = table(self.members.iter().map(|m| line(serde_json::to_string(m))).collect());
        let list = table(
            self.list_members
                .iter()
                .map(|m| line(serde_json::to_string(m)))
                .collect(),
        );
        // The keys come from our own serializer, at the top level and once each, after all free text.
        let text = replace_last(
            &text,
            "\n  \"list_members\": [],",
            &format!("\n  \"list_members\": {list},"),
        );
        let mut text = replace_last(&text, "\n  \"members\": [],", &format!("\n  \"members\": {members},"));
        text.push('\n');
        text.into_bytes()
    }

    /// Reads and checks. `file` is the manifest's name, for messages.
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Self, CopyError> {
        let damaged = |what: &str| CopyError::damaged(file, what);
        if let Ok(Versioned { format }) = serde_json::from_slice(bytes)
            && format.0 > KNOWN
        {
            return Err(CopyError::Newer {
                file: file.to_owned(),
                found: format.0,
                known: KNOWN,
            });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| damaged(&format!("it is no manifest ({e})")))?;
        if manifest.to_bytes() != bytes {
            return Err(damaged("its own checksum does not match"));
        }
        manifest.check().map_err(|what| damaged(&what))?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let (major, checksum) = match self.form() {
            Form::Archive => (ARCHIVE_FORMAT.0, 64),
            Form::Tree => (TREE_FORMAT.0, 0),
        };
        if self.format.0 != major || self.checksum.len() != checksum {
            return Err("it is of no form that there is".to_owned());
        }
        let archive = self.members.iter().map(|m| (m.0, m.1, m.2));
        // Of a tree there are no members, and no file whose end they could reach.
        let archive_end = if self.tree.is_some() { 0 } else { self.archive_bytes };
        let list = self.list_members.iter().map(|m| (m.0, m.1, m.2));
        for (what, table, bytes) in [
            ("archive", archive.collect::<Vec<_>>(), archive_end),
            ("list", list.collect::<Vec<_>>(), self.list_bytes),
        ] {
            let mut end = 0_u64;
            for (offset, length, size) in table {
                if offset != end || length == 0 || size > MOST as u64 || length > 2 * MOST as u64 {
                    return Err(format!("its table of {what} members is impossible"));
                }
                end = end
                    .checked_add(length)
                    .ok_or_else(|| format!("its table of {what} members is impossible"))?;
            }
            if end != bytes {
                return Err(format!(
                    "its table of {what} members ends at {end}, the {what} at {bytes}"
                ));
            }
        }
        if !self.list_members.is_sorted_by(|a, b| a.3 < b.3) {
            return Err("its list members are out of order".to_owned());
        }
        if self.complete != (self.incomplete_total == 0) || self.encryption.is_some() || self.files > self.record_count
        {
            return Err("it contradicts itself".to_owned());
        }
        Ok(())
    }
}

/// The part of every format that says which one it is.
#[derive(Deserialize)]
struct Versioned {
    format: (u32, u32),
}

fn replace_last(text: &str, what: &str, with: &str) -> String {
    match text.rfind(what) {
        None => text.to_owned(),
        Some(at) => {
            let (head, tail) = text.split_at(at);
            format!("{head}{with}{}", tail.strip_prefix(what).unwrap_or(tail))
        }
    }
}
