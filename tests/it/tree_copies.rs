//! Copies that are trees of plain files: any tree comes back, by opsrun and by plain `cp`; damage of every kind is
//! found; what did not change since the tree before is shared, and only that.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed; tests play the part of other programs"
)]

use crate::support::trees::{Quiet, build, restore, set_time, shape, things};
use opsrun::archive::{
    self, Catalogue, CopyError, CopyForm, CopyName, Manifest, VerifiedCopy, file_entry::FileEntryKind,
};
use opsrun::model::Strategy;
use opsrun::path::RelPath;
use opsrun::tree::Dir;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

const FIRST: &str = "b-20261123T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV";
const SECOND: &str = "b-20261124T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAW";

/// A source and a destination of their own.
struct World {
    temp: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap())
    }

    fn with(temp: tempfile::TempDir) -> Self {
        for dir in ["s", "d"] {
            fs::create_dir(temp.path().join(dir)).unwrap();
        }
        Self { temp }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    fn dir(&self, path: &str) -> PathBuf {
        let path = self.at(path);
        fs::create_dir(&path).unwrap();
        path
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at("s").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        // Old enough to be told from what is being written.
        set_time(&path, (1_600_000_000, 123_456_789));
        path
    }

    fn written(&self, name: &str, sequence: u64, threads: usize) -> archive::WrittenCopy {
        let name = CopyName::parse(name).unwrap();
        crate::support::trees::write(&self.at("s"), &self.at("d"), &name, sequence, Strategy::Copy, threads).unwrap()
    }

    fn copy(&self, name: &str, sequence: u64) -> VerifiedCopy {
        let written = self.written(name, sequence, 2);
        let checked = archive::verify(&written, 2, &Quiet).unwrap();
        archive::publish(written, checked).unwrap()
    }

    fn stored(&self, name: &str, path: &str) -> PathBuf {
        self.at("d").join(format!("{name}.tree")).join(path)
    }

    fn committed(&self, name: &str) -> Result<VerifiedCopy, CopyError> {
        let destination = Dir::open(&self.at("d")).unwrap();
        archive::verify_committed(&destination, &CopyName::parse(name).unwrap(), 2, &Quiet)
    }

    /// What is wrong with a committed copy.
    fn damage(&self, name: &str) -> String {
        self.committed(name).unwrap_err().to_string()
    }
}

fn ino(path: &Path) -> u64 {
    path.symlink_metadata().unwrap().ino()
}

fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    // As silently as a disk does it.
    drop(file);
    set_time(path, (1_600_000_000, 123_456_789));
}

/// Files of every kind.
fn sample(world: &World) {
    world.file("d/a", "hello");
    world.file("d/b\n", "x".repeat(3000));
    world.file("d/e/empty", "");
    world.file("large", vec![7; 2_500_000]);
    std::os::unix::fs::symlink("a", world.at("s/d/l")).unwrap();
    fs::hard_link(world.at("s/d/a"), world.at("s/z")).unwrap();
    let sparse = File::create(world.at("s/holes")).unwrap();
    sparse.set_len(4 << 20).unwrap();
    sparse.write_all_at(b"data", 1 << 20).unwrap();
    set_time(&world.at("s/holes"), (1_600_000_000, 123_456_789));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_tree_comes_back_by_opsrun_and_by_cp(things in things(), threads in 1usize..4) {
        let world = World::new();
        let (source, ours, theirs) = (world.at("s"), world.dir("ours"), world.dir("theirs"));
        build(&source, &things);
        let written = world.written(FIRST, 1, threads);
        prop_assert!(written.manifest.complete, "{:?}", written.manifest.incomplete);
        let checked = archive::verify(&written, threads, &Quiet).unwrap();
        let verified = archive::publish(written, checked).unwrap();
        prop_assert!(verified.still_there(&[]).is_ok());
        let restored = restore(&world.at("d"), &ours, false);
        prop_assert!(restored.failed.is_empty(), "{:?}", restored.failed);
        prop_assert_eq!(shape(&ours, true), shape(&source, true));
        let from = format!("{}/.", world.stored(FIRST, "").display());
        prop_assert!(Command::new("cp").args(["-a", &from]).arg(&theirs).status().unwrap().success());
        prop_assert_eq!(shape(&theirs, true), shape(&source, true));

        // Once more: all files that have content are shared, whatever they are called.
        let second = world.copy(SECOND, 2);
        let files = second.rows().map(Result::unwrap).filter(|row| row.kind == FileEntryKind::File && row.size > 0);
        prop_assert_eq!(second.manifest().tree.as_ref().unwrap().shared_files, files.count() as u64);
        prop_assert!(world.committed(FIRST).is_ok());
    }
}

