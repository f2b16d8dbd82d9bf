//! Rounds by example: what is decided on a virtual clock, with the store's part played by [`Agenda::follow`].

use crate::config;
use crate::daemon::tick::{AtWork, Round, round};
use crate::daemon::timetable::Book;
use crate::model::JobName;
use crate::model::backoff::BackOffState;
use crate::store::schedules::Agenda;
use chrono::{DateTime, TimeDelta, Utc};
use std::path::Path;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-11-25T{text}Z").parse().unwrap()
}

fn book(text: &str) -> Book {
    let loaded = config::load_text(Path::new("/srv/ops.kdl"), text.as_bytes().to_vec());
    let rendered = loaded.render(false, 100);
    Book::new(&loaded.model.unwrap_or_else(|| panic!("{rendered}")))
}

fn job(text: &str) -> JobName {
    text.parse().unwrap()
}

struct World {
    book: Book,
    agenda: Agenda,
}

impl World {
    /// One that was started at that time.
    fn new(text: &str, started: &str) -> Self {
        let mut world = Self {
            book: book(text),
            agenda: Agenda::default(),
        };
        let first = world.look(started, &[]);
        assert!(first.turn.runs.is_empty() && first.turn.decisions.is_empty());
        world
    }

    /// A look at the clock while these jobs are at work.
    fn look(&mut self, now: &str, at_work: &[&str]) -> Round {
        let mut working = AtWork::default();
        for name in at_work {
            working.add(job(name), true);
        }
        let round = round(&self.book, &self.agenda, &working, at(now));
        self.agenda.follow(&round.turn);
        round
    }

    /// The runs that it begins: instants and jobs.
    fn runs(&mut self, now: &str, at_work: &[&str]) -> Vec<String> {
        runs(&self.look(now, at_work))
    }
}

fn runs(round: &Round) -> Vec<String> {
    let run = |run: &crate::store::schedules::ScheduledRun| {
        let jobs: Vec<String> = run.jobs.iter().map(|told| told.job.to_string()).collect();
        let instant = run.occurrences[0].instant.format("%H:%M:%S");
        format!("{instant} {}", jobs.join(" "))
    };
    round.turn.runs.iter().map(run).collect()
}

fn left(round: &Round) -> Vec<String> {
    let one =
        |told: &crate::store::schedules::Decision| format!("{} {} {}", told.job, told.verdict.word(), told.reason);
    round.turn.decisions.iter().map(one).collect()
}

#[test]
fn what_is_due_at_one_instant_is_one_run() {
    let mut world = World::new(
        r#"
        target "a" { command "true"; cron "0 12 * * *"; }
        target "b" { command "true"; every "1h"; }
        target "c" { command "true"; cron "30 12 * * *"; }
        target "never" { command "true"; }
        "#,
        "11:00:30",
    );
    let none = world.look("11:59:59", &[]);
    assert_eq!((runs(&none).len(), none.wake), (0, Some(at("12:00:00"))));
    assert_eq!(world.runs("12:00:00", &[]), ["12:00:00 target:a target:b"]);
    assert!(world.runs("12:00:00", &[]).is_empty(), "once only");
    assert_eq!(world.runs("12:30:07", &[]), ["12:30:00 target:c"]);
}

#[test]
fn a_retention_without_a_schedule_runs_with_its_backup() {
    let text = r#"
        backup "b" { source "data"; to "/backup/b"; cron "0 12 * * *"; }
        retention "with" backup="b" { class "all" "*.txt" keep="7d"; max-delete files=9; }
        retention "own" backup="b" { class "other" "*.csv" keep="7d"; max-delete files=9; cron "0 13 * * *"; }
        "#;
    let mut world = World::new(text, "11:00:00");
    assert_eq!(world.runs("12:00:01", &[]), ["12:00:00 backup:b retention:with"]);
    assert_eq!(world.runs("13:00:01", &[]), ["13:00:00 retention:own"]);
    let mut world = World::new(text, "11:00:00");
    let round = world.look("12:00:01", &["backup:b"]);
    assert_eq!(
        left(&round),
        [
            "backup:b skipped-overlap it still runs from the time before",
            "retention:with skipped-overlap it still runs from the time before"
        ]
    );
}

