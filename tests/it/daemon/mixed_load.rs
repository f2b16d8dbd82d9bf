//! Long and short jobs on a clock that runs a hundredfold: what `daemon::runs` shows on a virtual clock, through the program.
//!
//! `OPSRUN_TEST_MIXED` says how many minutes of that clock.

use super::Serve;
use crate::support::clock::TestClock;
use crate::support::workspace::Workspace;
use chrono::{DateTime, TimeDelta, Utc};
use std::fmt::Write as _;

const RATE: u32 = 100;
/// Three seconds of the real clock: a loaded machine begins a command within them.
const SHORT_PERIOD: TimeDelta = TimeDelta::minutes(5);

/// One job fewer than slots that never pauses, three short ones, and a check. Each command notes how many are at work.
fn jobs(slots: usize) -> String {
    let noted = "mkdir -p at; touch at/$$; ls at >> seen; echo . >> seen;";
    let mut text = format!("ops version=1 {{ name \"t\"; timezone \"UTC\"; concurrency {slots}; }}\n");
    for n in 1..slots {
        // Ten minutes.
        let _ = writeln!(
            text,
            "target \"long-{n}\" {{ shell \"{noted} sleep 6; rm at/$$\"; every \"1m\"; }}"
        );
    }
    for n in 0..3 {
        let _ = writeln!(
            text,
            "target \"short-{n}\" {{ shell \"{noted} rm at/$$\"; every \"5m\"; }}"
        );
    }
    text + "check \"beat\" { command \"true\"; every \"5m\"; }\n"
}

/// Serves for so many minutes of its clock; asks what was decided and done.
fn short_jobs_are_on_time(slots: usize, minutes: i64) {
    let world = Workspace::new(&jobs(slots));
    let clock = TestClock::new(RATE, "2031-05-06T07:00:30Z".parse().unwrap());
    let mut command = world.command(&["serve"]);
    clock.rule(&mut command);
    let mut serve = Serve::start(command);
    serve.says("serving t");
    let end = clock.now() + TimeDelta::minutes(minutes);
    while clock.now() < end {
        serve.says("target:short-");
    }
    serve.term();
    let db = world.db();
    let mut decisions = db
        .prepare("SELECT instant, decision, reason, run FROM decisions WHERE job = ?1 ORDER BY seq")
        .unwrap();
    let moment = |text: String| text.parse::<DateTime<Utc>>().unwrap();
    for job in ["target:short-0", "target:short-1", "target:short-2", "check:beat"] {
        let rows = decisions.query_map([job], |row| {
            Ok((
                moment(row.get(0)?),
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, Option<String>>(3)?,
            ))
        });
        let mut begun = 0;
        for (instant, verdict, reason, run) in rows.unwrap().map(Result::unwrap) {
            assert_eq!(verdict, "ran", "{slots} slots, {job}, due at {instant}: {reason}");
            let sql = "SELECT min(at) FROM events WHERE run = ?1 AND step = ?2 AND kind = 'step-started'";
            let at: Option<String> = db
                .query_row(sql, [run.as_deref(), Some(job)], |row| row.get(0))
                .unwrap();
            // What was due last may not have begun when it was stopped.
            let Some(at) = at.map(moment) else {
                assert!(
                    instant > end - SHORT_PERIOD,
                    "{slots} slots, {job}, due at {instant}, never began"
                );
                continue;
            };
            let late = at - instant;
            assert!(
                late <= SHORT_PERIOD,
                "{slots} slots, {job}, due at {instant}: {late} late"
            );
            begun += 1;
        }
        assert!(begun >= minutes / 5 - 1, "{slots} slots, {job}: {begun} runs");
    }
    assert!(world.count("SELECT count(*) FROM events WHERE kind = 'step-started' AND step = 'target:long-1'") > 0);
    let seen = std::fs::read_to_string(world.at("seen")).unwrap();
    let most = seen.split(".\n").map(|at_work| at_work.lines().count()).max();
    assert!(
        most.is_some_and(|most| (1..=slots).contains(&most)),
        "{slots} slots: {most:?} at once"
    );
}

#[test]
fn no_short_job_waits_for_a_long_one_for_any_number_of_slots() {
    let long = std::env::var("OPSRUN_TEST_MIXED").ok();
    let minutes = long.as_ref().map_or(20, |minutes| minutes.parse().unwrap());
    let all: &[usize] = if long.is_some() { &[2, 3, 4, 5, 6, 8] } else { &[2, 4] };
    for two in all.chunks(2) {
        std::thread::scope(|scope| {
            for slots in two {
                scope.spawn(|| short_jobs_are_on_time(*slots, minutes));
            }
        });
    }
}
