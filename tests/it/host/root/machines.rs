//! Two machines with one destination, each with a machine id of its own in a mount namespace.

use super::EXPIRED;
use crate::support::workspace::{OPSRUN, Workspace, is_root, output_of};
use std::path::Path;
use std::process::Command;

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
        let world =
            Workspace::with_data("ops version=1 { name \"t\"; }\nbackup \"b\" { source \"data\"; to \"backup\"; }\n");
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
