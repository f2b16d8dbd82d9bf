//! Writing a tree: entries in, an unpublished tree with its list and manifest out.
//!
//! Directories are made in order while the work is handed out; files are read, hashed, stored and made durable on all
//! threads; rows are listed, and further names of files linked, in order. Directories get their attributes last, the
//! deepest first. What the destination cannot keep is said once and noted in the manifest.
//! Invariant: a row is listed only after what it speaks of is stored and durable.

use super::super::catalogue::CatalogueCopy;
use super::super::error::CopyError;
use super::super::form::Unpublished;
use super::super::intake::{self, Absent};
use super::super::list::ListWriter;
use super::super::manifest::TreeFacts;
use super::super::member::CUT;
use super::super::pipeline;
use super::super::row::{Row, RowKind};
use super::super::write::seal::{Account, ContentFacts, seal};
use super::super::write::{WriteJob, Written, first_names};
use super::attributes::{gives_owners, wanted};
use super::file::{Openers, Stored, Trouble, refusal};
use super::share::{self, Known, Previous};
use crate::entry::{Entry, Identity, Kind};
use crate::path::RelPath;
use crate::tree::Opener;
use crate::tree::attributes::Lacking;
use crate::tree::draft_tree::{Linked, TreeDraft};
use crate::tree::publish::Draft;
use crate::units::{plural, show_size};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The most entries that one worker takes at a time.
const TOGETHER: usize = 64;

/// What all workers share.
pub struct Writer<'a> {
    pub(super) job: &'a WriteJob<'a>,
    pub(super) tree: &'a TreeDraft,
    pub(super) granule: Duration,
    pub(super) previous: Option<Previous>,
    links: HashMap<(u64, u64), usize>,
}

pub fn write(job: &WriteJob<'_>) -> Result<Written, CopyError> {
    let before = share::newest(job);
    let tree = TreeDraft::create(job.destination, &job.name.tree())?;
    let list = ListWriter::new(Draft::create(job.destination, &job.name.list())?);
    let (list, account, facts) = fill(job, &tree, list, before.as_ref())?;
    tree.seal()?;
    seal(job, Unpublished::Tree(tree), facts, list, account)
}

fn fill(
    job: &WriteJob<'_>,
    tree: &TreeDraft,
    list: ListWriter,
    before: Option<&CatalogueCopy>,
) -> Result<(ListWriter, Account, ContentFacts), CopyError> {
    let writer = Writer {
        job,
        tree,
        granule: intake::granule(),
        previous: before.as_ref().and_then(|copy| Previous::open(job.destination, copy)),
        links: first_names(job.entries),
    };
    let scratch = Mutex::new(Vec::new());
    let mut feed = Feed {
        writer: &writer,
        next: 0,
        dirs: Opener::new(tree.root(), false),
        refused: None,
        known: before.and_then(|copy| Known::open(job.destination, copy)),
    };
    let mut sink = Sink {
        writer: &writer,
        list,
        account: Account::new(job),
        openers: writer.openers(),
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
            let kept = scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut openers = kept.unwrap_or_else(|| writer.openers());
            let done = writer.work(&mut openers, &task);
            scratch.lock().unwrap_or_else(PoisonError::into_inner).push(openers);
            done
        },
        |done| sink.take(done),
    )?;
    sink.finish(before)
}

/// Some entries, with what the tree before holds at their paths.
struct Task {
    from: usize,
    known: Vec<Option<Row>>,
    /// Those whose directory could not be made.
    lost: Vec<Option<String>>,
}

enum Found {
    /// A directory, and what could not be read of it.
    Dir(Row, Option<String>),
    Symlink(Row),
    File(Stored),
    /// Another name of a file before it.
    Link(Row),
    Absent(Absent),
}

type Done = Result<Vec<(usize, Found)>, CopyError>;

/// Cuts the entries into tasks, in order, and makes the directories.
struct Feed<'a> {
    writer: &'a Writer<'a>,
    next: usize,
    dirs: Opener<'a>,
    /// A directory that could not be made, and why: all below it is lost.
    refused: Option<(RelPath, String)>,
    known: Option<Known<'a>>,
}

