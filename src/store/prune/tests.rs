//! What pruning leaves, against an oracle that remembers everything.

use super::*;
use crate::model::StepKind;
use crate::model::StepName;
use crate::run::{Event, Outcome, State};
use crate::store::RunEnd;
use crate::store::history::RunFilter;
use std::collections::{BTreeMap, HashMap};

const DESTINATION: &str = "/backup/b";
const JOBS: [&str; 4] = ["target:a", "target:rare", "backup:b", "check:c"];
const DECLARED: [&str; 3] = ["target:a", "target:rare", "backup:b"];
const KEEP: i64 = 30;

fn day(n: i64) -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::days(n)
}

fn policy() -> PrunePolicy {
    PrunePolicy {
        keep: Duration::from_secs(86_400 * KEEP as u64),
        jobs: DECLARED.iter().map(|job| job.parse().unwrap()).collect(),
        rate_limits: Duration::from_secs(3600),
    }
}

fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

/// Until nothing more is to be done.
fn prune_all(store: &Store, now: DateTime<Utc>) {
    while store.prune(&policy(), now).unwrap().more {}
}

/// The clock has been right all the time.
fn trust(store: &Store, now: DateTime<Utc>) {
    let trusted = AgeReference::first(None, now);
    store
        .remember_fact(REFERENCE, &serde_json::to_string(&trusted).unwrap())
        .unwrap();
}

fn count(store: &Store, what: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {what}");
    store.connection().query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Finished,
    Interrupted,
    AtWork,
}

#[derive(Debug, Clone)]
struct OracleRun {
    id: String,
    at: DateTime<Utc>,
    end: End,
    events: Vec<Event>,
    /// Of schedule `s`.
    claim: Option<DateTime<Utc>>,
}

impl OracleRun {
    fn states(&self, job: &str) -> Vec<State> {
        let last = job.parse::<JobName>().unwrap().steps().pop();
        let state = |event: &Event| match event {
            Event::StepFinished { step, outcome } if Some(step) == last.as_ref() => Some(outcome.state),
            _ => None,
        };
        self.events.iter().filter_map(state).collect()
    }

    fn began(&self, job: &str) -> bool {
        let first = job.parse::<JobName>().unwrap().steps().into_iter().next();
        let is_start = |event: &Event| matches!(event, Event::StepStarted { step } if Some(step) == first.as_ref());
        self.events.iter().any(is_start)
    }
}

fn write(store: &Store, run: &OracleRun) {
    let db = store.connection();
    let process = store.own_process(&db);
    let at = Stamp(run.at);
    let (finished, exit, interrupted) = match run.end {
        End::Finished => (Some(at), Some(0), None),
        End::Interrupted => (None, None, Some(at)),
        End::AtWork => (None, None, None),
    };
    db.execute(
        "INSERT INTO runs VALUES (?1, 'opsrun apply', ?2, ?3, ?4, ?5, ?6)",
        params![run.id, at, process, finished, exit, interrupted],
    )
    .unwrap();
    for event in &run.events {
        let value = serde_json::to_value(event).unwrap();
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        db.execute(
            "INSERT INTO events (run, at, step, kind, json) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![run.id, at, text("step"), text("event"), value.to_string()],
        )
        .unwrap();
    }
    if let Some(instant) = run.claim {
        db.execute(
            "INSERT INTO claims VALUES ('s', ?1, ?2, ?3)",
            params![Stamp(instant), run.id, at],
        )
        .unwrap();
        db.execute(
            "INSERT INTO decisions (at, job, schedule, instant, last, count, more, decision, reason, run)
             VALUES (?1, 'target:a', 's', ?2, ?2, 1, 0, 'ran', 'due', ?3)",
            params![at, Stamp(instant), run.id],
        )
        .unwrap();
    }
}

fn finished(step: StepName, state: State) -> Event {
    Event::StepFinished {
        step,
        outcome: Outcome::new(state, ""),
    }
}

fn published(copy: &str, sequence: u64) -> Event {
    Event::CopyPublished {
        step: StepName::new(StepKind::Verify, "b"),
        copy: copy.to_owned(),
        destination: DESTINATION.to_owned(),
        records: 1,
        bytes: 1,
        archive_bytes: 1,
        complete: true,
        suspect: None,
        sequence: Some(sequence),
    }
}

fn begun(copy: &str) -> Event {
    Event::CopyStarted {
        step: StepName::new(StepKind::Backup, "b"),
        copy: copy.to_owned(),
        destination: DESTINATION.to_owned(),
    }
}