#[test]
fn a_tree_is_no_archive_and_an_archive_says_nothing_of_trees() {
    let world = World::new();
    sample(&world);
    world.copy(FIRST, 1);
    let text = fs::read(world.at("d").join(format!("{FIRST}.manifest.json"))).unwrap();
    let manifest = Manifest::from_bytes(&text, "m").unwrap();
    assert_eq!((manifest.format.0, manifest.form()), (3, CopyForm::Tree));
    assert!(manifest.members.is_empty() && manifest.checksum.is_empty());
    // Neither passes for the other.
    let mut other = manifest.clone();
    other.format = (1, 0);
    assert!(Manifest::from_bytes(&other.to_bytes(), "m").is_err());
    let mut other = manifest;
    other.tree = None;
    assert!(Manifest::from_bytes(&other.to_bytes(), "m").is_err());

    let name = CopyName::parse(SECOND).unwrap();
    let strategy = Strategy::Archive { level: 1 };
    let written = crate::support::trees::write(&world.at("s"), &world.at("d"), &name, 2, strategy, 1).unwrap();
    let text = String::from_utf8(written.manifest.to_bytes()).unwrap();
    assert!(
        !text.contains("\"tree\"") && text.contains("\"codec\": \"gzip\""),
        "{text}"
    );
}

#[test]
fn one_thread_or_many_write_the_same() {
    let world = World::new();
    sample(&world);
    let listed = |threads| {
        let written = world.written(FIRST, 1, threads);
        let manifest = written.manifest.clone();
        (manifest.list_checksum, manifest.archive_bytes)
    };
    assert_eq!(listed(1), listed(4));
    assert_eq!(fs::read_dir(world.at("d")).unwrap().count(), 0, "unpublished, it goes");
}

