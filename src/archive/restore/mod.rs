//! Bringing files back.
//!
//! Takes a committed copy, a choice of its rows and an open target; the file list leads, content is read where it says:
//! `archive` for archives, `tree_form` for trees. Content is compared with its hash before it gets a name.
//! Invariant: whatever list and content say, nothing is written outside the target, nothing that stands there is
//! replaced without `force`, and no name is given to content that is not what was read from the source.

mod archive;
mod reader;

use super::catalogue::CatalogueCopy;
use super::error::CopyError;
use super::header::link_path;
use super::pipeline;
use super::row::{Row, RowKind, hex};
use super::write::Watch;
use crate::entry::Kind;
use crate::path::RelPath;
use crate::tree::Dir;
use crate::tree::handle::{content_hash, regular};
use crate::tree::place::{Facts, Placed, Target};
use reader::Reader;
use rustix::fs::{Gid, Uid, XattrFlags};
use std::fs::File;
use std::os::fd::AsFd;

#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub force: bool,
    pub threads: usize,
    /// Give files their owners back: needs root.
    pub chown: bool,
}

#[derive(Debug, Default)]
pub struct Restored {
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    pub dirs: u64,
    /// Symlinks and further names of files.
    pub links: u64,
    /// Files and symlinks that stood there already with the same content.
    pub already: u64,
    /// Paths where something else stood: left alone.
    pub existing: Vec<RelPath>,
    /// Paths that could not be restored, with the reason.
    pub failed: Vec<(RelPath, String)>,
    pub notes: Vec<String>,
}

impl Restored {
    fn add(&mut self, path: &RelPath, result: Result<One, String>) {
        match result {
            Ok(One::File(bytes)) => {
                self.files += 1;
                self.bytes += bytes;
            }
            Ok(One::Link) => self.links += 1,
            Ok(One::Already) => self.already += 1,
            Ok(One::Existing) => self.existing.push(path.clone()),
            Err(why) => self.failed.push((path.clone(), why)),
        }
    }
}

enum One {
    File(u64),
    Link,
    Already,
    Existing,
}

struct Job {
    rows: Vec<Row>,
}

/// Restores the rows that `select` wants.
pub fn restore(
    destination: &Dir,
    copy: &CatalogueCopy,
    select: &(dyn Fn(&Row) -> bool + Sync),
    target: &Dir,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Restored, CopyError> {
    let reader = Reader::open(destination, copy)?;
    check_list(&destination.open_file(copy.name.list().as_bytes(), true)?, copy)?;
    let target = Target::new(target, &ulid::Ulid::new().to_string(), options.force);
    let mut restored = Restored::default();
    let mut plan = Plan {
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
        watch,
    };
    pipeline::run(
        options.threads,
        4 * options.threads,
        || plan.next(&reader),
        |job| files(&job, &reader, &target, options),
        |done: Vec<(RelPath, Result<One, String>, Option<String>)>| {
            for (path, result, note) in done {
                let bytes = if let Ok(One::File(bytes)) = &result { *bytes } else { 0 };
                restored.add(&path, result);
                restored.notes.extend(note);
                watch.advance(1, bytes);
            }
            Ok(())
        },
    )?;
    let Plan {
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
        watch.advance(1, 0);
    }
    for row in &links {
        let result = hardlink(row, destination, copy, select, &reader, &target, options);
        restored.add(&row.path, result);
        watch.advance(1, 0);
    }
    // Deepest first: what is done below a directory moves its time.
    for row in made.iter().rev() {
        match target.finish_dir(&row.path, &facts(row, options)) {
            Ok(()) => restored.dirs += 1,
            Err(e) => restored.failed.push((row.path.clone(), told(&e))),
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
        _ => Err(CopyError::damaged(&name, "its checksum does not match")),
    }
}

/// Goes through the rows, makes directories, and hands out the files.
struct Plan<'a> {
    rows: Box<dyn Iterator<Item = Result<Row, CopyError>> + Send + 'a>,
    select: &'a (dyn Fn(&Row) -> bool + Sync),
    target: &'a Target<'a>,
    options: &'a Options,
    list_name: String,
    /// Directories above the row at hand, with whether they were seen to.
    above: Vec<(Row, bool)>,
    made: Vec<Row>,
    links: Vec<Row>,
    symlinks: Vec<Row>,
    early: Vec<(RelPath, Result<One, String>)>,
    ahead: Option<Row>,
    last: Option<RelPath>,
    watch: &'a dyn Watch,
}

impl Plan<'_> {
    fn next(&mut self, reader: &Reader<'_>) -> Result<Option<Job>, CopyError> {
        let mut rows: Vec<Row> = self.ahead.take().into_iter().collect();
        if rows.first().is_some_and(|row| reader.alone(row)) {
            return Ok(Some(Job { rows }));
        }
        loop {
            if self.watch.stop() {
                return Err(CopyError::Stopped);
            }
            let Some(row) = self.rows.next().transpose()? else {
                return Ok((!rows.is_empty()).then_some(Job { rows }));
            };
            if self.last.as_ref().is_some_and(|last| *last >= row.path) {
                return Err(CopyError::damaged(
                    &self.list_name,
                    format!("`{}` is out of order, or named twice", row.path),
                ));
            }
            self.last = Some(row.path.clone());
            self.above.retain(|(dir, _)| row.path.is_within(&dir.path));
            let wanted = (self.select)(&row);
            if wanted {
                self.prepare();
            }
            match row.kind {
                RowKind::Dir => {
                    self.above.push((row, false));
                    if wanted {
                        self.prepare();
                    }
                }
                _ if !wanted => {}
                RowKind::Hardlink => self.links.push(row),
                RowKind::Symlink => self.symlinks.push(row),
                RowKind::File => {
                    let alone = reader.alone(&row);
                    if !rows.is_empty() && (alone || !reader.joins(&rows, &row)) {
                        self.ahead = Some(row);
                        return Ok(Some(Job { rows }));
                    }
                    rows.push(row);
                    if alone {
                        return Ok(Some(Job { rows }));
                    }
                }
            }
        }
    }

    /// Makes the directories above, where they lack.
    fn prepare(&mut self) {
        for (dir, seen) in &mut self.above {
            if std::mem::replace(seen, true) {
                continue;
            }
            match self.target.dir(&dir.path) {
                Ok(Placed::Done) => self.made.push(dir.clone()),
                Ok(Placed::Taken) => {
                    if self.options.force
                        && (self.select)(dir)
                        && matches!(self.target.existing(&dir.path), Ok(Some(entry)) if entry.kind == Kind::Dir)
                    {
                        self.made.push(dir.clone());
                    }
                }
                Err(e) => self.early.push((dir.path.clone(), Err(told(&e)))),
            }
        }
    }
}

