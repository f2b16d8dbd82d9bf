//! `restore`: links, directories without the right to write, what dead restores left, and signals.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed; tests play the part of other programs"
)]

use crate::support::forge;
use crate::support::workspace::{OPSRUN, Workspace, output_of};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const OPS: &str = r#"
    ops version=1 { name "t"; }
    backup "b" { source "data"; to "backup"; }
"#;

const TREE: &str = r#"
    ops version=1 { name "t"; }
    backup "b" { source "data"; to "backup"; strategy "copy"; }
"#;

/// A run id of a restore that died.
const DEAD: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn links(path: &Path) -> u64 {
    fs::metadata(path).unwrap().nlink()
}

#[test]
fn thousands_of_links_are_one_file_again_and_their_content_is_read_once() {
    for ops in [OPS, TREE] {
        let world = Workspace::with_data(ops);
        let first = world.file_with("d/first".as_ref(), 1, &vec![7; 8 << 20]);
        for n in 0..2000 {
            fs::hard_link(&first, world.at(&format!("data/d/name-{n:04}"))).unwrap();
        }
        world.file("e/alone", 1);
        fs::hard_link(world.at("data/e/alone"), world.at("data/e/twin")).unwrap();
        world.apply(0);
        // Reading 8 MiB for each link would take minutes.
        let since = Instant::now();
        world.ends(0, &["restore", "--to", "all"]);
        assert_eq!(
            (links(&world.at("all/d/first")), links(&world.at("all/e/twin"))),
            (2001, 2)
        );
        assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
        // Once more: every name exists already.
        let text = world.ends(0, &["restore", "--to", "all"]);
        assert!(text.contains("2,003 paths already exist"), "{text}");
        assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
    }
}

#[test]
fn links_whose_first_name_is_not_restored_are_one_file_of_their_own() {
    for ops in [OPS, TREE] {
        let world = Workspace::with_data(ops);
        let first = world.file("a", 1);
        for name in ["b", "c", "d"] {
            fs::hard_link(&first, world.at(&format!("data/{name}"))).unwrap();
        }
        world.apply(0);
        world.ends(0, &["restore", "--to", "some", "b", "c", "d"]);
        assert!(!world.at("some/a").exists());
        assert_eq!((links(&world.at("some/b")), links(&world.at("some/d"))), (3, 3));
        assert_eq!(fs::read(world.at("some/d")).unwrap(), b"a");

        // Where something else has the first name, it stays, and the links are links of what was restored.
        fs::create_dir(world.at("other")).unwrap();
        fs::write(world.at("other/a"), "other").unwrap();
        world.ends(4, &["restore", "--to", "other"]);
        assert_eq!(fs::read(world.at("other/a")).unwrap(), b"other");
        assert_eq!((links(&world.at("other/a")), links(&world.at("other/c"))), (1, 3));
        world.ends(0, &["restore", "--to", "other", "--force"]);
        assert_eq!(fs::read(world.at("other/a")).unwrap(), b"a");
    }
}

#[test]
fn directories_without_the_right_to_write_get_it_for_the_time() {
    for ops in [OPS, TREE] {
        let world = Workspace::with_data(ops);
        for path in ["ro/f", "ro/deep/g", "ro/deep/er/h", "top"] {
            world.file(path, 1);
        }
        symlink("f", world.at("data/ro/link")).unwrap();
        fs::hard_link(world.at("data/ro/f"), world.at("data/ro/twin")).unwrap();
        let closed = ["ro/deep/er", "ro/deep", "ro", "."];
        for dir in closed {
            set_mode(&world.at("data").join(dir), 0o555);
        }
        world.hand_over();
        output_of(&world.run_unprivileged(&["apply", "--yes"]), 0);
        let names = ["ro/f", "ro/twin", "ro/link", "ro/deep/g", "ro/deep/er/h", "top"];
        for force in [false, true] {
            // As root, past the modes.
            for name in names {
                if force && !name.ends_with("link") {
                    fs::write(world.at("data").join(name), "changed").unwrap();
                } else {
                    fs::remove_file(world.at("data").join(name)).unwrap();
                }
            }
            world.hand_over();
            let all = ["restore", "--force"];
            output_of(&world.run_unprivileged(if force { &all } else { &all[..1] }), 0);
            for name in names {
                assert!(world.at("data").join(name).exists(), "{name}");
            }
            assert_eq!(fs::read(world.at("data/ro/f")).unwrap(), b"ro/f");
            for dir in closed {
                assert_eq!(mode(&world.at("data").join(dir)), 0o555, "{dir}");
            }
            assert!(!debris(&world.at("data")));
        }
    }
}

