//! The promise against bad days, through the binary: what is not covered, not readable, not proven, in use, too
//! much or in the wrong place stays, the exit code says so, and the next good run finishes the job.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed; tests play the part of other programs"
)]

use crate::support::workspace::{OPSRUN, Workspace, files, output_of, set_age};
use opsrun::archive::Manifest;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const DAY: u64 = 86_400;

impl Workspace {
    fn applied(&self, code: i32, more: &[&str]) -> String {
        self.ends(code, &[&["apply", "--yes"], more].concat())
    }

    fn backups(&self, end: &str) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(self.at("backup"))
            .map(|dir| {
                dir.map(|item| item.unwrap().path())
                    .filter(|p| p.to_string_lossy().ends_with(end))
                    .collect()
            })
            .unwrap_or_default();
        found.sort();
        found
    }
}

const EXPIRED: &str = r#"
    ops version=1 { name "t"; }
    backup "b" { source "data"; to "backup"; contents "expired"; }
    retention "r" backup="b" { class "all" "**" keep="7d"; max-delete files=1000; }
"#;

const ALL: &str = r#"
    ops version=1 { name "t"; }
    backup "b" { source "data"; to "backup"; }
    retention "r" backup="b" { class "all" "**" keep="7d"; max-delete files=1000; }
"#;

/// The hole of the system that opsrun replaces: once some backup had succeeded, every expired file went.
#[test]
fn what_the_backup_does_not_cover_is_never_deleted() {
    for contents in ["all", "expired"] {
        let world = Workspace::with_data(&format!(
            r#"
            ops version=1 {{ name "t"; }}
            backup "b" {{ source "data"; include "*.jsonl"; exclude "tmp"; to "backup"; contents "{contents}"; }}
            retention "r" backup="b" {{ class "all" "**" keep="7d"; max-delete files=1000; }}
            "#
        ));
        let covered = world.file("a.jsonl", 30);
        let other = [
            world.file("a.bin", 30),
            world.file("tmp/a.jsonl", 30),
            world.file("x/y/z.csv", 300),
        ];
        for _ in 0..2 {
            let text = world.applied(4, &[]);
            assert!(text.contains("not-covered"), "{text}");
            assert!(!covered.exists());
            assert!(other.iter().all(|path| path.exists()));
        }
    }
}

#[test]
fn a_missing_source_is_refused() {
    let world = Workspace::with_data(EXPIRED);
    fs::remove_dir(world.at("data")).unwrap();
    let text = world.applied(3, &[]);
    assert!(text.contains("data") && text.contains("No such file"), "{text}");
    assert!(world.backups("").is_empty());
}

#[test]
fn a_destination_that_is_no_directory_ends_with_73() {
    let world = Workspace::with_data(EXPIRED);
    let old = world.file("a", 30);
    fs::write(world.at("backup"), "a file").unwrap();
    world.applied(73, &[]);
    assert!(old.exists());
    fs::remove_file(world.at("backup")).unwrap();
    world.applied(0, &[]);
    assert!(!old.exists());
}

