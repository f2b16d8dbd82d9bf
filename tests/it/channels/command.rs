//! Commands that are told: real children, and everything that they can do wrong.

use super::{BOUND, LONG, SECRET, channel, dead, deliver, message, retry, secret, sent};
use opsrun::alert::channel::ChannelSender;
use opsrun::alert::sender::Deliver as _;
use opsrun::channel::answer::Delivery;
use opsrun::channel::message::Message;
use opsrun::model::Channel;
use opsrun::model::channel::ChannelKind;
use opsrun::model::command::{Command, Program, SecretSource, Value};
use opsrun::secret::Vault;
use opsrun::signal::Stop;
use std::path::Path;
use std::time::Duration;

fn shell(line: &str, cwd: &Path) -> Channel {
    channel(ChannelKind::Command(Command {
        program: Program::Shell(line.to_owned()),
        cwd: cwd.to_owned(),
        env: Vec::new(),
        run_as: None,
    }))
}

fn told(line: &str) -> Delivery {
    deliver(&shell(line, Path::new("/")), &message())
}

#[test]
fn the_document_arrives_whole() {
    let dir = tempfile::tempdir().unwrap();
    sent(
        &deliver(&shell("cat > got; echo thanks; echo more", dir.path()), &message()),
        "exit code 0: thanks",
    );
    let got = std::fs::read(dir.path().join("got")).unwrap();
    assert_eq!(serde_json::from_slice::<Message>(&got).unwrap(), message());
    // More than a pipe holds, to one that reads none of it.
    let mut long = message();
    long.details = vec!["x".repeat(1 << 20)];
    sent(&deliver(&shell("exit 0", dir.path()), &long), "exit code 0");
    sent(&deliver(&shell("wc -c", dir.path()), &long), "exit code 0: 1048");
    sent(&deliver(&shell("exec 0<&-; exit 0", dir.path()), &long), "exit code 0");
}

#[test]
fn the_exit_code_decides() {
    sent(&told("exit 0"), "exit code 0");
    for code in [1, 2, 75, 127, 255] {
        retry(
            &told(&format!("echo first >&2; echo no route >&2; exit {code}")),
            &format!("exit code {code}: no route"),
        );
    }
    for code in [64, 65, 78] {
        dead(
            &told(&format!("echo never; exit {code}")),
            &format!("exit code {code}: never"),
        );
    }
    retry(&told("kill -9 $$"), "killed by signal 9 (KILL)");
}

#[test]
fn one_that_ignores_term_is_killed_with_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let line = "trap '' TERM; (trap '' TERM; exec sleep 1000) & echo $! > pid; while :; do sleep 1000; done";
    let channel = Channel {
        timeout: Duration::from_millis(300),
        ..shell(line, dir.path())
    };
    retry(
        &deliver(&channel, &message()),
        "timeout after 300ms; the group was ended with KILL",
    );
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
    // Who has no parent left may not be reaped yet.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "it lives on: {stat}");
}

#[test]
fn a_flood_is_not_kept() {
    let channel = Channel {
        timeout: Duration::from_secs(2),
        ..shell("yes", Path::new("/"))
    };
    retry(&deliver(&channel, &message()), "timeout after 2s");
    let line = "head -c 50000000 /dev/zero | tr '\\0' x; echo; echo end >&2; exit 1";
    retry(&told(line), "exit code 1: end");
}

#[test]
fn one_that_cannot_be_started_is_tried_again() {
    let mut nowhere = shell("true", Path::new("/no/such/directory"));
    retry(&deliver(&nowhere, &message()), "the directory does not exist");
    nowhere.kind = ChannelKind::Command(Command {
        program: Program::Argv(vec!["/no/such/program".to_owned()]),
        cwd: "/".into(),
        env: Vec::new(),
        run_as: None,
    });
    retry(&deliver(&nowhere, &message()), "the program does not exist");
}

#[test]
fn secrets_reach_the_command_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let with = |line: &str, value| {
        channel(ChannelKind::Command(Command {
            program: Program::Shell(line.to_owned()),
            cwd: dir.path().to_owned(),
            env: vec![("TOKEN".to_owned(), value)],
            run_as: None,
        }))
    };
    let line = "printf %s \"$TOKEN\" > got; echo \"it is $TOKEN\"; printf %s \"$TOKEN\" | base64";
    sent(
        &deliver(&with(line, secret(SECRET)), &message()),
        "exit code 0: it is [secret]",
    );
    assert_eq!(std::fs::read_to_string(dir.path().join("got")).unwrap(), SECRET);
    let line = "printf %s \"$TOKEN\" | base64 >&2; exit 1";
    retry(
        &deliver(&with(line, secret(SECRET)), &message()),
        "exit code 1: [secret]",
    );
    let unset = Value::Secret(SecretSource::Env("OPS_NO_SUCH_VARIABLE".to_owned()));
    retry(
        &deliver(&with("echo started > started", unset), &message()),
        "`OPS_NO_SUCH_VARIABLE`: it is not set",
    );
    assert!(!dir.path().join("started").exists());
}

#[test]
fn a_stop_ends_it() {
    let stop = Stop::new().unwrap();
    stop.ask();
    let sender = ChannelSender::new(Vault::default(), stop);
    let channel = Channel {
        timeout: LONG,
        ..shell("exec sleep 1000", Path::new("/"))
    };
    let told = super::block_on(async { tokio::time::timeout(BOUND, sender.deliver(&channel, &message(), &[])).await });
    retry(&told.unwrap(), "opsrun was stopped");
}
