//! Restoring files from a copy.
//!
//! Takes a committed copy, a selection of its rows and an open target. The file list says where content is: `archive`
//! reads archives, `tree_form` trees. Content is compared with its hash, and made durable, before it gets a name.
//! The list is read up to three times, so that what is remembered of it stays small: for files and symlinks (`queue`),
//! for hard links (`links`), and for the attributes of directories, which every change in them would change.
//! Invariant: whatever list and content say, nothing is written outside the target, nothing that exists there is
//! replaced without `force`, and content gets a name only when it is what was read from the source, and durable.

mod archive;
mod attributes;
mod first_ones;
mod links;
mod made_dirs;
mod queue;
mod reader;
mod restorer;

pub use attributes::{AttributeKind, LostAttribute};
pub use first_ones::{FirstOnes, MAX_NAMED};
pub use restorer::{RestoreOptions, RestoreReport, TargetOrigin};

use super::catalogue::CatalogueCopy;
use super::error::CopyError;
use super::file_entry::{FileEntry, FileEntryKind, hex};
use super::file_list::FileEntries;
use super::pipeline;
use super::progress::CopyProgress;
use crate::error_chain::error_chain;
use crate::limits;
use crate::path::RelPath;
use crate::tree::Dir;
use crate::tree::handle::content_hash;
use crate::tree::place::{FileId, Placement, RestoreTarget};
use crate::units::plural;
use crate::user_database;
use attributes::AttributeRestorer;
use links::LinkRestorer;
pub use links::{PathHash, path_hash};
pub use made_dirs::MadeDirs;
use queue::RestoreQueue;
use reader::CopyReader;
use restorer::{Restored, RestoredEntry, Restorer, WrittenEntry};
use std::collections::HashMap;
use std::fs::File;

/// What became of one row.
struct RestoredRow {
    path: RelPath,
    result: Restored,
    /// The restored file, where other names of it may follow.
    first: Option<(PathHash, FileId)>,
}