fn relies_on(copies: Vec<String>) -> Event {
    Event::DeleteIntended {
        step: StepName::new(StepKind::Cleanup, "b"),
        batch: 1,
        copies,
        files: 1,
        bytes: 1,
        first: "a".to_owned(),
        last: "a".to_owned(),
    }
}

/// All that ever happened, and what of it is on the disk.
#[derive(Default)]
struct Oracle {
    runs: Vec<OracleRun>,
    published: BTreeSet<String>,
    unpublished: BTreeSet<String>,
    relied_on: BTreeMap<String, BTreeSet<String>>,
    sequence: u64,
    /// Their files are no longer there, and the state knows.
    gone: BTreeSet<String>,
    handled: Option<DateTime<Utc>>,
}

impl Oracle {
    fn add(&mut self, store: &Store, mut dice: impl FnMut(u64) -> u64, now: DateTime<Utc>, jobs: &[&str]) {
        let id = format!("R{:05}", self.runs.len());
        let end = match dice(12) {
            0 => End::Interrupted,
            1 if dice(4) == 0 => End::AtWork,
            _ => End::Finished,
        };
        let mut events = Vec::new();
        for job in jobs {
            let job: JobName = job.parse().unwrap();
            let paused = dice(10) == 0;
            for step in job.steps() {
                if paused {
                    events.push(finished(step, State::Paused));
                    continue;
                }
                events.push(Event::StepStarted { step: step.clone() });
                if step.kind == StepKind::Backup {
                    let copy = format!("b-{id}");
                    events.push(begun(&copy));
                    if dice(4) == 0 {
                        self.unpublished.insert(copy);
                    } else {
                        self.sequence += 1 + dice(3);
                        events.push(published(&copy, self.sequence));
                        self.published.insert(copy);
                    }
                    let some: Vec<String> = self.published.iter().filter(|_| dice(3) == 0).cloned().collect();
                    if !some.is_empty() {
                        for copy in &some {
                            self.relied_on.entry(copy.clone()).or_default().insert(id.clone());
                        }
                        events.push(relies_on(some));
                    }
                }
                let state = [
                    State::Ok,
                    State::Failed,
                    State::Partial,
                    State::Blocked,
                    State::Critical,
                ];
                if end == End::Finished || dice(2) == 0 {
                    events.push(finished(step, state[dice(5) as usize]));
                }
            }
        }
        let claim = (dice(2) == 0).then(|| now + TimeDelta::hours(dice(2000) as i64 - 1000) / 20);
        let run = OracleRun {
            id,
            at: now,
            end,
            events,
            claim,
        };
        write(store, &run);
        self.runs.push(run);
    }

    /// What the answers about copies must be, for copies that exist.
    fn check_copies(&self, store: &Store) {
        let exists = |copy: &String| !self.gone.contains(copy);
        let found = store.relied_on().unwrap();
        let found: BTreeMap<_, _> = found.into_iter().filter(|(copy, _)| exists(copy)).collect();
        let wanted = self.relied_on.clone().into_iter().filter(|(copy, _)| exists(copy));
        assert_eq!(found, wanted.collect());
        let found: BTreeSet<String> = store.published_copies().unwrap().into_iter().filter(exists).collect();
        assert_eq!(
            found,
            self.published.iter().filter(|copy| exists(copy)).cloned().collect()
        );
        let found: BTreeSet<String> = store.unpublished_copies().unwrap().into_iter().filter(exists).collect();
        assert_eq!(
            found,
            self.unpublished.iter().filter(|copy| exists(copy)).cloned().collect()
        );
        assert_eq!(store.highest_sequence("b").unwrap(), self.sequence);
    }

    /// Why a run must stay, whatever its age.
    fn must_stay(&self, at: usize, limit: DateTime<Utc>) -> bool {
        let run = &self.runs[at];
        let later = self.runs.get(at + 1..).unwrap_or_default();
        let of_job = |job: &&str| {
            let settled = |run: &OracleRun| run.states(job).iter().any(|state| *state != State::Paused);
            let succeeded =
                |run: &OracleRun| run.end == End::Finished && run.states(job).iter().any(|state| state.opens());
            let whole = |run: &OracleRun| run.end == End::Finished && run.began(job) && !run.states(job).is_empty();
            let newest = |is: &dyn Fn(&OracleRun) -> bool| is(run) && !later.iter().any(is);
            newest(&settled) || newest(&succeeded) || newest(&whole) || newest(&|run| run.began(job))
        };
        let claimed = run
            .claim
            .is_some_and(|instant| instant >= limit || self.handled.is_some_and(|handled| instant > handled));
        run.at >= limit || run.end == End::AtWork || later.is_empty() || claimed || DECLARED.iter().any(of_job)
    }

