//! The schedules on a virtual clock, against a calendar that knows nothing of them: ten years of seven zones, with
//! times when nobody is there. Not one instant is lost, and none runs twice.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its place has failed")]

use chrono::{DateTime, Datelike, LocalResult, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use opsrun::daemon::timetable::Timetable;
use opsrun::inspect::simulate::simulate;
use opsrun::report::schedule::simulation::{DownDocument, SimulatedEvent, SimulationDocument};
use opsrun::time_zone::built_in;
use std::collections::BTreeMap;

const FILE: &str = r#"
ops { name "ten-years"; }
schedule "berlin" { cron "30 2 * * *" timezone="Europe/Berlin"; dst gap="run-after" fold="first"; missed "latest" window="24h"; }
schedule "york" { cron "30 1 * * MON-FRI" timezone="America/New_York"; dst fold="both"; missed "all" max=3; }
schedule "lord-howe" { cron "15 2 * * *" timezone="Australia/Lord_Howe"; dst gap="skip"; missed "skip"; }
schedule "sao-paulo" { cron "0 0 * * *" timezone="America/Sao_Paulo"; dst gap="run-after" fold="first"; missed "all" max=100 window="36h"; }
schedule "apia" { cron "0 9 * * *" timezone="Pacific/Apia"; dst gap="run-after" fold="first"; missed "latest" window="2h"; }
schedule "london" { cron "0 * * 3,10 *" timezone="Europe/London"; }
schedule "pulse" { every "7h"; }
schedule "late" { cron "0 12 * * *" timezone="Asia/Seoul"; jitter "2h"; missed "skip"; }
target "a" { command "true"; schedule "berlin"; }
target "b" { command "true"; schedule "york"; }
target "c" { command "true"; schedule "lord-howe"; }
target "d" { command "true"; schedule "sao-paulo"; }
target "e" { command "true"; schedule "apia"; }
target "f" { command "true"; schedule "london"; }
target "g" { command "true"; schedule "pulse"; }
target "h" { command "true"; schedule "late"; }
target "i" { command "true"; schedule "late"; needs "target:h"; }
"#;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn timetable(text: &str) -> Timetable {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ops.kdl");
    std::fs::write(&path, text).unwrap();
    let loaded = opsrun::config::load(&path).unwrap();
    assert_eq!(loaded.errors(), 0, "{}", loaded.render(false, 100));
    Timetable::new(&loaded.model.unwrap())
}

/// What happens to missed instants, as declared in the file.
#[derive(Clone, Copy)]
enum Policy {
    Skip,
    Latest { hours: i64 },
    All { max: usize, hours: i64 },
}

/// When a schedule is due, by the calendar, and what is expected of it.
struct Expected {
    name: &'static str,
    instants: Vec<DateTime<Utc>>,
    policy: Policy,
    grace: TimeDelta,
    jitter: TimeDelta,
}

/// A time of day, day by day, as a calendar has it.
fn daily(zone: &str, time: &str, days: fn(Weekday) -> bool, gap: bool, fold: bool) -> Vec<DateTime<Utc>> {
    let zone = built_in(zone).unwrap();
    let time: NaiveTime = time.parse().unwrap();
    let mut day = NaiveDate::from_ymd_opt(2009, 12, 29).unwrap();
    let mut found = Vec::new();
    while day < NaiveDate::from_ymd_opt(2020, 1, 4).unwrap() {
        let mut wall = day.and_time(time);
        if days(day.weekday()) {
            match zone.instants(wall) {
                LocalResult::Single(one) => found.push(one),
                LocalResult::Ambiguous(first, second) => {
                    found.push(first);
                    found.extend(fold.then_some(second));
                }
                LocalResult::None if gap => {
                    // The first minute that there is again.
                    while zone.instants(wall).earliest().is_none() {
                        wall += TimeDelta::minutes(1);
                    }
                    found.extend(zone.instants(wall).earliest());
                }
                LocalResult::None => {}
            }
        }
        day = day.succ_opt().unwrap();
    }
    found.dedup();
    found
}

