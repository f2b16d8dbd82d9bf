//! Reading a tree back: every file opened anew, hashed and compared, every directory counted.
//!
//! Takes the open tree and its list, gives [`Seals`]: which state of which file was found right. Entries are looked at
//! on all threads. What was not made durable in this run is synced first and dropped from the page cache, so that
//! the disk is read.
//! Invariant: when it succeeds, the tree holds what the list names, with the content that was read from the source,
//! and nothing else.

use super::super::error::CopyError;
use super::super::header::link_path;
use super::super::manifest::TreeFacts;
use super::super::member::CUT;
use super::super::pipeline;
use super::super::row::{Bytes, Row, RowKind, parse_hex};
use super::super::verify::listed::ListReader;
use super::super::write::Watch;
use super::attributes::{Carried, differs, has_xattrs};
use crate::entry::{Identity, Kind};
use crate::path::{RelPath, Shown};
use crate::tree::handle::{content_hash, entry_of, regular};
use crate::tree::{Dir, Opener};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::File;
use std::sync::{Mutex, PoisonError};

/// The most entries that one worker takes at a time.
const TOGETHER: usize = 64;

/// A path together with the state of the file there.
type Seal = [u8; 16];

/// The files of a tree in the states in which they were found right.
#[derive(Debug)]
pub struct Seals {
    root: (u64, u64),
    /// Held, so that its inode is not given to another.
    _tree: Dir,
    unbroken: HashSet<Seal>,
}

impl Seals {
    /// The name still leads to that tree, and in it each of `paths` to the very file that was proven, unchanged.
    pub fn unbroken(&self, destination: &Dir, name: &str, paths: &[&RelPath]) -> Result<(), CopyError> {
        let moved = |file: String| CopyError::Moved { file };
        let tree = destination
            .open_dir(name.as_bytes(), true)
            .ok()
            .filter(|tree| tree.id().is_ok_and(|id| id == self.root))
            .ok_or_else(|| moved(name.to_owned()))?;
        let mut opener = Opener::new(&tree, false);
        for path in paths {
            let now = opener.file(path).ok().and_then(|file| regular(&file).ok().flatten());
            if now.is_none_or(|now| !self.unbroken.contains(&seal(path, &now))) {
                return Err(moved(format!("{name}/{path}")));
            }
        }
        Ok(())
    }
}

/// Sixteen bytes of a SHA-256: of a million files no more is to be kept in memory.
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
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(full) {
        *to = from;
    }
    short
}

pub struct Proving<'a> {
    /// The tree's topmost directory.
    pub tree: &'a Dir,
    pub name: &'a str,
    pub facts: &'a TreeFacts,
    /// Everything in it was made durable in this run, and dropped from the page cache.
    pub synced: bool,
    pub watch: &'a dyn Watch,
}

/// Reads it back. The rows are used up; `stored` are the bytes of content that it should hold.
pub fn prove(job: &Proving<'_>, rows: &mut ListReader<'_>, stored: u64, threads: usize) -> Result<Seals, CopyError> {
    let mut seals = HashSet::new();
    let mut feed = Feed {
        job,
        rows,
        levels: vec![Level::default()],
        stored: 0,
        over: false,
    };
    let scratch = Mutex::new(Vec::new());
    pipeline::run(
        threads,
        4 * threads,
        || feed.next(),
        |checks: Vec<Check>| {
            let kept = scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut opener = kept.unwrap_or_else(|| Opener::new(job.tree, false));
            let found: Result<Vec<Seen>, CopyError> =
                checks.into_iter().map(|check| job.look(&mut opener, check)).collect();
            scratch.lock().unwrap_or_else(PoisonError::into_inner).push(opener);
            found
        },
        |found| {
            for seen in found? {
                match seen {
                    Seen::Counted => continue,
                    Seen::Entry => {}
                    Seen::File(seal) => drop(seals.insert(seal)),
                    // Its file was hashed before, in this state and no other.
                    Seen::Link { path, first, state } => {
                        if !seals.contains(&seal(&first, &state)) {
                            return Err(job.wrong(&path, "it is no other name of the file that the list names"));
                        }
                        seals.insert(seal(&path, &state));
                    }
                }
                job.watch.advance(1, 0);
            }
            Ok(())
        },
    )?;
    if feed.stored != stored {
        return Err(CopyError::damaged(job.name, "it does not hold what the manifest says"));
    }
    Ok(Seals {
        root: job.tree.id()?,
        _tree: job.tree.try_clone()?,
        unbroken: seals,
    })
}

enum Check {
    Entry(Box<Row>),
    /// A directory must hold these names, in this order, and no others.
    Names(Option<RelPath>, Vec<Box<[u8]>>),
}

enum Seen {
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
struct Level {
    path: Option<RelPath>,
    names: Vec<Box<[u8]>>,
}

/// Hands out what is to be looked at, in order.
struct Feed<'a, 'l> {
    job: &'a Proving<'a>,
    rows: &'a mut ListReader<'l>,
    levels: Vec<Level>,
    stored: u64,
    over: bool,
}

impl Feed<'_, '_> {
    fn next(&mut self) -> Result<Option<Vec<Check>>, CopyError> {
        if self.job.watch.stop() {
            return Err(CopyError::Stopped);
        }
        let mut checks = Vec::new();
        let mut size = 0;
        while !self.over && size < CUT as u64 && checks.len() < TOGETHER {
            if self.rows.peek()?.is_none() {
                self.over = true;
                self.leave(None, &mut checks);
                checks.extend(self.levels.pop().map(|top| Check::Names(None, top.names)));
                break;
            }
            let Some(row) = self.rows.take() else { break };
            let parent = row.path.parent();
            self.leave(parent.as_ref(), &mut checks);
            match self.levels.last_mut() {
                Some(level) if level.path == parent => level.names.push(row.path.name().into()),
                _ => return Err(self.job.wrong(&row.path, "it lies in no directory that the list names")),
            }
            if row.kind == RowKind::Dir {
                self.levels.push(Level {
                    path: Some(row.path.clone()),
                    names: Vec::new(),
                });
            }
            self.stored = self.stored.saturating_add(row.stored());
            size += row.stored();
            checks.push(Check::Entry(Box::new(row)));
        }
        Ok((!checks.is_empty()).then_some(checks))
    }

