//! A member of the group of a state reads it, and writes nothing.

use crate::support::workspace::{OPSRUN, Workspace, files, opsrun, output_of};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const OPS: &str = r#"
    ops version=1 { name "x"; state-dir "state"; }
    target "t" { shell "echo x >>ran"; every "1s"; }
"#;

fn as_user(world: &Workspace, gid: &str, args: &[&str]) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65533", gid, "--clear-groups", OPSRUN]);
    command.args(args).current_dir(world.path()).output().unwrap()
}

/// Every command that only reads.
fn reads(world: &Workspace) {
    for args in [
        &["status"][..],
        &["history"],
        &["history", "last"],
        &["why", "target:t"],
        &["plan"],
        &["plan", "--next", "2"],
        &["alerts", "list"],
        &["list"],
    ] {
        output_of(&as_user(world, "--regid=65534", args), 0);
    }
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs root, to be several users"]
fn a_member_of_its_group_reads_a_state_without_writing() {
    let world = Workspace::new(OPS);
    let state = world.at("state");
    fs::create_dir(&state).unwrap();
    chown(&state, None, Some(65534)).unwrap();
    for (path, mode) in [(world.path(), 0o755), (&*state, 0o2750)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    world.apply(0);
    let names = |dir: &Path| files(dir).into_keys().collect::<Vec<String>>();
    let before = (names(&state), fs::read(state.join("opsrun.db")).unwrap());
    assert!(!state.join("opsrun.db-wal").exists());
    reads(&world);
    assert!(before == (names(&state), fs::read(state.join("opsrun.db")).unwrap()));
    let text = output_of(&as_user(&world, "--regid=65533", &["status"]), 1);
    assert!(text.contains("the group `nogroup`"), "{text}");

    fs::write(world.at("ran"), "").unwrap();
    let mut serve = opsrun(world.path(), &["serve"]);
    let daemon = Daemon(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    while fs::read(world.at("ran")).unwrap().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "serve ran nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
    reads(&world);
    // Killed: what it left beside the database still counts.
    drop(daemon);
    assert!(state.join("opsrun.db-wal").exists());
    reads(&world);
}
