//! Why a job ran or did not, and whether it is overdue, through the program and a state that turns were written to.

use super::{Place, exit, told};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use opsrun::clock::now;
use opsrun::daemon::tick::{ActiveJobs, tick};
use opsrun::daemon::timetable::Timetable;
use opsrun::model::backoff::BackOffState;
use opsrun::run::{Event, Outcome, Record, State};
use opsrun::store::Store;
use serde_json::{Value, json};
use std::sync::LazyLock;

const FILE: &str = r#"
ops { name "answers"; }
schedule "hourly" { every "1h"; }
check "gate" { file-age "gate" critical="1d"; }
check "network" { tcp "127.0.0.1:1"; silenced-by "check:gate"; }
target "a" { command "/bin/true"; schedule "hourly"; needs "check:gate"; }
target "b" { command "/bin/true"; schedule "hourly"; }
target "broken" { command "/bin/true"; schedule "hourly"; back-off after=1 wait="2h" factor=1.0 cap="2h"; }
target "behind" { command "/bin/true"; schedule "hourly"; needs "target:broken"; }
target "asleep" { command "/bin/true"; schedule "hourly"; paused; }
target "hand" { command "/bin/true"; }
"#;

fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.path().join("ops.kdl"), FILE).unwrap();
    place
}

/// The full hour so many hours ago, as it was when the tests began.
fn hour(ago: i64) -> DateTime<Utc> {
    static BEGUN: LazyLock<DateTime<Utc>> = LazyLock::new(now);
    BEGUN.duration_trunc(TimeDelta::hours(1)).unwrap() - TimeDelta::hours(ago)
}

/// Looks at the clock at that moment as the daemon does; gives the runs that were begun.
fn look(place: &Place, store: &Store, at: DateTime<Utc>) -> Vec<String> {
    let model = opsrun::config::load(&place.path().join("ops.kdl"))
        .unwrap()
        .model
        .unwrap();
    let mut turn = tick(
        &Timetable::new(&model),
        &store.agenda().unwrap(),
        &ActiveJobs::default(),
        at,
    )
    .turn;
    for (n, run) in turn.runs.iter_mut().enumerate() {
        run.run = format!("01JD8Z0000000000000{:06}{n}", at.timestamp() / 3_600);
    }
    assert!(store.record_tick(&turn, "opsrun serve", at).unwrap());
    turn.runs.into_iter().map(|run| run.run).collect()
}

fn store(place: &Place) -> Store {
    Store::open(&place.path().join(".opsrun/answers")).unwrap()
}

fn finished(step: &str, state: State, summary: &str) -> Event {
    Event::StepFinished {
        step: step.parse().unwrap(),
        outcome: Outcome {
            state,
            summary: summary.to_owned(),
            help: None,
            details: Vec::new(),
        },
    }
}

