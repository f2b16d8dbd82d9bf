//! Targets with real commands: attempts, waits, secrets, and how each end is told.

use super::*;
use crate::exec::action::StepAbort;
use crate::model::{Command, JobName, JobSettings, Program, Retry, SecretSource, StepKind, Value};
use crate::run::{JobHistory, RecordError};
use base64::Engine as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Keeps events; `heard` is told of each first, and may refuse it.
struct Events<'a> {
    kept: Mutex<Vec<Event>>,
    heard: &'a (dyn Fn(&Event) -> bool + Sync),
}

impl Recorder for Events<'_> {
    fn record(&self, event: &Event) -> Result<(), RecordError> {
        if !(self.heard)(event) {
            return Err(refused());
        }
        self.kept.lock().unwrap().push(event.clone());
        Ok(())
    }

    fn record_soon(&self, event: Event) {
        let last = matches!(event, Event::Attempted { retry_in: None, .. });
        assert!(last, "what another attempt follows must be durable before: {event:?}");
        assert!((self.heard)(&event));
        self.kept.lock().unwrap().push(event);
    }

    fn remember_marker(&self, _: &str, _: &Path, _: &str) -> Result<(), RecordError> {
        Err(refused())
    }

    fn history_of(&self, _: &JobName) -> Result<JobHistory, RecordError> {
        Err(refused())
    }

    fn reading_of(&self, _: &str) -> Result<Option<String>, RecordError> {
        Ok(None)
    }

    fn remember_reading(&self, _: &str, _: &str) -> Result<(), RecordError> {
        Ok(())
    }
}

fn refused() -> RecordError {
    RecordError {
        place: "the test".to_owned(),
        source: "it says no".into(),
    }
}

/// One attempt, as it was recorded.
#[derive(Debug, PartialEq)]
struct Recorded {
    attempt: u32,
    ending: String,
    code: Option<u8>,
    printed: String,
    retry_in: Option<u64>,
}

fn target(line: &str, cwd: &Path) -> Target {
    Target {
        name: "pipeline".to_owned(),
        command: Command {
            program: Program::Shell(line.to_owned()),
            cwd: cwd.to_owned(),
            env: Vec::new(),
            run_as: None,
        },
        stdout: None,
        timeout: None,
        kill_after: Duration::from_secs(60),
        retry: None,
        back_off: None,
        ok_codes: vec![0],
        overlap: crate::model::Overlap::Skip,
        job: JobSettings::default(),
    }
}

fn retry(max: u32, wait: Duration) -> Retry {
    Retry {
        max,
        wait,
        factor: 2.0,
        cap: wait * 4,
    }
}

