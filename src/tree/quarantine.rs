//! Taking a name away, looking at what was taken, and only then removing it.
//!
//! Linux cannot unlink "only if it is this inode". So a file that may go is opened, compared with what was
//! proven, leased, renamed (never over anything) into a private directory that only we write to, compared
//! again, and unlinked there or put back. An index of names is durable before the first rename, so that
//! whatever interrupts us, the next run can put back what is left.
//!
//! Where the kernel cannot rename "never over anything" (FUSE, NFS), a plain rename takes the name away: into the private
//! directory, which this run has made, under a name that nothing has. To put it back the file then gets its old name by
//! `linkat`, never over anything, before it loses the other one. Where files have one name only, nothing is taken away.
//!
//! Between the last look and the unlink the process may be stopped for longer than a lease holds off a writer (a frozen
//! container, a suspended machine). So the open file is looked at once more after the unlink: what a writer changed in it
//! is written back under its name.
//!
//! Takes the source's handle and [`ExpectedFile`] states, gives a [`Removal`] for each. Knows nothing of copies
//! but the name that it writes into the index.
//! Invariant: a file is unlinked only while its open handle, its quarantined name and the expected state agree.

mod late_writer;

use super::handle::{Dir, Opener, TreeError, content_hash, identity_of, is_missing, regular};
use super::lease::{self, Lease};
use super::leftovers::PART;
use super::naming::{Given, give_back, in_one_step, second_name};
use super::walk::QUARANTINE;
use crate::clock::Stopwatch;
use crate::entry::Identity;
use crate::keep_reason::KeepReason;
use crate::path::RelPath;
use crate::units::hex;
use late_writer::{LEASE_TIME, late_writer, write_back};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Name of the index in a run's quarantine.
pub(super) const INDEX: &str = "index.jsonl";

/// How long to wait for names that the file system drops by itself; then the next run removes the directory.
const DROP_TIME: Duration = Duration::from_secs(1);

/// A second name of the index: the trial of whether files can have two.
const INDEX_LINK: &str = "index.jsonl.link";

/// One line of the index: where the quarantined file `<n>.q` belongs, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexLine {
    /// Number of the file in this run.
    pub n: u64,
    /// Where it was, relative to the source.
    pub path: RelPath,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    pub copy: String,
    /// The directory that held it: another one under its name proves nothing.
    pub dir: Option<DirIdentity>,
}

/// Identifies a directory across restarts; device numbers do not survive them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirIdentity {
    /// On the file system of the source itself.
    pub inside: bool,
    pub ino: u64,
}

impl DirIdentity {
    /// Of a directory below `source`.
    pub fn of(dir: &Dir, source: &Dir) -> Result<Self, TreeError> {
        let ((dev, ino), (root, _)) = (dir.id()?, source.id()?);
        Ok(Self {
            inside: dev == root,
            ino,
        })
    }
}

/// The state in which a file may go.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedFile<'a> {
    pub path: &'a RelPath,
    pub identity: Identity,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Require a lease: no process may have it open for writing.
    pub lease: bool,
}

/// What became of a file that was to go.
#[derive(Debug)]
pub enum Removal {
    /// It is gone. For an inode with more names: its state now, in which the others may go.
    Gone(Option<Identity>),
    /// It is where it was.
    Kept(KeepReason),
    /// It is in quarantine, since its old name was taken meanwhile or could not be given back.
    Stuck(TreeError),
}

/// The quarantine of one run in one source.
#[derive(Debug)]
pub struct Quarantine<'a> {
    source: &'a Dir,
    cross_mounts: bool,
    run: String,
    top: Dir,
    place: Dir,
    index: File,
    next: u64,
    /// Directories that hold quarantined names of their own, to be synced at the end.
    elsewhere: BTreeSet<Box<[u8]>>,
    stuck: bool,
    /// Whether this run made `place`: nothing is in it that it does not know.
    fresh: bool,
    /// Files can have two names, where that had to be tried.
    links: Option<bool>,
    remarks: Vec<String>,
}