    /// Leaves the directories that do not lead to `parent`: their names are all known now.
    fn leave(&mut self, parent: Option<&RelPath>, checks: &mut Vec<Check>) {
        let leads = |dir: &RelPath| parent.is_some_and(|parent| parent.is_within(dir));
        while let Some(level) = self
            .levels
            .pop_if(|level| level.path.as_ref().is_some_and(|dir| !leads(dir)))
        {
            checks.push(Check::Names(level.path, level.names));
        }
    }
}

impl Proving<'_> {
    fn wrong(&self, path: &RelPath, what: &str) -> CopyError {
        CopyError::damaged(self.name, format!("`{path}`: {what}"))
    }

    fn look(&self, opener: &mut Opener<'_>, check: Check) -> Result<Seen, CopyError> {
        if self.watch.stop() {
            return Err(CopyError::Stopped);
        }
        match check {
            Check::Names(path, names) => self.names(path.as_ref(), &names).map(|()| Seen::Counted),
            Check::Entry(row) => self.entry(opener, &row),
        }
    }

    /// The directory holds these names and no others.
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
            (None, None) => "a directory does not hold what the list says".to_owned(),
        };
        Err(CopyError::damaged(self.name, what))
    }

    fn entry(&self, opener: &mut Opener<'_>, row: &Row) -> Result<Seen, CopyError> {
        let wrong = |what: &str| self.wrong(&row.path, what);
        let gone = |e: crate::tree::TreeError| match e.errno() {
            Some(Errno::NOENT | Errno::NOTDIR) => wrong("it is missing"),
            // A symlink or another mount stands in the way.
            Some(Errno::LOOP | Errno::XDEV) => wrong("it is not what the list says"),
            _ => e.into(),
        };
        let dir = opener.dir(&row.path).map_err(gone)?;
        let found = dir.entry(row.path.name(), row.path.clone()).map_err(gone)?;
        let kind = match row.kind {
            RowKind::File | RowKind::Hardlink => Kind::File,
            RowKind::Dir => Kind::Dir,
            RowKind::Symlink => Kind::Symlink,
        };
        if found.kind != kind {
            return Err(wrong("it is not what the list says"));
        }
        let carried = Carried::from(self.facts);
        match row.kind {
            RowKind::Symlink => {
                let to = dir.read_link(row.path.name()).map_err(gone)?;
                if row.link.as_ref().map(Bytes::to_bytes) == Some(to) {
                    Ok(Seen::Entry)
                } else {
                    Err(wrong("it leads elsewhere than the list says"))
                }
            }
            RowKind::Dir => {
                let open = || self.tree.open_dir(row.path.as_bytes(), false);
                if let Some(what) = differs(&found, row, carried) {
                    Err(wrong(what))
                } else if carried.xattrs && !row.xattrs.is_empty() && !has_xattrs(&open().map_err(gone)?, row) {
                    Err(wrong("its extended attributes are not what the list says"))
                } else {
                    Ok(Seen::Entry)
                }
            }
            RowKind::Hardlink => {
                let first = link_path(row).ok_or_else(|| wrong("its link leads nowhere"))?;
                Ok(Seen::Link {
                    path: row.path.clone(),
                    first,
                    state: found.identity,
                })
            }
            RowKind::File => {
                let file = dir.open_file(row.path.name(), false).map_err(gone)?;
                let state = self.file(&file, row, carried)?;
                Ok(Seen::File(seal(&row.path, &state)))
            }
        }
    }

    /// Hashes a file and compares everything; gives the state in which all of it was right.
    fn file(&self, file: &File, row: &Row, carried: Carried) -> Result<Identity, CopyError> {
        let wrong = |what: &str| self.wrong(&row.path, what);
        let own = || format!("{}/{}", self.name, row.path);
        let stat = || rustix::fs::fstat(file).map_err(|e| CopyError::io("read", &own(), e.into()));
        if !self.synced {
            // What a deletion relies on is made durable first, and read from the disk after that.
            file.sync_all().map_err(|e| CopyError::io("sync", &own(), e))?;
        }
        // Advice only: a file system that ignores it still reads back what it has.
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
        let before = entry_of(row.path.clone(), &stat()?);
        if before.kind != Kind::File {
            return Err(wrong("it is not what the list says"));
        }
        if before.identity.size != row.size {
            return Err(wrong("its size is not what the list says"));
        }
        if let Some(what) = differs(&before, row, carried) {
            return Err(wrong(what));
        }
        if carried.xattrs && !has_xattrs(file, row) {
            return Err(wrong("its extended attributes are not what the list says"));
        }
        let hash = content_hash(file, row.size, &|| !self.watch.stop());
        if hash.is_none() && self.watch.stop() {
            return Err(CopyError::Stopped);
        }
        if hash.is_none() || row.sha256.as_deref().and_then(parse_hex) != hash {
            return Err(wrong("its content is not what was read from the source"));
        }
        if entry_of(row.path.clone(), &stat()?) != before {
            return Err(wrong("it changed while it was read"));
        }
        self.watch.advance(0, row.size);
        Ok(before.identity)
    }
}