#[test]
fn a_full_destination_ends_with_73_and_deletes_nothing() {
    let world = Workspace::with_data(EXPIRED);
    let mut state = 1_u64;
    let noise: Vec<u8> = (0..3_000_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    let old = world.file_with(OsStr::new("noise"), 30, &noise);
    // A limit on the size of files stands in for a full disk: the archive does not fit, the state does.
    let script = format!("ulimit -f 1000; exec '{OPSRUN}' apply --yes");
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(world.path())
        .output()
        .unwrap();
    output_of(&output, 73);
    assert!(old.exists());
    world.applied(0, &[]);
    assert!(!old.exists());
    assert!(world.backups(".tmp").is_empty());
}

#[test]
fn an_unreadable_file_makes_the_copy_incomplete_and_stays() {
    let world = Workspace::with_data(ALL);
    let (closed, open) = (world.file("closed", 30), world.file("open", 30));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    world.hand_over();
    let text = output_of(&world.run_unprivileged(&["apply", "--yes"]), 4);
    assert!(text.contains("closed") && text.contains("incomplete"), "{text}");
    assert!(closed.exists() && !open.exists());
}

#[test]
fn what_cannot_be_listed_stops_the_cleanup() {
    for ops in [ALL, EXPIRED] {
        let world = Workspace::with_data(ops);
        let (hidden, open) = (world.file("dir/hidden", 30), world.file("open", 30));
        world.hand_over();
        fs::set_permissions(world.at("data/dir"), fs::Permissions::from_mode(0o000)).unwrap();
        let text = output_of(&world.run_unprivileged(&["apply", "--yes"]), 3);
        assert!(text.contains("dir"), "{text}");
        assert!(open.exists());
        fs::set_permissions(world.at("data/dir"), fs::Permissions::from_mode(0o700)).unwrap();
        output_of(&world.run_unprivileged(&["apply", "--yes"]), 0);
        assert!(!open.exists() && !hidden.exists());
    }
}

#[test]
fn a_file_that_is_open_for_writing_stays_and_goes_later_by_the_same_copy() {
    let world = Workspace::with_data(EXPIRED);
    let (busy, idle) = (world.file("busy", 30), world.file("idle", 30));
    let writer = OpenOptions::new().append(true).open(&busy).unwrap();
    let text = world.applied(4, &[]);
    assert!(text.contains("in-use"), "{text}");
    assert!(busy.exists() && !idle.exists());
    drop(writer);
    world.applied(0, &[]);
    assert!(!busy.exists());
    assert_eq!(world.backups(".tar.gz").len(), 1, "the older copy is the proof");
}

#[test]
fn in_use_ignore_deletes_both_names_of_an_inode() {
    let world = Workspace::with_data(&EXPIRED.replace("max-delete", "in-use \"ignore\"; max-delete"));
    let first = world.file("first", 30);
    fs::hard_link(&first, world.at("data/second")).unwrap();
    let _writer = OpenOptions::new().append(true).open(&first).unwrap();
    world.applied(0, &[]);
    assert_eq!(fs::read_dir(world.at("data")).unwrap().count(), 0);
}

#[test]
fn a_damaged_copy_proves_nothing() {
    let world = Workspace::with_data(EXPIRED);
    let busy = world.file("busy", 30);
    let writer = OpenOptions::new().append(true).open(&busy).unwrap();
    world.applied(4, &[]);
    drop(writer);
    let archive = world.backups(".tar.gz").remove(0);
    let file = OpenOptions::new().read(true).write(true).open(&archive).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 40).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 40).unwrap();
    let text = world.applied(1, &[]);
    assert!(text.contains("damaged"), "{text}");
    assert!(busy.exists());
    // What the help says: move it away, and the next run stores the file anew.
    for file in world.backups("") {
        if file.is_file() && !file.ends_with(".opsrun-destination") {
            fs::remove_file(file).unwrap();
        }
    }
    world.applied(0, &[]);
    assert!(!busy.exists());
}

#[test]
fn odd_things_in_the_source() {
    let world = Workspace::with_data(EXPIRED);
    let odd: Vec<PathBuf> = [&b"new\nline"[..], b"\xff\xfe", &[b'n'; 255], b"-rf", b" ", b"\x1b[31m"]
        .into_iter()
        .map(|name| world.file_with(OsStr::from_bytes(name), 30, name))
        .collect();
    let data = world.at("data");
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        data.join("fifo"),
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(data.join("socket")).unwrap();
    std::os::unix::fs::symlink(".", data.join("loop")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", data.join("out")).unwrap();
    let future = world.file("future", 0);
    File::open(&future)
        .unwrap()
        .set_modified(SystemTime::now() + Duration::from_secs(9 * DAY))
        .unwrap();
    let ancient = world.file("ancient", 0);
    File::open(&ancient)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(5))
        .unwrap();
    let text = world.applied(0, &[]);
    assert!(
        text.contains("future") && text.contains("implausible-time") && text.contains("special"),
        "{text}"
    );
    assert!(odd.iter().all(|path| !path.exists()));
    for stays in ["fifo", "socket", "loop", "out", "future", "ancient"] {
        assert!(data.join(stays).symlink_metadata().is_ok(), "{stays}");
    }
    assert!(Path::new("/etc/passwd").exists());
    output_of(&world.run(&["restore", "--to", "back"]), 0);
    for path in odd {
        let name = path.file_name().unwrap();
        assert_eq!(fs::read(world.at("back").join(name)).unwrap(), name.as_bytes());
    }
}

