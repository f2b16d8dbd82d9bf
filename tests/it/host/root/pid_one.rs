//! opsrun as process 1 of a container: what its jobs leave behind, the exit codes of its own children, and signals.

use crate::support::workspace::{OPSRUN, Workspace, heed_signals, is_root, output_of, run_with_input};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Leaves this many processes behind, which end at different times with a code that nobody asks for.
fn orphans(count: u32) -> String {
    format!("i=0; while [ $i -lt {count} ]; do i=$((i+1)); (setsid sh -c 'exit 3' &); (sh -c 'sleep 0.0'$i &); done")
}

/// As process 1 of a namespace of its own.
fn as_process_one(world: &Workspace, args: &[&str]) -> Command {
    assert!(is_root(), "this test must run as root");
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", OPSRUN]);
    command.args(args).current_dir(world.path()).env("NO_COLOR", "1");
    heed_signals(&mut command);
    command
}

fn until<T>(mut there: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(since.elapsed() < DEADLINE, "it never came");
        std::thread::yield_now();
    }
}

fn status_of(pid: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.map(|value| value.trim().to_owned())
}

/// The processes of all the machine whose parent is this one.
fn children(parent: u32) -> BTreeSet<u32> {
    let entries = fs::read_dir("/proc").unwrap().map(Result::unwrap);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| status_of(*pid, "PPid") == Some(parent.to_string()))
        .collect()
}

fn ended_children(parent: u32) -> BTreeSet<u32> {
    let ended = |pid: &u32| status_of(*pid, "State").is_some_and(|state| state.starts_with('Z'));
    children(parent).into_iter().filter(ended).collect()
}

/// A command as process 1, which is killed at the end of the test.
struct ProcessOne {
    outer: Child,
    pid: u32,
}

impl ProcessOne {
    fn start(world: &Workspace, args: &[&str]) -> Self {
        let mut command = as_process_one(world, args);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let log = fs::File::create(world.at("log")).unwrap();
        let outer = command.stderr(log).spawn().unwrap();
        let pid = until(|| {
            let found = children(outer.id()).into_iter().next();
            found.filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("opsrun")))
        });
        Self { outer, pid }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid).unwrap()), signal).unwrap();
    }

    /// True once it has a handler for this signal.
    fn handles(&self, signal: Signal) -> bool {
        let caught = status_of(self.pid, "SigCgt").and_then(|set| u64::from_str_radix(&set, 16).ok());
        caught.is_some_and(|set| set & 1 << (signal as i32 - 1) != 0)
    }

    fn ended(mut self) -> Option<i32> {
        until(|| self.outer.try_wait().unwrap()).code()
    }
}

impl Drop for ProcessOne {
    fn drop(&mut self) {
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}

#[test]
#[ignore = "needs root, for a PID namespace"]
fn orphans_of_a_daemon_are_collected_and_exit_codes_are_seen_rightly() {
    let leaving = orphans(20);
    let codes = [0, 3, 5, 42, 99].map(|code| {
        format!("target \"c{code}\" {{ shell \"(setsid true &); echo x >>c{code}; exit {code}\"; ok-codes {code}; every \"100ms\"; }}\n")
    });
    let world = Workspace::new(&format!(
        r#"
ops version=1 {{ name "t"; concurrency 8; }}
channel "ops" {{ command "/bin/sh" "-c" "{leaving}; echo x >>sent"; }}
target "leaves" {{ shell "{leaving}"; every "100ms"; env "KEY" {{ from-command "/bin/sh" "-c" "(setsid true &); echo key"; }}; }}
check "asks" {{ command "/bin/sh" "-c" "{leaving}; echo x >>asked"; every "100ms"; }}
target "fails" {{ shell "exit 9"; every "1s"; notify "ops"; }}
{}
"#,
        codes.concat()
    ));
    let serve = ProcessOne::start(&world, &["serve"]);
    let lines = |name: &str| fs::read_to_string(world.at(name)).unwrap_or_default().lines().count();
    until(|| (lines("c42") >= 15 && lines("c0") >= 15 && lines("asked") >= 10 && lines("sent") >= 1).then_some(()));
    // Those that have ended by now are soon gone, while others follow.
    let ended = ended_children(serve.pid);
    let since = Instant::now();
    until(|| ended_children(serve.pid).is_disjoint(&ended).then_some(()));
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "collected after {:?}",
        since.elapsed()
    );
    serve.signal(Signal::SIGTERM);
    assert_eq!(serve.ended(), Some(143));
    let db = rusqlite::Connection::open(world.at(".opsrun/t/opsrun.db")).unwrap();
    let finished = "SELECT step, json FROM events WHERE kind = 'step-finished' AND json NOT LIKE '%\"state\":\"ok\"%'";
    let mut statement = db.prepare(finished).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    for (step, json) in rows.unwrap().map(Result::unwrap) {
        // What the signal stopped at the end is not lost.
        let expected = step == "target:fails" && json.contains("exit code 9") || json.contains("interrupted");
        assert!(expected, "{step}: {json}");
    }
}

/// Each long run that starts children, not the daemon alone.
#[test]
#[ignore = "needs root, for a PID namespace"]
fn orphans_of_a_single_run_are_collected_while_it_goes_on() {
    let leaving = orphans(100);
    let world = Workspace::new(&format!(
        r#"
ops version=1 {{ name "t"; }}
target "leaves" {{ shell "{leaving}; exit 4"; ok-codes 4; }}
target "waits" {{ shell "while grep -lqs '^State:.Z' /proc/[0-9]*/status; do :; done"; needs "target:leaves"; timeout "30s"; }}
target "fails" {{ shell "{leaving}; exit 9"; }}
"#
    ));
    let text = output_of(&run_with_input(&mut as_process_one(&world, &["apply", "--yes"]), ""), 1);
    assert!(text.contains("target:fails  exit code 9"), "{text}");
    assert!(text.contains("ok        target:waits"), "{text}");
}

/// The kernel drops each signal to process 1 that has no handler.
#[test]
#[ignore = "needs root, for a PID namespace"]
fn signals_stop_it() {
    let long = r#"target "long" { shell "echo x >begun; exec sleep 1000"; every "100ms"; timeout "1h"; }"#;
    let jobs = format!("ops version=1 {{ name \"t\"; }}\n{long}");
    let (term, int, hup) = ((Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129));
    for (args, signals) in [
        (&["serve"][..], &[term, int][..]),
        (&["apply", "--yes"], &[term, int, hup]),
    ] {
        for (signal, code) in signals {
            let world = Workspace::new(&jobs);
            let one = ProcessOne::start(&world, args);
            until(|| world.at("begun").exists().then_some(()));
            one.signal(*signal);
            assert_eq!(one.ended(), Some(*code), "{args:?} {signal}");
        }
    }
    // A command that is not asked to stop in good order ends at once.
    for (signal, code) in [term, int, hup] {
        let world = Workspace::new(&jobs);
        let one = ProcessOne::start(&world, &["check", "-"]);
        until(|| one.handles(signal).then_some(()));
        one.signal(signal);
        assert_eq!(one.ended(), Some(code), "{signal}");
    }
}