    fn check_runs(&self, store: &Store, limit: DateTime<Utc>) {
        let all = store.runs(RunFilter::default(), u32::MAX).unwrap();
        let found: BTreeSet<String> = all.iter().map(|run| run.run.clone()).collect();
        for (at, run) in self.runs.iter().enumerate() {
            let stays = self.must_stay(at, limit);
            assert_eq!(found.contains(&run.id), stays, "{run:?} before {limit}");
            if stays {
                assert_eq!(store.events_of(&run.id).unwrap().len(), run.events.len());
                assert_eq!(
                    store.claims_of(&run.id).unwrap().len(),
                    usize::from(run.claim.is_some())
                );
            }
        }
        let jobs = DECLARED.map(|job| job.parse::<JobName>().unwrap());
        for run in &self.runs {
            if let Some(instant) = run
                .claim
                .filter(|instant| self.handled.is_some_and(|handled| *instant > handled))
            {
                let same = format!("decisions WHERE run = '{}' AND job = '{}'", run.id, jobs[0]);
                assert_eq!(count(store, &same), 1, "{instant} may be decided about again");
            }
        }
    }
}

/// A generator of its own: the same numbers on every machine.
fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % sides
    }
}

type Answers = HashMap<&'static str, (crate::store::JobStatus, crate::run::JobHistory)>;

fn answers(store: &Store) -> Answers {
    let answer = |job: &&'static str| {
        let name: JobName = job.parse().unwrap();
        (
            *job,
            (store.job_status(&name).unwrap(), store.job_history(&name).unwrap()),
        )
    };
    DECLARED.iter().map(answer).collect()
}

#[test]
fn what_counts_stays_and_the_rest_goes_whatever_happened() {
    for seed in 1..=10 {
        let (_dir, store) = open();
        store.remember_marker("b", Path::new(DESTINATION), "m").unwrap();
        let mut dice = dice(seed);
        let mut oracle = Oracle::default();
        let mut now = day(0);
        prune_all(&store, now);
        for _ in 0..120 {
            now += TimeDelta::hours(1 + dice(60) as i64);
            let rare = dice(40) == 0;
            let jobs: Vec<&str> = JOBS
                .iter()
                .filter(|job| if **job == "target:rare" { rare } else { dice(2) == 0 })
                .copied()
                .collect();
            oracle.add(&store, &mut dice, now, &jobs);
            match dice(8) {
                0 => {
                    let handled = now - TimeDelta::days(dice(50) as i64);
                    let handled = oracle.handled.map_or(handled, |before| before.max(handled));
                    oracle.handled = Some(handled);
                    let at = Stamp(handled);
                    let db = store.connection();
                    db.execute("INSERT OR REPLACE INTO schedules (schedule, definition, since, handled) VALUES ('s', 'x', ?1, ?1)", [at])
                        .unwrap();
                }
                1 => {
                    let copies = store.outlived_copies("b", Path::new(DESTINATION)).unwrap();
                    let lost: Vec<String> = copies.into_iter().filter(|_| dice(5) == 0).collect();
                    store.forget_missing(&lost).unwrap();
                    oracle.gone.extend(lost);
                }
                2 => {
                    // A step, and the process is killed.
                    let before = answers(&store);
                    store.prune(&policy(), now).unwrap();
                    assert_eq!(answers(&store), before);
                }
                3 => {
                    let open = oracle.unpublished.difference(&oracle.gone);
                    let cleared: Vec<String> = open.filter(|_| dice(3) == 0).cloned().collect();
                    for copy in cleared {
                        store.forget_copy(&copy).unwrap();
                        oracle.unpublished.remove(&copy);
                    }
                }
                _ => {}
            }
            oracle.check_copies(&store);
        }
        now += TimeDelta::days(1);
        let before = answers(&store);
        trust(&store, now);
        prune_all(&store, now);
        assert_eq!(answers(&store), before, "seed {seed}");
        oracle.check_copies(&store);
        oracle.check_runs(&store, now - TimeDelta::days(KEEP));
        let orphans = "forgotten WHERE copy NOT IN (SELECT json ->> '$.copy' FROM events WHERE kind = 'copy-started')";
        assert_eq!(count(&store, orphans), 0);
    }
}

