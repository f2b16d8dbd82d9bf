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
    use crate::support::workspace::{OPSRUN, Workspace, is_root, output_of, set_age};
    use std::ffi::OsStr;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    mod attributes;
    mod container;
    mod limits;
    mod pid_one;
    mod units;

    /// A mount that ends with the test.
    struct Mount(PathBuf);

    impl Mount {
        /// An overlay at this directory, over its present content.
        fn overlay(world: &Workspace, dir: &str) -> Self {
            for dir in ["upper", "work"] {
                std::fs::create_dir(world.at(dir)).unwrap();
            }
            let at = |name: &str| world.at(name).display().to_string();
            let options = format!("lowerdir={},upperdir={},workdir={}", at(dir), at("upper"), at("work"));
            let arguments = ["-t", "overlay", "none", "-o", &options].map(OsStr::new);
            Self::new(&world.at(dir), &arguments)
        }

        fn new(at: &Path, arguments: &[&OsStr]) -> Self {
            let mut mount = Command::new("mount");
            output_of(&mount.args(arguments).arg(at).output().unwrap(), 0);
            Self(at.to_owned())
        }
    }

    impl Drop for Mount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        }
    }

    /// One page of a file, mapped for writing, without an open descriptor.
    struct Mapping(*mut std::ffi::c_void);

    #[expect(unsafe_code, reason = "a shared mapping is what this is about")]
    impl Mapping {
        fn of(path: &Path) -> Self {
            let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
            let protection = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
            let shared = rustix::mm::MapFlags::SHARED;
            // SAFETY: a new mapping of one page of a file of that size, at an address that the kernel chooses.
            Self(unsafe { rustix::mm::mmap(std::ptr::null_mut(), 4096, protection, shared, &file, 0).unwrap() })
        }

        fn write(&self, byte: u8) {
            // SAFETY: within the mapping, which lives as long as `self`.
            unsafe { std::ptr::write_volatile(self.0.cast::<u8>(), byte) }
        }
    }

    #[expect(unsafe_code, reason = "a shared mapping is what this is about")]
    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: the mapping made above; nothing refers to it after this.
            let _ = unsafe { rustix::mm::munmap(self.0, 4096) };
        }
    }

    /// opsrun on a machine with this text in `/etc/machine-id`.
    fn on_machine(world: &Workspace, id: &str, args: &[&str]) -> std::process::Output {
        let file = world.at("machine-id");
        std::fs::write(&file, id).unwrap();
        let script = "mount --bind \"$0\" /etc/machine-id && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
        command.arg(file).arg(OPSRUN).args(args).env("NO_COLOR", "1");
        command.current_dir(world.path()).output().unwrap()
    }

    const ONE: &str = "11111111111111111111111111111111\n";
    const TWO: &str = "22222222222222222222222222222222\n";

    /// Two machines, each with a state of its own, and one destination.
    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn two_machines_with_one_destination_never_mix_their_copies() {
        assert!(is_root(), "this test must run as root");
        let world = Workspace::with_data(EXPIRED);
        let apply = |id: &str, state: &str, code: i32, more: &[&str]| {
            let args = [&["apply", "--yes", "--state-dir", state], more].concat();
            output_of(&on_machine(&world, id, &args), code)
        };
        world.file("one", 30);
        apply(ONE, "state-1", 0, &[]);
        world.file("two", 30);
        let refused = apply(TWO, "state-2", 3, &[]);
        assert!(refused.contains("--accept-destination"), "{refused}");
        assert!(world.at("data/two").exists());
        apply(TWO, "state-2", 0, &["--accept-destination"]);
        world.file("three", 30);
        // A lost state changes nothing where the machine has an id.
        apply(ONE, "new-state-1", 0, &[]);
        for (id, state, files) in [(ONE, "state-1", "one three"), (TWO, "state-2", "two")] {
            let to = format!("restored-{state}");
            let args = ["restore", "**", "--to", &to, "--state-dir", state];
            output_of(&on_machine(&world, id, &args), 0);
            let restored: Vec<String> = files_below(&world.at(&to));
            assert_eq!(restored.join(" "), files);
        }
    }

    fn files_below(dir: &Path) -> Vec<String> {
        crate::support::workspace::files(dir).into_keys().collect()
    }

    /// Images that were never started, and containers: the id is in the state, and lost with it.
    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn a_machine_without_an_id_is_known_by_its_state() {
        assert!(is_root(), "this test must run as root");
        for id in ["", "uninitialized\n"] {
            let world = Workspace::with_data(
                "ops version=1 { name \"t\"; }\nbackup \"b\" { source \"data\"; to \"backup\"; }\n",
            );
            world.file("a", 1);
            let run = |args: &[&str], code: i32| output_of(&on_machine(&world, id, args), code);
            run(&["plan"], 0);
            run(&["apply", "--yes"], 0);
            run(&["apply", "--yes"], 0);
            assert!(run(&["list"], 0).contains("2 copies"));
            std::fs::remove_dir_all(world.at(".opsrun")).unwrap();
            let refused = run(&["apply", "--yes"], 3);
            assert!(refused.contains("--accept-destination"), "{refused}");
            let refused = run(&["restore", "--to", "restored"], 3);
            let line = refused.split("`opsrun ").nth(1).unwrap().split('`').next().unwrap();
            let named: Vec<&str> = line.split(' ').chain(["--to", "restored"]).collect();
            run(&named, 0);
            assert!(world.at("restored/a").exists());
            run(&["apply", "--yes", "--accept-destination"], 0);
            run(&["apply", "--yes"], 0);
            let list = run(&["list"], 0);
            assert!(
                list.contains("2 copies") && list.contains("copies of other machines"),
                "{list}"
            );
        }
    }

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