impl<'a> Quarantine<'a> {
    /// Makes `<source>/.opsrun-quarantine/<run>/` with an empty index, all durable.
    pub fn open(source: &'a Dir, run: &str, cross_mounts: bool) -> Result<Self, TreeError> {
        source.make_dir(QUARANTINE, 0o700)?;
        let top = source.open_dir(QUARANTINE, false)?;
        private(&top)?;
        let fresh = top.make_dir(run.as_bytes(), 0o700)?;
        let place = top.open_dir(run.as_bytes(), false)?;
        private(&place)?;
        let path = place.path().join(INDEX);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let index = rustix::fs::openat(&place, INDEX, flags, Mode::from_raw_mode(0o600))
            .map_err(|e| TreeError::at("create", &path, e))?;
        if let Err(e) = place.sync().and_then(|()| top.sync()).and_then(|()| source.sync()) {
            // Nothing was taken away yet. What stays is put in order by the next run.
            let _ = remove_index(&place).and_then(|()| remove_dir(&top, run.as_bytes()));
            let _ = remove_dir(source, QUARANTINE);
            return Err(e);
        }
        Ok(Self {
            source,
            cross_mounts,
            run: run.to_owned(),
            top,
            place,
            index: File::from(index),
            next: 0,
            elsewhere: BTreeSet::new(),
            stuck: false,
            fresh,
            links: None,
            remarks: Vec::new(),
        })
    }

