//! What is read back of runs and jobs, from stores of this version and of the first.

use super::jobs::{OF_STEP, OPEN, SETTLED, SETTLED_AFTER, STARTS, SUCCESSES};
use super::runs::{RUN_COLUMNS, run_line};
use super::*;
use crate::model::{JobKind, JobName};
use crate::run::{Event, Outcome, Record, State};
use crate::store::{FILE_NAME, Store, StoreError};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use std::time::Duration;

/// The tables as the first version had them.
const FIRST: &str = "
CREATE TABLE runs (run TEXT PRIMARY KEY, command TEXT NOT NULL, begun_at TEXT NOT NULL, process TEXT NOT NULL,
    finished_at TEXT, exit INTEGER, interrupted_at TEXT) STRICT;
CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES runs (run), at TEXT NOT NULL,
    step TEXT, kind TEXT NOT NULL, json TEXT NOT NULL) STRICT;
CREATE INDEX events_by_run ON events (run, seq);
CREATE INDEX events_by_kind ON events (kind, seq);
CREATE TABLE markers (backup TEXT NOT NULL, path ANY NOT NULL, id TEXT NOT NULL, PRIMARY KEY (backup, path)) STRICT;
CREATE TABLE holds (source ANY NOT NULL, path ANY NOT NULL, until TEXT NOT NULL, run TEXT NOT NULL,
    PRIMARY KEY (source, path)) STRICT;
CREATE TABLE verifications (copy TEXT NOT NULL, at TEXT NOT NULL, ok INTEGER NOT NULL, detail TEXT NOT NULL) STRICT;
CREATE INDEX verifications_by_copy ON verifications (copy, at);
CREATE TABLE forgotten (copy TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT;
PRAGMA application_id = 0x6f707372;
PRAGMA user_version = 1;
";

fn moment_of(text: &str) -> DateTime<Utc> {
    format!("2026-11-23T{text}Z").parse().unwrap()
}

fn started(step: &str) -> Event {
    Event::StepStarted {
        step: step.parse().unwrap(),
    }
}

fn finished(step: &str, state: State) -> Event {
    Event::StepFinished {
        step: step.parse().unwrap(),
        outcome: Outcome {
            state,
            summary: format!("{} it is", state.word()),
            help: None,
            details: Vec::new(),
        },
    }
}

fn over(exit: u8) -> Event {
    Event::RunFinished { exit, millis: 1500 }
}

fn job(text: &str) -> JobName {
    text.parse().unwrap()
}

fn filter(job: Option<&JobName>) -> RunFilter<'_> {
    RunFilter { job, outcome: None }
}

struct World {
    _dir: tempfile::TempDir,
    store: Store,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Self { _dir: dir, store }
    }

    /// A run whose events happen at these times of one day; it begins at the first.
    fn run(&self, run: &str, events: &[(&str, Event)]) -> &Self {
        self.store
            .begin_run(run, &format!("opsrun apply {run}"), moment_of(events[0].0))
            .unwrap();
        for (time, event) in events {
            self.store.journal(run).record(event).unwrap();
            self.store
                .connection()
                .execute(
                    "UPDATE events SET at = ?1 WHERE seq = (SELECT max(seq) FROM events)",
                    [crate::store::columns::Stamp(moment_of(time))],
                )
                .unwrap();
        }
        self
    }

    fn killed(&self, run: &str) -> &Self {
        self.store
            .connection()
            .execute("UPDATE runs SET process = '1 0 x' WHERE run = ?1", [run])
            .unwrap();
        self
    }

    fn history(&self, text: &str) -> (Option<DateTime<Utc>>, Option<u64>) {
        let found = self.store.job_history(&job(text)).unwrap();
        (found.succeeded_at, found.took.map(|took| took.as_secs()))
    }
}

#[test]
fn the_words_of_states_that_open_are_those_of_the_states() {
    for state in [
        State::Ok,
        State::Nothing,
        State::Partial,
        State::Warning,
        State::Critical,
        State::Unknown,
        State::Refused,
        State::Failed,
        State::NoSpace,
        State::Blocked,
        State::Interrupted,
        State::Paused,
    ] {
        let word = serde_json::to_value(state).unwrap();
        assert_eq!(OPEN.contains(&word.as_str().unwrap()), state.opens(), "{word}");
    }
}

