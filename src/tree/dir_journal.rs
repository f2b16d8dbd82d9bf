//! `DirJournal`: which directories a restore made, and which it made writable for the time.
//!
//! Takes the root of a target; keeps a file in it (`.opsrun-<run id>-dirs.part`, locked, one JSON line for each directory)
//! from the first line until everything is as it should be. What a restore that was killed could not finish is read
//! from it by the next one into the same target.
//! Invariant: a directory is in the journal before it is made or changed.

use super::handle::{Dir, TARGET_MODE, TreeError};
use super::leftovers::{LockedFile, part_name, take, unlink};
use super::publish::hold;
use super::walk::after_run_id;
use crate::path::RelPath;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};

const KIND: &str = "dirs";

/// The right to enter a directory and to change it.
const WRITABLE: u32 = 0o300;

/// Of a longer journal, the rest is not read.
const MAX_SIZE: u64 = 64 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct DirLine {
    /// `None` is the target itself.
    path: Option<RelPath>,
    /// The mode that it had before it was made writable; `None` when it was made.
    mode: Option<u32>,
}

#[derive(Debug)]
pub(super) struct DirJournal {
    name: String,
    file: Option<File>,
    made: bool,
    /// Directories that were made writable, with the modes that they had; the empty path is the target itself.
    opened: BTreeMap<Box<[u8]>, u32>,
    /// Directories that a dead restore made and did not finish.
    unfinished: BTreeSet<RelPath>,
    /// The target itself was made, and is not finished.
    itself: bool,
    /// Journals of dead restores, with their locks.
    dead: Vec<(Box<[u8]>, LockedFile)>,
}

impl DirJournal {
    pub fn new(token: &str) -> Self {
        Self {
            name: part_name(token, KIND),
            file: None,
            made: false,
            opened: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            itself: false,
            dead: Vec::new(),
        }
    }

    /// Reads what dead restores left in `root`, and gives directories that they made writable their modes back.
    pub fn take_over(&mut self, root: &Dir) -> Result<(), TreeError> {
        // Also when the restore that made it died before it could write a journal, or after it removed it.
        self.itself |= rustix::fs::fstat(root).is_ok_and(|stat| stat.st_mode & 0o1777 == TARGET_MODE);
        for name in dead_journals(root)? {
            if let Some(journal) = take(root, &name)? {
                for line in lines(&journal.file) {
                    match (line.path, line.mode) {
                        (path, Some(mode)) => drop(give_back(root, bytes_of(path.as_ref()), mode)),
                        (Some(path), None) => drop(self.unfinished.insert(path)),
                        (None, None) => self.itself |= is_as_made(root, b""),
                    }
                }
                self.dead.push((name, journal));
            }
        }
        Ok(())
    }

    /// True for a directory that a dead restore made and did not finish.
    pub fn is_unfinished(&self, path: &RelPath) -> bool {
        self.unfinished.contains(path)
    }

    /// True when the target itself was made, by this restore or a dead one, and is not finished.
    pub fn is_unfinished_itself(&self) -> bool {
        self.itself
    }

    /// Notes that `path` is about to be made; `None` is the target itself, which is there.
    pub fn make(&mut self, root: &Dir, path: Option<&RelPath>) -> Result<(), TreeError> {
        self.made = true;
        self.itself |= path.is_none();
        let path = path.cloned();
        self.note(root, &DirLine { path, mode: None }).map(drop)
    }

    /// Makes `dir`, which is at `path` (empty: the target itself), writable for the time. Does nothing and returns `false`
    /// when that is not what it lacks, or when it is not ours.
    pub fn open_up(&mut self, root: &Dir, dir: &Dir, path: &[u8]) -> Result<bool, TreeError> {
        if self.opened.contains_key(path) {
            return Ok(true);
        }
        let fail = |e| TreeError::at("make writable", dir.path(), e);
        let stat = rustix::fs::fstat(dir).map_err(fail)?;
        let mode = stat.st_mode & 0o7777;
        if stat.st_uid != rustix::process::geteuid().as_raw() || mode & WRITABLE == WRITABLE {
            return Ok(false);
        }
        let open = || rustix::fs::fchmod(dir, Mode::from_raw_mode(mode | WRITABLE)).map_err(fail);
        if path.is_empty() {
            // Before that, there is no place for the journal.
            open()?;
            self.opened.insert(path.into(), mode);
        } else if self.file.is_none() {
            // The journal's own directory may lack the right too.
            self.open_up(root, root, b"")?;
        }
        let line = DirLine {
            path: RelPath::new(path),
            mode: Some(mode),
        };
        let file = self.note(root, &line)?;
        file.sync_all().map_err(|e| TreeError::at("sync", root.path(), e))?;
        if !path.is_empty() {
            open()?;
            self.opened.insert(path.into(), mode);
        }
        Ok(true)
    }