impl Feed<'_> {
    fn next(&mut self) -> Result<Option<Task>, CopyError> {
        if self.writer.job.watch.stop() {
            return Err(CopyError::Stopped);
        }
        let mut task = Task {
            from: self.next,
            known: Vec::new(),
            lost: Vec::new(),
        };
        let mut size = 0;
        while let Some(entry) = self.writer.job.entries.get(self.next)
            && size < CUT as u64
            && task.known.len() < TOGETHER
        {
            let lost = self.make(entry)?;
            let known = self.known.as_mut().filter(|_| entry.kind == Kind::File);
            task.known.push(known.and_then(|known| known.file(&entry.path)));
            task.lost.push(lost);
            size += entry.identity.size;
            self.next += 1;
        }
        Ok((!task.known.is_empty()).then_some(task))
    }

    /// Makes the directory, if it is one; says why the entry cannot be in the tree.
    fn make(&mut self, entry: &Entry) -> Result<Option<String>, CopyError> {
        self.refused = self.refused.take().filter(|(dir, _)| entry.path.is_within(dir));
        if let Some((_, why)) = &self.refused {
            return Ok(Some(why.clone()));
        }
        if entry.kind != Kind::Dir {
            return Ok(None);
        }
        let above = self.dirs.dir(&entry.path)?;
        match self.writer.tree.make_dir(above, entry.path.name()).map_err(refusal) {
            Err(Trouble::Absent(Absent::Unreadable(why))) => {
                self.refused = Some((entry.path.clone(), why.clone()));
                Ok(Some(why))
            }
            Err(Trouble::Copy(e)) => Err(e),
            Ok(()) | Err(Trouble::Absent(_)) => Ok(None),
        }
    }
}

impl Writer<'_> {
    fn openers(&self) -> Openers<'_> {
        Openers {
            source: Opener::new(self.job.source, self.job.cross_mounts),
            tree: Opener::new(self.tree.root(), false),
            previous: self.previous.as_ref().map(|before| Opener::new(&before.root, false)),
        }
    }

    fn work(&self, openers: &mut Openers<'_>, task: &Task) -> Done {
        let mut done = Vec::with_capacity(task.known.len());
        for (at, (known, lost)) in (task.from..).zip(task.known.iter().zip(&task.lost)) {
            let Some(entry) = self.job.entries.get(at) else {
                continue;
            };
            if self.job.watch.stop() {
                return Err(CopyError::Stopped);
            }
            let found = match lost {
                Some(why) => Err(Trouble::Absent(Absent::Unreadable(why.clone()))),
                None => self.one(openers, at, entry, known.as_ref()),
            };
            done.push((
                at,
                match found {
                    Ok(found) => found,
                    Err(Trouble::Absent(why)) => Found::Absent(why),
                    Err(Trouble::Copy(e)) => return Err(e),
                },
            ));
        }
        Ok(done)
    }

    fn one(&self, openers: &mut Openers<'_>, at: usize, entry: &Entry, known: Option<&Row>) -> Result<Found, Trouble> {
        let link = self.links.get(&(entry.identity.dev, entry.identity.ino));
        let first = link.filter(|first| entry.nlink > 1 && **first < at);
        match (entry.kind, first.and_then(|first| self.job.entries.get(*first))) {
            (Kind::Dir, _) => Ok(match intake::directory(self.job.source, entry, self.job.cross_mounts) {
                Ok(row) => Found::Dir(row, None),
                // It was made: it must be listed.
                Err(Absent::Unreadable(why)) => Found::Dir(intake::bare_directory(entry), Some(why)),
                Err(_) => Found::Dir(intake::bare_directory(entry), None),
            }),
            (Kind::Symlink, _) => {
                let row = intake::symlink(&mut openers.source, entry)?;
                let to = row
                    .link
                    .as_ref()
                    .map(super::super::row::Bytes::to_bytes)
                    .unwrap_or_default();
                let dir = openers.tree.dir(&row.path).map_err(CopyError::from)?;
                let made = self.tree.symlink(dir, row.path.name(), &to, &wanted(&row));
                if made.map_err(refusal)? {
                    Ok(Found::Symlink(row))
                } else {
                    let why = "the destination's file system has no symlinks";
                    Err(Absent::Unreadable(why.to_owned()).into())
                }
            }
            (Kind::File, Some(first)) => Ok(Found::Link(intake::hardlink(&mut openers.source, entry, &first.path)?)),
            (Kind::File, None) => self.store(openers, entry, known).map(Found::File),
            _ => Err(Absent::Special.into()),
        }
    }
}

/// Lists what was stored, in order.
struct Sink<'a> {
    writer: &'a Writer<'a>,
    list: ListWriter,
    account: Account,
    openers: Openers<'a>,
    /// By index of a first name: the state under which it was stored, and what the list says of it.
    stored: HashMap<usize, (Identity, Row)>,
    dirs: Vec<Row>,
    lacking: Lacking,
    hard_links: bool,
    bytes: u64,
    shared: (u64, u64),
}