#[test]
fn a_job_lasts_from_its_first_step_to_its_last() {
    let world = World::new();
    assert_eq!(world.history("backup:b"), (None, None));
    world.run(
        "A",
        &[
            ("01:00:00", started("backup:b")),
            ("01:00:10", finished("backup:b", State::Partial)),
            ("01:00:10", started("verify:b")),
            ("01:00:30", finished("verify:b", State::Ok)),
            ("01:00:30", started("cleanup:r")),
            ("01:00:31", finished("cleanup:r", State::Partial)),
            ("01:00:31", over(4)),
        ],
    );
    assert_eq!(world.history("backup:b"), (Some(moment_of("01:00:30")), Some(30)));
    assert_eq!(world.history("retention:r"), (Some(moment_of("01:00:31")), Some(1)));
    assert_eq!(world.history("check:b"), (None, None));
    // A failure takes its time and changes nothing about the last success.
    world.run(
        "B",
        &[
            ("02:00:00", started("backup:b")),
            ("02:00:05", finished("backup:b", State::Failed)),
            ("02:00:05", finished("verify:b", State::Blocked)),
            ("02:00:05", over(1)),
        ],
    );
    assert_eq!(world.history("backup:b"), (Some(moment_of("01:00:30")), Some(5)));
    // What never began took no time.
    world.run(
        "C",
        &[
            ("03:00:00", finished("backup:b", State::Refused)),
            ("03:00:05", finished("verify:b", State::Blocked)),
            ("03:00:05", over(3)),
        ],
    );
    assert_eq!(world.history("backup:b"), (Some(moment_of("01:00:30")), Some(5)));
}

#[test]
fn every_state_that_opens_is_a_success() {
    let world = World::new();
    for (at, state) in [State::Nothing, State::Warning, State::Ok, State::Partial]
        .into_iter()
        .enumerate()
    {
        let time = format!("0{at}:00:00");
        world.run(
            &format!("R{at}"),
            &[(&time, finished("check:c", state)), (&time, over(0))],
        );
        assert_eq!(world.history("check:c").0, Some(moment_of(&time)), "{state:?}");
    }
    for (at, state) in [State::Critical, State::Unknown, State::Paused].into_iter().enumerate() {
        let time = format!("1{at}:00:00");
        world.run(
            &format!("S{at}"),
            &[(&time, finished("check:c", state)), (&time, over(1))],
        );
        assert_eq!(world.history("check:c").0, Some(moment_of("03:00:00")), "{state:?}");
    }
}

#[test]
fn what_was_cut_short_counts_for_nothing() {
    let world = World::new();
    let whole = |hour: &str| {
        [
            (format!("{hour}:00:00"), started("target:t")),
            (format!("{hour}:00:07"), finished("target:t", State::Ok)),
        ]
    };
    let [a, b] = whole("01");
    world.run("A", &[(&a.0, a.1), (&b.0, b.1), ("01:01:00", over(0))]);
    // Killed after the target had succeeded.
    let [a, b] = whole("02");
    world.run("B", &[(&a.0, a.1), (&b.0, b.1)]);
    assert_eq!(world.history("target:t").0, Some(moment_of("02:00:07")));
    world.killed("B");
    assert_eq!(world.history("target:t"), (Some(moment_of("01:00:07")), Some(7)));
    world.store.mark_interrupted("B", &mut |_| Ok(())).unwrap();
    assert_eq!(world.history("target:t"), (Some(moment_of("01:00:07")), Some(7)));
    // Killed while it ran.
    world.run("C", &[("03:00:00", started("target:t"))]).killed("C");
    assert_eq!(world.history("target:t"), (Some(moment_of("01:00:07")), Some(7)));
    // Stopped by a signal: it ended, but not by itself.
    world.run(
        "D",
        &[
            ("04:00:00", started("target:t")),
            ("04:00:01", finished("target:t", State::Interrupted)),
            ("04:00:01", over(143)),
        ],
    );
    assert_eq!(world.history("target:t"), (Some(moment_of("01:00:07")), Some(7)));
    // A clock that was set back makes no time.
    world.run(
        "E",
        &[
            ("05:00:00", started("target:t")),
            ("04:59:00", finished("target:t", State::Ok)),
            ("05:00:00", over(0)),
        ],
    );
    assert_eq!(world.history("target:t"), (Some(moment_of("04:59:00")), None));
}

