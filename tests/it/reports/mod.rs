//! Plans and lists as people and programs get them: from an ops file and hand-made facts, through `plan::build`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set up its world has failed"
)]

macro_rules! snapshot {
    ($name:literal, $text:expr) => {
        insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true, filters => [(r"zones   \S+ \(\S+\)", "zones   [version] ([directory])"), (r#""zone_data": "[^"]*""#, r#""zone_data": "[zone data]""#)] }, {
            insta::assert_snapshot!($name, $text);
        });
    };
}

mod graphs;
mod jobs;
mod past;
mod world;

use opsrun::keep_reason::KeepReason;
use opsrun::plan::document::document;
use opsrun::plan::{Plan, RunRequest, build};
use opsrun::report::copies::list::{CopyDocument, CopyGroupDocument, CopyState, FORMAT, ListDocument, copies_text};
use opsrun::report::plan::summary::plan_summary;
use opsrun::report::plan::text::PlanTextOptions;
use opsrun::report::plan::text::plan_text;
use opsrun::report::run::json_lines;
use opsrun::report::shared::style::Style;
use opsrun::run::{Event, Outcome, State};
use serde_json::Value;
use std::collections::BTreeMap;
use world::World;

fn plan(world: &World) -> Plan {
    build(&world.model, &RunRequest::default(), &world.facts).unwrap()
}

fn text(plan: &Plan, files: bool, width: Option<usize>) -> String {
    let options = PlanTextOptions {
        files,
        style: Style::PLAIN,
        width,
    };
    plan_text(plan, &options)
}

#[test]
fn a_plan_as_text() {
    let plan = plan(&World::observer());
    snapshot!("plan", text(&plan, false, None));
    snapshot!("plan-files", text(&plan, true, None));
    snapshot!("plan-narrow", text(&plan, false, Some(72)));
}

#[test]
fn the_summary_is_the_first_line_and_the_last() {
    for world in [
        World::observer(),
        World::observer().quiet(),
        World::observer().unlisted(),
    ] {
        let plan = plan(&world);
        let text = text(&plan, false, None);
        assert_eq!(text.lines().next(), Some(plan_summary(&plan).as_str()));
        assert_eq!(text.lines().last(), Some(plan_summary(&plan).as_str()));
    }
}

#[test]
fn nothing_to_do_and_refused() {
    let quiet = plan(&World::observer().quiet());
    assert_eq!(plan_summary(&quiet), "nothing to do");
    snapshot!("plan-nothing", text(&quiet, false, None));
    let refused = plan(&World::observer().unlisted());
    assert!(
        plan_summary(&refused).starts_with("refused: backup:observer: "),
        "{}",
        plan_summary(&refused)
    );
    snapshot!("plan-refused", text(&refused, false, None));
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plan = plan(&World::observer());
    let options = PlanTextOptions {
        files: true,
        style: Style::new(true),
        width: None,
    };
    let colored = plan_text(&plan, &options);
    let mut plain = String::new();
    for (at, piece) in colored.split("\x1b[").enumerate() {
        plain += if at == 0 {
            piece
        } else {
            piece.split_once('m').unwrap().1
        };
    }
    let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
    assert_eq!(trimmed.join("\n") + "\n", text(&plan, true, None));
}

#[test]
fn a_plan_as_json() {
    let plan = plan(&World::observer());
    let value = serde_json::to_value(document(&plan, true)).unwrap();
    snapshot!("plan-json", serde_json::to_string_pretty(&value).unwrap());
    assert_eq!(value["format"], 1);
    let without = serde_json::to_value(document(&plan, false)).unwrap();
    assert!(without["steps"][2]["action"].get("delete").is_none());
}

#[test]
fn plans_fit_their_schema() {
    let schema = schema("plan");
    for world in [
        World::observer(),
        World::observer().quiet(),
        World::observer().unlisted(),
    ] {
        for files in [false, true] {
            let value = serde_json::to_value(document(&plan(&world), files)).unwrap();
            fits(&schema, &value);
        }
    }
}

