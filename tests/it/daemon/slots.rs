//! Runs that wait for a slot: who begins, what is said of the others, and what a restart makes of them.

use super::{next, until};
use crate::support::workspace::Workspace;
use std::fs;
use std::io::Write as _;

#[test]
fn a_job_that_waits_for_a_slot_says_so() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; concurrency 1; }
        target "a-long" { shell "echo begun > fifo; read x < gate"; every "300ms"; timeout "1h"; }
        target "beat" { shell "echo x >> beats"; every "200ms"; }
        check "c" { command "true"; every "200ms"; timeout "100ms"; }
        "#,
    );
    let (fifo, _gate) = (world.fifo("fifo"), world.fifo("gate"));
    let mut serve = world.serve();
    next(&fifo);
    let skipped = serve.says("skipped  target:beat");
    assert!(
        skipped.contains("its previous run waits for a slot (`concurrency` 1), since "),
        "{skipped}"
    );
    // Checks go on.
    let checked = || world.count("SELECT count(*) FROM events WHERE kind = 'step-finished' AND step = 'check:c'");
    let before = checked();
    until(|| checked() >= before + 3);
    let why = world.ends(0, &["why", "target:beat"]);
    assert!(
        why.starts_with("target:beat waits since ") && why.contains(" for a slot (`concurrency` 1), in run "),
        "{why}"
    );
    assert!(!why.contains("still active"), "{why}");
    let status: serde_json::Value = world.json(0, &["status", "--json"]);
    let jobs = status["jobs"].as_array().unwrap();
    let beat = jobs.iter().find(|job| job["job"] == "target:beat").unwrap();
    assert_eq!(beat["waiting"]["for"], "a slot (`concurrency` 1)");
    serve.term();
}

#[test]
fn what_was_claimed_and_never_began_is_begun_by_the_next_start() {
    for end in ["term", "kill", "due"] {
        let world = Workspace::new(
            r#"
            ops version=1 { name "t"; concurrency 1; }
            schedule "s" { every "2s"; missed "latest"; }
            target "a-long" { shell "echo begun > fifo; read x < gate"; schedule "s"; timeout "1h"; }
            target "beat" { shell "echo x >> beats"; schedule "s"; }
            "#,
        );
        let fifo = world.fifo("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, world.at("gate"), rustix::fs::Mode::RWXU).unwrap();
        let serve = world.serve();
        next(&fifo);
        let claimed = "SELECT run FROM decisions WHERE job = 'target:beat' AND decision = 'ran'";
        until(|| world.count("SELECT count(*) FROM decisions WHERE job = 'target:beat' AND decision = 'ran'") == 1);
        let run: String = world.db().query_row(claimed, [], |row| row.get(0)).unwrap();
        if end == "term" {
            serve.term();
            let why = world.ends(0, &["why", "target:beat"]);
            assert!(
                why.contains("waits since ") && why.contains("the next start of opsrun"),
                "{why}"
            );
        } else {
            serve.kill();
        }
        // What was left at work waits for nothing.
        world.ops(
            r#"
            ops version=1 { name "t"; concurrency 1; }
            schedule "s" { every "2s"; missed "latest"; }
            target "beat" { shell "echo x >> beats"; schedule "s"; }
            "#,
        );
        let _ = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(world.at("gate"))
            .unwrap()
            .write_all(b"x\n");
        let ended = format!("SELECT count(*) FROM runs WHERE run = '{run}' AND exit = 0");
        if end == "due" {
            world.ends(0, &["apply", "--due", "--yes"]);
        } else {
            let serve = world.serve();
            until(|| world.count(&ended) == 1);
            serve.term();
        }
        assert_eq!(world.count(&ended), 1, "{end}");
        let claims = format!("SELECT count(*) FROM claims WHERE run = '{run}'");
        assert_eq!(world.count(&claims), 1);
        assert_eq!(world.count("SELECT count(*) FROM (SELECT 1 FROM decisions WHERE run IS NOT NULL GROUP BY job, instant HAVING count(*) > 1)"), 0);
    }
}

#[test]
fn due_runs_of_one_call_go_on_side_by_side() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; concurrency 2; }
        schedule "s" { every "500ms"; missed "latest"; }
        target "a-long" { shell "read x < gate"; schedule "s"; timeout "1h"; }
        target "beat" { shell "echo x > gate"; schedule "s"; }
        "#,
    );
    rustix::fs::mkfifoat(rustix::fs::CWD, world.at("gate"), rustix::fs::Mode::RWXU).unwrap();
    // The schedule begins.
    world.ends(0, &["apply", "--due", "--yes"]);
    until(|| {
        // The long one ends only because the short one begins beside it.
        world.ends(0, &["apply", "--due", "--yes"]);
        world.count("SELECT count(*) FROM events WHERE kind = 'step-finished' AND step = 'target:a-long'") > 0
    });
    assert!(world.count("SELECT count(*) FROM events WHERE kind = 'step-finished' AND step = 'target:beat'") > 0);
}

#[test]
fn hundreds_of_jobs_of_one_instant_take_few_threads() {
    const JOBS: usize = 300;
    let head = "ops version=1 { name \"t\"; concurrency 2; }\nschedule \"s\" { every \"1h\"; missed \"latest\"; }";
    let job = |n| {
        let shell = "echo x >> done; ls /proc/$PPID/task | wc -l >> threads";
        format!("target \"t{n:03}\" {{ shell \"{shell}\" pipefail=#false; schedule \"s\"; }}")
    };
    let lines: Vec<String> = std::iter::once(head.to_owned()).chain((0..JOBS).map(job)).collect();
    let world = Workspace::new(&lines.join("\n"));
    world.ends(0, &["apply", "--due", "--yes", "--quiet"]);
    let past = "UPDATE schedules SET handled = '2020-01-01T00:00:00.000000000Z'";
    world.db().execute(past, []).unwrap();
    world.ends(0, &["apply", "--due", "--yes", "--quiet"]);
    assert_eq!(world.lines_of("done"), JOBS);
    let threads = fs::read_to_string(world.at("threads")).unwrap();
    let most: usize = threads.lines().map(|line| line.trim().parse().unwrap()).max().unwrap();
    assert!(most <= 24, "{most} threads");
}

#[test]
fn no_two_commands_work_at_once_with_one_slot() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; concurrency 1; }
        target "a" { shell "mkdir busy && sleep 0.05 && rmdir busy && echo x >> done"; every "100ms"; overlap "allow"; }
        target "b" { shell "mkdir busy && sleep 0.05 && rmdir busy && echo x >> done"; every "150ms"; overlap "allow"; }
        target "c" { shell "mkdir busy && sleep 0.05 && rmdir busy && echo x >> done"; every "250ms"; }
        "#,
    );
    let serve = world.serve();
    until(|| world.lines_of("done") >= 30);
    serve.term();
    let failed = "SELECT count(*) FROM events WHERE kind = 'step-finished' AND json ->> '$.outcome.state' = 'failed'";
    assert_eq!(world.count(failed), 0);
}
