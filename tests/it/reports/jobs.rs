//! Plans with checks and targets, of every kind and with every setting; no secret is ever there.

use super::world::World;
use super::{fits, plan, schema, text};
use opsrun::model::check::{Address, BodyValue, HttpProbe, Levels, Probe, Space, Worst};
use opsrun::model::{Check, Command, JobName, JobSettings, Overlap, Program, Retry, SecretSource, Target, Value};
use opsrun::plan::document::document;
use opsrun::plan::{RunRequest, build};
use opsrun::report::plan::graph::{Graph, NodeMark};
use opsrun::report::plan::summary::plan_summary;
use opsrun::report::shared::style::Style;
use opsrun::units::joined;
use std::time::Duration;

fn argv(words: &[&str]) -> Command {
    Command {
        program: Program::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
        cwd: "/srv/app".into(),
        env: Vec::new(),
        run_as: None,
    }
}

fn env(name: &str, value: &str) -> (String, Value) {
    (name.to_owned(), Value::Plain(value.to_owned()))
}

fn secret(name: &str, from: SecretSource) -> (String, Value) {
    (name.to_owned(), Value::Secret(from))
}

fn body(pointer: &str, value: serde_json::Value) -> BodyValue {
    BodyValue {
        pointer: pointer.to_owned(),
        value,
    }
}

fn needs(names: &[&str]) -> Vec<JobName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn levels<T>(warn: Option<T>, critical: Option<T>) -> Levels<T> {
    Levels { warn, critical }
}

/// A value that stands in the model and must never be shown.
const HUSH: &str = "hush-hush";

pub fn checks() -> Vec<Check> {
    let second = Duration::from_secs(1);
    let check = |name: &str, probe| Check {
        name: name.to_owned(),
        probe,
        timeout: second * 10,
        kill_after: second * 5,
        worst: Worst::Critical,
        fail_after: 1,
        recover_after: 1,
        silenced_by: None,
        job: JobSettings::default(),
    };
    let address = |host: &str, port| Address {
        host: host.to_owned(),
        port,
    };
    let mut depth = argv(&[
        "/srv/app/bin/queue depth",
        "--max",
        "1000",
        "it's; rm -rf \"$HOME\" \n\x1b[2J",
    ]);
    depth.env = vec![
        env("MODE", HUSH),
        secret(
            "TOKEN",
            SecretSource::Command(vec!["pass".into(), "show".into(), "a b".into()], "/".into()),
        ),
    ];
    let mut queue = check("queue", Probe::Command { command: depth });
    queue.worst = Worst::Warning;
    let mut home = check(
        "home",
        Probe::Http(Box::new(HttpProbe {
            url: Value::Plain("https://example.com/health?a=1&b=<2>".to_owned()),
            headers: vec![
                env("Accept", HUSH),
                secret("Authorization", SecretSource::File("/run/secrets/home".into())),
            ],
            status: vec![200, 204],
            latency: levels(None, Some(Duration::from_millis(800))),
            json: vec![body("/status", "UP".into()), body("/depth", 3.into())],
            ca_file: Some("/etc/ssl/own.pem".into()),
        })),
    );
    home.job.needs = needs(&["check:broker"]);
    vec![
        check(
            "disk",
            Probe::DiskSpace {
                path: "/srv/observer".into(),
                free: levels(Some(Space::Percent(25)), Some(Space::Percent(15))),
            },
        ),
        check(
            "heartbeat",
            Probe::FileAge {
                path: "/srv/app/run/heartbeat".into(),
                age: levels(Some(second * 60), Some(second * 90)),
            },
        ),
        check(
            "broker",
            Probe::Tcp {
                address: address("127.0.0.1", 9092),
                latency: Levels::default(),
            },
        ),
        queue,
        home,
        check(
            "secret-url",
            Probe::Http(Box::new(HttpProbe {
                url: Value::Secret(SecretSource::Env("HOME_URL".to_owned())),
                headers: Vec::new(),
                status: Vec::new(),
                latency: Levels::default(),
                json: Vec::new(),
                ca_file: None,
            })),
        ),
        check(
            "certificate",
            Probe::TlsExpiry {
                address: address("::1", 443),
                left: levels(Some(second * 86_400 * 21), Some(second * 86_400 * 7)),
                ca_file: None,
                verified: true,
            },
        ),
        check(
            "fresh",
            Probe::Job {
                job: "target:pipeline".parse().unwrap(),
                age: levels(None, Some(second * 600)),
                duration: levels(Some(second * 2), None),
            },
        ),
    ]
}

