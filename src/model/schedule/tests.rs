//! Schedules by example: what one can check with a calendar in hand.

use super::due::due;
use super::*;
use crate::time_zone::{Zone, built_in};
use chrono::NaiveDateTime;

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn wall(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn clock(line: &str, zone: &str) -> WallClock {
    WallClock::new(Cron::parse(line).unwrap(), built_in(zone).unwrap(), None, None)
}

pub(super) fn cron(line: &str, zone: &str) -> Schedule {
    Schedule {
        name: "nightly".to_owned(),
        rhythm: Rhythm::Cron(Box::new(clock(line, zone))),
        jitter: None,
        missed: Missed::Latest {
            window: Some(hours(24)),
        },
    }
}

pub(super) fn every(period: Duration) -> Schedule {
    Schedule {
        name: "pulse".to_owned(),
        rhythm: Rhythm::Every(period),
        jitter: None,
        missed: Missed::Skip,
    }
}

pub(super) fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3_600)
}

/// The runs on the wall of the zone.
fn runs(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let zone = match &schedule.rhythm {
        Rhythm::Cron(clock) => clock.zone.clone(),
        Rhythm::Every(_) => Zone::utc(),
    };
    schedule
        .between(at(after), DateTime::<Utc>::MAX_UTC)
        .take(count)
        .map(|run| zone.local(run).format("%Y-%m-%d %a %H:%M %z").to_string())
        .collect()
}

#[test]
fn sunday_is_0_and_7_and_weeks_may_end_with_it() {
    let start = "2026-11-21T12:00:00Z";
    let sunday = runs(&cron("0 3 * * 0", "UTC"), start, 3);
    assert_eq!(sunday[0], "2026-11-22 Sun 03:00 +0000");
    assert_eq!(runs(&cron("0 3 * * 7", "UTC"), start, 3), sunday);
    assert_eq!(runs(&cron("0 3 * * sun", "UTC"), start, 3), sunday);
    let long = runs(&cron("0 3 * * 5-7", "UTC"), start, 9);
    assert_eq!(runs(&cron("0 3 * * FRI-SUN", "UTC"), start, 9), long);
    assert_eq!(runs(&cron("0 3 * * 0,5,6", "UTC"), start, 9), long);
    let working = runs(&cron("0 21 * * MON-FRI", "UTC"), start, 6);
    assert_eq!(
        working.iter().map(|run| &run[11..14]).collect::<Vec<_>>(),
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Mon"]
    );
}

#[test]
fn either_day_field_may_match_unless_one_starts_with_a_star() {
    let start = "2026-11-01T12:00:00Z";
    let either = cron("0 0 13 * FRI", "UTC");
    assert_eq!(
        runs(&either, start, 3),
        [
            "2026-11-06 Fri 00:00 +0000",
            "2026-11-13 Fri 00:00 +0000",
            "2026-11-20 Fri 00:00 +0000"
        ]
    );
    assert_eq!(runs(&either, "2026-12-11T12:00:00Z", 1), ["2026-12-13 Sun 00:00 +0000"]);
    assert!(clock("0 0 13 * FRI", "UTC").cron.both_days_restricted());
    // Every second day, if it is a Friday.
    let both = cron("0 0 */2 * FRI", "UTC");
    assert_eq!(
        runs(&both, start, 2),
        ["2026-11-13 Fri 00:00 +0000", "2026-11-27 Fri 00:00 +0000"]
    );
    assert!(!clock("0 0 */2 * FRI", "UTC").cron.both_days_restricted());
}

#[test]
fn a_date_that_never_comes_is_known_at_once() {
    for line in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 4 */2", "* * 30,31 FEB *"] {
        let schedule = cron(line, "Europe/Berlin");
        assert!(clock(line, "UTC").cron.never_fires(), "{line}");
        assert_eq!(schedule.next(at("2026-01-01T00:00:00Z")), None, "{line}");
        assert_eq!(schedule.previous(at("2026-01-01T00:00:00Z")), None, "{line}");
        assert_eq!(
            schedule.longest_gap(at("2026-01-01T00:00:00Z"), hours(9_000)),
            None,
            "{line}"
        );
    }
    let leap = cron("0 12 29 2 *", "America/New_York");
    assert_eq!(
        runs(&leap, "2026-01-01T00:00:00Z", 2),
        ["2028-02-29 Tue 12:00 -0500", "2032-02-29 Sun 12:00 -0500"]
    );
    // 2100 is not a leap year.
    assert_eq!(leap.next(at("2096-03-01T00:00:00Z")), None);
    // On 31 February never, on Mondays of February always.
    assert!(!clock("0 0 31 2 MON", "UTC").cron.never_fires());
}

