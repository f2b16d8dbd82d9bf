//! kill -9, two at once, files and states that cannot be used: every instant has one decision, and one run at most.

use super::{next, until};
use crate::support::workspace::Workspace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

const PERIOD: Duration = Duration::from_millis(50);

fn ticking(more: &str) -> Workspace {
    Workspace::of_jobs(&format!(
        "target \"tick\" {{ shell \"echo x >> ticks\"; every \"50ms\"; {more} }}"
    ))
}

#[test]
fn killed_at_any_moment_it_never_repeats_itself() {
    let cycles = std::env::var("OPSRUN_TEST_KILLS").map_or(20, |n| n.parse().unwrap());
    let world = ticking("");
    for cycle in 0..cycles {
        let mut serve = world.serve();
        serve.says("serving t");
        // Another moment of its work each time.
        for _ in 0..cycle % 4 {
            serve.says(if cycle % 2 == 0 {
                "ok        target:tick"
            } else {
                "run  "
            });
        }
        serve.kill();
    }
    let mut serve = world.serve();
    serve.says("ok        target:tick");
    serve.says("ok        target:tick");
    serve.term();
    world.each_instant_once("target:tick", PERIOD);
    let ran = world.count("SELECT count(*) FROM decisions WHERE decision = 'ran'");
    let begun = world.count("SELECT count(*) FROM events WHERE kind = 'step-started'");
    let lines = i64::try_from(world.lines_of("ticks")).unwrap();
    assert!(lines <= begun && begun <= ran, "{lines} {begun} {ran}");
    assert_eq!(world.count("SELECT count(*) FROM claims"), ran);
    let open = "SELECT count(*) FROM runs WHERE finished_at IS NULL AND interrupted_at IS NULL";
    assert_eq!(world.count(open), 0, "whatever was cut short is marked");
    let decided = world.count("SELECT sum(count) FROM decisions");
    println!("{cycles} kills: {decided} instants, {ran} run, {begun} begun, {lines} ended in the target");
}

#[test]
fn a_run_that_a_kill_cuts_short_is_told_as_such() {
    let world = Workspace::of_jobs(
        r#"target "long" { shell "echo $$ > fifo; exec sleep 1000"; every "200ms"; timeout "1h"; }"#,
    );
    let fifo = world.fifo("fifo");
    let serve = world.serve();
    let pid: i32 = next(&fifo).parse().unwrap();
    serve.kill();
    // While it works on, that comes first in the answer.
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    super::until(|| crate::support::workspace::is_gone(&pid.to_string()));
    let told = world.ends(0, &["why", "target:long"]);
    assert!(told.contains(": interrupted\n"), "{told}");
    assert!(told.contains("interrupted  the run was interrupted\n"), "{told}");
    assert!(!told.contains("no result"), "{told}");
}

#[test]
fn two_at_once_share_the_work() {
    let world = ticking("overlap \"allow\";");
    let (mut one, mut other) = (world.serve(), world.serve());
    other.says("serving t");
    for _ in 0..15 {
        one.says("ok        target:tick");
    }
    // By cron, too.
    world.ends(0, &["apply", "--due", "--quiet"]);
    one.term();
    other.says("ok        target:tick");
    other.term();
    world.each_instant_once("target:tick", PERIOD);
    let ended = world.count("SELECT count(*) FROM events WHERE kind = 'attempted' AND json ->> '$.code' = 0");
    assert_eq!(i64::try_from(world.lines_of("ticks")).unwrap(), ended);
}

#[test]
fn a_state_that_cannot_be_made_is_waited_for() {
    let world = ticking("");
    fs::write(world.at(".opsrun"), "in the way").unwrap();
    let mut serve = world.serve();
    serve.says("no run can start: cannot make the state in");
    fs::remove_file(world.at(".opsrun")).unwrap();
    serve.says("the state is usable again");
    serve.says("ok        target:tick");
    // Later on, too; what was remembered is gone with it.
    fs::rename(world.at(".opsrun"), world.at("away")).unwrap();
    fs::write(world.at(".opsrun"), "in the way").unwrap();
    serve.says("no run can start:");
    fs::remove_file(world.at(".opsrun")).unwrap();
    fs::rename(world.at("away"), world.at(".opsrun")).unwrap();
    serve.says("the state is usable again");
    serve.says("ok        target:tick");
    serve.term();
    world.each_instant_once("target:tick", PERIOD);
    let open = "SELECT count(*) FROM runs WHERE finished_at IS NULL AND interrupted_at IS NULL";
    assert_eq!(world.count(open), 0, "every run has an end");
}