/// A limit on deletions costs no copy: each night has one, until a person looks at it.
#[test]
fn the_budget_refuses_the_cleanup_alone_and_is_overridden_once() {
    let channel = "\nchannel \"c\" { shell \"cat >>notices; echo >>notices\"; }";
    for (ops, copies) in [(ALL, 2), (EXPIRED, 1)] {
        let world = Workspace::with_data(&(ops.replace("files=1000", "files=2") + channel));
        let old: Vec<PathBuf> = (0..3).map(|i| world.file(&format!("{i}"), 30)).collect();
        for _ in 0..2 {
            let text = world.applied(3, &[]);
            assert_eq!(text.matches("more than `max-delete` allows").count(), 1, "{text}");
            assert!(text.contains("--over-budget retention:r"), "{text}");
            assert!(old.iter().all(|path| path.exists()));
        }
        assert_eq!(world.backups(".manifest.json").len(), copies);
        assert_eq!(world.restored("b").len(), 3);
        let notices = fs::read_to_string(world.at("notices")).unwrap();
        assert_eq!(notices.matches("max-delete").count(), 1, "{notices}");
        let planned = world.json(0, &["plan", "--json"]);
        let refused: Vec<&str> = planned["steps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|step| !step["refusals"].as_array().unwrap().is_empty())
            .map(|step| step["name"].as_str().unwrap())
            .collect();
        assert_eq!(refused, ["cleanup:r"]);
        world.applied(0, &["--over-budget", "retention:r"]);
        assert!(old.iter().all(|path| !path.exists()));
    }
}

/// What cannot be listed could have been deleted, or not: that stops no copy of what can be.
#[test]
fn a_part_that_cannot_be_listed_stops_the_cleanup_alone() {
    for ops in [ALL, EXPIRED] {
        let world = Workspace::with_data(ops);
        let old = world.file("old", 30);
        fs::create_dir(world.at("data/closed")).unwrap();
        world.hand_over();
        fs::set_permissions(world.at("data/closed"), fs::Permissions::from_mode(0o0)).unwrap();
        let text = output_of(&world.run_unprivileged(&["apply", "--yes"]), 3);
        assert!(text.contains("refused   cleanup:r"), "{text}");
        assert!(text.contains("`closed` cannot be listed"), "{text}");
        assert!(!text.contains("refused   backup:b"), "{text}");
        assert!(old.exists());
        assert_eq!(world.backups(".manifest.json").len(), 1, "{text}");
        fs::set_permissions(world.at("data/closed"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Rewrites the newest manifest, properly sealed: as if the copy had been made at another time.
fn redate(world: &Workspace, days: i64) {
    let path = world.backups(".manifest.json").pop().unwrap();
    let mut manifest = Manifest::from_bytes(&fs::read(&path).unwrap(), "m").unwrap();
    manifest.backup_at += chrono::TimeDelta::days(days);
    fs::write(&path, manifest.to_bytes()).unwrap();
}

#[test]
fn a_clock_that_jumped_is_refused() {
    for days in [2, -31] {
        let world = Workspace::with_data(ALL);
        world.file("young", 0);
        world.applied(0, &[]);
        redate(&world, days);
        let old = world.file("old", 30);
        let text = world.applied(3, &[]);
        assert!(text.contains("--accept-clock"), "{text}");
        assert!(old.exists());
        world.applied(0, &["--accept-clock"]);
        assert!(!old.exists());
    }
}

#[test]
fn a_source_that_lost_half_its_files_is_suspect() {
    let world = Workspace::with_data(ALL);
    let files: Vec<PathBuf> = (0..10).map(|i| world.file(&format!("{i}"), 0)).collect();
    world.applied(0, &[]);
    for path in &files[..7] {
        fs::remove_file(path).unwrap();
    }
    let old = world.file("old", 30);
    let text = world.applied(3, &[]);
    assert!(text.contains("--accept-shrink"), "{text}");
    assert!(old.exists());
    assert!(output_of(&world.run(&["list"]), 0).contains("suspect"));
    world.applied(0, &["--accept-shrink"]);
    assert!(!old.exists());
}

#[test]
fn what_cleanup_deleted_does_not_count_as_lost() {
    let world = Workspace::with_data(EXPIRED);
    for i in 0..10 {
        world.file(&format!("old-{i}"), 30);
    }
    world.file("young", 0);
    world.applied(0, &[]);
    let old = world.file("old", 30);
    world.applied(0, &[]);
    assert!(!old.exists());
}

#[test]
fn overlaps_are_seen_whatever_the_names_say() {
    let world = Workspace::with_data(ALL);
    let old = world.file("old", 30);
    fs::create_dir(world.at("data/copies")).unwrap();
    std::os::unix::fs::symlink("data/copies", world.at("backup")).unwrap();
    let text = world.applied(3, &[]);
    assert!(text.contains("lies in the source"), "{text}");
    assert!(old.exists());

    let world = Workspace::with_data(ALL);
    let old = world.file("old", 30);
    fs::rename(world.at("data"), world.at("real")).unwrap();
    fs::create_dir(world.at("backup")).unwrap();
    fs::rename(world.at("real"), world.at("backup/inner")).unwrap();
    std::os::unix::fs::symlink("backup/inner", world.at("data")).unwrap();
    world.applied(3, &[]);
    assert!(old.exists());
}

#[test]
fn foreign_files_in_the_destination_stay() {
    let world = Workspace::with_data(EXPIRED);
    fs::create_dir(world.at("backup")).unwrap();
    let shaped = "b-20200101T000000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let foreign = [
        "notes.txt",
        "b.tar.gz",
        &format!("{shaped}.tar.gz"),
        "other.manifest.json",
    ];
    for name in foreign {
        fs::write(world.at("backup").join(name), "mine").unwrap();
    }
    world.file("old", 30);
    world.applied(0, &[]);
    world.applied(0, &[]);
    for name in foreign {
        assert_eq!(
            fs::read_to_string(world.at("backup").join(name)).unwrap(),
            "mine",
            "{name}"
        );
    }
}

#[test]
fn the_state_may_be_lost_between_runs() {
    let world = Workspace::with_data(EXPIRED);
    world.file("a", 30);
    world.applied(0, &[]);
    fs::remove_dir_all(world.at(".opsrun")).unwrap();
    let old = world.file("b", 30);
    world.applied(0, &[]);
    assert!(!old.exists());
    assert_eq!(world.backups(".manifest.json").len(), 2);
}

/// A run that died while it named the manifest leaves the same as a damaged disk.
#[test]
fn what_is_not_a_manifest_goes_only_if_the_history_says_that_the_copy_was_never_finished() {
    for half in ["", "{\"format\": 3, \"back"] {
        for (history, goes) in [("unfinished", true), ("finished", false), ("lost", false)] {
            let world = Workspace::with_data(ALL);
            world.file("a", 1);
            world.applied(0, &[]);
            let copy = files(&world.at("backup"));
            let copy: Vec<&String> = copy.keys().filter(|name| name.starts_with("b-")).collect();
            assert_eq!(copy.len(), 3, "{copy:?}");
            fs::write(world.backups(".manifest.json").pop().unwrap(), half).unwrap();
            if history == "unfinished" {
                let db = rusqlite::Connection::open(world.at(".opsrun/t/opsrun.db")).unwrap();
                let published = "DELETE FROM events WHERE kind = 'copy-published'";
                assert_eq!(db.execute(published, []).unwrap(), 1);
            } else if history == "lost" {
                fs::remove_dir_all(world.at(".opsrun")).unwrap();
            }
            let left = files(&world.at("backup"));
            for run in 1..=3 {
                let text = world.applied(0, &[]);
                assert_eq!(
                    text.contains("3 leftovers removed"),
                    goes && run == 1,
                    "{history}: {text}"
                );
                let now = files(&world.at("backup"));
                for name in &copy {
                    let expected = left.get(*name).filter(|_| !goes);
                    assert_eq!(now.get(*name), expected, "{history} {half:?}: {name} after run {run}");
                }
                let listed = world.ends(0, &["list"]);
                assert_eq!(
                    listed.contains("it is not a valid manifest"),
                    !goes,
                    "{history}: {listed}"
                );
            }
            let text = world.ends(i32::from(!goes), &["verify"]);
            assert_eq!(text.contains("1 copy damaged, 3 intact"), !goes, "{history}: {text}");
        }
    }
}

#[test]
fn another_run_on_the_same_source_is_waited_for_or_refused() {
    let world = Workspace::with_data(EXPIRED);
    let old = world.file("a", 30);
    let dir = File::open(world.at("data")).unwrap();
    rustix::fs::flock(&dir, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let text = world.applied(75, &[]);
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(old.exists());
    drop(dir);
    world.applied(0, &[]);
    assert!(!old.exists());
}

#[test]
fn emptied_directories_go_when_asked_and_only_those() {
    let world = Workspace::with_data(&EXPIRED.replace("max-delete", "remove-empty-dirs; max-delete"));
    world.file("2026/01/a", 30);
    world.file("2026/02/a", 30);
    world.file("2026/02/young", 0);
    fs::create_dir(world.at("data/empty")).unwrap();
    world.applied(0, &[]);
    assert!(!world.at("data/2026/01").exists());
    assert!(world.at("data/2026/02/young").exists());
    assert!(world.at("data/empty").exists());
}

#[test]
fn an_emptied_directory_that_is_a_source_stays() {
    let below = r#"backup "below" { source "data/2026/01"; to "below"; }"#;
    let world = Workspace::with_data(&(EXPIRED.replace("max-delete", "remove-empty-dirs; max-delete") + below));
    world.file("2026/01/in/a", 30);
    world.file("2026/02/a", 30);
    for _ in 0..2 {
        world.applied(0, &["--only", "retention:*"]);
        assert!(world.at("data/2026/01").exists() && !world.at("data/2026/01/in").exists());
        assert!(!world.at("data/2026/02").exists());
    }
}

#[test]
fn a_cleanup_waits_for_every_copy_of_the_run() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        backup "near" { source "data"; to "backup"; }
        retention "r" backup="near" { class "all" "**" keep="7d"; max-delete files=1000; }
        backup "far" { source "data"; to "far"; }
        "#,
    );
    let old = world.file("old", 30);
    world.applied(0, &[]);
    assert!(!old.exists());
    output_of(&world.run(&["restore", "old", "--backup", "far", "--to", "back"]), 0);
    assert!(world.at("back/old").exists());
}

#[test]
fn a_paused_job_is_said() {
    let world = Workspace::with_data(&EXPIRED.replace("contents \"expired\"", "contents \"expired\"; paused"));
    let old = world.file("old", 30);
    for text in [output_of(&world.run(&["plan"]), 0), world.applied(0, &[])] {
        assert!(
            text.contains("paused") && text.contains("backup:b") && text.contains("retention:r"),
            "{text}"
        );
    }
    assert!(old.exists());
}

/// A page that is mapped and dirty can be written to again without moving any time of its file.
#[test]
#[expect(unsafe_code, reason = "a shared mapping is what this is about")]
fn what_a_mapping_wrote_unseen_is_stored_before_it_goes() {
    let world = Workspace::with_data(EXPIRED);
    let path = world.file_with(OsStr::new("mapped"), 30, &[b'A'; 4096]);
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let (protection, flags) = (
        rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE,
        rustix::mm::MapFlags::SHARED,
    );
    // SAFETY: a new mapping of one page of a file of that size, at an address that the kernel chooses.
    let page = unsafe { rustix::mm::mmap(std::ptr::null_mut(), 4096, protection, flags, &file, 0).unwrap() };
    drop(file);
    // SAFETY: within the mapping made above, which lives until it is unmapped below.
    let write = |byte: u8| unsafe { std::ptr::write_volatile(page.cast::<u8>(), byte) };
    write(b'B');
    set_age(&path, 30);
    let before = fs::metadata(&path).unwrap();
    let text = world.applied(4, &[]);
    assert!(text.contains("in-use"), "{text}");
    write(b'C');
    // SAFETY: the mapping made above; nothing refers to it after this.
    unsafe { rustix::mm::munmap(page, 4096).unwrap() };
    let after = fs::metadata(&path).unwrap();
    // If the kernel has written the page out meanwhile, the last write did move the times.
    set_age(&path, 30);
    let text = world.applied(0, &[]);
    assert!(!path.exists(), "{text}");
    if before.modified().unwrap() == after.modified().unwrap() {
        assert_eq!(
            world.backups(".tar.gz").len(),
            2,
            "the first copy holds another content: {text}"
        );
    }
    output_of(&world.run(&["restore", "mapped", "--to", "back"]), 0);
    assert_eq!(fs::read(world.at("back/mapped")).unwrap()[0], b'C');
}

#[test]
fn another_backups_copies_are_never_deleted() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        backup "a" { source "data"; to "da"; }
        retention "r" backup="a" { class "all" "**" keep="1s"; max-delete files=1000; }
        backup "b" { source "other"; to "link/db"; }
        "#,
    );
    fs::create_dir(world.at("other")).unwrap();
    fs::write(world.at("other/f"), "f").unwrap();
    fs::create_dir(world.at("data/vault")).unwrap();
    std::os::unix::fs::symlink("data/vault", world.at("link")).unwrap();
    world.run(&["apply", "--yes"]);
    let copies = || walkdir::WalkDir::new(world.at("data/vault")).into_iter().count();
    let before = copies();
    for _ in 0..2 {
        let text = world.applied(3, &[]);
        assert!(text.contains("destination of another backup"), "{text}");
        assert!(copies() >= before);
    }
}

#[test]
fn deletions_of_any_cleanup_do_not_look_like_loss() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        backup "a" { source "data"; include "*.a"; to "da"; contents "expired"; }
        retention "ra" backup="a" { class "a" "*.a" keep="7d"; max-delete files=1000; }
        backup "b" { source "data"; include "*.b"; to "db"; contents "expired"; }
        retention "rb" backup="b" { class "b" "*.b" keep="7d"; max-delete files=1000; }
        "#,
    );
    for i in 0..10 {
        world.file(&format!("{i}.a"), 30);
    }
    world.file("0.b", 30);
    world.file("young.b", 0);
    world.applied(0, &[]);
    let old = world.file("1.b", 30);
    world.applied(0, &[]);
    assert!(!old.exists());
}

