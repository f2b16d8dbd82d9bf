//! A file that is written piece by piece and gets its name only when it is whole and durable.
//!
//! Takes the path that the file will have; gives an [`OutputFile`] under a hidden name beside it, mode 0600. Directories
//! that lack above it are made. What a process that was killed has left there is removed when the next file is made. Must
//! not know what the file holds.
//! Invariant: nothing is ever replaced, and no file goes that a living process holds locked or that has another name.

use super::handle::{Dir, TreeError, is_missing};
use super::leftovers::{PART, part_name};
use super::lock::{FileLock, lock_open_file};
use super::naming::rename_noreplace;
use super::publish::hold;
use super::trusted_path::create_trusted_dir;
use super::walk::after_run_id;
use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How many names of a directory are looked at for what was left there.
const MAX_NAMES: usize = 10_000;

/// How often another name is tried, when what is new is taken for debris by another process.
const MAX_TRIES: usize = 10;

#[derive(Debug)]
pub struct OutputFile {
    dir: Dir,
    name: OsString,
    /// Its name until it is whole.
    temporary: String,
    file: File,
    published: bool,
}

impl OutputFile {
    /// Begins the file that will be at `path`, where nothing may be yet.
    pub fn create(path: &Path) -> Result<Self, TreeError> {
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(TreeError::at("create", path, Errno::INVAL));
        };
        let dir = create_trusted_dir(above)?;
        match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => return Err(TreeError::at("create", path, Errno::EXIST)),
            Err(Errno::NOENT) => {}
            Err(e) => return Err(TreeError::at("create", path, e)),
        }
        clear_debris(&dir);
        let fail = |e: Errno| TreeError::at("create a file in", above, e);
        for _ in 0..MAX_TRIES {
            let temporary = part_name(&ulid::Ulid::new().to_string(), KIND);
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(0o600);
            let fd = rustix::fs::openat(&dir, temporary.as_str(), flags, mode).map_err(fail)?;
            let made = Self {
                file: File::from(fd),
                dir: dir.try_clone()?,
                name: name.to_owned(),
                temporary,
                published: false,
            };
            // Until it was locked, another process may have taken it for debris: then it has lost its name.
            match hold(&made.file) {
                Ok(()) if made.is_in_place() => return Ok(made),
                Ok(()) | Err(Errno::WOULDBLOCK) => {}
                Err(e) => return Err(fail(e)),
            }
        }
        Err(fail(Errno::AGAIN))
    }

    fn is_in_place(&self) -> bool {
        let id = |stat: Stat| (stat.st_dev, stat.st_ino);
        let named = rustix::fs::statat(&self.dir, self.temporary.as_str(), AtFlags::SYMLINK_NOFOLLOW).map(id);
        named.is_ok() && named == rustix::fs::fstat(&self.file).map(id)
    }

    /// To write to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes it durable and gives it its name, which must still be free. Gives its size.
    pub fn publish(mut self) -> Result<u64, TreeError> {
        let path = self.dir.path_of(self.name.as_bytes());
        let fail = |call: &'static str, e: std::io::Error| TreeError::at(call, &path, e);
        offered(self.file.sync_all()).map_err(|e| fail("sync", e))?;
        let size = self.file.metadata().map_err(|e| fail("read", e))?.len();
        let (from, to) = (self.temporary.as_bytes(), self.name.as_bytes());
        rename_noreplace((&self.dir, from), (&self.dir, to)).map_err(|e| fail("create", e.into()))?;
        self.published = true;
        match self.dir.sync() {
            Err(e) if !e.errno().is_some_and(is_missing) => Err(e),
            _ => Ok(size),
        }
    }
}

/// A file system without syncs offers nothing better.
fn offered(done: std::io::Result<()>) -> std::io::Result<()> {
    match done {
        Err(e) if Errno::from_io_error(&e).is_some_and(is_missing) => Ok(()),
        done => done,
    }
}