fn run_with(target: &Target, stop: &Stop, heard: &(dyn Fn(&Event) -> bool + Sync)) -> (Ended, Vec<Recorded>) {
    let events = Events {
        kept: Mutex::default(),
        heard,
    };
    let state = tempfile::tempdir().unwrap();
    let children = Children::of(state.path(), "01JD").unwrap();
    let attempts = Attempts {
        target,
        step: &StepName::new(StepKind::Target, "pipeline"),
        vault: &Vault::default(),
        stop,
        recorder: &events,
        path: target
            .stdout
            .as_ref()
            .map(|file| file.at(clock::now(), &crate::time_zone::Zone::utc(), "01RUN")),
        children: &children,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.unwrap().block_on(attempts.run());
    assert!(
        crate::tree::handle::Dir::open(&state.path().join("children"))
            .unwrap()
            .names()
            .unwrap()
            .is_empty()
    );
    let recorded = events.kept.into_inner().unwrap().into_iter().map(|event| match event {
        Event::Attempted {
            step,
            attempt,
            ending,
            code,
            output,
            retry_in,
            ..
        } => {
            assert_eq!(step.to_string(), "target:pipeline");
            assert_eq!((output.dropped, output.tail.as_str()), (0, ""));
            Recorded {
                attempt,
                ending,
                code,
                printed: output.head,
                retry_in,
            }
        }
        other => panic!("{other:?}"),
    });
    (ended, recorded.collect())
}

fn outcome_of(target: &Target) -> (Outcome, Vec<Recorded>) {
    let (ended, recorded) = run_with(target, &Stop::default(), &|_| true);
    (settled(ended), recorded)
}

fn settled(ended: Ended) -> Outcome {
    match ended {
        Ok(outcome) | Err(StepAbort::Outcome(outcome)) => outcome,
        Err(StepAbort::Record(error)) => panic!("{error}"),
    }
}

/// Counts its attempts in the file `n`, and succeeds with this one.
fn succeeds_with(attempt: u32) -> String {
    format!("n=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $n > n; echo number $n; test $n -eq {attempt}")
}

#[test]
fn success_is_told_with_its_code_and_time() {
    let (outcome, recorded) = outcome_of(&target("echo fine", Path::new("/")));
    assert_eq!(outcome.state, State::Ok);
    assert!(
        outcome.summary.starts_with("exit code 0 in ") && outcome.summary.ends_with(" ms"),
        "{}",
        outcome.summary
    );
    assert_eq!((outcome.help, outcome.details), (None, Vec::new()));
    let wanted = Recorded {
        attempt: 1,
        ending: "exit code 0".to_owned(),
        code: Some(0),
        printed: "fine\n".to_owned(),
        retry_in: None,
    };
    assert_eq!(recorded, [wanted]);
}

#[test]
fn codes_that_mean_success_are_as_declared() {
    let mut three = target("exit 3", Path::new("/"));
    assert_eq!(outcome_of(&three).0.state, State::Failed);
    three.ok_codes = vec![3, 4];
    let (outcome, _) = outcome_of(&three);
    assert_eq!(outcome.state, State::Ok);
    assert!(outcome.summary.starts_with("exit code 3 in "));
    three.command.program = Program::Shell("exit 0".to_owned());
    assert_eq!(outcome_of(&three).0.state, State::Failed);
}

#[test]
fn a_failure_shows_its_last_lines() {
    let (outcome, _) = outcome_of(&target("seq 1 30; echo '  why  ' >&2; exit 3", Path::new("/")));
    assert_eq!(
        (outcome.state, outcome.summary.as_str()),
        (State::Failed, "exit code 3")
    );
    assert_eq!(outcome.details.len(), 10);
    assert_eq!(outcome.details[8..], ["30", "  why"]);
    assert!(outcome.help.unwrap().contains("`ok-codes`"));
    let (killed, _) = outcome_of(&target("kill -9 $$", Path::new("/")));
    assert_eq!(killed.summary, "killed by signal 9 (KILL)");
    let (unknown, _) = outcome_of(&target("no-such-program-here", Path::new("/")));
    assert_eq!(unknown.summary, "exit code 127");
    assert!(unknown.help.unwrap().contains("PATH"));
}

#[test]
fn attempts_are_recorded_before_the_next_begins() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = target(&succeeds_with(3), dir.path());
    target.retry = Some(retry(5, Duration::from_millis(2)));
    let count = dir.path().join("n");
    let (ended, recorded) = run_with(&target, &Stop::default(), &|event| {
        let begun = std::fs::read_to_string(&count).unwrap();
        matches!(event, Event::Attempted { attempt, .. } if begun.trim() == attempt.to_string())
    });
    let outcome = settled(ended);
    assert_eq!(outcome.state, State::Ok);
    assert!(outcome.summary.ends_with(", attempt 3"), "{}", outcome.summary);
    let of = |attempt: u32, code: u8, retry_in: Option<u64>| Recorded {
        attempt,
        ending: format!("exit code {code}"),
        code: Some(code),
        printed: format!("number {attempt}\n"),
        retry_in,
    };
    assert_eq!(recorded, [of(1, 1, Some(2)), of(2, 1, Some(4)), of(3, 0, None)]);
}

#[test]
fn attempts_are_as_many_as_declared() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = target(&succeeds_with(100), dir.path());
    target.retry = Some(retry(2, Duration::from_millis(1)));
    let (outcome, recorded) = outcome_of(&target);
    assert_eq!(
        (outcome.state, outcome.summary.as_str()),
        (State::Failed, "exit code 1, attempt 3")
    );
    assert_eq!(outcome.details, ["number 3"]);
    let waits: Vec<Option<u64>> = recorded.iter().map(|r| r.retry_in).collect();
    assert_eq!(waits, [Some(1), Some(2), None]);
}

#[test]
fn what_cannot_be_recorded_is_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let mut target = target(&succeeds_with(2), dir.path());
    target.retry = Some(retry(5, Duration::from_millis(1)));
    let (ended, _) = run_with(&target, &Stop::default(), &|_| false);
    assert!(matches!(ended, Err(StepAbort::Record(_))));
    assert_eq!(std::fs::read_to_string(dir.path().join("n")).unwrap(), "1\n");
}

#[test]
fn each_attempt_has_its_timeout() {
    let mut slow = target("exec sleep 1000", Path::new("/"));
    slow.timeout = Some(Duration::from_millis(100));
    slow.retry = Some(retry(1, Duration::from_millis(1)));
    let (outcome, recorded) = outcome_of(&slow);
    assert_eq!(recorded.len(), 2);
    assert!(recorded.iter().all(|r| r.code.is_none()));
    assert_eq!(outcome.state, State::Failed);
    assert_eq!(
        outcome.summary,
        "timeout after 100ms; the group was ended with TERM, attempt 2"
    );
}