impl Sink<'_> {
    fn take(&mut self, done: Done) -> Result<(), CopyError> {
        let done = done?;
        let entries = done.len() as u64;
        for (at, found) in done {
            match found {
                Found::Dir(row, missed) => {
                    if let Some(why) = missed {
                        self.account.miss(Some(row.path.clone()), why);
                    }
                    self.list.push(&row)?;
                    self.dirs.push(row);
                }
                Found::Symlink(row) => self.list.push(&row)?,
                Found::File(stored) => self.file(at, stored)?,
                Found::Link(row) => self.link(at, row)?,
                Found::Absent(why) => self.account.absent(self.writer.job, at, why),
            }
        }
        self.writer.job.watch.advance(entries, 0);
        Ok(())
    }

    fn file(&mut self, at: usize, stored: Stored) -> Result<(), CopyError> {
        let Stored { row, lacking, shared } = stored;
        self.lacking.add(lacking);
        self.bytes += row.stored();
        if shared {
            self.shared = (self.shared.0 + 1, self.shared.1 + row.size);
        }
        if row.nlink > 1 && self.writer.links.get(&(row.dev, row.ino)) == Some(&at) {
            self.stored.insert(at, (row.identity(), row.clone()));
        }
        self.account.stored(&row);
        self.list.push(&row)
    }

    /// One more name of a stored file; a file of its own when that was not stored in this state, or cannot be linked.
    fn link(&mut self, at: usize, mut row: Row) -> Result<(), CopyError> {
        let first = self.writer.links.get(&(row.dev, row.ino));
        let known = first.and_then(|first| self.stored.get(first));
        if let Some((identity, file)) = known
            && *identity == row.identity()
        {
            let held = self.openers.tree.file(&file.path)?;
            let from = self
                .writer
                .tree
                .root()
                .open_dir(file.path.parent().as_ref().map_or(&[], RelPath::as_bytes), false)?;
            let dir = self.openers.tree.dir(&row.path)?;
            let linked = self
                .writer
                .tree
                .link(&held, (&from, file.path.name()), dir, row.path.name())?;
            if linked == Linked::Done {
                row.sha256.clone_from(&file.sha256);
                row.state = file.state;
                row.fresh = file.fresh;
                self.account.stored(&row);
                return self.list.push(&row);
            }
            self.hard_links = false;
        }
        let job = self.writer.job;
        let Some(entry) = job.entries.get(at) else {
            return Ok(());
        };
        match self.writer.store(&mut self.openers, entry, None) {
            Ok(stored) => self.file(at, stored),
            Err(Trouble::Absent(why)) => {
                self.account.absent(job, at, why);
                Ok(())
            }
            Err(Trouble::Copy(e)) => Err(e),
        }
    }

    fn finish(mut self, before: Option<&CatalogueCopy>) -> Result<(ListWriter, Account, ContentFacts), CopyError> {
        let tree = self.writer.tree;
        // Deepest first: what is done below a directory moves its time.
        for row in self.dirs.iter().rev() {
            debug_assert_eq!(row.kind, RowKind::Dir);
            let dir = tree.root().open_dir(row.path.as_bytes(), false)?;
            let mut lacking = tree.finish_dir(&dir, &wanted(row))?;
            // Nobody compares the times of directories.
            lacking.times = false;
            self.lacking.add(lacking);
        }
        let before = before.filter(|_| self.shared.0 > 0).map(|copy| copy.name.to_string());
        if let Some(name) = &before {
            self.account.note(format!(
                "{}, {}, unchanged since {name} and sharing its data",
                plural(self.shared.0, "file", "files"),
                show_size(self.shared.1)
            ));
        }
        let lost: Vec<&str> = [
            (self.lacking.owners && gives_owners(), "owners"),
            (self.lacking.modes, "permission bits"),
            (self.lacking.times, "times to the nanosecond"),
            (self.lacking.xattrs, "all extended attributes"),
            (!self.hard_links, "hard links"),
        ]
        .into_iter()
        .filter_map(|(lacks, what)| lacks.then_some(what))
        .collect();
        if !lost.is_empty() {
            self.account.note(format!(
                "the destination does not keep {}: the file list does",
                lost.join(", ")
            ));
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
                xattrs: !self.lacking.xattrs,
                hard_links: self.hard_links,
            }),
        };
        Ok((self.list, self.account, facts))
    }
}
