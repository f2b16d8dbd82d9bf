//! Files of a person that opsrun changes on request: an ops file that is formatted, repaired or created.
//!
//! Takes a path, what was read there and the new text; puts a finished file in its place, under the
//! same name, owner, mode and attributes. A symlink stays one: the file that it leads to is rewritten.
//! Must not know what the text means.
//! Invariant: at every moment the name leads to the whole old text or to the whole new one, and nothing is
//! replaced but the very text that was read.

use super::attributes::copy_xattrs;
use super::handle::{Dir, TreeError, identity_of, regular};
use super::lock::{FileLock, lock_open_file};
use super::naming::rename_noreplace;
use crate::clock;
use crate::entry::Identity;
use crate::path::shown;
use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("`{0}` was changed in the meantime")]
    Changed(String),
    #[error("`{0}` exists")]
    Exists(String),
    #[error("`{0}` is not a file that can be replaced")]
    NoFile(String),
    /// Its other names would go on leading to the old text.
    #[error("`{path}` has {links} names (hard links), and only one of them would be rewritten")]
    Linked { path: String, links: u32 },
    #[error("`{path}` belongs to user {uid} and group {gid}, and a new file cannot be given to them")]
    Owner { path: String, uid: u32, gid: u32 },
}

impl RewriteError {
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Tree(_) => None,
            Self::Changed(_) => Some("nothing was written; run it again"),
            Self::Exists(_) => Some("name another file, or replace it with --force"),
            Self::NoFile(_) => Some("give the text on stdin, as `-`"),
            Self::Linked { .. } => Some("give the text on stdin, as `-`, and write the result yourself"),
            Self::Owner { .. } => Some("run it as the user that the file belongs to"),
        }
    }
}

/// Replaces the text `old` of the file at `path` by `new`, durably.
///
/// Between the last look at the file and the renaming there is a moment in which another writer goes unnoticed: it is
/// as short as two calls.
#[expect(
    clippy::disallowed_methods,
    reason = "over the very file that was read, as its user asked"
)]
pub fn rewrite(path: &Path, old: &[u8], new: &[u8]) -> Result<(), RewriteError> {
    let real = std::fs::canonicalize(path).map_err(|e| TreeError::at("open", path, e))?;
    let (Some(above), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(RewriteError::NoFile(shown(path).to_string()));
    };
    let dir = Dir::open(above)?;
    // For writing, though nothing is written here: who may not change a file may not replace it.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fail = |call, e: Errno| TreeError::at(call, path, e);
    let file = match rustix::fs::openat(&dir, name, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::ISDIR | Errno::NXIO) => return Err(RewriteError::NoFile(shown(path).to_string())),
        Err(e) => return Err(fail("write", e).into()),
    };
    let stat = rustix::fs::fstat(&file).map_err(|e| fail("read", e))?;
    let Some(identity) = regular(&file).map_err(|e| TreeError::at("read", path, e))? else {
        return Err(RewriteError::NoFile(shown(path).to_string()));
    };
    if stat.st_nlink > 1 {
        return Err(RewriteError::Linked {
            path: shown(path).to_string(),
            links: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
        });
    }
    let mut draft = Fresh::create(&dir, 0o600)?;
    draft.write(new)?;
    draft.resemble(&file, path, &stat)?;
    draft.sync()?;
    let same = holds(&file, old).map_err(|e| TreeError::at("read", path, e))?;
    if !same || now_at(&dir, name) != Some(identity) {
        return Err(RewriteError::Changed(shown(path).to_string()));
    }
    rustix::fs::renameat(&dir, &draft.name, &dir, name).map_err(|e| fail("replace", e))?;
    draft.gone = true;
    Ok(dir.sync()?)
}

/// Makes the file at `path` with this text, durably. What is there already stays.
pub fn write_new(path: &Path, text: &[u8], mode: u32) -> Result<(), RewriteError> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let Some(name) = path.file_name() else {
        return Err(RewriteError::NoFile(shown(path).to_string()));
    };
    let dir = Dir::open(above.unwrap_or(Path::new(".")))?;
    let mut draft = Fresh::create(&dir, mode)?;
    draft.write(text)?;
    draft.sync()?;
    match rename_noreplace((&dir, draft.name.as_bytes()), (&dir, name.as_bytes())) {
        Ok(()) => draft.gone = true,
        Err(Errno::EXIST) => return Err(RewriteError::Exists(shown(path).to_string())),
        Err(e) => return Err(TreeError::at("create", path, e).into()),
    }
    Ok(dir.sync()?)
}

