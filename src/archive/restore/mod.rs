//! Restoring files from a copy.
//!
//! Takes a committed copy, a selection of its rows and an open target. The file list says where content is: `archive`
//! reads archives, `tree_form` trees. Content is compared with its hash before it gets a name.
//! Invariant: whatever list and content say, nothing is written outside the target, nothing that exists there is
//! replaced without `force`, and content gets a name only when it is what was read from the source.

mod archive;
mod attributes;
mod reader;

pub use attributes::{AttributeKind, LostAttribute, restore_top};

use super::catalogue::CatalogueCopy;
use super::error::CopyError;
use super::file_entry::{Bytes, FileEntry, FileEntryKind, hex};
use super::file_list::FileEntries;
use super::header::link_path;
use super::pipeline;
use super::progress::CopyProgress;
use crate::entry::EntryKind;
use crate::error_chain::error_chain;
use crate::path::RelPath;
use crate::tree::attributes::Lacking;
use crate::tree::handle::{content_hash, regular};
use crate::tree::place::{Placement, RestoreTarget};
use crate::tree::{Dir, TreeError};
use crate::user_database;
use attributes::AttributeRestorer;
use reader::CopyReader;
use std::fs::File;

#[derive(Debug, Clone, Copy)]
pub struct RestoreOptions {
    pub force: bool,
    pub threads: usize,
    /// Owners go by number, although their names are known here.
    pub numeric_owner: bool,
}

#[derive(Debug, Default)]
pub struct RestoreReport {
    pub files: u64,
    pub bytes: u64,
    pub dirs: u64,
    /// Symlinks and hard links.
    pub links: u64,
    /// Files and symlinks that already exist with the same content.
    pub already: u64,
    /// Paths where something else exists: left unchanged.
    pub existing: Vec<RelPath>,
    /// Paths that could not be restored, with the reason.
    pub failed: Vec<(RelPath, String)>,
    /// Attributes that restored entries lack, by kind.
    pub lost: Vec<LostAttribute>,
    pub notes: Vec<String>,
}

impl RestoreReport {
    /// Adds attributes that were lost, each kind once.
    pub fn add_lost(&mut self, more: Vec<LostAttribute>) {
        for lost in more {
            match self.lost.iter_mut().find(|known| known.kind == lost.kind) {
                Some(known) => known.entries += lost.entries,
                None => self.lost.push(lost),
            }
        }
    }

    fn add(&mut self, path: &RelPath, result: Restored) {
        match result {
            Ok(RestoredEntry::File(bytes)) => {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(bytes);
            }
            Ok(RestoredEntry::Link) => self.links += 1,
            Ok(RestoredEntry::Already) => self.already += 1,
            Ok(RestoredEntry::Existing) => self.existing.push(path.clone()),
            Err(why) => self.failed.push((path.clone(), why)),
        }
    }
}

enum RestoredEntry {
    File(u64),
    Link,
    Already,
    Existing,
}

pub fn restore(
    destination: &Dir,
    copy: &CatalogueCopy,
    select: &(dyn Fn(&FileEntry) -> bool + Sync),
    target: &Dir,
    options: &RestoreOptions,
    progress: &dyn CopyProgress,
) -> Result<RestoreReport, CopyError> {
    let job = Restorer {
        destination,
        copy,
        reader: CopyReader::open(destination, copy)?,
        select,
        target: RestoreTarget::new(target, &ulid::Ulid::new().to_string(), options.force),
        options,
        attributes: AttributeRestorer::new(options.numeric_owner),
    };
    check_list(&destination.open_file(copy.name.list().as_bytes(), true)?, copy)?;
    let mut restored = RestoreReport::default();
    let mut queue = RestoreQueue {
        job: &job,
        rows: super::catalogue::rows(destination, copy)?,
        above: Vec::new(),
        made: Vec::new(),
        links: Vec::new(),
        symlinks: Vec::new(),
        early: Vec::new(),
        ahead: None,
        last: None,
        progress,
    };
    pipeline::run(
        options.threads,
        4 * options.threads,
        || queue.next(),
        |rows: Vec<FileEntry>| job.files(&rows),
        |done| {
            for (path, result) in done {
                let bytes = if let Ok(RestoredEntry::File(bytes)) = &result {
                    *bytes
                } else {
                    0
                };
                restored.add(&path, result);
                progress.advance(1, bytes);
            }
            Ok(())
        },
    )?;
    for (path, result) in queue.early {
        restored.add(&path, result);
    }
    for row in &queue.symlinks {
        restored.add(&row.path, job.symlink(row));
        progress.advance(1, 0);
    }
    for row in &queue.links {
        restored.add(&row.path, job.hardlink(row));
        progress.advance(1, 0);
    }
    // Deepest first: changes inside a directory change its time.
    for row in queue.made.iter().rev() {
        match job.target.finish_dir(Some(&row.path), &job.attributes.wanted(row)) {
            Ok(lacking) => {
                job.attributes.record(Some(&row.path), lacking);
                restored.dirs += 1;
            }
            Err(e) => restored.failed.push((row.path.clone(), error_chain(&e))),
        }
    }
    job.target.sync()?;
    restored.lost = job.attributes.lost();
    if job.attributes.lacks_names() {
        let seconds = user_database::TIMEOUT.as_secs();
        let note = format!("the system did not answer within {seconds} s: owners were restored by number");
        restored.notes.push(note);
    }
    restored.notes.sort();
    restored.notes.dedup();
    Ok(restored)
}

