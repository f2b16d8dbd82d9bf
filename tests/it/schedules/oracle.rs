//! Two oracles, and the schedules and times that they are asked about.
//!
//! The first one walks real minutes, one by one, with the wall clock of the zone in its hand, and reads the fields of the
//! line itself. The second one walks dates and asks the zone for every time of the day: less close, but it goes far.

use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDate, NaiveDateTime, Timelike, Utc};
use opsrun::model::schedule::{Cron, FoldPolicy, GapPolicy, Missed, Rhythm, Schedule, WallClock};
use opsrun::time_zone::{Zone, ZoneData, ZoneDatabase, built_in};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Half-hour and quarter-hour shifts, missing midnights, the southern hemisphere, shifts of two and three hours, days
/// that never were, summer times that are winter times, one zone that rests.
pub const NAMES: [&str; 22] = [
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Seoul",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Pacific/Chatham",
    "America/Havana",
    "America/Caracas",
    "Asia/Gaza",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Europe/Dublin",
    "America/Vancouver",
    "America/Edmonton",
    "America/Winnipeg",
    "UTC",
];

/// Every one of them twice: as this build has it, and as the zone files of this host have it.
pub static ZONES: LazyLock<Vec<Zone>> = LazyLock::new(|| {
    let host = ZoneDatabase::of_host();
    assert!(matches!(host.data(), ZoneData::Host { .. }), "install tzdata");
    let of = |name| [built_in(name).unwrap(), host.zone(name).unwrap()];
    NAMES.into_iter().flat_map(of).collect()
});

/// The instants, to the minute, at which the clocks of the zone change, from 1975 to 2040.
pub static CHANGES: LazyLock<Vec<Vec<DateTime<Utc>>>> = LazyLock::new(|| {
    let wall = |zone: &Zone, at: DateTime<Utc>| zone.local(at).naive_local() - at.naive_utc();
    let of = |zone: &Zone| {
        let mut found = Vec::new();
        let mut at = instant("1975-01-01T00:00:00Z");
        while at.year() < 2040 {
            let later = at + Duration::hours(8);
            if wall(zone, at) != wall(zone, later) {
                let mut change = at;
                while wall(zone, change) == wall(zone, at) {
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

pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A line, as sets that were read from its text.
pub struct Line {
    minutes: Vec<bool>,
    hours: Vec<bool>,
    days: Vec<bool>,
    last_day: bool,
    months: Vec<bool>,
    weekdays: Vec<bool>,
    either_day: bool,
}

impl Line {
    pub fn read(text: &str) -> Self {
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
            for item in fields[field].split(',').filter(|item| *item != "l") {
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
            last_day: fields[2].split(',').any(|item| item == "l"),
            months: set(3, 1, 12),
            weekdays,
            either_day: !starred(2) && !starred(4),
        }
    }

    fn on(&self, date: NaiveDate) -> bool {
        let ends = self.last_day && (date + Duration::days(1)).month() != date.month();
        let day = self.days[date.day() as usize] || ends;
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
pub fn walk(line: &Line, clock: &WallClock, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let minute = Duration::minutes(1);
    let wall = |at: DateTime<Utc>| clock.zone.local(at).naive_local();
    let mut at = from - Duration::days(2);
    let mut before = wall(at - minute);
    let mut furthest = before;
    let mut found = Vec::new();
    while at <= until {
        let now = wall(at);
        let mut runs = line.matches(now);
        // Seen on this wall already.
        runs &= clock.fold == FoldPolicy::Both || now > furthest;
        // Never seen on this wall.
        let mut leapt = before + minute;
        while clock.gap == GapPolicy::RunAfter && leapt < now {
            runs |= line.matches(leapt);
            leapt += minute;
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
pub fn ask(line: &Line, clock: &WallClock, first: NaiveDate, last: NaiveDate) -> BTreeSet<DateTime<Utc>> {
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
            match clock.zone.instants(wall) {
                LocalResult::Single(at) => {
                    found.insert(at);
                }
                LocalResult::Ambiguous(one, two) => {
                    found.insert(one.min(two));
                    if clock.fold == FoldPolicy::Both {
                        found.insert(one.max(two));
                    }
                }
                LocalResult::None if clock.gap == GapPolicy::RunAfter => {
                    let mut after = wall;
                    while clock.zone.instants(after).earliest().is_none() {
                        after += Duration::seconds(30);
                    }
                    found.insert(clock.zone.instants(after).earliest().unwrap());
                }
                LocalResult::None => {}
            }
        }
    }
    found
}

pub fn schedule(
    line: &str,
    zone: &Zone,
    gap: impl Into<Option<GapPolicy>>,
    fold: impl Into<Option<FoldPolicy>>,
) -> Schedule {
    Schedule {
        name: "nightly".to_owned(),
        rhythm: Rhythm::Cron(Box::new(WallClock::new(
            Cron::parse(line).unwrap(),
            zone.clone(),
            gap.into(),
            fold.into(),
        ))),
        jitter: None,
        missed: Missed::Skip,
    }
}

pub fn clock(schedule: &Schedule) -> &WallClock {
    match &schedule.rhythm {
        Rhythm::Cron(clock) => clock,
        Rhythm::Every(_) => unreachable!("no cron line"),
    }
}

/// A field of a line: values near `often` come often.
pub fn field(low: u32, high: u32, often: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = String> {
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
pub fn days() -> impl Strategy<Value = String> {
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
        1 => prop::sample::select(vec!["L * *", "l,13 * fri", "L 2,10 *", "25-30,L */2 */3"]).prop_map(str::to_owned),
    ]
}

pub fn line() -> impl Strategy<Value = String> {
    (field(0, 59, 0..=59), field(0, 23, 0..=4), days())
        .prop_map(|(minute, hour, days)| format!("{minute} {hour} {days}"))
}

/// `None` is the default of the line.
pub fn policies() -> impl Strategy<Value = (Option<GapPolicy>, Option<FoldPolicy>)> {
    (
        prop::option::of(prop::sample::select(vec![GapPolicy::RunAfter, GapPolicy::Skip])),
        prop::option::of(prop::sample::select(vec![FoldPolicy::First, FoldPolicy::Both])),
    )
}

/// A zone, and a time within hours of a change of its clocks.
pub fn near_a_change() -> impl Strategy<Value = (Zone, DateTime<Utc>)> {
    (0..ZONES.len(), any::<prop::sample::Index>(), -2_000_i64..1_000).prop_map(|(zone, which, minutes)| {
        let changes = &CHANGES[zone];
        let change = if changes.is_empty() {
            instant("2024-02-29T00:00:00Z")
        } else {
            changes[which.index(changes.len())]
        };
        (ZONES[zone].clone(), change + Duration::minutes(minutes))
    })
}
