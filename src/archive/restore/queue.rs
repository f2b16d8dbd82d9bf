//! [`RestoreQueue`]: reads the rows, makes directories, and gives out files and symlinks in batches.
//!
//! Invariant: rows come in path order, each path once; a list that breaks this ends the restore.

use super::super::error::CopyError;
use super::super::file_entry::{FileEntry, FileEntryKind};
use super::super::file_list::FileEntries;
use super::super::gzip_member::MEMBER_SIZE;
use super::super::pipeline::MAX_BATCH_ENTRIES;
use super::first_ones::FirstOnes;
use super::made_dirs::MadeDirs;
use super::restorer::{Restorer, chain};
use crate::entry::EntryKind;
use crate::path::RelPath;
use crate::tree::place::Placement;
use crate::tree::walk::is_below_ours;
use std::fs::File;

/// A directory above the current row.
struct DirAbove {
    path: RelPath,
    wanted: bool,
    number: usize,
    prepared: bool,
}

pub struct RestoreQueue<'a> {
    job: &'a Restorer<'a>,
    rows: FileEntries<'a, &'a File>,
    above: Vec<DirAbove>,
    /// The directory of the last wanted row: it and all above it are cleared of what dead restores left.
    cleared: Option<RelPath>,
    dirs: usize,
    pub made: MadeDirs,
    pub any_links: bool,
    /// Failed before they were given out.
    pub early: FirstOnes<(RelPath, String)>,
    ahead: Option<FileEntry>,
    last: Option<RelPath>,
    /// Rows up to the one that ended it.
    pub read: usize,
    /// Why it gave out no more.
    pub ended: Option<CopyError>,
}

impl<'a> RestoreQueue<'a> {
    pub fn new(job: &'a Restorer<'a>, rows: FileEntries<'a, &'a File>) -> Self {
        Self {
            job,
            rows,
            above: Vec::new(),
            cleared: None,
            dirs: 0,
            made: MadeDirs::default(),
            any_links: false,
            early: FirstOnes::default(),
            ahead: None,
            last: None,
            read: 0,
            ended: None,
        }
    }

    /// The next batch. After an error, which is kept, there is none: what was read before it is finished and counted.
    pub fn next(&mut self) -> Option<Vec<FileEntry>> {
        if self.ended.is_some() {
            return None;
        }
        let mut batch: Vec<FileEntry> = self.ahead.take().into_iter().collect();
        self.ended = self.fill(&mut batch).err();
        (!batch.is_empty()).then_some(batch)
    }

    /// Adds to a batch up to its end, or to the error that ends the restore.
    fn fill(&mut self, rows: &mut Vec<FileEntry>) -> Result<(), CopyError> {
        let reader = &self.job.reader;
        if rows.first().is_some_and(|row| reader.alone(row)) {
            return Ok(());
        }
        // Bytes that they need here.
        let mut size = rows.iter().map(FileEntry::listed).sum::<usize>();
        loop {
            if self.job.progress.stop() {
                return Err(CopyError::Stopped);
            }
            let Some(row) = self.rows.next().transpose()? else {
                return Ok(());
            };
            if self.last.as_ref().is_some_and(|last| *last >= row.path) {
                let what = format!("`{}` is out of order, or listed twice", row.path);
                return Err(CopyError::damaged(&self.job.copy.name.list(), what));
            }
            self.last = Some(row.path.clone());
            self.read += 1;
            self.above.retain(|dir| row.path.is_within(&dir.path));
            let wanted = (self.job.select)(&row);
            if wanted && is_below_ours(&row.path) {
                let why = "its name is one that opsrun uses for its own files";
                self.early.add((row.path, why.to_owned()));
                continue;
            }
            if wanted {
                self.prepare();
                self.clear(&row.path);
            }
            match row.kind {
                FileEntryKind::Dir => {
                    self.above.push(DirAbove {
                        path: row.path,
                        wanted,
                        number: self.dirs,
                        prepared: false,
                    });
                    self.dirs += 1;
                    if wanted {
                        self.prepare();
                    }
                }
                _ if !wanted => {}
                FileEntryKind::Hardlink => self.any_links = true,
                FileEntryKind::Symlink | FileEntryKind::File => {
                    let alone = row.kind == FileEntryKind::File && reader.alone(&row);
                    let full = rows.len() >= 32 * MAX_BATCH_ENTRIES || size >= MEMBER_SIZE;
                    if !rows.is_empty() && (alone || full || !reader.joins(rows, &row)) {
                        self.ahead = Some(row);
                        return Ok(());
                    }
                    size += row.listed();
                    rows.push(row);
                    if alone {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Makes the missing directories above the current row.
    fn prepare(&mut self) {
        let target = &self.job.target;
        for DirAbove {
            path,
            wanted,
            number,
            prepared,
        } in &mut self.above
        {
            if std::mem::replace(prepared, true) {
                continue;
            }
            let is_dir = || matches!(target.existing(path), Ok(Some(entry)) if entry.kind == EntryKind::Dir);
            let again = || (self.job.options.force && *wanted || target.is_unfinished(path)) && is_dir();
            match target.dir(path) {
                Ok(Placement::Taken) if !again() => {}
                Ok(_) => self.made.insert(*number),
                Err(e) => self.early.add((path.clone(), chain(e))),
            }
        }
    }

    /// Clears the directories above `path` of what dead restores left, each once.
    fn clear(&mut self, path: &RelPath) {
        let Some(parent) = path.parent() else { return };
        let known = self.cleared.as_ref().map_or(0, |cleared| shared(cleared, &parent));
        let news = path.ancestors().filter(|dir| dir.len() > known);
        for dir in news {
            match self.job.target.clear(dir) {
                Ok(true) => {}
                // Nor is there anything below it.
                Ok(false) => break,
                // What is in the way of the restore is found by it.
                Err(e) if matches!(e.errno(), Some(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP)) => break,
                Err(e) => {
                    if let Some(dir) = RelPath::new(dir) {
                        self.early.add((dir, chain(e)));
                    }
                }
            }
        }
        self.cleared = Some(parent);
    }
}

/// Length of the longest directory that is, or is above, both.
fn shared(a: &RelPath, b: &RelPath) -> usize {
    let parts = a.components().zip(b.components()).take_while(|(a, b)| a == b);
    parts.map(|(part, _)| part.len() + 1).sum::<usize>().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_paths_share_ends_between_components() {
        let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
        for (a, b, expected) in [
            ("a", "a", 1),
            ("ab/c", "ab/cd", 2),
            ("a/b/c", "a/b", 3),
            ("a", "b", 0),
            ("aa", "a", 0),
        ] {
            assert_eq!(shared(&path(a), &path(b)), expected, "{a} {b}");
        }
    }
}
