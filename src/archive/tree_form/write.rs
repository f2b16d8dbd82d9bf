//! Writing a tree: entries in, an unpublished tree with its list and manifest out.
//!
//! Directories are made in order while the work is given out. All threads read, hash and store files and make them
//! durable. Rows are listed, and hard links made, in order. Directories get their attributes last, the deepest first.
//! What the destination cannot keep is reported once and recorded in the manifest.
//! Invariant: a row is listed only after its entry is stored and durable.

use super::super::catalogue::CatalogueCopy;
use super::super::error::CopyError;
use super::super::file_entry::{Bytes, FileEntry, FileEntryKind};
use super::super::file_list::ListWriter;
use super::super::form::UnpublishedContent;
use super::super::gzip_member::MEMBER_SIZE;
use super::super::job::{WriteJob, WrittenCopy};
use super::super::manifest::TreeFacts;
use super::super::pipeline::{self, MAX_BATCH_ENTRIES, Pool};
use super::super::read_source::{ReadFailure, SourceReader};
use super::super::write::finish::{ContentFacts, Omissions, finish};
use super::attributes::{gives_owners, wanted};
use super::file_store::{FileStore, FileStoreError, Openers, StoredFile, refusal};
use super::share::{self, PreviousList, PreviousTree};
use crate::entry::{Entry, EntryKind, Identity};
use crate::path::RelPath;
use crate::tree::Opener;
use crate::tree::attributes::Lacking;
use crate::tree::draft_tree::{Linked, TreeDraft};
use crate::tree::publish::Draft;
use crate::units::{plural, show_size};
use std::collections::HashMap;

pub fn write(job: &WriteJob<'_>) -> Result<WrittenCopy, CopyError> {
    let before = share::newest(job);
    let tree = TreeDraft::create(job.destination, &job.name.tree())?;
    let list = ListWriter::new(Draft::create(job.destination, &job.name.list())?);
    let stop = || job.progress.stop();
    let reader = SourceReader::new(&stop);
    let (list, account, facts) = fill(job, &reader, &tree, list, before.as_ref())?;
    tree.seal()?;
    finish(job, &reader, UnpublishedContent::Tree(tree), facts, list, account)
}

fn fill(
    job: &WriteJob<'_>,
    reader: &SourceReader<'_>,
    tree: &TreeDraft,
    list: ListWriter,
    before: Option<&CatalogueCopy>,
) -> Result<(ListWriter, Omissions, ContentFacts), CopyError> {
    let store = FileStore {
        job,
        tree,
        reader,
        previous: before.and_then(|copy| PreviousTree::open(job.destination, copy)),
        links: job.first_names(),
    };
    let openers = Pool::new();
    let mut feed = TreeTasks {
        store: &store,
        next: 0,
        dirs: Opener::new(tree.root(), false),
        refused: None,
        known: before.and_then(|copy| PreviousList::open(job.destination, copy)),
    };
    let mut sink = TreeRecorder {
        store: &store,
        list,
        account: Omissions::new(job),
        openers: store.openers(),
        stored: HashMap::new(),
        dirs: Vec::new(),
        lacking: Lacking::default(),
        hard_links: true,
        bytes: 0,
        shared: (0, 0),
    };
    pipeline::run(
        job.threads,
        4 * job.threads,
        || feed.next(),
        |task| {
            let mut own = openers.take().unwrap_or_else(|| store.openers());
            let done = store.work(&mut own, &task);
            openers.put(own);
            done
        },
        |done| sink.take(done),
    )?;
    sink.finish(before)
}

/// Some entries, with the rows of the previous tree at their paths.
struct TreeTask {
    from: usize,
    known: Vec<Option<FileEntry>>,
    /// Why an entry cannot be stored: its directory could not be made.
    lost: Vec<Option<String>>,
}

enum StoredEntry {
    Dir(FileEntry),
    Symlink(FileEntry, Lacking),
    File(StoredFile),
    /// Another name of an earlier file.
    Link(FileEntry),
    Missing(ReadFailure),
}

type Done = Result<Vec<(usize, StoredEntry)>, CopyError>;

/// Cuts the entries into tasks, in order, and makes the directories.
struct TreeTasks<'a> {
    store: &'a FileStore<'a>,
    next: usize,
    dirs: Opener<'a>,
    /// A directory that could not be made, and why: nothing below it can be stored.
    refused: Option<(RelPath, String)>,
    known: Option<PreviousList<'a>>,
}

