//! What only a prepared machine can show. Plain `cargo test` leaves these out; `.ci/test` prepares the machine and runs
//! them, and there they fail where something is missing.

#![expect(clippy::disallowed_methods, reason = "a test: it starts programs")]

use crate::support::workspace::{OPSRUN, output_of};
use std::process::Command;

const EXPIRED: &str = r#"
    ops version=1 { name "t"; }
    backup "b" { source "data"; to "backup"; contents "expired"; }
    retention "r" backup="b" { class "all" "**" keep="7d"; max-delete files=1000; }
"#;

/// The units in `examples/systemd`, as systemd itself reads them. They name an installed program; here it is the one
/// under test.
#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_has_nothing_to_say_about_the_units() {
    let dir = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for entry in std::fs::read_dir("examples/systemd").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let unit = dir.path().join(path.file_name().unwrap());
        std::fs::write(&unit, text.replace("/usr/local/bin/opsrun", OPSRUN)).unwrap();
        units.push(unit);
    }
    assert!(units.len() >= 3);
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .args(units)
        .output()
        .unwrap();
    assert_eq!(output_of(&output, 0), "");
}

/// Only root can make files of two owners.
mod root {
    use super::EXPIRED;
    use crate::support::workspace::{Workspace, is_root, output_of};

    #[test]
    #[ignore = "needs root"]
    fn a_file_of_another_owner_is_kept_where_no_lease_can_be_had() {
        assert!(is_root(), "this test must run as root");
        let world = Workspace::with_data(EXPIRED);
        let other = world.file("other", 30);
        world.hand_over();
        std::os::unix::fs::chown(&other, Some(12345), Some(12345)).unwrap();
        let plan = output_of(&world.run_unprivileged(&["plan"]), 0);
        assert!(plan.contains("lease-denied"), "{plan}");
        let text = output_of(&world.run_unprivileged(&["apply", "--yes"]), 4);
        assert!(text.contains("lease-denied"), "{text}");
        assert!(other.exists());
    }
}
