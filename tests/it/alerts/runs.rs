//! Whole runs through the program: what is told of them, and what becomes of it.

use crate::support::stub;
use crate::support::workspace::Workspace;
use opsrun::clock::Stopwatch;
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// A target that fails while `broken` is there, and a channel that appends what it is told to `told`.
const OPS: &str = r#"
ops version=1 {
    name "o"
}
channel "ops" {
    command "/bin/sh" "-c" "cat >> told; echo >> told; test ! -e deaf"
}
channel "page" {
    command "/bin/sh" "-c" "cat >> paged; echo >> paged"
    min-severity "critical"
}
target "work" {
    command "/bin/sh" "-c" "test ! -e broken || { echo s3cr3t-$WORD; exit 3; }"
    env "WORD" from-env="WORD"
}
target "after" {
    command "/bin/true"
    needs "target:work"
}
"#;

const OPS_CHANNEL: &str = r#"channel "ops" { command "/bin/cat"; }
target "work" { command "/bin/true"; }"#;

fn alerting(ops: &str) -> Workspace {
    Workspace::new(ops).with_env("WORD", "hunter2hunter2")
}

impl Workspace {
    /// What a channel was told, oldest first; each fits the schema.
    fn told(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.at(file)).unwrap_or_default();
        let schema: Value = serde_json::from_str(&fs::read_to_string("schemas/alert.schema.json").unwrap()).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let parsed = text.lines().map(|line| serde_json::from_str(line).unwrap());
        parsed
            .inspect(|message| assert!(schema.is_valid(message), "{message}"))
            .collect()
    }

    /// No secret, in the state or anywhere else.
    fn holds_no_secret(&self) {
        for entry in walkdir::WalkDir::new(self.path()) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let bytes = fs::read(entry.path()).unwrap();
                let found = bytes.windows(7).any(|part| part == b"hunter2");
                assert!(!found, "{}", entry.path().display());
            }
        }
    }

    fn short(&self, file: &str) -> Vec<String> {
        let word = |message: &Value, name: &str| message[name].as_str().unwrap_or("-").to_owned();
        let short = |message: &Value| {
            ["key", "kind", "severity", "state"]
                .map(|name| word(message, name))
                .join(" ")
        };
        self.told(file).iter().map(short).collect()
    }
}

