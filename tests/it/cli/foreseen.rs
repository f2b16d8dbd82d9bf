//! What the schedules will do, through the program: `plan --next` and `simulate`.

use super::{Place, exit, snapshot, told};

const SCHEDULES: &str = r#"
ops { name "observer"; timezone "Europe/Berlin"; }
schedule "nightly" { cron "30 2 * * *"; jitter "2m"; dst gap="run-after" fold="first"; missed "latest" window="24h"; }
schedule "reports" { cron "30 2 * * *"; dst gap="skip" fold="both"; missed "all" max=2; }
schedule "seoul" { cron "30 10 * * MON-FRI" timezone="Asia/Seoul"; }
schedule "pulse" { every "6h"; }
check "disk" { disk-space "/" warn="5%" critical="1%"; }
backup "data" { source "data"; to "/backup/data"; schedule "nightly"; needs "check:disk"; }
retention "data" backup="data" { class "raw" "raw/**" keep="7d"; max-delete share="50%"; }
target "report" { command "true"; schedule "reports"; }
target "digest" { command "true"; schedule "pulse"; needs "check:disk"; }
target "desk" { command "true"; schedule "seoul"; }
target "quiet" { command "true"; schedule "pulse"; paused; }
target "noon" { command "true"; cron "0 1,13 * * *"; }
"#;

fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.path().join("ops.kdl"), SCHEDULES).unwrap();
    place
}

#[test]
fn the_next_firings_are_told_with_zones_and_clock_changes() {
    let place = place();
    snapshot(
        "next-spring",
        &place.told(&["plan", "--next", "9", "--at", "2026-03-28 12:00", "-q"]),
    );
    snapshot(
        "next-autumn",
        &place.told(&["plan", "--next", "6", "--at", "2026-10-24 20:00", "-q"]),
    );
    snapshot(
        "next-json",
        &place.told(&["plan", "--next", "3", "--at", "2026-03-28 22:00", "--json", "-q"]),
    );
    snapshot("next-graph", &place.told(&["plan", "--next", "3", "--format", "dot"]));
    assert!(!place.path().join(".opsrun").exists(), "it touches nothing");
    std::fs::write(place.path().join("ops.kdl"), super::GOOD).unwrap();
    assert_eq!(
        place.run(&["plan", "--next", "3", "-q"]).stdout,
        b"no scheduled runs: no job has a schedule\n"
    );
}

#[test]
fn a_span_of_time_is_simulated() {
    let place = place();
    snapshot(
        "simulate-year",
        &place.told(&["simulate", "--from", "2026-01-01", "--to", "2027-01-01", "-q"]),
    );
    let down = [
        "simulate",
        "--from",
        "2026-03-28",
        "--to",
        "2026-03-31",
        "--down",
        "2026-03-28 01:30..2026-03-30 03:30",
        "--runs",
        "-q",
    ];
    snapshot("simulate-down", &place.told(&down));
    let json: Vec<&str> = down.into_iter().chain(["--json"]).collect();
    snapshot("simulate-json", &place.told(&json));
    assert!(!place.path().join(".opsrun").exists(), "it touches nothing");
}

#[test]
fn spans_that_are_none_are_refused() {
    let place = place();
    let refused = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert_eq!(exit(&output), 64, "{}", told(&output));
        told(&output)
    };
    let backwards = refused(&["simulate", "--from", "2026-02-01", "--to", "2026-01-01"]);
    assert!(backwards.contains("`--to` must be later than `--from`"), "{backwards}");
    let down = refused(&[
        "simulate",
        "--from",
        "2026-01-01",
        "--to",
        "2026-02-01",
        "--down",
        "2026-01-04..2026-01-03",
    ]);
    assert!(down.contains("`--down` ends before it starts"), "{down}");
    refused(&[
        "simulate",
        "--from",
        "2026-01-01",
        "--to",
        "2026-02-01",
        "--down",
        "2026-01-04",
    ]);
    refused(&["simulate", "--from", "2026-01-01"]);
    for span in [
        ["1900-01-01", "1971-01-01"],
        ["2099-01-01", "2101-06-01"],
        ["0001-01-01", "9999-12-31"],
    ] {
        let unknown = refused(&["simulate", "--from", span[0], "--to", span[1]]);
        assert!(
            unknown.contains("schedules are defined for the years 1970 to 2100 only"),
            "{unknown}"
        );
    }
    std::fs::write(
        place.path().join("ops.kdl"),
        "target \"a\" { command \"true\"; every \"1s\"; }\n",
    )
    .unwrap();
    let many = refused(&["simulate", "--from", "2000-01-01", "--to", "2010-01-01"]);
    assert!(many.contains("is due 315,619,200 times"), "{many}");
}
