//! What tests of copies have in common: any tree there may be, laid out, copied, restored and compared.

use opsrun::archive::{
    self, Catalogue, CopyError, CopyName, LeftOut, ManifestFacts, RestoreOptions, RestoreReport, TargetOrigin,
    WriteJob, progress::CopyProgress,
};
use opsrun::entry::Entry;
use opsrun::model;
use opsrun::tree::Dir;
use opsrun::tree::walk::{Walk, walk};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Reports nothing and never stops.
pub struct Quiet;

impl CopyProgress for Quiet {
    fn stop(&self) -> bool {
        false
    }
    fn advance(&self, _: u64, _: u64) {}
}

/// Everything below a directory.
pub fn listing(source: &Dir) -> Vec<Entry> {
    let listing = walk(
        source,
        &mut Walk {
            cross_mounts: false,
            watch: &[],
            enter: &mut |_| true,
            stop: &|| false,
        },
    );
    assert!(listing.problems.is_empty(), "{:?}", listing.problems);
    listing.entries
}

/// Writes a copy of all of `source`.
pub fn write(
    source: &Path,
    destination: &Path,
    name: &CopyName,
    sequence: u64,
    strategy: model::Strategy,
    threads: usize,
) -> Result<archive::WrittenCopy, CopyError> {
    let (source, destination) = (Dir::open(source).unwrap(), Dir::open(destination).unwrap());
    let entries = listing(&source);
    let entries: Vec<&Entry> = entries.iter().collect();
    let before = Catalogue::read(&destination).unwrap().copies.into_iter();
    let mut trees = before.filter(archive::CatalogueCopy::is_shareable);
    let shares_with = trees.next().map(|copy| copy.name.to_string());
    archive::write(&WriteJob {
        source: &source,
        cross_mounts: false,
        entries: &entries,
        destination: &destination,
        name: name.clone(),
        strategy,
        threads,
        facts: ManifestFacts {
            ops_name: "o".to_owned(),
            host: "h".to_owned(),
            run: name.run().to_owned(),
            sequence,
            parent: None,
            backup_at: chrono::DateTime::UNIX_EPOCH,
            source: source.path().to_owned(),
            source_files: entries.len() as u64,
            source_bytes: 0,
            suspect: None,
            contents: opsrun::model::Contents::All,
            writer: None,
            left_out: LeftOut::default(),
            shares_with,
        },
        problems: Vec::new(),
        progress: &Quiet,
    })
}

/// Restores the newest copy.
pub fn restore(destination: &Path, target: &Path, force: bool) -> RestoreReport {
    let (destination, target) = (Dir::open(destination).unwrap(), Dir::open(target).unwrap());
    let catalogue = Catalogue::read(&destination).unwrap();
    let options = RestoreOptions {
        force,
        threads: 3,
        numeric_owner: false,
        target: TargetOrigin::Existed,
    };
    archive::restore(&destination, &catalogue.copies[0], &|_| true, &target, &options, &Quiet).unwrap()
}

/// Replaces what exists, on one thread.
pub fn forced() -> RestoreOptions<'static> {
    RestoreOptions {
        force: true,
        threads: 1,
        numeric_owner: false,
        target: TargetOrigin::Existed,
    }
}

/// An entry of a tree, as far as a copy promises to restore it, including symlinks and times of directories.
#[derive(Debug, PartialEq, Eq)]
pub struct Shape {
    pub kind: &'static str,
    mode: u32,
    mtime: (i64, i64),
    pub content: Vec<u8>,
    sparse: bool,
    links: Vec<PathBuf>,
}

/// Asks the file system. Counting the blocks in use is not reliable: they may be counted late.
fn has_hole(path: &Path, size: u64) -> bool {
    let file = File::open(path).unwrap();
    size > 0 && rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0)).is_ok_and(|hole| hole < size)
}

/// The shapes of everything below a directory.
pub fn shape(root: &Path, exact_time: bool) -> BTreeMap<PathBuf, Shape> {
    let mut found: BTreeMap<PathBuf, Shape> = BTreeMap::new();
    let mut inodes: BTreeMap<u64, Vec<PathBuf>> = BTreeMap::new();
    for item in walkdir::WalkDir::new(root).min_depth(1) {
        let item = item.unwrap();
        let (path, meta) = (item.path(), item.path().symlink_metadata().unwrap());
        let rel = path.strip_prefix(root).unwrap().to_owned();
        let (kind, content) = if meta.is_symlink() {
            ("link", fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec())
        } else if meta.is_dir() {
            ("dir", Vec::new())
        } else {
            inodes.entry(meta.ino()).or_default().push(rel.clone());
            ("file", fs::read(path).unwrap())
        };
        found.insert(
            rel,
            Shape {
                kind,
                mode: meta.permissions().mode(),
                mtime: (meta.mtime(), if exact_time { meta.mtime_nsec() } else { 0 }),
                sparse: kind == "file" && has_hole(path, meta.size()),
                content,
                links: Vec::new(),
            },
        );
    }
    for mut names in inodes.into_values().filter(|names| names.len() > 1) {
        names.sort();
        for name in &names {
            found.get_mut(name).unwrap().links.clone_from(&names);
        }
    }
    found
}

