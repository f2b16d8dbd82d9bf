//! Schedules against oracles that share no code with them.
//!
//! The first oracle walks real minutes, one by one, with the wall clock of the zone in its hand, and reads the fields of
//! the line itself. The second walks dates and asks the zone for every time of the day: less close, but it goes far.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has failed")]

use chrono::{DateTime, Datelike, Days, Duration, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use opsrun::model::schedule::due::{Due, SkipReason, due};
use opsrun::model::schedule::{Cron, Fold, Gap, Missed, Rhythm, Schedule, WallClock};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Half-hour and quarter-hour shifts, missing midnights, the southern hemisphere, shifts of two and three hours, days
/// that never were, summer times that are winter times, one zone that rests.
const ZONES: [Tz; 19] = [
    Tz::Australia__Lord_Howe,
    Tz::America__Sao_Paulo,
    Tz::Africa__Cairo,
    Tz::Asia__Beirut,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Asia__Seoul,
    Tz::Asia__Kathmandu,
    Tz::Africa__Casablanca,
    Tz::Pacific__Apia,
    Tz::Pacific__Kwajalein,
    Tz::Pacific__Chatham,
    Tz::America__Havana,
    Tz::America__Caracas,
    Tz::Asia__Gaza,
    Tz::Antarctica__Troll,
    Tz::Antarctica__Casey,
    Tz::Europe__Dublin,
    Tz::UTC,
];

/// The instants, to the minute, at which the clocks of the zone change, from 1975 to 2040.
static CHANGES: LazyLock<Vec<Vec<DateTime<Utc>>>> = LazyLock::new(|| {
    let wall = |zone: Tz, at: DateTime<Utc>| at.with_timezone(&zone).naive_local() - at.naive_utc();
    let of = |zone: &Tz| {
        let mut found = Vec::new();
        let mut at = instant("1975-01-01T00:00:00Z");
        while at.year() < 2040 {
            let later = at + Duration::hours(8);
            if wall(*zone, at) != wall(*zone, later) {
                let mut change = at;
                while wall(*zone, change) == wall(*zone, at) {
                    change += Duration::minutes(1);
                }
                found.push(change);
            }
            at = later;
        }
        found
    };
    ZONES.iter().map(of).collect()
});

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A line, as sets that were read from its text.
struct Line {
    minutes: Vec<bool>,
    hours: Vec<bool>,
    days: Vec<bool>,
    months: Vec<bool>,
    weekdays: Vec<bool>,
    either_day: bool,
    fixed: bool,
}

impl Line {
    fn read(text: &str) -> Self {
        const MONTHS: [&str; 12] = [
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ];
        const WEEK: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        let fields: Vec<String> = text.split(' ').map(str::to_lowercase).collect();
        let number = |text: &str| -> usize {
            let month = MONTHS.iter().position(|name| *name == text).map(|at| at + 1);
            let weekday = WEEK.iter().position(|name| *name == text);
            month.or(weekday).unwrap_or_else(|| text.parse().unwrap())
        };
        let set = |field: usize, low: usize, high: usize| -> Vec<bool> {
            let mut set = vec![false; high + 2];
            for item in fields[field].split(',') {
                let (range, step) = item.split_once('/').unwrap_or((item, "1"));
                let (first, last) = match range.split_once('-') {
                    Some((first, last)) => (number(first), number(last)),
                    None if range == "*" => (low, high),
                    None => (number(range), number(range)),
                };
                let mut value = first;
                while value <= last {
                    set[value] = true;
                    value += number(step);
                }
            }
            set
        };
        // `*` ends with Saturday: 7 is only one more name of Sunday.
        let mut weekdays = set(4, 0, 6);
        weekdays[0] |= weekdays[7];
        let starred = |field: usize| fields[field].starts_with('*');
        Self {
            minutes: set(0, 0, 59),
            hours: set(1, 0, 23),
            days: set(2, 1, 31),
            months: set(3, 1, 12),
            weekdays,
            either_day: !starred(2) && !starred(4),
            fixed: !starred(0) && !starred(1),
        }
    }

    fn on(&self, date: NaiveDate) -> bool {
        let day = self.days[date.day() as usize];
        let weekday = self.weekdays[date.weekday().num_days_from_sunday() as usize];
        let either = if self.either_day {
            day || weekday
        } else {
            day && weekday
        };
        self.months[date.month() as usize] && either
    }

    fn matches(&self, wall: NaiveDateTime) -> bool {
        self.minutes[wall.minute() as usize] && self.hours[wall.hour() as usize] && self.on(wall.date())
    }
}

/// Every run from `from` to `until`, both whole minutes and included, by walking there from two days before.
fn walk(line: &Line, clock: &WallClock, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let minute = Duration::minutes(1);
    let wall = |at: DateTime<Utc>| at.with_timezone(&clock.zone).naive_local();
    let mut at = from - Duration::days(2);
    let mut before = wall(at - minute);
    let mut furthest = before;
    let mut found = Vec::new();
    while at <= until {
        let now = wall(at);
        let mut runs = line.matches(now);
        if line.fixed {
            // Seen on this wall already.
            runs &= clock.fold == Fold::Both || now > furthest;
            // Never seen on this wall.
            let mut leapt = before + minute;
            while clock.gap == Gap::RunAfter && leapt < now {
                runs |= line.matches(leapt);
                leapt += minute;
            }
        }
        if runs && at >= from {
            found.push(at);
        }
        before = now;
        furthest = furthest.max(now);
        at += minute;
    }
    found
}

/// Every run of the dates from `first` to `last`, by asking the zone about every time of the day.
fn ask(line: &Line, clock: &WallClock, first: NaiveDate, last: NaiveDate) -> BTreeSet<DateTime<Utc>> {
    let mut found = BTreeSet::new();
    for date in first
        .iter_days()
        .take_while(|date| *date <= last)
        .filter(|date| line.on(*date))
    {
        for (hour, minute) in (0..24).flat_map(|hour| (0..60).map(move |minute| (hour, minute))) {
            if !line.hours[hour as usize] || !line.minutes[minute as usize] {
                continue;
            }
            let wall = date.and_hms_opt(hour, minute, 0).unwrap();
            match clock.zone.from_local_datetime(&wall) {
                LocalResult::Single(at) => {
                    found.insert(at.to_utc());
                }
                LocalResult::Ambiguous(one, two) => {
                    found.insert(one.min(two).to_utc());
                    if !line.fixed || clock.fold == Fold::Both {
                        found.insert(one.max(two).to_utc());
                    }
                }
                LocalResult::None if line.fixed && clock.gap == Gap::RunAfter => {
                    let mut after = wall;
                    while clock.zone.from_local_datetime(&after).earliest().is_none() {
                        after += Duration::seconds(30);
                    }
                    found.insert(clock.zone.from_local_datetime(&after).earliest().unwrap().to_utc());
                }
                LocalResult::None => {}
            }
        }
    }
    found
}

fn schedule(line: &str, zone: Tz, gap: Gap, fold: Fold) -> Schedule {
    Schedule {
        name: "nightly".to_owned(),
        rhythm: Rhythm::Cron(Box::new(WallClock {
            cron: Cron::parse(line).unwrap_or_else(|errors| panic!("{line}: {errors:?}")),
            zone,
            gap,
            fold,
            dst_given: true,
        })),
        jitter: None,
        missed: Missed::Skip,
    }
}

fn clock(schedule: &Schedule) -> &WallClock {
    match &schedule.rhythm {
        Rhythm::Cron(clock) => clock,
        Rhythm::Every(_) => panic!("no cron line"),
    }
}

/// A field of a line: values near `often` come often.
fn field(low: u32, high: u32, often: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = String> {
    let value = prop_oneof![2 => often, 1 => low..=high].boxed();
    let range = (value.clone(), value.clone()).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let item = prop_oneof![
        4 => value.prop_map(|n| n.to_string()),
        2 => range.clone().prop_map(|(a, b)| format!("{a}-{b}")),
        1 => (range, 1..=7_u32).prop_map(|(a, b, )| (a, b)).prop_map(|((a, b), step)| format!("{a}-{b}/{step}")),
        1 => (1..=high.min(20)).prop_map(|step| format!("*/{step}")),
    ];
    prop_oneof![
        2 => Just("*".to_owned()),
        5 => prop::collection::vec(item, 1..4).prop_map(|items| items.join(",")),
    ]
}

/// Days and months that come often enough to be met within days.
fn days() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just("* * *".to_owned()),
        1 => (field(1, 31, 1..=31), field(0, 7, 0..=7)).prop_map(|(day, weekday)| format!("{day} * {weekday}")),
        1 => field(0, 7, 0..=7).prop_map(|weekday| format!("* * {weekday}")),
        1 => field(1, 31, 1..=31).prop_map(|day| format!("{day} * *")),
        1 => field(1, 12, 3..=11).prop_map(|month| format!("* {month} *")),
        1 => (field(1, 31, 25..=31), field(1, 12, 3..=11), field(0, 7, 0..=7))
            .prop_map(|(day, month, weekday)| format!("{day} {month} {weekday}")),
        1 => Just("* * Mon-fri".to_owned()),
        1 => Just("* mar,apr,OCT,nov sat,sun,7".to_owned()),
        1 => Just("*/2 * 1-5".to_owned()),
    ]
}

