//! What several retentions keep together, through the binary; and what a backup does not look into.

use crate::support::workspace::{Workspace, output_of};
use opsrun::exec::survey;
use opsrun::model::JobName;
use opsrun::signal::Stop;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_one_retention_keeps_forever_no_other_deletes() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        backup "b" { source "data"; to "backup"; }
        retention "one" backup="b" { class "decision" keyword="decision" keep="forever"; max-delete files=100; }
        retention "two" backup="b" { class "csv" "*.csv" keep="7d"; max-delete files=100; }
        "#,
    );
    let (decision, raw) = (world.file("decision-1.csv", 30), world.file("raw-1.csv", 30));
    let text = world.ends(1, &["check", "--fail-on", "warning"]);
    assert!(text.contains("OPS5005") && text.contains("decision.csv"), "{text}");
    // Also when the retention that keeps it is not in the run.
    world.ends(0, &["apply", "--yes", "--only", "retention:two"]);
    assert!(decision.exists() && !raw.exists());
    let text = world.ends(0, &["plan"]);
    assert!(text.contains("another retention keeps them longer"), "{text}");
    world.apply(0);
    assert!(decision.exists());
}

#[test]
fn a_source_above_keeps_files_in_a_run_of_the_one_below() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        backup "all" { source "data"; to "all"; }
        backup "logs" { source "data/logs"; to "logs"; }
        retention "some" backup="all" { class "keep" "*/keep-*" keep="forever"; max-delete files=100; }
        retention "short" backup="logs" { class "log" "*.log" keep="2d"; max-delete files=100; }
        "#,
    );
    let (kept, gone) = (world.file("logs/keep-1.log", 30), world.file("logs/2.log", 30));
    world.ends(0, &["apply", "--yes", "--only", "retention:short"]);
    assert!(kept.exists() && !gone.exists());
}

/// It was restored through another backup than the one whose retention deletes, and that backup is not in the run.
#[test]
fn what_was_restored_is_on_hold_for_the_retentions_of_every_backup() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        backup "all" { source "data"; to "all"; }
        backup "logs" { source "data/logs"; to "logs"; }
        retention "short" backup="logs" { class "log" "*.log" keep="2d"; max-delete files=100; }
        "#,
    );
    let old = world.file("logs/1.log", 30);
    world.apply(0);
    assert!(!old.exists());
    world.ends(0, &["restore", "--backup", "all", "logs/1.log"]);
    for only in ["retention:short", "*:*"] {
        let text = world.ends(0, &["apply", "--yes", "--only", only]);
        assert!(old.exists(), "{only}: {text}");
    }
}

/// Its source was not there yet when the run opened the sources, and is listed as a part of the one above.
#[test]
fn nothing_goes_while_the_source_of_another_retention_is_not_listed() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        backup "all" { source "data"; to "all"; }
        backup "logs" { source "data/logs"; to "logs"; }
        backup "apart" { source "apart"; to "to"; }
        retention "short" backup="all" { class "all" "**" keep="2d"; max-delete files=100; }
        retention "long" backup="logs" { class "log" "*.log" keep="forever"; max-delete files=100; }
        retention "other" backup="apart" { class "all" "**" keep="2d"; max-delete files=100; }
        "#,
    );
    world.file("logs/1.log", 30);
    fs::create_dir(world.at("apart")).unwrap();
    let loaded = opsrun::config::load(&world.at("ops.kdl")).unwrap();
    let model = loaded.model.unwrap();
    let jobs: BTreeSet<JobName> = model.jobs().map(|job| job.name()).collect();
    let mut opened = survey::open(&model, &jobs);
    opened.sources.remove("logs");
    let (now, stop) = (opsrun::clock::now(), Stop::new().unwrap());
    let facts = survey::look(&model, &jobs, &opened, &survey::Remembered::default(), now, &stop);
    let why = facts.backups["all"].unclear.as_deref().unwrap();
    assert!(
        why.contains("`logs` overlaps it and cannot be listed (it appeared just now)"),
        "{why}"
    );
    assert_eq!(facts.backups["apart"].unclear, None);
}

#[test]
fn a_keyword_keeps_whatever_the_capitals_and_the_spelling() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        backup "b" { source "data"; to "backup"; }
        retention "r" backup="b" { class "keep" keyword="ärger" keep="forever"; class "raw" "*.csv" keep="7d"; max-delete files=100; }
        "#,
    );
    let kept = [world.file("raw-ÄRGER.csv", 30), world.file("A\u{308}rger/x.csv", 30)];
    let gone = world.file("raw-arger.csv", 30);
    world.apply(0);
    assert!(kept.iter().all(|path| path.exists()) && !gone.exists());
}

#[test]
fn an_excluded_directory_need_not_be_readable() {
    for select in [
        "exclude \"lost+found/**\"",
        "exclude \"lost+found\"",
        "exclude \"**/lost+found/*\"",
        "include \"open/**\"",
    ] {
        for retention in [
            "",
            "retention \"r\" backup=\"b\" { class \"all\" \"open/**\" keep=\"7d\"; max-delete files=100; }",
        ] {
            let world = Workspace::with_data(&format!(
                "ops version=1 {{ name \"t\"; }}\nbackup \"b\" {{ source \"data\"; {select}; to \"backup\"; }}\n{retention}\n"
            ));
            let old = world.file("open/a", 30);
            world.file("lost+found/x", 30);
            world.hand_over();
            fs::set_permissions(world.at("data/lost+found"), fs::Permissions::from_mode(0o000)).unwrap();
            output_of(&world.run_unprivileged(&["apply", "--yes"]), 0);
            assert_eq!(old.exists(), retention.is_empty(), "{select}");
            fs::set_permissions(world.at("data/lost+found"), fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}

/// A source above this one counts if it could see this one, and not if something else in it is not listed.
#[test]
fn what_the_source_above_cannot_list_counts_only_on_the_way() {
    let way = "contains it and cannot be listed (`bad`";
    for (source, select, refused) in [
        ("ex/in", "exclude \"ex\"", None),
        ("bad/in", "exclude \"ex\"", Some(way)),
        ("bad/a/in", "exclude \"ex\"", Some(way)),
        ("bad/in", "include \"bad/in/x*\"", Some(way)),
        ("bad/in", "exclude \"bad/in\"", None),
        ("bad/a/in", "exclude \"bad/a\"", None),
        ("bad/in", "include \"bad/other/**\"", None),
    ] {
        let world = Workspace::with_data(&format!(
            r#"
            ops version=1 {{ name "t"; }}
            backup "all" {{ source "data"; {select}; to "all"; }}
            backup "in" {{ source "data/{source}"; to "in"; }}
            retention "keep" backup="all" {{ class "all" "**" keep="forever"; max-delete files=100; }}
            retention "short" backup="in" {{ class "old" "*" keep="2d"; max-delete files=100; }}
            "#,
        ));
        let old = world.file(&format!("{source}/x"), 30);
        world.file("bad/x", 30);
        world.hand_over();
        let bad = world.at("data/bad");
        fs::set_permissions(&bad, fs::Permissions::from_mode(0o311)).unwrap();
        let output = world.run_unprivileged(&["apply", "--yes", "--only", "retention:short"]);
        fs::set_permissions(&bad, fs::Permissions::from_mode(0o700)).unwrap();
        let text = output_of(&output, if refused.is_some() { 3 } else { 0 });
        assert_eq!(old.exists(), refused.is_some(), "{source} {select}: {text}");
        assert!(
            refused.is_none_or(|why| text.contains(why)),
            "{source} {select}: {text}"
        );
    }
}