pub fn targets() -> Vec<Target> {
    let target = |name: &str, command| Target {
        name: name.to_owned(),
        command,
        stdout: None,
        timeout: None,
        kill_after: Duration::from_secs(10),
        retry: None,
        back_off: None,
        ok_codes: vec![0],
        overlap: Overlap::Skip,
        job: JobSettings::default(),
    };
    let mut command = argv(&["python3", "-m", "pipeline", "--once"]);
    command.env = vec![
        env("MODE", HUSH),
        secret("BROKER_TOKEN", SecretSource::Env("OPS_BROKER_TOKEN".to_owned())),
    ];
    let mut pipeline = target("pipeline", command);
    pipeline.job.needs = needs(&["check:broker", "check:disk"]);
    pipeline.timeout = Some(Duration::from_mins(4));
    pipeline.ok_codes = vec![0, 3];
    pipeline.retry = Some(Retry {
        max: 3,
        wait: Duration::from_secs(2),
        factor: 2.0,
        cap: Duration::from_secs(30),
    });
    let line = Command {
        program: Program::Shell("flush --all | tee \"log\\n\"".to_owned()),
        cwd: "/srv/app".into(),
        env: Vec::new(),
        run_as: None,
    };
    vec![pipeline, target("flush", line)]
}

#[test]
fn checks_and_targets_as_text() {
    let plan = plan(&World::observer().busy());
    assert_eq!(
        plan_summary(&plan),
        "will run 8 checks and 2 targets, copy 6 files (978.5 KiB), then delete 7 files (2.9 MiB)"
    );
    let shown = text(&plan, false, None);
    assert!(!shown.contains(HUSH) && !shown.contains('\x1b'), "{shown}");
    snapshot!("plan-jobs", shown);
    snapshot!("plan-jobs-narrow", text(&plan, false, Some(72)));
}

#[test]
fn what_cannot_run_names_what_is_refused() {
    let mut world = World::observer().busy().unlisted();
    world.model.targets[0].job.needs = needs(&["backup:observer"]);
    // After a target the refusal would be decided again.
    world.model.backups[0].job.needs.clear();
    let plan = plan(&world);
    let value = serde_json::to_value(document(&plan, false)).unwrap();
    let step = |name: &str| {
        let steps = value["steps"].as_array().unwrap();
        steps.iter().find(|step| step["name"] == name).unwrap().clone()
    };
    for name in ["target:pipeline", "verify:observer", "cleanup:observer"] {
        assert_eq!(
            step(name)["blocked_by"],
            serde_json::json!(["backup:observer"]),
            "{name}"
        );
        assert_eq!(step(name)["will_run"], false, "{name}");
    }
    assert_eq!(step("backup:observer")["blocked_by"], serde_json::json!([]));
    assert_eq!(step("target:flush")["blocked_by"], serde_json::json!([]));
    let shown = text(&plan, false, None);
    let at = shown.find("target:pipeline  blocked (runs: ").unwrap();
    assert!(
        shown[at..].contains("blocked because backup:observer is refused"),
        "{shown}"
    );
}

#[test]
fn checks_and_targets_as_json() {
    let schema = schema("plan");
    let value = serde_json::to_value(document(&plan(&World::observer().busy()), false)).unwrap();
    fits(&schema, &value);
    assert_eq!(
        (&value["totals"]["checks"], &value["totals"]["targets"]),
        (&8.into(), &2.into())
    );
    let steps = value["steps"].as_array().unwrap();
    let of = |kind: &str| -> Vec<_> {
        steps
            .iter()
            .filter(|step| step["action"]["kind"] == kind)
            .cloned()
            .collect()
    };
    let shown = serde_json::to_string_pretty(&[of("check"), of("target")].concat()).unwrap();
    assert!(!shown.contains(HUSH), "{shown}");
    snapshot!("plan-jobs-json", shown);
}