impl TreeTasks<'_> {
    fn next(&mut self) -> Result<Option<TreeTask>, CopyError> {
        if self.store.job.progress.stop() {
            return Err(CopyError::Stopped);
        }
        let mut task = TreeTask {
            from: self.next,
            known: Vec::new(),
            lost: Vec::new(),
        };
        let mut size = 0;
        while let Some(entry) = self.store.job.entries.get(self.next)
            && size < MEMBER_SIZE as u64
            && task.known.len() < MAX_BATCH_ENTRIES
        {
            let lost = self.make(entry)?;
            let known = self.known.as_mut().filter(|_| entry.kind == EntryKind::File);
            task.known.push(known.and_then(|known| known.file(&entry.path)));
            task.lost.push(lost);
            size = size.saturating_add(entry.identity.size);
            self.next += 1;
        }
        Ok((!task.known.is_empty()).then_some(task))
    }

    /// Makes the entry if it is a directory; gives the reason when the entry cannot be in the tree.
    fn make(&mut self, entry: &Entry) -> Result<Option<String>, CopyError> {
        self.refused = self.refused.take().filter(|(dir, _)| entry.path.is_within(dir));
        if let Some((_, why)) = &self.refused {
            return Ok(Some(why.clone()));
        }
        if entry.kind != EntryKind::Dir {
            return Ok(None);
        }
        let above = self.dirs.dir(&entry.path)?;
        match self.store.tree.make_dir(above, entry.path.name()).map_err(refusal) {
            Err(FileStoreError::Read(ReadFailure::Unreadable(why))) => {
                self.refused = Some((entry.path.clone(), why.clone()));
                Ok(Some(why))
            }
            Err(FileStoreError::Copy(e)) => Err(e),
            Ok(()) | Err(FileStoreError::Read(_)) => Ok(None),
        }
    }
}

impl FileStore<'_> {
    fn openers(&self) -> Openers<'_> {
        Openers {
            source: Opener::new(self.job.source, self.job.cross_mounts),
            tree: Opener::new(self.tree.root(), false),
            previous: self.previous.as_ref().map(|before| Opener::new(&before.root, false)),
        }
    }

    fn work(&self, openers: &mut Openers<'_>, task: &TreeTask) -> Done {
        let mut done = Vec::with_capacity(task.known.len());
        for (at, (known, lost)) in (task.from..).zip(task.known.iter().zip(&task.lost)) {
            let Some(entry) = self.job.entries.get(at) else {
                continue;
            };
            if self.job.progress.stop() {
                return Err(CopyError::Stopped);
            }
            let found = match lost {
                Some(why) => Err(ReadFailure::Unreadable(why.clone()).into()),
                None => self.one(openers, at, entry, known.as_ref()),
            };
            let found = match found {
                Ok(found) => found,
                Err(FileStoreError::Read(why)) => StoredEntry::Missing(why),
                Err(FileStoreError::Copy(e)) => return Err(e),
            };
            done.push((at, found));
        }
        Ok(done)
    }

    fn one(
        &self,
        openers: &mut Openers<'_>,
        at: usize,
        entry: &Entry,
        known: Option<&FileEntry>,
    ) -> Result<StoredEntry, FileStoreError> {
        let link = self.links.get(&(entry.identity.dev, entry.identity.ino));
        let first = link.filter(|first| entry.nlink > 1 && **first < at);
        match (entry.kind, first.and_then(|first| self.job.entries.get(*first))) {
            (EntryKind::Dir, _) => {
                let row = self.reader.directory(self.job.source, entry, self.job.cross_mounts);
                Ok(StoredEntry::Dir(row))
            }
            (EntryKind::Symlink, _) => {
                let row = self.reader.symlink(&mut openers.source, entry)?;
                let to = row.link.as_ref().map(Bytes::to_bytes).unwrap_or_default();
                let dir = openers.tree.dir(&row.path).map_err(CopyError::from)?;
                let made = self.tree.symlink(dir, row.path.name(), &to, &wanted(&row));
                if let Some(mut lacking) = made.map_err(refusal)? {
                    // Owners and times of symlinks are never compared.
                    (lacking.owners, lacking.times) = (false, false);
                    Ok(StoredEntry::Symlink(row, lacking))
                } else {
                    let why = "the destination's file system does not support symlinks";
                    Err(ReadFailure::Unreadable(why.to_owned()).into())
                }
            }
            (EntryKind::File, Some(first)) => {
                let row = self.reader.hardlink(&mut openers.source, entry, &first.path)?;
                Ok(StoredEntry::Link(row))
            }
            (EntryKind::File, None) => self.store(openers, entry, known).map(StoredEntry::File),
            _ => Err(ReadFailure::Special.into()),
        }
    }
}

/// Lists what was stored, in order.
struct TreeRecorder<'a> {
    store: &'a FileStore<'a>,
    list: ListWriter,
    account: Omissions,
    openers: Openers<'a>,
    /// By index of a first name: the state in which it was stored, and its row.
    stored: HashMap<usize, (Identity, FileEntry)>,
    dirs: Vec<FileEntry>,
    lacking: Lacking,
    hard_links: bool,
    bytes: u64,
    shared: (u64, u64),
}