pub fn restore(
    destination: &Dir,
    copy: &CatalogueCopy,
    select: &(dyn Fn(&FileEntry) -> bool + Sync),
    target: &Dir,
    options: &RestoreOptions<'_>,
    progress: &dyn CopyProgress,
) -> Result<RestoreReport, CopyError> {
    let stop = || progress.stop();
    let job = Restorer::new((destination, copy), select, target, options, progress, &stop)?;
    let list = destination.open_file(copy.name.list().as_bytes(), true)?;
    check_list(&list, copy, progress)?;
    let mut restored = RestoreReport::default();
    job.target.take_over()?;
    if matches!(options.target, TargetOrigin::Made(_)) {
        job.target.note_made()?;
    }
    restored.ended = job.all(&list, &mut restored).err();
    let stopped = matches!(restored.ended, Some(CopyError::Stopped));
    let unfinished = job.target.is_unfinished_itself();
    for e in job.target.close(!stopped)? {
        restored.notes.push(error_chain(&e));
    }
    let left = job.target.unfinished().filter(|_| !stopped);
    restored.notes.extend(left.map(|(first, count)| {
        let dirs = plural(count, "directory", "directories");
        format!("{dirs} of a restore that was killed still have no attributes, first `{first}`: restore them too")
    }));
    if unfinished && !stopped {
        // Now that nothing is written into it any more.
        job.finish_top(&mut restored)?;
    }
    if job.target.is_volatile() {
        let note = "the file system of the target cannot make files durable: a power cut may still undo the restore";
        restored.notes.push(note.to_owned());
    }
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

/// Gives directories of `made`, which an earlier restore of this copy into the target made, their attributes again: what
/// came from other copies since then has changed their times.
pub fn finish_again(
    (destination, copy): (&Dir, &CatalogueCopy),
    made: &MadeDirs,
    target: &Dir,
    options: &RestoreOptions<'_>,
    progress: &dyn CopyProgress,
) -> Result<RestoreReport, CopyError> {
    let stop = || progress.stop();
    let job = Restorer::new((destination, copy), &|_| false, target, options, progress, &stop)?;
    let list = destination.open_file(copy.name.list().as_bytes(), true)?;
    let mut restored = RestoreReport::default();
    let rows = FileEntries::new(&list, copy.name.list(), &copy.manifest, None);
    job.finish_dirs(rows, made, &mut restored)?;
    job.target.close(true)?;
    Ok(restored)
}

/// How many files a thread has open while they wait for one sync.
fn files_at_once(threads: usize) -> usize {
    let most = limits::max_open_files().unwrap_or(1 << 20);
    let each = most.saturating_sub(48) / (2 * threads.max(1) as u64);
    usize::try_from(each.clamp(1, 256)).unwrap_or(1)
}

fn check_list(file: &File, copy: &CatalogueCopy, progress: &dyn CopyProgress) -> Result<(), CopyError> {
    let name = copy.name.list();
    match content_hash(file, copy.manifest.list_bytes, &|| !progress.stop()) {
        Some(hash) if hex(&hash) == copy.manifest.list_checksum => Ok(()),
        None if progress.stop() => Err(CopyError::Stopped),
        _ => Err(CopyError::damaged(&name, "its checksum does not match the manifest")),
    }
}

impl<'a> Restorer<'a> {
    fn new(
        (destination, copy): (&'a Dir, &'a CatalogueCopy),
        select: &'a (dyn Fn(&FileEntry) -> bool + Sync),
        target: &'a Dir,
        options: &'a RestoreOptions<'a>,
        progress: &'a dyn CopyProgress,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self, CopyError> {
        Ok(Self {
            destination,
            copy,
            reader: CopyReader::open(destination, copy)?,
            select,
            target: RestoreTarget::new(target, &ulid::Ulid::new().to_string(), options.force),
            options,
            attributes: AttributeRestorer::new(options.numeric_owner, stop),
            progress,
            at_once: files_at_once(options.threads),
        })
    }
}

impl Restorer<'_> {
    /// Counts what it restores in `restored`, up to the error that ends it.
    fn all(&self, list: &File, restored: &mut RestoreReport) -> Result<(), CopyError> {
        let rows = || FileEntries::new(list, self.copy.name.list(), &self.copy.manifest, None);
        let mut queue = RestoreQueue::new(self, rows());
        let mut firsts: HashMap<PathHash, FileId> = HashMap::new();
        pipeline::run(
            self.options.threads,
            4 * self.options.threads,
            || Ok::<_, CopyError>(queue.next()),
            |rows: Vec<FileEntry>| self.files(&rows),
            |done| {
                for RestoredRow { path, result, first } in done {
                    let bytes = match &result {
                        Ok(RestoredEntry::File(bytes)) => *bytes,
                        _ => 0,
                    };
                    restored.add(&path, result);
                    firsts.extend(first);
                    self.progress.advance(1, bytes);
                }
                Ok(())
            },
        )?;
        let RestoreQueue {
            made,
            early,
            any_links,
            read,
            ended,
            ..
        } = queue;
        restored.failed.append(early);
        let mut ended = ended.map_or(Ok(()), Err);
        if any_links && !matches!(ended, Err(CopyError::Stopped)) {
            // Only those before a damage.
            let linked = LinkRestorer::new(self, firsts).run(rows().take(read), restored);
            ended = linked.and(ended);
        }
        if matches!(ended, Err(CopyError::Stopped)) || self.progress.stop() {
            return Err(CopyError::Stopped);
        }
        // What was made before a damage gets its attributes all the same.
        let finished = self.finish_dirs(rows(), &made, restored);
        restored.made = made;
        ended.and(finished)
    }

    /// Gives directories their attributes, each after all that it contains.
    fn finish_dirs(
        &self,
        rows: FileEntries<'_, &File>,
        made: &MadeDirs,
        restored: &mut RestoreReport,
    ) -> Result<(), CopyError> {
        if made.is_empty() {
            return Ok(());
        }
        let mut above: Vec<FileEntry> = Vec::new();
        let mut finish = |row: &FileEntry| match self.target.finish_dir(Some(&row.path), &self.attributes.wanted(row)) {
            Ok(lacking) => {
                self.attributes.record(Some(&row.path), lacking);
                restored.dirs += 1;
            }
            Err(e) => restored.failed.add((row.path.clone(), error_chain(&e))),
        };
        let (mut number, mut damage) = (0, None);
        for row in rows {
            if self.progress.stop() {
                return Err(CopyError::Stopped);
            }
            let row = match row {
                Ok(row) => row,
                // The list was read up to here before, and nothing after it was made.
                Err(e) => {
                    damage = Some(e);
                    break;
                }
            };
            while let Some(left) = above.pop_if(|dir| !row.path.is_within(&dir.path)) {
                finish(&left);
            }
            if row.kind == FileEntryKind::Dir {
                if made.contains(number) {
                    above.push(row);
                }
                number += 1;
            }
        }
        above.iter().rev().for_each(finish);
        damage.map_or(Ok(()), Err)
    }

    /// Gives the target, which this restore or one that died has made, what the source's own directory had.
    fn finish_top(&self, restored: &mut RestoreReport) -> Result<(), CopyError> {
        let top = match self.options.target {
            TargetOrigin::Made(top) => top,
            TargetOrigin::Existed => self.copy.manifest.top.as_ref(),
        };
        let Some(top) = top else {
            let note = "this copy does not record the mode and owner of its own directory: the target has mode 0700";
            restored.notes.push(note.to_owned());
            return Ok(self.target.finish_plain()?);
        };
        let lacking = self.target.finish_dir(None, &self.attributes.wanted_of_top(top))?;
        self.attributes.record(None, lacking);
        Ok(())
    }

    /// Restores files and symlinks; after a stop only what has been written already.
    fn files(&self, rows: &[FileEntry]) -> Vec<RestoredRow> {
        let first = rows.iter().find(|row| row.kind == FileEntryKind::File);
        let ahead = first.map_or_else(|| Ok(Vec::new()), |first| self.reader.ahead(first));
        let mut done = Vec::with_capacity(rows.len());
        for rows in rows.chunks(self.at_once) {
            self.batch(rows, &ahead, &mut done);
        }
        done
    }

    fn batch(&self, rows: &[FileEntry], ahead: &Result<Vec<u8>, String>, done: &mut Vec<RestoredRow>) {
        let mut add = |row: &FileEntry, result, id: Option<FileId>| {
            done.push(RestoredRow {
                path: row.path.clone(),
                result,
                first: id.filter(|_| row.nlink > 1).map(|id| (path_hash(&row.path), id)),
            });
        };
        let (mut facts, mut files) = (Vec::new(), Vec::new());
        for row in rows {
            if self.progress.stop() {
                break;
            }
            let written = match (row.kind, ahead) {
                (FileEntryKind::Symlink, _) => {
                    add(row, self.symlink(row), None);
                    continue;
                }
                (_, Err(why)) => Err(why.clone()),
                (_, Ok(ahead)) => self.file(row, ahead),
            };
            match written {
                Ok(WrittenEntry::Written(file)) => {
                    facts.push((row, file.id(), file.lacking));
                    files.push(file);
                }
                Ok(WrittenEntry::Already(id)) => add(row, Ok(RestoredEntry::Already), Some(id)),
                Ok(WrittenEntry::Existing) => add(row, Ok(RestoredEntry::Existing), None),
                // Cut short, it is neither restored nor failed.
                Err(_) if self.progress.stop() => break,
                Err(why) => add(row, Err(why), None),
            }
        }
        for ((row, id, lacking), placed) in facts.into_iter().zip(self.target.name(files)) {
            let id = id.filter(|_| matches!(placed, Ok(Placement::Done)));
            let placed = placed.map(|placed| (placed, lacking));
            add(row, self.placed(row, RestoredEntry::File(row.size), placed), id);
        }
    }
}
