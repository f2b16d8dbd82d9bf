//! [`RestoreQueue`]: reads the rows, makes directories, and gives out files and symlinks in batches.
//!
//! Invariant: rows come in path order, each path once; a list that breaks this ends the restore.

use super::super::error::CopyError;
use super::super::file_entry::{FileEntry, FileEntryKind};
use super::super::file_list::FileEntries;
use super::super::pipeline::MAX_BATCH_ENTRIES;
use super::made_dirs::MadeDirs;
use super::restorer::{Restored, Restorer};
use crate::entry::EntryKind;
use crate::error_chain::error_chain;
use crate::path::RelPath;
use crate::tree::place::Placement;
use std::fs::File;

/// A directory above the current row.
struct DirAbove {
    row: FileEntry,
    number: usize,
    prepared: bool,
}

pub struct RestoreQueue<'a> {
    job: &'a Restorer<'a>,
    rows: FileEntries<'a, &'a File>,
    above: Vec<DirAbove>,
    /// The directories above the last wanted row, cleared of what dead restores left.
    cleared: Vec<RelPath>,
    dirs: usize,
    pub made: MadeDirs,
    pub any_links: bool,
    pub early: Vec<(RelPath, Restored)>,
    ahead: Option<FileEntry>,
    last: Option<RelPath>,
    /// Why it gave out no more.
    pub ended: Option<CopyError>,
}

impl<'a> RestoreQueue<'a> {
    pub fn new(job: &'a Restorer<'a>, rows: FileEntries<'a, &'a File>) -> Self {
        Self {
            job,
            rows,
            above: Vec::new(),
            cleared: Vec::new(),
            dirs: 0,
            made: MadeDirs::default(),
            any_links: false,
            early: Vec::new(),
            ahead: None,
            last: None,
            ended: None,
        }
    }

    /// The next batch. After an error, which is kept, there is none: what was given out before is finished and counted.
    pub fn next(&mut self) -> Option<Vec<FileEntry>> {
        if self.ended.is_some() {
            return None;
        }
        match self.batch() {
            Ok(batch) => batch,
            Err(e) => {
                self.ended = Some(e);
                None
            }
        }
    }

    fn batch(&mut self) -> Result<Option<Vec<FileEntry>>, CopyError> {
        let reader = &self.job.reader;
        let mut rows: Vec<FileEntry> = self.ahead.take().into_iter().collect();
        if rows.first().is_some_and(|row| reader.alone(row)) {
            return Ok(Some(rows));
        }
        loop {
            if self.job.progress.stop() {
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
            self.above.retain(|dir| row.path.is_within(&dir.row.path));
            let wanted = (self.job.select)(&row);
            if wanted {
                self.prepare();
                self.clear(&row.path);
            }
            match row.kind {
                FileEntryKind::Dir => {
                    self.above.push(DirAbove {
                        row,
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
                    let full = rows.len() >= 32 * MAX_BATCH_ENTRIES;
                    if !rows.is_empty() && (alone || full || !reader.joins(&rows, &row)) {
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
        for DirAbove {
            row: dir,
            number,
            prepared,
        } in &mut self.above
        {
            if std::mem::replace(prepared, true) {
                continue;
            }
            let is_dir = || matches!(target.existing(&dir.path), Ok(Some(entry)) if entry.kind == EntryKind::Dir);
            let again = || {
                let forced = self.job.options.force && (self.job.select)(dir);
                (forced || target.is_unfinished(&dir.path)) && is_dir()
            };
            match target.dir(&dir.path) {
                Ok(Placement::Taken) if !again() => {}
                Ok(_) => self.made.insert(*number),
                Err(e) => self.early.push((dir.path.clone(), Err(error_chain(&e)))),
            }
        }
    }

    /// Clears the directories above `path` of what dead restores left, each once.
    fn clear(&mut self, path: &RelPath) {
        self.cleared.retain(|dir| path.is_within(dir));
        let known = self.cleared.last().map_or(0, |dir| dir.as_bytes().len());
        let news = path.ancestors().filter(|dir| dir.len() > known);
        for dir in news.filter_map(RelPath::new) {
            if let Err(e) = self.job.target.clear(dir.as_bytes()) {
                // What is in the way of the restore is found by it.
                if !matches!(e.errno(), Some(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP)) {
                    self.early.push((dir.clone(), Err(error_chain(&e))));
                }
            }
            self.cleared.push(dir);
        }
    }
}