    /// What is to be reported of the removals since the last call, in words.
    pub fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// Writes down, durably, what will be quarantined. Gives the number of the first; the rest follow.
    pub fn announce<'i>(
        &mut self,
        items: impl Iterator<Item = (&'i RelPath, [u8; 32], &'i str)>,
    ) -> Result<u64, TreeError> {
        let first = self.next;
        let mut text = Vec::new();
        let mut opener = Opener::new(self.source, self.cross_mounts);
        for (path, sha256, copy) in items {
            let line = IndexLine {
                n: self.next,
                path: path.clone(),
                sha256: hex(&sha256),
                copy: copy.to_owned(),
                dir: opener.dir(path).and_then(|dir| DirIdentity::of(dir, self.source)).ok(),
            };
            serde_json::to_writer(&mut text, &line).map_err(|e| self.index_error("write", e.into()))?;
            text.push(b'\n');
            self.next += 1;
        }
        self.index.write_all(&text).map_err(|e| self.index_error("write", e))?;
        self.index.sync_all().map_err(|e| self.index_error("sync", e))?;
        Ok(first)
    }

    /// Removes one announced file, or says why not.
    pub fn remove(&mut self, n: u64, expected: &ExpectedFile<'_>) -> Removal {
        match self.try_remove(n, expected) {
            Ok(removal) => removal,
            Err(reason) => Removal::Kept(reason),
        }
    }

    fn try_remove(&mut self, n: u64, expected: &ExpectedFile<'_>) -> Result<Removal, KeepReason> {
        // The path is opened again for every file: a directory that was moved away takes its files along.
        let parent = expected.path.parent();
        let parent = parent.as_ref().map_or(&[][..], RelPath::as_bytes);
        let (source, cross_mounts) = (self.source, self.cross_mounts);
        let dir = &source.open_dir(parent, cross_mounts).map_err(|e| reason_of_open(&e))?;
        let name = expected.path.name();
        let file = dir.open_file(name, self.cross_mounts).map_err(|e| reason_of_open(&e))?;
        let unchanged = || match regular(&file) {
            Ok(Some(identity)) => identity == expected.identity,
            _ => false,
        };
        if !unchanged() {
            return Err(KeepReason::Changed);
        }
        let lease = match expected.lease.then(|| Lease::take(&file)) {
            None => None,
            Some(Ok(lease)) => Some(lease),
            Some(Err(lease::Refused::InUse)) => return Err(KeepReason::InUse),
            Some(Err(lease::Refused::Denied | lease::Refused::Failed(_))) => return Err(KeepReason::LeaseDenied),
        };
        // Times alone prove nothing: a page that was mapped and dirty can be written to again without moving any
        // of them, clocks are coarse, and some file systems keep whole seconds. What goes is read once more.
        let undisturbed = || lease.as_ref().is_none_or(Lease::unbroken);
        match content_hash(&file, expected.identity.size, &undisturbed) {
            Some(hash) if hash == expected.sha256 && unchanged() => {}
            _ if !undisturbed() => return Err(KeepReason::InUse),
            _ => return Err(KeepReason::Changed),
        }
        let since = Stopwatch::set();

        let (there, quarantined) = match self.take(dir, expected.path, n) {
            Err(Untaken::NoReplace) => (Place::Private, self.take_plainly(dir, expected.path, n)?),
            Err(Untaken::Kept(reason)) => return Err(reason),
            Ok(taken) => taken,
        };
        let taken = QuarantinedFile {
            dir: if there == Place::Private { &self.place } else { dir },
            name: quarantined,
        };
        let in_place = || match (source.open_dir(parent, cross_mounts).and_then(|d| d.id()), dir.id()) {
            (Ok(now), Ok(then)) => now == then,
            _ => false,
        };
        let verdict = if !taken.is(&file, expected) || !in_place() {
            Err(KeepReason::Changed)
        } else if lease.is_some() && !(undisturbed() && since.elapsed() < LEASE_TIME) {
            Err(KeepReason::InUse)
        } else {
            taken.unlink().map_err(|_| KeepReason::NotPermitted)
        };
        match verdict {
            Ok(()) => {
                if let Some(writer) = late_writer(&file, (&expected.identity, expected.sha256), lease, since) {
                    let back = write_back(&file, taken.dir, &taken.name).and_then(|()| taken.put_back(dir, name));
                    self.remarks.push(format!("`{}` {}", expected.path, writer.remark()));
                    return Ok(match back {
                        Ok(()) => Removal::Kept(KeepReason::InUse),
                        Err(error) => {
                            self.stuck = true;
                            Removal::Stuck(error)
                        }
                    });
                }
                // The new ctime is our own doing; the content is compared again before another name goes.
                let after = rustix::fs::fstat(&file)
                    .ok()
                    .filter(|s| s.st_nlink > 0)
                    .map(|s| identity_of(&s));
                let same = |i: &Identity| i.size == expected.identity.size && i.mtime_ns == expected.identity.mtime_ns;
                Ok(Removal::Gone(after.filter(same)))
            }
            Err(reason) => match taken.put_back(dir, name) {
                Ok(()) => Err(reason),
                Err(error) => {
                    self.stuck = true;
                    Ok(Removal::Stuck(error))
                }
            },
        }
    }

    fn take(&mut self, dir: &Dir, path: &RelPath, n: u64) -> Result<(Place, String), Untaken> {
        let from = (dir, path.name());
        let there = format!("{n}.q");
        match done_at_last(in_one_step(from, (&self.place, there.as_bytes())), &self.place, &there) {
            Ok(()) => return Ok((Place::Private, there)),
            Err(Errno::XDEV | Errno::ACCESS | Errno::PERM) => {}
            Err(e) => return Err(Untaken::of(e)),
        }
        let beside = beside(&self.run, n);
        done_at_last(in_one_step(from, (dir, beside.as_bytes())), dir, &beside).map_err(Untaken::of)?;
        let parent = path.parent().map(|p| p.as_bytes().into()).unwrap_or_default();
        self.elsewhere.insert(parent);
        Ok((Place::Beside, beside))
    }

    /// Where no rename spares what has the new name: into the directory that this run made, to a name that is free there.
    #[expect(
        clippy::disallowed_methods,
        reason = "takes a user's file away, to a free name in our own private directory"
    )]
    fn take_plainly(&mut self, dir: &Dir, path: &RelPath, n: u64) -> Result<String, KeepReason> {
        let there = format!("{n}.q");
        let links = match self.links {
            Some(links) => links,
            None => self.try_links(),
        };
        if !links || !self.fresh || self.place.has(there.as_bytes()).unwrap_or(true) {
            return Err(KeepReason::NotPermitted);
        }
        let name = OsStr::from_bytes(path.name());
        let renamed = rustix::fs::renameat(dir, name, &self.place, there.as_str());
        match done_at_last(renamed, &self.place, &there) {
            Ok(()) => Ok(there),
            Err(e) => {
                if e == Errno::XDEV {
                    self.remark_once(NO_PLACE);
                }
                Err(reason_of_rename(e))
            }
        }
    }

    /// Whether a file can be put back: tried with the index.
    fn try_links(&mut self) -> bool {
        let links = second_name((&self.place, INDEX.as_bytes()), (&self.place, INDEX_LINK.as_bytes())).is_ok();
        self.links = Some(links);
        if !links {
            self.remark_once(NO_LINKS);
        }
        links
    }

    fn remark_once(&mut self, remark: &str) {
        if !self.remarks.iter().any(|known| known == remark) {
            self.remarks.push(remark.to_owned());
        }
    }

    /// Makes the removals durable. What was announced and is not in quarantine is gone or in place for good.
    pub fn sync(&self) -> Result<(), TreeError> {
        self.place.sync()?;
        for parent in &self.elsewhere {
            match self.source.open_dir(parent, self.cross_mounts) {
                Ok(dir) => dir.sync()?,
                Err(e) if e.errno() == Some(Errno::NOENT) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Removes index and directories, unless something is stuck. To be called after [`Self::sync`], and after
    /// everything that could need the index is durable elsewhere.
    pub fn close(self) -> Result<(), TreeError> {
        if self.stuck {
            return Ok(());
        }
        let Self {
            source,
            run,
            top,
            place,
            index,
            ..
        } = self;
        drop(index);
        forget(source, &top, &place, &run)
    }

    fn index_error(&self, call: &'static str, e: std::io::Error) -> TreeError {
        TreeError::at(call, &self.place.path().join(INDEX), e)
    }
}

/// Network file systems and FUSE may do what was asked, lose the answer, and fail, or ask twice and find nothing the second
/// time. The new name, which is ours alone, shows it.
fn done_at_last(renamed: Result<(), Errno>, dir: &Dir, new: &str) -> Result<(), Errno> {
    match renamed {
        Err(e) if e != Errno::EXIST && !is_missing(e) && dir.has(new.as_bytes()).unwrap_or(false) => Ok(()),
        renamed => renamed,
    }
}

/// Reported once in a run.
const NO_LINKS: &str = "no file can be taken away safely in the source: its file system has neither RENAME_NOREPLACE nor hard \
                        links";
const NO_PLACE: &str = "files on a file system mounted below the source stay: it has no RENAME_NOREPLACE, and the quarantine is \
                        on another one";

/// Why a file was not taken away.
enum Untaken {
    Kept(KeepReason),
    /// The file system has no rename that spares what has the new name.
    NoReplace,
}

impl Untaken {
    fn of(e: Errno) -> Self {
        if is_missing(e) {
            Self::NoReplace
        } else {
            Self::Kept(reason_of_rename(e))
        }
    }
}

/// Where what was taken away lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the private directory.
    Private,
    /// In the directory that held it.
    Beside,
}

pub(super) struct QuarantinedFile<'d> {
    pub(super) dir: &'d Dir,
    pub(super) name: String,
}