#[test]
fn jitter_delays_the_start_and_not_the_instant() {
    let mut world = World::new(
        r#"
        schedule "s" { cron "0 12 * * *"; jitter "10m"; }
        target "a" { command "true"; schedule "s"; }
        "#,
        "11:00:00",
    );
    let jitter = TimeDelta::from_std(world.book.entries[0].jitter).unwrap();
    assert!(jitter > TimeDelta::zero(), "choose another name for the schedule");
    let start = (at("12:00:00") + jitter).format("%H:%M:%S").to_string();
    let before = (at("11:59:59") + jitter).format("%H:%M:%S").to_string();
    let none = world.look(&before, &[]);
    assert_eq!((runs(&none).len(), none.wake), (0, Some(at(&start))));
    assert_eq!(world.runs(&start, &[]), ["12:00:00 target:a"]);
}

const PULSE: &str = r#"every "1m"; command "true";"#;

fn overlapping(policy: &str) -> World {
    World::new(&format!("target \"t\" {{ {PULSE} overlap \"{policy}\"; }}"), "11:00:30")
}

#[test]
fn a_job_that_still_runs_is_skipped_queued_replaced_or_joined() {
    let mut world = overlapping("skip");
    assert_eq!(world.runs("11:01:00", &[]), ["11:01:00 target:t"]);
    let round = world.look("11:02:00", &["target:t"]);
    assert_eq!(
        left(&round),
        ["target:t skipped-overlap it still runs from the time before"]
    );
    assert_eq!(world.runs("11:03:00", &[]), ["11:03:00 target:t"]);

    let mut world = overlapping("queue");
    assert_eq!(world.look("11:01:00", &["target:t"]).turn.queue.len(), 1);
    let round = world.look("11:02:00", &["target:t"]);
    assert_eq!(
        left(&round),
        ["target:t skipped-overlap it still runs, and one waits already"]
    );
    assert_eq!(world.runs("11:02:20", &[]), ["11:01:00 target:t"], "what waited runs");
    assert!(world.agenda.queue.is_empty());

    let mut world = overlapping("replace");
    let round = world.look("11:01:00", &["target:t"]);
    assert!(round.replaced.contains(&job("target:t")));
    let round = world.look("11:02:00", &["target:t"]);
    assert_eq!(
        round.turn.decisions[0].first.instant,
        at("11:01:00"),
        "the newest takes its place"
    );
    assert_eq!(world.runs("11:02:10", &[]), ["11:02:00 target:t"]);

    let mut world = overlapping("allow");
    assert_eq!(world.runs("11:01:00", &["target:t"; 3]), ["11:01:00 target:t"]);
    let round = world.look("11:02:00", &["target:t"; 16]);
    assert_eq!(
        left(&round),
        ["target:t skipped-overlap too many of its runs are at work already"]
    );
}

#[test]
fn what_waits_begins_before_what_falls_due_at_the_same_moment() {
    let mut world = overlapping("queue");
    world.look("11:01:00", &["target:t"]);
    let round = world.look("11:02:00", &[]);
    assert_eq!(runs(&round), ["11:01:00 target:t"]);
    assert_eq!(round.turn.queue[0].1.instant, at("11:02:00"));
    assert_eq!(world.runs("11:02:01", &[]), ["11:02:00 target:t"]);
}

#[test]
fn what_waits_is_dropped_with_its_schedule() {
    let mut world = overlapping("queue");
    world.look("11:01:00", &["target:t"]);
    world.book = book("target \"t\" { command \"true\"; }");
    let round = world.look("11:01:10", &["target:t"]);
    assert_eq!(
        left(&round),
        ["target:t dropped it waited, and the ops file no longer schedules it"]
    );
}

#[test]
fn whoever_may_be_replaced_has_a_run_of_its_own() {
    let mut world = World::new(
        r#"
        schedule "s" { every "1m"; }
        target "a" { command "true"; schedule "s"; }
        target "r" { command "true"; schedule "s"; overlap "replace"; }
        target "z" { command "true"; schedule "s"; needs "target:r"; }
        "#,
        "11:00:30",
    );
    let wanted = ["11:01:00 target:a", "11:01:00 target:r target:z"];
    assert_eq!(world.runs("11:01:00", &[]), wanted);
}

