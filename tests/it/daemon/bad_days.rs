//! kill -9, two at once, files and states that cannot be used: every instant has one decision, and one run at most.

use super::next;
use crate::support::workspace::Workspace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
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