fn some_copies() -> Vec<CopyDocument> {
    let line = |copy: &str, at: Option<&str>, state, deleted| CopyDocument {
        copy: copy.to_owned(),
        backup: "observer".to_owned(),
        writer: at.map(|_| "0123456789abcdef".to_owned()),
        host: at.map(|_| "box".to_owned()),
        source: at.map(|_| "/srv/observer/data".to_owned()),
        at: at.map(|at| at.parse().unwrap()),
        files: 1200,
        archive_bytes: 3_355_443,
        state,
        deleted,
    };
    vec![
        line(
            "observer-20261123T120000Z-01JD3",
            Some("2026-11-23T12:00:00Z"),
            CopyState::Complete,
            80,
        ),
        line(
            "observer-20261122T120000Z-01JD2",
            Some("2026-11-22T12:00:00Z"),
            CopyState::Incomplete("1 file could not be read: a\nb".to_owned()),
            0,
        ),
        line(
            "observer-20261121T120000Z-01JD1",
            Some("2026-11-21T12:00:00Z"),
            CopyState::Suspect("the source holds 3 files, the last complete copy 1,200".to_owned()),
            0,
        ),
        line(
            "observer-x",
            None,
            CopyState::Broken("its manifest cannot be read".to_owned()),
            0,
        ),
    ]
}

fn some_others() -> Vec<CopyGroupDocument> {
    let group = |writer: &str, host: &str, copies| CopyGroupDocument {
        writer: writer.to_owned(),
        host: host.to_owned(),
        ops: "observer".to_owned(),
        backup: "observer".to_owned(),
        source: "/srv/observer/data".to_owned(),
        copies,
        newest: "2026-11-20T12:00:00Z".parse().unwrap(),
    };
    vec![group("fedcba9876543210", "box2", 12), group("box\n3", "box\n3", 1)]
}

#[test]
fn a_list_as_text() {
    let text = |copies, others| {
        let document = ListDocument {
            format: FORMAT,
            copies,
            others,
        };
        copies_text(
            &document,
            &opsrun::time_zone::built_in("Asia/Seoul").unwrap(),
            Style::PLAIN,
        )
    };
    snapshot!("list", text(some_copies(), Vec::new()));
    snapshot!("list-others", text(some_copies(), some_others()));
    assert_eq!(text(Vec::new(), Vec::new()), "no copies\n");
}

#[test]
fn lists_fit_their_schema() {
    let schema = schema("list");
    for (copies, others) in [(some_copies(), some_others()), (Vec::new(), Vec::new())] {
        let value = serde_json::to_value(ListDocument {
            format: FORMAT,
            copies,
            others,
        })
        .unwrap();
        fits(&schema, &value);
    }
    let value = serde_json::to_value(ListDocument {
        format: FORMAT,
        copies: some_copies(),
        others: some_others(),
    })
    .unwrap();
    snapshot!("list-json", serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn events_fit_their_schema() {
    let schema = schema("event");
    let finished = Event::StepFinished {
        step: "backup:observer".parse().unwrap(),
        outcome: Outcome {
            state: State::NoSpace,
            summary: "the destination is full".to_owned(),
            help: Some("make space".to_owned()),
            details: Vec::new(),
        },
    };
    let deleted = Event::Deleted {
        step: "cleanup:observer".parse().unwrap(),
        batch: 0,
        files: 1,
        bytes: 2,
        kept: BTreeMap::from([(KeepReason::InUse, 3)]),
    };
    let mut lines = json_lines::head();
    for event in [finished, deleted, Event::RunFinished { exit: 73, millis: 5 }] {
        lines += &json_lines::line(&event);
    }
    for line in lines.lines() {
        fits(&schema, &serde_json::from_str(line).unwrap());
    }
    snapshot!("events", lines.replace(env!("CARGO_PKG_VERSION"), "[version]"));
}

#[test]
fn the_language_fits_its_schema() {
    let text = opsrun::report::schemas::json("ops").unwrap();
    fits(&schema("language"), &serde_json::from_str(text).unwrap());
}

/// A schema, as `opsrun schema` prints it.
fn schema(name: &str) -> Value {
    let text = opsrun::report::schemas::json(name).unwrap();
    serde_json::from_str(text).unwrap()
}

fn fits(schema: &Value, value: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}
