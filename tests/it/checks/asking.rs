//! Whole checks: the probe that they name, their secrets, their severity.

use super::{LONG, block_on, expect, none};
use opsrun::exec::action::StepAbort;
use opsrun::exec::action::check::{CheckSources, ask};
use opsrun::exec::recorder::Recorder;
use opsrun::model::check::{Address, Check, Levels, Probe, Space, Worst};
use opsrun::model::command::{Command, Program};
use opsrun::model::job::{JobKind, JobName, JobSettings};
use opsrun::run::{Event, JobHistory, Outcome, RecordError, State};
use opsrun::secret::Vault;
use opsrun::signal::Stop;
use std::time::Duration;

fn check(probe: Probe) -> Check {
    Check {
        name: "health".to_owned(),
        probe,
        timeout: LONG,
        kill_after: LONG,
        worst: Worst::Critical,
        fail_after: 1,
        recover_after: 1,
        silenced_by: None,
        job: JobSettings::default(),
    }
}

type HistoryOf<'a> = &'a (dyn Fn(&JobName) -> Result<JobHistory, RecordError> + Sync);

/// A history that says what the test wants, and no readings.
struct Told<'a>(HistoryOf<'a>);

impl Recorder for Told<'_> {
    fn record(&self, _: &Event) -> Result<(), RecordError> {
        Ok(())
    }

    fn record_soon(&self, _: Event) {}

    fn remember_marker(&self, _: &str, _: &std::path::Path, _: &str) -> Result<(), RecordError> {
        Ok(())
    }

    fn history_of(&self, job: &JobName) -> Result<JobHistory, RecordError> {
        (self.0)(job)
    }

    fn reading_of(&self, _: &str) -> Result<Option<String>, RecordError> {
        Ok(None)
    }

    fn remember_reading(&self, _: &str, _: &str) -> Result<(), RecordError> {
        Ok(())
    }
}

fn asked_with(check: &Check, history: HistoryOf<'_>) -> Result<Outcome, StepAbort> {
    let from = CheckSources {
        vault: &Vault::default(),
        stop: &Stop::new().unwrap(),
        memory: &Told(history),
        copies: &std::sync::Arc::default(),
    };
    block_on(ask(check, from))
}

/// Of a check that needs no history.
fn asked(check: &Check) -> Outcome {
    asked_with(check, &|_| Err(no_history())).ok().unwrap()
}

fn no_history() -> RecordError {
    RecordError {
        place: "here".to_owned(),
        source: "disk full".into(),
    }
}

#[test]
fn every_probe_is_reached() {
    let path = std::path::PathBuf::from("/no/such/path");
    let file_age = Probe::FileAge {
        path: path.clone(),
        age: none(),
    };
    expect(
        &asked(&check(file_age)),
        State::Critical,
        "`/no/such/path` does not exist",
    );
    let everything = Levels {
        warn: None,
        critical: Some(Space::Bytes(u64::MAX)),
    };
    let disk_space = Probe::DiskSpace {
        path: "/".into(),
        free: everything,
    };
    expect(&asked(&check(disk_space)), State::Critical, "critical below");
    let address = Address {
        host: "127.0.0.1".to_owned(),
        port: std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port(),
    };
    let tcp = Probe::Tcp {
        address: address.clone(),
        latency: none(),
    };
    expect(&asked(&check(tcp)), State::Critical, "connection refused");
    let tls = Probe::TlsExpiry {
        address,
        left: none(),
        ca_file: None,
        verified: true,
    };
    let outcome = asked(&check(tls));
    if cfg!(feature = "http") {
        expect(&outcome, State::Critical, "connection refused");
    } else {
        expect(&outcome, State::Unknown, "this build");
    }
    let command = Probe::Command {
        command: Command {
            program: Program::Shell("echo 7 waiting; exit 2".to_owned()),
            cwd: "/".into(),
            env: Vec::new(),
            run_as: None,
        },
    };
    expect(&asked(&check(command)), State::Critical, "7 waiting");
}

#[test]
fn the_history_is_asked_for_the_job_that_is_named() {
    let name = JobName::new(JobKind::Target, "pipeline");
    let check = check(Probe::Job {
        job: name.clone(),
        age: Levels {
            warn: None,
            critical: Some(Duration::from_secs(60)),
        },
        duration: none(),
    });
    let found = asked_with(&check, &|asked| {
        assert_eq!(*asked, name);
        Ok(JobHistory {
            succeeded_at: Some(opsrun::clock::now()),
            took: None,
        })
    });
    expect(&found.ok().unwrap(), State::Ok, "last success ");
    let broken = asked_with(&check, &|_| Err(no_history()));
    assert!(matches!(broken, Err(StepAbort::Record(_))));
}

#[test]
fn severity_warning_caps_the_state() {
    let mut check = check(Probe::FileAge {
        path: "/no/such/path".into(),
        age: none(),
    });
    check.worst = Worst::Warning;
    expect(&asked(&check), State::Warning, "does not exist");
}

#[cfg(feature = "http")]
mod secrets {
    use super::super::{expect, none};
    use super::{asked, check};
    use crate::support::stub::{self, answer};
    use opsrun::model::check::{BodyValue, HttpProbe, Probe};
    use opsrun::model::command::{SecretSource, Value};
    use opsrun::run::State;

    fn web(url: Value, header: Value) -> Probe {
        Probe::Http(Box::new(HttpProbe {
            url,
            headers: vec![("Authorization".to_owned(), header)],
            status: Vec::new(),
            latency: none(),
            json: vec![BodyValue {
                pointer: "/you".to_owned(),
                value: "nobody".into(),
            }],
            ca_file: None,
        }))
    }

    #[test]
    fn they_arrive_and_are_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let stub = stub::answers(answer("200 OK", "", r#"{"you":"Bearer of hunter2-hunter2"}"#));
        let kept = |name: &str, text: String| {
            let file = dir.path().join(name);
            std::fs::write(&file, text).unwrap();
            Value::Secret(SecretSource::File(file))
        };
        let url = kept("url", format!("http://{}/deep/in/here\n", stub.address));
        let token = kept("token", "hunter2-hunter2\n".to_owned());
        let outcome = asked(&check(web(url, token)));
        let request = stub.received.recv().unwrap();
        assert!(request.starts_with("GET /deep/in/here "), "{request}");
        assert!(request.contains("authorization: hunter2-hunter2\r\n"), "{request}");
        expect(&outcome, State::Critical, "`/you` is \"Bearer of ");
        assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
    }

    #[test]
    fn without_them_nothing_is_asked() {
        let stub = stub::answers(answer("200 OK", "", ""));
        let none = Value::Secret(SecretSource::File("/no/such/token".into()));
        let outcome = asked(&check(web(Value::Plain(format!("http://{}/", stub.address)), none)));
        expect(
            &outcome,
            State::Unknown,
            "cannot fetch the secret from the file `/no/such/token`",
        );
        assert!(outcome.help.is_some());
        assert_eq!(stub.received.try_iter().count(), 0);
    }
}
