//! The history as people meet it: listed, filtered, and removed when it is old; and the warnings that it remembers.

use super::{Serve, Workspace, until};
use nix::sys::signal::Signal;
use std::fs;

const JOBS: &str = r#"
target "t" { command "true"; }
target "rare" { shell "exit 3"; }
"#;

fn keeping(keep: &str, jobs: &str) -> String {
    format!("ops version=1 {{ name \"t\"; history keep=\"{keep}\"; }}\n{jobs}")
}

/// Adds runs of long ago, each like the newest one.
fn add_old(world: &Workspace, runs: u32) {
    let db = world.db();
    db.execute_batch(&format!(
        "BEGIN;
         CREATE TEMP TABLE old AS WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {runs} - 1)
             SELECT printf('01JG%022d', n) AS id, strftime('%Y-%m-%dT%H:%M:%SZ', '2025-01-01', n || ' minutes') AS at FROM n;
         CREATE TEMP TABLE model AS SELECT * FROM runs ORDER BY begun_at DESC LIMIT 1;
         INSERT INTO runs (run, command, begun_at, process, finished_at, exit)
             SELECT id, command, at, process, at, exit FROM old, model;
         -- Before what there is: events count up with time.
         INSERT INTO events (seq, run, at, step, kind, json)
             SELECT row_number() OVER (ORDER BY id, seq) - 1000000, id, old.at, step, kind, json
             FROM old, model JOIN events ON events.run = model.run;
         COMMIT;"
    ))
    .unwrap();
}

const OLD: &str = "SELECT count(*) FROM runs WHERE run LIKE '01JG%'";

#[test]
fn a_run_is_listed_with_its_jobs_and_found_by_them() {
    let world = Workspace::of_jobs(JOBS);
    world.apply(1);
    world.ends(0, &["apply", "--yes", "--only", "target:t"]);
    let text = world.ends(0, &["history"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].contains("  target:t  "), "{text}");
    assert!(lines[2].contains("  target:rare (failed), target:t  "), "{text}");
    let listed = |args: &[&str]| -> Vec<(i64, Vec<String>)> {
        let args: Vec<&str> = ["history", "--json"].iter().chain(args).copied().collect();
        let runs = world.json(0, &args)["runs"].clone();
        let one = |run: &serde_json::Value| {
            let jobs = run["jobs"].as_array().unwrap().iter();
            let jobs = jobs.map(|job| format!("{} {}", job["job"].as_str().unwrap(), job["state"].as_str().unwrap()));
            (run["exit"].as_i64().unwrap(), jobs.collect())
        };
        runs.as_array().unwrap().iter().map(one).collect()
    };
    let both = (1, vec!["target:t ok".to_owned(), "target:rare failed".to_owned()]);
    let one = (0, vec!["target:t ok".to_owned()]);
    let sorted = |mut runs: Vec<(i64, Vec<String>)>| {
        for (_, jobs) in &mut runs {
            jobs.sort_unstable_by(|a, b| b.cmp(a));
        }
        runs
    };
    assert_eq!(sorted(listed(&[])), [one.clone(), both.clone()]);
    assert_eq!(sorted(listed(&["--job", "target:rare"])), std::slice::from_ref(&both));
    assert_eq!(
        sorted(listed(&["--job", "target:t", "--limit", "1"])),
        std::slice::from_ref(&one)
    );
    assert_eq!(sorted(listed(&["--failed"])), std::slice::from_ref(&both));
    assert_eq!(sorted(listed(&["--outcome", "failed"])), std::slice::from_ref(&both));
    assert_eq!(sorted(listed(&["--outcome", "ok"])), [one, both]);
    assert!(listed(&["--job", "target:t", "--failed"]).is_empty());
    assert_eq!(
        world.ends(0, &["history", "--job", "target:t", "--outcome", "no-space"]),
        "no runs of target:t that ended as no space\n"
    );
    assert_eq!(
        world.ends(0, &["history", "--job", "target:t", "--failed"]),
        "no runs of target:t that failed\n"
    );
    let said = world.ends(64, &["history", "--outcome", "fine"]);
    assert!(said.contains("[possible values: ok, nothing, partial, "), "{said}");
    world.ends(64, &["history", "--outcome", "ok", "--failed"]);
    world.ends(64, &["history", "last", "--failed"]);
}