/// True when something of opsrun's own is below a directory.
fn debris(root: &Path) -> bool {
    let found = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    found
        .into_iter()
        .any(|item| item.file_name().to_string_lossy().starts_with(".opsrun-"))
}

#[test]
fn what_dead_restores_left_in_the_target_is_cleared_and_nothing_else() {
    let world = Workspace::with_data(OPS);
    for path in ["f", "d/e/f"] {
        world.file(path, 1);
    }
    world.apply(0);
    fs::create_dir_all(world.at("out/d/e")).unwrap();
    fs::create_dir_all(world.at("out/elsewhere")).unwrap();
    let part = |dir: &str, n: usize| world.at("out").join(dir).join(format!(".opsrun-{DEAD}-{n}.part"));
    fs::write(part("", 0), "half").unwrap();
    fs::write(part("d", 1), "half").unwrap();
    fs::write(part("d/e", 2), "half").unwrap();
    symlink("nowhere", part("d/e", 3)).unwrap();
    fs::write(world.at("out/d/mine"), "mine").unwrap();
    fs::hard_link(world.at("out/d/mine"), part("d/e", 4)).unwrap();
    // Not where this restore writes, at work, or not of this form.
    fs::write(part("elsewhere", 5), "half").unwrap();
    let live = File::create(part("d/e", 6)).unwrap();
    rustix::fs::flock(&live, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let other = world.at(&format!("out/d/.opsrun-{DEAD}-x.part"));
    fs::write(&other, "").unwrap();
    world.ends(0, &["restore", "--to", "out"]);
    for (dir, n) in [("", 0), ("d", 1), ("d/e", 2), ("d/e", 3), ("d/e", 4)] {
        assert!(part(dir, n).symlink_metadata().is_err(), "{n}");
    }
    assert!(part("elsewhere", 5).exists() && part("d/e", 6).exists() && other.exists());
    assert_eq!(
        (links(&world.at("out/d/mine")), fs::read(world.at("out/d/e/f")).unwrap()),
        (1, b"d/e/f".to_vec())
    );
}

#[test]
fn a_directory_that_a_dead_restore_left_writable_or_unfinished_is_put_right() {
    let world = Workspace::with_data(OPS);
    for path in ["ro/f", "made/g"] {
        world.file(path, 1);
    }
    set_mode(&world.at("data/made"), 0o750);
    world.apply(0);
    fs::create_dir_all(world.at("out/ro")).unwrap();
    fs::create_dir_all(world.at("out/made")).unwrap();
    set_mode(&world.at("out/ro"), 0o755);
    set_mode(&world.at("out/made"), 0o700);
    let journal = world.at(&format!("out/.opsrun-{DEAD}-dirs.part"));
    fs::write(
        &journal,
        "{\"path\":\"ro\",\"mode\":365}\n{\"path\":\"made\",\"mode\":null}\n{\"path\":",
    )
    .unwrap();
    set_mode(&journal, 0o600);
    world.ends(0, &["restore", "--to", "out"]);
    assert_eq!((mode(&world.at("out/ro")), mode(&world.at("out/made"))), (0o555, 0o750));
    assert!(!debris(&world.at("out")));
}

/// A copy of one file with a hole of 8 TiB, which takes hours to hash.
fn endless() -> Workspace {
    const SIZE: u64 = 8 << 40;
    let world = Workspace::with_data(TREE);
    world.file("a/first", 1);
    world.file("b/hole", 1);
    world.apply(0);
    let at = world.at("backup");
    let stored = at.join(forge::copy_name(&at).tree()).join("b/hole");
    let before = fs::metadata(&stored).unwrap().modified().unwrap();
    let file = File::options().write(true).open(&stored).unwrap();
    file.set_len(SIZE).unwrap();
    file.set_modified(before).unwrap();
    let mut rows = forge::rows(&at);
    let hole = rows.iter_mut().find(|row| row["path"] == "b/hole").unwrap();
    hole["size"] = SIZE.into();
    hole["sparse"] = serde_json::json!([[0, 6]]);
    forge::replace_rows(&at, &rows, |_| {});
    world
}

#[test]
fn a_signal_ends_restore_and_verify_in_the_middle_of_a_hole() {
    let world = endless();
    let commands: [&[&str]; 3] = [
        &["verify", "--from", "backup"],
        &["restore", "--from", "backup", "--to", "out"],
        &[
            "restore",
            "--from",
            "backup",
            "--to",
            "out",
            "--threads",
            "1",
            "--force",
        ],
    ];
    for (args, signal, code) in [
        (commands[0], Signal::TERM, 143),
        (commands[1], Signal::TERM, 143),
        (commands[2], Signal::INT, 130),
    ] {
        let mut command = Command::new(OPSRUN);
        let piped = command.args(args).current_dir(world.path()).env("NO_COLOR", "1");
        let child = piped.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It is in the hole once it has used a moment of processor time beyond what its start takes.
        let busy = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            assert!(!stat.contains(") Z"), "{args:?} has ended");
            let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
            fields[11].parse::<u64>().unwrap() > 100
        };
        let limit = Instant::now() + Duration::from_secs(120);
        while !busy() {
            assert!(Instant::now() < limit, "{args:?} does not work");
            std::thread::yield_now();
        }
        let since = Instant::now();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = output_of(&output, code);
        // A second, and what a busy machine adds.
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
        if args[0] == "restore" {
            assert!(text.contains("the same command restores the rest"), "{text}");
            assert_eq!(fs::read(world.at("out/a/first")).unwrap(), b"a/first");
            assert!(!world.at("out/b/hole").exists());
            let parts = walkdir::WalkDir::new(world.at("out")).into_iter().map(Result::unwrap);
            let parts = parts.filter(|item| item.file_name().to_string_lossy().ends_with(".part"));
            assert!(
                parts
                    .into_iter()
                    .all(|part| part.file_name().to_string_lossy().ends_with("-dirs.part"))
            );
        }
    }
}