fn answer(place: &Place, job: &str) -> Value {
    let output = place.run(&["why", job, "--json"]);
    assert_eq!(exit(&output), 0, "{}", told(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    String::from_utf8(output.stdout).unwrap()
}

/// How `status` shows a job.
fn row(place: &Place, job: &str) -> Value {
    let output = place.run(&["status", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let jobs = document["jobs"].as_array().unwrap().clone();
    jobs.into_iter().find(|row| row["job"] == job).unwrap()
}

#[test]
fn what_was_never_served_is_not_overdue() {
    let place = place();
    let why = answer(&place, "target:b");
    assert_eq!(
        (&why["because"], &why["schedule"]["since"]),
        (&json!("never"), &Value::Null)
    );
    assert!(why["next_run"].is_string());
    let said = text(&place, &["why", "target:b"]);
    assert!(said.starts_with("target:b never ran\n"), "{said}");
    assert!(
        said.contains("schedules are not running: start `opsrun serve`"),
        "{said}"
    );
    let said = text(&place, &["why", "target:hand"]);
    assert!(said.contains("none: it runs only on request"), "{said}");
    assert_eq!(exit(&place.run(&["status"])), 0);
    assert!(!place.path().join(".opsrun").exists(), "it touches nothing");
    let unknown = place.run(&["why", "target:nobody"]);
    assert_eq!(exit(&unknown), 64, "{}", told(&unknown));
    assert!(told(&unknown).contains("the jobs are check:gate"), "{}", told(&unknown));
}

#[test]
fn what_nobody_begins_is_overdue() {
    let place = place();
    let store = store(&place);
    assert_eq!(look(&place, &store, hour(30)), [""; 0]);
    // Nobody was there for some hours, and what is missed is left out.
    let runs = look(&place, &store, hour(20));
    assert_eq!(runs.len(), 3, "what is not tied has a run of its own");
    let run_of = |job: &str| answer(&place, job)["decisions"][0]["run"].as_str().unwrap().to_owned();
    let run = &run_of("target:a");
    let events = [
        finished("check:gate", State::Critical, "`gate` is missing"),
        finished("target:a", State::Blocked, "check:gate is critical"),
        Event::RunFinished { exit: 1, millis: 9 },
    ];
    store.journal(run).record_all(&events).unwrap();

    let a = answer(&place, "target:a");
    assert_eq!(a["because"], "ran");
    let first = &a["runs"][0];
    assert_eq!(
        (&first["state"], &first["root"]["step"]),
        (&json!("blocked"), &json!("check:gate"))
    );
    assert_eq!(first["instants"].as_array().unwrap().len(), 1);
    assert_eq!(first["instants"][0]["schedule"], "hourly");
    let decided = &a["decisions"];
    assert_eq!(
        (&decided[0]["decision"], &decided[0]["run"]),
        (&json!("ran"), &json!(run))
    );
    assert_eq!(
        (&decided[1]["decision"], &decided[1]["count"]),
        (&json!("missed"), &json!(9))
    );
    let said = text(&place, &["why", "target:a"]);
    assert!(said.contains("blocked, because check:gate is critical\n"), "{said}");
    assert!(said.contains("check:gate is critical: `gate` is missing\n"), "{said}");
    assert!(
        said.contains("it did not start in time, and missed runs are skipped"),
        "{said}"
    );

    // It was due every hour since, and its run has not begun.
    let b = answer(&place, "target:b");
    assert_eq!(b["because"], "waiting");
    assert_eq!(
        (&b["waiting"]["run"], &b["waiting"]["needs"]),
        (&json!(run_of("target:b")), &Value::Null)
    );
    let due: DateTime<Utc> = b["overdue_since"].as_str().unwrap().parse().unwrap();
    assert!((hour(1)..=hour(0) + TimeDelta::hours(1)).contains(&due), "{due}");
    assert!(text(&place, &["why", "target:b"]).contains(" waits since "));
    assert_eq!(row(&place, "target:b")["waiting"], b["waiting"]);
    let shown = text(&place, &["status"]);
    assert!(
        shown.contains("waits since ") && shown.contains(" for its turn"),
        "{shown}"
    );
    let output = place.run(&["status"]);
    assert_eq!(exit(&output), 1, "{}", told(&output));
    assert!(told(&output).contains("overdue"), "{}", told(&output));
    let shown = row(&place, "target:b")["overdue_since"].clone();
    assert_eq!(shown.as_str().unwrap().parse::<DateTime<Utc>>().unwrap(), due);
    assert_eq!(row(&place, "target:asleep")["overdue_since"], Value::Null);

    // Its run was cut short: it is overdue all the same.
    let cut = Event::RunFinished { exit: 1, millis: 0 };
    store.journal(&run_of("target:b")).record(&cut).unwrap();
    let b = answer(&place, "target:b");
    assert_eq!(b["because"], "overdue");
    assert!(text(&place, &["why", "target:b"]).contains("is overdue: it was due at "));

    // Somebody looks again: it is on time, or made up for by policy, and no longer overdue.
    look(&place, &store, hour(0));
    let ran = finished("target:b", State::Ok, "done");
    store.journal(&run_of("target:b")).record_all(&[ran, cut]).unwrap();
    assert_eq!(row(&place, "target:b")["overdue_since"], Value::Null);
}

#[test]
fn paused_and_left_alone_are_told_apart() {
    let place = place();
    let store = store(&place);
    look(&place, &store, hour(9));
    let opened = now();
    let until = opened + TimeDelta::minutes(90);
    let broken = "target:broken".parse().unwrap();
    let state = BackOffState {
        failures: 4,
        opened: Some(opened),
        open_until: Some(until),
    };
    store.settle_back_off(&broken, |_| state).unwrap();
    look(&place, &store, hour(0));
    let asleep = answer(&place, "target:asleep");
    assert_eq!(
        (&asleep["because"], &asleep["next_run"]),
        (&json!("paused"), &Value::Null)
    );
    assert_eq!(asleep["decisions"][0]["decision"], "paused");
    for job in ["target:broken", "target:behind"] {
        let why = answer(&place, job);
        assert_eq!(
            (&why["because"], &why["back_off"]["failures"]),
            (&json!("backed-off"), &json!(4))
        );
        assert_eq!(why["back_off"]["target"], "target:broken");
        assert_eq!(why["decisions"][0]["decision"], "backed-off");
        let next: DateTime<Utc> = why["next_run"].as_str().unwrap().parse().unwrap();
        assert!(next >= until, "{next}");
        assert_eq!(row(&place, job)["back_off"], why["back_off"]);
        let said = text(&place, &["why", job]);
        assert!(said.contains(" failed 4 times in a row\n"), "{said}");
    }
    let said = text(&place, &["status"]);
    assert!(
        said.contains("; in back-off") || said.contains("target:broken: in back-off until"),
        "{said}"
    );
}

#[test]
fn runs_by_hand_are_told_as_such() {
    let place = place();
    assert_eq!(exit(&place.run(&["apply", "--yes", "--only", "target:hand"])), 0);
    let why = answer(&place, "target:hand");
    assert_eq!(
        (&why["because"], &why["runs"][0]["instants"]),
        (&json!("ran"), &json!([]))
    );
    let said = text(&place, &["why", "target:hand"]);
    assert!(said.contains("by hand (`"), "{said}");
    let silenced = answer(&place, "check:network");
    assert_eq!(silenced["silenced_by"], json!({"check": "check:gate", "state": null}));
}
