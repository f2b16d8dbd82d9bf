//! What becomes of a job that still runs, keeps failing, or was due when nobody was there.

use super::{Serve, next};
use crate::support::workspace::{Workspace, is_gone};
use chrono::Timelike as _;
use std::fs;

#[test]
fn a_job_that_is_replaced_is_ended_first_and_nothing_else_is() {
    let world = Workspace::of_jobs(
        r#"
        schedule "s" { every "700ms"; }
        target "r" { shell "echo $$ > fifo; exec sleep 1000"; schedule "s"; overlap "replace"; timeout "1h"; }
        target "other" { shell "echo $$ > others; exec sleep 1000"; schedule "s"; timeout "1h"; }
        "#,
    );
    let (fifo, others) = (world.fifo("fifo"), world.fifo("others"));
    let serve = world.serve();
    let other = next(&others);
    let mut before = next(&fifo);
    for _ in 0..3 {
        let pid = next(&fifo);
        assert!(is_gone(&before));
        before = pid;
    }
    assert!(!is_gone(&other));
    serve.term();
    assert!(is_gone(&before) && is_gone(&other));
    assert_eq!(
        world.count("SELECT count(*) FROM decisions WHERE job = 'target:other' AND decision = 'ran'"),
        1
    );
}

#[test]
fn one_waits_for_the_one_before_and_only_one() {
    let world = Workspace::of_jobs(
        r#"target "q" { shell "echo begun > fifo; read x < gate; echo ended > fifo"; every "150ms"; overlap "queue"; timeout "1h"; }"#,
    );
    let (fifo, gate) = (world.fifo("fifo"), world.at("gate"));
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RWXU).unwrap();
    let mut serve = world.serve();
    assert_eq!(next(&fifo), "begun");
    serve.says("queued   target:q");
    serve.says("one is queued already");
    fs::write(&gate, "go\n").unwrap();
    assert_eq!([next(&fifo), next(&fifo)], ["ended", "begun"], "one after the other");
    serve.kill();
    // What waits is begun by whoever comes next, after what was left running.
    let waiting = world.count("SELECT count(*) FROM queue");
    let mut serve = world.serve();
    serve.says("left processes at work");
    fs::write(&gate, "go\n").unwrap();
    serve.says("run  ");
    assert_eq!([next(&fifo), next(&fifo)], ["ended", "begun"]);
    serve.says("its previous run is still active");
    serve.term();
    let unmet = "SELECT count(*) FROM decisions AS waited WHERE decision = 'queued' AND NOT EXISTS
        (SELECT 1 FROM decisions AS ran WHERE ran.decision = 'ran' AND ran.instant = waited.instant)
        AND NOT EXISTS (SELECT 1 FROM queue WHERE queue.instant = waited.instant)";
    assert_eq!(world.count(unmet), 0, "{waiting}");
}

#[test]
fn runs_side_by_side_are_allowed_where_they_are() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; concurrency 20; }
        target "a" { shell "echo $$ > fifo; exec sleep 1000"; every "150ms"; overlap "allow"; timeout "1h"; }
        "#,
    );
    let fifo = world.fifo("fifo");
    let mut serve = world.serve();
    let pids: Vec<String> = (0..16).map(|_| next(&fifo)).collect();
    assert!(pids.iter().all(|pid| !is_gone(pid)));
    serve.says("too many of its runs are active");
    serve.term();
    assert!(pids.iter().all(|pid| is_gone(pid)));
}

#[test]
fn a_check_goes_on_beside_a_long_run_that_asked_it_too() {
    let world = Workspace::of_jobs(
        r#"
        schedule "s" { every "200ms"; }
        check "c" { command "true"; schedule "s"; timeout "100ms"; }
        target "long" { shell "echo begun > fifo; exec sleep 1000"; schedule "s"; needs "check:c"; timeout "1h"; }
        "#,
    );
    let fifo = world.fifo("fifo");
    let mut serve = Serve::start(world.command(&["serve", "--verbose"]));
    next(&fifo);
    for _ in 0..5 {
        serve.says("ok        check:c");
    }
    serve.term();
}

