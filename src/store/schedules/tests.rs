//! Turns against real files: once, whole, or not at all.

use super::*;
use chrono::TimeDelta;

const RUNS: [&str; 3] = [
    "01JD0000000000000000000001",
    "01JD0000000000000000000002",
    "01JD0000000000000000000003",
];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn job(name: &str) -> JobName {
    name.parse().unwrap()
}

fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn state(handled: i64) -> ScheduleState {
    ScheduleState {
        definition: "every 10s".to_owned(),
        since: at(0),
        handled: at(handled),
        era: 0,
    }
}

fn instant(seconds: i64) -> Occurrence {
    Occurrence {
        schedule: "s".to_owned(),
        instant: at(seconds),
    }
}

fn decision(seconds: i64, verdict: FiringVerdict) -> Decision {
    Decision {
        job: job("target:t"),
        schedule: "s".to_owned(),
        first: at(seconds),
        last: at(seconds),
        count: 1,
        more: false,
        verdict,
        reason: "it was so".to_owned(),
    }
}

/// The schedule moves on from `before`, and one run begins for where it gets to.
fn turn(run: &str, before: Option<i64>, after: i64) -> TickRecord {
    TickRecord {
        advances: vec![ScheduleAdvance {
            schedule: "s".to_owned(),
            before: before.map(state),
            after: state(after),
        }],
        runs: vec![ScheduledRun {
            run: run.to_owned(),
            occurrences: vec![instant(after)],
            jobs: vec![decision(after, FiringVerdict::Ran)],
        }],
        ..TickRecord::default()
    }
}

fn count(store: &Store, table: &str) -> u32 {
    let sql = format!("SELECT count(*) FROM {table}");
    store.read(|db| db.query_row(&sql, [], |row| row.get(0))).unwrap()
}

#[test]
fn a_turn_is_taken_once_and_remembered() {
    let (dir, store) = open();
    let first = turn(RUNS[0], None, 10);
    assert!(store.record_tick(&first, "serve", at(10)).unwrap());
    // A second process that decided the same, and one that decided from the state before.
    assert!(!store.record_tick(&turn(RUNS[1], None, 10), "serve", at(10)).unwrap());
    let other = Store::open(dir.path()).unwrap();
    assert!(!other.record_tick(&turn(RUNS[1], Some(5), 20), "serve", at(20)).unwrap());
    assert_eq!((count(&store, "runs"), count(&store, "claims")), (1, 1));
    assert_eq!(other.agenda().unwrap().schedules["s"], state(10));
    assert!(
        other
            .record_tick(&turn(RUNS[1], Some(10), 20), "serve", at(20))
            .unwrap()
    );
    assert_eq!(store.agenda().unwrap().schedules["s"], state(20));
    assert_eq!(store.claims_of(RUNS[0]).unwrap(), [instant(10)]);
    assert_eq!(store.claims_of(RUNS[1]).unwrap(), [instant(20)]);
    let told = store.decisions(&job("target:t"), 9).unwrap();
    let runs: Vec<Option<&str>> = told.iter().map(|told| told.run.as_deref()).collect();
    assert_eq!(runs, [Some(RUNS[1]), Some(RUNS[0])]);
}

#[test]
fn a_turn_that_fails_leaves_nothing_of_itself() {
    let (_dir, store) = open();
    assert!(store.record_tick(&turn(RUNS[0], None, 10), "serve", at(10)).unwrap());
    let mut second = turn(RUNS[1], Some(10), 20);
    // The last of its runs has an id that is taken.
    second.runs.extend(turn(RUNS[0], None, 20).runs);
    second.queue.push((job("target:q"), instant(20)));
    assert!(store.record_tick(&second, "serve", at(20)).is_err());
    assert_eq!((count(&store, "runs"), count(&store, "claims")), (1, 1));
    let agenda = store.agenda().unwrap();
    assert_eq!(agenda.schedules["s"], state(10));
    assert!(agenda.queue.is_empty());
    assert_eq!(store.decisions(&job("target:t"), 9).unwrap().len(), 1);
}

#[test]
fn an_instant_of_a_job_is_never_run_twice_whatever_was_decided() {
    let (_dir, store) = open();
    assert!(store.record_tick(&turn(RUNS[0], None, 10), "serve", at(10)).unwrap());
    // From what it is now, and back to what was run already.
    assert!(
        store
            .record_tick(&turn(RUNS[1], Some(10), 10), "serve", at(10))
            .is_err()
    );
    assert_eq!(count(&store, "runs"), 1);
}

