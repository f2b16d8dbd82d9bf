//! Reading a tree back: every file is opened again, hashed and compared; every directory is counted.
//!
//! Takes the open tree and its list, gives [`Seals`]: which state of which file was proven. All threads check entries.
//! What was not made durable in this run is synced first and dropped from the page cache, so that the disk is read.
//! Invariant: on success, the tree holds what the list names, with the content that was read from the source, and
//! nothing else.

use super::super::error::CopyError;
use super::super::file_entry::{Bytes, FileEntry, FileEntryKind};
use super::super::gzip_member::MEMBER_SIZE;
use super::super::header::link_path;
use super::super::manifest::TreeFacts;
use super::super::pipeline::{self, MAX_BATCH_ENTRIES, Pool};
use super::super::progress::CopyProgress;
use super::super::verify::list_reader::ListReader;
use super::attributes::{differs, has_xattrs};
use crate::entry::{EntryKind, Identity};
use crate::path::{RelPath, Shown};
use crate::tree::attributes::{Lacking, Node};
use crate::tree::handle::{content_hash, entry_of, refresh, regular};
use crate::tree::{Dir, Opener};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::File;

/// A path and the state of its file, hashed.
type Seal = [u8; 16];

/// The files of a tree in the states that were proven.
#[derive(Debug)]
pub struct Seals {
    root: (u64, u64),
    /// Held open, so that its inode is not reused.
    _tree: Dir,
    unbroken: HashSet<Seal>,
}

impl Seals {
    /// The name still leads to that tree, and each of `paths` in it to exactly the file that was proven, unchanged.
    pub fn unbroken(&self, destination: &Dir, name: &str, paths: &[&RelPath]) -> Result<(), CopyError> {
        let moved = |file: String| CopyError::Moved { file };
        let tree = destination
            .open_dir(name.as_bytes(), true)
            .ok()
            .filter(|tree| tree.id().is_ok_and(|id| id == self.root))
            .ok_or_else(|| moved(name.to_owned()))?;
        let mut opener = Opener::new(&tree, false);
        for path in paths {
            let now = opener.file(path).ok().and_then(|file| {
                refresh(&file);
                regular(&file).ok().flatten()
            });
            if now.is_none_or(|now| !self.unbroken.contains(&seal(path, &now))) {
                return Err(moved(format!("{name}/{path}")));
            }
        }
        Ok(())
    }
}

/// Sixteen bytes of a SHA-256: for a million files, more would need too much memory.
fn seal(path: &RelPath, state: &Identity) -> Seal {
    let mut hash = Sha256::new();
    for number in [state.dev, state.ino, state.size] {
        hash.update(number.to_le_bytes());
    }
    for time in [state.mtime_ns, state.ctime_ns] {
        hash.update(time.to_le_bytes());
    }
    hash.update(path.as_bytes());
    let full: [u8; 32] = hash.finalize().into();
    *full.first_chunk().unwrap_or(&[0; 16])
}

pub struct Proving<'a> {
    pub tree: &'a Dir,
    pub name: &'a str,
    pub facts: &'a TreeFacts,
    /// Everything in it was made durable in this run, and dropped from the page cache.
    pub synced: bool,
    pub progress: &'a dyn CopyProgress,
}

/// Reads the tree back and consumes the rows; `stored` is how many bytes of content it should hold.
pub fn prove(job: &Proving<'_>, rows: &mut ListReader<'_>, stored: u64, threads: usize) -> Result<Seals, CopyError> {
    let mut seals = HashSet::new();
    let mut feed = ProofTasks {
        job,
        rows,
        levels: vec![OpenDirectory::default()],
        stored: 0,
        over: false,
    };
    let openers = Pool::new();
    pipeline::run(
        threads,
        4 * threads,
        || feed.next(),
        |checks: Vec<ProofTask>| {
            let mut opener = openers.take().unwrap_or_else(|| Opener::new(job.tree, false));
            let found: Result<Vec<ProofResult>, CopyError> =
                checks.into_iter().map(|check| job.look(&mut opener, check)).collect();
            openers.put(opener);
            found
        },
        |found| {
            for seen in found? {
                match seen {
                    ProofResult::Counted => continue,
                    ProofResult::Entry => {}
                    ProofResult::File(seal) => drop(seals.insert(seal)),
                    // Its file was hashed before, in exactly this state.
                    ProofResult::Link { path, first, state } => {
                        if !seals.contains(&seal(&first, &state)) {
                            return Err(job.wrong(&path, "it is not a link to the file that the list names"));
                        }
                        seals.insert(seal(&path, &state));
                    }
                }
                job.progress.advance(1, 0);
            }
            Ok(())
        },
    )?;
    if feed.stored != stored {
        return Err(CopyError::damaged(job.name, "its size differs from the manifest"));
    }
    Ok(Seals {
        root: job.tree.id()?,
        _tree: job.tree.try_clone()?,
        unbroken: seals,
    })
}