/// A run with many events is removed in several steps, and every step leaves the answers as they are.
#[test]
fn a_run_that_is_larger_than_a_step_is_removed_in_several() {
    let (_dir, store) = open();
    let mut events = vec![begun("b-1"), begun("b-2"), published("b-2", 7)];
    for n in 0..2500 {
        events.push(relies_on(vec!["b-2".to_owned(), format!("b-old{}", n % 3)]));
    }
    let large = OracleRun {
        id: "A".to_owned(),
        at: day(0),
        end: End::Finished,
        events,
        claim: None,
    };
    write(&store, &large);
    let newest = OracleRun {
        id: "B".to_owned(),
        at: day(40),
        events: Vec::new(),
        ..large.clone()
    };
    write(&store, &newest);
    let facts = |store: &Store| {
        (
            store.relied_on().unwrap(),
            store.unpublished_copies().unwrap(),
            store.published_copies().unwrap(),
            store.highest_sequence("b").unwrap(),
        )
    };
    let before = facts(&store);
    assert_eq!(before.0.len(), 4);
    trust(&store, day(40));
    let mut steps = 0;
    while store.prune(&policy(), day(40)).unwrap().more {
        assert_eq!(facts(&store), before);
        steps += 1;
        assert!(steps < 10);
    }
    assert!(steps >= 2, "{steps} steps");
    assert_eq!(facts(&store), before);
    assert_eq!((count(&store, "runs"), count(&store, "events")), (1, 0));
}

#[test]
fn copies_are_forgotten_only_where_they_were() {
    let (_dir, store) = open();
    let run = |id: &str, at, events| OracleRun {
        id: id.to_owned(),
        at,
        end: End::Finished,
        events,
        claim: None,
    };
    store.remember_marker("b", Path::new(DESTINATION), "m").unwrap();
    // A copy that no run of this state published: the state was lost once.
    write(
        &store,
        &run(
            "A",
            day(0),
            vec![published("b-1", 1), relies_on(vec!["b-1".into(), "b-0".into()])],
        ),
    );
    write(&store, &run("B", day(40), Vec::new()));
    trust(&store, day(40));
    prune_all(&store, day(40));
    let outlived = |at: &str| store.outlived_copies("b", Path::new(at)).unwrap();
    assert_eq!(outlived(DESTINATION), ["b-1", "b-0"]);
    assert!(
        outlived("/elsewhere").is_empty(),
        "the backup has a place, and it is another one"
    );
    // The backup has moved: the old copy may be at either place.
    store.remember_marker("b", Path::new("/elsewhere"), "n").unwrap();
    assert_eq!(outlived(DESTINATION), ["b-1"]);
    assert!(outlived("/elsewhere").is_empty());
    store.forget_missing(&outlived(DESTINATION)).unwrap();
    assert_eq!(store.relied_on().unwrap().into_keys().collect::<Vec<_>>(), ["b-0"]);
    assert!(store.published_copies().unwrap().is_empty());
    assert_eq!(store.highest_sequence("b").unwrap(), 1);
}

#[test]
fn a_clock_that_is_ahead_by_years_removes_nothing() {
    let (_dir, store) = open();
    for n in 0..50 {
        let run = OracleRun {
            id: format!("R{n}"),
            at: day(n),
            end: End::Finished,
            events: vec![finished("target:a".parse().unwrap(), State::Ok)],
            claim: None,
        };
        write(&store, &run);
        prune_all(&store, day(n));
    }
    assert_eq!(count(&store, "runs"), KEEP + 1);
    for hours in 0..20 {
        prune_all(&store, day(1000) + TimeDelta::hours(hours));
    }
    assert_eq!(count(&store, "runs"), KEEP + 1);
    // A run under the wrong clock changes nothing, nor does it stay in the way once the clock is right.
    write(
        &store,
        &OracleRun {
            id: "AHEAD".to_owned(),
            at: day(1000),
            end: End::Finished,
            events: vec![finished("target:a".parse().unwrap(), State::Ok)],
            claim: None,
        },
    );
    prune_all(&store, day(1000));
    prune_all(&store, day(49));
    assert_eq!(count(&store, "runs"), KEEP + 2);
    assert_eq!(store.runs(RunFilter::default(), 1).unwrap()[0].run, "AHEAD");
    prune_all(&store, day(51));
    assert_eq!(count(&store, "runs"), KEEP);
}

