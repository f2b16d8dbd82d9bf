//! What is remembered, through the program: history, status, graph, and the plan in other forms.

use super::{Place, exit, snapshot, told};
use opsrun::report::run::json_lines;
use opsrun::run::{Event, Outcome, Output as Printed, Record, State};
use opsrun::store::Store;
use serde_json::Value;
use std::process::Output;

const FILE: &str = r#"
ops version=1 {
    name "past"
    timezone "Asia/Seoul"
}
check "heartbeat" {
    file-age "heartbeat" critical="1000w"
}
target "greet" {
    shell "printf 'hello\\033[2J\\r\\nworld'; exit 0"
}
target "stumble" {
    command "/bin/sh" "-c" "echo once more; exit 3"
    retry max=1 wait="1ms"
}
target "gated" {
    command "/bin/true"
    needs "check:heartbeat"
}
target "late" {
    command "/bin/true"
}
target "asleep" {
    command "/bin/true"
    paused
}
"#;

const RUN: &str = "01JD8Z0000000000000000000A";

/// Writes a run into the state as it would be written, and gives its events; without its end it goes on as long as
/// this process, in the middle of `target:late`.
fn remember(place: &Place, run: &str, whole: bool) -> Vec<Event> {
    let step = |name: &str| name.parse().unwrap();
    let finished = |name: &str, state, summary: &str| Event::StepFinished {
        step: step(name),
        outcome: Outcome {
            state,
            summary: summary.to_owned(),
            help: None,
            details: Vec::new(),
        },
    };
    let attempted = |name: &str, attempt, code, retry_in, head: &str, tail: &str| Event::Attempted {
        step: step(name),
        attempt,
        ending: format!("exit code {code}"),
        code: Some(code),
        millis: 5,
        output: Printed {
            head: head.to_owned(),
            dropped: if tail.is_empty() { 0 } else { 12_345 },
            tail: tail.to_owned(),
        },
        retry_in,
        file: None,
    };
    let start = |name: &str| Event::StepStarted { step: step(name) };
    let mut events = vec![
        Event::RunStarted {
            run: run.to_owned(),
            ops: "past".to_owned(),
            host: "box".to_owned(),
            digest: "00".to_owned(),
            zone_data: "2026f (built in)".into(),
            overrides: Vec::new(),
            occurrences: Vec::new(),
        },
        finished("target:asleep", State::Paused, "paused in the ops file"),
        start("check:heartbeat"),
        finished("check:heartbeat", State::Critical, "`heartbeat` is missing"),
        start("target:greet"),
        attempted("target:greet", 1, 0, None, "hello\x1b[2J\r\nworld", ""),
        finished("target:greet", State::Ok, "exit code 0"),
        start("target:stumble"),
        attempted("target:stumble", 1, 3, Some(1), "once more\n", ""),
        attempted("target:stumble", 2, 3, None, "once more\n", "the end\n"),
        finished("target:stumble", State::Failed, "exit code 3 after 2 attempts"),
        finished("target:gated", State::Blocked, "check:heartbeat is critical"),
    ];
    events.push(if whole {
        Event::RunFinished { exit: 1, millis: 1234 }
    } else {
        start("target:late")
    });
    let store = Store::open(&place.path().join(".opsrun/past")).unwrap();
    store
        .begin_run(run, "opsrun apply --yes", "2026-11-23T12:00:00Z".parse().unwrap())
        .unwrap();
    store.journal(run).record_all(&events).unwrap();
    events
}

