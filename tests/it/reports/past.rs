//! Past runs and the status of jobs, for people and programs.

use super::{fits, schema};
use opsrun::clock::MillisUtc;
use opsrun::report::run::history::{FORMAT, HistoryDocument, HistoryRun, run_text, runs_text};
use opsrun::report::run::lines::Detail;
use opsrun::report::schedule::status::{
    self, BackOffRow, JobDocument, LastDocument, LeftRunning, StatusDocument, status_text,
};
use opsrun::report::shared::style::Style;
use opsrun::run::{Event, Outcome, Output, State};
use opsrun::store::outbox::Undelivered;
use opsrun::store::{RunEnd, RunJob, RunSummary};

fn row(run: &str, at: &str, end: RunEnd, command: &str) -> HistoryRun {
    let failed = matches!(end, RunEnd::Finished { exit: 1.., .. });
    let state = [State::Ok, State::Failed][usize::from(failed)];
    HistoryRun {
        run: RunSummary {
            run: run.to_owned(),
            begun_at: MillisUtc(at.parse().unwrap()),
            end,
            command: command.to_owned(),
        },
        jobs: vec![RunJob {
            job: "target:report".parse().unwrap(),
            state: (end != RunEnd::Running).then_some(state),
        }],
    }
}

fn runs() -> Vec<HistoryRun> {
    let finished = |exit, millis| RunEnd::Finished { exit, millis };
    vec![
        row("01JD3", "2026-11-23T12:00:00.5Z", RunEnd::Running, "opsrun apply"),
        row(
            "01JD2",
            "2026-11-22T12:00:00Z",
            RunEnd::Interrupted,
            "opsrun apply --only 'backup:*'",
        ),
        row(
            "01JD1",
            "2026-11-21T12:00:00Z",
            finished(0, 61_234),
            "opsrun apply --yes\n",
        ),
        row("01JD0", "2026-11-20T12:00:00Z", finished(73, 8), "opsrun apply"),
    ]
}

#[test]
fn runs_as_a_table() {
    snapshot!(
        "history",
        runs_text(
            &runs(),
            &opsrun::time_zone::built_in("Asia/Seoul").unwrap(),
            Style::PLAIN
        )
    );
    assert_eq!(
        runs_text(&[], &opsrun::time_zone::Zone::utc(), Style::PLAIN),
        "no runs yet\n"
    );
}

