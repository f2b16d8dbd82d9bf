//! Copies: any tree comes back as it was, by opsrun and by plain `tar`; any flipped byte is refused.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed; tests play the part of other programs"
)]

use crate::support::trees::{Quiet, build, listing, restore, shape, things};
use opsrun::archive::{
    self, Catalogue, CopyError, CopyName, LeftOut, ManifestFacts, RestoreOptions, TargetOrigin, VerifiedCopy, WriteJob,
};
use opsrun::entry::Entry;
use opsrun::model;
use opsrun::tree::Dir;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn name() -> CopyName {
    CopyName::parse(&format!("b-20261123T210000Z-{RUN}")).unwrap()
}

const ARCHIVE: model::Strategy = model::Strategy::Archive { level: 6 };

fn write(source: &Path, destination: &Path, threads: usize) -> Result<archive::WrittenCopy, CopyError> {
    crate::support::trees::write(source, destination, &name(), 1, ARCHIVE, threads)
}

fn copy(source: &Path, destination: &Path, threads: usize) -> VerifiedCopy {
    let written = write(source, destination, threads).unwrap();
    let checked = archive::verify(&written, threads, &Quiet).unwrap();
    archive::publish(written, checked).unwrap()
}

fn plain_tar(destination: &Path, target: &Path) {
    let status = Command::new("tar")
        .arg("xzf")
        .arg(destination.join(name().archive()))
        .arg("-C")
        .arg(target)
        .status()
        .unwrap();
    assert!(status.success());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_tree_comes_back(things in things(), threads in 1usize..4) {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| { let path = temp.path().join(name); fs::create_dir(&path).unwrap(); path };
        let (source, destination, ours, theirs) = (at("s"), at("d"), at("ours"), at("theirs"));
        build(&source, &things);
        let verified = copy(&source, &destination, threads);
        prop_assert!(verified.manifest().complete);
        prop_assert!(verified.still_there(&[]).is_ok());
        let restored = restore(&destination, &ours, false);
        prop_assert!(restored.failed.is_empty(), "{:?}", restored.failed);
        prop_assert!(restored.existing.is_empty());
        prop_assert_eq!(shape(&ours, true), shape(&source, true));
        plain_tar(&destination, &theirs);
        prop_assert_eq!(shape(&theirs, false), shape(&source, false));
        // Again: nothing is written over, everything is there.
        let again = restore(&destination, &ours, false);
        prop_assert_eq!(again.files, 0);
        prop_assert!(again.failed.is_empty());
    }
}

fn sample(root: &Path) {
    fs::create_dir(root.join("d")).unwrap();
    fs::write(root.join("d/a"), "hello").unwrap();
    fs::write(root.join("d/b\n"), "x".repeat(3000)).unwrap();
    std::os::unix::fs::symlink("a", root.join("d/l")).unwrap();
    fs::hard_link(root.join("d/a"), root.join("z")).unwrap();
}

fn committed(dir: &Path) -> Result<VerifiedCopy, CopyError> {
    archive::verify_committed(&Dir::open(dir).unwrap(), &name(), 2, &Quiet)
}

#[test]
fn every_flipped_byte_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (source, destination) = (temp.path().join("s"), temp.path().join("d"));
    fs::create_dir_all(&source).unwrap();
    fs::create_dir_all(&destination).unwrap();
    sample(&source);
    copy(&source, &destination, 1);
    for file in [name().archive(), name().list(), name().manifest()] {
        let path = destination.join(&file);
        let right = fs::read(&path).unwrap();
        let handle = fs::OpenOptions::new().write(true).open(&path).unwrap();
        for at in 0..right.len() {
            for bit in [0u8, 7] {
                handle.write_all_at(&[right[at] ^ (1 << bit)], at as u64).unwrap();
                assert!(committed(&destination).is_err(), "{file}: bit {bit} of byte {at}");
            }
            handle.write_all_at(&right[at..=at], at as u64).unwrap();
        }
        for length in [0, 1, right.len() / 2, right.len() - 1] {
            handle.set_len(length as u64).unwrap();
            assert!(committed(&destination).is_err(), "{file}: cut to {length}");
        }
        fs::write(&path, [&right[..], b"\0"].concat()).unwrap();
        assert!(committed(&destination).is_err(), "{file}: something behind it");
        fs::write(&path, &right).unwrap();
        committed(&destination).unwrap();
    }
}