#[derive(Debug, Clone)]
pub enum Thing {
    File {
        data: Vec<u8>,
        mode: u32,
        mtime: (i64, u32),
    },
    Sparse {
        at: u64,
        size: u64,
    },
    Link(Vec<u8>),
    HardLink,
    Dir {
        mode: u32,
    },
}

fn names() -> impl Strategy<Value = Vec<u8>> {
    let hostile = prop::sample::select(vec![
        b"new\nline".to_vec(),
        b"\xff\xfe".to_vec(),
        vec![b'n'; 255],
        vec![0xc3; 255],
        b"-rf".to_vec(),
        b" ".to_vec(),
        b"a\\b\"c'd".to_vec(),
        "é".as_bytes().to_vec(),
        b"plain.txt".to_vec(),
    ]);
    let any = prop::collection::vec(any::<u8>().prop_filter("a name", |b| *b != 0 && *b != b'/'), 1..20);
    prop_oneof![hostile, any].prop_filter("a name", |n| n != b"." && n != b"..")
}

/// Trees with odd names, times and modes.
pub fn things() -> impl Strategy<Value = Vec<(Vec<Vec<u8>>, Thing)>> {
    let times = prop_oneof![
        (0i64..2_000_000_000, 0u32..1_000_000_000),
        Just((-1000i64, 999_999_999)),
        Just((9_000_000_000i64, 1)),
    ];
    let small = prop::collection::vec(any::<u8>(), 0..3000);
    let large = (any::<u8>(), 1_000_000usize..3_300_000).prop_map(|(seed, n)| {
        (0..n)
            .map(|i| (i as u8).wrapping_mul(seed).wrapping_add((i >> 9) as u8))
            .collect::<Vec<u8>>()
    });
    let data = prop_oneof![8 => small, 1 => large];
    let thing = prop_oneof![
        6 => (data, prop::sample::select(vec![0o644, 0o600, 0o755, 0o444, 0o4755]), times)
            .prop_map(|(data, mode, mtime)| Thing::File { data, mode, mtime }),
        1 => (0u64..3_000_000, 3_000_001u64..9_000_000).prop_map(|(at, size)| Thing::Sparse { at, size }),
        1 => names().prop_map(Thing::Link),
        1 => Just(Thing::HardLink),
        1 => prop::sample::select(vec![0o755, 0o700, 0o1777]).prop_map(|mode| Thing::Dir { mode }),
    ];
    let path = prop::collection::vec(names(), 1..4);
    prop::collection::vec((path, thing), 0..12)
}

/// Lays a tree out.
pub fn build(root: &Path, things: &[(Vec<Vec<u8>>, Thing)]) {
    let mut first: Option<PathBuf> = None;
    let mut dirs: Vec<PathBuf> = Vec::new();
    for (parts, thing) in things {
        let mut path = root.to_owned();
        for part in &parts[..parts.len() - 1] {
            path.push(OsStr::from_bytes(part));
            if fs::create_dir(&path).is_ok() {
                dirs.push(path.clone());
            }
        }
        if !path.is_dir() || path.is_symlink() {
            continue;
        }
        path.push(OsStr::from_bytes(&parts[parts.len() - 1]));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match thing {
            Thing::File { data, mode, mtime } => {
                fs::write(&path, data).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                set_time(&path, *mtime);
                first.get_or_insert(path);
            }
            Thing::Sparse { at, size } => {
                let file = File::create(&path).unwrap();
                file.set_len(*size).unwrap();
                file.write_all_at(b"data", *at).unwrap();
            }
            Thing::Link(to) => std::os::unix::fs::symlink(OsStr::from_bytes(to), &path).unwrap(),
            Thing::HardLink => {
                if let Some(first) = &first {
                    fs::hard_link(first, &path).unwrap();
                }
            }
            Thing::Dir { mode } => {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                dirs.push(path);
            }
        }
    }
    for (at, dir) in dirs.iter().enumerate().rev() {
        set_time(dir, (1_600_000_000 + at as i64, 123_456_789));
    }
}

/// Sets the time of the last change.
pub fn set_time(path: &Path, (secs, nanos): (i64, u32)) {
    let time = rustix::fs::Timespec {
        tv_sec: secs,
        tv_nsec: nanos.into(),
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty()).unwrap();
}