type Done = Vec<(RelPath, Result<One, String>, Option<String>)>;

fn files(job: &Job, reader: &Reader<'_>, target: &Target<'_>, options: &Options) -> Done {
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

/// Restores to the path of `row` the content of `held`, which differs from it only for hard links.
fn file(
    row: &Row,
    held: &Row,
    ahead: &[u8],
    reader: &Reader<'_>,
    target: &Target<'_>,
    options: &Options,
    note: &mut Option<String>,
) -> Result<One, String> {
    if let Some(entry) = target.existing(&row.path).map_err(|e| told(&e))? {
        if entry.kind == Kind::File && same_at(target, &row.path, held) {
            return Ok(One::Already);
        }
        if !options.force {
            return Ok(One::Existing);
        }
        if entry.kind == Kind::Dir {
            return Err("a directory stands there".to_owned());
        }
    }
    let out = target.file(&row.path).map_err(|e| told(&e))?;
    reader.content(held, ahead, &out)?;
    for (key, value) in &row.xattrs {
        if rustix::fs::fsetxattr(out.file.as_fd(), key.as_str(), &value.to_bytes(), XattrFlags::empty()).is_err() {
            *note = Some(format!("extended attribute `{key}` could not be set"));
        }
    }
    match out
        .finish(row.path.name(), &facts(row, options))
        .map_err(|e| told(&e))?
    {
        Placed::Done => Ok(One::File(held.size)),
        Placed::Taken => Ok(One::Existing),
    }
}

fn symlink(row: &Row, target: &Target<'_>, options: &Options) -> Result<One, String> {
    let to = row
        .link
        .as_ref()
        .map(super::row::Bytes::to_bytes)
        .ok_or("the list names no target")?;
    if target.link_target(&row.path).is_some_and(|there| there == to) {
        return Ok(One::Already);
    }
    match target
        .symlink(&row.path, &to, &facts(row, options))
        .map_err(|e| told(&e))?
    {
        Placed::Done => Ok(One::Link),
        Placed::Taken => Ok(One::Existing),
    }
}

/// A link to the restored first name, or a file of its own when that one is not there.
fn hardlink(
    row: &Row,
    destination: &Dir,
    copy: &CatalogueCopy,
    select: &(dyn Fn(&Row) -> bool + Sync),
    reader: &Reader<'_>,
    target: &Target<'_>,
    options: &Options,
) -> Result<One, String> {
    let first = link_path(row).ok_or("its link leads out of the copy")?;
    let found = super::catalogue::locate(destination, copy, &[&first]).map_err(|e| e.to_string())?;
    let held = found
        .first()
        .filter(|f| f.kind == RowKind::File)
        .ok_or("the list does not hold the file it links to")?;
    if select(held) && same_at(target, &first, held) && target.existing(&row.path).map_err(|e| told(&e))?.is_none() {
        return match target.hardlink(&row.path, &first).map_err(|e| told(&e))? {
            Placed::Done => Ok(One::Link),
            Placed::Taken => Ok(One::Existing),
        };
    }
    let ahead = reader.ahead(held)?;
    file(row, held, &ahead, reader, target, options, &mut None)
}

/// True when the file at `path` has the content of `row`.
fn same_at(target: &Target<'_>, path: &RelPath, row: &Row) -> bool {
    let Ok(file) = target.open(path) else {
        return false;
    };
    regular(&file).is_ok_and(|state| state.is_some())
        && content_hash(&file, row.size, &|| true).is_some_and(|hash| row.sha256.as_deref() == Some(&hex(&hash)))
}

fn facts(row: &Row, options: &Options) -> Facts {
    Facts {
        mode: row.mode,
        owner: options.chown.then(|| (Uid::from_raw(row.uid), Gid::from_raw(row.gid))),
        mtime_ns: row.mtime_ns,
    }
}

fn told(e: &crate::tree::TreeError) -> String {
    format!("{e}: {}", e.source)
}
