//! Restoring files from a copy.
//!
//! Takes a committed copy, a selection of its rows and an open target. The file list says where content is: `archive`
//! reads archives, `tree_form` trees. Content is compared with its hash before it gets a name.
//! Invariant: whatever list and content say, nothing is written outside the target, nothing that exists there is
//! replaced without `force`, and content gets a name only when it is what was read from the source.

mod archive;
mod reader;

use super::catalogue::CatalogueCopy;
use super::error::CopyError;
use super::file_entry::{Bytes, FileEntry, FileEntryKind, hex};
use super::header::link_path;
use super::pipeline;
use super::progress::CopyProgress;
use crate::entry::EntryKind;
use crate::error_chain::error_chain;
use crate::path::RelPath;
use crate::tree::Dir;
use crate::tree::handle::{content_hash, regular};
use crate::tree::place::{Placement, RestoreTarget, RestoredAttributes};
use reader::CopyReader;
use rustix::fs::{Gid, Uid, XattrFlags};
use std::fs::File;
use std::os::fd::AsFd;

#[derive(Debug, Clone, Copy)]
pub struct RestoreOptions {
    pub force: bool,
    pub threads: usize,
    /// Give files their owners back: needs root.
    pub chown: bool,
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
    pub notes: Vec<String>,
}

impl RestoreReport {
    fn add(&mut self, path: &RelPath, result: Result<RestoredEntry, String>) {
        match result {
            Ok(RestoredEntry::File(bytes)) => {
                self.files += 1;
                self.bytes += bytes;
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

struct FileBatch {
    rows: Vec<FileEntry>,
}

pub fn restore(
    destination: &Dir,
    copy: &CatalogueCopy,
    select: &(dyn Fn(&FileEntry) -> bool + Sync),
    target: &Dir,
    options: &RestoreOptions,
    progress: &dyn CopyProgress,
) -> Result<RestoreReport, CopyError> {
    let reader = CopyReader::open(destination, copy)?;
    check_list(&destination.open_file(copy.name.list().as_bytes(), true)?, copy)?;
    let target = RestoreTarget::new(target, &ulid::Ulid::new().to_string(), options.force);
    let mut restored = RestoreReport::default();
    let mut plan = RestoreQueue {
        rows: Box::new(super::catalogue::rows(destination, copy)?),
        select,
        target: &target,
        options,
        list_name: copy.name.list(),
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
        || plan.next(&reader),
        |job| files(&job, &reader, &target, options),
        |done: FileResults| {
            for (path, result, note) in done {
                let bytes = if let Ok(RestoredEntry::File(bytes)) = &result {
                    *bytes
                } else {
                    0
                };
                restored.add(&path, result);
                restored.notes.extend(note);
                progress.advance(1, bytes);
            }
            Ok(())
        },
    )?;
    let RestoreQueue {
        made,
        links,
        symlinks,
        early,
        ..
    } = plan;
    for (path, result) in early {
        restored.add(&path, result);
    }
    for row in &symlinks {
        let result = symlink(row, &target, options);
        restored.add(&row.path, result);
        progress.advance(1, 0);
    }
    for row in &links {
        let result = hardlink(row, destination, copy, select, &reader, &target, options);
        restored.add(&row.path, result);
        progress.advance(1, 0);
    }
    // Deepest first: changes inside a directory change its time.
    for row in made.iter().rev() {
        match target.finish_dir(&row.path, &facts(row, options)) {
            Ok(()) => restored.dirs += 1,
            Err(e) => restored.failed.push((row.path.clone(), error_chain(&e))),
        }
    }
    target.sync()?;
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
    rows: Box<dyn Iterator<Item = Result<FileEntry, CopyError>> + Send + 'a>,
    select: &'a (dyn Fn(&FileEntry) -> bool + Sync),
    target: &'a RestoreTarget<'a>,
    options: &'a RestoreOptions,
    list_name: String,
    /// Directories above the current row; true when [`Self::prepare`] has handled one.
    above: Vec<(FileEntry, bool)>,
    made: Vec<FileEntry>,
    links: Vec<FileEntry>,
    symlinks: Vec<FileEntry>,
    early: Vec<(RelPath, Result<RestoredEntry, String>)>,
    ahead: Option<FileEntry>,
    last: Option<RelPath>,
    progress: &'a dyn CopyProgress,
}

impl RestoreQueue<'_> {
    fn next(&mut self, reader: &CopyReader<'_>) -> Result<Option<FileBatch>, CopyError> {
        let mut rows: Vec<FileEntry> = self.ahead.take().into_iter().collect();
        if rows.first().is_some_and(|row| reader.alone(row)) {
            return Ok(Some(FileBatch { rows }));
        }
        loop {
            if self.progress.stop() {
                return Err(CopyError::Stopped);
            }
            let Some(row) = self.rows.next().transpose()? else {
                return Ok((!rows.is_empty()).then_some(FileBatch { rows }));
            };
            if self.last.as_ref().is_some_and(|last| *last >= row.path) {
                return Err(CopyError::damaged(
                    &self.list_name,
                    format!("`{}` is out of order, or listed twice", row.path),
                ));
            }
            self.last = Some(row.path.clone());
            self.above.retain(|(dir, _)| row.path.is_within(&dir.path));
            let wanted = (self.select)(&row);
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
                        return Ok(Some(FileBatch { rows }));
                    }
                    rows.push(row);
                    if alone {
                        return Ok(Some(FileBatch { rows }));
                    }
                }
            }
        }
    }

