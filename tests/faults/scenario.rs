//! The trees and ops files that are tried, and how one is laid out in a directory of its own.
//!
//! A [`Case`] holds, side by side, the source (`data`), the destination (`copies`), a directory that no job
//! names (`outside`) and `ops.kdl`. A tree is kept in memory and laid out again for every case, with the same
//! times relative to now: cases cannot disturb each other.
//! The ops file asks for `--threads 1` behaviour through the command line only.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, FileTimes};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What a path holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    Bytes(Vec<u8>),
    /// A regular file of this size whose only data is at this offset.
    Sparse(u64, u64, Vec<u8>),
    /// Another name of an earlier file.
    HardLink(&'static [u8]),
    /// A symbolic link.
    Symlink(&'static [u8]),
}

/// One entry of a tree.
#[derive(Debug, Clone)]
pub struct Item {
    /// Relative to the source.
    pub path: &'static [u8],
    /// What.
    pub content: Content,
    /// Age of its content in hours.
    pub hours: u64,
    /// True when the ops file lets it be deleted.
    pub expired: bool,
}

/// A tree and what may be deleted from it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// For messages.
    pub name: &'static str,
    /// The ops file.
    pub ops: &'static str,
    /// The tree.
    pub items: Vec<Item>,
}

/// A scenario laid out in a directory of its own, removed when dropped.
pub struct Case {
    dir: tempfile::TempDir,
    laid: SystemTime,
}

/// What was in a tree: path to content, symlinks as `-> target`.
pub type Snapshot = BTreeMap<Vec<u8>, Vec<u8>>;

/// Only what expires is stored.
pub const EXPIRED: &str = r#"// What a crash must not break: only what expires is stored.
ops version=1 {
    name "faults"
}

backup "data" {
    source "data"
    to "copies"
    contents "expired"
}

retention "data" backup="data" {
    class "decision" keyword="decision" keep="forever"
    class "pattern" keyword="pattern" keep="30d"
    class "raw" "raw/**" keep="7d"
    max-delete files=1000
}
"#;

/// Everything is stored, and directories that a run emptied go too.
pub const ALL: &str = r#"// What a crash must not break: everything is stored.
ops version=1 {
    name "faults"
}

backup "data" {
    source "data"
    to "copies/of/data"
    contents "all"
}

retention "data" backup="data" {
    class "decision" keyword="decision" keep="forever"
    class "pattern" keyword="pattern" keep="30d"
    class "raw" "raw/**" keep="7d"
    max-delete files=1000
    remove-empty-dirs
}
"#;

/// Everything is stored as a tree of plain files.
pub const TREES: &str = r#"// What a crash must not break: copies are trees of plain files.
ops version=1 {
    name "faults"
}

backup "data" {
    source "data"
    to "copies"
    strategy "copy"
}

retention "data" backup="data" {
    class "pattern" keyword="pattern" keep="30d"
    class "raw" "raw/**" keep="7d"
    max-delete files=1000
}
"#;

/// A question and a command come before the copy, which is looked at again because of that.
pub const JOBS: &str = r#"// What a crash must not break: a run with commands in it.
ops version=1 {
    name "faults"
}

check "room" {
    disk-space "." critical="1B"
}

target "before" {
    shell "echo ran >> ran"
    needs "check:room"
}

backup "data" {
    source "data"
    to "copies"
    contents "expired"
    needs "target:before"
}

retention "data" backup="data" {
    class "pattern" keyword="pattern" keep="30d"
    class "raw" "raw/**" keep="7d"
    max-delete files=1000
}

target "after" {
    command "sh" "-c" "echo done; echo ran >> ran"
    needs "retention:data"
}
"#;

/// Bytes that no compressor shortens, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The tree that every scenario uses: files of each class, young and old, hostile names, a symlink, a hard
/// link, holes, and a file longer than one member of an archive.
fn tree() -> Vec<Item> {
    const DAY: u64 = 24;
    let item = |path: &'static [u8], content, hours, expired| Item {
        path,
        content,
        hours,
        expired,
    };
    let text = |seed: u64| {
        let line = |n: u64| {
            format!(
                "{{\"n\":{n},\"seed\":{seed},\"bid\":{}}}\n",
                n.wrapping_mul(seed) % 9973
            )
        };
        Content::Bytes((0..40).map(line).collect::<String>().into_bytes())
    };
    vec![
        item(b"raw/2026/old-1.jsonl", text(1), 8 * DAY, true),
        item(b"raw/2026/old-2.jsonl", text(2), 9 * DAY, true),
        item(b"raw/2026/young.jsonl", text(3), 6 * DAY, false),
        item(b"raw/a\nb \\ '\"$.jsonl", text(4), 10 * DAY, true),
        item(b"raw/not\xff\xfeutf8.jsonl", text(5), 10 * DAY, true),
        item(b"raw/empty", Content::Bytes(Vec::new()), 10 * DAY, true),
        item(b"raw/large.bin", Content::Bytes(noise(6, 1_300_000)), 11 * DAY, true),
        item(
            b"raw/sparse.bin",
            Content::Sparse(3 << 20, 1 << 20, noise(7, 5000)),
            12 * DAY,
            true,
        ),
        item(b"raw/twin-a", text(8), 13 * DAY, true),
        item(b"raw/twin-b", Content::HardLink(b"raw/twin-a"), 13 * DAY, true),
        item(
            b"raw/link",
            Content::Symlink(b"../../outside/precious"),
            20 * DAY,
            false,
        ),
        item(b"pattern/old.jsonl", text(9), 31 * DAY, true),
        item(b"pattern/young.jsonl", text(10), 29 * DAY, false),
        item(b"decision/ancient.jsonl", text(11), 4000 * DAY, false),
        item(b"other/unmatched.txt", text(12), 4000 * DAY, false),
    ]
}