#[test]
fn a_job_stands_as_its_last_run_left_it() {
    let world = World::new();
    let standing = |text: &str| world.store.job_status(&job(text)).unwrap();
    assert_eq!(standing("backup:b"), JobStatus::default());
    world.run(
        "A",
        &[
            ("01:00:00", started("backup:b")),
            ("01:00:10", finished("backup:b", State::Failed)),
            ("01:00:11", finished("verify:b", State::Blocked)),
            ("01:00:12", over(1)),
        ],
    );
    let found = standing("backup:b");
    assert_eq!(found.begun, None);
    let last = found.last.unwrap();
    assert_eq!((last.run.as_str(), last.at), ("A", moment_of("01:00:11")));
    assert_eq!(last.took, Some(Duration::from_secs(11)));
    let states: Vec<_> = last
        .outcomes
        .iter()
        .map(|(step, o)| (step.to_string(), o.state))
        .collect();
    assert_eq!(
        states,
        [
            ("backup:b".to_owned(), State::Failed),
            ("verify:b".to_owned(), State::Blocked)
        ]
    );
    // A pause is not a result.
    world.run(
        "B",
        &[("02:00:00", finished("backup:b", State::Paused)), ("02:00:00", over(0))],
    );
    assert_eq!(standing("backup:b").last.unwrap().run, "A");
    // BegunJob again: first going on, then cut short.
    world.run("C", &[("03:00:00", started("backup:b"))]);
    let found = standing("backup:b");
    assert_eq!(found.last.unwrap().run, "A");
    let begun = found.begun.unwrap();
    assert_eq!(
        (begun.run.as_str(), begun.at, begun.end),
        ("C", moment_of("03:00:00"), RunEnd::Running)
    );
    world.killed("C");
    assert_eq!(standing("backup:b").begun.unwrap().end, RunEnd::Interrupted);
}

#[test]
fn runs_are_listed_newest_first_with_their_ends() {
    let world = World::new();
    world
        .run("A", &[("01:00:00", started("check:c")), ("01:00:00", over(0))])
        .run("B", &[("02:00:00", started("target:t"))])
        .run("C", &[("03:00:00", started("backup:t"))])
        .run(
            "D",
            &[("00:30:00", finished("target:t", State::Paused)), ("00:30:00", over(0))],
        )
        .killed("B");
    let named = |job: Option<&str>, limit| {
        let job = job.map(self::job);
        let lines = world.store.runs(filter(job.as_ref()), limit).unwrap();
        lines.into_iter().map(|line| (line.run, line.end)).collect::<Vec<_>>()
    };
    let exit = RunEnd::Finished { exit: 0, millis: 1500 };
    // D began last, after the clock was set back.
    let ends = [
        ("D".to_owned(), exit),
        ("C".to_owned(), RunEnd::Running),
        ("B".to_owned(), RunEnd::Interrupted),
        ("A".to_owned(), exit),
    ];
    assert_eq!(named(None, 10), ends);
    assert_eq!(named(None, 2), ends[..2]);
    assert_eq!(named(Some("target:t"), 10), ends[2..3]);
    assert_eq!(named(Some("backup:t"), 10), ends[1..2]);
    assert!(named(Some("retention:t"), 10).is_empty());
}

#[test]
fn a_run_is_found_by_any_prefix_that_names_one() {
    let world = World::new();
    let find = |text: &str| world.store.find_run(text).unwrap();
    assert_eq!(find("last"), RunSearch::Nothing);
    world
        .run("01JDAA", &[("01:00:00", over(0))])
        .run("01JDAB", &[("02:00:00", over(0))])
        .run("01JC00", &[("00:00:00", over(0))]);
    let found = |text: &str| match find(text) {
        RunSearch::Found(line) => line.run,
        other => format!("{other:?}"),
    };
    assert_eq!(
        found("last"),
        "01JC00",
        "the last one to begin, whatever the clock said"
    );
    assert_eq!(found("01jdaa"), "01JDAA");
    assert_eq!(found("01Jc"), "01JC00");
    assert_eq!(find("01jd"), RunSearch::Several(vec!["01JDAB".into(), "01JDAA".into()]));
    for nothing in ["", "LAST", "02", "%", "_1JC", "01JC00x", "01JC00'", "é"] {
        assert_eq!(find(nothing), RunSearch::Nothing, "{nothing}");
    }
}