    /// Makes the missing directories above the current row.
    fn prepare(&mut self) {
        for (dir, seen) in &mut self.above {
            if std::mem::replace(seen, true) {
                continue;
            }
            match self.target.dir(&dir.path) {
                Ok(Placement::Done) => self.made.push(dir.clone()),
                Ok(Placement::Taken) => {
                    if self.options.force
                        && (self.select)(dir)
                        && matches!(self.target.existing(&dir.path), Ok(Some(entry)) if entry.kind == EntryKind::Dir)
                    {
                        self.made.push(dir.clone());
                    }
                }
                Err(e) => self.early.push((dir.path.clone(), Err(error_chain(&e)))),
            }
        }
    }
}

type FileResults = Vec<(RelPath, Result<RestoredEntry, String>, Option<String>)>;

fn files(
    job: &FileBatch,
    reader: &CopyReader<'_>,
    target: &RestoreTarget<'_>,
    options: &RestoreOptions,
) -> FileResults {
    let Some(first) = job.rows.first() else {
        return Vec::new();
    };
    let ahead = reader.ahead(first);
    job.rows
        .iter()
        .map(|row| {
            let mut note = None;
            let result = ahead
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|ahead| file(row, row, ahead, reader, target, options, &mut note));
            (row.path.clone(), result, note)
        })
        .collect()
}

/// Restores the content of `held` to the path of `row`; the two differ only for hard links.
fn file(
    row: &FileEntry,
    held: &FileEntry,
    ahead: &[u8],
    reader: &CopyReader<'_>,
    target: &RestoreTarget<'_>,
    options: &RestoreOptions,
    note: &mut Option<String>,
) -> Result<RestoredEntry, String> {
    if let Some(entry) = target.existing(&row.path).map_err(|e| error_chain(&e))? {
        if entry.kind == EntryKind::File && same_at(target, &row.path, held) {
            return Ok(RestoredEntry::Already);
        }
        if !options.force {
            return Ok(RestoredEntry::Existing);
        }
        if entry.kind == EntryKind::Dir {
            return Err("a directory exists at this path".to_owned());
        }
    }
    let out = target.file(&row.path).map_err(|e| error_chain(&e))?;
    reader.content(held, ahead, &out)?;
    for (key, value) in &row.xattrs {
        if rustix::fs::fsetxattr(out.file.as_fd(), key.as_str(), &value.to_bytes(), XattrFlags::empty()).is_err() {
            *note = Some(format!("extended attribute `{key}` could not be set"));
        }
    }
    match out
        .finish(row.path.name(), &facts(row, options))
        .map_err(|e| error_chain(&e))?
    {
        Placement::Done => Ok(RestoredEntry::File(held.size)),
        Placement::Taken => Ok(RestoredEntry::Existing),
    }
}

fn symlink(row: &FileEntry, target: &RestoreTarget<'_>, options: &RestoreOptions) -> Result<RestoredEntry, String> {
    let to = row
        .link
        .as_ref()
        .map(Bytes::to_bytes)
        .ok_or("the list does not name its target")?;
    if target.link_target(&row.path).is_some_and(|there| there == to) {
        return Ok(RestoredEntry::Already);
    }
    match target
        .symlink(&row.path, &to, &facts(row, options))
        .map_err(|e| error_chain(&e))?
    {
        Placement::Done => Ok(RestoredEntry::Link),
        Placement::Taken => Ok(RestoredEntry::Existing),
    }
}

/// A link to the restored first name, or a file of its own when that name was not restored.
fn hardlink(
    row: &FileEntry,
    destination: &Dir,
    copy: &CatalogueCopy,
    select: &(dyn Fn(&FileEntry) -> bool + Sync),
    reader: &CopyReader<'_>,
    target: &RestoreTarget<'_>,
    options: &RestoreOptions,
) -> Result<RestoredEntry, String> {
    let first = link_path(row).ok_or("its link points outside the copy")?;
    let found = super::catalogue::locate(destination, copy, &[&first]).map_err(|e| e.to_string())?;
    let held = found
        .first()
        .filter(|f| f.kind == FileEntryKind::File)
        .ok_or("the file that it links to is not in the list")?;
    if select(held)
        && same_at(target, &first, held)
        && target.existing(&row.path).map_err(|e| error_chain(&e))?.is_none()
    {
        return match target.hardlink(&row.path, &first).map_err(|e| error_chain(&e))? {
            Placement::Done => Ok(RestoredEntry::Link),
            Placement::Taken => Ok(RestoredEntry::Existing),
        };
    }
    let ahead = reader.ahead(held)?;
    file(row, held, &ahead, reader, target, options, &mut None)
}

/// True when the file at `path` has the content of `row`.
fn same_at(target: &RestoreTarget<'_>, path: &RelPath, row: &FileEntry) -> bool {
    let Ok(file) = target.open(path) else {
        return false;
    };
    regular(&file).is_ok_and(|state| state.is_some())
        && content_hash(&file, row.size, &|| true).is_some_and(|hash| row.sha256.as_deref() == Some(&hex(&hash)))
}

fn facts(row: &FileEntry, options: &RestoreOptions) -> RestoredAttributes {
    RestoredAttributes {
        mode: row.mode,
        owner: options.chown.then(|| (Uid::from_raw(row.uid), Gid::from_raw(row.gid))),
        mtime_ns: row.mtime_ns,
    }
}