#[test]
fn the_ends_of_time_are_no_trap() {
    let ends = [
        DateTime::<Utc>::MIN_UTC,
        at("-4000-01-01T00:00:00Z"),
        at("1969-12-31T23:59:59Z"),
        at("2100-12-31T23:59:59Z"),
        at("9999-12-31T23:59:59Z"),
        DateTime::<Utc>::MAX_UTC,
    ];
    let lines = ["* * * * *", "0 0 1 1 *", "0 0 30 2 *", "59 23 31 12 *", "0 0 29 2 *"];
    for zone in ["UTC", "Pacific/Apia", "Pacific/Kiritimati", "Africa/Monrovia"] {
        for schedule in lines.map(|line| cron(line, zone)) {
            for end in ends {
                assert!(schedule.next(end).is_none_or(|next| next > end));
                assert!(schedule.previous(end).is_none_or(|last| last <= end));
                for other in ends {
                    let due = due(&schedule, Some(other), end);
                    assert!(due.run.len() <= 1 && due.handled >= Some(other));
                }
                assert!(schedule.shortest_gap(end, hours(1_000)) <= schedule.longest_gap(end, hours(1_000)));
                if let Rhythm::Cron(clock) = &schedule.rhythm {
                    let changes = clock_changes(clock, end, hours(1_000));
                    assert!(changes.iter().all(|change| change.at > end && change.runs.len() <= 1));
                }
            }
        }
    }
    let minutes = cron("* * * * *", "UTC");
    assert_eq!(minutes.next(DateTime::<Utc>::MIN_UTC), Some(at("1970-01-01T00:00:00Z")));
    assert_eq!(
        minutes.previous(DateTime::<Utc>::MAX_UTC),
        Some(at("2100-12-31T23:59:00Z"))
    );
    assert_eq!(minutes.next(at("2100-12-31T23:59:00Z")), None);
    for period in [
        Duration::from_nanos(1),
        hours(1),
        hours(1_000 * 366 * 24),
        Duration::MAX,
        Duration::ZERO,
    ] {
        let schedule = every(period);
        for end in ends {
            assert!(schedule.next(end).is_none_or(|next| next > end), "{period:?} {end}");
            assert!(
                schedule.previous(end).is_none_or(|last| last <= end),
                "{period:?} {end}"
            );
            assert!(due(&schedule, Some(DateTime::<Utc>::MIN_UTC), end).run.len() <= 1);
        }
    }
}