#[test]
fn flips_in_every_member_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (source, destination) = (temp.path().join("s"), temp.path().join("d"));
    fs::create_dir_all(&source).unwrap();
    fs::create_dir_all(&destination).unwrap();
    sample(&source);
    let noise = |n: u64, seed: u64| -> Vec<u8> { (0..n).map(|i| (i.wrapping_mul(seed) >> 7) as u8).collect() };
    fs::write(source.join("large"), noise(3_500_000, 2_654_435_761)).unwrap();
    for i in 0..3000 {
        fs::write(source.join(format!("small-{i:05}")), noise(700, 40_503 + i)).unwrap();
    }
    let verified = copy(&source, &destination, 3);
    let manifest = verified.manifest().clone();
    assert!(
        manifest.members.len() > 5 && !manifest.list_members.is_empty(),
        "{}",
        manifest.members.len()
    );
    let members = manifest
        .members
        .iter()
        .map(|m| (manifest.archive_name.clone(), m.0, m.1));
    let lists = manifest
        .list_members
        .iter()
        .map(|m| (manifest.list_name.clone(), m.0, m.1));
    for (file, offset, length) in members.chain(lists) {
        let handle = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(destination.join(&file))
            .unwrap();
        for at in [offset, offset + length / 2, offset + length - 1] {
            let mut byte = [0];
            handle.read_exact_at(&mut byte, at).unwrap();
            handle.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
            assert!(committed(&destination).is_err(), "{file}: byte {at}");
            handle.write_all_at(&byte, at).unwrap();
        }
    }
    committed(&destination).unwrap();
    // What was proven once and changes later is noticed where it counts.
    assert!(verified.still_there(&[]).is_err());
}

#[test]
fn one_thread_or_many_write_the_same_archive() {
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("s");
    fs::create_dir_all(&source).unwrap();
    sample(&source);
    fs::write(source.join("large"), vec![3; 2_500_000]).unwrap();
    let archives: Vec<Vec<u8>> = [1, 4]
        .into_iter()
        .map(|threads| {
            let destination = temp.path().join(threads.to_string());
            fs::create_dir_all(&destination).unwrap();
            copy(&source, &destination, threads);
            fs::read(destination.join(name().archive())).unwrap()
        })
        .collect();
    assert!(archives[0] == archives[1]);
}

#[test]
fn an_unreadable_file_makes_the_copy_incomplete_and_a_vanished_one_does_not() {
    let temp = tempfile::tempdir().unwrap();
    let (source, destination) = (temp.path().join("s"), temp.path().join("d"));
    fs::create_dir_all(&source).unwrap();
    fs::create_dir_all(&destination).unwrap();
    sample(&source);
    let (dir, to) = (Dir::open(&source).unwrap(), Dir::open(&destination).unwrap());
    let entries = listing(&dir);
    fs::remove_file(source.join("d/b\n")).unwrap();
    let entries: Vec<&Entry> = entries.iter().collect();
    let facts = ManifestFacts {
        ops_name: "o".to_owned(),
        host: "h".to_owned(),
        run: RUN.to_owned(),
        sequence: 1,
        parent: None,
        backup_at: chrono::DateTime::UNIX_EPOCH,
        source: source.clone(),
        source_files: 0,
        source_bytes: 0,
        suspect: None,
        contents: opsrun::model::Contents::All,
        writer: None,
        left_out: LeftOut::default(),
        shares_with: None,
    };
    let written = archive::write(&WriteJob {
        source: &dir,
        cross_mounts: false,
        entries: &entries,
        destination: &to,
        name: name(),
        strategy: model::Strategy::Archive { level: 1 },
        threads: 1,
        facts,
        problems: Vec::new(),
        progress: &Quiet,
    })
    .unwrap();
    assert!(written.manifest.complete);
    assert_eq!(written.manifest.record_count, 4);
    assert_eq!(written.remarks.len(), 1);
}

#[test]
fn a_file_that_keeps_growing_is_torn_and_no_evidence() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let temp = tempfile::tempdir().unwrap();
    let (source, destination) = (temp.path().join("s"), temp.path().join("d"));
    fs::create_dir_all(&source).unwrap();
    fs::create_dir_all(&destination).unwrap();
    for (file, size) in [("small", 900_000), ("large", 6_000_000)] {
        fs::write(source.join(file), vec![1; size]).unwrap();
    }
    // Whether a writer gets its turn during a reading is up to the machine: tried until it did.
    let mut torn = false;
    for attempt in 0..50 {
        let destination = destination.join(attempt.to_string());
        fs::create_dir(&destination).unwrap();
        let over = AtomicBool::new(false);
        let verified = std::thread::scope(|scope| {
            for file in ["small", "large"] {
                let mut log = fs::OpenOptions::new().append(true).open(source.join(file)).unwrap();
                let over = &over;
                scope.spawn(move || {
                    // Bounded: a stuck test must not fill the disk.
                    for _ in 0..5_000_000 {
                        log.write_all(&[1]).unwrap();
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                });
            }
            let verified = copy(&source, &destination, 2);
            over.store(true, Ordering::Relaxed);
            verified
        });
        for row in verified.rows().map(Result::unwrap) {
            let stored = vec![1; usize::try_from(row.size).unwrap()];
            assert_eq!(row.sha256.as_deref(), Some(sha256(&stored).as_str()));
            assert!(!row.is_torn() || row.evidence().is_none());
            torn |= row.is_torn();
        }
        committed(&destination).unwrap();
        let target = destination.join("t");
        fs::create_dir(&target).unwrap();
        assert!(restore(&destination, &target, false).failed.is_empty());
        if torn {
            return;
        }
    }
    panic!("no reading was ever disturbed");
}

