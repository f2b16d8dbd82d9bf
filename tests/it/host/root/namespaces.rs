//! One state, used from several PID namespaces, and where there is no `/proc`.

use crate::support::workspace::{OPSRUN, Workspace, is_root, output_of};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

const OPS: &str = r#"
    ops version=1 { name "t"; }
    target "long" { shell "echo begun >>begun; exec sleep 1000"; every "1s"; timeout "1h"; }
    target "other" { command "true"; }
"#;

fn until(mut there: impl FnMut() -> bool) {
    let since = Instant::now();
    while !there() {
        assert!(since.elapsed() < DEADLINE, "it never came");
        std::thread::yield_now();
    }
}

/// A process that ends with the test, and its namespace with it.
struct Container(Child);

impl Container {
    fn start(world: &Workspace, args: &[&str]) -> Self {
        assert!(is_root(), "this test must run as root");
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc", OPSRUN]);
        command.args(args).current_dir(world.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines(world: &Workspace, path: &str) -> usize {
    fs::read_to_string(world.at(path)).unwrap_or_default().lines().count()
}

/// The command where `/proc` is empty.
fn without_proc(world: &Workspace, args: &[&str], code: i32) -> String {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "sh",
        "-c",
        "mount -t tmpfs none /proc && exec \"$@\"",
        "sh",
        OPSRUN,
    ]);
    output_of(&command.args(args).current_dir(world.path()).output().unwrap(), code)
}

#[test]
#[ignore = "needs root, to make PID namespaces"]
fn a_run_of_another_namespace_is_running_and_overlap_holds_between_them() {
    let world = Workspace::new(OPS);
    world.ends(0, &["apply", "--due"]);
    let begun = || lines(&world, "begun");
    let mut first = None;
    until(|| {
        let container = first.get_or_insert_with(|| Container::start(&world, &["apply", "--due", "--yes"]));
        if container.0.try_wait().unwrap().is_some() {
            // Nothing was due yet.
            first = None;
        }
        begun() == 1
    });
    let unmarked = |said: &str| assert!(!said.contains("interrupted"), "{said}");
    let status = world.command(&["status"]).output().unwrap();
    unmarked(&String::from_utf8_lossy(&status.stdout));
    unmarked(&world.ends(0, &["history"]));
    unmarked(&world.ends(0, &["apply", "--yes", "--only", "target:other"]));
    unmarked(&without_proc(&world, &["history"], 0));
    unmarked(&without_proc(&world, &["apply", "--yes", "--only", "target:other"], 0));
    // Once more than a second has passed, the next instant is due in both.
    let skipped = "SELECT count(*) FROM decisions WHERE decision = 'skipped-overlap'";
    let count = || {
        let db = rusqlite::Connection::open(world.at(".opsrun/t/opsrun.db")).unwrap();
        db.query_row(skipped, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    until(|| {
        let mut second = Container::start(&world, &["apply", "--due", "--yes"]);
        second.0.wait().unwrap();
        count() > 0
    });
    assert_eq!(begun(), 1);
    first.unwrap().kill();
    // Its whole namespace is gone: nothing was left.
    until(|| world.ends(0, &["history"]).contains("interrupted"));
    let third = Container::start(&world, &["serve"]);
    until(|| begun() == 2);
    drop(third);
}

#[test]
#[ignore = "needs root, to make PID namespaces"]
fn what_was_left_in_a_namespace_is_at_work_there_and_its_file_is_kept() {
    let world = Workspace::new(OPS);
    // The first process of the namespace stays: opsrun is killed below it, and started again.
    let script = format!("{OPSRUN} serve & echo $! >serve; echo $$ >first; read x <gate; exec {OPSRUN} serve");
    rustix::fs::mkfifoat(rustix::fs::CWD, world.at("gate"), rustix::fs::Mode::RWXU).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &script]);
    command
        .current_dir(world.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert!(is_root(), "this test must run as root");
    let container = Container(command.spawn().unwrap());
    until(|| lines(&world, "begun") == 1);
    let serve = fs::read_to_string(world.at("serve")).unwrap();
    let inner = Command::new("nsenter")
        .args([
            "--pid",
            "--mount",
            &format!("--target={}", child_of(container.0.id())),
            "kill",
            "-9",
            serve.trim(),
        ])
        .output()
        .unwrap();
    output_of(&inner, 0);
    // From here its processes cannot be asked; a writer keeps what it cannot judge.
    until(|| world.ends(0, &["history"]).contains("interrupted"));
    world.ends(0, &["apply", "--yes", "--only", "target:other"]);
    assert_eq!(fs::read_dir(world.at(".opsrun/t/children")).unwrap().count(), 1);
    fs::write(world.at("gate"), "go\n").unwrap();
    let reason = "SELECT count(*) FROM decisions WHERE reason LIKE '%left processes at work%'";
    until(|| {
        let db = rusqlite::Connection::open(world.at(".opsrun/t/opsrun.db")).unwrap();
        db.query_row(reason, [], |row| row.get::<_, i64>(0)).unwrap() > 0
    });
    assert_eq!(lines(&world, "begun"), 1);
}

fn child_of(parent: u32) -> u32 {
    let mut found = None;
    until(|| {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        found = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        found.is_some()
    });
    found.unwrap()
}