#[test]
fn messages_that_wait_or_count_stay() {
    let (_dir, store) = open();
    let put = |id: &str, key: &str, state: &str, at: DateTime<Utc>| {
        let settled = (state != "pending" && state != "held").then_some(Stamp(at));
        store
            .connection()
            .execute(
                "INSERT INTO outbox (id, channel, key, kind, severity, state, created_at, due_at, settled_at, json)
                 VALUES (?1, 'c', ?2, 'x', 'x', ?3, ?4, ?4, ?5, '{}')",
                params![id, key, state, Stamp(at), settled],
            )
            .unwrap();
    };
    for state in ["pending", "held", "sent", "dead", "merged", "dropped"] {
        put(state, state, state, day(0));
        put(&format!("new {state}"), state, state, day(39));
    }
    trust(&store, day(40));
    put("overtaken", "k", "dead", day(0));
    put("news", "k", "sent", day(39));
    prune_all(&store, day(40));
    let left: Vec<String> = store
        .read(|db| db.rows("SELECT id FROM outbox ORDER BY id", [], |row| row.get(0)))
        .unwrap();
    let wanted = [
        "dead",
        "held",
        "new dead",
        "new dropped",
        "new held",
        "new merged",
        "new pending",
        "new sent",
        "news",
        "pending",
    ];
    assert_eq!(left, wanted);
    // A rate limit over a longer time than the history is kept.
    put("counts", "z", "sent", day(5));
    let mut long = policy();
    long.rate_limits = Duration::from_secs(86_400 * 40);
    store.prune(&long, day(40)).unwrap();
    assert_eq!(count(&store, "outbox WHERE id = 'counts'"), 1);
    prune_all(&store, day(40));
    assert_eq!(count(&store, "outbox WHERE id = 'counts'"), 0);
}

#[test]
fn small_facts_go_with_what_they_are_about() {
    let (_dir, store) = open();
    let (old, new) = (Stamp(day(0)), Stamp(day(39)));
    {
        let db = store.connection();
        for (table, values) in [
            (
                "alert_states",
                "('target:a', ?1, '{}'), ('check:c', ?1, '{}'), ('config', ?1, '{}'), ('check:new', ?2, '{}')",
            ),
            (
                "back_offs",
                "('target:a', 3, ?1, ?1, 'R'), ('target:gone', 3, ?1, ?1, 'R'), ('target:late', 3, ?1, ?2, 'R')",
            ),
            (
                "schedules (schedule, definition, since, handled)",
                "('out', '', ?1, ?1), ('used', 'x', ?1, ?1), ('lately', '', ?1, ?2)",
            ),
            ("verifications", "('v', ?1, 1, ''), ('v', ?2, 0, 'x'), ('w', ?1, 1, '')"),
            ("holds", "('/s', 'gone', ?1, 'R'), ('/s', 'there', ?2, 'R')"),
        ] {
            db.execute(&format!("INSERT INTO {table} VALUES {values}"), [old, new])
                .unwrap();
        }
    }
    trust(&store, day(40));
    prune_all(&store, day(40));
    let left = |sql: &str| -> Vec<String> { store.read(|db| db.rows(sql, [], |row| row.get(0))).unwrap() };
    assert_eq!(
        left("SELECT key FROM alert_states ORDER BY key"),
        ["check:new", "config", "target:a"]
    );
    assert_eq!(
        left("SELECT job FROM back_offs ORDER BY job"),
        ["target:a", "target:late"]
    );
    assert_eq!(
        left("SELECT schedule FROM schedules ORDER BY schedule"),
        ["lately", "used"]
    );
    assert_eq!(left("SELECT copy || ok FROM verifications ORDER BY copy"), ["v0", "w1"]);
    assert_eq!(left("SELECT path FROM holds"), ["there"]);
}

fn fill(store: &Store, runs: i64) {
    let db = store.connection();
    db.execute_batch("BEGIN").unwrap();
    drop(db);
    for n in 0..runs {
        let step: StepName = "target:a".parse().unwrap();
        write(
            store,
            &OracleRun {
                id: format!("R{n:06}"),
                at: day(0) + TimeDelta::seconds(n),
                end: End::Finished,
                events: vec![
                    Event::StepStarted { step: step.clone() },
                    finished(step, State::Ok),
                    Event::RunFinished { exit: 0, millis: 1 },
                ],
                claim: None,
            },
        );
    }
    store.connection().execute_batch("COMMIT").unwrap();
}