#[test]
fn sizes_that_no_file_can_have_are_refused() {
    for size in [u64::MAX, 1 << 63] {
        let world = Workspace::with_data(OPS);
        world.file("a", 1);
        world.apply(0);
        let at = world.at("backup");
        let mut rows = forge::rows(&at);
        rows[0]["size"] = size.into();
        rows[0]["sparse"] = serde_json::json!([[0, 1]]);
        forge::replace_rows(&at, &rows, |_| {});
        let text = world.ends(1, &["restore", "--from", "backup", "--to", "out"]);
        assert!(
            text.contains("its size or its data segments in the list are invalid"),
            "{text}"
        );
        let text = world.ends(1, &["verify", "--from", "backup"]);
        assert!(text.contains("contradict"), "{text}");
    }
}

#[test]
fn what_a_killed_restore_made_is_finished_later_whatever_is_restored_first() {
    let world = Workspace::with_data(OPS);
    for dir in ["one", "two"] {
        world.file(&format!("{dir}/f"), 1);
        set_mode(&world.at("data").join(dir), 0o750);
    }
    world.apply(0);
    for dir in ["one", "two", "gone"] {
        fs::create_dir_all(world.at("out").join(dir)).unwrap();
        set_mode(&world.at("out").join(dir), 0o700);
    }
    fs::remove_dir(world.at("out/gone")).unwrap();
    let journal = world.at(&format!("out/.opsrun-{DEAD}-dirs.part"));
    let lines = ["gone", "one", "two"].map(|dir| format!("{{\"path\":\"{dir}\",\"mode\":null}}\n"));
    fs::write(&journal, lines.concat()).unwrap();
    set_mode(&journal, 0o600);
    let text = world.ends(0, &["restore", "--to", "out", "one"]);
    assert!(
        text.contains("1 directory of a restore that was killed") && text.contains("`two`"),
        "{text}"
    );
    assert_eq!((mode(&world.at("out/one")), mode(&world.at("out/two"))), (0o750, 0o700));
    let text = world.ends(0, &["restore", "--to", "out"]);
    assert!(!text.contains("killed"), "{text}");
    assert_eq!(mode(&world.at("out/two")), 0o750);
    assert!(!debris(&world.at("out")));
}