#[test]
fn a_store_of_the_first_version_is_read_as_it_is_and_brought_up_to_date_when_written() {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(dir.path().join(FILE_NAME)).unwrap();
    old.execute_batch(FIRST).unwrap();
    let line = |event: &Event| serde_json::to_string(event).unwrap();
    old.execute(
        "INSERT INTO runs VALUES ('A', 'opsrun apply', '2026-11-23T01:00:00Z', 'p', '2026-11-23T01:00:09Z', 0, NULL)",
        [],
    )
    .unwrap();
    for (time, kind, event) in [
        ("01:00:01", "step-started", started("target:t")),
        ("01:00:05", "step-finished", finished("target:t", State::Ok)),
        ("01:00:09", "run-finished", over(0)),
    ] {
        old.execute(
            "INSERT INTO events (run, at, step, kind, json) VALUES ('A', ?1, 'target:t', ?2, ?3)",
            params![crate::store::columns::Stamp(moment_of(time)), kind, line(&event)],
        )
        .unwrap();
    }
    drop(old);
    let whole = |store: &Store| {
        let history = store.job_history(&job("target:t")).unwrap();
        assert_eq!(history.succeeded_at, Some(moment_of("01:00:05")));
        assert_eq!(history.took, Some(Duration::from_secs(4)));
        assert_eq!(store.runs(filter(Some(&job("target:t"))), 9).unwrap().len(), 1);
        assert_eq!(store.events_of("A").unwrap().len(), 3);
        assert_eq!(store.job_status(&job("target:t")).unwrap().last.unwrap().run, "A");
    };
    let before = std::fs::read(dir.path().join(FILE_NAME)).unwrap();
    whole(&Store::open_read_only(dir.path()).unwrap().unwrap());
    assert_eq!(std::fs::read(dir.path().join(FILE_NAME)).unwrap(), before);
    let store = Store::open(dir.path()).unwrap();
    whole(&store);
    let count = |sql: &str| {
        store
            .connection()
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(count("PRAGMA user_version"), crate::store::schema::VERSION);
    let indices = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name IN
        ('runs_by_begin', 'events_by_step', 'settled_by_step')";
    assert_eq!(count(indices), 3);
    store.begin_run("B", "apply", moment_of("02:00:00")).unwrap();
    store.journal("B").record(&finished("target:t", State::Failed)).unwrap();
}

#[test]
fn an_event_of_a_later_version_is_named_by_its_number() {
    let world = World::new();
    world.run(
        "A",
        &[
            ("01:00:00", started("target:t")),
            ("01:00:01", finished("target:t", State::Ok)),
        ],
    );
    let change = |sql: &str| world.store.connection().execute(sql, []).unwrap();
    change("UPDATE events SET json = replace(json, '\"ok\"', '\"splendid\"') WHERE seq = 2");
    let error = world.store.events_of("A").unwrap_err();
    assert!(matches!(error, StoreError::Event { seq: 2, .. }), "{error:?}");
    assert!(error.help().unwrap().contains("a later opsrun"));
    assert!(matches!(
        world.store.job_status(&job("target:t")),
        Err(StoreError::Event { seq: 2, .. })
    ));
    // A state that this version does not know is not a success.
    assert_eq!(world.history("target:t"), (None, Some(1)));
}

#[test]
fn no_question_goes_through_all_events() {
    let world = World::new();
    // One job fails forever, another is blocked forever: both had succeeded once.
    for name in ["target:f", "target:b"] {
        let done = [
            ("00:00:00", started(name)),
            ("00:00:02", finished(name, State::Ok)),
            ("00:00:02", over(0)),
        ];
        world.run(&format!("FIRST{}", &name[7..]), &done);
    }
    let db = world.store.connection();
    db.execute_batch("BEGIN").unwrap();
    let line = |event: &Event| serde_json::to_string(event).unwrap();
    let (start, fail) = (line(&started("target:f")), line(&finished("target:f", State::Failed)));
    let block = line(&finished("target:b", State::Blocked));
    let end = line(&over(1));
    let at = crate::store::columns::Stamp(moment_of("05:00:00"));
    let mut run = db
        .prepare("INSERT INTO runs VALUES (?1, 'opsrun apply', ?2, 'p', ?2, 1, NULL)")
        .unwrap();
    let mut event = db
        .prepare("INSERT INTO events (run, at, step, kind, json) VALUES (?1, ?2, ?3, ?4, ?5)")
        .unwrap();
    for n in 0..25_000 {
        let id = format!("R{n}");
        run.execute(params![id, at]).unwrap();
        for (step, kind, json) in [
            (Some("target:f"), "step-started", &start),
            (Some("target:f"), "step-finished", &fail),
            (Some("target:b"), "step-finished", &block),
            (None, "run-finished", &end),
        ] {
            event.execute(params![id, at, step, kind, json]).unwrap();
        }
    }
    drop((run, event));
    db.execute_batch("COMMIT").unwrap();
    drop(db);
    // The database counts what it does; how fast the machine is plays no part.
    let cheap = |what: &str| {
        let db = world.store.connection();
        for sql in [STARTS, SETTLED, SUCCESSES, SETTLED_AFTER, OF_STEP] {
            let statement = db.prepare_cached(sql).unwrap();
            let steps = statement.reset_status(rusqlite::StatementStatus::VmStep);
            assert!(steps < 5_000, "{what}: {steps} steps of {sql}");
        }
    };
    assert_eq!(world.history("target:f"), (Some(moment_of("00:00:02")), Some(0)));
    cheap("what failed");
    assert_eq!(world.history("target:b"), (Some(moment_of("00:00:02")), Some(2)));
    cheap("what was blocked");
    world.store.job_status(&JobName::new(JobKind::Target, "b")).unwrap();
    cheap("the state of a job");
    assert!(world.store.job_history(&job("target:none")).unwrap().took.is_none());
    cheap("what never ran");
    let db = world.store.connection();
    let mut newest = db
        .prepare(&format!(
            "SELECT {RUN_COLUMNS} FROM runs ORDER BY begun_at DESC, run DESC LIMIT 20"
        ))
        .unwrap();
    assert_eq!(newest.query_map([], run_line).unwrap().count(), 20);
    let steps = newest.get_status(rusqlite::StatementStatus::VmStep);
    assert!(steps < 5_000, "the newest runs: {steps} steps");
}

#[test]
fn how_all_jobs_of_a_large_run_stand_takes_no_longer_for_each() {
    let world = World::new();
    let line = |event: &Event| serde_json::to_string(event).unwrap();
    let at = crate::store::columns::Stamp(moment_of("05:00:00"));
    // Finished, and going on: the latter has no end that could be found.
    let runs = [("A", Some(0)), ("B", None)];
    {
        let db = world.store.connection();
        db.execute_batch("BEGIN").unwrap();
        for (run, exit) in runs {
            let process = world.store.own_process(&db);
            db.execute(
                "INSERT INTO runs VALUES (?1, 'opsrun apply', ?2, ?3, NULL, ?4, NULL)",
                params![run, at, process, exit],
            )
            .unwrap();
            let mut event = db
                .prepare("INSERT INTO events (run, at, step, kind, json) VALUES (?1, ?2, ?3, ?4, ?5)")
                .unwrap();
            for n in 0..2_000 {
                let step = format!("target:t{n}");
                let (start, end) = (line(&started(&step)), line(&finished(&step, State::Ok)));
                event.execute(params![run, at, step, "step-started", start]).unwrap();
                if exit.is_some() {
                    event.execute(params![run, at, step, "step-finished", end]).unwrap();
                }
            }
            if exit.is_some() {
                let end = line(&over(0));
                event
                    .execute(params![run, at, None::<String>, "run-finished", end])
                    .unwrap();
            }
        }
        db.execute_batch("COMMIT").unwrap();
    }
    for n in 0..2_000 {
        let standing = world.store.job_status(&job(&format!("target:t{n}"))).unwrap();
        let (last, begun) = (standing.last.unwrap(), standing.begun.unwrap());
        assert_eq!((last.run.as_str(), last.took), ("A", Some(Duration::ZERO)));
        assert_eq!(last.outcomes.len(), 1);
        assert_eq!((begun.run.as_str(), begun.end), ("B", RunEnd::Running));
    }
    assert_eq!(
        world.store.runs(RunFilter::default(), 2).unwrap()[1].end,
        RunEnd::Finished { exit: 0, millis: 1500 }
    );
    let db = world.store.connection();
    let one_run = format!("SELECT {RUN_COLUMNS} FROM runs WHERE run = ?1");
    for sql in [STARTS, SETTLED, OF_STEP, &one_run] {
        let steps = db
            .prepare_cached(sql)
            .unwrap()
            .reset_status(rusqlite::StatementStatus::VmStep);
        // Some tens for each of the jobs; that it was asked at all is counted too.
        assert!((1..400_000).contains(&steps), "{steps} steps of {sql}");
    }
}
