//! What only a prepared machine can show. Plain `cargo test` leaves these out; `.ci/test` prepares the machine and runs
//! them, and there they fail where something is missing.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test: it starts programs, and may fail by panicking"
)]

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
        if path.extension().is_some_and(|extension| extension == "conf") {
            let drop_ins = dir.path().join("opsrun.service.d");
            std::fs::create_dir(&drop_ins).unwrap();
            std::fs::copy(&path, drop_ins.join(path.file_name().unwrap())).unwrap();
            continue;
        }
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
    use crate::support::mount::{Mapping, Mount};
    use crate::support::workspace::{Workspace, is_root, output_of, set_age};

    mod attributes;
    mod container;
    mod databases;
    mod etc_state;
    mod file_systems;
    mod inodes;
    mod limits;
    mod machines;
    mod namespaces;
    mod pid_one;
    mod state_group;
    mod units;
    mod users;

    /// Mounts below the source: a directory, and a file over another one.
    #[test]
    #[ignore = "needs root, to mount"]
    fn mounts_below_the_source_are_said_by_run_history_and_manifest() {
        assert!(is_root(), "this test must run as root");
        for strategy in ["", "strategy \"copy\";"] {
            let world = Workspace::with_data(&format!(
                "ops version=1 {{ name \"t\"; }}\nbackup \"b\" {{ source \"data\"; to \"backup\"; {strategy} }}\n"
            ));
            world.file("a", 1);
            std::fs::create_dir(world.at("data/disk")).unwrap();
            world.file("file", 1);
            std::fs::write(world.at("other"), "other").unwrap();
            let said = "left out: mount points `disk`, `file`";
            let mut mounts = vec![Mount::new(
                &world.at("data/disk"),
                &["-t".as_ref(), "tmpfs".as_ref(), "none".as_ref()],
            )];
            std::fs::write(world.at("data/disk/hidden"), "x").unwrap();
            mounts.push(Mount::new(
                &world.at("data/file"),
                &["--bind".as_ref(), world.at("other").as_os_str()],
            ));
            let text = world.ends(0, &["apply", "--yes"]);
            assert!(text.contains(said), "{text}");
            let history = world.ends(0, &["history", "last"]);
            assert!(history.contains(said), "{history}");
            let copies = std::fs::read_dir(world.at("backup")).unwrap();
            let manifest = copies
                .map(|item| item.unwrap().path())
                .find(|path| path.extension() == Some("json".as_ref()));
            let manifest: serde_json::Value =
                serde_json::from_slice(&std::fs::read(manifest.unwrap()).unwrap()).unwrap();
            assert_eq!(manifest["left_out"]["mounts"], serde_json::json!(["disk", "file"]));
            assert_eq!(world.restored("b").into_keys().collect::<Vec<_>>(), ["a"]);
            let text = world.ends(0, &["apply", "--yes"]);
            assert!(!text.contains("left out"), "{text}");
            drop(mounts.pop());
            let text = world.ends(0, &["apply", "--yes"]);
            assert!(text.contains("left out: mount point `disk`"), "{text}");
        }
    }

    /// The lease of an overlay does not see a mapping, and a page that is mapped and dirty changes no time.
    #[test]
    #[ignore = "needs root, to mount an overlay"]
    fn no_file_is_deleted_on_an_overlay_where_a_program_may_have_it_mapped() {
        assert!(is_root(), "this test must run as root");
        let world = Workspace::with_data(EXPIRED);
        world.file_with("mapped".as_ref(), 30, &[b'A'; 4096]);
        world.file("plain", 30);
        let _mount = Mount::overlay(&world, "data");
        let mapping = Mapping::of(&world.at("data/mapped"));
        let why = "2 files will be kept (in-use): on overlayfs, opsrun cannot see whether a program has a file mapped";
        let plan = world.ends(0, &["plan"]);
        assert!(plan.contains(why), "{plan}");
        assert_eq!(to_delete(&world.json(0, &["plan", "--json"])), (0, 2));
        let text = world.ends(4, &["apply", "--yes"]);
        assert!(text.contains(why) && text.contains("2 kept (in-use)"), "{text}");
        // Kept files are copied all the same.
        assert_eq!(world.restored("b").len(), 2);
        mapping.write(b'B');
        assert_eq!(std::fs::read(world.at("data/mapped")).unwrap()[0], b'B');
        let host = world.ends(0, &["check", "--host"]);
        assert!(host.contains("OPS7002") && host.contains("overlayfs"), "{host}");

        // Without leases nobody is asked: that is what the setting says.
        set_age(&world.at("data/mapped"), 30);
        world.ops(&EXPIRED.replace("max-delete", "in-use \"ignore\"; max-delete"));
        let text = world.ends(0, &["apply", "--yes"]);
        assert!(
            text.contains("2 files deleted") && !text.contains("will be kept"),
            "{text}"
        );
        assert!(!world.at("data/mapped").exists() && !world.at("data/plain").exists());
        let host = world.ends(0, &["check", "--host"]);
        assert!(!host.contains("OPS7002"), "{host}");
    }

    #[test]
    #[ignore = "needs root"]
    fn a_file_of_another_owner_is_kept_where_no_lease_can_be_had() {
        assert!(is_root(), "this test must run as root");
        let world = Workspace::with_data(EXPIRED);
        let other = world.file("other", 30);
        world.hand_over();
        std::os::unix::fs::chown(&other, Some(12345), Some(12345)).unwrap();
        let plan = output_of(&world.run_unprivileged(&["plan"]), 0);
        assert!(
            plan.contains("1 file will be kept (lease-denied)") && plan.contains("--cap-add LEASE"),
            "{plan}"
        );
        let plan = world.run_unprivileged(&["plan", "--json"]);
        assert_eq!(to_delete(&serde_json::from_slice(&plan.stdout).unwrap()), (0, 1));
        let host = output_of(&world.run_unprivileged(&["check", "--host"]), 0);
        assert!(
            host.contains("keeps files of other users, such as `other`") && host.contains("--cap-add LEASE"),
            "{host}"
        );
        assert!(!world.ends(0, &["check", "--host"]).contains("other users"));
        let text = output_of(&world.run_unprivileged(&["apply", "--yes"]), 4);
        assert!(text.contains("lease-denied"), "{text}");
        assert!(other.exists());
    }

    /// Neither reason counts a file twice, and neither is overlooked in a mount below the source.
    #[test]
    #[ignore = "needs root, to mount an overlay"]
    fn a_mount_below_the_source_is_looked_at_where_it_is_crossed() {
        assert!(is_root(), "this test must run as root");
        let world = Workspace::with_data(&EXPIRED.replace("contents", "cross-mounts; contents"));
        let lower = world.file("disk/lower", 30);
        world.file("plain", 30);
        let _mount = Mount::overlay(&world, "data/disk");
        let host = world.ends(0, &["check", "--host"]);
        assert!(
            host.contains("deletes nothing below") && host.contains("data/disk`: it is on overlayfs"),
            "{host}"
        );
        world.hand_over();
        std::os::unix::fs::chown(&lower, Some(12345), Some(12345)).unwrap();
        let plan = world.run_unprivileged(&["plan", "--json"]);
        let plan = serde_json::from_slice(&plan.stdout).unwrap();
        assert_eq!(to_delete(&plan), (1, 1), "{plan}");
        world.ops(EXPIRED);
        let host = world.ends(0, &["check", "--host"]);
        assert!(!host.contains("overlayfs"), "{host}");
    }

    /// Files that the first cleanup of a plan deletes, and that it keeps.
    fn to_delete(plan: &serde_json::Value) -> (u64, u64) {
        let steps = plan["steps"].as_array().unwrap();
        let cleanup = steps.iter().find(|step| !step["action"]["classes"].is_null()).unwrap();
        let classes = cleanup["action"]["classes"].as_array().unwrap();
        let deleted = classes.iter().map(|class| class["delete_files"].as_u64().unwrap());
        let kept = classes
            .iter()
            .flat_map(|class| class["kept"].as_object().unwrap().values());
        (deleted.sum(), kept.map(|files| files.as_u64().unwrap()).sum())
    }
}