/// Every so many seconds.
fn stepping(seconds: i64) -> Vec<DateTime<Utc>> {
    let first = at("2009-12-30T00:00:00Z").timestamp().div_euclid(seconds) * seconds;
    let last = at("2020-01-03T00:00:00Z").timestamp();
    let instants = (0..).map(|n| first + n * seconds).take_while(|second| *second < last);
    instants
        .map(|second| DateTime::from_timestamp(second, 0).unwrap())
        .collect()
}

fn expected(timetable: &Timetable) -> Vec<Expected> {
    let late = timetable
        .entries
        .iter()
        .find(|entry| entry.schedule.name == "late")
        .unwrap();
    let jitter = TimeDelta::from_std(late.jitter).unwrap();
    assert!(TimeDelta::zero() < jitter && jitter < TimeDelta::hours(2));
    let london = built_in("Europe/London").unwrap();
    let every = |_: Weekday| true;
    let working = |day: Weekday| !matches!(day, Weekday::Sat | Weekday::Sun);
    let minute = TimeDelta::seconds(60);
    let one = |name, instants, policy| Expected {
        name,
        instants,
        policy,
        grace: minute,
        jitter: TimeDelta::zero(),
    };
    vec![
        one(
            "berlin",
            daily("Europe/Berlin", "02:30:00", every, true, false),
            Policy::Latest { hours: 24 },
        ),
        one(
            "york",
            daily("America/New_York", "01:30:00", working, true, true),
            Policy::All { max: 3, hours: 1 << 20 },
        ),
        one(
            "lord-howe",
            daily("Australia/Lord_Howe", "02:15:00", every, false, false),
            Policy::Skip,
        ),
        one(
            "sao-paulo",
            daily("America/Sao_Paulo", "00:00:00", every, true, false),
            Policy::All { max: 100, hours: 36 },
        ),
        one(
            "apia",
            daily("Pacific/Apia", "09:00:00", every, true, false),
            Policy::Latest { hours: 2 },
        ),
        one(
            "london",
            stepping(3_600)
                .into_iter()
                .filter(|one| matches!(london.local(*one).month(), 3 | 10))
                .collect(),
            Policy::Latest { hours: 1 << 20 },
        ),
        one("pulse", stepping(7 * 3_600), Policy::Skip),
        Expected {
            jitter,
            ..one(
                "late",
                daily("Asia/Seoul", "12:00:00", every, true, false),
                Policy::Skip,
            )
        },
    ]
}

/// What ran: when it began, and for which instant.
type Runs = Vec<(DateTime<Utc>, DateTime<Utc>)>;

/// What a schedule is to come to: its runs, and how many instants are passed over.
fn follow(expected: &Expected, from: DateTime<Utc>, to: DateTime<Utc>, downs: &[DownDocument]) -> (Runs, usize) {
    let within = |from, until| {
        let starts = expected.instants.iter().copied();
        starts.filter(move |one| from <= *one + expected.jitter && *one + expected.jitter < until)
    };
    let mut runs: Runs = Vec::new();
    let mut passed_over = 0;
    let mut begin = from;
    for down in downs {
        runs.extend(within(begin, down.from).map(|one| (one + expected.jitter, one)));
        begin = down.until;
        // What starts at the very moment of the return is on time, like what is late by less than the grace.
        let mut lost: Vec<DateTime<Utc>> = within(down.from, down.until + TimeDelta::nanoseconds(1)).collect();
        let age = |one: DateTime<Utc>| down.until - expected.jitter - one;
        let on_time = lost.pop_if(|newest| age(*newest) <= expected.grace);
        let made_up: Vec<DateTime<Utc>> = match expected.policy {
            Policy::Skip => Vec::new(),
            Policy::Latest { .. } if on_time.is_some() => Vec::new(),
            Policy::Latest { hours } => lost
                .last()
                .copied()
                .filter(|one| age(*one) <= TimeDelta::hours(hours))
                .into_iter()
                .collect(),
            Policy::All { max, hours } => {
                let newest = lost.iter().copied().skip(lost.len().saturating_sub(max));
                newest.filter(|one| age(*one) <= TimeDelta::hours(hours)).collect()
            }
        };
        passed_over += lost.len() - made_up.len();
        runs.extend(made_up.into_iter().chain(on_time).map(|one| (down.until, one)));
        begin += TimeDelta::nanoseconds(1);
    }
    runs.extend(within(begin, to).map(|one| (one + expected.jitter, one)));
    (runs, passed_over)
}

