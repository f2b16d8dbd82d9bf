//! Past runs and how jobs stand, as people and programs get them.

use super::{fits, schema};
use opsrun::report::alerts::UndeliveredRow;
use opsrun::report::run::history::{self, End, RunRow, run_text, runs_text};
use opsrun::report::run::lines::Detail;
use opsrun::report::schedule::status::{self, BackOffRow, JobRow, Last, status_text};
use opsrun::report::shared::style::Style;
use opsrun::run::{Event, Outcome, Output, State};
use std::time::Duration;

fn row(run: &str, at: &str, end: End, command: &str) -> RunRow {
    RunRow {
        run: run.to_owned(),
        begun_at: at.parse().unwrap(),
        end,
        command: command.to_owned(),
    }
}

fn runs() -> Vec<RunRow> {
    let finished = |exit, millis| End::Finished { exit, millis };
    vec![
        row("01JD3", "2026-11-23T12:00:00.5Z", End::Running, "opsrun apply"),
        row(
            "01JD2",
            "2026-11-22T12:00:00Z",
            End::Interrupted,
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
    snapshot!("history", runs_text(&runs(), chrono_tz::Asia::Seoul, Style::PLAIN));
    assert_eq!(runs_text(&[], chrono_tz::UTC, Style::PLAIN), "no runs yet\n");
}

#[test]
fn histories_fit_their_schema() {
    let schema = schema("history");
    for runs in [runs(), Vec::new()] {
        fits(&schema, &serde_json::to_value(history::document(&runs)).unwrap());
    }
    let value = serde_json::to_value(history::document(&runs())).unwrap();
    snapshot!("history-json", serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn a_run_with_what_its_commands_printed() {
    let attempted = |attempt, retry_in, output| Event::Attempted {
        step: "target:pipeline".parse().unwrap(),
        attempt,
        ending: "exit code 3".into(),
        code: Some(3),
        millis: 120,
        output,
        retry_in,
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
    let told = |at: usize, detail| run_text(&runs()[at], &events, chrono_tz::Asia::Seoul, Style::PLAIN, detail);
    snapshot!("history-run", told(1, Detail::Verbose));
    assert!(told(0, Detail::Verbose).ends_with("running: this is what happened so far\n"));
    assert_eq!(
        told(3, Detail::Quiet),
        "failed    target:pipeline  exit code 3 after 2 attempts\n"
    );
}

fn standings() -> Vec<JobRow> {
    let last = |at: &str, took: Option<u64>, state, summary: &str| Last {
        run: "01JD2".to_owned(),
        at: at.parse().unwrap(),
        took: took.map(Duration::from_millis),
        outcome: Outcome {
            state,
            summary: summary.to_owned(),
            help: None,
            details: Vec::new(),
        },
    };
    let job = |job: &str, last| JobRow {
        job: job.to_owned(),
        paused: false,
        last,
        running: None,
        next: None,
        back_off: None,
        overdue: None,
    };
    let mut rows = vec![
        job(
            "check:disk",
            Some(last("2026-11-23T11:59:30Z", Some(3), State::Ok, "41% free")),
        ),
        job(
            "check:broker",
            Some(last("2026-11-23T11:59:31Z", Some(5000), State::Critical, "no answer\n")),
        ),
        job("target:new", None),
        job(
            "target:old",
            Some(last("2026-11-01T00:00:00Z", Some(61_000), State::Failed, "exit code 3")),
        ),
        job(
            "backup:observer",
            Some(last(
                "2026-11-22T12:00:00Z",
                None,
                State::Blocked,
                "check:disk is critical",
            )),
        ),
    ];
    rows[0].next = Some("2026-11-23T12:00:30Z".parse().unwrap());
    rows[0].overdue = Some("2026-11-23T11:59:00Z".parse().unwrap());
    rows[1].back_off = Some(BackOffRow {
        target: "target:broker".to_owned(),
        failures: 4,
        until: "2026-11-23T12:30:00Z".parse().unwrap(),
    });
    rows[3].paused = true;
    rows[4].running = Some(("01JD3".to_owned(), "2026-11-23T11:58:00Z".parse().unwrap()));
    status::sort(&mut rows);
    rows
}

#[test]
fn how_jobs_stand() {
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    snapshot!(
        "status",
        status_text(&standings(), now, chrono_tz::Asia::Seoul, Style::PLAIN)
    );
    let schema = schema("status");
    for rows in [standings(), Vec::new()] {
        fits(
            &schema,
            &serde_json::to_value(status::document("observer", &rows, &[], now)).unwrap(),
        );
    }
    let undelivered = UndeliveredRow {
        channel: "ops".to_owned(),
        pending: 2,
        dead: 0,
        since: Some("2026-11-23T11:00:00Z".parse().unwrap()),
        last_error: Some("connection refused".to_owned()),
    };
    let value = status::document("observer", &standings(), &[undelivered], now);
    let value = serde_json::to_value(value).unwrap();
    fits(&schema, &value);
    assert_eq!(value["well"], false);
    snapshot!("status-json", serde_json::to_string_pretty(&value).unwrap());
}