#[test]
fn a_run_leaves_to_the_next_restore_what_a_killed_one_made_in_a_source() {
    let world = Workspace::with_data(OPS);
    world.file("ro/f", 1);
    world.file("made/f", 1);
    set_mode(&world.at("data/made"), 0o750);
    set_mode(&world.at("data/ro"), 0o755);
    world.apply(0);
    set_mode(&world.at("data/made"), 0o700);
    let journal = world.at(&format!("data/.opsrun-{DEAD}-dirs.part"));
    fs::write(
        &journal,
        "{\"path\":\"ro\",\"mode\":365}\n{\"path\":\"made\",\"mode\":null}\n",
    )
    .unwrap();
    set_mode(&journal, 0o600);
    let first = forge::copy_name(&world.at("backup")).to_string();
    world.apply(0);
    assert_eq!((mode(&world.at("data/ro")), journal.exists()), (0o555, false));
    set_mode(&world.at("data/ro"), 0o755);
    world.apply(0);
    assert_eq!(
        mode(&world.at("data/ro")),
        0o755,
        "what was given back once is the user's again"
    );
    world.ends(0, &["restore", "--copy", &first]);
    assert_eq!(mode(&world.at("data/made")), 0o750);
    assert!(!debris(&world.at("data")));
}

#[test]
fn a_target_that_was_made_in_vain_gets_its_attributes_from_the_next_restore() {
    let world = Workspace::with_data(OPS);
    world.file("f", 1);
    set_mode(&world.at("data"), 0o751);
    world.apply(0);
    let at = world.at("backup");
    let sealed = fs::read(at.join(forge::copy_name(&at).manifest())).unwrap();
    forge::reseal(&at, |manifest| manifest.list_checksum = "0".repeat(64));
    let text = world.ends(1, &["restore", "--to", "out"]);
    assert!(text.contains("its checksum does not match"), "{text}");
    fs::write(at.join(forge::copy_name(&at).manifest()), sealed).unwrap();
    world.ends(0, &["restore", "--to", "out"]);
    assert_eq!(mode(&world.at("out")), 0o751);
    assert!(!debris(&world.at("out")));
    // As it is between its first moment and the first line of the journal. A private directory of a user stays as it is.
    for (before, after) in [(0o1700, 0o751), (0o700, 0o700)] {
        set_mode(&world.at("out"), before);
        world.ends(0, &["restore", "--to", "out"]);
        assert_eq!(mode(&world.at("out")), after);
    }
}

#[test]
fn directories_before_a_damage_in_the_list_get_their_attributes() {
    let world = Workspace::with_data(OPS);
    world.file("d/f", 1);
    world.file("e/f", 1);
    set_mode(&world.at("data/d"), 0o751);
    world.apply(0);
    let at = world.at("backup");
    let mut rows = forge::rows(&at);
    let first = rows[0].clone();
    rows.insert(3, first);
    forge::replace_rows(&at, &rows, |_| {});
    let text = world.ends(1, &["restore", "--to", "out"]);
    assert!(text.contains("out of order"), "{text}");
    assert_eq!(mode(&world.at("out/d")), 0o751);
}

