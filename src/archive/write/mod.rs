//! Writing a copy: entries in, synced drafts of content, list and manifest out, nothing published.
//!
//! Here the form of an archive; that of a tree is in `tree_form`. Small entries are gathered into batches, each of
//! which one worker opens, reads, hashes and compresses; a large file is read and hashed in order and compressed in
//! pieces of one member each. The sink writes members in order. When a large file changed while it was read, what was
//! written of it is cut off again. `seal` ends both forms.
//! Invariant: memory is bounded by the pipeline's window, not by the number or size of files.

mod feed;
mod pack;
pub(super) mod seal;
mod sink;

use super::error::CopyError;
use super::form::Unpublished;
use super::intake::{self, Absent};
use super::list::ListWriter;
use super::manifest::{Incomplete, Manifest};
use super::name::CopyName;
use super::pipeline;
use super::row::Row;
use super::tree_form;
use crate::entry::{Entry, Kind};
use crate::model::Strategy;
use crate::tree::Dir;
use crate::tree::publish::Draft;
use chrono::{DateTime, Utc};
use feed::Feed;
use pack::Packer;
use sink::Sink;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

/// Told how far it is, asked whether to stop; from any thread, often.
pub trait Watch: Sync {
    /// True ends the work early.
    fn stop(&self) -> bool;
    /// So many entries and bytes more.
    fn advance(&self, files: u64, bytes: u64);
}

/// Facts for the manifest that are known before.
#[derive(Debug, Clone)]
pub struct About {
    pub ops_name: String,
    pub host: String,
    pub run: String,
    pub sequence: u64,
    /// The copy before it.
    pub parent: Option<String>,
    /// UUID of the source's file system.
    pub source_fs_uuid: Option<String>,
    pub backup_at: DateTime<Utc>,
    pub source: PathBuf,
    pub source_files: u64,
    /// Why the copy is not trusted.
    pub suspect: Option<String>,
    /// `all` or `expired`.
    pub contents: String,
}

pub struct WriteJob<'a> {
    pub source: &'a Dir,
    pub cross_mounts: bool,
    /// In walk order, with the directories above them.
    pub entries: &'a [&'a Entry],
    pub destination: &'a Dir,
    pub name: CopyName,
    /// The form that it shall have.
    pub strategy: Strategy,
    /// Threads; 1 is deterministic.
    pub threads: usize,
    pub about: About,
    /// What could not even be listed.
    pub problems: Vec<Incomplete>,
    pub watch: &'a dyn Watch,
}

/// A copy that is written and durable under temporary names.
#[derive(Debug)]
pub struct Written {
    pub(super) name: CopyName,
    pub(super) destination: Dir,
    pub(super) content: Unpublished,
    pub(super) list: Draft,
    pub(super) manifest_file: Draft,
    pub(super) manifest: Manifest,
    remarks: Vec<String>,
}

impl Written {
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Things worth telling: torn and vanished files.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }
}

pub fn write(job: &WriteJob<'_>) -> Result<Written, CopyError> {
    match job.strategy {
        Strategy::Archive { level } => write_archive(job, level),
        Strategy::Copy => tree_form::write(job),
    }
}

fn write_archive(job: &WriteJob<'_>, level: u8) -> Result<Written, CopyError> {
    let archive = Draft::create(job.destination, &job.name.archive())?;
    let list = ListWriter::new(Draft::create(job.destination, &job.name.list())?);
    let packer = Packer {
        job,
        level,
        granule: intake::granule(),
        scratch: Mutex::new(Vec::new()),
        links: first_names(job.entries),
    };
    let mut feed = Feed::new(&packer);
    let mut sink = Sink::new(&packer, archive, list);
    pipeline::run(
        job.threads,
        4 * job.threads,
        || feed.next(),
        |task| packer.work(task),
        |done| sink.take(done),
    )?;
    sink.finish()
}

/// By inode with several names: the index of its first name.
pub(super) fn first_names(entries: &[&Entry]) -> HashMap<(u64, u64), usize> {
    let mut first = HashMap::new();
    for (at, entry) in entries.iter().enumerate() {
        if entry.kind == Kind::File && entry.nlink > 1 {
            first.entry((entry.identity.dev, entry.identity.ino)).or_insert(at);
        }
    }
    first
}

enum Task {
    /// Entries `from..to`.
    Batch { from: usize, to: usize },
    /// Plain bytes of a large file, one member.
    Piece(Piece),
    /// What was written of the large file is to be cut off.
    Rollback,
    /// The large file could not be read: cut off what was written, and say so.
    Lost { at: usize, why: Absent },
    /// The end of the archive, one member.
    Trailer,
}

struct Piece {
    plain: Vec<u8>,
    /// The first piece: a checkpoint is taken before it.
    first: bool,
    row: Option<Box<Row>>,
    content: u64,
}

enum Packed {
    Batch {
        from: usize,
        to: usize,
        /// Packed bytes and plain size of each; rows say which one of these is theirs.
        members: Vec<(Vec<u8>, u64)>,
        found: Vec<(usize, Result<Row, Absent>)>,
        content: u64,
    },
    Piece {
        packed: Vec<u8>,
        plain: u64,
        first: bool,
        row: Option<Box<Row>>,
        content: u64,
    },
    Rollback,
    Lost {
        at: usize,
        why: Absent,
    },
    Trailer {
        packed: Vec<u8>,
    },
}
