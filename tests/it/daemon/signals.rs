//! How the daemon is stopped, told to read its file again, and what a service manager hears.

use super::{DEADLINE, Serve, next, until};
use crate::support::workspace::{Workspace, is_gone};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::net::UnixDatagram;

const LONG: &str = r#"target "long" { shell "echo $$ > fifo; exec sleep 1000"; every "100ms"; timeout "1h"; }"#;

#[test]
fn told_to_stop_it_ends_its_children_and_writes_its_journal() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let world = Workspace::of_jobs(LONG);
        let fifo = world.fifo("fifo");
        let serve = world.serve();
        let pid = next(&fifo);
        serve.signal(signal);
        let said = serve.ended(code);
        assert!(said.contains("waiting for 1 run"), "{said}");
        assert!(is_gone(&pid));
        assert_eq!(world.rows("SELECT CAST(exit AS TEXT) FROM runs"), [code.to_string()]);
        assert_eq!(
            world.count("SELECT count(*) FROM events WHERE kind = 'run-finished'"),
            1
        );
        let told = world.ends(0, &["history", "last"]);
        assert!(told.contains("for target:long 20"), "{told}");
    }
}

#[test]
fn a_second_interrupt_ends_it_and_its_children_at_once() {
    let world = Workspace::of_jobs(
        r#"target "deaf" { shell "trap 'echo deaf > fifo' TERM; echo $$ > fifo; while :; do sleep 1000 & wait; done"; every "100ms"; timeout "1h" kill-after="1h"; }"#,
    );
    let fifo = world.fifo("fifo");
    let mut serve = world.serve();
    let pid = next(&fifo);
    serve.signal(Signal::SIGINT);
    serve.says("stopping on signal 2");
    assert_eq!(next(&fifo), "deaf");
    serve.signal(Signal::SIGINT);
    serve.ended(130);
    until(|| is_gone(&pid));
}

#[test]
fn its_file_is_read_again_when_it_changes_or_when_somebody_asks() {
    let target = |name: &str| format!("target \"{name}\" {{ command \"true\"; every \"100ms\"; }}");
    let world = Workspace::of_jobs(&target("one"));
    let mut serve = world.serve();
    serve.says("serving t: 1 schedule, 1 job");
    serve.says("ok        target:one");
    world.jobs(&target("two"));
    serve.says("reloaded, serving");
    serve.says("ok        target:two");

    world.jobs("target \"two\" { command \"true\"; every \"1 fortnight\"; }");
    serve.says("OPS2007");
    serve.says("cannot reload the ops file: `ops.kdl` is invalid: 1 error");
    serve.says("ok        target:two");
    serve.signal(Signal::SIGHUP);
    serve.says("ok        target:two");
    world.jobs(&target("three"));
    serve.says("is valid again");
    serve.says("ok        target:three");

    // Nothing is wrong with any line of it.
    world.jobs(&format!("{}\n{}", target("twice"), target("twice")));
    serve.says("cannot reload the ops file: `ops.kdl` is invalid: 1 error");
    serve.says("ok        target:three");

    fs::remove_file(world.at("ops.kdl")).unwrap();
    serve.says("cannot reload the ops file: cannot read `ops.kdl`");
    serve.says("ok        target:three");
    world.jobs(&target("three"));
    serve.signal(Signal::SIGHUP);
    serve.says("is valid again");
    serve.signal(Signal::SIGHUP);
    serve.says("reloaded, serving");
    let said = serve.term();
    assert_eq!(said.matches("is invalid").count(), 2, "{said}");
    assert!(!said.contains("target:twice"), "{said}");
}

/// `nohup opsrun serve`: what was ignored stops nothing, and SIGHUP never stops it anyway.
#[test]
fn a_hangup_that_was_ignored_reloads_the_file_all_the_same() {
    let world = Workspace::of_jobs("target \"one\" { command \"true\"; every \"1h\"; }");
    let inner = world.command(&["serve"]);
    let mut ignoring = std::process::Command::new("sh");
    ignoring
        .args(["-c", "trap '' HUP INT; exec \"$0\" serve"])
        .arg(inner.get_program());
    ignoring.current_dir(world.path()).env("NO_COLOR", "1");
    let mut serve = Serve::start(ignoring);
    serve.says("serving t: 1 schedule");
    serve.signal(Signal::SIGHUP);
    serve.says("reloaded, serving");
    serve.signal(Signal::SIGINT);
    serve.signal(Signal::SIGHUP);
    serve.says("reloaded, serving");
    serve.term();
}

#[test]
fn a_file_that_moves_the_state_is_refused() {
    let world = Workspace::of_jobs("target \"one\" { command \"true\"; every \"100ms\"; }");
    let mut serve = world.serve();
    serve.says("ok        target:one");
    let text =
        "ops version=1 { name \"t\"; state-dir \"elsewhere\"; }\ntarget \"two\" { command \"true\"; every \"100ms\"; }";
    fs::write(world.at("ops.kdl"), text).unwrap();
    serve.says("it moves the state");
    serve.says("ok        target:one");
    serve.term();
    assert!(!world.at("elsewhere").exists());
}

#[test]
fn a_service_manager_hears_what_it_needs_to_know() {
    let world = Workspace::of_jobs("target \"one\" { command \"true\"; every \"1h\"; }");
    let socket = UnixDatagram::bind(world.at("notify")).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let hears = |wanted: &str| {
        let mut heard = Vec::new();
        loop {
            let mut bytes = [0; 4096];
            let Ok(n) = socket.recv(&mut bytes) else {
                panic!("`{wanted}` was never heard: {heard:?}");
            };
            let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
            heard.push(text.clone());
            if text.lines().any(|line| line.starts_with(wanted)) {
                return text;
            }
        }
    };
    let mut command = world.command(&["serve"]);
    command
        .env("NOTIFY_SOCKET", world.at("notify"))
        .env("WATCHDOG_USEC", "400000");
    let serve = Serve::start(command);
    hears("READY=1");
    hears("STATUS=idle; next run: 20");
    hears("WATCHDOG=1");
    hears("WATCHDOG=1");
    serve.signal(Signal::SIGHUP);
    let text = hears("RELOADING=1");
    assert!(text.contains("MONOTONIC_USEC="), "{text}");
    hears("READY=1");
    serve.signal(Signal::SIGTERM);
    hears("STOPPING=1");
    serve.ended(143);
}

#[test]
fn an_invalid_file_at_the_start_ends_it() {
    let world = Workspace::of_jobs("target \"one\" { }");
    let said = world.ends(78, &["serve"]);
    assert!(said.contains("`ops.kdl` is invalid"), "{said}");
    assert!(!world.at(".opsrun").exists());
    let world = Workspace::of_jobs("target \"one\" { command \"true\"; }");
    let mut serve = world.serve();
    serve.says("warning: no job has a schedule");
    serve.term();
}
