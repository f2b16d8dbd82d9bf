//! Clocks that run a hundredfold, step, and stand.

use super::{Serve, until};
use crate::support::clock::TestClock;
use crate::support::workspace::{Workspace, output_of};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn serve(world: &Workspace, clock: &TestClock) -> Serve {
    let mut command = world.command(&["serve"]);
    clock.rule(&mut command);
    Serve::start(command)
}

#[test]
fn the_clock_of_a_test_is_the_one_that_opsrun_and_its_children_see() {
    let clock = TestClock::new(100, at("2031-05-06T07:00:30Z"));
    let world = Workspace::of_jobs(r#"target "tick" { shell "date -u +%FT%TZ > seen"; every "1m"; }"#);
    let begun = std::time::Instant::now();
    let mut serve = serve(&world, &clock);
    for _ in 0..3 {
        serve.says("ok        target:tick");
    }
    // Three minutes, and waits that take a hundredth: without that, the first look would come after five seconds.
    let passed = clock.now() - at("2031-05-06T07:00:30Z");
    assert!(passed >= TimeDelta::seconds(150), "{passed}");
    let real = TimeDelta::from_std(begun.elapsed()).unwrap();
    assert!(
        (passed - real * 100).abs() < TimeDelta::seconds(60),
        "{passed} in {real}"
    );
    let seen = at(std::fs::read_to_string(world.at("seen")).unwrap().trim());
    assert!(seen >= at("2031-05-06T07:03:00Z") && seen <= clock.now(), "{seen}");
    serve.term();
    world.each_instant_once("target:tick", Duration::from_secs(60));
}

const TICK: &str = r#"
    channel "pager" { shell "cat >> notices"; min-severity "info"; }
    target "tick" { shell "echo x >> ran"; every "10s"; }
    "#;

fn runs_again(serve: &mut Serve) {
    for _ in 0..3 {
        serve.says("ok        target:tick");
    }
}

/// Runs opsrun by the clock, and gives all its output.
fn ends(world: &Workspace, clock: &TestClock, code: i32, args: &[&str]) -> String {
    let mut command = world.command(args);
    clock.rule(&mut command);
    output_of(&command.output().unwrap(), code)
}

#[test]
fn schedules_go_on_when_a_clock_that_was_ahead_is_corrected() {
    let clock = TestClock::new(20, at("2031-05-06T07:00:05Z"));
    let world = Workspace::of_jobs(TICK);
    let mut serve = serve(&world, &clock);
    runs_again(&mut serve);
    clock.step(TimeDelta::days(3_653));
    runs_again(&mut serve);
    clock.step(TimeDelta::days(-3_653));
    serve.says("warning: the clock was set back by 10 years: 1 schedule goes on from the present time");
    runs_again(&mut serve);
    // The same again, by an hour: this time what ran too early comes as planned.
    clock.step(TimeDelta::hours(1));
    runs_again(&mut serve);
    clock.step(TimeDelta::hours(-1));
    serve.says("warning: the clock was set back by");
    let claimed = "SELECT count(*) FROM claims GROUP BY schedule, instant HAVING count(*) > 1";
    runs_again(&mut serve);
    assert_eq!(world.rows(&format!("SELECT 'twice' FROM ({claimed})")).len(), 0);
    clock.step(TimeDelta::minutes(59));
    until(|| !world.rows(&format!("SELECT 'twice' FROM ({claimed})")).is_empty());
    until(|| world.lines_of("notices") > 0);
    serve.term();

    let told = std::fs::read_to_string(world.at("notices")).unwrap();
    assert!(
        told.contains(r#""key":"clock""#) && told.contains("the clock was set back by 10 years"),
        "{told}"
    );
    let why = ends(&world, &clock, 0, &["why", "target:tick", "--limit", "200"]);
    assert!(
        why.contains("clock-set-back  the clock was set back by 10 years; the schedule goes on"),
        "{why}"
    );
    assert_eq!(world.count("SELECT era FROM schedules"), 2);
}

#[test]
fn a_clock_that_starts_in_the_past_repeats_nothing_when_it_is_set() {
    let clock = TestClock::new(20, at("2031-05-06T07:00:05Z"));
    let world = Workspace::of_jobs(
        r#"
        schedule "s" { every "10s"; missed "all" max=1000; }
        target "tick" { command "true"; schedule "s"; }
        "#,
    );
    let mut first = serve(&world, &clock);
    runs_again(&mut first);
    first.term();
    let ran = world.count("SELECT count(*) FROM claims");
    clock.step(TimeDelta::days(-20_000));
    let mut second = serve(&world, &clock);
    second.says("warning: the clock was set back by 54 years");
    runs_again(&mut second);
    let in_the_past = world.count("SELECT count(*) FROM claims") - ran;
    clock.step(TimeDelta::days(20_000));
    second.says("the clock was set forward by");
    runs_again(&mut second);
    second.term();
    // Those that it missed meanwhile: a storm would run a thousand.
    let after = world.count("SELECT count(*) FROM claims WHERE instant > '2031'");
    let passed = (clock.now() - at("2031-05-06T07:00:05Z")).num_seconds() / 10;
    assert!(in_the_past >= 3 && after <= passed + 1, "{after} of {passed}");
    let twice = "SELECT count(*) FROM (SELECT 1 FROM claims GROUP BY schedule, instant HAVING count(*) > 1)";
    assert_eq!(world.count(twice), 0);
}

#[test]
fn a_clock_that_stands_runs_nothing_and_then_what_is_due() {
    let clock = TestClock::new(20, at("2031-05-06T07:00:05Z"));
    let world = Workspace::of_jobs(TICK);
    let mut serve = serve(&world, &clock);
    runs_again(&mut serve);
    clock.freeze();
    let (ran, begun) = (world.count("SELECT count(*) FROM claims"), std::time::Instant::now());
    until(|| begun.elapsed() > Duration::from_secs(2));
    assert!(world.count("SELECT count(*) FROM claims") <= ran + 1);
    clock.thaw();
    runs_again(&mut serve);
    serve.term();
    world.each_instant_once("target:tick", Duration::from_secs(10));
}

#[test]
fn answers_about_the_next_run_agree_with_the_daemon_while_the_clock_is_behind() {
    let clock = TestClock::new(1, at("2031-05-06T07:59:58Z"));
    let world = Workspace::of_jobs(r#"target "hourly" { command "true"; every "1h"; }"#);
    let next = |code: i32| {
        let status = ends(&world, &clock, code, &["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let plan = ends(&world, &clock, 0, &["plan", "--next", "1", "--format", "json"]);
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        let why = ends(&world, &clock, 0, &["why", "target:hourly", "--json"]);
        let why: serde_json::Value = serde_json::from_str(&why).unwrap();
        let of_status = at(status["jobs"][0]["next_run"].as_str().unwrap());
        assert_eq!(at(plan["firings"][0]["start"].as_str().unwrap()), of_status);
        assert_eq!(at(why["next_run"].as_str().unwrap()), of_status);
        let handled = status["jobs"][0]["handled_until"].as_str().map(at);
        assert_eq!(handled.is_some(), code == 1);
        assert_eq!(why["because"] == "waits-for-clock", code == 1, "{why}");
        of_status
    };
    let mut first = serve(&world, &clock);
    first.says("ok        target:hourly");
    first.term();
    assert_eq!(next(0), at("2031-05-06T09:00:00Z"));
    // A little: 8:00 is not run again.
    clock.step(TimeDelta::minutes(-30));
    assert_eq!(next(1), at("2031-05-06T09:00:00Z"));
    let text = ends(&world, &clock, 1, &["status"]);
    assert!(
        text.contains("waits for the clock (ok)") && text.contains("check the clock, and that `opsrun serve`"),
        "{text}"
    );
    // Much: the schedule follows the clock.
    clock.step(TimeDelta::minutes(30) - TimeDelta::days(100));
    let followed = at("2031-05-06T09:00:00Z") - TimeDelta::days(100);
    assert_eq!(next(1), followed);
    let mut again = serve(&world, &clock);
    again.says("1 schedule goes on from the present time");
    assert_eq!(next(0), followed);
    clock.step(TimeDelta::hours(1));
    again.says("ok        target:hourly");
    again.term();
}