#[test]
fn receipts_go_where_the_copies_are() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        backup "a" { source "data"; include "*.a"; to "da"; contents "expired"; }
        retention "ra" backup="a" { class "a" "*.a" keep="7d"; max-delete files=1000; }
        backup "b" { source "data"; include "*.b"; to "backup"; contents "expired"; }
        retention "rb" backup="b" { class "b" "*.b" keep="7d"; max-delete files=1000; }
        "#,
    );
    world.file("old.b", 30);
    world.file("young.b", 0);
    world.applied(0, &[]);
    let receipt = world.backups(".deleted.jsonl.gz").remove(0);
    let copy = receipt
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .strip_suffix(".deleted.jsonl.gz")
        .unwrap()
        .to_owned();
    // As if the run had died after the removal, before the receipt.
    fs::remove_file(&receipt).unwrap();
    let place = world.at("data/.opsrun-quarantine/01ARZ3NDEKTSV4RRFFQ69G5FAV");
    fs::create_dir_all(&place).unwrap();
    for dir in [place.parent().unwrap(), &place] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let line = format!(
        r#"{{"n":0,"path":"old.b","sha256":"{}","copy":"{copy}","dir":null}}"#,
        "0".repeat(64)
    );
    fs::write(place.join("index.jsonl"), line.clone() + "\n").unwrap();
    // Not there: nothing is written into the place where it should be, and the index stays.
    fs::rename(world.at("backup"), world.at("away")).unwrap();
    fs::create_dir(world.at("backup")).unwrap();
    world.applied(3, &[]);
    assert_eq!(world.backups("").len(), 0);
    assert!(place.join("index.jsonl").exists());
    fs::remove_dir(world.at("backup")).unwrap();
    fs::rename(world.at("away"), world.at("backup")).unwrap();
    world.applied(0, &[]);
    assert!(receipt.exists());
    assert!(!world.at("data/.opsrun-quarantine").exists());
}

