//! Ticks by example: decisions on a virtual clock, with [`Agenda::follow`] in place of the store.

use crate::config;
use crate::daemon::tick::{ActiveJobs, Tick, tick};
use crate::daemon::timetable::Timetable;
use crate::model::JobName;
use crate::model::backoff::BackOffState;
use crate::model::schedule::Rhythm;
use crate::store::schedules::Agenda;
use crate::time_zone::{Zone, ZoneDatabase};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::path::Path;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-11-25T{text}Z").parse().unwrap()
}

fn timetable(text: &str) -> Timetable {
    let loaded = config::load_text(Path::new("/srv/ops.kdl"), text.as_bytes().to_vec());
    let rendered = loaded.render(false, 100);
    Timetable::new(&loaded.model.unwrap_or_else(|| panic!("{rendered}")))
}

fn job(text: &str) -> JobName {
    text.parse().unwrap()
}

struct World {
    timetable: Timetable,
    agenda: Agenda,
}

impl World {
    /// Started at that time.
    fn new(text: &str, started: &str) -> Self {
        let mut world = Self {
            timetable: timetable(text),
            agenda: Agenda::default(),
        };
        let first = world.look(started, &[]);
        assert!(first.turn.runs.is_empty() && first.turn.decisions.is_empty());
        world
    }

    /// A tick while these jobs are running.
    fn look(&mut self, now: &str, active: &[&str]) -> Tick {
        let mut working = ActiveJobs::default();
        for name in active {
            working.add_started(job(name));
        }
        let tick = tick(&self.timetable, &self.agenda, &working, at(now));
        self.agenda.follow(&tick.turn);
        tick
    }

    /// The runs that it starts: instants and jobs.
    fn runs(&mut self, now: &str, active: &[&str]) -> Vec<String> {
        runs(&self.look(now, active))
    }
}

fn runs(tick: &Tick) -> Vec<String> {
    let run = |run: &crate::store::schedules::ScheduledRun| {
        let jobs: Vec<String> = run.jobs.iter().map(|decision| decision.job.to_string()).collect();
        let instant = run.occurrences[0].instant.format("%H:%M:%S");
        format!("{instant} {}", jobs.join(" "))
    };
    tick.turn.runs.iter().map(run).collect()
}

fn left(tick: &Tick) -> Vec<String> {
    let one = |decision: &crate::store::schedules::Decision| {
        format!("{} {} {}", decision.job, decision.verdict.word(), decision.reason)
    };
    tick.turn.decisions.iter().map(one).collect()
}

#[test]
fn unrelated_jobs_due_at_one_instant_are_runs_of_their_own() {
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
    assert_eq!(world.runs("12:00:00", &[]), ["12:00:00 target:a", "12:00:00 target:b"]);
    assert!(world.runs("12:00:00", &[]).is_empty(), "once only");
    assert_eq!(world.runs("12:30:07", &[]), ["12:30:00 target:c"]);
}

#[test]
fn jobs_that_share_what_they_need_form_one_run() {
    let mut world = World::new(
        r#"
        schedule "s" { cron "0 12 * * *"; }
        check "c" { tcp "127.0.0.1:1"; }
        target "deep" { command "true"; needs "check:c"; }
        target "a" { command "true"; schedule "s"; needs "target:deep"; }
        target "b" { command "true"; schedule "s"; }
        target "c" { command "true"; schedule "s"; needs "check:c"; }
        target "d" { command "true"; schedule "s"; needs "target:b"; }
        target "e" { command "true"; schedule "s"; }
        "#,
        "11:00:30",
    );
    let wanted = [
        "12:00:00 target:a target:c",
        "12:00:00 target:b target:d",
        "12:00:00 target:e",
    ];
    assert_eq!(world.runs("12:00:00", &[]), wanted);
}

#[test]
fn a_job_that_ties_two_others_makes_one_run_of_all_three() {
    let mut world = World::new(
        r#"
        schedule "s" { cron "0 12 * * *"; }
        target "a" { command "true"; schedule "s"; }
        target "b" { command "true"; schedule "s"; }
        target "z" { command "true"; schedule "s"; needs "target:a" "target:b"; }
        "#,
        "11:00:30",
    );
    assert_eq!(world.runs("12:00:00", &[]), ["12:00:00 target:a target:b target:z"]);
}

#[test]
fn backups_of_one_source_form_one_run() {
    let mut world = World::new(
        r#"
        schedule "s" { cron "0 12 * * *"; }
        backup "a" { source "data/a"; to "/backup/a"; schedule "s"; }
        backup "b" { source "data/b"; to "/backup/b"; schedule "s"; }
        backup "c" { source "data/a"; to "/backup/c"; schedule "s"; }
        "#,
        "11:00:30",
    );
    let wanted = ["12:00:00 backup:a backup:c", "12:00:00 backup:b"];
    assert_eq!(world.runs("12:00:00", &[]), wanted);
}

