//! Schedules under a clock that steps, stands, and runs a hundredfold, against what should run on the true time line.
//!
//! The daemon is played: it looks when it would, sees a wall clock that is wrong at times, and remembers what it decided. The
//! oracle knows the true time, and nothing but the periods of the schedules.

use chrono::{DateTime, TimeDelta, Utc};
use opsrun::clock::ClockReading;
use opsrun::config;
use opsrun::daemon::clock::{ClockView, SinceLook, clock_steps};
use opsrun::daemon::tick::{ActiveJobs, tick};
use opsrun::daemon::timetable::Timetable;
use opsrun::store::schedules::Agenda;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// Names, declarations, and periods in seconds.
const SCHEDULES: [(&str, &str, i64); 6] = [
    ("pulse", r#"every "17s""#, 17),
    ("tens", r#"every "10m"; missed "all" max=5"#, 600),
    ("fives", r#"cron "*/5 * * * *""#, 300),
    ("hourly", r#"cron "20 * * * *"; missed "latest""#, 3_600),
    ("late", r#"every "30m"; jitter "4m""#, 1_800),
    ("daily", r#"cron "30 2 * * *"; missed "all" max=3"#, 86_400),
];

/// The daemon looks at least so often; here more rarely than in reality, for speed.
const LOOK: i64 = 20;
/// What is tolerated in any case.
const MINUTE: i64 = 60;

#[derive(Debug, Clone, Copy)]
enum Clock {
    Right,
    /// Wrong by so many seconds.
    Off(i64),
    Stands,
    Hundredfold,
    /// opsrun does not run; after that it begins, with a clock that is right.
    Down,
}

fn clock() -> impl Strategy<Value = Clock> {
    // From seconds to decades, about as many of each size.
    let size = (0_f64..21.0).prop_map(|power| power.exp2().mul_add(1.0, 1_000.0 / power.exp2()) as i64);
    let off = (size, any::<bool>()).prop_map(|(size, ahead)| Clock::Off(if ahead { size } else { -size }));
    let years =
        (1_i64..40, any::<bool>()).prop_map(|(n, ahead)| Clock::Off(n * 31_536_000 * if ahead { 1 } else { -1 }));
    prop_oneof![5 => off, 2 => years, 1 => Just(Clock::Stands), 1 => Just(Clock::Hundredfold), 2 => Just(Clock::Down)]
}

/// A wrong clock for so many seconds, and then a right one.
fn phases() -> impl Strategy<Value = Vec<(Clock, i64)>> {
    let long = || (2_f64..13.0).prop_map(|power| power.exp2() as i64);
    let wrong = (clock(), long(), long()).prop_map(|(clock, wrong, right)| {
        // A machine needs its time to start.
        let wrong = match clock {
            Clock::Down => wrong.max(2 * MINUTE),
            Clock::Hundredfold => wrong.min(2 * MINUTE),
            _ => wrong,
        };
        [(clock, wrong), (Clock::Right, right)]
    });
    let begin = long().prop_map(|right| (Clock::Right, right));
    (begin, prop::collection::vec(wrong, 1..5)).prop_map(|(begin, wrong)| {
        let mut phases = vec![begin];
        phases.extend(wrong.into_iter().flatten());
        phases
    })
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn timetable() -> Timetable {
    let jobs = SCHEDULES.map(|(name, rule, _)| {
        format!("schedule \"{name}\" {{ {rule}; }}\ntarget \"{name}\" {{ command \"true\"; schedule \"{name}\"; }}\n")
    });
    let loaded = config::load_text(Path::new("/srv/ops.kdl"), jobs.concat().into_bytes());
    assert!(loaded.model.is_some(), "{}", loaded.render(false, 100));
    Timetable::new(&loaded.model.unwrap())
}

/// A run of a schedule.
#[derive(Debug, Clone, Copy)]
struct Begun {
    instant: DateTime<Utc>,
    /// On the true time line.
    at: DateTime<Utc>,
    /// The clock was right.
    right: bool,
}

struct World {
    timetable: Timetable,
    agenda: Agenda,
    runs: BTreeMap<String, Vec<Begun>>,
    claims: BTreeMap<String, BTreeSet<DateTime<Utc>>>,
    claimed: BTreeSet<(String, DateTime<Utc>, u32)>,
    /// What the last look saw: none before the first one of a process.
    last: Option<ClockReading>,
}

impl World {
    fn reading(at: DateTime<Utc>, wall: DateTime<Utc>) -> ClockReading {
        let up = Duration::from_secs(u64::try_from(at.timestamp()).unwrap());
        let up = up + Duration::from_nanos(u64::from(at.timestamp_subsec_nanos()));
        ClockReading { wall, awake: up, up }
    }

    /// One look; gives when the daemon wants the next one, by its clock.
    fn look(&mut self, at: DateTime<Utc>, wall: DateTime<Utc>, right: bool) -> Option<DateTime<Utc>> {
        let reading = Self::reading(at, wall);
        let steps = self.last.map(|last| clock_steps(&last, &reading));
        self.last = Some(reading);
        let view = ClockView::new(&reading, steps.as_deref());
        self.agenda.ran.clear();
        if view.since != SinceLook::Steady {
            for (schedule, instants) in &self.claims {
                let newest = instants.range(..=wall).next_back();
                let newest = newest.filter(|newest| **newest > self.agenda.schedules[schedule].handled);
                let newest = newest.map(|newest| (schedule.clone(), *newest));
                self.agenda.ran.extend(newest);
            }
        }
        let tick = tick(&self.timetable, &self.agenda, &ActiveJobs::default(), view);
        self.agenda.follow(&tick.turn);
        for run in &tick.turn.runs {
            for occurrence in &run.occurrences {
                let (schedule, instant) = (occurrence.schedule.clone(), occurrence.instant);
                let era = self.agenda.schedules[&schedule].era;
                assert!(
                    self.claimed.insert((schedule.clone(), instant, era)),
                    "{schedule} at {instant} is claimed twice in era {era}"
                );
                self.claims.entry(schedule.clone()).or_default().insert(instant);
                self.runs
                    .entry(schedule)
                    .or_default()
                    .push(Begun { instant, at, right });
            }
        }
        tick.wake
    }
}

fn check(phases: &[(Clock, i64)]) {
    let mut world = World {
        timetable: timetable(),
        agenda: Agenda::default(),
        runs: BTreeMap::new(),
        claims: BTreeMap::new(),
        claimed: BTreeSet::new(),
        last: None,
    };
    let begin = time(1_796_000_000);
    let mut at = begin;
    let mut spans = Vec::new();
    for (clock, seconds) in phases {
        let end = at + TimeDelta::seconds(*seconds);
        if matches!(clock, Clock::Right) {
            spans.push((at, end));
        }
        if matches!(clock, Clock::Down) {
            world.last = None;
            at = end;
            continue;
        }
        let (start, right) = (at, matches!(clock, Clock::Right));
        while at < end {
            let wall = match clock {
                Clock::Right | Clock::Down => at,
                Clock::Off(by) => at + TimeDelta::seconds(*by),
                Clock::Stands => start,
                Clock::Hundredfold => start + (at - start) * 100,
            };
            let wake = world.look(at, wall, right).map_or(TimeDelta::MAX, |wake| wake - wall);
            let pause = match clock {
                Clock::Hundredfold => wake / 100,
                _ => wake,
            };
            at += pause.clamp(TimeDelta::milliseconds(1), TimeDelta::seconds(LOOK));
        }
        at = end;
    }
    for entry in &world.timetable.entries {
        let name = &entry.schedule.name;
        let period = SCHEDULES.iter().find(|(of, ..)| of == name).unwrap().2;
        let jitter = TimeDelta::from_std(entry.jitter).unwrap();
        let runs = world.runs.get(name).cloned().unwrap_or_default();
        let mut seen = BTreeSet::new();
        for run in runs.iter().filter(|run| run.right) {
            assert!(
                seen.insert(run.instant),
                "{name} ran twice for {}: {runs:#?}",
                run.instant
            );
            assert!(run.at >= run.instant + jitter, "{name} ran too early: {run:?}");
        }
        for (from, to) in &spans {
            // What is not run because the clock may be a little behind, or has not been looked at yet.
            let after = *from + TimeDelta::seconds(period.max(MINUTE) + LOOK);
            let first = (after.timestamp().div_euclid(period) + 1) * period;
            let offset = match name.as_str() {
                "hourly" => 20 * 60,
                "daily" => 2 * 3_600 + 30 * 60,
                _ => 0,
            };
            for instant in (first..).step_by(usize::try_from(period).unwrap()) {
                let instant = time(instant + offset);
                if instant + jitter >= *to {
                    break;
                }
                let late = instant + jitter + TimeDelta::seconds(1);
                let on_time = |run: &&Begun| run.right && run.instant == instant && run.at < late;
                assert_eq!(
                    runs.iter().filter(on_time).count(),
                    1,
                    "{name} lost {instant}; the clock is right from {from} to {to}: {runs:#?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_is_lost_or_run_twice_once_the_clock_is_right(phases in phases()) {
        check(&phases);
    }
}

#[test]
fn known_faults_of_clocks() {
    let (right, hour) = ((Clock::Right, 4 * 3_600), 3_600);
    let cases: [&[(Clock, i64)]; 8] = [
        &[
            (Clock::Right, 4),
            (Clock::Down, 120),
            (Clock::Right, 4),
            (Clock::Off(-31_536_000), 4),
            (Clock::Right, 4),
        ],
        // A moment ten years ahead; in 1970; standing; a hundredfold.
        &[right, (Clock::Off(315_360_000), 30), right],
        &[right, (Clock::Off(-1_796_000_000), 600), right],
        &[right, (Clock::Stands, 2 * hour), right],
        &[right, (Clock::Hundredfold, 120), right],
        // A clock that runs on local time until it is corrected, again and again.
        &[
            right,
            (Clock::Down, hour),
            (Clock::Off(2 * hour), 90),
            right,
            (Clock::Down, hour),
            (Clock::Off(2 * hour), 90),
            right,
        ],
        // Back to just before the last run, and forward again just after it.
        &[(Clock::Right, 1_605), (Clock::Off(-3_610), 25), right],
        // What ran by a clock that was ahead comes again after the machine was off.
        &[
            right,
            (Clock::Off(hour), 600),
            (Clock::Right, 60),
            (Clock::Down, 2 * hour),
            right,
        ],
    ];
    for phases in cases {
        check(phases);
    }
}
