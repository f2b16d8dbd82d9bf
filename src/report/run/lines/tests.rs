//! Runs as people see them: one with copies and deletions, one with checks and targets.

use super::*;

fn outcome(state: State, summary: &str) -> Outcome {
    Outcome {
        state,
        summary: summary.to_owned(),
        help: None,
        details: Vec::new(),
    }
}

fn story() -> Vec<Event> {
    let finished = |step: &str, outcome| Event::StepFinished {
        step: step.parse().unwrap(),
        outcome,
    };
    let step = || "cleanup:observer".parse().unwrap();
    let copy = || "observer-20261123T210000Z-01JD".to_owned();
    vec![
        Event::RunStarted {
            run: "01JD".into(),
            ops: "observer".into(),
            host: "box".into(),
            digest: "00".into(),
            zone_data: "2026f (built in)".into(),
            overrides: vec!["--accept-clock".into()],
            occurrences: Vec::new(),
        },
        Event::Recovered {
            place: "/srv/data".into(),
            put_back: 2,
            completed: 1,
            cleared: 0,
            stuck: vec!["a\nb: its name is taken".into()],
        },
        Event::StepStarted {
            step: "backup:observer".parse().unwrap(),
        },
        Event::CopyStarted {
            step: "backup:observer".parse().unwrap(),
            copy: copy(),
            destination: "/backup".into(),
        },
        finished(
            "backup:observer",
            outcome(
                State::Ok,
                "120 files, 3.2 MiB → observer-20261123T210000Z-01JD.tar.gz (0.4 MiB)",
            ),
        ),
        Event::CopyPublished {
            step: "verify:observer".parse().unwrap(),
            copy: copy(),
            destination: "/backup".into(),
            records: 120,
            bytes: 3_355_443,
            archive_bytes: 419_430,
            complete: false,
            suspect: None,
            sequence: None,
        },
        Event::CopyProven {
            step: "verify:observer".parse().unwrap(),
            copy: copy(),
        },
        finished("verify:observer", outcome(State::Ok, "120 entries read back and equal")),
        Event::DeleteIntended {
            step: step(),
            batch: 0,
            copies: vec![copy()],
            files: 80,
            bytes: 2_202_009,
            first: "raw/a".into(),
            last: "raw/z".into(),
        },
        Event::Deleted {
            step: step(),
            batch: 0,
            files: 78,
            bytes: 2_100_000,
            kept: BTreeMap::from([(KeepReason::InUse, 1), (KeepReason::Changed, 1)]),
        },
        Event::Note {
            step: crate::run::NoteSubject::Step("cleanup:observer".parse().unwrap()),
            message: "a note".into(),
        },
        finished(
            "cleanup:observer",
            Outcome {
                state: State::Partial,
                summary: "78 of 80 files deleted".into(),
                help: Some("run again when the writers are done".into()),
                details: vec!["raw/x: in-use".into(), "raw/y: changed".into()],
            },
        ),
        finished(
            "backup:other",
            outcome(State::Failed, "cannot open `/gone`: no such file or directory"),
        ),
        finished("verify:other", outcome(State::Blocked, "backup:other did not succeed")),
        finished("cleanup:other", outcome(State::Blocked, "verify:other did not succeed")),
        finished("backup:third", outcome(State::Paused, "paused in the ops file")),
        Event::RunFinished {
            exit: 1,
            millis: 61_234,
        },
    ]
}

fn text(detail: Detail, style: Style) -> String {
    let mut lines = EventLines::new(style, detail, &Zone::utc());
    story().iter().map(|event| lines.lines(event)).collect()
}

#[test]
fn a_run_as_people_see_it() {
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!("lines", text(Detail::Normal, Style::PLAIN));
        insta::assert_snapshot!("lines_quiet", text(Detail::Quiet, Style::PLAIN));
        insta::assert_snapshot!("lines_verbose", text(Detail::Verbose, Style::PLAIN));
    });
}

/// Checks and targets; a chain of blocked steps that begins with one of them.
fn health() -> Vec<Event> {
    let finished = |step: &str, outcome| Event::StepFinished {
        step: step.parse().unwrap(),
        outcome,
    };
    let attempted = |attempt, retry_in| Event::Attempted {
        step: "target:pipeline".parse().unwrap(),
        attempt,
        ending: "exit code 3".into(),
        code: Some(3),
        millis: 120,
        output: crate::run::Output::default(),
        retry_in,
        file: None,
    };
    vec![
        finished("check:disk", outcome(State::Ok, "41% free")),
        finished("check:age", outcome(State::Warning, "70 s old, warning from 60s")),
        finished(
            "check:broker",
            outcome(State::Critical, "no answer from 127.0.0.1:9092"),
        ),
        attempted(1, Some(2000)),
        attempted(2, None),
        finished(
            "target:pipeline",
            outcome(State::Failed, "exit code 3 after 2 attempts"),
        ),
        finished("target:ok", outcome(State::Ok, "exit code 0")),
        finished("target:stream", outcome(State::Blocked, "check:broker did not succeed")),
        finished("backup:a", outcome(State::Blocked, "target:stream did not succeed")),
        finished("verify:a", outcome(State::Blocked, "backup:a did not succeed")),
        finished("cleanup:a", outcome(State::Blocked, "verify:a did not succeed")),
        finished(
            "backup:b",
            outcome(State::Blocked, "a step that is not known did not succeed"),
        ),
        Event::RunFinished { exit: 1, millis: 2500 },
    ]
}

#[test]
fn checks_and_targets_as_people_see_them() {
    let mut lines = EventLines::new(Style::PLAIN, Detail::Normal, &Zone::utc());
    let text: String = health().iter().map(|event| lines.lines(event)).collect();
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!("lines_health", text);
    });
}

#[test]
fn colour_changes_nothing_but_colour() {
    let colored = text(Detail::Verbose, Style::new(true));
    let mut plain = String::new();
    for (at, piece) in colored.split("\x1b[").enumerate() {
        plain += if at == 0 {
            piece
        } else {
            piece.split_once('m').unwrap().1
        };
    }
    assert_eq!(plain, text(Detail::Verbose, Style::PLAIN));
}

#[test]
fn a_quiet_run_that_went_well_says_nothing() {
    let mut lines = EventLines::new(Style::PLAIN, Detail::Quiet, &Zone::utc());
    let ok = Event::StepFinished {
        step: "backup:b".parse().unwrap(),
        outcome: outcome(State::Ok, "fine"),
    };
    assert_eq!(lines.lines(&ok), "");
    assert_eq!(lines.lines(&Event::RunFinished { exit: 0, millis: 1 }), "");
}