#[test]
fn times_in_a_gap_run_right_after_it_and_repeated_ones_once() {
    // 2026-03-29 02:00 → 03:00 and 2026-10-25 03:00 → 02:00.
    let nightly = cron("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        runs(&nightly, "2026-03-28T12:00:00Z", 2),
        ["2026-03-29 Sun 03:00 +0200", "2026-03-30 Mon 02:30 +0200"]
    );
    assert_eq!(
        runs(&nightly, "2026-10-24T12:00:00Z", 2),
        ["2026-10-25 Sun 02:30 +0200", "2026-10-26 Mon 02:30 +0100"]
    );
    let mut other = clock("30 2 * * *", "Europe/Berlin");
    (other.gap, other.fold) = (GapPolicy::Skip, FoldPolicy::Both);
    let other = Schedule {
        rhythm: Rhythm::Cron(Box::new(other)),
        ..nightly.clone()
    };
    assert_eq!(runs(&other, "2026-03-28T12:00:00Z", 1), ["2026-03-30 Mon 02:30 +0200"]);
    assert_eq!(
        runs(&other, "2026-10-24T12:00:00Z", 3),
        [
            "2026-10-25 Sun 02:30 +0200",
            "2026-10-25 Sun 02:30 +0100",
            "2026-10-26 Mon 02:30 +0100"
        ]
    );
    // What follows real minutes skips nothing and runs through both hours.
    let half_hours = cron("*/30 2 * * *", "Europe/Berlin");
    assert_eq!(
        runs(&half_hours, "2026-03-28T12:00:00Z", 1),
        ["2026-03-30 Mon 02:00 +0200"]
    );
    assert_eq!(
        runs(&half_hours, "2026-10-24T12:00:00Z", 4).last().unwrap(),
        "2026-10-25 Sun 02:30 +0100"
    );
    // But `dst` is honoured, also where the minute or the hour begins with a star.
    let explicit = |line| Schedule {
        rhythm: Rhythm::Cron(Box::new(WallClock {
            gap: GapPolicy::RunAfter,
            fold: FoldPolicy::First,
            ..clock(line, "Europe/Berlin")
        })),
        ..nightly.clone()
    };
    for (line, after) in [
        ("*/30 2 * * *", "2026-03-30 Mon 02:00 +0200"),
        ("* 2 * * *", "2026-03-30 Mon 02:00 +0200"),
        ("0 */2 * * *", "2026-03-29 Sun 04:00 +0200"),
        ("15 * * * *", "2026-03-29 Sun 03:15 +0200"),
    ] {
        let found = runs(&explicit(line), "2026-03-29T00:59:00Z", 2);
        assert_eq!(found, ["2026-03-29 Sun 03:00 +0200", after], "{line}");
    }
    let once = runs(&explicit("*/30 2 * * *"), "2026-10-24T12:00:00Z", 3);
    assert_eq!(once.last().unwrap(), "2026-10-26 Mon 02:00 +0100");
    // Two times in one gap, and one right behind it, are one run.
    let dense = cron("0,30 2,3 * * *", "Europe/Berlin");
    assert_eq!(
        runs(&dense, "2026-03-29T00:00:00Z", 2),
        ["2026-03-29 Sun 03:00 +0200", "2026-03-29 Sun 03:30 +0200"]
    );
    // A day that never was.
    let apia = cron("0 9 * * *", "Pacific/Apia");
    assert_eq!(
        runs(&apia, "2011-12-29T12:00:00Z", 3),
        [
            "2011-12-29 Thu 09:00 -1000",
            "2011-12-31 Sat 00:00 +1400",
            "2011-12-31 Sat 09:00 +1400"
        ]
    );
    // A midnight that never was: 2018-11-04 00:00 → 01:00.
    assert_eq!(
        runs(&cron("0 0 * * *", "America/Sao_Paulo"), "2018-11-03T12:00:00Z", 2),
        ["2018-11-04 Sun 01:00 -0200", "2018-11-05 Mon 00:00 -0200"]
    );
}

