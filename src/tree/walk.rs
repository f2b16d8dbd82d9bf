//! A listing of a tree, in walk order: every directory before what it holds, names by their bytes.
//!
//! Takes an open root and two questions (may I look into this directory; does this thing belong to us),
//! gives every entry and, apart from them, everything that could not be listed. Iterative: one directory
//! is open at a time, the stack holds names only.
//! Invariant: an error is never an empty list. What is not among the entries is in `problems`,
//! `mounts`, `overlaps` or `ours`.

use super::handle::{Dir, TreeError};
use crate::entry::{Entry, EntryKind};
use crate::path::{LONGEST, RelPath};
use rustix::io::Errno;

/// Directory of quarantined files, at the top of a source. A source may lie in another one: skipped at any depth.
pub const QUARANTINE: &[u8] = b".opsrun-quarantine";

#[derive(Debug, Default)]
pub struct Listing {
    /// In walk order.
    pub entries: Vec<Entry>,
    /// What could not be listed or read; `None` is the root itself.
    pub problems: Vec<(Option<RelPath>, TreeError)>,
    /// Mount points that were not entered.
    pub mounts: Vec<RelPath>,
    /// Directories that turned out to be one of those watched for; not entered.
    pub overlaps: Vec<(RelPath, (u64, u64))>,
    /// Our own quarantined and temporary files; no part of the source.
    pub ours: Vec<RelPath>,
}

pub struct Walk<'a> {
    pub cross_mounts: bool,
    /// Directories (device, inode) that must not lie inside: not entered, reported as overlaps.
    pub watch: &'a [(u64, u64)],
    /// May this directory be entered? Entries that answer no are listed, not what is below them.
    pub enter: &'a mut dyn FnMut(&RelPath) -> bool,
    /// Asked now and then: true stops the walk early; the caller knows.
    pub stop: &'a dyn Fn() -> bool,
}

/// True when something in the path has a name that opsrun gives to its own files in a source: no copy contains it.
pub fn is_below_ours(path: &RelPath) -> bool {
    path.components().any(is_our_name)
}

/// True for the names that opsrun gives to its own files in a source.
pub fn is_ours(path: &RelPath) -> bool {
    is_our_name(path.name())
}

/// The same for one component.
pub fn is_our_name(name: &[u8]) -> bool {
    if name == QUARANTINE {
        return true;
    }
    let ends = |rest: &[u8]| rest.ends_with(b".q") || rest.ends_with(b".index") || rest.ends_with(b".part");
    after_run_id(name).is_some_and(ends)
}

/// What follows in `.opsrun-<run id>-…`; `None` for other names. A run id is 26 characters of Crockford's base 32.
pub(super) fn after_run_id(name: &[u8]) -> Option<&[u8]> {
    let (id, rest) = name.strip_prefix(b".opsrun-")?.split_at_checked(26)?;
    let base32 = id.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    rest.strip_prefix(b"-").filter(|_| base32)
}

pub fn walk(root: &Dir, how: &mut Walk<'_>) -> Listing {
    let mut found = Listing::default();
    let mut stack = vec![list(root, root, None, &mut found)];
    while let Some(level) = stack.last_mut() {
        let Some(entry) = level.next() else {
            stack.pop();
            continue;
        };
        if (how.stop)() {
            break;
        }
        let path = (entry.kind == EntryKind::Dir).then(|| entry.path.clone());
        let id = (entry.identity.dev, entry.identity.ino);
        if path.is_some() && how.watch.contains(&id) {
            found.overlaps.push((entry.path.clone(), id));
            continue;
        }
        found.entries.push(entry);
        let Some(path) = path.filter(|path| (how.enter)(path)) else {
            continue;
        };
        match root.open_dir(path.as_bytes(), how.cross_mounts) {
            Ok(dir) => stack.push(list(root, &dir, Some(&path), &mut found)),
            Err(e) if e.errno() == Some(Errno::XDEV) => found.mounts.push(path),
            // Gone since it was listed: nothing is left to list.
            Err(e) if vanished(root, Some(&path), &e) => {}
            Err(error) => found.problems.push((Some(path), error)),
        }
    }
    found
}

/// True when a directory could not be opened or listed because it is gone, from the directory above it as well. The same
/// answer for one that is still there is an error like any other, never an empty directory.
fn vanished(root: &Dir, dir: Option<&RelPath>, error: &TreeError) -> bool {
    let mut dir = dir
        .cloned()
        .filter(|_| matches!(error.errno(), Some(Errno::NOENT | Errno::STALE)));
    while let Some(path) = dir {
        match root.open_dir(path.parent_bytes(), true) {
            Ok(above) => return matches!(above.has(path.name()), Ok(false)),
            // The directory above it is gone too, or says so.
            Err(e) if e.errno() == Some(Errno::NOENT) => dir = path.parent(),
            Err(_) => return false,
        }
    }
    false
}

