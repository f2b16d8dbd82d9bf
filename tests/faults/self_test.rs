//! The tracer, tried on programs whose calls are known.

use super::tracer::{End, Fault, Program, run};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::path::Path;

fn shell(script: &str, dir: &Path) -> Program {
    Program {
        path: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        dir: dir.to_owned(),
        lacks: Vec::new(),
    }
}

#[test]
fn counts_over_all_children() {
    let dir = tempfile::tempdir().unwrap();
    let trace = run(
        &shell("mkdir a; mkdir b; (mkdir a/c); rmdir b", dir.path()),
        Fault::None,
        dir.path(),
    );
    assert_eq!(trace.end, End::Code(0));
    let names: Vec<_> = trace.calls.iter().map(|c| c.name).collect();
    assert_eq!(names, ["mkdir", "mkdir", "mkdir", "rmdir"]);
    assert!(dir.path().join("a/c").exists());
}

#[test]
fn kills_before_the_call_and_all_children() {
    let dir = tempfile::tempdir().unwrap();
    let program = shell("mkdir a; mkdir b; mkdir c", dir.path());
    let trace = run(&program, Fault::KillBefore(2), dir.path());
    assert_eq!(trace.end, End::Signal(Signal::SIGKILL));
    assert_eq!(trace.hit.as_deref(), Some("mkdir b"));
    assert!(dir.path().join("a").exists());
    assert!(!dir.path().join("b").exists() && !dir.path().join("c").exists());
}

#[test]
fn kills_after_the_call() {
    let dir = tempfile::tempdir().unwrap();
    let program = shell("mkdir a; mkdir b; mkdir c", dir.path());
    let trace = run(&program, Fault::KillAfter(2), dir.path());
    assert_eq!(trace.end, End::Signal(Signal::SIGKILL));
    assert!(dir.path().join("b").exists() && !dir.path().join("c").exists());
}

#[test]
fn tears_a_write() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in"), vec![7; 8192]).unwrap();
    let program = shell("dd if=in of=out bs=4096 2>dd.log", dir.path());
    let whole = run(&program, Fault::None, dir.path());
    let at = whole.calls.iter().position(|c| c.name == "write").unwrap() + 1;
    let trace = run(&program, Fault::KillTorn(at + 1), dir.path());
    assert!(trace.hit.unwrap().ends_with("/out"));
    assert_eq!(std::fs::metadata(dir.path().join("out")).unwrap().len(), 4096 + 2048);
}

#[test]
fn fails_one_call_only() {
    let dir = tempfile::tempdir().unwrap();
    let program = shell("mkdir a; mkdir b; mkdir c", dir.path());
    let trace = run(&program, Fault::Fail(2, Errno::ENOSPC), dir.path());
    assert_eq!(trace.end, End::Code(0));
    assert!(trace.stderr.contains("No space left on device"), "{}", trace.stderr);
    assert!(dir.path().join("a").exists() && !dir.path().join("b").exists() && dir.path().join("c").exists());
}

#[test]
fn signals_and_lets_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let program = shell(
        "trap 'mkdir trapped; exit 7' TERM; mkdir a; mkdir b; mkdir c",
        dir.path(),
    );
    let trace = run(&program, Fault::Terminate(2), dir.path());
    assert_eq!(trace.end, End::Code(7));
    assert!(dir.path().join("trapped").exists());
}

/// The negative control: a tool that deletes what it has packed, and proves nothing, loses data.
#[test]
fn an_unproven_tool_is_caught() {
    let dir = tempfile::tempdir().unwrap();
    let noise: Vec<u8> = super::scenario::noise(7, 15_000);
    let prepare = || {
        for name in ["f", "g", "h", "i"] {
            std::fs::write(dir.path().join(name), &noise).unwrap();
        }
        let _ = std::fs::remove_file(dir.path().join("out.tar.gz"));
    };
    let program = shell("tar -czf out.tar.gz --remove-files f g h i", dir.path());
    prepare();
    let calls = run(&program, Fault::None, dir.path()).calls.len();
    let lost = (1..=calls).any(|n| {
        prepare();
        run(&program, Fault::KillBefore(n), dir.path());
        let unpacked = super::system("tar", &["xzOf", "out.tar.gz", "f"], dir.path());
        !dir.path().join("f").exists() && unpacked.stdout != noise
    });
    assert!(lost, "tar kept every byte in {calls} crashes");
}
