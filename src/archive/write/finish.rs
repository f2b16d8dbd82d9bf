//! Finishing a written copy: list and manifest, for either form.
//!
//! Takes written content, its [`ContentFacts`] and the [`Omissions`]; gives a [`WrittenCopy`] whose list and manifest
//! are durable under temporary names.
//! Invariant: the manifest is written last, and read back before anything relies on it.

use super::super::error::{CopyError, write_draft};
use super::super::file_entry::{Bytes, FileEntry, hex};
use super::super::file_list::ListWriter;
use super::super::form::UnpublishedContent;
use super::super::job::{WriteJob, WrittenCopy};
use super::super::left_out::LeftOut;
use super::super::manifest::{
    BaseCount, CopyContents, FORMAT, GZIP, Incomplete, MAX_NAMED_INCOMPLETE, Manifest, MemberPosition, TreeFacts,
    UnreadAttributes,
};
use super::super::read_source::{ReadFailure, SourceReader};
use crate::path::RelPath;
use crate::tree::publish::Draft;
use crate::units::plural;
use crate::user_database;
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

/// How many torn files are named; the rest is counted.
const MAX_NAMED_TORN: usize = 20;

/// How many reasons for unread attributes are kept apart.
const MAX_UNREAD_REASONS: usize = 20;

/// What is missing in the copy, or kept changing while it was read.
#[derive(Default)]
pub struct Omissions {
    incomplete: Vec<Incomplete>,
    incomplete_total: u64,
    torn: Vec<RelPath>,
    vanished: u64,
    /// By reason.
    unread: BTreeMap<String, UnreadAttributes>,
    left_out: LeftOut,
    notes: Vec<String>,
}

impl Omissions {
    /// Starts with what could not even be listed, and what the listing left out.
    pub fn new(job: &WriteJob<'_>) -> Self {
        let mut account = Self {
            left_out: job.facts.left_out.clone(),
            ..Self::default()
        };
        for problem in job.problems.iter().cloned() {
            account.miss(problem.path, problem.why);
        }
        account
    }

    /// The entry at this index is not in the copy.
    pub fn absent(&mut self, job: &WriteJob<'_>, at: usize, why: ReadFailure) {
        let path = job.entries.get(at).map(|entry| entry.path.clone());
        match why {
            ReadFailure::Vanished | ReadFailure::Special => self.vanished += 1,
            ReadFailure::Mount => path.into_iter().for_each(|path| self.left_out.mount(path)),
            ReadFailure::Unreadable(why) => self.miss(path, why),
        }
    }

    pub fn miss(&mut self, path: Option<RelPath>, why: String) {
        self.incomplete_total += 1;
        if self.incomplete.len() < MAX_NAMED_INCOMPLETE {
            self.incomplete.push(Incomplete { path, why });
        }
    }

    pub fn stored(&mut self, row: &FileEntry) {
        if row.is_torn() && self.torn.len() < MAX_NAMED_TORN {
            self.torn.push(row.path.clone());
        }
        if let Some(why) = &row.xattrs_unread {
            self.unread(Some(&row.path), why);
        }
    }

    /// Some extended attributes of an entry are not in the copy; `None` is the source itself.
    fn unread(&mut self, path: Option<&RelPath>, why: &str) {
        let more = self.unread.len() >= MAX_UNREAD_REASONS && !self.unread.contains_key(why);
        let why = if more { "other reasons" } else { why };
        let first = || UnreadAttributes {
            why: why.to_owned(),
            entries: 0,
            first: path.cloned(),
        };
        self.unread.entry(why.to_owned()).or_insert_with(first).entries += 1;
    }

    pub fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    fn remarks(&mut self, torn: u64) -> Vec<String> {
        let mut remarks = std::mem::take(&mut self.notes);
        let torn_line = |path| format!("`{path}` changed each time it was read: it is stored, but proves no deletion");
        remarks.extend(self.torn.iter().map(torn_line));
        let more = torn.saturating_sub(self.torn.len() as u64);
        if more > 0 {
            remarks.push(format!("{more} more files changed each time they were read"));
        }
        if self.vanished > 0 {
            let entries = plural(self.vanished, "entry was", "entries were");
            remarks.push(format!("{entries} deleted or replaced after the listing"));
        }
        remarks
    }
}

/// What the manifest says about the content.
pub struct ContentFacts {
    /// Size of the archive; bytes stored in the tree.
    pub bytes: u64,
    /// SHA-256 of the archive; empty for a tree.
    pub checksum: String,
    pub members: Vec<MemberPosition>,
    /// For trees only.
    pub tree: Option<TreeFacts>,
}

pub fn finish(
    job: &WriteJob<'_>,
    reader: &SourceReader<'_>,
    content: UnpublishedContent,
    facts: ContentFacts,
    mut list: ListWriter,
    mut account: Omissions,
) -> Result<WrittenCopy, CopyError> {
    list.finish()?;
    let known = job.facts.clone();
    let top = reader.top(job.source)?;
    if let Some(why) = &top.xattrs_unread {
        account.unread(None, why);
    }
    if reader.lacks_names() {
        let seconds = user_database::TIMEOUT.as_secs();
        account.note(format!(
            "the system did not name users and groups within {seconds} s: the copy has numbers only"
        ));
    }
    let remarks = account.remarks(list.torn);
    let tree = facts.tree.is_some();
    let manifest = Manifest {
        format: FORMAT,
        tool: format!("opsrun {}", env!("CARGO_PKG_VERSION")),
        ops_name: known.ops_name,
        host: known.host,
        backup_id: job.name.backup().to_owned(),
        run: known.run,
        sequence: known.sequence,
        parent: known.parent,
        source_fs_uuid: None,
        encryption: None,
        writer: known.writer,
        backup_at: known.backup_at,
        source: Bytes::new(known.source.as_os_str().as_bytes()),
        source_files: known.source_files,
        source_bytes: Some(known.source_bytes),
        contents: CopyContents::Known(known.contents),
        archive_name: content.form().content_name(&job.name),
        archive_bytes: facts.bytes,
        checksum: facts.checksum,
        list_name: job.name.list(),
        list_bytes: list.size,
        list_checksum: hex(&list.hash.finalize()),
        record_count: list.rows,
        files: list.files,
        bytes: list.bytes,
        torn: list.torn,
        complete: account.incomplete_total == 0,
        incomplete_total: account.incomplete_total,
        incomplete: account.incomplete,
        suspect: known.suspect,
        left_out: account.left_out,
        unread_attributes: account.unread.into_values().collect(),
        top: Some(top),
        codec: (!tree).then(|| GZIP.to_owned()),
        bases: BaseCount::default(),
        tree: facts.tree,
        members: facts.members,
        list_members: list.members,
        self_checksum: String::new(),
    };
    let mut manifest_file = Draft::create(job.destination, &job.name.manifest())?;
    let name = manifest_file.temp_name();
    let text = manifest.to_bytes();
    write_draft(&mut manifest_file, &text)?;
    manifest_file.sync()?;
    // Now with its own checksum.
    let manifest = Manifest::from_bytes(&text, &name)?;
    Ok(WrittenCopy {
        name: job.name.clone(),
        destination: job.destination.try_clone()?,
        content,
        list: list.draft,
        manifest_file,
        manifest,
        remarks,
    })
}