enum ProofTask {
    Entry(Box<FileEntry>),
    /// A directory must hold exactly these names, in this order.
    Names(Option<RelPath>, Vec<Box<[u8]>>),
}

enum ProofResult {
    Entry,
    File(Seal),
    Link {
        path: RelPath,
        first: RelPath,
        state: Identity,
    },
    Counted,
}

/// A directory whose entries are being listed.
#[derive(Default)]
struct OpenDirectory {
    path: Option<RelPath>,
    names: Vec<Box<[u8]>>,
}

/// Gives out the proof tasks, in order.
struct ProofTasks<'a, 'l> {
    job: &'a Proving<'a>,
    rows: &'a mut ListReader<'l>,
    levels: Vec<OpenDirectory>,
    stored: u64,
    over: bool,
}

impl ProofTasks<'_, '_> {
    fn next(&mut self) -> Result<Option<Vec<ProofTask>>, CopyError> {
        if self.job.progress.stop() {
            return Err(CopyError::Stopped);
        }
        let mut checks = Vec::new();
        let mut size = 0;
        while !self.over && size < MEMBER_SIZE as u64 && checks.len() < MAX_BATCH_ENTRIES {
            if self.rows.peek()?.is_none() {
                self.over = true;
                self.leave(None, &mut checks);
                checks.extend(self.levels.pop().map(|top| ProofTask::Names(None, top.names)));
                break;
            }
            let Some(row) = self.rows.take() else { break };
            let parent = row.path.parent();
            self.leave(parent.as_ref(), &mut checks);
            match self.levels.last_mut() {
                Some(level) if level.path == parent => level.names.push(row.path.name().into()),
                _ => return Err(self.job.wrong(&row.path, "its directory is not in the list")),
            }
            if row.kind == FileEntryKind::Dir {
                let (path, names) = (Some(row.path.clone()), Vec::new());
                self.levels.push(OpenDirectory { path, names });
            }
            self.stored = self.stored.saturating_add(row.stored());
            size = size.saturating_add(row.stored());
            checks.push(ProofTask::Entry(Box::new(row)));
        }
        Ok((!checks.is_empty()).then_some(checks))
    }

    /// Leaves the directories that do not contain `parent`: all their names are known now.
    fn leave(&mut self, parent: Option<&RelPath>, checks: &mut Vec<ProofTask>) {
        let leads = |dir: &RelPath| parent.is_some_and(|parent| parent.is_within(dir));
        while let Some(level) = self
            .levels
            .pop_if(|level| level.path.as_ref().is_some_and(|dir| !leads(dir)))
        {
            checks.push(ProofTask::Names(level.path, level.names));
        }
    }
}

