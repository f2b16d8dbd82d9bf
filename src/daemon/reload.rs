//! Changes of the ops file, and of the zone files that it relies on.
//!
//! Takes the files of the current model, gives whether they changed. Directories of imported files are included, so that
//! new files are noticed. A file that is still being written is checked again.
//! Invariant: the current model is replaced as a whole by a valid one, or stays in force.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The ops file, read again.
#[derive(Debug)]
pub enum Reload {
    Valid(Box<crate::model::Model>),
    Invalid {
        message: String,
        /// The findings, for people; may be empty.
        findings: String,
    },
}

/// Device, inode, size and modification time; `None` if the file does not exist.
type FileStamp = Option<(u64, u64, u64, i64, i64)>;

#[derive(Debug, Default)]
pub struct FileWatch {
    paths: Vec<PathBuf>,
    /// When they were read.
    read: Vec<FileStamp>,
    /// When they were last checked, if they differed.
    seen: Option<Vec<FileStamp>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    Same,
    /// They differ, and may still be being written: check again soon.
    Changing,
    /// They differ, and are stable.
    Changed,
}

impl FileWatch {
    /// `files`: the root first; `others` are files that it relies on. Watches also the directories of imported files, but not the directory of the root, in
    /// which unrelated files may change.
    pub fn new(files: &[PathBuf], others: &[PathBuf]) -> Self {
        let home = files.first().and_then(|root| root.parent());
        let directories = files.iter().filter_map(|file| file.parent());
        let directories = directories.filter(|dir| Some(*dir) != home).map(Path::to_owned);
        let paths: BTreeSet<PathBuf> = files.iter().chain(others).cloned().chain(directories).collect();
        let mut watch = Self {
            paths: paths.into_iter().collect(),
            ..Self::default()
        };
        watch.read_now();
        watch
    }

    /// The files are read now: later changes count from here.
    pub fn read_now(&mut self) {
        self.read = self.stamps();
        self.seen = None;
    }

    pub fn check(&mut self) -> FileChange {
        let now = self.stamps();
        if now == self.read {
            self.seen = None;
            return FileChange::Same;
        }
        if self.seen.as_ref() == Some(&now) {
            return FileChange::Changed;
        }
        self.seen = Some(now);
        FileChange::Changing
    }

    fn stamps(&self) -> Vec<FileStamp> {
        let one = |path: &PathBuf| {
            let found = std::fs::metadata(path).ok()?;
            // The size of a directory has no meaning.
            let size = if found.is_dir() { 0 } else { found.size() };
            Some((found.dev(), found.ino(), size, found.mtime(), found.mtime_nsec()))
        };
        self.paths.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "another program removes the file")]
    fn a_change_counts_once_it_is_stable() {
        let dir = tempfile::tempdir().unwrap();
        let (file, more) = (dir.path().join("ops.kdl"), dir.path().join("conf.d/a.kdl"));
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        fs::write(&file, "a").unwrap();
        fs::write(&more, "a").unwrap();
        let mut watch = FileWatch::new(&[file.clone(), more], &[]);
        assert_eq!(watch.check(), FileChange::Same);
        fs::write(&file, "ab").unwrap();
        assert_eq!(watch.check(), FileChange::Changing);
        fs::write(&file, "abc").unwrap();
        assert_eq!(watch.check(), FileChange::Changing);
        assert_eq!(watch.check(), FileChange::Changed);
        watch.read_now();
        assert_eq!(watch.check(), FileChange::Same);
        fs::write(dir.path().join("log"), "").unwrap();
        assert_eq!(watch.check(), FileChange::Same, "an unrelated file");
        fs::write(dir.path().join("conf.d/b.kdl"), "").unwrap();
        assert_eq!(watch.check(), FileChange::Changing, "a new import");
        watch.read_now();
        fs::remove_file(&file).unwrap();
        assert_eq!(watch.check(), FileChange::Changing);
        assert_eq!(watch.check(), FileChange::Changed);
    }
}