#[test]
fn the_file_becomes_shorter_a_little_at_a_time() {
    let (_dir, store) = open();
    fill(&store, 3000);
    trust(&store, day(100));
    store.shorten().unwrap();
    let size = || std::fs::metadata(&store.path).unwrap().len();
    let big = size();
    prune_all(&store, day(100));
    let mut steps = 1;
    while store.give_back_space().unwrap() {
        steps += 1;
    }
    store.shorten().unwrap();
    assert!(size() < big / 4, "{big} bytes became {}", size());
    assert!(steps < 20);
    assert_eq!(
        std::fs::metadata(super::super::beside(&store.path, "-wal"))
            .unwrap()
            .len(),
        0
    );
    // A file of an earlier opsrun, which cannot give back pages: it is rewritten, once.
    let (dir, store) = open();
    drop(store);
    let old = Connection::open(dir.path().join(super::super::FILE_NAME)).unwrap();
    step_through(&old, "PRAGMA journal_mode = delete").unwrap();
    old.pragma_update(None, "auto_vacuum", "none").unwrap();
    step_through(&old, "VACUUM").unwrap();
    drop(old);
    let store = Store::open(dir.path()).unwrap();
    fill(&store, 3000);
    trust(&store, day(100));
    store.shorten().unwrap();
    let size = || std::fs::metadata(&store.path).unwrap().len();
    let big = size();
    assert!(!store.give_back_space().unwrap(), "nothing is free yet");
    prune_all(&store, day(100));
    assert_eq!(size() / 4096, big / 4096);
    while store.give_back_space().unwrap() {}
    store.shorten().unwrap();
    assert!(size() < big / 4, "{big} bytes became {}", size());
    assert_eq!(count(&store, "runs"), 1);
}

#[test]
fn pruning_waits_for_no_other_process_and_disturbs_no_reader() {
    let (dir, store) = open();
    fill(&store, 600);
    trust(&store, day(100));
    let other = Store::open(dir.path()).unwrap();
    let lock = other.connection();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let since = crate::clock::Stopwatch::set();
    assert!(store.prune(&policy(), day(100)).unwrap_err().is_busy());
    assert!(since.elapsed() < super::super::BUSY / 2);
    lock.execute_batch("ROLLBACK; BEGIN; SELECT count(*) FROM runs")
        .unwrap();
    prune_all(&store, day(100));
    let seen: i64 = lock
        .query_row("SELECT count(*) FROM runs", [], |row| row.get(0))
        .unwrap();
    assert_eq!((seen, count(&store, "runs")), (600, 1));
    // The reader keeps the log from being emptied; that is no failure.
    while store.give_back_space().unwrap() {}
    assert!(!store.shorten().unwrap());
    lock.execute_batch("ROLLBACK").unwrap();
    assert!(store.shorten().unwrap());
}

/// How many steps the database makes does not depend on how much there is.
#[test]
fn a_step_is_as_short_in_a_large_file() {
    let (_dir, store) = open();
    fill(&store, 20_000);
    trust(&store, day(100));
    let first = store.prune(&policy(), day(100)).unwrap();
    assert!(first.more && first.rows <= 2 * STEP_ROWS, "{first:?}");
    let db = store.connection();
    let oldest = "SELECT run FROM runs WHERE begun_at < ?1 AND coalesce(finished_at, interrupted_at) < ?1";
    let mut statement = db
        .prepare(&format!("EXPLAIN QUERY PLAN {oldest} ORDER BY begun_at, run LIMIT 5"))
        .unwrap();
    let plan: String = statement.query_row([""], |row| row.get(3)).unwrap();
    assert!(plan.contains("runs_by_begin"), "{plan}");
    for (sql, index) in [
        (decisions("seq"), "decisions_by_time"),
        (messages("seq"), "outbox_by_end"),
    ] {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql} LIMIT 5")).unwrap();
        let values: Vec<&str> = vec![""; statement.parameter_count()];
        let plan: String = statement
            .query_row(rusqlite::params_from_iter(values), |row| row.get(3))
            .unwrap();
        assert!(plan.contains(index), "{plan}");
    }
}

#[test]
fn runs_without_a_trace_of_a_job_are_still_runs() {
    let (_dir, store) = open();
    fill(&store, 1);
    trust(&store, day(100));
    assert_eq!(
        store.runs(RunFilter::default(), 9).unwrap()[0].end,
        RunEnd::Finished { exit: 0, millis: 1 }
    );
    prune_all(&store, day(100));
    assert_eq!(count(&store, "runs"), 1, "the newest run stays");
}