#[test]
fn a_step_that_is_decided_again_is_refused_for_now() {
    let world = World::observer().busy().unlisted();
    let plan = plan(&world);
    let summary = plan_summary(&plan);
    let told = "refused for now, decided again when its turn comes: backup:observer: ";
    assert!(summary.starts_with("will run 8 checks and 2 targets"), "{summary}");
    assert!(summary.contains(told) && !summary.contains("refused: "), "{summary}");
    let shown = text(&plan, false, None);
    assert!(shown.contains("backup:observer  refused for now\n"), "{shown}");
    assert!(
        shown.contains("refused for now; decided again when its turn comes\n"),
        "{shown}"
    );
    let value = serde_json::to_value(document(&plan, false)).unwrap();
    let steps = value["steps"].as_array().unwrap();
    for step in steps {
        let refused = !step["refusals"].as_array().unwrap().is_empty();
        assert_eq!(step["refused_for_now"], refused, "{}", step["name"]);
    }
    assert_eq!(value["totals"]["refusals_for_now"], value["totals"]["refusals"]);
    assert!(value["totals"]["refusals"].as_u64() > Some(0));
    let graph = Graph::of_plan(&plan);
    let node = graph.nodes.iter().find(|node| node.name == "backup:observer").unwrap();
    assert!(matches!(node.mark, NodeMark::RefusedForNow(_)), "{node:?}");
    assert!(graph.text(Style::PLAIN).contains("  refused for now\n"));
    assert!(graph.dot().contains("\\nrefused for now: "));
    assert!(graph.mermaid().contains("classDef for_now "));
    // What is refused for good is told first.
    let mut world = World::observer().busy().unlisted();
    world.model.backups[0].job.needs.clear();
    let plan = super::plan(&world);
    assert!(
        !super::plan_summary(&plan).contains("for now"),
        "{}",
        super::plan_summary(&plan)
    );
}

#[test]
fn what_was_asked_for_and_is_left_out_is_told() {
    let mut world = World::observer().busy();
    world.model.targets[1].job.paused = true;
    world.model.targets[0].job.needs = needs(&["target:flush"]);
    let plan = |only: &[&str], except: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let request = RunRequest {
            only: words(only),
            except: words(except),
            ..RunRequest::default()
        };
        build(&world.model, &request, &world.facts).unwrap()
    };
    let asleep = plan(&["target:*", "retention:logs"], &[]);
    assert_eq!(
        asleep.notes,
        [
            "target:pipeline, retention:logs were selected and are left out: they depend on target:flush, which is paused",
            "target:flush was selected and is left out: it is paused",
        ]
    );
    let shown = text(&asleep, false, None);
    for note in &asleep.notes {
        assert!(shown.contains(&format!("\nnote    {note}\n")), "{shown}");
    }
    let value = serde_json::to_value(document(&asleep, false)).unwrap();
    assert_eq!(value["notes"][1], asleep.notes[1]);
    // Nobody asked for what else is paused, nor is it told twice.
    let alone = plan(&["target:pipeline"], &[]);
    assert_eq!(joined(&alone.paused), "target:pipeline, target:flush");
    assert!(plan(&["check:disk"], &[]).paused.is_empty());
    assert!(plan(&["check:disk"], &[]).notes.is_empty());
    assert!(plan(&[], &["check:disk"]).notes.is_empty());
    let excepted = plan(&["retention:logs"], &["check:disk", "target:*"]);
    assert!(excepted.paused.is_empty(), "{:?}", excepted.paused);
    assert_eq!(excepted.notes.len(), 1);
    assert!(
        excepted.notes[0].ends_with(", which --except leaves out"),
        "{:?}",
        excepted.notes
    );
    assert!(plan(&["target:flush"], &["target:flush"]).notes.is_empty());
}

/// As deep as it likes: the text grows with the steps alone, and nothing is called as deep as that.
#[test]
fn a_long_chain_stays_at_the_margin() {
    let mut world = World::observer().busy();
    let first = world.model.targets[1].clone();
    let chain = |n: usize| {
        let link = |at: usize| Target {
            name: format!("t{at:04}"),
            job: JobSettings {
                needs: (at > 0)
                    .then(|| format!("target:t{:04}", at - 1).parse().unwrap())
                    .into_iter()
                    .collect(),
                ..JobSettings::default()
            },
            ..first.clone()
        };
        (0..n).map(link).collect::<Vec<_>>()
    };
    world.model.checks.clear();
    world.model.retentions.clear();
    world.model.backups.clear();
    world.facts.backups.clear();
    let mut sizes = Vec::new();
    for n in [25, 1_500, 3_000] {
        world.model.targets = chain(n);
        let plan = plan(&world);
        let shown = text(&plan, false, None);
        if n == 25 {
            snapshot!("plan-chain", shown);
        }
        let widest = shown.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest < 120, "{widest}");
        assert_eq!(shown.matches("  runs: ").count(), n);
        let graph = Graph::of_plan(&plan);
        sizes.push([shown.len(), graph.text(Style::PLAIN).len()]);
    }
    for (small, large) in sizes[1].iter().zip(&sizes[2]) {
        assert!(*large < small * 21 / 10, "{sizes:?}");
    }
}