fn check_list(file: &File, copy: &CatalogueCopy) -> Result<(), CopyError> {
    let name = copy.name.list();
    match content_hash(file, copy.manifest.list_bytes, &|| true) {
        Some(hash) if hex(&hash) == copy.manifest.list_checksum => Ok(()),
        _ => Err(CopyError::damaged(&name, "its checksum does not match the manifest")),
    }
}

/// Reads the rows, makes directories, and gives out the files in batches.
struct RestoreQueue<'a> {
    job: &'a Restorer<'a>,
    rows: FileEntries<'a, File>,
    /// Directories above the current row; true when [`Self::prepare`] has handled one.
    above: Vec<(FileEntry, bool)>,
    made: Vec<FileEntry>,
    links: Vec<FileEntry>,
    symlinks: Vec<FileEntry>,
    early: Vec<(RelPath, Restored)>,
    ahead: Option<FileEntry>,
    last: Option<RelPath>,
    progress: &'a dyn CopyProgress,
}

impl RestoreQueue<'_> {
    fn next(&mut self) -> Result<Option<Vec<FileEntry>>, CopyError> {
        let reader = &self.job.reader;
        let mut rows: Vec<FileEntry> = self.ahead.take().into_iter().collect();
        if rows.first().is_some_and(|row| reader.alone(row)) {
            return Ok(Some(rows));
        }
        loop {
            if self.progress.stop() {
                return Err(CopyError::Stopped);
            }
            let Some(row) = self.rows.next().transpose()? else {
                return Ok((!rows.is_empty()).then_some(rows));
            };
            if self.last.as_ref().is_some_and(|last| *last >= row.path) {
                let what = format!("`{}` is out of order, or listed twice", row.path);
                return Err(CopyError::damaged(&self.job.copy.name.list(), what));
            }
            self.last = Some(row.path.clone());
            self.above.retain(|(dir, _)| row.path.is_within(&dir.path));
            let wanted = (self.job.select)(&row);
            if wanted {
                self.prepare();
            }
            match row.kind {
                FileEntryKind::Dir => {
                    self.above.push((row, false));
                    if wanted {
                        self.prepare();
                    }
                }
                _ if !wanted => {}
                FileEntryKind::Hardlink => self.links.push(row),
                FileEntryKind::Symlink => self.symlinks.push(row),
                FileEntryKind::File => {
                    let alone = reader.alone(&row);
                    if !rows.is_empty() && (alone || !reader.joins(&rows, &row)) {
                        self.ahead = Some(row);
                        return Ok(Some(rows));
                    }
                    rows.push(row);
                    if alone {
                        return Ok(Some(rows));
                    }
                }
            }
        }
    }

    /// Makes the missing directories above the current row.
    fn prepare(&mut self) {
        let target = &self.job.target;
        for (dir, seen) in &mut self.above {
            if std::mem::replace(seen, true) {
                continue;
            }
            let again = |dir: &FileEntry| {
                self.job.options.force
                    && (self.job.select)(dir)
                    && matches!(target.existing(&dir.path), Ok(Some(entry)) if entry.kind == EntryKind::Dir)
            };
            match target.dir(&dir.path) {
                Ok(Placement::Taken) if !again(dir) => {}
                Ok(_) => self.made.push(dir.clone()),
                Err(e) => self.early.push((dir.path.clone(), Err(error_chain(&e)))),
            }
        }
    }
}