    /// The directory at `path` got its own mode.
    pub fn forget(&mut self, path: &[u8]) {
        self.opened.remove(path);
        if let Some(path) = RelPath::new(path) {
            self.unfinished.remove(&path);
        }
    }

    /// Directories that dead restores made and did not finish: the first, and how many.
    pub fn unfinished(&self) -> Option<(RelPath, u64)> {
        let first = self.unfinished.first()?.clone();
        Some((first, self.unfinished.len() as u64))
    }

    /// Gives directories that were made writable their modes back, and, when the restore is `complete`, removes the
    /// journals. Gives what failed.
    pub fn close(&mut self, root: &Dir, complete: bool) -> Vec<TreeError> {
        let mut failed = Vec::new();
        let top = self.opened.remove(&b""[..]);
        // Deepest first: a directory without the right to enter it hides what is below it.
        for (path, mode) in std::mem::take(&mut self.opened).into_iter().rev() {
            failed.extend(give_back(root, &path, mode).err());
        }
        if complete && !self.dead.is_empty() {
            // The next restore of them finishes them, whatever this one restored.
            self.unfinished.retain(|path| is_as_made(root, path.as_bytes()));
            let left = self.unfinished.iter().map(|path| Some(path.clone()));
            failed.extend(hand_on(root, left.collect()).err());
        }
        if (complete || !self.made) && failed.is_empty() {
            if self.file.take().is_some() {
                failed.extend(unlink(root, self.name.as_bytes()).err());
            }
            if complete {
                for (name, _lock) in std::mem::take(&mut self.dead) {
                    failed.extend(unlink(root, &name).err());
                }
            }
        }
        if let Some(mode) = top {
            failed.extend(give_back(root, b"", mode).err());
        }
        failed
    }

    fn note(&mut self, root: &Dir, line: &DirLine) -> Result<&File, TreeError> {
        let fail = |call, e: std::io::Error| TreeError::at(call, &root.path().join(&self.name), e);
        let file = match self.file.take() {
            Some(file) => file,
            None => create(root, &self.name).map_err(|e| fail("create", e.into()))?,
        };
        let file = self.file.insert(file);
        let mut text = serde_json::to_vec(line).map_err(|e| fail("write", e.into()))?;
        text.push(b'\n');
        file.write_all(&text).map_err(|e| fail("write", e))?;
        Ok(file)
    }
}

/// Settles the journal `name` that a dead restore left in `root`: directories that it made writable get their modes back.
/// Directories that it made and did not finish are left to the next restore. Does nothing and returns `false` when it is not
/// a journal, or its restore lives, or nothing but that is in it.
pub fn settle(root: &Dir, name: &[u8]) -> Result<bool, TreeError> {
    let Some(journal) = (if is_journal(name) { take(root, name)? } else { None }) else {
        return Ok(false);
    };
    let (changed, mut made): (Vec<_>, Vec<_>) = lines(&journal.file).into_iter().partition(|line| line.mode.is_some());
    for DirLine { path, mode } in &changed {
        give_back(root, bytes_of(path.as_ref()), mode.unwrap_or(u32::MAX))?;
    }
    let all = made.len();
    made.retain(|line| is_as_made(root, bytes_of(line.path.as_ref())));
    if changed.is_empty() && !made.is_empty() && made.len() == all {
        return Ok(false);
    }
    hand_on(root, made.into_iter().map(|line| line.path).collect())?;
    unlink(root, name)
}

fn bytes_of(path: Option<&RelPath>) -> &[u8] {
    path.map_or(b"", RelPath::as_bytes)
}

/// True for our own directory that has the mode with which restores make directories.
fn is_as_made(root: &Dir, path: &[u8]) -> bool {
    let stat = root.open_dir(path, false).map(|dir| rustix::fs::fstat(&dir));
    let ours =
        |stat: rustix::fs::Stat| stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o777 == 0o700;
    stat.is_ok_and(|stat| stat.is_ok_and(ours))
}

/// Leaves a journal of directories that are not finished; `None` is the target itself.
fn hand_on(root: &Dir, dirs: Vec<Option<RelPath>>) -> Result<(), TreeError> {
    let mut journal = DirJournal::new(&ulid::Ulid::new().to_string());
    for path in dirs {
        journal.note(root, &DirLine { path, mode: None })?;
    }
    match journal.file {
        Some(file) => file.sync_all().map_err(|e| TreeError::at("sync", root.path(), e)),
        None => Ok(()),
    }
}