#[test]
fn unreadable_expired_files_make_no_copy_after_copy() {
    let world = Workspace::with_data(EXPIRED);
    let closed = world.file("closed", 30);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    world.hand_over();
    for _ in 0..3 {
        let text = output_of(&world.run_unprivileged(&["apply", "--yes"]), 4);
        assert!(text.contains("closed") && text.contains("unreadable"), "{text}");
    }
    assert!(closed.exists());
    assert!(world.backups(".manifest.json").is_empty() && world.backups(".tmp").is_empty());
}

#[test]
fn a_damaged_receipt_is_noticed_before_anything_goes() {
    let world = Workspace::with_data(EXPIRED);
    let (busy, idle) = (world.file("busy", 30), world.file("idle", 30));
    let writer = OpenOptions::new().append(true).open(&busy).unwrap();
    world.applied(4, &[]);
    assert!(!idle.exists());
    drop(writer);
    let receipt = world.backups(".deleted.jsonl.gz").remove(0);
    OpenOptions::new()
        .write(true)
        .open(&receipt)
        .unwrap()
        .set_len(20)
        .unwrap();
    let text = world.applied(1, &[]);
    assert!(text.contains("move `"), "{text}");
    assert!(busy.exists() && !world.at("data/.opsrun-quarantine").exists());
    fs::remove_file(receipt).unwrap();
    world.applied(0, &[]);
    assert!(!busy.exists());
}