#[test]
fn histories_fit_their_schema() {
    let schema = schema("history");
    for runs in [runs(), Vec::new()] {
        fits(
            &schema,
            &serde_json::to_value(HistoryDocument { format: FORMAT, runs }).unwrap(),
        );
    }
    let value = serde_json::to_value(HistoryDocument {
        format: FORMAT,
        runs: runs(),
    })
    .unwrap();
    snapshot!("history-json", serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn a_run_with_the_output_of_its_commands() {
    let attempted = |attempt, retry_in, output| Event::Attempted {
        step: "target:pipeline".parse().unwrap(),
        attempt,
        ending: "exit code 3".into(),
        code: Some(3),
        millis: 120,
        output,
        retry_in,
        file: None,
    };
    let outcome = |state, summary: &str| Outcome {
        state,
        summary: summary.to_owned(),
        help: None,
        details: Vec::new(),
    };
    let events = [
        Event::RunStarted {
            run: "01JD2".into(),
            ops: "observer".into(),
            host: "box".into(),
            digest: "00".into(),
            zone_data: "2026f (built in)".into(),
            overrides: Vec::new(),
            occurrences: Vec::new(),
        },
        Event::StepStarted {
            step: "target:pipeline".parse().unwrap(),
        },
        attempted(
            1,
            Some(2000),
            Output {
                head: "Traceback\n\tat line 1\r\n\x1b[31mred\x1b[0m and on\n".into(),
                dropped: 12_345,
                tail: "…the end".into(),
            },
        ),
        attempted(2, None, Output::default()),
        Event::StepFinished {
            step: "target:pipeline".parse().unwrap(),
            outcome: outcome(State::Failed, "exit code 3 after 2 attempts"),
        },
    ];
    let text = |at: usize, detail| {
        run_text(
            &runs()[at].run,
            &events,
            &opsrun::time_zone::built_in("Asia/Seoul").unwrap(),
            Style::PLAIN,
            detail,
        )
    };
    snapshot!("history-run", text(1, Detail::Verbose));
    assert!(text(0, Detail::Verbose).ends_with("running: these are the events so far\n"));
    assert_eq!(
        text(3, Detail::Quiet),
        "failed    target:pipeline  exit code 3 after 2 attempts\n"
    );
}

fn status() -> StatusDocument {
    let millis = |at: &str| MillisUtc(at.parse().unwrap());
    let last = |at: &str, took: Option<u64>, state, summary: &str| LastDocument {
        run: "01JD2".to_owned(),
        at: millis(at),
        millis: took,
        outcome: Outcome {
            state,
            summary: summary.to_owned(),
            help: None,
            details: Vec::new(),
        },
    };
    let job = |job: &str, last| JobDocument {
        job: job.to_owned(),
        paused: false,
        waiting: None,
        running_since: None,
        next_run: None,
        back_off: None,
        overdue_since: None,
        handled_until: None,
        left_running: Vec::new(),
        last,
    };
    let jobs = vec![
        JobDocument {
            back_off: Some(BackOffRow {
                target: "target:broker".to_owned(),
                failures: 4,
                until: "2026-11-23T12:30:00Z".parse().unwrap(),
            }),
            ..job(
                "check:broker",
                Some(last("2026-11-23T11:59:31Z", Some(5000), State::Critical, "no answer\n")),
            )
        },
        JobDocument {
            next_run: Some(millis("2026-11-23T12:00:30Z")),
            overdue_since: Some(millis("2026-11-23T11:59:00Z")),
            ..job(
                "check:disk",
                Some(last("2026-11-23T11:59:30Z", Some(3), State::Ok, "41% free")),
            )
        },
        JobDocument {
            running_since: Some(millis("2026-11-23T11:58:00Z")),
            ..job(
                "backup:observer",
                Some(last(
                    "2026-11-22T12:00:00Z",
                    None,
                    State::Blocked,
                    "check:disk is critical",
                )),
            )
        },
        job("target:new", None),
        JobDocument {
            left_running: vec![LeftRunning {
                run: "01K9".to_owned(),
                since: millis("2026-11-23T11:00:00Z"),
                process_group: 4711,
                pids: vec![4711, 4713],
            }],
            ..job(
                "target:left",
                Some(last(
                    "2026-11-23T11:00:00Z",
                    None,
                    State::Interrupted,
                    "its run was interrupted",
                )),
            )
        },
        JobDocument {
            paused: true,
            ..job(
                "target:old",
                Some(last("2026-11-01T00:00:00Z", Some(61_000), State::Failed, "exit code 3")),
            )
        },
    ];
    StatusDocument {
        format: status::FORMAT,
        ops: "observer".to_owned(),
        at: millis("2026-11-23T12:00:00Z"),
        well: false,
        jobs,
        undelivered: vec![Undelivered {
            channel: "ops".to_owned(),
            pending: 2,
            dead: 0,
            since: Some("2026-11-23T11:00:00Z".parse().unwrap()),
            last_error: Some("connection refused".to_owned()),
        }],
    }
}

#[test]
fn the_status_of_jobs() {
    snapshot!(
        "status",
        status_text(
            &status(),
            &opsrun::time_zone::built_in("Asia/Seoul").unwrap(),
            Style::PLAIN
        )
    );
    let schema = schema("status");
    let empty = StatusDocument {
        jobs: Vec::new(),
        undelivered: Vec::new(),
        ..status()
    };
    fits(&schema, &serde_json::to_value(empty).unwrap());
    let value = serde_json::to_value(status()).unwrap();
    fits(&schema, &value);
    snapshot!("status-json", serde_json::to_string_pretty(&value).unwrap());
}