#[test]
fn files_and_links_right_before_a_damage_in_the_list_are_restored() {
    for ops in [OPS, TREE] {
        let world = Workspace::with_data(ops);
        for path in ["a", "b", "d", "e"] {
            world.file(path, 1);
        }
        fs::hard_link(world.at("data/a"), world.at("data/c")).unwrap();
        fs::hard_link(world.at("data/a"), world.at("data/f")).unwrap();
        world.apply(0);
        let at = world.at("backup");
        let mut rows = forge::rows(&at);
        let first = rows[0].clone();
        rows.insert(3, first);
        forge::replace_rows(&at, &rows, |_| {});
        let text = world.ends(1, &["restore", "--to", "out"]);
        assert!(
            text.contains("out of order") && text.contains("2 files and 1 link"),
            "{text}"
        );
        assert_eq!(links(&world.at("out/a")), 2);
        assert!(world.at("out/b").exists() && !world.at("out/d").exists());
    }
}

#[test]
fn names_of_our_own_files_numbers_that_are_no_ids_and_endless_paths_are_refused() {
    let world = Workspace::with_data(OPS);
    world.file("a", 1);
    world.file("b", 1);
    world.apply(0);
    let at = world.at("backup");
    let (rows, manifest) = (forge::rows(&at), at.join(forge::copy_name(&at).manifest()));
    let sealed = fs::read(&manifest).unwrap();
    let restore = |change: &dyn Fn(&mut Vec<serde_json::Value>), code| {
        fs::write(&manifest, &sealed).unwrap();
        let mut rows = rows.clone();
        change(&mut rows);
        forge::replace_rows(&at, &rows, |_| {});
        let _ = fs::remove_dir_all(world.at("out"));
        world.ends(code, &["restore", "--from", "backup", "--to", "out"])
    };
    for name in [".opsrun-quarantine", ".opsrun-01ARZ3NDEKTSV4RRFFQ69G5FAV-dirs.part"] {
        for path in [name.to_owned(), format!("{name}/x")] {
            let forged = |rows: &mut Vec<serde_json::Value>| {
                let mut row = rows[0].clone();
                (row["path"], row["type"], row["link"]) = (path.clone().into(), "symlink".into(), "/".into());
                rows.insert(0, row);
            };
            let text = restore(&forged, 1);
            assert!(text.contains("opsrun uses for its own files"), "{text}");
            assert!(world.at("out").join(name).symlink_metadata().is_err());
            assert!(world.at("out/a").exists());
        }
    }
    let forged = |rows: &mut Vec<serde_json::Value>| {
        (rows[0]["type"], rows[0]["link"], rows[0]["uid"]) = ("symlink".into(), "b".into(), u32::MAX.into());
        // By number: the name of its owner is known here.
        rows[0]["names"] = serde_json::json!({});
    };
    let text = restore(&forged, 4);
    assert!(text.contains("owner or group could not be set"), "{text}");
    // The directories of such a path alone need gigabytes.
    let text = restore(&|rows| rows[1]["path"] = ("b/".repeat(100_000) + "b").into(), 1);
    assert!(text.contains("too long") && text.len() < 4000, "{text}");
}

#[test]
fn what_is_in_the_way_of_a_restore_is_named() {
    let world = Workspace::with_data(OPS);
    world.file("d/f", 1);
    symlink("d", world.at("data/link")).unwrap();
    world.apply(0);
    fs::create_dir_all(world.at("out/link")).unwrap();
    fs::create_dir(world.at("elsewhere")).unwrap();
    symlink("../elsewhere", world.at("out/d")).unwrap();
    let text = world.ends(1, &["restore", "--to", "out", "--force"]);
    assert!(text.contains("a symlink is in the way"), "{text}");
    assert!(text.contains("a directory exists at this path"), "{text}");
    assert_eq!(fs::read_dir(world.at("elsewhere")).unwrap().count(), 0);
}