/// True when an open file holds exactly this. Read from its beginning.
fn holds(file: &File, text: &[u8]) -> std::io::Result<bool> {
    let mut found = Vec::with_capacity(text.len() + 1);
    file.take(text.len() as u64 + 1).read_to_end(&mut found)?;
    Ok(found == text)
}

/// What the name leads to at this moment.
fn now_at(dir: &Dir, name: &OsStr) -> Option<Identity> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(identity_of(&stat))
}

/// An unfinished file beside the one that it will replace. It is removed when dropped unfinished.
struct Fresh<'a> {
    dir: &'a Dir,
    name: OsString,
    file: File,
    gone: bool,
}

impl<'a> Fresh<'a> {
    /// Hidden, and of a name that no pattern for ops files matches.
    fn create(dir: &'a Dir, mode: u32) -> Result<Self, TreeError> {
        let name = OsString::from(format!(".opsrun-{}.tmp", ulid::Ulid::new()));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        sweep(dir);
        let fd = rustix::fs::openat(dir, &name, flags, Mode::from_raw_mode(mode))
            .map_err(|e| TreeError::at("create a file in", dir.path(), e))?;
        // Held as long as this process lives: who finds the file free of it finds debris. Where locks do not work, none is
        // taken for debris either.
        let _ = rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive);
        Ok(Self {
            dir,
            name,
            file: File::from(fd),
            gone: false,
        })
    }

    fn error(&self, call: &'static str, source: impl Into<std::io::Error>) -> TreeError {
        TreeError::at(call, &self.dir.path().join(&self.name), source)
    }

    fn write(&mut self, text: &[u8]) -> Result<(), TreeError> {
        self.file.write_all(text).map_err(|e| self.error("write", e))
    }

    fn sync(&self) -> Result<(), TreeError> {
        self.file.sync_all().map_err(|e| self.error("sync", e))
    }

    /// Owner first, whose change clears bits of the mode; then attributes, lists of rights among them; then the mode.
    fn resemble(&self, old: &File, path: &Path, stat: &rustix::fs::Stat) -> Result<(), RewriteError> {
        let own = rustix::fs::fstat(&self.file).map_err(|e| self.error("read", e))?;
        if (own.st_uid, own.st_gid) != (stat.st_uid, stat.st_gid) {
            let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            rustix::fs::fchown(&self.file, Some(uid), Some(gid)).map_err(|_| RewriteError::Owner {
                path: shown(path).to_string(),
                uid: stat.st_uid,
                gid: stat.st_gid,
            })?;
        }
        copy_xattrs(old, &self.file);
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        Ok(rustix::fs::fchmod(&self.file, mode).map_err(|e| self.error("set the mode of", e))?)
    }
}

/// So long a file is left alone: between making one and locking it lies a moment.
const YOUNG: Duration = Duration::from_secs(60);
/// How many names of a directory are looked at.
const MOST_NAMES: usize = 10_000;

/// Removes what writers that were killed have left beside the file: of our names, of our user, old enough, and locked by
/// no one. Best effort.
#[expect(clippy::disallowed_methods, reason = "our own unfinished files, their lock held")]
fn sweep(dir: &Dir) {
    let Ok(entries) = rustix::fs::Dir::read_from(dir) else {
        return;
    };
    let own = rustix::process::geteuid().as_raw();
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    for entry in entries.take(MOST_NAMES).filter_map(Result::ok) {
        let name = entry.file_name();
        if !is_fresh(name.to_bytes()) {
            continue;
        }
        let Ok(fd) = rustix::fs::openat(dir, name, flags, Mode::empty()) else {
            continue;
        };
        let file = File::from(fd);
        let Ok(meta) = file.metadata() else {
            continue;
        };
        let now = SystemTime::from(clock::now());
        let age = meta.modified().ok().and_then(|at| now.duration_since(at).ok());
        let ours = meta.is_file() && meta.uid() == own && meta.nlink() == 1;
        if ours
            && age.is_some_and(|age| age > YOUNG)
            && let Ok(FileLock::Held(_lock)) = lock_open_file(dir, name.to_bytes(), &file)
        {
            let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
        }
    }
}

