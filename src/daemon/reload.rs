//! Has an ops file changed, and what becomes of the plan then?
//!
//! Takes the files that the plan was read from, gives whether they look as they did. Directories of imported files are
//! looked at too, so that one that joins them is noticed. What is half written when it is seen is looked at again.
//! Invariant: the plan in force is replaced by a valid one as a whole, or stays as it was.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What reading the ops file again came to.
#[derive(Debug)]
pub enum Reread {
    Valid(Box<crate::model::Model>),
    /// One that cannot be used.
    Invalid {
        message: String,
        /// The findings, for people; may be empty.
        findings: String,
    },
}

/// How a file looks from outside; `None` when it is not there.
type Look = Option<(u64, u64, u64, i64, i64)>;

/// The files of a plan, and how they looked.
#[derive(Debug, Default)]
pub struct Watch {
    paths: Vec<PathBuf>,
    read: Vec<Look>,
    /// At the last look, where they differed.
    seen: Option<Vec<Look>>,
}

/// What a look at the files finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Same,
    /// They differ, and may still be in the making: look again soon.
    Changing,
    /// They differ, and have come to rest.
    Changed,
}

impl Watch {
    /// Watches files, the root first, and the directories that hold imported ones: but for the root's own, in which
    /// anything may come and go.
    #[must_use]
    pub fn new(files: &[PathBuf]) -> Self {
        let home = files.first().and_then(|root| root.parent());
        let directories = files.iter().filter_map(|file| file.parent());
        let directories = directories.filter(|dir| Some(*dir) != home).map(Path::to_owned);
        let paths: BTreeSet<PathBuf> = files.iter().cloned().chain(directories).collect();
        let mut watch = Self {
            paths: paths.into_iter().collect(),
            ..Self::default()
        };
        watch.read_now();
        watch
    }

    /// What was seen last is what the plan, or the refusal of it, was made from.
    pub fn read_now(&mut self) {
        self.read = self.look();
        self.seen = None;
    }

    pub fn seen(&mut self) -> Seen {
        let now = self.look();
        if now == self.read {
            self.seen = None;
            return Seen::Same;
        }
        if self.seen.as_ref() == Some(&now) {
            return Seen::Changed;
        }
        self.seen = Some(now);
        Seen::Changing
    }

    fn look(&self) -> Vec<Look> {
        let one = |path: &PathBuf| {
            let found = std::fs::metadata(path).ok()?;
            // The size of a directory says nothing.
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
    #[expect(clippy::disallowed_methods, reason = "somebody else removes the file")]
    fn a_change_counts_once_it_has_come_to_rest() {
        let dir = tempfile::tempdir().unwrap();
        let (file, more) = (dir.path().join("ops.kdl"), dir.path().join("conf.d/a.kdl"));
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        fs::write(&file, "a").unwrap();
        fs::write(&more, "a").unwrap();
        let mut watch = Watch::new(&[file.clone(), more]);
        assert_eq!(watch.seen(), Seen::Same);
        fs::write(&file, "ab").unwrap();
        assert_eq!(watch.seen(), Seen::Changing);
        fs::write(&file, "abc").unwrap();
        assert_eq!(watch.seen(), Seen::Changing);
        assert_eq!(watch.seen(), Seen::Changed);
        watch.read_now();
        assert_eq!(watch.seen(), Seen::Same);
        fs::write(dir.path().join("log"), "").unwrap();
        assert_eq!(watch.seen(), Seen::Same, "that is none of ours");
        fs::write(dir.path().join("conf.d/b.kdl"), "").unwrap();
        assert_eq!(watch.seen(), Seen::Changing, "a file joined the imports");
        watch.read_now();
        fs::remove_file(&file).unwrap();
        assert_eq!(watch.seen(), Seen::Changing);
        assert_eq!(watch.seen(), Seen::Changed);
    }
}