/// A place whose heartbeat is missing.
fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.path().join("ops.kdl"), FILE).unwrap();
    place
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Ids of runs, newest first.
fn ids(place: &Place) -> Vec<String> {
    let runs = json(&place.run(&["history", "--json"]))["runs"].clone();
    let runs = runs.as_array().unwrap().clone();
    runs.iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn without_a_state_there_is_nothing_to_tell() {
    let place = place();
    let told = |arguments: &[&str]| told(&place.run(arguments));
    assert_eq!(told(&["history"]), "exit: 0\n--- stdout\nno runs yet\n--- stderr\n");
    assert_eq!(
        told(&["history", "last"]),
        "exit: 0\n--- stdout\nno runs yet\n--- stderr\n"
    );
    assert_eq!(
        told(&["history", "--job", "target:greet"]),
        "exit: 0\n--- stdout\nno runs of target:greet yet\n--- stderr\n"
    );
    assert_eq!(
        json(&place.run(&["history", "--json"])),
        serde_json::json!({"format": 1, "runs": []})
    );
    let unknown = "--- stderr\nerror: there is no run `01JD`\n  help: there are no runs yet\n";
    assert_eq!(told(&["history", "01JD"]), format!("exit: 64\n--- stdout\n{unknown}"));
    snapshot("status-never", &told(&["status"]));
    assert!(!place.path().join(".opsrun").exists());
}

#[test]
fn a_run_is_remembered() {
    let place = place();
    let events = remember(&place, RUN, true);
    assert_eq!(ids(&place), [RUN]);

    // The same lines as when it happened, by any name that names the run.
    let lines: String = events.iter().map(json_lines::line).collect();
    for name in ["last", RUN, &RUN[..20], &RUN.to_lowercase()] {
        let output = place.run(&["history", name, "--json"]);
        assert_eq!(stdout(&output), json_lines::head() + &lines, "{name}");
    }
    let output = place.run(&["history", "last"]);
    let told = stdout(&output);
    let (begun, rest) = told.split_once('\n').unwrap();
    assert!(
        begun.starts_with("started   2026-11-23 21:00:00 +09:00 Asia/Seoul"),
        "{begun}"
    );
    snapshot("history-run", rest);
    let quiet = stdout(&place.run(&["history", "last", "--quiet"]));
    assert!(
        !quiet.contains("hello") && quiet.contains("failed    target:stumble"),
        "{quiet}"
    );
    snapshot("history", &stdout(&place.run(&["history"])));
}

#[test]
fn a_run_without_an_end_is_going_on_or_was_cut_short() {
    let place = place();
    remember(&place, RUN, false);
    let ends = |word: &str, last: &str| {
        assert_eq!(json(&place.run(&["history", "--json"]))["runs"][0]["state"], word);
        let told = stdout(&place.run(&["history", "last"]));
        assert!(told.ends_with(last), "{told}");
    };
    ends("running", "\nrunning: these are the events so far\n");
    let running = json(&place.run(&["status", "--json"]));
    let of = |document: &Value, job: &str| {
        let jobs = document["jobs"].as_array().unwrap().clone();
        jobs.into_iter().find(|found| found["job"] == job).unwrap()
    };
    assert!(of(&running, "target:late")["running_since"].is_string(), "{running}");
    let store = Store::open(&place.path().join(".opsrun/past")).unwrap();
    store.mark_interrupted(RUN, &mut |_| Ok(())).unwrap();
    drop(store);
    ends("interrupted", "\ninterrupted: the run ended here without a result\n");
    let cut = json(&place.run(&["status", "--json"]));
    assert_eq!(of(&cut, "target:late")["last"]["state"], "interrupted");
    assert_eq!(of(&cut, "target:late")["running_since"], Value::Null);
}

#[test]
fn runs_can_be_chosen() {
    let place = place();
    for job in ["target:greet", "target:stumble", "target:greet"] {
        assert!(exit(&place.run(&["apply", "--yes", "--quiet", "--only", job])) < 2);
    }
    let of = |arguments: &[&str]| {
        let arguments = [&["history", "--json"], arguments].concat();
        json(&place.run(&arguments))["runs"].as_array().unwrap().len()
    };
    assert_eq!(of(&[]), 3);
    assert_eq!(of(&["--limit", "2"]), 2);
    assert_eq!(of(&["--job", "target:greet"]), 2);
    assert_eq!(of(&["--job", "target:gated"]), 0);
    let unknown = place.run(&["history", "--job", "target:gone"]);
    assert_eq!(exit(&unknown), 64);
    assert!(
        stderr(&unknown).contains("the jobs are check:heartbeat, "),
        "{}",
        stderr(&unknown)
    );

    let runs = ids(&place);
    let none = place.run(&["history", "ZZ"]);
    assert_eq!(exit(&none), 64);
    assert_eq!(
        stderr(&none),
        format!(
            "error: there is no run `ZZ`\n  help: the newest are {}; `opsrun history` lists them; runs older than 90d are removed\n",
            runs.join(", ")
        )
    );
    let several = place.run(&["history", "0"]);
    assert_eq!(exit(&several), 64);
    assert_eq!(
        stderr(&several),
        format!(
            "error: several run ids begin with `0`\n  help: give more of the id: {}\n",
            runs.join(", ")
        )
    );
}

#[test]
fn status_says_what_came_of_each_job() {
    let place = place();
    remember(&place, RUN, true);
    let output = place.run(&["status"]);
    assert_eq!(exit(&output), 1, "{}", super::told(&output));
    let rows: Vec<Vec<String>> = stdout(&output)
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().take(2).map(str::to_owned).collect())
        .collect();
    let expected = [
        ["target:stumble", "failed"],
        ["check:heartbeat", "critical"],
        ["target:gated", "blocked"],
        ["target:late", "never"],
        ["target:greet", "ok"],
        ["target:asleep", "paused"],
    ];
    assert_eq!(rows, expected, "{}", stdout(&output));
    let document = json(&place.run(&["status", "--json"]));
    assert_eq!(
        (&document["well"], &document["jobs"][0]["last"]["state"]),
        (&false.into(), &"failed".into())
    );

    // What the file no longer declares counts for nothing; what it declares anew never ran.
    std::fs::write(
        place.path().join("ops.kdl"),
        "ops { name \"past\"; }\ntarget \"greet\" { command \"/bin/true\"; }\ntarget \"new\" { command \"/bin/true\"; }\n",
    )
    .unwrap();
    let output = place.run(&["status"]);
    assert_eq!(exit(&output), 0, "{}", super::told(&output));
    let text = stdout(&output);
    assert!(text.contains("\ntarget:new    never ran\n"), "{text}");
    assert!(!text.contains("stumble"), "{text}");
}