#[test]
fn the_reason_of_a_skipped_instant_is_what_its_previous_run_waits_for() {
    for (overlap, more) in [
        ("skip", ""),
        ("queue", ""),
        ("allow", "too many of its runs are active, and "),
    ] {
        let mut world = overlapping(overlap);
        let mut working = ActiveJobs::default();
        for _ in 0..16 {
            working.add_waiting(job("target:t"), "its previous run waits for a slot".to_owned());
        }
        let tick = tick(&world.timetable, &world.agenda, &working, at("11:01:00"));
        assert!(
            left(&tick)[0].ends_with(&format!(" {more}its previous run waits for a slot")),
            "{tick:?}"
        );
        let running = world.look("11:01:00", &["target:t"; 16]);
        assert!(left(&running)[0].ends_with(&format!(" {more}its previous run is still active")));
    }
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
    let tick = world.look("12:00:01", &["backup:b"]);
    assert_eq!(
        left(&tick),
        [
            "backup:b skipped-overlap its previous run is still active",
            "retention:with skipped-overlap its previous run is still active"
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
    let jitter = TimeDelta::from_std(world.timetable.entries[0].jitter).unwrap();
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
    let tick = world.look("11:02:00", &["target:t"]);
    assert_eq!(
        left(&tick),
        ["target:t skipped-overlap its previous run is still active"]
    );
    assert_eq!(world.runs("11:03:00", &[]), ["11:03:00 target:t"]);

    let mut world = overlapping("queue");
    assert_eq!(world.look("11:01:00", &["target:t"]).turn.queue.len(), 1);
    let tick = world.look("11:02:00", &["target:t"]);
    assert_eq!(
        left(&tick),
        ["target:t skipped-overlap its previous run is still active, and one is queued already"]
    );
    assert_eq!(
        world.runs("11:02:20", &[]),
        ["11:01:00 target:t"],
        "the queued one runs"
    );
    assert!(world.agenda.queue.is_empty());

    let mut world = overlapping("replace");
    let tick = world.look("11:01:00", &["target:t"]);
    assert!(tick.replaced.contains(&job("target:t")));
    let tick = world.look("11:02:00", &["target:t"]);
    assert_eq!(tick.turn.decisions[0].first, at("11:01:00"), "the newest replaces it");
    assert_eq!(world.runs("11:02:10", &[]), ["11:02:00 target:t"]);

    let mut world = overlapping("allow");
    assert_eq!(world.runs("11:01:00", &["target:t"; 3]), ["11:01:00 target:t"]);
    let tick = world.look("11:02:00", &["target:t"; 16]);
    assert_eq!(
        left(&tick),
        ["target:t skipped-overlap too many of its runs are active, and its previous run is still active"]
    );
}

#[test]
fn a_queued_run_starts_before_one_that_becomes_due() {
    let mut world = overlapping("queue");
    world.look("11:01:00", &["target:t"]);
    let tick = world.look("11:02:00", &[]);
    assert_eq!(runs(&tick), ["11:01:00 target:t"]);
    assert_eq!(tick.turn.queue[0].1.instant, at("11:02:00"));
    assert_eq!(world.runs("11:02:01", &[]), ["11:02:00 target:t"]);
}

#[test]
fn a_queued_run_is_dropped_with_its_schedule() {
    let mut world = overlapping("queue");
    world.look("11:01:00", &["target:t"]);
    world.timetable = timetable("target \"t\" { command \"true\"; }");
    let tick = world.look("11:01:10", &["target:t"]);
    assert_eq!(
        left(&tick),
        ["target:t dropped it was queued, and the ops file no longer schedules it"]
    );
}

#[test]
fn a_job_that_may_be_replaced_has_its_own_run() {
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
fn a_check_that_does_not_run_is_not_busy() {
    let mut world = World::new("check \"c\" { tcp \"127.0.0.1:1\"; every \"1m\"; }", "11:00:30");
    assert_eq!(world.runs("11:01:00", &["target:other"]), ["11:01:00 check:c"]);
    assert!(world.runs("11:02:00", &["check:c"]).is_empty(), "it is running");
}

#[test]
fn a_target_that_failed_too_often_backs_off_and_is_tried_once() {
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
    let tick = world.look("11:01:00", &[]);
    assert_eq!(
        left(&tick),
        [
            "target:t backed-off it failed 2 times in a row; back-off until 2026-11-25T11:02:10Z",
            "target:d backed-off target:t, which it needs, failed 2 times in a row; back-off until \
             2026-11-25T11:02:10Z"
        ]
    );
    world.look("11:02:00", &[]);
    assert_eq!(
        world.runs("11:03:00", &[]),
        ["11:03:00 target:t target:d"],
        "one attempt"
    );
    let tick = world.look("11:04:00", &["target:t"]);
    assert_eq!(
        left(&tick)[1],
        "target:d backed-off target:t, which it needs, failed; one attempt after the back-off is running"
    );
}

#[test]
fn a_paused_job_is_reported_and_not_run() {
    let mut world = World::new(
        r#"
        target "p" { command "true"; every "1m"; paused; }
        target "d" { command "true"; every "1m"; needs "target:p"; }
        "#,
        "11:00:30",
    );
    let tick = world.look("11:01:00", &[]);
    assert_eq!(
        left(&tick),
        [
            "target:p paused it is paused",
            "target:d paused it needs target:p, which is paused"
        ]
    );
}

#[test]
fn missed_instants_run_one_at_a_time() {
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
            "instants that still run are not reported"
        );
        assert_eq!(first.turn.decisions[0].count, 4);
        let busy = world.look("11:30:01", &["target:t"]);
        assert!(busy.turn.is_empty(), "the previous one is running");
        assert_eq!(world.runs("11:31:00", &[]), ["10:00:00 target:t"]);
        assert_eq!(world.runs("11:32:00", &[]), ["11:00:00 target:t"]);
        assert!(world.runs("11:33:00", &[]).is_empty());
    }
}

#[test]
fn a_new_definition_is_a_new_schedule_and_repeats_nothing() {
    let mut world = World::new("target \"t\" { command \"true\"; cron \"0 12 * * *\"; }", "11:00:00");
    assert_eq!(world.runs("12:00:00", &[]).len(), 1);
    world.timetable = timetable("target \"t\" { command \"true\"; cron \"30 11 * * *\"; }");
    assert!(
        world.runs("12:00:10", &[]).is_empty(),
        "the new definition ignores earlier instants"
    );
    // Back and forth, under a clock that was set back in between.
    world.timetable = timetable("target \"t\" { command \"true\"; }");
    world.look("11:50:00", &[]);
    world.timetable = timetable("target \"t\" { command \"true\"; cron \"0 12 * * *\"; }");
    world.look("11:51:00", &[]);
    let again = world.look("12:00:01", &[]);
    assert!(runs(&again).is_empty());
    assert_eq!(again.behind, Some(std::time::Duration::from_secs(9)));
}

/// `Europe/Berlin` as new zone data have it: so many hours ahead of UTC, always.
fn berlin(hours: i32) -> Zone {
    let header = |version: u8| {
        let mut bytes = [b"TZif".as_slice(), &[version], &[0; 15]].concat();
        for count in [0_u32, 0, 0, 0, 1, 4] {
            bytes.extend(count.to_be_bytes());
        }
        bytes.extend((hours * 3_600).to_be_bytes());
        bytes.extend(b"\0\0NEW\0");
        bytes
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("Europe")).unwrap();
    let footer = format!("\nNEW{}\n", -hours).into_bytes();
    let bytes = [header(b'2'), header(b'2'), footer].concat();
    std::fs::write(dir.path().join("Europe/Berlin"), bytes).unwrap();
    ZoneDatabase::find(Some(dir.path().as_os_str()), &[])
        .zone("Europe/Berlin")
        .unwrap()
}

#[test]
fn new_zone_data_repeat_no_instant_and_lose_none() {
    const LINES: [&str; 3] = ["30 3 * * *", "*/20 * * * *", "0 */5 * * *"];
    const STEP: TimeDelta = TimeDelta::minutes(10);
    let zones = [berlin(0), berlin(1), berlin(2)];
    for line in LINES {
        let text = format!(
            r#"
            ops version=1 {{ name "t"; timezone "Europe/Berlin"; }}
            target "t" {{ command "true"; cron "{line}"; }}
            "#
        );
        // New data come at many times of a day; those of before come back later.
        for minutes in (0..24 * 60).step_by(190) {
            let changes = [(0, 1), (24 * 60 + minutes, 0), (50 * 60, 2), (72 * 60 + minutes, 1)];
            let mut table = timetable(&text);
            let mut agenda = Agenda::default();
            let start: DateTime<Utc> = "2026-11-25T00:00:00Z".parse().unwrap();
            let mut ran = BTreeSet::new();
            let mut now = start;
            while now < start + TimeDelta::days(5) {
                let age = (now - start).num_minutes();
                let (_, hours) = changes.iter().rev().find(|(from, _)| *from <= age).unwrap();
                let schedule = &mut table.entries[0].schedule;
                let Rhythm::Cron(clock) = &mut schedule.rhythm else {
                    panic!("a cron line");
                };
                clock.zone = zones[*hours].clone();
                let new: Vec<_> = schedule.between(now - STEP, now).collect();
                let tick = tick(&table, &agenda, &ActiveJobs::default(), now);
                agenda.follow(&tick.turn);
                for run in &tick.turn.runs {
                    for occurrence in &run.occurrences {
                        assert!(
                            ran.insert(occurrence.instant),
                            "{line}: {} ran twice",
                            occurrence.instant
                        );
                    }
                }
                assert!(
                    tick.turn.decisions.is_empty(),
                    "{line} at {now}: {:?}",
                    tick.turn.decisions
                );
                for instant in new.iter().filter(|_| now > start) {
                    assert!(ran.contains(instant), "{line}: {instant} is lost at {now}, +{hours}");
                }
                now += STEP;
            }
        }
    }
}