#[test]
fn what_a_restore_that_died_left_is_cleared() {
    let world = Workspace::with_data(EXPIRED);
    world.file("young", 1);
    let part = world.at("data/.opsrun-01ARZ3NDEKTSV4RRFFQ69G5FAV-3.part");
    fs::write(&part, "half").unwrap();
    let held = File::open(&part).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    world.applied(0, &[]);
    assert!(part.exists());
    drop(held);
    world.applied(0, &[]);
    assert!(!part.exists());
}

#[test]
fn an_incomplete_copy_still_tells_how_much_there_was() {
    let world = Workspace::with_data(ALL);
    let files: Vec<PathBuf> = (0..10).map(|i| world.file(&format!("{i}"), 0)).collect();
    fs::set_permissions(&files[0], fs::Permissions::from_mode(0o000)).unwrap();
    world.hand_over();
    output_of(&world.run_unprivileged(&["apply", "--yes"]), 4);
    for path in &files[1..] {
        fs::remove_file(path).unwrap();
    }
    let old = world.file("old", 30);
    world.hand_over();
    let text = output_of(&world.run_unprivileged(&["apply", "--yes"]), 3);
    assert!(text.contains("--accept-shrink"), "{text}");
    assert!(old.exists());
}

/// The same ops with copies that are trees of plain files.
fn trees(ops: &str) -> String {
    ops.replace("to \"backup\";", "to \"backup\"; strategy \"copy\";")
}