/// `.opsrun-<ULID>.tmp`.
fn is_fresh(name: &[u8]) -> bool {
    let name = std::str::from_utf8(name).unwrap_or_default();
    let id = name.strip_prefix(".opsrun-").and_then(|name| name.strip_suffix(".tmp"));
    id.is_some_and(|id| id.len() == 26 && ulid::Ulid::from_string(id).is_ok())
}

impl Drop for Fresh<'_> {
    #[expect(clippy::disallowed_methods, reason = "our own unfinished file")]
    fn drop(&mut self) {
        if !self.gone {
            // Best effort: a hidden file with the text that was to be written is all that stays.
            let _ = rustix::fs::unlinkat(self.dir, &self.name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn place(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("ops.kdl");
        std::fs::write(&path, text).unwrap();
        (temp, path)
    }

    fn only_one(dir: &Path) {
        let names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["ops.kdl"]);
    }

    #[test]
    fn the_new_file_is_as_the_old_one_but_for_its_text() {
        let (temp, path) = place("old");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let labelled = xattr::set(&path, "user.note", b"kept").is_ok();
        rewrite(&path, b"old", b"newer").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"newer");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        if labelled {
            assert_eq!(xattr::get(&path, "user.note").unwrap().unwrap(), b"kept");
        }
        only_one(temp.path());
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_stays() {
        for text in ["other", "ol", "old and more", ""] {
            let (temp, path) = place(text);
            assert!(matches!(rewrite(&path, b"old", b"new"), Err(RewriteError::Changed(_))));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            only_one(temp.path());
        }
    }

    #[test]
    fn a_symlink_stays_one() {
        let (temp, path) = place("old");
        let other = tempfile::tempdir().unwrap();
        let link = other.path().join("link.kdl");
        symlink(&path, &link).unwrap();
        rewrite(&link, b"old", b"new").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        only_one(temp.path());
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_plain_file_of_one_name_is_refused() {
        let (temp, path) = place("old");
        assert!(matches!(
            rewrite(temp.path(), b"", b"new"),
            Err(RewriteError::NoFile(_))
        ));
        std::fs::hard_link(&path, temp.path().join("b")).unwrap();
        assert!(matches!(
            rewrite(&path, b"old", b"new"),
            Err(RewriteError::Linked { links: 2, .. })
        ));
        let pipe = temp.path().join("p");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::from_raw_mode(0o600)).unwrap();
        assert!(matches!(rewrite(&pipe, b"", b"new"), Err(RewriteError::NoFile(_))));
        assert!(matches!(
            rewrite(&temp.path().join("gone"), b"", b"new"),
            Err(RewriteError::Tree(_))
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 3);
    }

    #[test]
    fn what_a_killed_writer_left_goes_and_nothing_else_does() {
        let (temp, path) = place("old");
        let made = |name: &str, old: bool| {
            let path = temp.path().join(name);
            std::fs::write(&path, "x").unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            if old {
                file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            }
            (path, file)
        };
        let (stale, _) = made(".opsrun-01JD8Z3V6Q8X5Y7W9T2R4N6M8K.tmp", true);
        let (held, holder) = made(".opsrun-01JD8Z3V6Q8X5Y7W9T2R4N6M8M.tmp", true);
        rustix::fs::flock(&holder, FlockOperation::LockExclusive).unwrap();
        let (young, _) = made(".opsrun-01JD8Z3V6Q8X5Y7W9T2R4N6M8N.tmp", false);
        let (other, _) = made(".opsrun-notes.tmp", true);
        rewrite(&path, b"old", b"new").unwrap();
        assert!(!stale.exists());
        assert!(held.exists() && young.exists() && other.exists());
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_new_file_never_takes_the_place_of_another() {
        let (temp, path) = place("old");
        assert!(matches!(write_new(&path, b"new", 0o600), Err(RewriteError::Exists(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        only_one(temp.path());
        let fresh = temp.path().join("fresh.kdl");
        write_new(&fresh, b"new", 0o600).unwrap();
        assert_eq!(std::fs::read(&fresh).unwrap(), b"new");
        let dangling = temp.path().join("dangling");
        symlink("nowhere", &dangling).unwrap();
        assert!(matches!(
            write_new(&dangling, b"new", 0o600),
            Err(RewriteError::Exists(_))
        ));
    }
}
