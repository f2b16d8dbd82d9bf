//! What several retentions keep together, through the binary; and what a backup does not look into.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world has failed; tests play the part of other programs"
)]

use crate::support::workspace::{Workspace, output_of};
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