impl Drop for OutputFile {
    #[expect(clippy::disallowed_methods, reason = "our own unfinished file")]
    fn drop(&mut self) {
        if !self.published && self.is_in_place() {
            // Best effort: what stays is removed when the next file is made.
            let _ = rustix::fs::unlinkat(&self.dir, self.temporary.as_str(), AtFlags::empty());
        }
    }
}

/// Among the private names: no backup copies the file, and no retention sees it.
const KIND: &str = "stdout";

fn is_temporary(name: &[u8]) -> bool {
    after_run_id(name) == Some(format!("{KIND}{PART}").as_bytes())
}

/// Removes what killed processes have left: of our names, of our user, and locked by no one. Best effort.
#[expect(clippy::disallowed_methods, reason = "our own unfinished files, their lock held")]
fn clear_debris(dir: &Dir) {
    let Ok(entries) = rustix::fs::Dir::read_from(dir) else {
        return;
    };
    let own = rustix::process::geteuid().as_raw();
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    for entry in entries.take(MAX_NAMES).filter_map(Result::ok) {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if !is_temporary(name.as_bytes()) {
            continue;
        }
        let Ok(fd) = rustix::fs::openat(dir, name, flags, Mode::empty()) else {
            continue;
        };
        let file = File::from(fd);
        let ours = file.metadata().is_ok_and(|meta| meta.is_file() && meta.uid() == own);
        if ours && let Ok(FileLock::Held(_lock)) = lock_open_file(dir, name.as_bytes(), &file) {
            let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::walk::is_ours;
    use super::*;
    use crate::path::RelPath;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_appears_whole_and_over_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("dumps/deep/a.sql");
        let made = OutputFile::create(&path).unwrap();
        made.file().write_all(b"all of it").unwrap();
        assert!(!path.exists());
        assert_eq!(made.publish().unwrap(), 9);
        assert_eq!(std::fs::read(&path).unwrap(), b"all of it");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let taken = OutputFile::create(&path).unwrap_err();
        assert_eq!(taken.errno(), Some(Errno::EXIST));

        let late = OutputFile::create(&temp.path().join("dumps/b")).unwrap();
        std::fs::write(temp.path().join("dumps/b"), "another's").unwrap();
        assert_eq!(late.publish().unwrap_err().errno(), Some(Errno::EXIST));
        assert_eq!(std::fs::read(temp.path().join("dumps/b")).unwrap(), b"another's");
        drop(OutputFile::create(&temp.path().join("dumps/c")).unwrap());
        assert_eq!(names(&temp.path().join("dumps")), ["b", "deep"]);
        std::os::unix::fs::symlink("nowhere", temp.path().join("link")).unwrap();
        let link = OutputFile::create(&temp.path().join("link")).unwrap_err();
        assert_eq!(link.errno(), Some(Errno::EXIST));
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_lives_stays() {
        let temp = tempfile::tempdir().unwrap();
        let living = OutputFile::create(&temp.path().join("a")).unwrap();
        let left = ".opsrun-01JD8Z3V6Q8X5Y7W9T2R4N6M8K-stdout.part";
        let others = [".opsrun-notes-stdout.part", ".opsrun-01JD8Z3V6Q8X5Y7W9T2R4N6M8K-7.part"];
        for name in others.iter().chain([&left]) {
            std::fs::write(temp.path().join(name), "x").unwrap();
        }
        let second = OutputFile::create(&temp.path().join("b")).unwrap();
        let mut wanted: Vec<String> = others.iter().map(|name| (*name).to_owned()).collect();
        wanted.extend([living.temporary.clone(), second.temporary.clone()]);
        wanted.sort();
        assert_eq!(names(temp.path()), wanted);
    }

    #[test]
    fn an_unfinished_file_is_no_part_of_a_source() {
        let temp = tempfile::tempdir().unwrap();
        let made = OutputFile::create(&temp.path().join("a")).unwrap();
        let name = RelPath::new(made.temporary.as_bytes()).unwrap();
        assert!(is_ours(&name), "{name}");
        made.publish().unwrap();
        assert!(!is_ours(&RelPath::new(b"a").unwrap()));
    }
}
