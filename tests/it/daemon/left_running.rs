//! What an opsrun that was killed left running counts as at work: skipped, queued, replaced, refused by hand.

use super::{next, until};
use crate::support::workspace::{Workspace, is_gone};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::process::Stdio;

/// A target that says its process number, and works until it is ended.
fn endless(more: &str) -> String {
    format!("target \"long\" {{ shell \"echo $$ > fifo; exec sleep 100\"; timeout \"1h\"; {more} }}")
}

fn end(pid: &str) {
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
    until(|| is_gone(pid));
}

#[test]
fn what_a_killed_daemon_left_is_at_work() {
    let world = Workspace::of_jobs(&endless("every \"200ms\"; overlap \"skip\";"));
    let fifo = world.fifo("fifo");
    let serve = world.serve();
    let pid = next(&fifo);
    serve.kill();
    let mut serve = world.serve();
    let skipped = serve.says("skipped  target:long");
    let reason = format!("left processes at work: process group {pid}");
    assert!(skipped.contains(&reason), "{skipped}");
    // By cron beside it, too.
    let said = world.ends(0, &["apply", "--due"]);
    assert!(!said.contains("run  "), "{said}");
    let status = world.ends(1, &["status"]);
    assert!(status.contains(&format!("still at work: pid {pid}; ")), "{status}");
    let why = world.ends(0, &["why", "target:long"]);
    assert!(why.contains("target:long is still at work since "), "{why}");
    let run = why.split_once(": run ").unwrap().1.split(' ').next().unwrap();
    let history = world.ends(0, &["history", run]);
    assert!(
        history.contains(&format!("still at work: target:long (pid {pid})\n")),
        "{history}"
    );
    serve.kill();
    end(&pid);
    let history = world.ends(0, &["history", run]);
    assert!(!history.contains("still at work"), "{history}");
    let serve = world.serve();
    assert_ne!(next(&fifo), pid);
    serve.term();
    let kept = fs::read_dir(world.at(".opsrun/t/children")).unwrap().count();
    assert_eq!(kept, 0, "nothing is left of a command that has ended");
}

#[test]
fn by_hand_it_is_refused_and_waited_for() {
    let world = Workspace::of_jobs(&endless("overlap \"replace\";"));
    let fifo = world.fifo("fifo");
    let by_hand = |more: &[&str]| world.command(&[&["apply", "--yes", "--only", "target:long"], more].concat());
    let quiet =
        |mut command: std::process::Command| command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = quiet(by_hand(&[]));
    let pid = next(&fifo);
    first.kill().unwrap();
    first.wait().unwrap();
    let refused = world.ends(75, &["apply", "--yes"]);
    let expected = format!("left processes at work: process group {pid} (pid {pid})");
    assert!(refused.contains("target:long is still at work: run 0"), "{refused}");
    assert!(refused.contains(&expected), "{refused}");
    assert!(refused.contains(&format!("`kill -- -{pid}`")), "{refused}");
    assert!(!is_gone(&pid), "by hand nothing is ended");
    let mut second = quiet(by_hand(&["--lock-wait", "1h"]));
    end(&pid);
    let after = next(&fifo);
    rustix::process::kill_process(rustix::process::Pid::from_child(&second), rustix::process::Signal::TERM).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(143));
    assert!(is_gone(&after));
}

#[test]
fn what_was_left_is_replaced_with_its_whole_group() {
    // Deaf to TERM.
    let world = Workspace::of_jobs(
        r#"target "r" {
            shell "trap '' TERM; sh -c 'echo $$ > members; while :; do sleep 100; done' & echo $$ > leaders; wait"
            every "3s"; overlap "replace"; timeout "1h" kill-after="100ms"
        }"#,
    );
    let (leaders, members) = (world.fifo("leaders"), world.fifo("members"));
    let serve = world.serve();
    let (leader, member) = (next(&leaders), next(&members));
    serve.kill();
    // A part of the group is enough.
    end(&leader);
    let mut serve = world.serve();
    let ended = serve.says("since this run replaces it");
    let expected = format!("process group {leader}; the group was ended with KILL");
    assert!(ended.contains(&expected), "{ended}");
    let (leader, after) = (next(&leaders), next(&members));
    assert!(is_gone(&member) && after != member);
    serve.kill();
    kill(Pid::from_raw(-leader.parse::<i32>().unwrap()), Signal::SIGKILL).unwrap();
    until(|| is_gone(&leader) && is_gone(&after));
}

#[test]
fn by_cron_a_queued_job_waits_for_what_was_left() {
    let world = Workspace::of_jobs(&endless("every \"200ms\"; overlap \"queue\";"));
    let fifo = world.fifo("fifo");
    world.ends(0, &["apply", "--due"]);
    let due = || {
        let mut due = world.command(&["apply", "--due", "--quiet"]);
        due.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut first = due();
    let pid = loop {
        match fifo.recv_timeout(std::time::Duration::from_millis(500)) {
            Ok(pid) => break pid,
            // It ended, as nothing was due yet.
            Err(_) if first.try_wait().unwrap().is_some() => first = due(),
            Err(_) => {}
        }
    };
    first.kill().unwrap();
    first.wait().unwrap();
    let waiting = "SELECT count(*) FROM runs WHERE finished_at IS NULL AND interrupted_at IS NULL";
    let runs = world.count("SELECT count(*) FROM runs");
    let mut second = due();
    while world.count("SELECT count(*) FROM runs") == runs {
        // Ended, as nothing was due yet.
        if second.try_wait().unwrap().is_some() {
            second = due();
        }
    }
    assert!(world.count(waiting) > 0 && !is_gone(&pid));
    end(&pid);
    let after = next(&fifo);
    assert_ne!(after, pid);
    rustix::process::kill_process(rustix::process::Pid::from_child(&second), rustix::process::Signal::TERM).unwrap();
    second.wait().unwrap();
    assert!(is_gone(&after));
}