#[test]
fn restore_leaves_what_stands_there_and_stays_inside() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    for dir in ["s", "d", "t", "outside"] {
        fs::create_dir(at(dir)).unwrap();
    }
    sample(&at("s"));
    copy(&at("s"), &at("d"), 1);
    fs::create_dir(at("t/d")).unwrap();
    fs::write(at("t/d/a"), "mine").unwrap();
    let restored = restore(&at("d"), &at("t"), false);
    assert_eq!(
        restored
            .existing
            .first()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["d/a"]
    );
    assert_eq!(fs::read_to_string(at("t/d/a")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(at("t/z")).unwrap(), "hello");
    restore(&at("d"), &at("t"), true);
    assert_eq!(fs::read_to_string(at("t/d/a")).unwrap(), "hello");

    // A directory of the copy that is a symlink in the target leads nowhere.
    fs::remove_dir_all(at("t")).unwrap();
    fs::create_dir(at("t")).unwrap();
    std::os::unix::fs::symlink(at("outside"), at("t/d")).unwrap();
    for force in [false, true] {
        let restored = restore(&at("d"), &at("t"), force);
        assert!(!restored.failed.is_empty());
        assert_eq!(fs::read_dir(at("outside")).unwrap().count(), 0);
    }
}

#[test]
fn a_catalogue_tells_copies_from_debris_and_foreign_files() {
    let temp = tempfile::tempdir().unwrap();
    let (source, destination) = (temp.path().join("s"), temp.path().join("d"));
    fs::create_dir_all(&source).unwrap();
    fs::create_dir_all(&destination).unwrap();
    sample(&source);
    copy(&source, &destination, 1);
    let other = name().to_string().replace("b-2026", "c-2026");
    for file in [
        "notes.txt",
        "b.tar.gz",
        &format!("{other}.tar.gz"),
        &format!("{other}.files.jsonl.gz.tmp"),
    ] {
        fs::write(destination.join(file), "x").unwrap();
    }
    let dir = Dir::open(&destination).unwrap();
    let catalogue = Catalogue::read(&dir).unwrap();
    assert_eq!(catalogue.copies.len(), 1);
    assert_eq!(catalogue.orphans, [format!("{other}.tar.gz")]);
    assert_eq!(catalogue.drafts, [format!("{other}.files.jsonl.gz.tmp")]);
    assert_eq!(catalogue.foreign, ["b.tar.gz", "notes.txt"]);
    assert_eq!(catalogue.copies[0].deleted, 0);
    fs::remove_file(destination.join(name().list())).unwrap();
    let catalogue = Catalogue::read(&dir).unwrap();
    assert!(catalogue.copies.is_empty());
    assert_eq!(catalogue.broken.len(), 1);
}

/// Rewrites the list of a committed copy, with everything sealed anew as its writer would.
fn forge(destination: &Path, change: impl Fn(&mut Vec<serde_json::Value>)) {
    let (list, manifest) = (destination.join(name().list()), destination.join(name().manifest()));
    let text = Command::new("gzip").args(["-dc"]).arg(&list).output().unwrap().stdout;
    let mut rows: Vec<serde_json::Value> = text
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    change(&mut rows);
    let text: String = rows.iter().map(|row| row.to_string() + "\n").collect();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let mut sealed = archive::Manifest::from_bytes(&fs::read(&manifest).unwrap(), "m").unwrap();
    sealed.list_bytes = packed.len() as u64;
    sealed.list_checksum = sha256(&packed);
    sealed.record_count = rows.len() as u64;
    sealed.bytes = rows
        .iter()
        .map(|row| row["size"].as_u64().unwrap())
        .fold(0, u64::wrapping_add);
    let first = &mut sealed.list_members[0];
    (first.1, first.2) = (packed.len() as u64, text.len() as u64);
    if let Ok(path) = serde_json::from_value(rows[0]["path"].clone()) {
        first.3 = path;
    }
    fs::write(&list, packed).unwrap();
    fs::write(&manifest, sealed.to_bytes()).unwrap();
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    archive::file_entry::hex(&Sha256::digest(bytes))
}