#[test]
fn every_kind_of_damage_is_found() {
    type Harm = fn(&World);
    let harms: [(&str, &str, Harm); 15] = [
        ("a flipped bit", "`large`: its content", |w| {
            flip(&w.stored(FIRST, "large"), 2_400_000);
        }),
        ("a flipped bit in a hole", "`holes`: its content", |w| {
            flip(&w.stored(FIRST, "holes"), 3 << 20);
        }),
        ("a shorter file", "`large`: its size", |w| {
            File::options()
                .write(true)
                .open(w.stored(FIRST, "large"))
                .unwrap()
                .set_len(9)
                .unwrap();
        }),
        ("a missing file", "missing", |w| {
            fs::remove_file(w.stored(FIRST, "d/e/empty")).unwrap();
        }),
        ("a missing name", "missing", |w| {
            fs::remove_file(w.stored(FIRST, "z")).unwrap();
        }),
        ("a missing directory", "missing", |w| {
            fs::remove_dir_all(w.stored(FIRST, "d/e")).unwrap();
        }),
        ("an extra file", "`d/e/more` is not in the list", |w| {
            fs::write(w.stored(FIRST, "d/e/more"), "").unwrap();
        }),
        ("an extra directory", "`more` is not in the list", |w| {
            fs::create_dir(w.stored(FIRST, "more")).unwrap();
        }),
        ("a changed mode", "`d/a`: its mode", |w| {
            fs::set_permissions(w.stored(FIRST, "d/a"), fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("a changed mode of a directory", "`d/e`: its mode", |w| {
            fs::set_permissions(w.stored(FIRST, "d/e"), fs::Permissions::from_mode(0o777)).unwrap();
        }),
        ("a changed time", "`d/a`: its modification time", |w| {
            set_time(&w.stored(FIRST, "d/a"), (1, 0));
        }),
        ("a changed link target", "`d/l`: its link target", |w| {
            fs::remove_file(w.stored(FIRST, "d/l")).unwrap();
            std::os::unix::fs::symlink("b", w.stored(FIRST, "d/l")).unwrap();
        }),
        (
            "a symlink instead of a file",
            "`z`: its type differs from the list",
            |w| {
                fs::remove_file(w.stored(FIRST, "z")).unwrap();
                std::os::unix::fs::symlink("d/a", w.stored(FIRST, "z")).unwrap();
            },
        ),
        (
            "a symlink instead of a directory",
            "`d`: its type differs from the list",
            |w| {
                fs::rename(w.stored(FIRST, "d"), w.at("elsewhere")).unwrap();
                std::os::unix::fs::symlink(w.at("elsewhere"), w.stored(FIRST, "d")).unwrap();
            },
        ),
        (
            "a file of its own instead of a hard link",
            "`z`: it is not a link",
            |w| {
                fs::remove_file(w.stored(FIRST, "z")).unwrap();
                fs::copy(w.stored(FIRST, "d/a"), w.stored(FIRST, "z")).unwrap();
            },
        ),
    ];
    for (what, said, harm) in harms {
        let world = World::new();
        sample(&world);
        world.copy(FIRST, 1);
        world.committed(FIRST).unwrap();
        harm(&world);
        let damage = world.damage(FIRST);
        assert!(damage.contains(said), "{what}: {damage}");
        // What is restored all the same is right.
        let target = world.dir("t");
        drop(restore(&world.at("d"), &target, false));
        let (right, got) = (shape(&world.at("s"), false), shape(&target, false));
        for (path, there) in &got {
            if there.kind == "file" {
                assert_eq!(there.content, right[path].content, "{what}: {}", path.display());
            }
        }
    }
}

#[test]
fn a_bit_flipped_anywhere_is_found() {
    let world = World::new();
    world.file("a", "hello");
    world.file("d/b", "other");
    world.copy(FIRST, 1);
    for path in ["a", "d/b"] {
        for at in 0..5 {
            flip(&world.stored(FIRST, path), at);
            assert!(world.damage(FIRST).contains("its content"), "{path}: byte {at}");
            flip(&world.stored(FIRST, path), at);
            world.committed(FIRST).unwrap();
        }
    }
    for file in ["files.jsonl.gz", "manifest.json"] {
        let path = world.at("d").join(format!("{FIRST}.{file}"));
        let size = path.metadata().unwrap().len();
        for at in 0..size {
            flip(&path, at);
            assert!(world.committed(FIRST).is_err(), "{file}: byte {at}");
            flip(&path, at);
        }
    }
    world.committed(FIRST).unwrap();
}

#[test]
fn what_changes_after_the_proof_is_noticed_where_it_is_relied_on() {
    let world = World::new();
    sample(&world);
    let verified = world.copy(FIRST, 1);
    let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
    let (a, b, z, large) = (path("d/a"), path("d/b\n"), path("z"), path("large"));
    verified.still_there(&[&a, &b, &z, &large]).unwrap();
    assert!(verified.still_there(&[&path("d/none")]).is_err());
    assert!(verified.still_there(&[&path("d")]).is_err());

    // Written to and dated back.
    flip(&world.stored(FIRST, "d/a"), 0);
    assert!(verified.still_there(&[&a]).is_err());
    assert!(verified.still_there(&[&z]).is_err(), "the other name of the same file");
    verified.still_there(&[&b, &large]).unwrap();
    // Another file with the same content and times.
    fs::copy(world.stored(FIRST, "large"), world.at("same")).unwrap();
    set_time(&world.at("same"), (1_600_000_000, 123_456_789));
    fs::rename(world.at("same"), world.stored(FIRST, "large")).unwrap();
    assert!(verified.still_there(&[&large]).is_err());
    verified.still_there(&[&b]).unwrap();
    // Another tree under the name.
    let tree = world.stored(FIRST, "");
    let status = Command::new("cp")
        .arg("-a")
        .arg(&tree)
        .arg(world.at("d/copy"))
        .status()
        .unwrap();
    assert!(status.success());
    fs::rename(&tree, world.at("d/away")).unwrap();
    assert!(verified.still_there(&[]).is_err());
    fs::rename(world.at("d/copy"), &tree).unwrap();
    assert!(verified.still_there(&[]).is_err());
}

#[test]
fn an_unchanged_file_is_shared_and_a_changed_one_is_not() {
    let world = World::new();
    sample(&world);
    world.file("swapped", "aaaa");
    world.file("touched", "touched");
    let chmodded = world.file("chmodded", "chmodded");
    world.copy(FIRST, 1);
    // The same size and time, as a list alone would take it for unchanged.
    world.file("swapped", "aaab");
    set_time(&world.at("s/touched"), (1_700_000_000, 0));
    fs::set_permissions(chmodded, fs::Permissions::from_mode(0o640)).unwrap();
    let second = world.copy(SECOND, 2);
    let shared = |path: &str| ino(&world.stored(FIRST, path)) == ino(&world.stored(SECOND, path));
    let facts = second.manifest().tree.clone().unwrap();
    assert_eq!(facts.shares_with.as_deref(), Some(FIRST));
    // Where the file system shares data between inodes, even files with other attributes do.
    let cloned = !shared("large");
    if !cloned {
        for path in ["d/a", "d/b\n", "large", "holes", "z"] {
            assert!(shared(path), "{path}");
        }
        assert_eq!(facts.shared_files, 4, "z is a name, no file");
        assert_eq!(facts.shared_bytes, 5 + 3000 + 2_500_000 + (4 << 20));
    }
    for path in ["swapped", "touched", "chmodded", "d/e/empty"] {
        assert!(!shared(path), "{path}");
    }
    assert_eq!(fs::read_to_string(world.stored(FIRST, "swapped")).unwrap(), "aaaa");
    assert_eq!(fs::read_to_string(world.stored(SECOND, "swapped")).unwrap(), "aaab");
    for name in [FIRST, SECOND] {
        world.committed(name).unwrap();
    }
}

#[test]
fn a_damaged_file_of_the_tree_before_is_not_shared() {
    let world = World::new();
    sample(&world);
    world.copy(FIRST, 1);
    flip(&world.stored(FIRST, "large"), 1_000_000);
    fs::set_permissions(world.stored(FIRST, "d/b\n"), fs::Permissions::from_mode(0o666)).unwrap();
    let second = world.copy(SECOND, 2);
    for path in ["large", "d/b\n"] {
        assert_ne!(
            ino(&world.stored(FIRST, path)),
            ino(&world.stored(SECOND, path)),
            "{path}"
        );
    }
    assert!(second.manifest().tree.as_ref().unwrap().shared_files >= 2);
    assert!(world.damage(FIRST).contains("large") || world.damage(FIRST).contains("d/b"));
    world.committed(SECOND).unwrap();
    assert_eq!(shape(&world.stored(SECOND, ""), true), shape(&world.at("s"), true));
}

#[test]
fn files_that_were_linked_then_and_are_two_now_stay_two() {
    let world = World::new();
    world.file("a", "same");
    fs::hard_link(world.at("s/a"), world.at("s/b")).unwrap();
    world.copy(FIRST, 1);
    fs::remove_file(world.at("s/b")).unwrap();
    world.file("b", "same");
    world.copy(SECOND, 2);
    assert_eq!(ino(&world.stored(FIRST, "a")), ino(&world.stored(FIRST, "b")));
    assert_ne!(ino(&world.stored(SECOND, "a")), ino(&world.stored(SECOND, "b")));
}

#[test]
fn what_is_not_in_the_list_is_never_published() {
    let world = World::new();
    sample(&world);
    let written = world.written(FIRST, 1, 2);
    fs::write(world.at("d").join(format!("{FIRST}.tree.tmp/d/more")), "x").unwrap();
    let refused = archive::verify(&written, 2, &Quiet).unwrap_err().to_string();
    assert!(refused.contains("`d/more` is not in the list"), "{refused}");
    drop(written);
    assert_eq!(fs::read_dir(world.at("d")).unwrap().count(), 0);
}

#[test]
fn special_files_are_left_out_and_deep_trees_are_not() {
    let world = World::new();
    let mut dir = Dir::open(&world.at("s")).unwrap();
    rustix::fs::mkfifoat(&dir, "fifo", rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    for level in 0..1200 {
        let name = format!("level{level:04}");
        dir.make_dir(name.as_bytes(), 0o755).unwrap();
        dir = dir.open_dir(name.as_bytes(), false).unwrap();
    }
    rustix::fs::symlinkat("x", &dir, "link").unwrap();
    let verified = world.copy(FIRST, 1);
    assert!(verified.manifest().complete);
    assert_eq!(verified.manifest().record_count, 1201);
    let restored = restore(&world.at("d"), &world.dir("t"), false);
    assert!(restored.failed.is_empty(), "{:?}", restored.failed);
    assert_eq!((restored.dirs, restored.links), (1200, 1));
    // A tree as deep that was never published goes again.
    let destination = Dir::open(&world.at("d")).unwrap();
    drop(verified);
    fs::rename(world.stored(FIRST, ""), world.stored(SECOND, "")).unwrap();
    assert!(archive::clear_debris(&destination, &format!("{SECOND}.tree")).unwrap());
    assert!(!world.stored(SECOND, "").exists());
    // Too deep for a removal by path.
    let status = Command::new("rm")
        .arg("-rf")
        .args([world.at("s"), world.at("t")])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn attributes_come_along_where_the_file_system_has_them() {
    // A file system in memory may not have attributes.
    let world = World::with(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    let (file, dir) = (world.file("d/f", "x"), world.at("s/d"));
    for path in [&file, &dir] {
        let file = File::open(path).unwrap();
        rustix::fs::fsetxattr(&file, "user.note", b"kept\xff", rustix::fs::XattrFlags::empty()).unwrap();
    }
    let verified = world.copy(FIRST, 1);
    assert!(verified.manifest().tree.as_ref().unwrap().xattrs);
    for path in ["d/f", "d"] {
        let stored = File::open(world.stored(FIRST, path)).unwrap();
        let mut value = Vec::with_capacity(64);
        rustix::fs::fgetxattr(&stored, "user.note", rustix::buffer::spare_capacity(&mut value)).unwrap();
        assert_eq!(value, b"kept\xff");
        rustix::fs::fsetxattr(&stored, "user.note", b"other", rustix::fs::XattrFlags::empty()).unwrap();
        assert!(world.damage(FIRST).contains("extended attributes"));
        rustix::fs::fsetxattr(&stored, "user.note", b"kept\xff", rustix::fs::XattrFlags::empty()).unwrap();
        world.committed(FIRST).unwrap();
    }
    // Another value in the source: what is shared must not carry the old one.
    let source = File::open(&file).unwrap();
    rustix::fs::fsetxattr(&source, "user.note", b"new", rustix::fs::XattrFlags::empty()).unwrap();
    world.copy(SECOND, 2);
    assert_ne!(ino(&world.stored(FIRST, "d/f")), ino(&world.stored(SECOND, "d/f")));
}

#[test]
fn a_catalogue_tells_trees_from_their_debris() {
    let world = World::new();
    sample(&world);
    world.copy(FIRST, 1);
    for name in [
        format!("{SECOND}.tree.tmp"),
        "c-20261124T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAX.tree".to_owned(),
    ] {
        fs::create_dir(world.at("d").join(name)).unwrap();
    }
    let destination = Dir::open(&world.at("d")).unwrap();
    let catalogue = Catalogue::read(&destination).unwrap();
    assert_eq!(catalogue.copies.len(), 1);
    assert_eq!(catalogue.drafts, [format!("{SECOND}.tree.tmp")]);
    assert_eq!(
        catalogue.orphans,
        ["c-20261124T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAX.tree"]
    );
    fs::rename(world.stored(FIRST, ""), world.at("away")).unwrap();
    let catalogue = Catalogue::read(&destination).unwrap();
    assert_eq!((catalogue.copies.len(), catalogue.broken.len()), (0, 1));
}