#[test]
fn a_tree_is_a_copy_like_any_other() {
    let world = Workspace::with_data(&trees(ALL));
    let (old, young) = (world.file("sub/old", 30), world.file("young", 1));
    std::os::unix::fs::symlink("old", world.at("data/sub/link")).unwrap();
    world.applied(0, &[]);
    assert!(!old.exists() && young.exists());
    let tree = world.backups(".tree").remove(0);
    assert_eq!(fs::read_to_string(tree.join("sub/old")).unwrap(), "sub/old");
    assert_eq!(fs::read_link(tree.join("sub/link")).unwrap(), Path::new("old"));
    let text = world.applied(0, &[]);
    assert!(text.contains("sharing its data"), "{text}");
    output_of(&world.run(&["verify"]), 0);
    let text = output_of(&world.run(&["list"]), 0);
    assert!(text.contains("2 copies"), "{text}");

    // All of it, one path, and without ops file or history.
    output_of(&world.run(&["restore", "sub/old", "--to", "one"]), 0);
    assert_eq!(fs::read_to_string(world.at("one/sub/old")).unwrap(), "sub/old");
    output_of(&world.run(&["restore", "**/o*", "--to", "some"]), 0);
    assert!(world.at("some/sub/old").exists() && !world.at("some/young").exists());
    output_of(&world.run(&["restore", "**", "--from", "backup", "--to", "all"]), 0);
    for path in ["sub/old", "young"] {
        assert_eq!(fs::read_to_string(world.at("all").join(path)).unwrap(), path);
    }
    assert!(world.at("all/sub/link").is_symlink());
}

#[test]
fn an_older_tree_is_the_proof_unless_it_is_damaged() {
    for damaged in [false, true] {
        let world = Workspace::with_data(&trees(EXPIRED));
        let busy = world.file("sub/busy", 30);
        let writer = OpenOptions::new().append(true).open(&busy).unwrap();
        world.applied(4, &[]);
        drop(writer);
        let stored = world.backups(".tree").remove(0).join("sub/busy");
        if damaged {
            let file = OpenOptions::new().write(true).open(&stored).unwrap();
            file.write_all_at(b"X", 0).unwrap();
            drop(file);
            set_age(&stored, 30);
            let text = world.applied(1, &[]);
            assert!(text.contains("damaged") && text.contains("sub/busy"), "{text}");
            assert!(busy.exists());
            let text = output_of(&world.run(&["verify"]), 1);
            assert!(text.contains("sub/busy"), "{text}");
        } else {
            world.applied(0, &[]);
            assert!(!busy.exists());
            assert_eq!(world.backups(".tree").len(), 1, "the older copy is the proof");
        }
    }
}