#[test]
fn a_check_that_needs_a_target_and_a_target_that_needs_a_check_do_not_wait_for_each_other() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; concurrency 1; }
        check "before" { command "true"; timeout "100ms"; }
        target "after" { command "true"; needs "check:before"; every "300ms"; }
        target "first" { command "true"; }
        check "then" { command "true"; needs "target:first"; every "300ms"; timeout "100ms"; }
        "#,
    );
    let mut serve = Serve::start(world.command(&["serve", "--verbose"]));
    for _ in 0..3 {
        serve.says("ok        check:then");
        serve.says("ok        target:after");
    }
    serve.term();
}

#[test]
fn a_long_target_of_a_check_keeps_no_other_check_out() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; concurrency 1; }
        target "long" { shell "echo begun > fifo; exec sleep 1000"; timeout "1h"; }
        check "then" { command "true"; needs "target:long"; every "200ms"; timeout "100ms"; }
        check "other" { command "true"; every "200ms"; timeout "100ms"; }
        "#,
    );
    let fifo = world.fifo("fifo");
    let mut serve = Serve::start(world.command(&["serve", "--verbose"]));
    next(&fifo);
    for _ in 0..3 {
        serve.says("ok        check:other");
    }
    serve.term();
}

#[test]
fn a_job_that_keeps_failing_is_left_alone_and_tried_once() {
    let world = Workspace::of_jobs(
        r#"target "t" { shell "echo x >> tries; test -e mended"; every "100ms"; back-off after=2 wait="400ms" factor=2.0 cap="400ms"; }"#,
    );
    let mut serve = world.serve();
    serve.says("it failed 2 times in a row; back-off until");
    serve.says("it failed 3 times in a row; back-off until");
    serve.kill();
    let failures = world.count("SELECT failures FROM back_offs");
    assert!(failures >= 3);
    let mut serve = world.serve();
    serve.says(&format!("it failed {} times in a row", failures + 1));
    fs::write(world.at("mended"), "").unwrap();
    for _ in 0..3 {
        serve.says("ok        target:t");
    }
    serve.term();
    assert_eq!(world.count("SELECT count(*) FROM back_offs"), 0);
    let tried = "SELECT count(*) FROM decisions WHERE reason = 'it was due; one attempt after a back-off'";
    let ran = "SELECT count(*) FROM decisions WHERE decision = 'ran'";
    assert!(world.count(tried) >= 3, "of {}", world.count(ran));
    // Whoever is tried once is not run again before that has shown something.
    let mut waits = 0;
    for verdict in world.rows("SELECT decision || '/' || reason FROM decisions ORDER BY seq") {
        waits = if verdict.starts_with("backed-off") {
            waits + 1
        } else {
            waits
        };
        if verdict.ends_with("one attempt after a back-off") {
            assert!(waits > 0, "it was tried without having been left alone");
            waits = 0;
        }
    }
}

#[test]
fn a_try_that_was_cut_short_counts_as_failed() {
    let world = Workspace::of_jobs(
        r#"target "t" { shell "test -e try || exit 1; echo $$ > fifo; exec sleep 1000"; every "100ms"; back-off after=1 wait="300ms" factor=2.0 cap="1h"; timeout "1h"; }"#,
    );
    let fifo = world.fifo("fifo");
    let mut serve = world.serve();
    serve.says("back-off until");
    fs::write(world.at("try"), "").unwrap();
    let pid = next(&fifo);
    let failures = world.count("SELECT failures FROM back_offs");
    serve.kill();
    // What was left of it would count as at work.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid.parse().unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    let mut serve = world.serve();
    serve.says(&format!("it failed {} times in a row", failures + 1));
    let again = next(&fifo);
    serve.term();
    assert_eq!(
        world.count("SELECT failures FROM back_offs"),
        failures + 2,
        "so does one that was stopped"
    );
    assert!(is_gone(&again));
}