fn list(root: &Dir, dir: &Dir, at: Option<&RelPath>, found: &mut Listing) -> std::vec::IntoIter<Entry> {
    let names = match dir.names() {
        Ok(names) => names,
        Err(error) => {
            if !vanished(root, at, &error) {
                found.problems.push((at.cloned(), error));
            }
            return Vec::new().into_iter();
        }
    };
    let mut level = Vec::with_capacity(names.len());
    for name in names {
        let Some(path) = RelPath::join(at, &name) else {
            continue;
        };
        if is_ours(&path) {
            found.ours.push(path);
            continue;
        }
        if path.as_bytes().len() > LONGEST {
            let error = TreeError::at("list", &dir.path_of(&name), Errno::NAMETOOLONG);
            found.problems.push((at.cloned(), error));
            break;
        }
        match dir.entry(&name, path.clone()) {
            Ok(entry) => level.push(entry),
            Err(e) if e.errno() == Some(Errno::NOENT) => {}
            Err(error) => found.problems.push((Some(path), error)),
        }
    }
    level.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn paths(listing: &Listing) -> Vec<String> {
        listing.entries.iter().map(|e| e.path.to_string()).collect()
    }

    fn all(root: &Dir, watch: &[(u64, u64)]) -> Listing {
        walk(
            root,
            &mut Walk {
                cross_mounts: false,
                watch,
                enter: &mut |_| true,
                stop: &|| false,
            },
        )
    }

    #[test]
    fn walk_order_is_path_order() {
        let temp = tempfile::tempdir().unwrap();
        for dir in ["a", "a/x", "b"] {
            fs::create_dir(temp.path().join(dir)).unwrap();
        }
        for file in ["a.txt", "a/x/1", "a/2", "a-b", "b/3"] {
            fs::write(temp.path().join(file), "").unwrap();
        }
        let listing = all(&Dir::open(temp.path()).unwrap(), &[]);
        assert_eq!(
            paths(&listing),
            ["a", "a/2", "a/x", "a/x/1", "a-b", "a.txt", "b", "b/3"]
        );
        assert!(listing.entries.is_sorted_by(|a, b| a.path < b.path));
        assert!(listing.problems.is_empty());
    }

    #[test]
    fn a_symlink_loop_is_an_entry_and_no_more() {
        let temp = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", temp.path().join("loop")).unwrap();
        assert_eq!(paths(&all(&Dir::open(temp.path()).unwrap(), &[])), ["loop"]);
    }

    #[test]
    fn our_own_files_are_no_part_of_the_source() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join(".opsrun-quarantine/01J/")).unwrap();
        fs::write(temp.path().join(".opsrun-01ARZ3NDEKTSV4RRFFQ69G5FAV-3.q"), "").unwrap();
        fs::write(temp.path().join(".opsrun-mine.q"), "").unwrap();
        let listing = all(&Dir::open(temp.path()).unwrap(), &[]);
        assert_eq!(paths(&listing), [".opsrun-mine.q"]);
        assert_eq!(listing.ours.len(), 2);
    }

    #[test]
    fn only_what_is_gone_from_above_has_vanished() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("a/b")).unwrap();
        let root = Dir::open(temp.path()).unwrap();
        let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
        let said = |errno: Errno| TreeError::at("list", temp.path(), errno);
        assert!(!vanished(&root, Some(&path("a/b")), &said(Errno::NOENT)));
        assert!(!vanished(&root, None, &said(Errno::NOENT)));
        assert!(vanished(&root, Some(&path("a/c")), &said(Errno::STALE)));
        assert!(vanished(&root, Some(&path("x/c/d")), &said(Errno::NOENT)));
        assert!(!vanished(&root, Some(&path("a/c")), &said(Errno::IO)));
    }

    #[test]
    fn a_removed_directory_is_not_an_empty_one() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("a")).unwrap();
        let dir = Dir::open(&temp.path().join("a")).unwrap();
        temp.close().unwrap();
        assert_eq!(dir.names().unwrap_err().errno(), Some(Errno::NOENT));
    }

    #[test]
    fn a_watched_directory_is_reported_and_not_entered() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("in/deep")).unwrap();
        let id = Dir::open(&temp.path().join("in")).unwrap().id().unwrap();
        let listing = all(&Dir::open(temp.path()).unwrap(), &[id]);
        assert!(paths(&listing).is_empty());
        assert_eq!(listing.overlaps.len(), 1);
    }
}