impl QuarantinedFile<'_> {
    /// Is what was taken the file that is held open, still in the expected state? (Its ctime moved: by the rename.)
    fn is(&self, held: &File, expected: &ExpectedFile<'_>) -> bool {
        let (Ok(name), Ok(held)) = (
            rustix::fs::statat(self.dir, self.name.as_str(), AtFlags::SYMLINK_NOFOLLOW),
            rustix::fs::fstat(held),
        ) else {
            return false;
        };
        let (name, held, want) = (identity_of(&name), identity_of(&held), expected.identity);
        let agree = |a: &Identity| (a.dev, a.ino, a.size, a.mtime_ns) == (want.dev, want.ino, want.size, want.mtime_ns);
        agree(&name) && agree(&held)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that removes a user's file, proven and quarantined, or with its old name again"
    )]
    fn unlink(&self) -> Result<(), TreeError> {
        match rustix::fs::unlinkat(self.dir, self.name.as_str(), AtFlags::empty()) {
            // The answer was lost, not the call.
            Err(_) if self.dir.has(self.name.as_bytes()).is_ok_and(|there| !there) => Ok(()),
            Err(e) => Err(TreeError::at("remove", &self.dir.path().join(&self.name), e)),
            Ok(()) => Ok(()),
        }
    }

    /// Gives it its own name back; never over anything.
    pub(super) fn put_back(&self, dir: &Dir, name: &[u8]) -> Result<(), TreeError> {
        let given = match give_back((self.dir, self.name.as_bytes()), (dir, name)) {
            // A process died between giving the one name and dropping the other.
            Err(Errno::EXIST) if self.is_also(dir, name) => Ok(Given::Both),
            given => given,
        };
        let given = given.map_err(|e| TreeError::at("put back", &dir.path_of(name), e))?;
        // Its content may be in no copy: both ends of the way back are made durable, the new one first.
        dir.sync()?;
        if given == Given::Both {
            self.unlink()?;
        }
        self.dir.sync()
    }

    /// Whether the file has this name too.
    fn is_also(&self, dir: &Dir, name: &[u8]) -> bool {
        let id = |dir: &Dir, name: &OsStr| {
            let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
            stat.map(|stat| (stat.st_dev, stat.st_ino, stat.st_nlink > 1))
        };
        let (here, there) = (id(self.dir, OsStr::new(&self.name)), id(dir, OsStr::from_bytes(name)));
        matches!((here, there), (Ok(here), Ok(there)) if here == there && here.2)
    }
}

