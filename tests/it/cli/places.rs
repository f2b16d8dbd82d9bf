//! Where the ops file and the state are: one way to name the file for every command, and no second state beside one that
//! is being served.

use crate::support::workspace::{Workspace, opsrun, output_of};
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const OPS: &str = r#"
    ops version=1 { name "x"; }
    backup "b" { source "../data"; to "../backup"; }
    target "t" { command "true"; cron "0 3 * * *"; }
"#;

#[test]
fn every_command_takes_the_file_by_the_same_option() {
    let world = Workspace::with_data(OPS);
    world.file("a", 1);
    fs::create_dir(world.at("conf")).unwrap();
    fs::rename(world.at("ops.kdl"), world.at("conf/my.kdl")).unwrap();
    for (command, code) in [
        ("check", 0),
        ("plan", 0),
        ("apply --yes", 0),
        ("status", 0),
        ("history", 0),
        ("list", 0),
        ("verify", 0),
        ("graph", 0),
        ("fmt --check", 1),
        ("simulate --from 2027-01-01 --to 2027-01-02", 0),
        ("why target:t", 0),
        ("restore --to out", 0),
        ("alerts list", 0),
        ("alerts replay", 0),
        ("plan --next 1", 0),
    ] {
        let words: Vec<&str> = command.split(' ').chain(["-f", "conf/my.kdl"]).collect();
        world.ends(code, &words);
    }
    let output = world
        .command(&["status"])
        .env("OPSRUN_FILE", "conf/my.kdl")
        .output()
        .unwrap();
    output_of(&output, 0);
    let output = world
        .command(&["status", "conf/my.kdl"])
        .env("OPSRUN_FILE", "gone.kdl")
        .output()
        .unwrap();
    output_of(&output, 0);
    let text = world.ends(64, &["status", "conf/my.kdl", "-f", "other.kdl"]);
    assert!(text.contains("conf/my.kdl") && text.contains("other.kdl"), "{text}");
    world.ends(0, &["status", "conf/my.kdl", "-f", "conf/my.kdl"]);
    // Advice names commands that read the same file.
    let text = world.ends(1, &["restore", "gone", "--to", "out", "-f", "conf/my.kdl"]);
    assert!(text.contains("`opsrun list -f conf/my.kdl`"), "{text}");
    let text = world.ends(66, &["status"]);
    for place in [
        world.at("ops.kdl").to_str().unwrap(),
        "/etc/opsrun/ops.kdl",
        "OPSRUN_FILE",
        "-f FILE",
    ] {
        assert!(text.contains(place), "{place}: {text}");
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_serves_the_file_with_another_state_is_named() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "x"; }
        target "t" { shell "echo x >>ran"; every "1s"; }
        "#,
    );
    let elsewhere = world.at("elsewhere");
    let mut serve = opsrun(world.path(), &["serve", "--state-dir", elsewhere.to_str().unwrap()]);
    let server = Server(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    while !world.at("ran").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "serve ran nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (place, pid) = (
        elsewhere.to_str().unwrap().to_owned(),
        format!("process {}", server.0.id()),
    );
    for (words, code) in [
        (&["status"][..], 1),
        (&["history"], 1),
        (&["why", "target:t"], 1),
        (&["alerts", "list"], 1),
        (&["plan"], 0),
        (&["apply", "--yes"], 75),
        (&["alerts", "replay"], 75),
        (&["serve"], 75),
    ] {
        let text = world.ends(code, words);
        assert!(text.contains(&place) && text.contains(&pid), "{words:?}: {text}");
    }
    assert!(!world.at(".opsrun").exists());
    // With its own state it is the usual answer.
    let text = world.ends(0, &["status", "--state-dir", &place]);
    assert!(!text.contains("another state"), "{text}");
    // An editor replaces the file: the lock follows once the file is read again.
    fs::copy(world.at("ops.kdl"), world.at("new")).unwrap();
    fs::rename(world.at("new"), world.at("ops.kdl")).unwrap();
    let begun = Instant::now();
    while !output_text(&world).contains(&place) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the new file was not locked");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(server);
    let text = world.ends(0, &["status"]);
    assert!(!text.contains("another state"), "{text}");
}

fn output_text(world: &Workspace) -> String {
    let output = world.run(&["status"]);
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_state_that_is_no_database_gets_words() {
    let world = Workspace::with_data(&OPS.replace("../", ""));
    world.file("a", 1);
    fs::create_dir_all(world.at(".opsrun/x")).unwrap();
    let database = world.at(".opsrun/x/opsrun.db");
    rustix::fs::mkfifoat(rustix::fs::CWD, &database, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    for words in [&["status"][..], &["apply", "--yes"]] {
        let text = world.ends(1, words);
        assert!(text.contains("is not a regular file"), "{text}");
    }
    fs::remove_file(&database).unwrap();
    world.apply(0);
    let db = rusqlite::Connection::open(&database).unwrap();
    db.execute_batch("PRAGMA foreign_keys = off; DROP TABLE markers;")
        .unwrap();
    drop(db);
    for words in [&["status"][..], &["apply", "--yes"]] {
        let text = world.ends(1, words);
        assert!(
            text.contains("lacks the table `markers`") && text.contains("move the file away"),
            "{text}"
        );
    }
}
