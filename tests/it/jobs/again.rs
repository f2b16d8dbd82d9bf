//! A command of the run changes the source, the destination, or both, before they are copied and cleaned.

use crate::support::workspace::{Workspace, files};
use std::fs;

fn ops(contents: &str, line: &str) -> String {
    format!(
        r#"
        ops version=1 {{ name "t"; }}
        target "make" {{ shell {line:?}; }}
        backup "b" {{ source "data"; to "backup"; contents "{contents}"; needs "target:make"; }}
        retention "r" backup="b" {{ class "all" "*.txt" keep="7d"; max-delete files=1000; }}
        "#
    )
}

#[test]
fn what_a_command_makes_is_in_the_copy_of_its_run() {
    let world = Workspace::with_data(&ops("all", "echo fresh > data/dump.sql"));
    world.file("old.txt", 30);
    let plan = world.ends(0, &["plan"]);
    assert!(plan.contains("planned again"), "{plan}");
    let done = world.apply(0);
    assert!(!done.contains("future"), "{done}");
    let restored = world.restored("b");
    assert_eq!(restored["dump.sql"], b"fresh\n");
    assert!(restored.contains_key("old.txt") && !world.at("data/old.txt").exists());
}

#[test]
fn what_a_command_rewrites_stays_until_somebody_was_shown_it() {
    for contents in ["all", "expired"] {
        let line = "echo rewritten > data/old.txt; touch -d '40 days ago' data/old.txt";
        let world = Workspace::with_data(&ops(contents, line));
        world.file("old.txt", 30);
        world.file("other.txt", 30);
        let said = world.apply(4);
        assert!(said.contains("changed"), "{said}");
        assert!(world.at("data/old.txt").exists() && !world.at("data/other.txt").exists());
        world.ops(&ops(contents, "true"));
        world.apply(0);
        assert!(!world.at("data/old.txt").exists());
        assert_eq!(world.restored("b")["old.txt"], b"rewritten\n", "{contents}");
    }
}

#[test]
fn nothing_is_deleted_from_or_because_of_a_directory_that_was_moved_away() {
    for line in [
        "mv data archive; mkdir data",
        "mv backup away; mkdir backup",
        "mv backup away; cp -a away backup",
    ] {
        let world = Workspace::with_data(&format!(
            r#"
            ops version=1 {{ name "t"; }}
            backup "b" {{ source "data"; to "backup"; }}
            target "swap" {{ shell {line:?}; needs "backup:b"; }}
            retention "r" backup="b" {{ class "all" "*.txt" keep="7d"; max-delete files=1000; needs "target:swap"; }}
            "#
        ));
        for n in 0..12 {
            world.file(&format!("{n}.txt"), 30);
        }
        let said = world.apply(1);
        assert!(said.contains("is another directory now"), "{said}");
        let left = files(world.path());
        let kept = (0..12).filter(|n| left.keys().any(|path| path.ends_with(&format!("/{n}.txt"))));
        assert_eq!(kept.count(), 12, "{line}");
    }
}

#[test]
fn several_copies_of_a_source_that_a_command_made_take_their_turns() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; concurrency 8; }
        target "make" { shell "mv data old 2>/dev/null; mkdir -p data; echo x > data/a.log"; }
        backup "a" { source "data"; to "a"; needs "target:make"; }
        backup "b" { source "data"; to "b"; needs "target:make"; }
        backup "c" { source "data"; to "c"; needs "target:make"; }
        "#,
    );
    world.apply(0);
    for copy in ["a", "b", "c"] {
        assert_eq!(world.restored(copy)["a.log"], b"x\n");
    }
}

#[test]
fn a_copy_of_a_source_that_lost_its_files_is_no_success() {
    let world =
        Workspace::with_data("ops version=1 { name \"t\"; }\nbackup \"b\" { source \"data\"; to \"backup\"; }\n");
    for n in 0..8 {
        world.file(&format!("{n}.txt"), 1);
    }
    world.apply(0);
    for n in 0..8 {
        fs::remove_file(world.at(&format!("data/{n}.txt"))).unwrap();
    }
    let said = world.apply(4);
    assert!(said.contains("suspect"), "{said}");
}