#[test]
fn a_tree_that_a_killed_run_left_goes_and_a_strange_one_stays() {
    for _ in 0..20 {
        let world = Workspace::with_data(&trees(ALL));
        let old: Vec<PathBuf> = (0..200).map(|i| world.file(&format!("d{}/{i}", i % 7), 30)).collect();
        fs::create_dir(world.at("backup")).unwrap();
        let mut run = Command::new(OPSRUN)
            .args(["apply", "--yes"])
            .current_dir(world.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while world.backups(".tree.tmp").is_empty() && run.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        run.kill().unwrap();
        run.wait().unwrap();
        // It may have been faster.
        let Some(left) = world.backups(".tree.tmp").pop() else {
            continue;
        };
        assert!(old.iter().all(|path| path.exists()));
        let strange = world.at("backup/b-20261123T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV.tree.tmp");
        fs::create_dir(&strange).unwrap();
        fs::write(strange.join("f"), "not of any run that we know").unwrap();
        world.applied(0, &[]);
        assert!(!left.exists() && strange.join("f").exists());
        assert!(old.iter().all(|path| !path.exists()));
        assert_eq!(world.backups(".tree").len(), 1);
        output_of(&world.run(&["verify"]), 0);
        return;
    }
    panic!("no run was ever killed half-way");
}

#[test]
fn a_user_without_privileges_makes_trees_too() {
    let world = Workspace::with_data(&trees(ALL));
    let (old, closed) = (world.file("old", 30), world.file("shut/closed", 1));
    fs::set_permissions(&old, fs::Permissions::from_mode(0o4555)).unwrap();
    fs::set_permissions(closed.parent().unwrap(), fs::Permissions::from_mode(0o500)).unwrap();
    world.hand_over();
    output_of(&world.run_unprivileged(&["apply", "--yes"]), 0);
    assert!(!old.exists());
    let stored = world.backups(".tree").remove(0).join("old");
    assert_eq!(
        stored.metadata().unwrap().permissions().mode() & 0o7777,
        0o555,
        "no set-id bit"
    );
    output_of(&world.run_unprivileged(&["verify"]), 0);
    output_of(&world.run_unprivileged(&["apply", "--yes"]), 0);
    output_of(&world.run_unprivileged(&["restore", "**", "--to", "back"]), 0);
    assert_eq!(fs::read_to_string(world.at("back/old")).unwrap(), "old");
    fs::set_permissions(closed.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
}

/// A tmpfs takes sparse files of any size: three of them add up to more than 64 bits.
#[test]
fn sizes_beyond_all_numbers_are_added_up() {
    let source = tempfile::tempdir_in("/dev/shm").unwrap();
    let world = Workspace::new(&EXPIRED.replace("\"data\"", &format!("{:?}", source.path())));
    for name in ["a", "b", "c"] {
        let path = source.path().join(name);
        File::create(&path).unwrap().set_len(i64::MAX as u64).unwrap();
        set_age(&path, 30);
    }
    let text = output_of(&world.run(&["plan"]), 0);
    assert!(text.contains("16.0 EiB"), "{text}");
}

/// The disk for the copies is not mounted: its mount point is a directory like any other.
#[test]
fn the_first_run_onto_the_sources_own_file_system_warns() {
    let world = Workspace::with_data(EXPIRED);
    world.file("old", 30);
    world.file("young", 1);
    let why = "on the source's file system: if a disk should be mounted there, it is not";
    assert!(world.ends(0, &["plan"]).contains(why));
    assert!(world.applied(0, &[]).contains(why));
    assert!(world.ends(0, &["history", "last"]).contains(why));
    world.file("old", 30);
    assert!(!world.applied(0, &[]).contains(why), "it is known by now");
    // A lost state knows no more than a first run, but finds its marker.
    fs::remove_dir_all(world.at(".opsrun")).unwrap();
    world.file("old", 30);
    assert!(!world.applied(0, &[]).contains(why));
    // Without the marker it is a first run again.
    fs::remove_dir_all(world.at(".opsrun")).unwrap();
    fs::remove_dir_all(world.at("backup")).unwrap();
    world.file("old", 30);
    assert!(world.applied(0, &[]).contains(why));
}