#[test]
fn forged_lists_prove_nothing_and_lead_nowhere() {
    type Change = fn(&mut Vec<serde_json::Value>);
    let changes: [(&str, Change); 12] = [
        ("a way out", |rows| rows[1]["path"] = "../outside/f".into()),
        ("an absolute path", |rows| rows[1]["path"] = "/tmp/opsrun-forged".into()),
        ("a path twice", |rows| rows[2]["path"] = rows[1]["path"].clone()),
        ("another order", |rows| rows.swap(1, 2)),
        ("one less", |rows| drop(rows.remove(1))),
        ("another content", |rows| rows[1]["sha256"] = "00".repeat(32).into()),
        ("another size", |rows| rows[1]["size"] = u64::MAX.into()),
        ("another place", |rows| rows[1]["offset"] = u64::MAX.into()),
        ("a member that is not there", |rows| rows[1]["member"] = 99.into()),
        ("a hard link to nowhere", |rows| {
            rows.last_mut().unwrap()["link"] = "../../etc/passwd".into();
        }),
        ("holes that cannot be", |rows| {
            rows[1]["sparse"] = serde_json::json!([[u64::MAX, u64::MAX], [0, 1]]);
        }),
        ("a file below a symlink", |rows| {
            let at = rows.iter().position(|row| row["type"] == "symlink").unwrap();
            rows[at]["link"] = "../../outside".into();
            let mut below = rows[1].clone();
            below["path"] = "d/l/f".into();
            rows.insert(at + 1, below);
        }),
    ];
    for (what, change) in changes {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        for dir in ["s", "d", "t", "outside"] {
            fs::create_dir(at(dir)).unwrap();
        }
        sample(&at("s"));
        copy(&at("s"), &at("d"), 1);
        forge(&at("d"), |_| {});
        committed(&at("d")).unwrap();
        forge(&at("d"), change);
        assert!(committed(&at("d")).is_err(), "{what}");
        let (destination, target) = (Dir::open(&at("d")).unwrap(), Dir::open(&at("t")).unwrap());
        let options = RestoreOptions {
            force: true,
            threads: 1,
            numeric_owner: true,
            target: TargetOrigin::Existed,
        };
        if let Some(copy) = Catalogue::read(&destination).unwrap().copies.first() {
            // Whatever it answers, it stays inside.
            let _ = archive::restore(&destination, copy, &|_| true, &target, &options, &Quiet);
        }
        assert_eq!(fs::read_dir(at("outside")).unwrap().count(), 0, "{what}");
        assert!(!Path::new("/tmp/opsrun-forged").exists(), "{what}");
    }
}

#[test]
fn deep_trees_and_large_attributes_fit_into_members() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    for dir in ["s", "d", "t"] {
        fs::create_dir(at(dir)).unwrap();
    }
    let mut dir = Dir::open(&at("s")).unwrap();
    for level in 0..1500 {
        let name = format!("level{level:04}");
        dir.make_dir(name.as_bytes(), 0o755).unwrap();
        dir = dir.open_dir(name.as_bytes(), false).unwrap();
    }
    let mut attributes = 0;
    for i in 0..300 {
        let path = at("s").join(format!("f{i}"));
        fs::write(&path, "x").unwrap();
        let file = File::open(&path).unwrap();
        let value = vec![b'v'; 3000];
        attributes +=
            i32::from(rustix::fs::fsetxattr(&file, "user.large", &value, rustix::fs::XattrFlags::empty()).is_ok());
    }
    let verified = copy(&at("s"), &at("d"), 2);
    assert!(verified.manifest().complete);
    assert_eq!(verified.manifest().record_count, 1800);
    let restored = restore(&at("d"), &at("t"), false);
    assert!(restored.failed.is_empty(), "{:?}", restored.failed);
    assert_eq!((restored.dirs, restored.files), (1500, 300));
    if attributes > 0 {
        let file = File::open(at("t/f7")).unwrap();
        let mut value = Vec::with_capacity(4096);
        rustix::fs::fgetxattr(&file, "user.large", rustix::buffer::spare_capacity(&mut value)).unwrap();
        assert_eq!(value, vec![b'v'; 3000]);
    }
    // Too deep for a removal by path.
    assert!(
        Command::new("rm")
            .arg("-rf")
            .args([at("s"), at("t")])
            .status()
            .unwrap()
            .success()
    );
}
