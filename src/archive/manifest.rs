//! [`Manifest`]: the facts of a copy in one small immutable file. Its final name commits the copy.
//!
//! Takes facts, gives JSON and back. A manifest ends with the checksum of all its other bytes: one changed bit anywhere
//! makes it invalid. This version writes format 3, for archives and trees. Older versions wrote format 1 for archives and
//! 2 for trees. Fields that a later minor version adds are skipped: a manifest is never rewritten, so it keeps them. What
//! cannot be read without knowing more is rejected as newer.
//! Invariant: the tables of a manifest that was read are in range, in order and without gaps.

use super::error::CopyError;
use super::file_entry::{Bytes, hex};
use super::form::CopyForm;
use super::gzip_member::MAX_MEMBER_SIZE;
use super::left_out::LeftOut;
use super::name::CopyName;
use super::top_directory::TopDirectory;
use crate::model::Contents;
use crate::path::RelPath;
use crate::tree::handle::regular;
use crate::units::plural;
use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The format that this version writes: major and minor number.
pub const FORMAT: (u32, u32) = (3, 0);

/// The codec of an archive: gzip members.
pub const GZIP: &str = "gzip";

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
        place(self.path.as_ref())
    }
}

fn place(path: Option<&RelPath>) -> String {
    path.map_or_else(|| "the source itself".to_owned(), |path| format!("`{path}`"))
}

/// Attributes that could not be read from the source: the copy lacks them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadAttributes {
    pub why: String,
    /// How many entries lack some for this reason.
    pub entries: u64,
    /// The first of them; `None` is the source itself.
    pub first: Option<RelPath>,
}

impl fmt::Display for UnreadAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = plural(self.entries, "entry", "entries");
        let first = place(self.first.as_ref());
        write!(
            f,
            "extended attributes of {entries} could not be read, first {first}: {}",
            self.why
        )
    }
}

/// Facts of a copy by `strategy "copy"`: what it shares with the previous copy, and which attributes its files have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// How many other copies hold what is not in this one. This version writes complete copies only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BaseCount(usize);

impl Serialize for BaseCount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq([(); 0])
    }
}

impl<'de> Deserialize<'de> for BaseCount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Vec::<IgnoredAny>::deserialize(from)?.len()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Which host and ops file wrote it. `None` in formats 1 and 2.
    #[serde(default)]
    pub writer: Option<String>,
    /// When the copy was begun.
    pub backup_at: DateTime<Utc>,
    pub source: Bytes,
    /// How many files and links the patterns selected of the source. Formats 1 and 2 count all that were listed.
    pub source_files: u64,
    /// Their bytes, each inode once, holes included. `None` in formats 1 and 2.
    #[serde(default)]
    pub source_bytes: Option<u64>,
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
    /// What the backup did not copy by itself, although it is below the source. Unknown in formats 1 and 2.
    #[serde(default)]
    pub left_out: LeftOut,
    #[serde(default)]
    pub unread_attributes: Vec<UnreadAttributes>,
    /// The source's own directory. `None` in formats 1 and 2.
    #[serde(default)]
    pub top: Option<TopDirectory>,
    /// How the archive is compressed: [`GZIP`]. `None` for a tree, and in formats 1 and 2.
    #[serde(default)]
    pub codec: Option<String>,
    #[serde(default)]
    pub bases: BaseCount,
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
            && format.0 > FORMAT.0
        {
            let needs = format!("its format is {}, and this version reads up to {}", format.0, FORMAT.0);
            return Err(CopyError::newer(file, needs));
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|e| damaged(&format!("it is not a valid manifest ({e})")))?;
        if !is_sealed(bytes) {
            return Err(damaged("its own checksum does not match"));
        }
        if let Some(needs) = manifest.unknown_feature() {
            return Err(CopyError::newer(file, needs));
        }
        manifest.check().map_err(|what| damaged(&what))?;
        Ok(manifest)
    }

    /// What a reader must know to read this copy, and this version does not.
    fn unknown_feature(&self) -> Option<String> {
        if let Some(codec) = self.codec.as_deref().filter(|codec| *codec != GZIP) {
            return Some(format!("its archive has the codec `{codec}`"));
        }
        (self.bases.0 > 0).then(|| "other copies hold a part of its files".to_owned())
    }

    fn check(&self) -> Result<(), String> {
        let form = self.form();
        let (forms, codec) = match self.format.0 {
            1 => ([CopyForm::Archive; 2], None),
            2 => ([CopyForm::Tree; 2], None),
            3 => (
                [CopyForm::Archive, CopyForm::Tree],
                (form == CopyForm::Archive).then_some(GZIP),
            ),
            other => return Err(format!("no version of opsrun wrote format {other}")),
        };
        let checksum = if form == CopyForm::Archive { 64 } else { 0 };
        let same_age = (self.format.0 == 3) == self.top.is_some();
        if !forms.contains(&form) || self.codec.as_deref() != codec || !same_age || self.checksum.len() != checksum {
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

/// The checksum at the end equals the hash of the text with an empty string in its place.
fn is_sealed(text: &[u8]) -> bool {
    const KEY: &[u8] = b"\n  \"self_checksum\": \"";
    const END: &[u8] = b"\"\n}\n";
    let before = text.strip_suffix(END);
    let cut = before.and_then(|before| before.split_at_checked(before.len().checked_sub(64)?));
    cut.is_some_and(|(before, checksum)| {
        let hash = Sha256::new().chain_update(before).chain_update(END).finalize();
        before.ends_with(KEY) && hex(&hash).as_bytes() == checksum
    })
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
