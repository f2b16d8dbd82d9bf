//! [`WriteJob`]: what to write as a copy; [`WrittenCopy`]: what was written, not yet published.

use super::form::UnpublishedContent;
use super::left_out::LeftOut;
use super::manifest::{Incomplete, Manifest};
use super::name::CopyName;
use super::progress::CopyProgress;
use crate::entry::{Entry, EntryKind};
use crate::model::{Contents, Strategy};
use crate::tree::Dir;
use crate::tree::publish::Draft;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::path::PathBuf;

/// Facts for the manifest that are known before anything is written.
#[derive(Debug, Clone)]
pub struct ManifestFacts {
    pub ops_name: String,
    pub host: String,
    pub run: String,
    pub sequence: u64,
    /// The previous copy.
    pub parent: Option<String>,
    pub backup_at: DateTime<Utc>,
    pub source: PathBuf,
    pub source_files: u64,
    pub source_bytes: u64,
    /// Why the copy is not trusted.
    pub suspect: Option<String>,
    pub contents: Contents,
    /// Id of the writer.
    pub writer: Option<String>,
    /// The tree that unchanged files share their data with.
    pub shares_with: Option<String>,
    /// What the listing left out by itself.
    pub left_out: LeftOut,
}

pub struct WriteJob<'a> {
    pub source: &'a Dir,
    pub cross_mounts: bool,
    /// In walk order, with the directories above them.
    pub entries: &'a [&'a Entry],
    pub destination: &'a Dir,
    pub name: CopyName,
    pub strategy: Strategy,
    /// Number of threads; 1 is deterministic.
    pub threads: usize,
    pub facts: ManifestFacts,
    /// What could not even be listed.
    pub problems: Vec<Incomplete>,
    pub progress: &'a dyn CopyProgress,
}

impl WriteJob<'_> {
    /// By inode with several names: the index of its first name.
    pub(super) fn first_names(&self) -> HashMap<(u64, u64), usize> {
        let mut first = HashMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            if entry.kind == EntryKind::File && entry.nlink > 1 {
                first.entry((entry.identity.dev, entry.identity.ino)).or_insert(at);
            }
        }
        first
    }
}

/// A copy that is written and durable under temporary names.
#[derive(Debug)]
pub struct WrittenCopy {
    pub(super) name: CopyName,
    pub(super) destination: Dir,
    pub(super) content: UnpublishedContent,
    pub(super) list: Draft,
    pub(super) manifest_file: Draft,
    pub manifest: Manifest,
    /// Notes for people: files that changed while they were read, or vanished.
    pub remarks: Vec<String>,
}