pub(super) fn forget(source: &Dir, top: &Dir, place: &Dir, run: &str) -> Result<(), TreeError> {
    // Whatever was thought to have become of it: only the index says where it belongs.
    let files = place.names()?;
    if let Some(name) = files.iter().find(|name| is_taken(name)) {
        let why = "it is in quarantine still; the next run puts it back";
        return Err(TreeError::at(
            "forget",
            &place.path_of(name),
            std::io::Error::other(why),
        ));
    }
    remove_index(place)?;
    wait_for_dropped_names(place);
    remove_dir(top, run.as_bytes())?;
    top.sync()?;
    // Another run's quarantine may be there still.
    remove_dir(source, QUARANTINE)?;
    source.sync()
}

/// Not what a file system keeps of a file that was removed while it was open.
fn is_taken(name: &[u8]) -> bool {
    name.ends_with(b".q") || name.ends_with(PART.as_bytes())
}

/// FUSE and NFS give a file that is removed while it is open a hidden name, and drop that some time after it was closed.
fn wait_for_dropped_names(place: &Dir) {
    let hidden = |name: &[u8]| name.starts_with(b".fuse_hidden") || name.starts_with(b".nfs");
    let since = Stopwatch::set();
    while since.elapsed() < DROP_TIME && place.names().is_ok_and(|names| names.iter().any(|n| hidden(n))) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[expect(clippy::disallowed_methods, reason = "our own index")]
fn remove_index(place: &Dir) -> Result<(), TreeError> {
    for name in [INDEX_LINK, INDEX] {
        match rustix::fs::unlinkat(place, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(TreeError::at("remove", &place.path().join(name), e)),
        }
    }
    Ok(())
}

/// Removes an empty directory; one that is not empty, or not there, is left as it is. Says whether it went.
#[expect(clippy::disallowed_methods, reason = "the kernel removes only empty directories")]
pub(super) fn remove_dir(dir: &Dir, name: &[u8]) -> Result<bool, TreeError> {
    match rustix::fs::unlinkat(dir, OsStr::from_bytes(name), AtFlags::REMOVEDIR) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(e) => Err(TreeError::at("remove the directory", &dir.path_of(name), e)),
    }
}

/// Removes the directory at `path` below `source` if it is empty. Says whether it went.
pub fn remove_empty_dir(source: &Dir, path: &RelPath, cross_mounts: bool) -> Result<bool, TreeError> {
    let parent = path.parent();
    let dir = source.open_dir(parent.as_ref().map_or(&[], RelPath::as_bytes), cross_mounts)?;
    remove_dir(&dir, path.name())
}

/// Rejects a directory that another user made or may write to: its files could be planted.
pub(super) fn private(dir: &Dir) -> Result<(), TreeError> {
    let stat = rustix::fs::fstat(dir).map_err(|e| TreeError::at("read", dir.path(), e))?;
    // No bit of group or others, the lowest six, is set.
    let own = stat.st_uid == rustix::process::geteuid().as_raw();
    if own && stat.st_mode.trailing_zeros() >= 6 {
        return Ok(());
    }
    let why = format!(
        "it belongs to user {} with mode {:o}; run as that user, or look at it and remove it",
        stat.st_uid,
        stat.st_mode & 0o7777
    );
    Err(TreeError::at("use", dir.path(), std::io::Error::other(why)))
}

pub(super) fn beside(run: &str, n: u64) -> String {
    format!(".opsrun-{run}-{n}.q")
}

fn reason_of_open(e: &TreeError) -> KeepReason {
    match e.errno() {
        Some(Errno::NOENT) => KeepReason::Vanished,
        // A symlink, a mount or another file has replaced the listed directory.
        Some(Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::NXIO) => KeepReason::Changed,
        _ => KeepReason::Unreadable,
    }
}

