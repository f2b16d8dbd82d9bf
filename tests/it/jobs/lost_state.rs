//! The state is lost, the copies are all there: what checks, `status` and `why` say of a backup.

use crate::support::workspace::Workspace;
use std::fs;

const OPS: &str = r#"
    ops version=1 { name "t"; }
    backup "b" { source "data"; to "backup"; }
    check "fresh" { job "backup:b" { age critical="1d"; }; }
"#;

fn asked(world: &Workspace, code: i32) -> String {
    world.ends(code, &["apply", "--yes", "--only", "check:fresh"])
}

#[test]
fn the_newest_copy_says_how_old_a_backup_is() {
    let world = Workspace::with_data(OPS);
    world.file("a", 1);
    fs::create_dir(world.at("backup")).unwrap();
    assert!(asked(&world, 1).contains("backup:b never succeeded"));
    world.ends(0, &["apply", "--yes", "--only", "backup:b"]);
    assert!(asked(&world, 0).contains("last success "));
    fs::remove_dir_all(world.at(".opsrun")).unwrap();
    let text = asked(&world, 0);
    assert!(text.contains("old, of a run that the history does not know"), "{text}");
    let status = world.json(0, &["status", "--json"]);
    let backup = status["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|job| job["job"] == "backup:b")
        .unwrap();
    assert_eq!(backup["last"]["state"], "ok", "{status}");
    let why = world.ends(0, &["why", "backup:b"]);
    assert!(why.contains("in a run that the history does not know: ok"), "{why}");
}

#[test]
fn copies_of_others_say_nothing() {
    let world = Workspace::with_data(OPS);
    world.file("a", 1);
    world.ends(0, &["apply", "--yes", "--only", "backup:b"]);
    fs::remove_dir_all(world.at(".opsrun")).unwrap();
    for ops in [
        OPS.replace("name \"t\"", "name \"other\""),
        OPS.replace("source \"data\"", "source \"elsewhere\""),
        OPS.replace("backup \"b\"", "backup \"c\"")
            .replace("backup:b", "backup:c"),
    ] {
        world.ops(&ops);
        let text = asked(&world, 1);
        assert!(text.contains("never succeeded"), "{text}");
    }
}

/// Nothing is known of copies that cannot be read.
#[test]
fn a_destination_that_cannot_be_read_leaves_unknown() {
    let world = Workspace::with_data(OPS);
    world.file("a", 1);
    world.ends(0, &["apply", "--yes", "--only", "backup:b"]);
    fs::remove_dir_all(world.at(".opsrun")).unwrap();
    fs::rename(world.at("backup"), world.at("away")).unwrap();
    let text = asked(&world, 1);
    assert!(
        text.contains("unknown   check:fresh  the history knows no success of backup:b"),
        "{text}"
    );
    assert!(text.contains("backup` does not exist"), "{text}");
    // A gate that never gets worse than a warning lets the first run through.
    world.ops(&OPS.replace("critical=\"1d\"; }; }", "critical=\"1d\"; }; severity \"warning\"; }"));
    let text = asked(&world, 0);
    assert!(
        text.contains("warning   check:fresh  backup:b never succeeded"),
        "{text}"
    );
    world.ops(&OPS.replace("to \"backup\"", "to \"backup\" require-mount=#true"));
    let text = asked(&world, 1);
    assert!(
        text.contains("unknown   check:fresh") && text.contains("no disk is mounted at"),
        "{text}"
    );
}