type Restored = Result<RestoredEntry, String>;

/// What all workers share.
struct Restorer<'a> {
    destination: &'a Dir,
    copy: &'a CatalogueCopy,
    reader: CopyReader<'a>,
    select: &'a (dyn Fn(&FileEntry) -> bool + Sync),
    target: RestoreTarget<'a>,
    options: &'a RestoreOptions,
    attributes: AttributeRestorer,
}

impl Restorer<'_> {
    fn files(&self, rows: &[FileEntry]) -> Vec<(RelPath, Restored)> {
        let Some(first) = rows.first() else {
            return Vec::new();
        };
        let ahead = self.reader.ahead(first);
        let one = |row: &FileEntry| {
            let ahead = ahead.as_ref().map_err(Clone::clone);
            (row.path.clone(), ahead.and_then(|ahead| self.file(row, row, ahead)))
        };
        rows.iter().map(one).collect()
    }

    /// Restores the content of `held` to the path of `row`; the two differ only for hard links.
    fn file(&self, row: &FileEntry, held: &FileEntry, ahead: &[u8]) -> Restored {
        if let Some(entry) = self.target.existing(&row.path).map_err(chain)? {
            if entry.kind == EntryKind::File && self.same_at(&row.path, held) {
                return Ok(RestoredEntry::Already);
            }
            if !self.options.force {
                return Ok(RestoredEntry::Existing);
            }
            if entry.kind == EntryKind::Dir {
                return Err("a directory exists at this path".to_owned());
            }
        }
        let out = self.target.file(&row.path).map_err(chain)?;
        self.reader.content(held, ahead, &out)?;
        // Two names of one file have the same attributes; the row of the first has them all.
        let placed = out.finish(row.path.name(), &self.attributes.wanted(held));
        self.placed(row, RestoredEntry::File(held.size), placed)
    }

    fn symlink(&self, row: &FileEntry) -> Restored {
        let to = row.link.as_ref().map(Bytes::to_bytes);
        let to = to.ok_or("the list does not name its target")?;
        if self.target.link_target(&row.path).is_some_and(|there| there == to) {
            return Ok(RestoredEntry::Already);
        }
        let placed = self.target.symlink(&row.path, &to, &self.attributes.wanted(row));
        self.placed(row, RestoredEntry::Link, placed)
    }

    /// A link to the restored first name, or a file of its own when that name was not restored.
    fn hardlink(&self, row: &FileEntry) -> Restored {
        let first = link_path(row).ok_or("its link points outside the copy")?;
        let found = super::catalogue::locate(self.destination, self.copy, &[&first]).map_err(|e| e.to_string())?;
        let held = found.first().filter(|f| f.kind == FileEntryKind::File);
        let held = held.ok_or("the file that it links to is not in the list")?;
        if (self.select)(held)
            && self.same_at(&first, held)
            && self.target.existing(&row.path).map_err(chain)?.is_none()
        {
            return restored(RestoredEntry::Link, self.target.hardlink(&row.path, &first));
        }
        self.file(row, held, &self.reader.ahead(held)?)
    }

    /// True when the file at `path` has the content of `row`.
    fn same_at(&self, path: &RelPath, row: &FileEntry) -> bool {
        let file = self.target.open(path).ok();
        let file = file.filter(|file| regular(file).is_ok_and(|state| state.is_some()));
        let hash = file.and_then(|file| content_hash(&file, row.size, &|| true));
        hash.is_some_and(|hash| row.sha256.as_deref() == Some(&hex(&hash)))
    }

    /// Counts the attributes that an entry could not get.
    fn placed(
        &self,
        row: &FileEntry,
        done: RestoredEntry,
        placed: Result<(Placement, Lacking), TreeError>,
    ) -> Restored {
        let (placement, lacking) = placed.map_err(chain)?;
        if placement == Placement::Done {
            self.attributes.record(Some(&row.path), lacking);
        }
        restored(done, Ok(placement))
    }
}

fn restored(done: RestoredEntry, placed: Result<Placement, TreeError>) -> Restored {
    Ok(match placed.map_err(chain)? {
        Placement::Done => done,
        Placement::Taken => RestoredEntry::Existing,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn chain(error: TreeError) -> String {
    error_chain(&error)
}