fn line() -> impl Strategy<Value = String> {
    (field(0, 59, 0..=59), field(0, 23, 0..=4), days())
        .prop_map(|(minute, hour, days)| format!("{minute} {hour} {days}"))
}

fn policies() -> impl Strategy<Value = (Gap, Fold)> {
    (
        prop_oneof![3 => Just(Gap::RunAfter), 1 => Just(Gap::Skip)],
        prop_oneof![3 => Just(Fold::First), 1 => Just(Fold::Both)],
    )
}

/// A zone, and a time within hours of a change of its clocks.
fn near_a_change() -> impl Strategy<Value = (Tz, DateTime<Utc>)> {
    (0..ZONES.len(), any::<prop::sample::Index>(), -2_000_i64..1_000).prop_map(|(zone, which, minutes)| {
        let changes = &CHANGES[zone];
        let change = if changes.is_empty() {
            instant("2024-02-29T00:00:00Z")
        } else {
            changes[which.index(changes.len())]
        };
        (ZONES[zone], change + Duration::minutes(minutes))
    })
}

#[test]
fn every_zone_has_its_changes() {
    for (zone, changes) in ZONES.iter().zip(CHANGES.iter()) {
        assert_eq!(changes.is_empty(), *zone == Tz::UTC, "{zone}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing lost, nothing doubled, nothing out of order; and it does not matter from where one asks.
    #[test]
    fn the_runs_are_those_of_a_walk(
        text in line(),
        (zone, start) in near_a_change(),
        (gap, fold) in policies(),
        asked in prop::collection::vec((any::<prop::sample::Index>(), 0_i64..60_000_000_000), 8),
    ) {
        let schedule = schedule(&text, zone, gap, fold);
        let read = Line::read(&text);
        let end = start + Duration::minutes(2_000);
        let minute = Duration::minutes(1);
        let expected = walk(&read, clock(&schedule), start, end);
        let found: Vec<_> = schedule.between(start - minute, end).collect();
        prop_assert_eq!(&found, &expected, "{} {}", text, zone);

        // Backwards, the same.
        let mut back = Vec::new();
        let mut at = schedule.previous(end);
        while let Some(run) = at.filter(|run| *run >= start) {
            back.push(run);
            at = schedule.previous(run - Duration::nanoseconds(1));
        }
        back.reverse();
        prop_assert_eq!(&back, &expected, "backwards: {} {}", text, zone);

        // From anywhere within: the next one, and the one before.
        let minutes: Vec<_> = (0..2_000).map(|n| start + Duration::minutes(n)).collect();
        for (which, nanos) in asked {
            let from = *which.get(&minutes) + Duration::nanoseconds(nanos);
            let next = expected.iter().copied().find(|run| *run > from);
            let found = schedule.next(from);
            prop_assert!(found.is_none_or(|run| run > from));
            prop_assert_eq!(found.filter(|run| *run <= end), next, "next({}): {} {}", from, text, zone);
            let last = expected.iter().copied().rfind(|run| *run <= from);
            let found = schedule.previous(from);
            prop_assert_eq!(found.filter(|run| *run >= start), last, "previous({}): {} {}", from, text, zone);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Rare lines over years.
    #[test]
    fn rare_runs_are_those_of_the_calendar(
        hour in field(0, 23, 0..=4).prop_filter("few", |hour| !hour.contains(['*', '-'])),
        minute in 0..60_u32,
        day in field(1, 31, 28..=31),
        month in field(1, 12, 2..=4),
        weekday in field(0, 7, 0..=7),
        zone in prop::sample::select(&ZONES[..]),
        (gap, fold) in policies(),
        year in 1975..2095_i32,
    ) {
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        let schedule = schedule(&text, zone, gap, fold);
        let read = Line::read(&text);
        let start = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        let end = NaiveDate::from_ymd_opt(year + 5, 12, 31).unwrap();
        let expected = ask(&read, clock(&schedule), start, end);
        // The edges belong to neither.
        let edge = |date: NaiveDate, days| (date + Days::new(days)).and_hms_opt(0, 0, 0).unwrap().and_utc();
        let (from, until) = (edge(start, 2), edge(end, 0) - Duration::days(2));
        let found: Vec<_> = schedule.between(from, until).collect();
        let expected: Vec<_> = expected.into_iter().filter(|run| *run > from && *run <= until).collect();
        prop_assert_eq!(&found, &expected, "{} {}", text, zone);
        for two in expected.windows(2) {
            prop_assert_eq!(schedule.previous(two[1] - Duration::seconds(1)), Some(two[0]));
        }

        // The gaps are those between the runs.
        if let [first, .., _] = expected.as_slice() {
            let gaps = || expected.windows(2).map(|two| (two[1] - two[0]).to_std().unwrap());
            let before = *first - Duration::seconds(1);
            let last = expected[expected.len() - 2];
            let horizon = (last - before).to_std().unwrap();
            prop_assert_eq!(schedule.shortest_gap(before, horizon), gaps().min(), "{} {}", text, zone);
            prop_assert_eq!(schedule.longest_gap(before, horizon), gaps().max(), "{} {}", text, zone);
        }
    }

    /// The gaps of frequent lines, over changes of clocks.
    #[test]
    fn gaps_are_those_of_a_walk(text in line(), (zone, start) in near_a_change(), (gap, fold) in policies()) {
        let schedule = schedule(&text, zone, gap, fold);
        let runs: Vec<_> = schedule.between(start, start + Duration::days(9)).take(3_000).collect();
        if let [first, .., _, _] = runs.as_slice() {
            let gaps = || runs.windows(2).map(|two| (two[1] - two[0]).to_std().unwrap());
            let before = *first - Duration::seconds(1);
            // Gaps count that begin within the horizon.
            let horizon = (runs[runs.len() - 2] - before).to_std().unwrap();
            prop_assert_eq!(schedule.shortest_gap(before, horizon), gaps().min(), "{} {}", text, zone);
            prop_assert_eq!(schedule.longest_gap(before, horizon), gaps().max(), "{} {}", text, zone);
        }
    }
}

/// What is wrong with these lines, and what to write.
const WRONG: [&str; 52] = [
    "",
    "   ",
    "@daily",
    "@every 90s",
    "@reboot",
    "@fortnightly",
    "30 3",
    "30 3 * *",
    "0 30 3 * * *",
    "*/10 * * * * *",
    "0 0 1 1 * 2027",
    "0 0 3 * * MON 2027",
    "0 3 * * * /usr/bin/backup --all",
    "0 3 * * * * * *",
    "*5 * * * *",
    "60 3 * * *",
    "0 24 * * *",
    "0 25 * * *",
    "0 3 0 * *",
    "0 3 32 * *",
    "0 3 * 13 *",
    "0 3 * * 8",
    "5-1 * * * *",
    "0 22-2 * * *",
    "0 3 * * SAT-MON",
    "0 22-2/2 * * *",
    "10-60 * * * *",
    "*/0 * * * *",
    "*/ * * * *",
    "*/x * * * *",
    "*/90 * * * *",
    "0 */36 * * *",
    "0 3 */40 * *",
    "5/15 * * * *",
    "0 3 L * *",
    "0 3 * * 5L",
    "0 3 15W * *",
    "0 3 * * MON#2",
    "0 3 ? * *",
    "H 3 * * *",
    ",5 * * * *",
    "5, * * * *",
    "5,,6 * * * *",
    "*,5 * * * *",
    "-5 * * * *",
    "5- * * * *",
    "+5 * * * *",
    "1-2-3 * * * *",
    "0 3 * * Monday",
    "0 JAN * * *",
    "60 24 ? 0 Sunday",
    "٣ 3 * * mån",
];

#[test]
fn wrong_lines_are_told_what_to_write() {
    use std::fmt::Write as _;
    let mut shown = String::new();
    for line in WRONG {
        let errors = Cron::parse(line).expect_err(line);
        let _ = writeln!(shown, "cron \"{line}\"");
        for error in errors {
            let before = line[..error.start].chars().count();
            let marked = line[error.start..error.end].chars().count().max(1);
            let _ = writeln!(
                shown,
                "      {}{} {}",
                " ".repeat(before),
                "^".repeat(marked),
                error.label
            );
            let _ = writeln!(shown, "  {}\n  help: {}", error.message, error.help);
        }
        shown.push('\n');
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn steps_say_what_they_really_do() {
    let mut shown = Vec::new();
    for line in [
        "*/7 * * * *",
        "*/11 */5 * * *",
        "0-59/8 * * * *",
        "0 3 */2 * *",
        "0 3 * */5 *",
        "0 3 * * */2",
        "0 3 * * 1-7/3",
        "10-12/5 * * * *",
        "0 3 1 1 9,*/25",
    ] {
        for (place, what) in Cron::parse(line).map(|cron| cron.uneven_steps()).unwrap_or_default() {
            shown.push(format!("{line}: `{}`: {what}", &line[place]));
        }
    }
    insta::assert_snapshot!(shown.join("\n"));
    for line in [
        "*/15 */6 * */3 *",
        "1-50/10 9-17/2 1-21/10 * 1-5/2",
        "9-9 * * * *",
        "*/60 */24 */31 */12 */7",
        "*/1 * * * *",
    ] {
        assert_eq!(Cron::parse(line).unwrap().uneven_steps(), [], "{line}");
    }
}

#[test]
fn a_line_reads_back() {
    let cron = Cron::parse(" 0,30\t9-17  * * Mon-FRI ").unwrap();
    assert_eq!(cron.to_string(), "0,30 9-17 * * Mon-FRI");
    assert_eq!(Cron::parse(&cron.to_string()).unwrap(), cron);
}

/// Decides as the policy says, by looking at every instant.
fn decided(
    schedule: &Schedule,
    last: DateTime<Utc>,
    now: DateTime<Utc>,
) -> (Vec<DateTime<Utc>>, Vec<(SkipReason, u64)>) {
    let grace = match schedule.rhythm {
        Rhythm::Cron(_) => Duration::seconds(60),
        Rhythm::Every(period) => Duration::from_std(period).unwrap().min(Duration::seconds(60)),
    };
    let mut all: Vec<_> = schedule.between(last, now).collect();
    let on_time = all.pop_if(|newest| now - *newest <= grace);
    let fresh = |window: Option<std::time::Duration>, at: &DateTime<Utc>| {
        window.is_none_or(|window| now - *at <= Duration::from_std(window).unwrap())
    };
    let (wanted, window, reason) = match schedule.missed {
        Missed::Skip => (0, None, SkipReason::Missed),
        Missed::Latest { .. } if on_time.is_some() => (0, None, SkipReason::Superseded),
        Missed::Latest { window } => (1, window, SkipReason::Superseded),
        Missed::All { max, window } => (max as usize, window, SkipReason::TooMany),
    };
    let mut run: Vec<_> = all.iter().copied().filter(|at| fresh(window, at)).collect();
    run.drain(..run.len().saturating_sub(wanted));
    all.retain(|at| !run.contains(at));
    // With one that runs in its place, it does not matter how old an instant of `latest` is.
    let old = |at: &DateTime<Utc>| match schedule.missed {
        Missed::Latest { .. } => run.is_empty() && on_time.is_none(),
        _ => !fresh(window, at),
    };
    let too_old = all.iter().filter(|at| old(at)).count() as u64;
    let rest = all.len() as u64 - too_old;
    run.extend(on_time);
    let skipped = [(SkipReason::TooOld, too_old), (reason, rest)];
    (run, skipped.into_iter().filter(|(_, count)| *count > 0).collect())
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let lines = prop::sample::select(vec![
        "* * * * *",
        "*/7 * * * *",
        "0 * * * *",
        "30 2,3 * * *",
        "0 3 * * MON",
    ]);
    let rhythm = prop_oneof![
        (lines, 0..ZONES.len()).prop_map(|(line, zone)| schedule(line, ZONES[zone], Gap::RunAfter, Fold::First).rhythm),
        prop::sample::select(vec![700_u64, 1_000, 45_000, 90_000, 3_600_000])
            .prop_map(|millis| Rhythm::Every(std::time::Duration::from_millis(millis))),
    ];
    let window = || prop::option::of((30..100_000_u64).prop_map(std::time::Duration::from_secs));
    let missed = prop_oneof![
        Just(Missed::Skip),
        window().prop_map(|window| Missed::Latest { window }),
        (0..5_u32, window()).prop_map(|(max, window)| Missed::All { max, window }),
    ];
    (rhythm, missed).prop_map(|(rhythm, missed)| Schedule {
        name: "x".to_owned(),
        rhythm,
        jitter: None,
        missed,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A clock that is asked now and then, stands still for hours and is set back: every instant is decided about once,
    /// as the policy says.
    #[test]
    fn every_instant_is_decided_about_once(
        schedule in any_schedule(),
        (_, start) in near_a_change(),
        steps in prop::collection::vec(prop_oneof![
            4 => 1_i64..120_000,
            2 => 60_000_i64..3_600_000,
            1 => 3_600_000_i64..40_000_000,
            1 => -10_000_000_i64..0,
        ], 1..12),
    ) {
        let first = due(&schedule, None, start);
        prop_assert_eq!(&first, &Due { handled: Some(start), next: schedule.next(start), ..Due::default() });
        let (mut now, mut last, mut furthest) = (start, start, start);
        let (mut ran, mut left_out) = (Vec::new(), 0);
        for step in steps {
            now += Duration::milliseconds(step);
            let answer = due(&schedule, Some(last), now);
            if now < last {
                prop_assert!(answer.run.is_empty() && answer.skipped.is_empty());
                prop_assert_eq!(answer.handled, Some(last));
                prop_assert_eq!(answer.next, schedule.next(last));
                prop_assert_eq!(answer.clock_behind, (last - now).to_std().ok());
                continue;
            }
            let (run, skipped) = decided(&schedule, last, now);
            let counts: Vec<_> = answer.skipped.iter().map(|group| (group.reason, group.count)).collect();
            prop_assert_eq!(&answer.run, &run);
            prop_assert_eq!(counts, skipped);
            prop_assert_eq!(answer.next, schedule.next(now));
            for group in &answer.skipped {
                let within = schedule.between(group.first - Duration::nanoseconds(1), group.last);
                prop_assert_eq!(within.count() as u64, group.count);
                prop_assert!(!group.more);
            }
            ran.extend(answer.run);
            left_out += answer.skipped.iter().map(|group| group.count).sum::<u64>();
            last = answer.handled.unwrap();
            furthest = furthest.max(now);
        }
        let all: Vec<_> = schedule.between(start, furthest).collect();
        prop_assert!(ran.windows(2).all(|two| two[0] < two[1]), "once each, in order");
        prop_assert!(ran.iter().all(|run| all.contains(run)));
        prop_assert_eq!(ran.len() as u64 + left_out, all.len() as u64);
    }

    /// Whatever is written: no panic, and every mistake has its place.
    #[test]
    fn any_text_is_a_line_or_has_its_mistakes(text in prop_oneof![
        "[0-9*/,A-Z?#@ -]{0,30}",
        "([0-9*]{1,2}[-/,#LW]?[0-9A-Za-z*]{0,3}[,/-]?[0-9]{0,2} ){4,6}",
        "\\PC{0,20}",
    ]) {
        match Cron::parse(&text) {
            Ok(cron) => {
                prop_assert_eq!(Cron::parse(&cron.to_string()).ok(), Some(cron.clone()));
                for (place, _) in cron.uneven_steps() {
                    prop_assert!(text.get(place).is_some_and(|part| part.contains('/')));
                }
            }
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(text.get(error.start..error.end).is_some());
                    prop_assert!(!error.message.is_empty() && !error.label.is_empty() && !error.help.is_empty());
                }
            }
        }
    }
}
