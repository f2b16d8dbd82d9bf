//! A day of `serve` with a hundred jobs, on a clock that runs a hundredfold.
//!
//! `OPSRUN_TEST_DAY` says how many minutes of that clock, `OPSRUN_TEST_SEED` which hundred jobs. An oracle that shares no code
//! with opsrun says which instants there were.

use super::Serve;
use crate::support::clock::TestClock;
use crate::support::workspace::Workspace;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

const RATE: u32 = 100;
const JOBS: usize = 100;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |n| n.parse().unwrap())
}

/// The same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// When a job is due: every so many seconds, so many seconds after them.
#[derive(Debug, Clone, Copy)]
struct Rhythm {
    period: i64,
    offset: i64,
}

impl Rhythm {
    fn within(self, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let first = (after.timestamp() - self.offset).div_euclid(self.period) + 1;
        let all = (first..).map(|n| DateTime::from_timestamp(n * self.period + self.offset, 0).unwrap());
        all.take_while(|at| *at <= until).collect()
    }
}

/// A hundred jobs: heartbeats, work that takes its time, checks that change their mind, and what runs once a day.
fn jobs(random: &mut Random) -> (String, BTreeMap<String, Rhythm>) {
    let mut text = r#"channel "pager" { shell "cat >> told"; min-severity "info"; }"#.to_owned() + "\n";
    let mut rhythms = BTreeMap::new();
    for n in 0..JOBS {
        let (rhythm, rule) = match n {
            0..3 => (Rhythm { period: 60, offset: 0 }, r#"every "1m""#.to_owned()),
            3..20 => (
                Rhythm { period: 600, offset: 0 },
                r#"every "10m"; missed "all" max=3"#.to_owned(),
            ),
            20..60 => {
                let minute = random.below(60).cast_signed();
                (
                    Rhythm {
                        period: 3_600,
                        offset: minute * 60,
                    },
                    format!("cron \"{minute} * * * *\""),
                )
            }
            60..80 => (
                Rhythm {
                    period: 1_800,
                    offset: 0,
                },
                r#"every "30m"; jitter "3m""#.to_owned(),
            ),
            _ => {
                let (hour, minute) = (random.below(24).cast_signed(), random.below(60).cast_signed());
                (
                    Rhythm {
                        period: 86_400,
                        offset: hour * 3_600 + minute * 60,
                    },
                    format!("cron \"{minute} {hour} * * *\""),
                )
            }
        };
        let (kind, body) = match random.below(10) {
            // Most of a minute, here.
            0 => ("target", r#"shell "sleep 0.4"; overlap "queue";"#.to_owned()),
            1 => (
                "target",
                r#"shell "exit 1"; back-off after=2 wait="5m" factor=2.0 cap="1h";"#.to_owned(),
            ),
            2 => (
                "check",
                format!(r#"command "/bin/sh" "-c" "test -e w-{n} && rm w-{n} || {{ : > w-{n}; exit 1; }}";"#),
            ),
            _ => ("target", r#"command "true";"#.to_owned()),
        };
        let _ = writeln!(
            text,
            "schedule \"s-{n}\" {{ {rule}; }}\n{kind} \"j-{n}\" {{ {body} schedule \"s-{n}\"; }}"
        );
        rhythms.insert(format!("{kind}:j-{n}"), rhythm);
    }
    (text, rhythms)
}

/// KiB in memory, open files, bytes of the database.
fn size(world: &Workspace, serve: &Serve) -> [u64; 3] {
    let proc = format!("/proc/{}", serve.child.id());
    let status = fs::read_to_string(format!("{proc}/status")).unwrap();
    let memory = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let files = fs::read_dir(format!("{proc}/fd")).unwrap().count();
    let database = ["opsrun.db", "opsrun.db-wal"].map(|name| fs::metadata(world.at(&format!(".opsrun/t/{name}"))));
    [
        memory.split_whitespace().nth(1).unwrap().parse().unwrap(),
        files as u64,
        database.into_iter().flatten().map(|found| found.len()).sum(),
    ]
}

#[test]
fn no_instant_of_a_hundred_jobs_is_lost_or_run_twice_and_nothing_grows() {
    let (minutes, seed) = (number("OPSRUN_TEST_DAY", 30), number("OPSRUN_TEST_SEED", 11));
    let (text, rhythms) = jobs(&mut Random(seed));
    let world = Workspace::of_jobs(&text);
    let clock = TestClock::new(RATE, "2031-05-05T22:00:10Z".parse().unwrap());
    let mut command = world.command(&["serve"]);
    clock.rule(&mut command);
    let mut serve = Serve::start(command);
    serve.says("serving t");
    let begin = clock.now();
    let end = begin + TimeDelta::minutes(minutes.cast_signed());
    // The least of each sixth, since runs come and go.
    let mut sizes = vec![[u64::MAX; 3]];
    while clock.now() < end {
        // What it says is read meanwhile, and it says something at least every minute of its own.
        let line = serve.said.recv_timeout(super::DEADLINE);
        serve
            .heard
            .push(line.unwrap_or_else(|_| panic!("it says nothing: {:?}", serve.heard.last())));
        if clock.now() >= begin + (end - begin) * i32::try_from(sizes.len()).unwrap() / 6 {
            sizes.push([u64::MAX; 3]);
        }
        let now = size(&world, &serve);
        for (least, now) in sizes.last_mut().unwrap().iter_mut().zip(now) {
            *least = now.min(*least);
        }
    }
    let last = clock.now();
    let log = serve.term();

    let (mut due, mut ran, mut left) = (0, 0, BTreeMap::<String, u64>::new());
    let db = world.db();
    let mut statement = db
        .prepare("SELECT instant, last, count, decision, run IS NOT NULL FROM decisions WHERE job = ?1 ORDER BY seq")
        .unwrap();
    for (job, rhythm) in &rhythms {
        let mut decided = BTreeMap::<DateTime<Utc>, (u32, u32)>::new();
        let rows = statement.query_map([job], |row| {
            let moment = |column| row.get::<_, String>(column).unwrap().parse::<DateTime<Utc>>().unwrap();
            Ok((
                moment(0),
                moment(1),
                row.get::<_, u32>(2)? as usize,
                row.get::<_, String>(3)?,
                row.get::<_, bool>(4)?,
            ))
        });
        for (first, until, count, verdict, is_run) in rows.unwrap().map(Result::unwrap) {
            let instants = rhythm.within(first - TimeDelta::seconds(1), until);
            assert_eq!(instants.len(), count, "{job}: {verdict} from {first} to {until}");
            for instant in instants {
                let (times, runs) = decided.entry(instant).or_default();
                *times += u32::from(verdict != "queued");
                *runs += u32::from(is_run);
            }
            if !is_run {
                *left.entry(verdict).or_default() += count as u64;
            }
        }
        // Jitter, and the last moments: what is queued then has not run.
        let settled = last - TimeDelta::minutes(12);
        for instant in rhythm.within(begin, settled) {
            due += 1;
            let (times, runs) = decided.get(&instant).copied().unwrap_or_default();
            assert!(
                times == 1 && runs <= 1,
                "{job}: {instant} was decided {times} times, and run {runs} times"
            );
            ran += u64::from(runs);
        }
        assert!(decided.values().all(|(times, _)| *times <= 1), "{job}");
    }
    let twice = "SELECT count(*) FROM (SELECT 1 FROM claims GROUP BY schedule, instant HAVING count(*) > 1)";
    assert_eq!(world.count(twice), 0);
    let runs = world.count("SELECT count(*) FROM runs").cast_unsigned();
    let told = fs::read_to_string(world.at("told")).unwrap_or_default();
    let told = told.matches(r#""format":"#).count();
    let said = log.lines().count() as u64;
    println!(
        "seed {seed}: {minutes} minutes, {due} instants due, {ran} run for them, {runs} runs in all, not run {left:?}, \
         {said} lines, {told} alerts; KiB in memory, open files, bytes of the database: {sizes:?}"
    );
    let ([first, .., end, _], true) = (&*sizes, ran * 2 > due) else {
        panic!("half of {due} instants should have run: {ran}");
    };
    assert!(end[0] <= first[0] + 12 * 1024 && end[1] <= first[1] + 24, "{sizes:?}");
    assert!(end[2] <= 8_000_000 + runs * 6_000, "{sizes:?}");
    assert!(said <= 200 + runs * 8, "{said} lines");
}