#[test]
fn of_many_each_instant_is_run_by_one() {
    const INSTANTS: i64 = 30;
    let (dir, _store) = open();
    let taken = |who: usize| {
        let store = Store::open(dir.path()).unwrap();
        let mut taken = 0;
        loop {
            let before = store.agenda().unwrap().schedules.get("s").map(|found| found.handled);
            let next = before.map_or(at(0), |before| before + TimeDelta::seconds(1));
            if next >= at(INSTANTS) {
                return taken;
            }
            let seconds = (next - at(0)).num_seconds();
            let before = before.map(|before| (before - at(0)).num_seconds());
            let run = format!("{who}-{seconds}");
            taken += u32::from(store.record_tick(&turn(&run, before, seconds), "serve", next).unwrap());
        }
    };
    let all: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|who| scope.spawn(move || taken(who))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(i64::from(all.iter().sum::<u32>()), INSTANTS, "{all:?}");
}

#[test]
fn what_waits_is_taken_from_the_queue_by_one() {
    let (_dir, store) = open();
    let waits = TickRecord {
        queue: vec![(job("target:q"), instant(10))],
        ..TickRecord::default()
    };
    assert!(store.record_tick(&waits, "serve", at(10)).unwrap());
    let take = |run: &str| {
        let turn = TickRecord {
            unqueue: vec![job("target:q")],
            runs: turn(run, None, 10).runs,
            ..TickRecord::default()
        };
        store.record_tick(&turn, "serve", at(11)).unwrap()
    };
    assert!(take(RUNS[0]));
    assert!(!take(RUNS[1]));
    assert_eq!(count(&store, "runs"), 1);
}

#[test]
fn what_is_decided_again_and_again_is_one_row() {
    let (_dir, store) = open();
    let tell = |decision: Decision| {
        let turn = TickRecord {
            decisions: vec![decision],
            ..TickRecord::default()
        };
        assert!(store.record_tick(&turn, "serve", at(99)).unwrap());
    };
    for seconds in [10, 20, 30] {
        tell(decision(seconds, FiringVerdict::SkippedOverlap));
    }
    tell(decision(40, FiringVerdict::Paused));
    let told = store.decisions(&job("target:t"), 9).unwrap();
    let short: Vec<(FiringVerdict, u64, DateTime<Utc>)> = told
        .iter()
        .map(|told| (told.decision.verdict, told.decision.count, told.decision.last))
        .collect();
    assert_eq!(
        short,
        [
            (FiringVerdict::Paused, 1, at(40)),
            (FiringVerdict::SkippedOverlap, 3, at(30))
        ]
    );
}

#[test]
fn an_instant_runs_once_in_each_era_of_the_clock() {
    let (_dir, store) = open();
    assert!(store.record_tick(&turn(RUNS[0], None, 10), "serve", at(10)).unwrap());
    let mut back = turn(RUNS[1], Some(10), 5);
    back.runs.clear();
    back.advances[0].after.era = 1;
    assert!(store.record_tick(&back, "serve", at(5)).unwrap());
    let agenda = store.agenda().unwrap();
    assert_eq!((agenda.schedules["s"].handled, agenda.schedules["s"].era), (at(5), 1));
    // What ran before, and is not in the future.
    let ran = |now| store.ran_until(at(now)).unwrap();
    assert_eq!(
        (ran(9).len(), ran(10).get("s"), ran(99).get("s")),
        (0, Some(&at(10)), Some(&at(10)))
    );
    let mut again = turn(RUNS[2], Some(5), 10);
    let [advance] = again.advances.as_mut_slice() else {
        unreachable!()
    };
    advance.after.era = 1;
    advance.before.as_mut().unwrap().era = 1;
    assert!(store.record_tick(&again, "serve", at(10)).unwrap());
    assert_eq!(store.decisions(&job("target:t"), 9).unwrap().len(), 2);
    assert!(ran(99).is_empty());
}

#[test]
fn a_state_of_before_eras_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("opsrun.db");
    crate::store::schema::make_older(&path, 5);
    let rows = "INSERT INTO schedules VALUES ('s', 'every 10s', '2026-01-01T00:00:00.000000000Z', '2027-01-15T08:00:10.000000000Z');
         INSERT INTO runs (run, command, begun_at, process) VALUES ('A', 'serve', '', '');
         INSERT INTO decisions (at, job, schedule, instant, last, count, more, decision, reason, run)
         VALUES ('', 'target:t', 's', '2027-01-15T08:00:10.000000000Z', '', 1, 0, 'ran', '', 'A')";
    rusqlite::Connection::open(&path).unwrap().execute_batch(rows).unwrap();
    let old = Store::open_read_only(dir.path()).unwrap().unwrap();
    assert_eq!(old.agenda().unwrap().schedules["s"].era, 0);
    drop(old);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.agenda().unwrap().schedules["s"].era, 0);
    let twice = "INSERT INTO decisions (at, job, schedule, instant, last, count, more, decision, reason, run)
         SELECT at, job, schedule, instant, last, count, more, decision, reason, run FROM decisions";
    assert!(
        store.connection().execute_batch(twice).is_err(),
        "what ran stays claimed"
    );
}
