//! Clocks that run a hundredfold, step, and stand.

use super::Serve;
use crate::support::clock::TestClock;
use crate::support::workspace::Workspace;
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