impl TreeRecorder<'_> {
    fn take(&mut self, done: Done) -> Result<(), CopyError> {
        let done = done?;
        let entries = done.len() as u64;
        for (at, found) in done {
            match found {
                StoredEntry::Dir(row) => {
                    self.account.stored(&row);
                    self.list.push(&row)?;
                    self.dirs.push(row);
                }
                StoredEntry::Symlink(row, lacking) => {
                    self.lacking.add(lacking);
                    self.account.stored(&row);
                    self.list.push(&row)?;
                }
                StoredEntry::File(stored) => self.file(at, stored)?,
                StoredEntry::Link(row) => self.link(at, row)?,
                StoredEntry::Missing(why) => self.account.absent(self.store.job, at, why),
            }
        }
        self.store.job.progress.advance(entries, 0);
        Ok(())
    }

    fn file(&mut self, at: usize, stored: StoredFile) -> Result<(), CopyError> {
        let StoredFile { row, lacking, shared } = stored;
        self.lacking.add(lacking);
        self.bytes = self.bytes.saturating_add(row.stored());
        if shared {
            self.shared = (self.shared.0 + 1, self.shared.1.saturating_add(row.size));
        }
        if row.nlink > 1 && self.store.links.get(&(row.dev, row.ino)) == Some(&at) {
            self.stored.insert(at, (row.identity(), row.clone()));
        }
        self.account.stored(&row);
        self.list.push(&row)
    }

    /// Another name of a stored file; a file of its own when that one was not stored in this state, or cannot be linked.
    fn link(&mut self, at: usize, mut row: FileEntry) -> Result<(), CopyError> {
        let first = self.store.links.get(&(row.dev, row.ino));
        let known = first.and_then(|first| self.stored.get(first));
        if let Some((identity, file)) = known
            && *identity == row.identity()
        {
            let held = self.openers.tree.file(&file.path)?;
            let tree = self.store.tree;
            let from = tree.root().open_dir(file.path.parent_bytes(), false)?;
            let dir = self.openers.tree.dir(&row.path)?;
            let linked = tree.link(&held, (&from, file.path.name()), dir, row.path.name())?;
            if linked == Linked::Done {
                row.sha256.clone_from(&file.sha256);
                row.state = file.state;
                row.fresh = file.fresh;
                self.account.stored(&row);
                return self.list.push(&row);
            }
            self.hard_links = false;
        }
        let job = self.store.job;
        let Some(entry) = job.entries.get(at) else {
            return Ok(());
        };
        match self.store.store(&mut self.openers, entry, None) {
            Ok(stored) => self.file(at, stored),
            Err(FileStoreError::Read(why)) => {
                self.account.absent(job, at, why);
                Ok(())
            }
            Err(FileStoreError::Copy(e)) => Err(e),
        }
    }

    fn finish(mut self, before: Option<&CatalogueCopy>) -> Result<(ListWriter, Omissions, ContentFacts), CopyError> {
        let tree = self.store.tree;
        // Deepest first: changes inside a directory change its time.
        for row in self.dirs.iter().rev() {
            debug_assert_eq!(row.kind, FileEntryKind::Dir);
            let dir = tree.root().open_dir(row.path.as_bytes(), false)?;
            let mut lacking = tree.finish_dir(&dir, &wanted(row))?;
            // The times of directories are never compared.
            lacking.times = false;
            self.lacking.add(lacking);
        }
        let before = before.filter(|_| self.shared.0 > 0).map(|copy| copy.name.to_string());
        if let Some(name) = &before {
            let (files, size) = (plural(self.shared.0, "file", "files"), show_size(self.shared.1));
            let note = format!("{files} ({size}) unchanged since {name}, sharing its data");
            self.account.note(note);
        }
        let lost = [
            (self.lacking.owners && gives_owners(), "owners"),
            (self.lacking.modes, "permission bits"),
            (self.lacking.times, "times to the nanosecond"),
            (self.lacking.any_xattrs(), "all extended attributes"),
            (!self.hard_links, "hard links"),
        ];
        let lost = lost.into_iter().filter_map(|(lacks, what)| lacks.then_some(what));
        let lost = lost.collect::<Vec<_>>().join(", ");
        if !lost.is_empty() {
            let note = format!("the destination cannot keep {lost}: only the file list has them");
            self.account.note(note);
        }
        let facts = ContentFacts {
            bytes: self.bytes,
            checksum: String::new(),
            members: Vec::new(),
            tree: Some(TreeFacts {
                shares_with: before,
                shared_files: self.shared.0,
                shared_bytes: self.shared.1,
                owners: gives_owners() && !self.lacking.owners,
                modes: !self.lacking.modes,
                times: !self.lacking.times,
                xattrs: !self.lacking.any_xattrs(),
                hard_links: self.hard_links,
            }),
        };
        Ok((self.list, self.account, facts))
    }
}