#[test]
fn a_run_tells_of_what_changed_and_delivers_it() {
    let world = alerting(OPS);
    world.ends(0, &["apply", "--yes"]);
    assert!(world.told("told").is_empty());
    world.touch("broken");
    world.ends(1, &["apply", "--yes"]);
    world.ends(1, &["apply", "--yes"]);
    world.remove("broken");
    world.ends(0, &["apply", "--yes"]);
    let trouble = "target:work trouble critical failed";
    let expected = [trouble, "target:work recovery critical ok"];
    assert_eq!(world.short("paged"), expected);
    let all = world.short("told");
    assert!(all.starts_with(&expected.map(str::to_owned)[..1]), "{all:?}");
    let first = &world.told("told")[0];
    assert_eq!(
        (first["job"].as_str(), first["ops"].as_str()),
        (Some("target:work"), Some("o"))
    );
    assert!(
        first["run"].is_string() && first["details"].to_string().contains("[secret]"),
        "{first}"
    );
    assert_eq!(world.ends(0, &["alerts", "list"]), "all alerts are delivered\n");
    let all = world.json(0, &["alerts", "list", "--all", "--json"]);
    let schema: Value = serde_json::from_str(&fs::read_to_string("schemas/alerts.schema.json").unwrap()).unwrap();
    assert!(jsonschema::is_valid(&schema, &all), "{all}");
    let log = all["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|alert| alert["channel"] == "log");
    assert!(log.count() >= 2);
    world.holds_no_secret();
}

#[test]
fn what_does_not_arrive_is_said_kept_and_sent_again() {
    let world = alerting(OPS);
    world.touch("broken");
    world.touch("deaf");
    let said = world.ends(1, &["apply", "--yes"]);
    assert!(said.contains("channel ops: 1 alert undelivered"), "{said}");
    assert!(said.contains("`opsrun alerts replay`"), "{said}");
    let status = world.json(1, &["status", "--json"]);
    assert_eq!(status["undelivered"][0]["channel"], "ops");
    assert!(world.ends(1, &["status"]).contains("channel ops: 1 alert undelivered"));
    assert!(world.ends(0, &["alerts", "list"]).contains("pending"));
    // Not due yet: nothing is sent, and that is said.
    let before = world.told("told").len();
    world.ends(1, &["alerts", "replay"]);
    assert_eq!(world.told("told").len(), before);
    world.remove("deaf");
    let id = world.told("told")[0]["id"].as_str().unwrap().to_owned();
    world.ends(0, &["alerts", "replay", &id]);
    assert_eq!(world.told("told").len(), before + 1);
    assert_eq!(world.told("told")[before]["id"].as_str(), Some(&*id));
    assert!(world.ends(64, &["alerts", "replay", &id]).contains("is sent"));
    assert!(
        world
            .ends(64, &["alerts", "replay", "nothing"])
            .contains("there is no alert")
    );
}

#[test]
fn a_run_that_was_killed_is_told_of_by_the_next() {
    let ops = OPS.replace(
        "test ! -e broken ||",
        "test ! -e fatal || kill -9 $PPID; test ! -e broken ||",
    );
    let world = alerting(&ops);
    world.touch("fatal");
    let killed = world.command(&["apply", "--yes"]).output().unwrap();
    assert_eq!(killed.status.code(), None);
    world.remove("fatal");
    world.ends(0, &["apply", "--yes"]);
    let told = world.short("told");
    assert_eq!(
        told,
        [
            "target:work trouble warning interrupted",
            "target:work recovery warning ok"
        ]
    );
    assert_ne!(world.told("told")[0]["run"], world.told("told")[1]["run"]);
}

#[test]
fn what_is_remembered_of_what_was_told_holds_no_secret() {
    let world = alerting("");
    let ops = format!(
        "ops version=1 {{ name \"o\"; state-dir \"{}\"; }}\n{}",
        world.path().display(),
        OPS_CHANNEL
    );
    let loaded = opsrun::config::load_text(&world.at("ops.kdl"), ops.into_bytes());
    let model = loaded.model.unwrap();
    let store = opsrun::store::Store::open(&model.ops.state_dir).unwrap();
    let vault = opsrun::secret::Vault::default();
    vault.remember(&"hunter2hunter2".into());
    let outcome = opsrun::run::Outcome {
        state: opsrun::run::State::Failed,
        summary: "it is hunter2hunter2".to_owned(),
        help: Some("say hunter2hunter2".to_owned()),
        details: vec!["and hunter2hunter2".to_owned()],
    };
    opsrun::alert::recorder::report_config(&model, &store, &vault, &outcome).unwrap();
    assert_eq!(store.undelivered().unwrap()[0].pending, 1);
    world.holds_no_secret();
}

#[test]
fn a_silenced_check_keeps_to_itself() {
    let world = alerting(
        r#"
channel "ops" { command "/bin/sh" "-c" "cat >> told; echo >> told"; }
check "network" { command "/bin/sh" "-c" "test ! -e down || exit 2"; notify "log"; }
check "remote" {
    command "/bin/sh" "-c" "test ! -e far || exit 2"
    silenced-by "check:network"
    notify "ops"
}
"#,
    );
    let apply = |code| world.ends(code, &["apply", "--yes", "--threads", "1"]);
    world.touch("down");
    world.touch("far");
    apply(1);
    assert!(world.told("told").is_empty());
    assert!(world.ends(0, &["alerts", "list"]).contains("held"));
    world.remove("down");
    // The cause is gone; that the other is still bad is told though it is not asked again.
    world.ends(0, &["apply", "--yes", "--only", "check:network"]);
    let trouble = ["check:remote trouble critical critical"];
    assert_eq!(world.short("told"), trouble);
    apply(1);
    assert_eq!(world.short("told"), trouble);
    world.remove("far");
    apply(0);
    assert_eq!(world.short("told")[1..], ["check:remote recovery critical ok"]);
}

#[test]
#[cfg_attr(not(feature = "http"), ignore = "needs the feature http")]
fn a_dead_mans_switch_counts_the_runs_of_its_jobs() {
    let server = stub::answers(stub::answer("200 OK", "", "OK"));
    let url = format!("http://{}/ping", server.address);
    let world = alerting(
        r#"
channel "alive" { healthchecks { url from-env="HC"; }; }
target "work" { command "/bin/sh" "-c" "test ! -e broken"; notify "alive"; }
target "other" { command "/bin/true"; notify "log"; }
"#,
    );
    let apply = |code: i32, only: &str| {
        let mut command = world.command(&["apply", "--yes", "--only", only]);
        let output = command.env("HC", &url).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    apply(0, "target:work");
    apply(0, "target:other");
    world.touch("broken");
    apply(1, "target:work");
    let path = |request: String| request.split([' ', '?']).nth(1).unwrap().to_owned();
    let paths: Vec<String> = server.received.try_iter().map(path).collect();
    assert_eq!(paths, ["/ping/start", "/ping", "/ping/start", "/ping/fail"]);
}

/// The paths that a server was asked for by now.
fn pings(server: &stub::Stub) -> Vec<String> {
    let path = |request: String| request.split([' ', '?']).nth(1).unwrap().to_owned();
    server.received.try_iter().map(path).collect()
}

#[test]
#[cfg_attr(not(feature = "http"), ignore = "needs the feature http")]
fn the_failure_of_a_job_lasts_until_it_succeeds() {
    let server = stub::answers(stub::answer("200 OK", "", "OK"));
    let world = alerting(
        r#"
channel "alive" { healthchecks { url from-env="HC"; }; allow "mixed-rhythm" reason="a test"; }
channel "ops" { command "/bin/cat"; }
check "small" { command "/bin/true"; every "1h"; }
target "dump" { command "/bin/sh" "-c" "test ! -e broken"; cron "0 3 * * *"; }
target "sync" { command "/bin/true"; every "1h"; }
target "by-hand" { command "/bin/false"; }
"#,
    )
    .with_env("HC", &format!("http://{}/ping", server.address));
    let apply = |code, only: &str| {
        world.ends(code, &["apply", "--yes", "--only", only]);
        pings(&server)
    };
    world.touch("broken");
    assert_eq!(apply(1, "target:dump"), ["/ping/start", "/ping/fail"]);
    assert!(apply(0, "check:small").is_empty());
    assert!(apply(1, "target:by-hand").is_empty());
    assert_eq!(apply(0, "target:sync"), ["/ping/start", "/ping/fail"]);
    world.remove("broken");
    assert_eq!(apply(0, "target:dump"), ["/ping/start", "/ping"]);
    assert_eq!(apply(0, "target:sync"), ["/ping/start", "/ping"]);
}

#[test]
#[cfg_attr(not(feature = "http"), ignore = "needs the feature http")]
fn a_switch_follows_the_job_that_it_names_also_if_its_run_is_killed() {
    let server = stub::answers(stub::answer("200 OK", "", "OK"));
    let world = alerting(
        r#"
channel "alive" { healthchecks { url from-env="HC"; job "target:dump"; }; }
channel "ops" { command "/bin/cat"; }
target "dump" { command "/bin/sh" "-c" "test ! -e fatal || kill -9 $PPID"; cron "0 3 * * *"; notify "ops"; }
target "other" { command "/bin/sh" "-c" "test ! -e broken"; every "1h"; }
"#,
    )
    .with_env("HC", &format!("http://{}/ping", server.address));
    world.touch("broken");
    world.ends(1, &["apply", "--yes", "--only", "target:other"]);
    assert!(pings(&server).is_empty());
    // A run with both of them: only the job that is named counts.
    world.ends(1, &["apply", "--yes"]);
    assert_eq!(pings(&server), ["/ping/start", "/ping"]);
    world.touch("fatal");
    let killed = world
        .command(&["apply", "--yes", "--only", "target:dump"])
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None);
    let before = pings(&server);
    assert!(before.len() <= 1, "{before:?}");
    world.remove("broken");
    world.ends(0, &["apply", "--yes", "--only", "target:other"]);
    let mut requests: Vec<String> = Vec::new();
    // If the run was killed while it sent the start, that is its own until its lease ends, and it may come twice.
    let begun = Stopwatch::set();
    let failed = loop {
        requests.extend(server.received.try_iter());
        if let Some(failed) = requests.iter().find(|request| request.contains("/ping/fail")) {
            break failed.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{requests:?}");
        world.command(&["alerts", "replay"]).output().unwrap();
    };
    assert!(
        failed.contains("target:dump was interrupted") && failed.contains("opsrun history 0"),
        "{failed}"
    );
    let starts = requests.iter().filter(|request| request.contains("/ping/start"));
    let starts = before.len() + starts.count();
    assert!((1..=2).contains(&starts), "{starts}");
}

#[test]
fn one_cause_is_one_message() {
    let world = alerting(
        r#"
channel "all" { command "/bin/sh" "-c" "cat >> told; echo >> told"; min-severity "info"; }
channel "own" { command "/bin/sh" "-c" "cat >> own; echo >> own"; min-severity "info"; }
target "first" { command "/bin/sh" "-c" "test ! -e broken"; notify "all"; }
target "second" { command "/bin/true"; needs "target:first"; notify "all"; }
target "third" { command "/bin/true"; needs "target:second"; notify "all"; }
target "fourth" { command "/bin/true"; needs "target:second"; notify "own"; }
"#,
    );
    world.touch("broken");
    world.ends(1, &["apply", "--yes"]);
    assert_eq!(world.short("told"), ["target:first trouble critical failed"]);
    // This channel does not receive the cause.
    assert_eq!(world.short("own"), ["target:fourth trouble info blocked"]);
    world.remove("broken");
    world.ends(0, &["apply", "--yes"]);
    assert_eq!(world.short("told")[1..], ["target:first recovery critical ok"]);
    assert_eq!(world.short("own")[1..], ["target:fourth recovery info ok"]);
    let told = world.told("told");
    let (run, show) = (told[0]["run"].as_str().unwrap(), told[0]["show"].as_str().unwrap());
    assert_eq!(
        show,
        format!("opsrun history {run} -f {}", world.at("ops.kdl").display())
    );
    let shown = world.ends(0, &["history", run, "-f", world.at("ops.kdl").to_str().unwrap()]);
    assert!(shown.contains(run), "{shown}");
}

#[test]
fn the_command_of_an_alert_finds_a_state_that_the_command_line_named() {
    let world = alerting(
        r#"
channel "all" { command "/bin/sh" "-c" "cat >> told; echo >> told"; }
target "t" { command "false"; }
"#,
    );
    world.ends(1, &["apply", "--yes", "--state-dir", "its state"]);
    let (ops, state) = (world.at("ops.kdl"), world.at("its state"));
    let told = world.told("told");
    let (run, show) = (told[0]["run"].as_str().unwrap(), told[0]["show"].as_str().unwrap());
    assert_eq!(
        show,
        format!(
            "opsrun history {run} -f {} --state-dir '{}'",
            ops.display(),
            state.display()
        )
    );
    let args = [
        "history",
        run,
        "-f",
        ops.to_str().unwrap(),
        "--state-dir",
        state.to_str().unwrap(),
    ];
    assert!(world.ends(0, &args).contains(run));
}

#[test]
fn a_channel_is_tried() {
    let world = alerting(OPS);
    let said = world.ends(0, &["alerts", "test", "ops"]);
    assert!(said.starts_with("ops (command) sent"), "{said}");
    assert_eq!(world.short("told"), ["probe probe info -"]);
    assert!(!world.at(".opsrun").exists());
    world.touch("deaf");
    let said = world.ends(1, &["alerts", "test"]);
    assert!(
        said.contains("ops (command) not sent: ") && said.contains("page (command) sent"),
        "{said}"
    );
    assert!(
        world
            .ends(64, &["alerts", "test", "pop"])
            .contains("channels: ops, page")
    );
    let silent = alerting("target \"a\" { command \"/bin/true\"; }\n");
    assert!(silent.ends(64, &["alerts", "test"]).contains("declares no channels"));
    assert_eq!(silent.ends(0, &["alerts", "list"]), "all alerts are delivered\n");
    assert!(!silent.at(".opsrun").exists());
}