#[test]
fn a_state_that_cannot_be_read_is_said() {
    let place = place();
    let state = place.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let database = state.join("opsrun.db");
    let all = |what: &str, wanted: &str, help: &str| {
        for command in [&["history"][..], &["history", "last"], &["status"]] {
            let output = place.run(&[command, &["--state-dir", "state"]].concat());
            assert_eq!(exit(&output), 1, "{what}: {}", told(&output));
            assert!(output.stdout.is_empty(), "{what}");
            let text = stderr(&output);
            assert!(text.contains(wanted) && text.contains(help), "{what}: {text}");
        }
    };
    std::fs::write(place.path().join("file"), "").unwrap();
    let output = place.run(&["status", "--state-dir", "file/state"]);
    assert_eq!(exit(&output), 1, "{}", told(&output));
    assert!(
        stderr(&output).contains("cannot reach the state in `"),
        "{}",
        told(&output)
    );
    std::fs::write(&database, "no database, but long enough to be taken for one".repeat(40)).unwrap();
    all("garbage", "cannot open the state in `", "move the file away");
    // An empty database of somebody else: a header that names another application.
    let mut page = vec![0_u8; 4096];
    page[..16].copy_from_slice(b"SQLite format 3\0");
    page[16..24].copy_from_slice(&[0x10, 0, 1, 1, 0, 64, 32, 32]);
    page[28..32].copy_from_slice(&1_u32.to_be_bytes());
    page[40..48].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 4]);
    page[56..60].copy_from_slice(&1_u32.to_be_bytes());
    page[68..72].copy_from_slice(b"else");
    page[100..108].copy_from_slice(&[13, 0, 0, 0, 0, 0x10, 0, 0]);
    std::fs::write(&database, page).unwrap();
    all("foreign", "is a database of another program", "--state-dir");
}

#[test]
fn a_variable_names_the_state() {
    let place = place();
    place.run(&[
        "apply",
        "--yes",
        "--quiet",
        "--only",
        "target:greet",
        "--state-dir",
        "elsewhere",
    ]);
    let lines = |value: &str| {
        let output = place
            .command(&["history"])
            .env("OPSRUN_STATE_DIR", value)
            .output()
            .unwrap();
        stdout(&output).lines().count()
    };
    assert_eq!(lines("elsewhere"), 2);
    // Set to nothing is not set.
    assert_eq!(
        stdout(
            &place
                .command(&["history"])
                .env("OPSRUN_STATE_DIR", "")
                .output()
                .unwrap()
        ),
        "no runs yet\n"
    );
}

#[test]
fn graphs_of_jobs_and_of_steps() {
    let place = place();
    let shown = |arguments: &[&str]| place.told(arguments).replace(place.path().to_str().unwrap(), "[place]");
    snapshot("graph", &shown(&["graph"]));
    snapshot("graph-dot", &shown(&["graph", "--format", "dot"]));
    snapshot("graph-mermaid", &shown(&["graph", "--format", "mermaid"]));
    let dot = place.run(&["plan", "--format", "dot"]);
    assert!(
        stdout(&dot).contains("\"check:heartbeat\" -> \"target:gated\";"),
        "{}",
        told(&dot)
    );
    assert!(!stdout(&dot).contains("asleep"), "{}", told(&dot));
    let plan = |arguments: &[&str]| {
        let mut plan = json(&place.run(&[&["plan"], arguments].concat()));
        plan["at"] = Value::Null;
        plan
    };
    assert_eq!(plan(&["--format", "json"]), plan(&["--json"]));
    assert!(!place.path().join(".opsrun").exists());
}
