//! Who is told while the schedules run: of jobs, of the ops file, of what was cut short.

use super::next;
use crate::support::workspace::Workspace;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc::Receiver;

const CHANNEL: &str = r#"channel "ops" { command "/bin/sh" "-c" "cat > told; echo > told"; }"#;

/// What arrives. A message may come twice: it is sent until its arrival is known.
struct Told {
    fifo: Receiver<String>,
    seen: BTreeSet<String>,
}

impl Told {
    fn new(world: &Workspace) -> Self {
        Self {
            fifo: world.fifo("told"),
            seen: BTreeSet::new(),
        }
    }

    /// The next message, as `kind key`.
    fn next(&mut self) -> String {
        loop {
            let line = next(&self.fifo);
            if line.is_empty() {
                continue;
            }
            let message: Value = serde_json::from_str(&line).unwrap();
            let word = |name: &str| message[name].as_str().unwrap().to_owned();
            if self.seen.insert(word("id")) {
                return format!("{} {}", word("kind"), word("key"));
            }
        }
    }
}

#[test]
fn people_are_told_while_it_goes_on() {
    let target = r#"target "t" { command "test" "-e" "well"; every "200ms"; }"#;
    let world = Workspace::of_jobs(&format!("{CHANNEL}\n{target}"));
    let mut told = Told::new(&world);
    let mut serve = world.serve();
    assert_eq!(told.next(), "trouble target:t");
    fs::write(world.at("well"), "").unwrap();
    assert_eq!(told.next(), "recovery target:t");
    world.jobs(&format!("{CHANNEL}\ntarget \"t\" {{ }}"));
    serve.signal(Signal::SIGHUP);
    assert_eq!(told.next(), "trouble config");
    world.jobs(&format!("{CHANNEL}\n{target}"));
    serve.signal(Signal::SIGHUP);
    assert_eq!(told.next(), "recovery config");
    serve.says("is valid again");
    serve.term();
    let lost = "SELECT count(*) FROM outbox WHERE state = 'dead'";
    assert_eq!(world.count(lost), 0);
}

#[test]
fn what_was_cut_short_is_told_by_whoever_comes_next() {
    let world = Workspace::of_jobs(&format!(
        "{CHANNEL}\ntarget \"t\" {{ shell \"echo $$ > begun; exec sleep 1000\"; every \"100ms\"; timeout \"1h\"; }}"
    ));
    let (mut told, begun) = (Told::new(&world), world.fifo("begun"));
    let serve = world.serve();
    let pid = next(&begun);
    serve.kill();
    // Nothing is due for a long time.
    world.jobs(&format!(
        "{CHANNEL}\ntarget \"t\" {{ command \"true\"; every \"23h\"; }}"
    ));
    let mut serve = world.serve();
    serve.says("was interrupted");
    assert_eq!(told.next(), "trouble target:t");
    serve.term();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn it_prints_what_changed_and_not_that_all_is_well() {
    let world = Workspace::of_jobs(
        r#"
        check "c" { shell "echo x >> asked; test ! -e bad || exit 2"; every "100ms"; }
        "#,
    );
    let mut serve = world.serve();
    super::until(|| world.lines_of("asked") > 5);
    fs::write(world.at("bad"), "").unwrap();
    serve.says("critical  check:c");
    let before = world.lines_of("asked");
    super::until(|| world.lines_of("asked") > before + 5);
    fs::remove_file(world.at("bad")).unwrap();
    serve.says("ok        check:c");
    let asked = world.lines_of("asked");
    super::until(|| world.lines_of("asked") > asked + 5);
    let printed = serve.term();
    for line in ["critical  check:c", "ok        check:c"] {
        assert_eq!(printed.matches(line).count(), 1, "{printed}");
    }
}
