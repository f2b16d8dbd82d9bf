//! What a closed gate leaves alone, the order of a run, and how it is stopped.

use crate::support::workspace::Workspace;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_critical_check_closes_what_needs_it_and_nothing_else() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        check "beat" { file-age "beat" warn="1m" critical="1h"; }
        check "look" { file-age "beat" warn="1m" critical="1h"; severity "warning"; }
        target "closed" { shell "touch closed-ran"; needs "check:beat"; }
        target "behind" { shell "touch behind-ran"; needs "target:closed"; }
        target "open" { shell "touch open-ran"; needs "check:look"; }
        backup "b" { source "data"; to "backup"; }
        retention "r" backup="b" { class "all" "*.txt" keep="7d"; max-delete files=1000; needs "check:beat"; }
        "#,
    );
    let old = world.file("old.txt", 30);
    let said = world.apply(1);
    assert!(
        !world.at("closed-ran").exists() && !world.at("behind-ran").exists(),
        "{said}"
    );
    assert!(world.at("open-ran").exists(), "a warning opens: {said}");
    assert!(
        old.exists() && world.at("backup").exists(),
        "copied, not deleted: {said}"
    );
    assert!(said.contains("check:beat is critical → target:closed"), "{said}");
    let status = world.ends(1, &["status"]);
    assert!(status.contains("critical"), "{status}");

    fs::write(world.at("beat"), "").unwrap();
    world.apply(0);
    assert!(world.at("behind-ran").exists() && !old.exists());
    world.ends(0, &["status"]);
}

#[test]
fn one_thread_is_one_order() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        target "c" { command "true"; needs "target:b"; }
        target "a" { command "true"; }
        target "b" { command "true"; needs "check:x"; }
        check "x" { command "true"; }
        check "y" { disk-space "." critical="1B"; }
        backup "d" { source "data"; to "backup"; needs "target:a"; }
        retention "r" backup="d" { class "all" "*.txt" keep="7d"; max-delete files=1000; }
        "#,
    );
    world.file("old.txt", 30);
    let order = || -> Vec<String> {
        let out = world
            .command(&["apply", "--yes", "--json", "--threads", "1"])
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        let lines = out.stdout.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let events = lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
        let told = events
            .map(|e| format!("{} {}", e["event"], e["step"]))
            .filter(|e| e.contains("step-"));
        told.collect()
    };
    let first = order();
    let names = [
        "check:x",
        "check:y",
        "target:a",
        "target:b",
        "target:c",
        "backup:d",
        "verify:d",
        "cleanup:r",
    ];
    let expected: Vec<String> = names
        .iter()
        .flat_map(|name| ["step-started", "step-finished"].map(|event| format!("\"{event}\" \"{name}\"")))
        .collect();
    assert_eq!(first, expected);
    assert_eq!(order(), first);
}

#[test]
fn a_signal_ends_the_commands_and_says_so() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let world = Workspace::with_data(
            r#"
            ops version=1 { name "t"; }
            target "long" { shell "trap '' TERM INT; echo $$ > pid; exec 3<>fifo; read x <&3" ; timeout "1h" kill-after="300ms"; }
            target "next" { command "touch" "next-ran"; needs "target:long"; }
            "#,
        );
        rustix::fs::mkfifoat(rustix::fs::CWD, world.at("fifo"), rustix::fs::Mode::RWXU).unwrap();
        let mut child = world
            .command(&["apply", "--yes", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        lines.find(|line| line.contains("step-started")).unwrap();
        while !fs::read_to_string(world.at("pid")).is_ok_and(|text| text.ends_with('\n')) {
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let rest: Vec<String> = lines.collect();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(
            rest.iter().any(|line| line.contains(r#""state":"interrupted""#)),
            "{rest:#?}"
        );
        let pid = fs::read_to_string(world.at("pid")).unwrap().trim().parse().unwrap();
        let gone = rustix::process::test_kill_process(Pid::from_raw(pid).unwrap());
        assert!(gone.is_err(), "the command lives on");
        assert!(!world.at("next-ran").exists());
        let history = world.ends(0, &["history"]);
        assert!(history.contains(&code.to_string()), "{history}");
    }
}

/// The first one is answered by the command and by nobody else for an hour; the second kills it.
#[test]
fn who_is_in_a_hurry_interrupts_twice() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        target "deaf" {
            shell "trap 'echo told > told' TERM; echo $$ > ready; while :; do sleep 1000 & wait; done"
            timeout "2h" kill-after="1h"
        }
        "#,
    );
    for name in ["ready", "told"] {
        rustix::fs::mkfifoat(rustix::fs::CWD, world.at(name), rustix::fs::Mode::RWXU).unwrap();
    }
    let mut child = world
        .command(&["apply", "--yes", "--quiet"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = fs::read_to_string(world.at("ready")).unwrap().trim().parse().unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    let command = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(fs::read_to_string(world.at("told")).unwrap(), "told\n");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Readable when it has ended. A minute is long for what was killed already.
    let minute = rustix::event::Timespec { tv_sec: 60, tv_nsec: 0 };
    let mut ended = [rustix::event::PollFd::new(&command, rustix::event::PollFlags::IN)];
    let gone = rustix::event::poll(&mut ended, Some(&minute)).unwrap() == 1;
    if !gone {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
    assert!(gone, "the command lives on");
}

#[test]
fn the_next_run_names_what_a_killed_one_was_at() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        target "long" { shell "echo $$ > ready; exec sleep 1000"; }
        target "short" { command "true"; }
        "#,
    );
    rustix::fs::mkfifoat(rustix::fs::CWD, world.at("ready"), rustix::fs::Mode::RWXU).unwrap();
    let mut child = world
        .command(&["apply", "--yes", "--quiet", "--only", "target:long"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid: i32 = fs::read_to_string(world.at("ready")).unwrap().trim().parse().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let said = world.ends(0, &["apply", "--yes", "--only", "target:short"]);
    // It runs on, as was said.
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let expected = format!("was interrupted during target:long; still at work: target:long (pid {pid})");
    assert!(said.contains(&expected), "{said}");
    assert!(
        !world
            .ends(0, &["apply", "--yes", "--only", "target:short"])
            .contains("was interrupted")
    );
}

#[test]
fn what_was_printed_is_kept_head_and_tail() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        target "loud" { shell "echo begin; head -c 10000000 /dev/zero | tr '\\0' x; echo; echo end >&2; exit 3"; ok-codes 3; }
        "#,
    );
    world.apply(0);
    let history = world.ends(0, &["history", "last"]);
    assert!(
        history.contains("begin") && history.contains("end") && history.contains("bytes dropped"),
        "{history}"
    );
    assert!(history.len() < 60_000, "{} bytes", history.len());
}