#[test]
fn what_the_plan_did_not_list_stays() {
    for contents in ["all", "expired"] {
        let line = "echo more > data/more.txt; touch -d '40 days ago' data/more.txt";
        let world = Workspace::with_data(&ops(contents, line));
        world.file("old.txt", 30);
        world.apply(0);
        assert!(!world.at("data/old.txt").exists());
        assert!(
            world.at("data/more.txt").exists(),
            "{contents}: it had expired, but nobody was shown it"
        );
        world.ops(&ops(contents, "true"));
        world.apply(0);
        assert!(!world.at("data/more.txt").exists());
        assert_eq!(world.restored("b")["more.txt"], b"more\n");
    }
}

#[test]
fn a_command_that_empties_the_source_makes_the_copy_suspect() {
    let world = Workspace::with_data(&ops("all", "true"));
    for n in 0..10 {
        world.file(&format!("{n}.txt"), 1);
    }
    world.apply(0);
    world.file("old.txt", 30);
    world.ops(&ops("all", "rm data/[0-9].txt"));
    let refused = world.apply(3);
    assert!(refused.contains("suspect"), "{refused}");
    assert!(world.at("data/old.txt").exists(), "nothing is deleted");
}

#[test]
fn a_disk_that_a_command_brings_is_found() {
    let world = Workspace::with_data(&ops("expired", "true"));
    world.file("first.txt", 30);
    world.apply(0);
    fs::rename(world.at("backup"), world.at("unplugged")).unwrap();
    world.file("second.txt", 30);
    let refused = world.apply(3);
    assert!(refused.contains("--accept-destination"), "{refused}");
    assert!(world.at("data/second.txt").exists());

    world.ops(&ops("expired", "test -d backup || mv unplugged backup"));
    world.apply(0);
    assert!(!world.at("data/second.txt").exists());
    assert_eq!(world.restored("b").len(), 2, "both copies lie in one place");
}

#[test]
fn a_disk_that_a_command_takes_away_is_missed() {
    let world = Workspace::with_data(&ops("expired", "true"));
    world.file("first.txt", 30);
    world.apply(0);
    world.file("second.txt", 30);
    world.ops(&ops("expired", "mv backup unplugged"));
    let refused = world.apply(3);
    assert!(refused.contains("--accept-destination"), "{refused}");
    assert!(world.at("data/second.txt").exists());
}

#[test]
fn a_command_that_fails_leaves_everything_alone() {
    let world = Workspace::with_data(&ops("all", "exit 7"));
    let old = world.file("old.txt", 30);
    let blocked = world.apply(1);
    assert!(
        blocked.contains("exit code 7") && blocked.contains("blocked"),
        "{blocked}"
    );
    assert!(old.exists() && !world.at("backup").exists());
}

#[test]
fn a_copy_that_waits_for_a_cleanup_is_made_of_what_is_left() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        backup "a" { source "data"; to "a"; contents "expired"; }
        retention "r" backup="a" { class "all" "*.txt" keep="7d"; max-delete files=1000; }
        backup "b" { source "data"; to "b"; needs "retention:r"; }
        "#,
    );
    for n in 0..10 {
        world.file(&format!("old-{n}.txt"), 30);
    }
    world.file("young.txt", 1);
    world.apply(0);
    assert_eq!(world.restored("a").len(), 10);
    let left: Vec<String> = world.restored("b").into_keys().collect();
    assert_eq!(left, ["young.txt"]);
    for n in 0..10 {
        world.file(&format!("old-{n}.txt"), 30);
    }
    // What retention:r deleted in this very run is not lost.
    world.apply(0);
}

#[test]
fn two_retentions_of_one_backup_take_their_turns() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; concurrency 4; }
        backup "b" { source "data"; to "backup"; contents "expired"; }
        retention "x" backup="b" { class "x" "*.x" keep="7d"; max-delete files=1000; }
        retention "y" backup="b" { class "y" "*.y" keep="7d"; max-delete files=1000; }
        "#,
    );
    for n in 0..50 {
        world.file(&format!("{n}.x"), 30);
        world.file(&format!("{n}.y"), 30);
    }
    world.apply(0);
    assert_eq!(fs::read_dir(world.at("data")).unwrap().count(), 0);
    assert_eq!(world.restored("b").len(), 100);
}