/// The scenarios.
pub fn all() -> Vec<Scenario> {
    let scenario = |name, ops| Scenario {
        name,
        ops,
        items: tree(),
    };
    // Every kind of entry once: what a tree is made of takes a few calls for each.
    let small = |name, ops| Scenario {
        items: tree().into_iter().filter(|item| SMALL.contains(&item.path)).collect(),
        ..scenario(name, ops)
    };
    vec![
        scenario("expired", EXPIRED),
        scenario("all", ALL),
        small("trees", TREES),
        small("jobs", JOBS),
    ]
}

/// A part of the tree with every kind of entry.
const SMALL: &[&[u8]] = &[
    b"raw/2026/old-1.jsonl",
    b"raw/not\xff\xfeutf8.jsonl",
    b"raw/sparse.bin",
    b"raw/twin-a",
    b"raw/twin-b",
    b"raw/link",
    b"pattern/young.jsonl",
];

impl Scenario {
    /// Lays the tree out.
    pub fn lay_out(&self) -> Case {
        let dir = tempfile::Builder::new()
            .prefix("opsrun-faults-")
            .tempdir_in(scratch_root())
            .unwrap();
        let root = dir.path();
        let now = SystemTime::now();
        std::fs::write(root.join("ops.kdl"), self.ops).unwrap();
        std::fs::create_dir(root.join("outside")).unwrap();
        std::fs::write(root.join("outside/precious"), "outside of everything").unwrap();
        for item in &self.items {
            let path = root.join("data").join(OsStr::from_bytes(item.path));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match &item.content {
                Content::Bytes(bytes) => std::fs::write(&path, bytes).unwrap(),
                Content::Sparse(size, at, bytes) => {
                    let file = File::create(&path).unwrap();
                    file.set_len(*size).unwrap();
                    file.write_all_at(bytes, *at).unwrap();
                }
                Content::HardLink(to) => {
                    std::fs::hard_link(root.join("data").join(OsStr::from_bytes(to)), &path).unwrap();
                }
                Content::Symlink(to) => std::os::unix::fs::symlink(OsStr::from_bytes(to), &path).unwrap(),
            }
            if !matches!(item.content, Content::Symlink(_)) {
                let modified = now - Duration::from_secs(item.hours * 3600);
                let file = File::options().write(true).open(&path).unwrap();
                file.set_times(FileTimes::new().set_modified(modified)).unwrap();
            }
        }
        Case { dir, laid: now }
    }

    /// What the tree holds.
    pub fn snapshot(&self) -> Snapshot {
        let case = self.lay_out();
        super::checker::snapshot(&case.source())
    }

    /// The paths that a finished run has deleted.
    pub fn expired(&self) -> Vec<&'static [u8]> {
        self.items
            .iter()
            .filter(|item| item.expired)
            .map(|item| item.path)
            .collect()
    }
}

impl Case {
    /// The directory of the ops file.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// What is backed up and cleaned.
    pub fn source(&self) -> PathBuf {
        self.root().join("data")
    }

    /// Where programs under test write their output, and copies are unpacked.
    pub fn scratch(&self) -> PathBuf {
        let path = self.root().join("scratch");
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Records that files of it were restored at `at`.
    pub fn relaid(&mut self, at: SystemTime) {
        self.laid = at;
    }

    /// Waits until the files are old enough to be deleted. Their ctime is the moment at which they were laid out, and
    /// opsrun never deletes a file that changed in the last few clock ticks.
    pub fn settle(&self) {
        let probe = self.root().join("probe");
        let laid = self.laid.duration_since(SystemTime::UNIX_EPOCH).unwrap() + Duration::from_millis(60);
        loop {
            // The clock that counts is the one by which the file system stamps.
            std::fs::write(&probe, "").unwrap();
            let stat = std::fs::metadata(&probe).unwrap();
            if Duration::new(stat.ctime() as u64, stat.ctime_nsec() as u32) > laid {
                break;
            }
            std::thread::yield_now();
        }
        std::fs::remove_file(probe).unwrap();
    }
}

/// Where cases live: in memory where there is such a place, since thousands are laid out and synced.
/// `OPSRUN_FAULTS_DIR` names another place, for example one on a file system to be tried.
fn scratch_root() -> PathBuf {
    if let Some(dir) = std::env::var_os("OPSRUN_FAULTS_DIR") {
        return dir.into();
    }
    let memory = Path::new("/dev/shm");
    if tempfile::tempdir_in(memory).is_ok() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}
