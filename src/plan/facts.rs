//! What was found before anything happens: the input of [`super::build`].
//!
//! Plain values, gathered by `exec::survey`. Holds no handles and reads nothing.
//! Invariant: `build` is a pure function of the model, the request and these.

use crate::archive::{Incomplete, LeftOut, Writer};
use crate::entry::{Entry, EntryKind};
use crate::file_system::Abilities;
use crate::model::retention::Verdict;
use crate::path::RelPath;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub struct PlanFacts {
    /// The moment by which ages are counted: the present, or what the user asked about.
    pub now: DateTime<Utc>,
    pub clock: DateTime<Utc>,
    pub host: String,
    /// Who makes copies here.
    pub writer: Writer,
    pub uid: u32,
    /// True when leases may be taken on other users' files.
    pub may_lease_all: bool,
    pub backups: BTreeMap<String, BackupFacts>,
    /// By name of the retention: a verdict for each entry of its backup's listing.
    pub verdicts: BTreeMap<String, Vec<Verdict>>,
}

/// What was found at one backup's source and destination.
#[derive(Debug, Clone)]
pub struct BackupFacts {
    /// The listing, or why there is none.
    pub source: Result<Arc<Scan>, Unlisted>,
    pub destination: Destination,
    /// For every candidate of a deletion that an older copy holds with equal identity: the entry's index in
    /// the listing, and the copy's in [`Destination::copies`].
    pub located: BTreeMap<usize, usize>,
    /// Why it is not known what other retentions keep of this source.
    pub unclear: Option<String>,
    /// Bytes that cleanups deleted from the source since its newest trusted copy. Looked up only where the source has so
    /// few bytes that it matters.
    pub deleted_bytes: u64,
    /// Large files of the newest trusted copy that are empty now, or nearly.
    pub emptied: Vec<EmptiedFile>,
}

/// A file that lost nearly all of its content since the newest trusted copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptiedFile {
    pub path: RelPath,
    /// Its sizes in the copy and now.
    pub before: u64,
    pub now: u64,
    pub copy: String,
}

/// How much a source has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceSize {
    /// Files, links: what is not a directory.
    pub files: u64,
    /// Bytes of the files, each inode once, holes included.
    pub bytes: u64,
}

/// Why a source could not be listed, and what to do about it.
#[derive(Debug, Clone)]
pub struct Unlisted {
    pub why: String,
    pub help: &'static str,
}

impl From<String> for Unlisted {
    fn from(why: String) -> Self {
        let help = "make the source readable, or correct `source` in the ops file";
        Self { why, help }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// In walk order.
    pub entries: Vec<Entry>,
    /// What could not be listed, with the reason, escaped for people.
    pub problems: Vec<Incomplete>,
    /// What the patterns of the backup select of it, and what can be stored.
    pub selected: SourceSize,
    /// Directories in which nothing can be selected: not opened.
    pub unopened: u64,
    /// Listed entries that the patterns do not select.
    pub unselected: u64,
    /// Mount points that were not entered, unless excluded.
    pub mounts: Vec<RelPath>,
    /// The same, bounded, with the selected entries that cannot be stored.
    pub left_out: LeftOut,
    /// Directories of opsrun's own that lie in the source, with what they are, unless excluded.
    pub overlaps: Vec<(String, &'static str)>,
    /// Quarantined and temporary files of an earlier run.
    pub ours: Vec<RelPath>,
    /// File systems on which opsrun may not notice that a program writes to a file, by device: their names.
    pub unreliable_leases: BTreeMap<u64, String>,
}

impl Scan {
    /// Entries that are not directories.
    pub fn files(&self) -> u64 {
        self.entries.iter().filter(|e| e.kind != EntryKind::Dir).count() as u64
    }
}

#[derive(Debug, Clone)]
pub struct Destination {
    /// The `ops` name that its marker should have.
    pub ops: String,
    pub state: DestinationState,
    /// True when the store remembers copies in it.
    pub known: bool,
    /// Bytes free, where that could be asked.
    pub free: Option<u64>,
    /// True when it lies on the source's file system.
    pub same_file_system: bool,
    /// A mount of its own was asked for, and it is not on one.
    pub unmounted: bool,
    /// What its file system can do, where that was tried.
    pub abilities: Option<Abilities>,
    /// Why it could not be written to when that was tried.
    pub unwritable: Option<String>,
    /// The copies of this backup, writer and source, newest first.
    pub copies: Vec<CopyFacts>,
    /// The highest sequence of any copy here, and of any that the store knows of this backup.
    pub highest_sequence: u64,
    /// Copies that cannot be read, with the reason.
    pub broken: Vec<(String, String)>,
}

/// What is at a destination's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationState {
    Missing,
    /// A directory without a marker.
    Unmarked,
    /// A directory with our marker.
    Marked {
        ops: String,
        /// False when the store remembers another marker at this place.
        expected: bool,
        standing: WriterStanding,
    },
    /// It cannot be used; the reason.
    Unusable(String),
}

/// What a destination knows of the writer that looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriterStanding {
    Listed,
    /// Not listed, but copies that it made before there were lists are here, or none at all.
    Joins,
    /// The copies are of these hosts.
    Other(Vec<String>),
}

/// What a copy says about the size of its source. Copies of expired files in formats 1 and 2 count all listed files,
/// selected or not, and do not know the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeRecord {
    Listed { files: u64 },
    Selected(SourceSize),
}

/// One copy, as its manifest describes it.
#[derive(Debug, Clone)]
pub struct CopyFacts {
    /// `<backup>-<stamp>-<run id>`.
    pub name: String,
    /// Rises with every copy of a backup.
    pub sequence: u64,
    pub at: DateTime<Utc>,
    /// Why it is not trusted to represent the source.
    pub suspect: Option<String>,
    /// A tree whose unchanged files the next one may share.
    pub shareable: bool,
    pub records: u64,
    pub bytes: u64,
    /// What the source had when it was made.
    pub source: SizeRecord,
    /// What was left out by itself; `None` where the copy does not say.
    pub left_out: Option<LeftOut>,
    /// Files deleted from the source on the strength of it; every one when it is relied on and its receipt does
    /// not say so.
    pub deleted: u64,
    pub deleted_at: BTreeMap<DateTime<Utc>, u64>,
    pub archive_bytes: u64,
}