fn reason_of_rename(e: Errno) -> KeepReason {
    match e {
        Errno::NOENT => KeepReason::Vanished,
        _ => KeepReason::NotPermitted,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests play the part of other programs")]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::fs;
    use std::path::Path;

    type Change<'a> = (&'a str, &'a dyn Fn(&Path));

    const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn quiet_sigio() {
        let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGIO, flag).unwrap();
    }

    fn rel(path: &str) -> RelPath {
        RelPath::new(path.as_bytes()).unwrap()
    }

    fn expected<'a>(root: &Path, path: &'a RelPath) -> ExpectedFile<'a> {
        let file = File::open(root.join(path.as_path())).unwrap();
        ExpectedFile {
            path,
            identity: regular(&file).unwrap().unwrap(),
            sha256: Sha256::digest(fs::read(root.join(path.as_path())).unwrap()).into(),
            lease: true,
        }
    }

    fn setup() -> (tempfile::TempDir, Dir) {
        quiet_sigio();
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("d")).unwrap();
        fs::write(temp.path().join("d/f"), "content").unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        (temp, dir)
    }

    fn remove(dir: &Dir, expected: &ExpectedFile<'_>) -> Removal {
        let mut quarantine = Quarantine::open(dir, RUN, false).unwrap();
        let n = quarantine
            .announce([(expected.path, expected.sha256, "copy")].into_iter())
            .unwrap();
        let removal = quarantine.remove(n, expected);
        quarantine.sync().unwrap();
        quarantine.close().unwrap();
        removal
    }

    #[test]
    fn removes_exactly_what_was_proven_and_leaves_no_trace() {
        let (temp, dir) = setup();
        let path = rel("d/f");
        let expected = expected(temp.path(), &path);
        assert!(matches!(remove(&dir, &expected), Removal::Gone(None)));
        assert!(!temp.path().join("d/f").exists());
        assert_eq!(dir.names().unwrap(), [Box::from(&b"d"[..])]);
    }

    #[test]
    fn keeps_what_changed_in_any_way() {
        let path = rel("d/f");
        let change: [Change<'_>; 5] = [
            ("content", &|f| fs::write(f, "CONTENT").unwrap()),
            ("length", &|f| fs::write(f, "content and more").unwrap()),
            ("inode", &|f| {
                fs::write(f.with_file_name("g"), "content").unwrap();
                fs::rename(f.with_file_name("g"), f).unwrap();
            }),
            ("kind", &|f| {
                fs::rename(f, f.with_file_name("real")).unwrap();
                std::os::unix::fs::symlink("real", f).unwrap();
            }),
            ("mode", &|f| {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(f, fs::Permissions::from_mode(0o600)).unwrap();
            }),
        ];
        for (what, change) in change {
            let (temp, dir) = setup();
            let mut expected = expected(temp.path(), &path);
            change(&temp.path().join("d/f"));
            // Even with the times made equal, as a careless tool would.
            if what == "content" {
                let now = File::open(temp.path().join("d/f")).unwrap();
                let now = regular(&now).unwrap().unwrap();
                expected.identity.mtime_ns = now.mtime_ns;
                expected.identity.ctime_ns = now.ctime_ns;
            } else if what == "mode" {
                expected.identity.ctime_ns -= 1;
            }
            assert!(
                matches!(remove(&dir, &expected), Removal::Kept(KeepReason::Changed)),
                "{what}"
            );
            assert!(temp.path().join("d/f").exists(), "{what}");
        }
    }

    #[test]
    fn keeps_what_a_writer_has_open() {
        let (temp, dir) = setup();
        let path = rel("d/f");
        let expected = expected(temp.path(), &path);
        let writer = fs::OpenOptions::new()
            .append(true)
            .open(temp.path().join("d/f"))
            .unwrap();
        assert!(matches!(remove(&dir, &expected), Removal::Kept(KeepReason::InUse)));
        drop(writer);
        assert!(temp.path().join("d/f").exists());
    }

    #[test]
    fn the_other_name_of_an_inode_may_follow() {
        let (temp, dir) = setup();
        fs::hard_link(temp.path().join("d/f"), temp.path().join("d/g")).unwrap();
        let (f, g) = (rel("d/f"), rel("d/g"));
        let (first, mut second) = (expected(temp.path(), &f), expected(temp.path(), &g));
        let Removal::Gone(Some(now)) = remove(&dir, &first) else {
            panic!("not gone, or its state is unknown");
        };
        second.identity = now;
        assert!(matches!(remove(&dir, &second), Removal::Gone(None)));
    }

    #[test]
    fn a_swapped_directory_leads_nowhere() {
        let (temp, dir) = setup();
        let path = rel("d/f");
        let expected = expected(temp.path(), &path);
        fs::rename(temp.path().join("d"), temp.path().join("e")).unwrap();
        std::os::unix::fs::symlink("e", temp.path().join("d")).unwrap();
        assert!(matches!(remove(&dir, &expected), Removal::Kept(KeepReason::Changed)));
        assert!(temp.path().join("e/f").exists());
    }
}
