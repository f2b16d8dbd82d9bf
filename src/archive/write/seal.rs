//! The end of a writing: list and manifest, for either form of a copy.
//!
//! Takes written content with what is to be said of it, and an [`Account`] of what was missed on the way; gives a
//! [`Written`] whose list and manifest are durable under temporary names.
//! Invariant: a manifest is written last, and read back before anybody may rely on it.

use super::super::error::CopyError;
use super::super::form::Unpublished;
use super::super::intake::Absent;
use super::super::list::{ListDone, ListWriter};
use super::super::manifest::{ARCHIVE_FORMAT, Incomplete, Manifest, Member, NAMED, TREE_FORMAT, TreeFacts};
use super::super::row::{Bytes, Row};
use super::{WriteJob, Written};
use crate::path::RelPath;
use crate::tree::publish::Draft;
use crate::units::plural;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

/// Torn files that are named; the rest is counted.
const TORN: usize = 20;

/// What a writing missed, or could not find at rest.
pub struct Account {
    incomplete: Vec<Incomplete>,
    incomplete_total: u64,
    torn: Vec<RelPath>,
    vanished: u64,
    notes: Vec<String>,
}

impl Account {
    /// Begins with what could not even be listed.
    pub fn new(job: &WriteJob<'_>) -> Self {
        let mut account = Self {
            incomplete: Vec::new(),
            incomplete_total: 0,
            torn: Vec::new(),
            vanished: 0,
            notes: Vec::new(),
        };
        for problem in job.problems.iter().cloned() {
            account.miss(problem.path, problem.why);
        }
        account
    }

    /// The entry of this number is not in the copy.
    pub fn absent(&mut self, job: &WriteJob<'_>, at: usize, why: Absent) {
        let path = job.entries.get(at).map(|entry| entry.path.clone());
        match why {
            Absent::Vanished | Absent::Special => self.vanished += 1,
            Absent::Unreadable(why) => self.miss(path, why),
        }
    }

    /// Something that should be in the copy is not.
    pub fn miss(&mut self, path: Option<RelPath>, why: String) {
        self.incomplete_total += 1;
        if self.incomplete.len() < NAMED {
            self.incomplete.push(Incomplete { path, why });
        }
    }

    pub fn stored(&mut self, row: &Row) {
        if row.is_torn() && self.torn.len() < TORN {
            self.torn.push(row.path.clone());
        }
    }

    pub fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    fn remarks(&mut self, torn: u64) -> Vec<String> {
        let mut remarks = std::mem::take(&mut self.notes);
        remarks.extend(
            self.torn
                .iter()
                .map(|path| format!("`{path}` changed each time it was read: stored, but no proof for a deletion")),
        );
        if torn > self.torn.len() as u64 {
            remarks.push(format!(
                "{} more files changed each time they were read",
                torn - self.torn.len() as u64
            ));
        }
        if self.vanished > 0 {
            remarks.push(format!(
                "{} gone or replaced since the listing",
                plural(self.vanished, "entry was", "entries were")
            ));
        }
        remarks
    }
}

/// What the manifest says of the content alone.
pub struct ContentFacts {
    /// Size of the archive; bytes stored in the tree.
    pub bytes: u64,
    /// SHA-256 of the archive; empty for a tree.
    pub checksum: String,
    pub members: Vec<Member>,
    /// What only a tree says.
    pub tree: Option<TreeFacts>,
}

pub fn seal(
    job: &WriteJob<'_>,
    content: Unpublished,
    facts: ContentFacts,
    list: ListWriter,
    mut account: Account,
) -> Result<Written, CopyError> {
    let ListDone {
        draft: list,
        members: list_members,
        size: list_bytes,
        checksum: list_checksum,
        rows,
        files,
        bytes,
        torn,
    } = list.finish()?;
    let about = job.about.clone();
    let remarks = account.remarks(torn);
    let manifest = Manifest {
        format: if facts.tree.is_some() {
            TREE_FORMAT
        } else {
            ARCHIVE_FORMAT
        },
        tool: format!("opsrun {}", env!("CARGO_PKG_VERSION")),
        ops_name: about.ops_name,
        host: about.host,
        backup_id: job.name.backup().to_owned(),
        run: about.run,
        sequence: about.sequence,
        parent: about.parent,
        source_fs_uuid: about.source_fs_uuid,
        encryption: None,
        backup_at: about.backup_at,
        source: Bytes::new(about.source.as_os_str().as_bytes()),
        source_files: about.source_files,
        contents: about.contents,
        archive_name: content.form().content_name(&job.name),
        archive_bytes: facts.bytes,
        checksum: facts.checksum,
        list_name: job.name.list(),
        list_bytes,
        list_checksum,
        record_count: rows,
        files,
        bytes,
        torn,
        complete: account.incomplete_total == 0,
        incomplete_total: account.incomplete_total,
        incomplete: account.incomplete,
        suspect: about.suspect,
        tree: facts.tree,
        members: facts.members,
        list_members,
        self_checksum: String::new(),
    };
    let mut manifest_file = Draft::create(job.destination, &job.name.manifest())?;
    let name = manifest_file.temp_name();
    let text = manifest.to_bytes();
    manifest_file
        .file()
        .write_all(&text)
        .map_err(|e| CopyError::io("write", &name, e))?;
    manifest_file.sync()?;
    // With its own checksum filled in.
    let manifest = Manifest::from_bytes(&text, &name)?;
    Ok(Written {
        name: job.name.clone(),
        destination: job.destination.try_clone()?,
        content,
        list,
        manifest_file,
        manifest,
        remarks,
    })
}