impl Proving<'_> {
    fn wrong(&self, path: &RelPath, what: &str) -> CopyError {
        CopyError::damaged(self.name, format!("`{path}`: {what}"))
    }

    fn look(&self, opener: &mut Opener<'_>, check: ProofTask) -> Result<ProofResult, CopyError> {
        if self.progress.stop() {
            return Err(CopyError::Stopped);
        }
        match check {
            ProofTask::Names(path, names) => self.names(path.as_ref(), &names).map(|()| ProofResult::Counted),
            ProofTask::Entry(row) => self.entry(opener, &row),
        }
    }

    /// The directory holds exactly these names.
    fn names(&self, path: Option<&RelPath>, names: &[Box<[u8]>]) -> Result<(), CopyError> {
        let dir = self.tree.open_dir(path.map_or(&[], RelPath::as_bytes), false)?;
        if !self.synced {
            dir.sync()?;
        }
        let found = dir.names()?;
        if found == names {
            return Ok(());
        }
        let shown = |name: &[u8]| match path {
            Some(path) => format!("`{path}/{}`", Shown(name)),
            None => format!("`{}`", Shown(name)),
        };
        let extra = found.iter().find(|name| names.binary_search(name).is_err());
        let missing = names.iter().find(|name| found.binary_search(name).is_err());
        let what = match (extra, missing) {
            (Some(name), _) => format!("{} is not in the list", shown(name)),
            (None, Some(name)) => format!("{} is missing", shown(name)),
            (None, None) => "the names in a directory differ from the list".to_owned(),
        };
        Err(CopyError::damaged(self.name, what))
    }

    fn entry(&self, opener: &mut Opener<'_>, row: &FileEntry) -> Result<ProofResult, CopyError> {
        let wrong = |what: &str| self.wrong(&row.path, what);
        let gone = |e: crate::tree::TreeError| match e.errno() {
            Some(Errno::NOENT | Errno::NOTDIR) => wrong("it is missing"),
            // A symlink or a mount is in the way.
            Some(Errno::LOOP | Errno::XDEV) => wrong("its type differs from the list"),
            _ => e.into(),
        };
        let dir = opener.dir(&row.path).map_err(gone)?;
        let found = dir.entry(row.path.name(), row.path.clone()).map_err(gone)?;
        let kind = match row.kind {
            FileEntryKind::File | FileEntryKind::Hardlink => EntryKind::File,
            FileEntryKind::Dir => EntryKind::Dir,
            FileEntryKind::Symlink => EntryKind::Symlink,
        };
        if found.kind != kind {
            return Err(wrong("its type differs from the list"));
        }
        let lacking = Lacking::from(self.facts);
        match row.kind {
            FileEntryKind::Symlink => {
                let to = dir.read_link(row.path.name()).map_err(gone)?;
                let node = Node::symlink(dir, row.path.name());
                if row.link.as_ref().map(Bytes::to_bytes) != Some(to) {
                    Err(wrong("its link target differs from the list"))
                } else if !lacking.xattrs && !has_xattrs(&node, row, lacking) {
                    Err(wrong("its extended attributes differ from the list"))
                } else {
                    Ok(ProofResult::Entry)
                }
            }
            FileEntryKind::Dir => {
                let open = || self.tree.open_dir(row.path.as_bytes(), false);
                if let Some(what) = differs(&found, row, lacking) {
                    Err(wrong(what))
                } else if !lacking.xattrs
                    && !row.xattrs.is_empty()
                    && !has_xattrs(&Node::open(&open().map_err(gone)?), row, lacking)
                {
                    Err(wrong("its extended attributes differ from the list"))
                } else {
                    Ok(ProofResult::Entry)
                }
            }
            FileEntryKind::Hardlink => {
                let first = link_path(row).ok_or_else(|| wrong("its link target is not valid"))?;
                Ok(ProofResult::Link {
                    path: row.path.clone(),
                    first,
                    state: found.identity,
                })
            }
            FileEntryKind::File => {
                let file = dir.open_file(row.path.name(), false).map_err(gone)?;
                let state = self.file(&file, row, lacking)?;
                Ok(ProofResult::File(seal(&row.path, &state)))
            }
        }
    }

    /// Hashes a file and compares everything; gives the state that was proven.
    fn file(&self, file: &File, row: &FileEntry, lacking: Lacking) -> Result<Identity, CopyError> {
        let wrong = |what: &str| self.wrong(&row.path, what);
        let own = || format!("{}/{}", self.name, row.path);
        let stat = || rustix::fs::fstat(file).map_err(|e| CopyError::io("read", &own(), e.into()));
        if !self.synced {
            // What a deletion relies on is first made durable, then read from the disk.
            self.tree
                .sync_file(file)
                .map_err(|e| CopyError::io("sync", &own(), e))?;
        }
        // Only advice: a file system that ignores it still reads back what it has.
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
        refresh(file);
        let before = entry_of(row.path.clone(), &stat()?);
        if before.kind != EntryKind::File {
            return Err(wrong("its type differs from the list"));
        }
        if before.identity.size != row.size {
            return Err(wrong("its size differs from the list"));
        }
        if let Some(what) = differs(&before, row, lacking) {
            return Err(wrong(what));
        }
        if !lacking.xattrs && !has_xattrs(&Node::open(file), row, lacking) {
            return Err(wrong("its extended attributes differ from the list"));
        }
        let hash = content_hash(file, row.size, &|| !self.progress.stop());
        if hash.is_none() && self.progress.stop() {
            return Err(CopyError::Stopped);
        }
        if hash.is_none() || row.hash() != hash {
            return Err(wrong("its content differs from what was read from the source"));
        }
        if entry_of(row.path.clone(), &stat()?) != before {
            return Err(wrong("it changed while it was read"));
        }
        self.progress.advance(0, row.size);
        Ok(before.identity)
    }
}