#[test]
fn a_check_that_only_waits_in_another_run_is_asked_all_the_same() {
    let mut world = World::new("check \"c\" { tcp \"127.0.0.1:1\"; every \"1m\"; }", "11:00:30");
    let mut working = AtWork::default();
    working.add(job("check:c"), false);
    let round = round(&world.book, &world.agenda, &working, at("11:01:00"));
    assert_eq!(runs(&round), ["11:01:00 check:c"]);
    assert!(world.runs("11:01:00", &["check:c"]).is_empty(), "it is being asked");
}

#[test]
fn a_target_that_failed_too_often_is_left_alone_and_tried_once() {
    let text = r#"
        target "t" { command "false"; every "1m"; back-off after=2 wait="90s" factor=2.0 cap="1h"; }
        target "d" { command "true"; every "1m"; needs "target:t"; }
        "#;
    let mut world = World::new(text, "11:00:30");
    let rule = |failures, from, to| BackOffState {
        failures,
        opened: Some(at(from)),
        open_until: Some(at(to)),
    };
    world
        .agenda
        .back_offs
        .insert(job("target:t"), rule(2, "11:00:40", "11:02:10"));
    let round = world.look("11:01:00", &[]);
    assert_eq!(
        left(&round),
        [
            "target:t backed-off it failed 2 times in a row and is left alone until 2026-11-25T11:02:10Z",
            "target:d backed-off target:t, which it needs, failed 2 times in a row and is left alone until \
             2026-11-25T11:02:10Z"
        ]
    );
    world.look("11:02:00", &[]);
    assert_eq!(
        world.runs("11:03:00", &[]),
        ["11:03:00 target:t target:d"],
        "tried once"
    );
    let round = world.look("11:04:00", &["target:t"]);
    assert_eq!(
        left(&round)[1],
        "target:d backed-off target:t, which it needs, failed and is being tried once more"
    );
}

#[test]
fn a_paused_job_is_told_and_not_run() {
    let mut world = World::new(
        r#"
        target "p" { command "true"; every "1m"; paused; }
        target "d" { command "true"; every "1m"; needs "target:p"; }
        "#,
        "11:00:30",
    );
    let round = world.look("11:01:00", &[]);
    assert_eq!(
        left(&round),
        [
            "target:p paused it is paused",
            "target:d paused it depends on target:p, which is paused"
        ]
    );
}

#[test]
fn missed_instants_that_all_run_come_one_at_a_time() {
    // Also where it could run beside itself.
    for overlap in ["skip", "allow"] {
        let mut world = World::new(
            &format!(
                r#"
                schedule "s" {{ cron "0 * * * *"; missed "all" max=3; }}
                target "t" {{ command "true"; schedule "s"; overlap "{overlap}"; }}
                "#
            ),
            "04:30:00",
        );
        let first = world.look("11:30:00", &[]);
        assert_eq!(runs(&first), ["09:00:00 target:t"]);
        assert_eq!(
            left(&first),
            ["target:t missed too-many"],
            "nothing is said of what still comes"
        );
        assert_eq!(first.turn.decisions[0].count, 4);
        let busy = world.look("11:30:01", &["target:t"]);
        assert!(busy.turn.is_empty(), "the one before is at work");
        assert_eq!(world.runs("11:31:00", &[]), ["10:00:00 target:t"]);
        assert_eq!(world.runs("11:32:00", &[]), ["11:00:00 target:t"]);
        assert!(world.runs("11:33:00", &[]).is_empty());
    }
}

#[test]
fn another_definition_is_another_schedule_and_nothing_comes_again() {
    let mut world = World::new("target \"t\" { command \"true\"; cron \"0 12 * * *\"; }", "11:00:00");
    assert_eq!(world.runs("12:00:00", &[]).len(), 1);
    world.book = book("target \"t\" { command \"true\"; cron \"30 11 * * *\"; }");
    assert!(
        world.runs("12:00:10", &[]).is_empty(),
        "what lies behind is no business of the new one"
    );
    // Back and forth, under a clock that was set back in between.
    world.book = book("target \"t\" { command \"true\"; }");
    world.look("11:50:00", &[]);
    world.book = book("target \"t\" { command \"true\"; cron \"0 12 * * *\"; }");
    world.look("11:51:00", &[]);
    let again = world.look("12:00:01", &[]);
    assert!(runs(&again).is_empty());
    assert_eq!(again.behind, Some(std::time::Duration::from_secs(9)));
}