#[test]
fn what_was_missed_is_made_up_for_as_the_file_says() {
    // Half an hour from now: nothing falls due while the test runs.
    let minute = (chrono::Utc::now() + chrono::TimeDelta::minutes(30)).minute();
    let schedule = |name: &str, policy: &str| {
        format!(
            "schedule \"{name}\" {{ cron \"{minute} * * * *\"; missed {policy}; }}
             target \"{name}\" {{ command \"true\"; schedule \"{name}\"; }}\n"
        )
    };
    let policies = [
        ("latest", "\"latest\" window=\"1d\""),
        ("all", "\"all\" max=3"),
        ("skip", "\"skip\""),
    ];
    let world = Workspace::of_jobs(&policies.map(|(name, policy)| schedule(name, policy)).concat());
    let mut serve = world.serve();
    serve.says("serving t: 3 schedules");
    serve.term();
    let moved = "UPDATE schedules SET handled = strftime('%Y-%m-%dT%H:%M:%S', 'now', '-10 hours') || '.000000000Z'";
    assert_eq!(world.db().execute(moved, []).unwrap(), 3);
    let mut serve = world.serve();
    serve.says("missed   target:skip  for skip");
    for _ in 0..4 {
        serve.says("ok        target:");
    }
    serve.term();
    let told = |job: &str| {
        let sql =
            format!("SELECT decision || ' ' || reason || ' ' || count FROM decisions WHERE job = '{job}' ORDER BY seq");
        world.rows(&sql)
    };
    assert_eq!(
        told("target:all"),
        [
            "missed too-many 7",
            "ran it catches up a missed run 1",
            "ran it catches up a missed run 1",
            "ran it catches up a missed run 1"
        ]
    );
    assert_eq!(
        told("target:latest"),
        ["missed superseded 9", "ran it catches up a missed run 1"]
    );
    assert_eq!(told("target:skip"), ["missed missed 10"]);
}

#[test]
fn one_round_for_people_who_keep_cron() {
    let world = Workspace::of_jobs(
        r#"
        target "a" { shell "echo x >> ticks"; cron "0 * * * *"; }
        target "b" { command "false"; cron "0 * * * *"; }
        target "never" { shell "echo never >> ticks"; }
        "#,
    );
    let said = world.ends(0, &["apply", "--due"]);
    assert!(said.contains("nothing is due; next run: 20"), "{said}");
    let moved = "UPDATE schedules SET handled = strftime('%Y-%m-%dT%H:%M:%S', 'now', '-90 minutes') || '.000000000Z'";
    assert_eq!(world.db().execute(moved, []).unwrap(), 2);
    let said = world.ends(1, &["apply", "--due"]);
    assert!(
        said.contains("failed    target:b") && said.contains("for target:a 20"),
        "{said}"
    );
    assert_eq!(world.lines_of("ticks"), 1);
    let said = world.ends(0, &["apply", "--due", "--quiet"]);
    assert_eq!(said, "");
    assert_eq!(world.lines_of("ticks"), 1);
}

#[test]
fn rounds_at_the_same_time_share_the_work() {
    let world = Workspace::of_jobs(
        r#"
        target "all" { shell "echo $$ > fifo; read -r go < go; echo x >> ticks"; schedule "s"; }
        schedule "s" { cron "* * * * *"; missed "all" max=3; }
        "#,
    );
    world.ends(0, &["apply", "--due"]);
    let back = |minutes: u32| {
        let moved = format!(
            "UPDATE schedules SET handled = strftime('%Y-%m-%dT%H:%M:%S', 'now', '-{minutes} minutes') || '.000000000Z'"
        );
        assert_eq!(world.db().execute(&moved, []).unwrap(), 1);
    };
    back(10);
    let begun = world.fifo("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, world.at("go"), rustix::fs::Mode::RWXU).unwrap();
    let mut go = fs::File::options().read(true).write(true).open(world.at("go")).unwrap();
    let one = world.command(&["apply", "--due"]).spawn().unwrap();
    next(&begun);
    // What is at work is left alone, and what is missed is not lost by that.
    world.ends(0, &["apply", "--due"]);
    for _ in 0..4 {
        std::io::Write::write_all(&mut go, b"go\n").unwrap();
    }
    let output = one.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let ran = world.count("SELECT count(*) FROM decisions WHERE decision = 'ran'");
    assert!(ran >= 3, "{ran}");
    assert_eq!(i64::try_from(world.lines_of("ticks")).unwrap(), ran);
}