#[test]
fn told_to_stop_while_it_waits() {
    let dir = tempfile::tempdir().unwrap();
    let stop = Stop::new().unwrap();
    let mut target = target(&succeeds_with(2), dir.path());
    target.retry = Some(retry(5, Duration::from_secs(3600)));
    let (ended, recorded) = run_with(&target, &stop, &|_| {
        stop.ask();
        true
    });
    let outcome = settled(ended);
    assert_eq!(
        (outcome.state, outcome.summary.as_str()),
        (State::Interrupted, "stopped; before attempt 2")
    );
    assert_eq!(recorded[0].retry_in, Some(3_600_000));
    assert_eq!(std::fs::read_to_string(dir.path().join("n")).unwrap(), "1\n");
}

#[test]
fn told_to_stop_while_it_runs_and_before() {
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &ready, kind, mode, 0).unwrap();
    let stop = Stop::new().unwrap();
    let mut target = target("echo begun; echo up > ready; exec sleep 1000", dir.path());
    target.retry = Some(retry(5, Duration::from_millis(1)));
    let asker = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let _ = std::fs::read(ready).unwrap();
            stop.ask();
        }
    });
    let (ended, recorded) = run_with(&target, &stop, &|_| true);
    asker.join().unwrap();
    let outcome = settled(ended);
    assert_eq!(
        (outcome.state, outcome.summary.as_str()),
        (State::Interrupted, "stopped; the group was ended with TERM")
    );
    assert_eq!(outcome.details, ["begun"]);
    assert_eq!((recorded.len(), recorded[0].retry_in), (1, None));
    let (again, recorded) = run_with(&target, &stop, &|_| true);
    assert_eq!(settled(again).state, State::Interrupted);
    assert_eq!(recorded, []);
}

#[test]
fn what_cannot_be_started_fails_at_once() {
    let mut nowhere = target("true", Path::new("/no/such/directory"));
    nowhere.retry = Some(retry(5, Duration::from_secs(3600)));
    let (outcome, recorded) = outcome_of(&nowhere);
    assert_eq!(outcome.state, State::Failed);
    assert_eq!(
        outcome.summary,
        "cannot run `/bin/sh` in `/no/such/directory`: the directory does not exist"
    );
    assert!(outcome.help.unwrap().contains("`cwd`"));
    assert_eq!(
        (recorded.len(), recorded[0].ending.as_str()),
        (1, outcome.summary.as_str())
    );
}

#[test]
fn who_stays_behind_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let gate = dir.path().join("gate");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &gate, kind, mode, 0).unwrap();
    let (outcome, _) = outcome_of(&target("(read go < gate) & echo done", dir.path()));
    std::fs::write(gate, "go\n").unwrap();
    assert_eq!(outcome.state, State::Ok);
    assert_eq!(outcome.details.len(), 1);
    assert!(outcome.details[0].contains("left behind"), "{:?}", outcome.details);
}

#[test]
fn no_secret_is_recorded_or_shown() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "hunter2/hunter2\n").unwrap();
    let mut target = target(
        "printf '%s\\n' \"plain $TOKEN\" \"base64 $(printf %s \"u:$TOKEN\" | base64)\" \
         \"hex $(printf %s \"$TOKEN\" | od -An -tx1 | tr -d ' \\n')\" \"mode $MODE\"; \
         printf '%s' \"$TOKEN\" | sed 's,/,%2F,'; exit 1",
        dir.path(),
    );
    target.command.env = vec![
        ("MODE".to_owned(), Value::Plain("live".to_owned())),
        ("TOKEN".to_owned(), Value::Secret(SecretSource::File(token))),
    ];
    let (outcome, recorded) = outcome_of(&target);
    let printed = &recorded[0].printed;
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        (lines[0], lines[2], lines[3], lines[4]),
        ("plain [secret]", "hex [secret]", "mode live", "[secret]")
    );
    // Of base64 within a longer text, the letters are left that hold bits of what stands before and behind.
    let whole = base64::engine::general_purpose::STANDARD.encode("u:hunter2/hunter2");
    assert_eq!(lines[1], format!("base64 {}[secret]{}", &whole[..3], &whole[22..]));
    assert!(!format!("{recorded:?} {outcome:?}").contains("hunter2"));
    assert_eq!(outcome.details, lines);
}

#[test]
fn a_secret_that_cannot_be_fetched_is_named_and_nothing_runs() {
    let mut target = target("echo never", Path::new("/"));
    target.retry = Some(retry(5, Duration::from_secs(3600)));
    let missing = SecretSource::File(PathBuf::from("/no/such/token"));
    target.command.env = vec![("TOKEN".to_owned(), Value::Secret(missing))];
    let (outcome, recorded) = outcome_of(&target);
    assert_eq!(outcome.state, State::Failed);
    let wanted = "cannot fetch the secret from the file `/no/such/token`: it cannot be read: ";
    assert!(outcome.summary.starts_with(wanted), "{}", outcome.summary);
    assert!(outcome.help.is_some());
    assert_eq!(recorded, []);
}