#[test]
fn coming_changes_are_foretold() {
    let year = hours(366 * 24);
    let from = at("2026-01-01T00:00:00Z");
    let both = clock("30 2 * * *", "Europe/Berlin");
    let spring = ClockChange {
        at: at("2026-03-29T01:00:00Z"),
        wall: wall("2026-03-29T02:30:00"),
        kind: ChangeKind::Gap,
        runs: vec![at("2026-03-29T01:00:00Z")],
    };
    let autumn = ClockChange {
        at: at("2026-10-25T01:00:00Z"),
        wall: wall("2026-10-25T02:30:00"),
        kind: ChangeKind::Fold,
        runs: vec![at("2026-10-25T00:30:00Z")],
    };
    assert_eq!(clock_changes(&both, from, year), [spring.clone(), autumn.clone()]);
    let other = WallClock {
        gap: GapPolicy::Skip,
        fold: FoldPolicy::Both,
        ..both
    };
    assert_eq!(
        clock_changes(&other, from, year),
        [
            ClockChange { runs: vec![], ..spring },
            ClockChange {
                runs: vec![at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z")],
                ..autumn
            },
        ]
    );
    // A time that no change touches, one that follows real minutes, a zone that rests.
    for (line, zone) in [
        ("0 12 * * *", "Europe/Berlin"),
        ("30 * * * *", "Europe/Berlin"),
        ("30 2 * * *", "Asia/Seoul"),
        ("30 2 * * MON", "Europe/Berlin"),
    ] {
        assert_eq!(clock_changes(&clock(line, zone), from, year), [], "{line}");
    }
    // Hours that are named may be without a run, whatever the minutes are.
    let half_hours = clock("*/30 2 * * *", "Europe/Berlin");
    let skipped = |change: &ClockChange| (change.wall, change.runs.len());
    let found: Vec<_> = clock_changes(&half_hours, from, year).iter().map(skipped).collect();
    let expected = [
        ("2026-03-29T02:00:00", 0),
        ("2026-03-29T02:30:00", 0),
        ("2026-10-25T02:00:00", 2),
        ("2026-10-25T02:30:00", 2),
    ];
    assert_eq!(found, expected.map(|(at, runs)| (wall(at), runs)));
    // Half an hour: 02:00 → 02:30, and back.
    let lord_howe = clock_changes(&clock("15,45 1,2 * * *", "Australia/Lord_Howe"), from, year);
    let walls: Vec<_> = lord_howe.iter().map(|change| (change.kind, change.wall)).collect();
    assert_eq!(
        walls,
        [
            (ChangeKind::Fold, wall("2026-04-05T01:45:00")),
            (ChangeKind::Gap, wall("2026-10-04T02:15:00"))
        ]
    );
}

#[test]
fn gaps_know_weekends_and_changes_of_clocks() {
    let (from, year) = (at("2026-01-01T00:00:00Z"), hours(365 * 24));
    let gaps = |line, zone| {
        let schedule = cron(line, zone);
        let gap = |gap: Option<Duration>| gap.unwrap().as_secs() / 60;
        (
            gap(schedule.shortest_gap(from, year)),
            gap(schedule.longest_gap(from, year)),
        )
    };
    assert_eq!(gaps("0 3 * * *", "UTC"), (1440, 1440));
    assert_eq!(gaps("0 12 * * *", "Europe/Berlin"), (1440 - 60, 1440 + 60));
    assert_eq!(gaps("* * * * *", "Europe/Berlin"), (1, 1));
    assert_eq!(gaps("*/7 * * * *", "UTC"), (4, 7));
    assert_eq!(gaps("* 9-16 * * MON-FRI", "UTC"), (1, 64 * 60 + 1));
    assert_eq!(gaps("0 0 1 * *", "UTC"), (28 * 1440, 31 * 1440));
    // One run a year: the gap reaches beyond the horizon.
    assert_eq!(gaps("0 0 1 7 *", "UTC"), (365 * 1440, 365 * 1440));
    let leap = cron("0 0 29 2 *", "UTC");
    assert_eq!(leap.longest_gap(from, year), Some(hours(1461 * 24)));
    assert_eq!(every(hours(5)).shortest_gap(from, year), Some(hours(5)));
}

#[test]
fn elapsed_time_counts_from_the_epoch() {
    let hourly = every(hours(5));
    assert_eq!(
        hourly.next(at("1970-01-01T00:00:00Z")),
        Some(at("1970-01-01T05:00:00Z"))
    );
    assert_eq!(
        hourly.next(at("1970-01-01T04:59:59.999999999Z")),
        Some(at("1970-01-01T05:00:00Z"))
    );
    assert_eq!(
        hourly.previous(at("1970-01-01T05:00:00Z")),
        Some(at("1970-01-01T05:00:00Z"))
    );
    assert_eq!(
        hourly.next(at("1969-12-31T23:00:00Z")),
        Some(at("1970-01-01T00:00:00Z"))
    );
    let quick = every(Duration::from_millis(1500));
    assert_eq!(
        quick.next(at("2026-01-01T00:00:00Z")),
        Some(at("2026-01-01T00:00:01.500Z"))
    );
}

#[test]
fn jitter_is_a_fixed_part() {
    let with = |name: &str, jitter| Schedule {
        name: name.to_owned(),
        jitter: Some(jitter),
        ..every(hours(1))
    };
    let two = Duration::from_secs(120);
    assert_eq!(every(hours(1)).jitter_of("observer"), Duration::ZERO);
    assert_eq!(with("a", Duration::ZERO).jitter_of("observer"), Duration::ZERO);
    // Plans show it, and it must not change with the version.
    assert_eq!(with("nightly", two).jitter_of("observer"), Duration::from_secs(51));
    assert_ne!(
        with("nightly", two).jitter_of("observer"),
        with("nightly", two).jitter_of("other")
    );
    // Different names give different parts.
    assert_ne!(with("bc", hours(9)).jitter_of("a"), with("c", hours(9)).jitter_of("ab"));
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..2_000 {
        let delay = with(&format!("job-{n}"), two).jitter_of("observer");
        assert!(delay < two && delay.subsec_nanos() == 0);
        seen.insert(delay);
        assert!(with(&n.to_string(), Duration::from_millis(3)).jitter_of("x") < Duration::from_millis(3));
    }
    assert_eq!(seen.len(), 120, "every second is hit");
}
