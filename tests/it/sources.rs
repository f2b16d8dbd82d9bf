//! Sources that are empty, that shrank, or of which something is left out, through the binary.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world has failed; tests play the part of other programs"
)]

use crate::support::forge;
use crate::support::workspace::{Workspace, output_of, set_age};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// With and without a retention, as archive and as tree: the exit code of a suspect copy with each.
const KINDS: [(&str, &str, i32); 4] = [
    ("", "", 4),
    (r#"strategy "copy";"#, "", 4),
    ("", RETENTION, 3),
    (r#"strategy "copy";"#, RETENTION, 3),
];

const RETENTION: &str = r#"retention "r" backup="b" { class "all" "**" keep="7d"; max-delete files=1000; }"#;

fn ops(backup: &str, retention: &str) -> String {
    let place = r#"source "data"; to "backup";"#;
    format!("ops version=1 {{ name \"t\"; }}\nbackup \"b\" {{ {place} {backup} }}\n{retention}\n")
}

fn fill(world: &Workspace, files: usize, size: usize) {
    for n in 0..files {
        world.file_with(OsStr::new(&format!("{n}.db")), 1, &vec![b'x'; size]);
    }
}

/// How many copies have each state.
fn states(world: &Workspace) -> (usize, usize) {
    let list = world.json(0, &["list", "--json"]);
    let copies = list["copies"].as_array().unwrap();
    let count = |state: &str| copies.iter().filter(|copy| copy["state"] == state).count();
    (count("complete"), count("suspect"))
}

fn accept(world: &Workspace) -> String {
    world.ends(0, &["apply", "--yes", "--accept-shrink"])
}

#[test]
fn files_that_are_all_empty_now_make_a_suspect_copy() {
    for (backup, retention, exit) in KINDS {
        let world = Workspace::with_data(&ops(backup, retention));
        fill(&world, 7, 20_000);
        world.apply(0);
        fill(&world, 7, 0);
        for _ in 0..2 {
            let text = world.apply(exit);
            assert!(
                text.contains("contains 0 B in 7 files, but 136.7 KiB were left"),
                "{text}"
            );
            assert!(text.contains("--accept-shrink"), "{text}");
        }
        assert_eq!(states(&world), (1, 2));
        accept(&world);
        world.apply(0);
        assert_eq!(states(&world), (3, 2));
    }
}

#[test]
fn under_half_of_the_bytes_is_suspect_and_a_small_loss_is_not() {
    let world = Workspace::with_data(&ops("", ""));
    fill(&world, 4, 10_000);
    world.apply(0);
    world.file_with(OsStr::new("0.db"), 1, b"header");
    world.file_with(OsStr::new("1.db"), 1, b"header");
    world.apply(0);
    world.file_with(OsStr::new("2.db"), 1, b"header");
    world.apply(0);
    world.file_with(OsStr::new("3.db"), 1, b"header");
    assert!(world.apply(4).contains("contains 24 B in 4 files"));
    accept(&world);
    // A state of a few bytes is rewritten at any time.
    fill(&world, 4, 1);
    world.apply(0);
    fill(&world, 4, 0);
    world.apply(4);
}

#[test]
fn what_is_not_selected_hides_no_loss() {
    let world = Workspace::with_data(&ops(r#"exclude "cache"; include "*.db" "cache/**";"#, RETENTION));
    fill(&world, 5, 10_000);
    world.file_with(OsStr::new("cache/big"), 1, &vec![0; 500_000]);
    world.file_with(OsStr::new("other.txt"), 1, &vec![0; 500_000]);
    world.apply(0);
    fill(&world, 5, 0);
    assert!(world.apply(3).contains("contains 0 B in 5 files"));
}

#[test]
fn bytes_that_a_cleanup_deleted_are_not_lost() {
    for contents in ["all", "expired"] {
        let world = Workspace::with_data(&ops(&format!(r#"contents "{contents}";"#), RETENTION));
        fill(&world, 3, 5_000);
        world.file_with(OsStr::new("old"), 30, &vec![b'o'; 300_000]);
        world.apply(0);
        assert!(!world.at("data/old").exists());
        world.file_with(OsStr::new("older"), 30, &[b'o'; 10]);
        world.apply(0);
        assert!(!world.at("data/older").exists(), "{contents}");
    }
}

/// An inode is counted once, when it is there and when its names are deleted.
#[test]
fn names_of_one_file_that_a_cleanup_deleted_do_not_hide_a_loss() {
    let world = Workspace::with_data(&ops(
        "",
        r#"retention "r" backup="b" { class "old" "old-*" keep="7d"; max-delete files=1000; }"#,
    ));
    world.file_with(OsStr::new("0.db"), 1, &vec![b'x'; 1_000_000]);
    let old = world.file_with(OsStr::new("old-0"), 30, &vec![b'o'; 400_000]);
    for n in 1..6 {
        fs::hard_link(&old, world.at(&format!("data/old-{n}"))).unwrap();
    }
    assert!(world.apply(0).contains("6 files deleted"));
    world.file_with(OsStr::new("0.db"), 1, &vec![b'x'; 100_000]);
    let text = world.apply(3);
    assert!(
        text.contains("contains 97.7 KiB in 1 file, but 976.6 KiB were left"),
        "{text}"
    );
}

/// Copies of earlier versions counted what is in excluded directories, which is not looked at any more.
#[test]
fn a_copy_of_an_earlier_version_does_not_make_a_source_suspect() {
    for contents in ["all", "expired"] {
        let world = Workspace::with_data(&ops(&format!("exclude \"cache\"; contents \"{contents}\";"), RETENTION));
        fill(&world, 3, 10);
        world.file("cache/x", 1);
        // More directories than files.
        for n in 0..20 {
            fs::create_dir(world.at(&format!("data/{n}"))).unwrap();
        }
        world.file("old", 30);
        world.apply(0);
        forge::reseal(&world.at("backup"), |manifest| {
            manifest.source_files = 500;
            manifest.source_bytes = None;
        });
        let old = world.file("older", 30);
        world.apply(0);
        assert!(!old.exists(), "{contents}");
        world.apply(0);
    }
}

#[test]
fn a_source_with_nothing_but_excluded_directories_is_not_an_unmounted_disk() {
    let world = Workspace::with_data(&ops(r#"include "raw/**"; contents "expired";"#, RETENTION));
    world.file("other/x", 30);
    assert!(world.apply(0).contains("no expired file needs a new copy"));
}

/// As `/home` often is: those above may be entered, not listed.
#[test]
fn directories_above_a_source_need_not_be_readable() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; }
        backup "b" { source "closed/own/data"; to "closed/own/backup"; }
        retention "r" backup="b" { class "all" "**" keep="7d"; max-delete files=1000; }
        "#,
    );
    fs::create_dir_all(world.at("closed/own/data")).unwrap();
    fs::write(world.at("closed/own/data/f"), "f").unwrap();
    set_age(&world.at("closed/own/data/f"), 30);
    world.hand_over();
    fs::set_permissions(world.at("closed"), fs::Permissions::from_mode(0o311)).unwrap();
    let output = world.run_unprivileged(&["apply", "--yes"]);
    fs::set_permissions(world.at("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    let text = output_of(&output, 0);
    assert!(text.contains("1 file deleted"), "{text}");
}

#[test]
fn a_large_file_that_is_empty_now_is_a_note() {
    let world = Workspace::with_data(&ops("", ""));
    world.file_with(OsStr::new("a.db"), 1, &vec![b'a'; 2 << 20]);
    world.file_with(OsStr::new("b.db"), 1, &vec![b'b'; 2 << 20]);
    world.file_with(OsStr::new("c.db"), 1, &vec![b'c'; 20 << 20]);
    world.apply(0);
    fs::write(world.at("data/a.db"), "").unwrap();
    fs::write(world.at("data/b.db"), [b'b'; 4096]).unwrap();
    let plan = world.ends(0, &["plan"]);
    for text in [plan, world.apply(0), world.ends(0, &["history", "last"])] {
        assert!(text.contains("`a.db` is empty now; copy `b-"), "{text}");
        assert!(text.contains("`b.db` has only 4.0 KiB now; copy `b-"), "{text}");
        assert!(!text.contains("`c.db`"), "{text}");
    }
    let again = world.apply(0);
    assert!(!again.contains("is empty now"), "{again}");
}

#[test]
fn a_source_that_is_empty_at_first_is_suspect() {
    for (backup, retention, exit) in KINDS {
        let world = Workspace::with_data(&ops(backup, retention));
        let plan = world.ends(0, &["plan"]);
        assert!(plan.contains("data` is empty"), "{plan}");
        for _ in 0..2 {
            let text = world.apply(exit);
            assert!(
                text.contains("data` is empty, and no copy says that it was before"),
                "{text}"
            );
            assert!(text.contains("--accept-shrink"), "{text}");
            // A lost state changes nothing.
            fs::remove_dir_all(world.at(".opsrun")).unwrap();
        }
        assert_eq!(states(&world), (0, 2));
        let text = world.ends(1, &["restore", "--to", "restored"]);
        assert!(text.contains("no complete copy"), "{text}");
        accept(&world);
        world.apply(0);
        assert_eq!(states(&world), (2, 2));
    }
}

#[test]
fn an_empty_source_without_a_copy_of_it_is_partial_until_it_is_accepted() {
    let world = Workspace::with_data(&ops(r#"contents "expired";"#, RETENTION));
    for _ in 0..2 {
        let text = world.apply(4);
        assert!(text.contains("no copy: `") && text.contains("data` is empty"), "{text}");
    }
    assert_eq!(states(&world), (0, 0));
    accept(&world);
    world.apply(0);
    assert_eq!(states(&world), (1, 0));
    // Nothing has expired: there is nothing to copy, and nothing is wrong.
    world.file("young", 1);
    assert!(world.apply(0).contains("no expired file needs a new copy"));
    let old = world.file("old", 30);
    world.apply(0);
    assert!(!old.exists());
    // The file that was there has gone, and no cleanup deleted it.
    fs::remove_file(world.at("data/young")).unwrap();
    let text = world.apply(4);
    assert!(text.contains("contains 0 files, but 1 were left"), "{text}");
}

#[test]
fn an_empty_source_says_what_there_is_all_the_same() {
    let world = Workspace::with_data(&ops(r#"include "*.db";"#, ""));
    world.file("a.txt", 1);
    world.file("sub/b.txt", 1);
    pipe(&world.at("data/pipe.db"));
    let text = world.apply(4);
    let why = "is empty (3 entries are not selected; left out: 1 pipe), and no copy says";
    assert!(text.contains(why), "{text}");
}

fn pipe(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
}

#[test]
fn what_cannot_be_stored_is_said_by_run_history_and_manifest_when_it_changes() {
    for backup in ["", r#"strategy "copy";"#] {
        let world = Workspace::with_data(&ops(backup, ""));
        world.file("a", 1);
        pipe(&world.at("data/pipe"));
        let _socket = std::os::unix::net::UnixListener::bind(world.at("data/socket")).unwrap();
        let text = world.apply(0);
        assert!(text.contains("left out: 1 socket, 1 pipe"), "{text}");
        let history = world.ends(0, &["history", "last"]);
        assert!(history.contains("left out: 1 socket, 1 pipe"), "{history}");
        assert!(!world.apply(0).contains("left out"));
        pipe(&world.at("data/pipe2"));
        assert!(world.apply(0).contains("left out: 1 socket, 2 pipes"));
        fs::remove_file(world.at("data/socket")).unwrap();
        fs::remove_file(world.at("data/pipe")).unwrap();
        fs::remove_file(world.at("data/pipe2")).unwrap();
        let text = world.apply(0);
        assert!(text.contains("no special file is left out now"), "{text}");
        assert!(!world.apply(0).contains("left out"));
    }
}