#[test]
fn a_state_of_another_program_is_left_alone() {
    let world = ticking("");
    fs::create_dir_all(world.at(".opsrun/t")).unwrap();
    let db = rusqlite::Connection::open(world.at(".opsrun/t/opsrun.db")).unwrap();
    db.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);")
        .unwrap();
    drop(db);
    let said = world.ends(1, &["serve"]);
    assert!(said.contains("is a database of another program"), "{said}");
}

/// One slot, which a first run keeps until there is a `go`; `b` and `c` wait for it. All are due once.
fn one_slot(b: &str) -> String {
    format!(
        r#"
        ops version=1 {{ name "t"; concurrency 1; }}
        schedule "s" {{ every "3s"; missed "all" max=9; }}
        target "a" {{ shell "echo a >> ran; read x < gate"; schedule "s"; timeout "1h"; }}
        {b}
        "#
    )
}

#[test]
fn a_run_that_waits_goes_by_the_file_that_is_read_again() {
    let jobs = |shell: &str, more: &str| {
        one_slot(&format!(
            r#"
            target "b" {{ shell "{shell}"; schedule "s"; }}
            target "c" {{ shell "echo c >> ran"; schedule "s"; {more} }}
            "#
        ))
    };
    let gone = r#"target "gone" { shell "echo gone >> ran"; schedule "s"; }"#;
    let world = Workspace::new(&format!("{}{gone}", jobs("echo old >> ran", "")));
    rustix::fs::mkfifoat(rustix::fs::CWD, world.at("gate"), rustix::fs::Mode::RWXU).unwrap();
    let mut serve = world.serve();
    serve.says("run  ");
    until(|| world.lines_of("ran") == 1);
    world.ops(&jobs("echo new >> ran", "paused #true;"));
    serve.signal(nix::sys::signal::Signal::SIGHUP);
    serve.says("paused   target:c");
    serve.says("dropped  target:gone");
    fs::write(world.at("gate"), "go\n").unwrap();
    serve.says("ok        target:b");
    serve.term();
    let ran = fs::read_to_string(world.at("ran")).unwrap();
    assert!(ran.starts_with("a\nnew\n") && !ran.contains("old"), "{ran}");
    assert!(!ran.contains("gone") && !ran.contains('c'), "{ran}");
    let gone = "SELECT decision || '/' || reason FROM decisions WHERE job = 'target:gone'";
    assert_eq!(world.rows(gone), ["dropped/the ops file no longer schedules it"]);
}

#[test]
fn what_one_daemon_never_began_is_begun_by_the_one_beside_it() {
    let world = Workspace::new(&one_slot(
        r#"target "b" { shell "echo b >> ran"; schedule "s"; overlap "allow"; }"#,
    ));
    rustix::fs::mkfifoat(rustix::fs::CWD, world.at("gate"), rustix::fs::Mode::RWXU).unwrap();
    let mut first = world.serve();
    first.says("run  ");
    until(|| world.count("SELECT count(*) FROM waits") > 0);
    let left = "SELECT run FROM waits ORDER BY at LIMIT 1";
    let left = world.rows(left).remove(0);
    let mut second = world.serve();
    second.says("serving");
    first.kill();
    let begun = format!("SELECT count(*) FROM events WHERE run = '{left}'");
    until(|| {
        // What the first one left of `a` needs its line, as all later ones.
        let gate = fs::File::options()
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(world.at("gate"));
        let _ = gate.and_then(|mut gate| gate.write_all(b"go\n"));
        world.count(&begun) > 0
    });
    second.term();
}