#[test]
fn warnings_are_shown_by_check_and_by_the_first_run_after_a_change() {
    let warned = r#"target "t" { command "true"; }
backup "b" { source "data"; to "copies"; }
retention "b" backup="b" { class "c" "*.csv" keep="30d"; }
"#;
    let world = Workspace::with_data(&keeping("90d", warned));
    let warns = |args: &[&str]| {
        let output = world.run(args);
        String::from_utf8_lossy(&output.stderr).contains("OPS5009")
            || String::from_utf8_lossy(&output.stdout).contains("OPS5009")
    };
    let run = ["apply", "--yes", "--only", "target:t"];
    let others: [&[&str]; 7] = [
        &["plan"],
        &["status"],
        &["history"],
        &["why", "target:t"],
        &["graph"],
        &["list"],
        &["alerts", "list"],
    ];
    for args in others {
        assert!(!warns(args), "{args:?} before any run");
    }
    assert!(
        !warns(&["apply", "--yes", "--only", "target:t", "--quiet"]),
        "warnings that were not shown are not known"
    );
    assert!(warns(&run));
    assert!(!warns(&run));
    for args in others {
        assert!(!warns(args), "{args:?}");
    }
    assert!(warns(&["check"]) && warns(&["check"]));
    world.ops(&keeping("80d", warned));
    assert!(!warns(&["status"]));
    assert!(warns(&run), "the file has changed");
    assert!(!warns(&run));
    // The daemon is a run, too; and it hears of a change by itself.
    world.ops(&keeping("70d", warned));
    let mut serve = world.serve();
    serve.says("OPS5009");
    serve.says("serving");
    world.ops(&keeping("60d", warned));
    serve.says("OPS5009");
    serve.says("reloaded");
    serve.signal(Signal::SIGTERM);
    serve.ended(143);
    assert!(!warns(&run));
    // Errors are shown by every command.
    world.ops(&keeping("1h", warned));
    for args in others {
        let said = world.ends(78, args);
        assert!(
            said.contains("OPS2008") && said.contains("write `keep=\"1d\"` or longer"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn old_runs_go_when_apply_ends_and_the_file_becomes_shorter() {
    let world = Workspace::of_jobs(JOBS);
    world.apply(1);
    world.ends(0, &["apply", "--yes", "--only", "target:t"]);
    add_old(&world, 600);
    let size = || fs::metadata(world.at(".opsrun/t/opsrun.db")).unwrap().len();
    let big = size();
    world.ops(&keeping("forever", JOBS));
    world.apply(1);
    assert_eq!(world.count(OLD), 600);
    world.ops(&keeping("1d", JOBS));
    let only = ["apply", "--yes", "--only", "target:t"];
    for _ in 0..60 {
        world.ends(0, &only);
        if world.count(OLD) == 0 && size() < big / 2 {
            break;
        }
    }
    assert_eq!(world.count(OLD), 0);
    assert!(size() < big / 2, "{big} bytes became {}", size());
    let status = world.ends(1, &["status"]);
    assert!(status.contains("target:rare  failed"), "{status}");
    let said = world.ends(64, &["history", "01JG"]);
    assert!(said.contains("runs older than 1d are removed"), "{said}");
}

#[test]
fn a_daemon_that_is_killed_while_it_removes_leaves_a_sound_state() {
    let world = Workspace::of_jobs(JOBS);
    world.ends(0, &["apply", "--yes", "--only", "target:t"]);
    add_old(&world, 800);
    world.ops(&keeping("1d", JOBS));
    let size = || fs::metadata(world.at(".opsrun/t/opsrun.db")).unwrap().len();
    let big = size();
    let mut left = 800;
    for _ in 0..2 {
        let serve = world.serve();
        until(|| world.count(OLD) < left);
        serve.signal(Signal::SIGKILL);
        drop(serve);
        left = world.count(OLD);
        assert_eq!(world.rows("PRAGMA integrity_check"), ["ok"]);
        let kinds = "SELECT count(DISTINCT (SELECT count(*) FROM events WHERE events.run = runs.run)) FROM runs";
        assert_eq!(
            world.count(&format!("{kinds} WHERE run LIKE '01JG%'")),
            1,
            "a run goes whole"
        );
    }
    // While others read, and while a run writes.
    let reader = world.db();
    reader.execute_batch("BEGIN; SELECT count(*) FROM runs").unwrap();
    let serve: Serve = world.serve();
    world.ends(0, &["apply", "--yes", "--only", "target:t"]);
    until(|| world.count(OLD) == 0);
    reader.execute_batch("ROLLBACK").unwrap();
    until(|| size() < big / 2);
    world.ends(0, &["history"]);
    serve.signal(Signal::SIGTERM);
    serve.ended(143);
}