fn is_journal(name: &[u8]) -> bool {
    after_run_id(name) == Some(format!("{KIND}{}", super::leftovers::PART).as_bytes())
}

fn dead_journals(root: &Dir) -> Result<Vec<Box<[u8]>>, TreeError> {
    let mut found: Vec<Box<[u8]>> = Vec::new();
    root.each_name(&mut |name| {
        if is_journal(name) {
            found.push(name.into());
        }
    })?;
    Ok(found)
}

/// The whole lines; the last one may be torn.
fn lines(file: &File) -> Vec<DirLine> {
    let mut text = Vec::new();
    // What cannot be read is not known: its directories stay as they are.
    let _ = file.take(MAX_SIZE).read_to_end(&mut text);
    let lines = text.split(|b| *b == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Gives our own directory back the mode that it had before it was made writable, if it still is as it was then.
fn give_back(root: &Dir, path: &[u8], mode: u32) -> Result<(), TreeError> {
    let dir = match root.open_dir(path, false) {
        Ok(dir) => dir,
        Err(e) if e.errno() == Some(rustix::io::Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e),
    };
    let fail = |e| TreeError::at("give the mode back to", dir.path(), e);
    let stat = rustix::fs::fstat(&dir).map_err(fail)?;
    let ours = stat.st_uid == rustix::process::geteuid().as_raw();
    if ours && mode <= 0o7777 && stat.st_mode & 0o7777 == mode | WRITABLE {
        rustix::fs::fchmod(&dir, Mode::from_raw_mode(mode)).map_err(fail)?;
    }
    Ok(())
}

fn create(root: &Dir, name: &str) -> Result<File, rustix::io::Errno> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(root, name, flags, Mode::from_raw_mode(0o600))?;
    hold(&fd)?;
    Ok(File::from(fd))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(root: &Dir, path: &str) -> u32 {
        std::fs::metadata(root.path().join(path)).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_dead_journal_gives_modes_back_and_names_what_was_made() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open(temp.path()).unwrap();
        for path in ["ro", "other", "made"] {
            std::fs::create_dir(temp.path().join(path)).unwrap();
        }
        for (path, mode) in [("ro", 0o555), ("other", 0o750), (".", 0o700)] {
            std::fs::set_permissions(temp.path().join(path), PermissionsExt::from_mode(mode)).unwrap();
        }
        let mut journal = DirJournal::new("01ARZ3NDEKTSV4RRFFQ69G5FAV");
        let made = RelPath::new(b"made").unwrap();
        journal.make(&root, Some(&made)).unwrap();
        journal.make(&root, None).unwrap();
        let open = |journal: &mut DirJournal, path: &str| {
            let dir = root.open_dir(path.as_bytes(), false).unwrap();
            journal.open_up(&root, &dir, path.as_bytes()).unwrap()
        };
        assert!(open(&mut journal, "ro"));
        assert!(!open(&mut journal, "other"), "it has the right already");
        assert_eq!(mode(&root, "ro"), 0o755);
        let mut next = DirJournal::new("01ARZ3NDEKTSV4RRFFQ69G5FAW");
        next.take_over(&root).unwrap();
        assert!(!next.is_unfinished(&made), "the first one still lives");
        drop(journal);
        next.take_over(&root).unwrap();
        assert!(next.is_unfinished(&made) && next.is_unfinished_itself());
        assert_eq!(mode(&root, "ro"), 0o555);
        assert!(next.close(&root, true).is_empty());
        assert_eq!(root.names().unwrap().len(), 3);
    }

    #[test]
    fn a_forged_line_gives_nobody_more_rights() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open(temp.path()).unwrap();
        std::fs::create_dir(temp.path().join("d")).unwrap();
        for wanted in [0o777, 0o4755, 0o1_0000] {
            give_back(&root, b"d", wanted).unwrap();
        }
        assert_eq!(mode(&root, "d") & 0o6022, 0);
    }

    #[test]
    fn the_target_itself_is_made_writable_and_gets_its_mode_back() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::open(temp.path()).unwrap();
        std::fs::set_permissions(temp.path(), PermissionsExt::from_mode(0o555)).unwrap();
        let mut journal = DirJournal::new("01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert!(journal.open_up(&root, &root, b"").unwrap());
        assert_eq!(mode(&root, "."), 0o755);
        assert!(journal.close(&root, true).is_empty());
        assert_eq!((mode(&root, "."), root.names().unwrap().len()), (0o555, 0));
    }
}