fn runs_of(simulation: &SimulationDocument) -> BTreeMap<String, Runs> {
    let mut runs: BTreeMap<String, Runs> = BTreeMap::new();
    for event in simulation.events.iter().flatten() {
        if let SimulatedEvent::Ran { at, instants, .. } = event {
            for one in instants {
                runs.entry(one.schedule.clone()).or_default().push((*at, one.instant));
            }
        }
    }
    runs
}

/// Times of absence, from minutes to weeks, some of them over a change of clocks; always the same.
fn downs(count: i64, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DownDocument> {
    let step = (to - from).num_seconds() / (count + 1);
    (1..=count)
        .map(|n| {
            let noise = (n * 2_654_435_761 + 97) % 1_000_003;
            let begin = from + TimeDelta::seconds(n * step + noise % (step / 3));
            let long = [40 * 60, 3 * 3_600, 26 * 3_600, 5 * 86_400, 16 * 86_400];
            let long = long[usize::try_from(n).unwrap() % long.len()] + noise % 5_000;
            DownDocument {
                from: begin,
                until: begin + TimeDelta::seconds(long.min(step / 2)),
            }
        })
        .collect()
}

fn compare(from: &str, to: &str, downs: &[DownDocument]) {
    let (from, to) = (at(from), at(to));
    let timetable = timetable(FILE);
    let simulation = simulate(&timetable, (from, to), downs, true).unwrap();
    assert_eq!(simulation.unlisted, 0);
    let mut ran = runs_of(&simulation);
    let mut all = 0;
    for expected in expected(&timetable) {
        let (runs, passed_over) = follow(&expected, from, to, downs);
        let name = expected.name;
        let found = ran.remove(name).unwrap_or_default();
        let wrong = runs.iter().zip(&found).find(|(wanted, found)| wanted != found);
        assert_eq!(wrong, None, "{name}: the first that differs; expected, then simulated");
        assert_eq!(found.len(), runs.len(), "{name}");
        let totals = simulation
            .schedules
            .iter()
            .find(|totals| totals.schedule == name)
            .unwrap();
        assert_eq!(totals.on_time + totals.caught_up, runs.len() as u64, "{name}");
        assert_eq!(
            totals.left_out.values().sum::<u64>(),
            passed_over as u64,
            "{name}: {:?}",
            totals.left_out
        );
        assert_eq!(totals.undecided, 0, "{name}");
        let late = runs
            .iter()
            .filter(|(start, one)| *start - *one > expected.grace + expected.jitter);
        assert_eq!(totals.caught_up, late.count() as u64, "{name}");
        all += runs.len();
    }
    assert_eq!(ran, BTreeMap::new());
    assert!(all > 20_000);
}

#[test]
fn ten_years_lose_nothing_and_double_nothing() {
    compare("2010-01-01T00:00:00Z", "2020-01-01T00:00:00Z", &[]);
}

#[test]
fn times_of_absence_go_by_the_policy() {
    let (from, to) = ("2010-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    for count in [7, 211] {
        compare(from, to, &downs(count, at(from), at(to)));
    }
}

#[test]
fn clock_changes_are_counted() {
    let simulation = simulate(
        &timetable(FILE),
        (at("2010-01-01T00:00:00Z"), at("2020-01-01T00:00:00Z")),
        &[],
        false,
    )
    .unwrap();
    assert!(simulation.events.is_none());
    let of = |name: &str| {
        let totals = simulation
            .schedules
            .iter()
            .find(|totals| totals.schedule == name)
            .unwrap();
        let runs: Vec<usize> = totals.clock_changes.iter().map(|change| change.runs.len()).collect();
        (runs.len(), runs.iter().sum::<usize>())
    };
    // Twice a year; a gap that is passed over runs no time, a fold that runs both times two.
    assert_eq!(of("berlin"), (20, 20));
    assert_eq!(of("lord-howe"), (10, 0));
    // 01:30 in New York comes twice, always on a Sunday.
    assert_eq!(of("york"), (0, 0));
    assert_eq!(of("london"), (0, 0));
    assert_eq!(of("pulse"), (0, 0));
}

#[test]
fn jobs_of_one_instant_are_one_run_if_they_are_tied() {
    let file = r#"
schedule "noon" { cron "0 12 * * *"; }
schedule "midday" { cron "0 0,12 * * *"; }
check "disk" { disk-space "/" warn="5%" critical="1%"; }
target "a" { command "true"; schedule "noon"; needs "check:disk"; }
target "b" { command "true"; schedule "midday"; needs "check:disk"; }
target "c" { command "true"; schedule "noon"; paused; }
target "d" { command "true"; schedule "noon"; }
"#;
    let down = DownDocument {
        from: at("2026-01-01T10:00:00Z"),
        until: at("2026-01-01T14:00:00Z"),
    };
    let span = (at("2026-01-01T00:00:00Z"), at("2026-01-03T00:00:00Z"));
    let simulation = simulate(&timetable(file), span, &[down], true).unwrap();
    let lines: Vec<String> = simulation
        .events
        .iter()
        .flatten()
        .map(|event| match event {
            SimulatedEvent::Ran { at, instants, jobs } => {
                let late = if instants.iter().any(|one| one.caught_up) {
                    " late"
                } else {
                    ""
                };
                format!("{at} {}{late}", jobs.join(" "))
            }
            SimulatedEvent::LeftOut { at, reason, count, .. } => format!("{at} {reason} {count}"),
        })
        .collect();
    assert_eq!(
        lines,
        [
            "2026-01-01 00:00:00 UTC target:b",
            "2026-01-01 14:00:00 UTC target:a target:b late",
            "2026-01-01 14:00:00 UTC target:d late",
            "2026-01-02 00:00:00 UTC target:b",
            "2026-01-02 12:00:00 UTC target:a target:b",
            "2026-01-02 12:00:00 UTC target:d",
        ]
    );
    assert_eq!(simulation.runs, 6);
    let instants: Vec<u64> = simulation.schedules.iter().map(|totals| totals.due).collect();
    assert_eq!(
        instants,
        [2, 4],
        "an instant counts once, whatever the number of its runs"
    );
}

#[test]
fn an_absence_at_the_end_leaves_instants_undecided() {
    let file = "target \"a\" { command \"true\"; cron \"0 12 * * *\"; }\n";
    let down = DownDocument {
        from: at("2026-01-03T00:00:00Z"),
        until: at("2026-02-01T00:00:00Z"),
    };
    let span = (at("2026-01-01T00:00:00Z"), at("2026-01-06T00:00:00Z"));
    let simulation = simulate(&timetable(file), span, &[down], false).unwrap();
    let totals = &simulation.schedules[0];
    assert_eq!((totals.on_time, totals.undecided, totals.due), (2, 3, 5));
}

#[test]
fn too_many_instants_are_refused() {
    let file = "target \"a\" { command \"true\"; every \"1s\"; }\n";
    let many = simulate(
        &timetable(file),
        (at("2000-01-01T00:00:00Z"), at("2010-01-01T00:00:00Z")),
        &[],
        false,
    );
    assert_eq!(many.unwrap_err().count, 315_619_200);
}
