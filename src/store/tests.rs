//! The store against real files.

use super::*;
use crate::path::RelPath;
use crate::run::{Event, Outcome, Record, State};
use crate::store::history::RunFilter;
use chrono::{DateTime, Utc};
use std::os::unix::fs::PermissionsExt;

const RUN: &str = "01JD0000000000000000000000";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn rel(bytes: &[u8]) -> RelPath {
    RelPath::new(bytes).unwrap()
}

fn started(copy: &str) -> Event {
    Event::CopyStarted {
        step: "backup:b".parse().unwrap(),
        copy: copy.into(),
        destination: "/d".into(),
    }
}

fn published(copy: &str) -> Event {
    Event::CopyPublished {
        step: "verify:b".parse().unwrap(),
        copy: copy.into(),
        destination: "/d".into(),
        records: 1,
        bytes: 1,
        archive_bytes: 1,
        complete: true,
        suspect: None,
        sequence: None,
    }
}

fn intended(copies: &[&str]) -> Event {
    Event::DeleteIntended {
        step: "cleanup:r".parse().unwrap(),
        batch: 0,
        copies: copies.iter().map(|c| (*c).to_owned()).collect(),
        files: 1,
        bytes: 1,
        first: "a".into(),
        last: "a".into(),
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn makes_a_private_directory_and_file() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("a/b");
    let store = Store::open(&state).unwrap();
    // The group of root is no wider than root.
    let root = rustix::process::geteuid().is_root();
    let (of_dir, of_file) = if root { (0o750, 0o640) } else { (0o700, 0o600) };
    assert_eq!(mode(&state), of_dir);
    assert_eq!(mode(&dir.path().join("a")), of_dir);
    assert_eq!(mode(store.path()), of_file);
    store.begin_run(RUN, "apply", at("2026-11-23T00:00:00Z")).unwrap();
    assert_eq!(mode(&state.join("opsrun.db-wal")), of_file);
    let ask = |name: &str| -> String {
        store
            .connection()
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|v| format!("{v:?}"))
            .unwrap()
    };
    assert_eq!(ask("synchronous"), "Integer(2)");
    assert_eq!(ask("journal_mode"), "Text(\"wal\")");
}

#[test]
fn events_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.begin_run(RUN, "apply", at("2026-11-23T00:00:00Z")).unwrap();
    let mut journal = store.journal(RUN);
    let events = [
        started("c1"),
        published("c1"),
        Event::RunFinished { exit: 4, millis: 7 },
    ];
    for event in &events {
        journal.record(event).unwrap();
    }
    let found: Vec<Event> = store.events_of(RUN).unwrap().into_iter().map(|e| e.event).collect();
    assert_eq!(found, events);
    let runs = store.runs(RunFilter::default(), 10).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].end, RunEnd::Finished { exit: 4, millis: 7 });
    assert!(store.interrupted_runs().unwrap().is_empty());
    let row: (String, String) = store
        .connection()
        .query_row("SELECT step, kind FROM events WHERE seq = 2", [], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .unwrap();
    assert_eq!(row, ("verify:b".to_owned(), "copy-published".to_owned()));
}

#[test]
fn an_event_of_a_run_that_never_began_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.journal("nobody").record(&started("c")).is_err());
}

#[test]
fn what_was_recorded_survives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.begin_run(RUN, "apply", at("2026-11-23T00:00:00Z")).unwrap();
    store.journal(RUN).record(&started("c1")).unwrap();
    store.journal(RUN).record(&intended(&["c0", "c1"])).unwrap();
    // As after a kill: the files as they are now, without a clean close.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["opsrun.db", "opsrun.db-wal"] {
        std::fs::copy(dir.path().join(name), crashed.path().join(name)).unwrap();
    }
    let again = Store::open(crashed.path()).unwrap();
    assert_eq!(again.unpublished_copies().unwrap(), ["c1"]);
    let relied = again.relied_on().unwrap();
    assert_eq!(relied.keys().collect::<Vec<_>>(), ["c0", "c1"]);
    assert!(relied["c1"].contains(RUN));
}

#[test]
fn a_torn_end_of_the_log_loses_only_what_was_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.begin_run(RUN, "apply", at("2026-11-23T00:00:00Z")).unwrap();
    store.journal(RUN).record(&started("c1")).unwrap();
    let whole = std::fs::read(dir.path().join("opsrun.db-wal")).unwrap();
    store.journal(RUN).record(&started("c2")).unwrap();
    let more = std::fs::read(dir.path().join("opsrun.db-wal")).unwrap();
    for cut in [whole.len(), whole.len() + 1, whole.len() + 4000, more.len() - 1] {
        let crashed = tempfile::tempdir().unwrap();
        std::fs::copy(store.path(), crashed.path().join(FILE_NAME)).unwrap();
        std::fs::write(crashed.path().join("opsrun.db-wal"), &more[..cut]).unwrap();
        let again = Store::open(crashed.path()).unwrap();
        assert_eq!(again.unpublished_copies().unwrap(), ["c1"], "cut at {cut}");
    }
}

#[test]
fn unpublished_copies_are_published_or_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.begin_run(RUN, "apply", at("2026-11-23T00:00:00Z")).unwrap();
    let mut journal = store.journal(RUN);
    for event in [started("c1"), published("c1"), started("c2"), started("c3")] {
        journal.record(&event).unwrap();
    }
    assert_eq!(store.unpublished_copies().unwrap(), ["c2", "c3"]);
    store.forget_copy("c2").unwrap();
    store.forget_copy("c2").unwrap();
    assert_eq!(store.unpublished_copies().unwrap(), ["c3"]);
}

#[test]
fn runs_of_dead_processes_are_interrupted_and_marked_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.begin_run("dead", "apply", at("2026-11-22T00:00:00Z")).unwrap();
    store.begin_run("alive", "apply", at("2026-11-23T00:00:00Z")).unwrap();
    store
        .connection()
        .execute("UPDATE runs SET process = '1 0 x' WHERE run = 'dead'", [])
        .unwrap();
    assert_eq!(store.interrupted_runs().unwrap(), ["dead"]);
    for (run, step) in [("dead", "target:b"), ("dead", "target:a"), ("alive", "target:c")] {
        let step = step.parse().unwrap();
        store.journal(run).record(&Event::StepStarted { step }).unwrap();
    }
    let ended = Event::StepFinished {
        step: "target:b".parse().unwrap(),
        outcome: Outcome {
            state: State::Ok,
            summary: String::new(),
            help: None,
            details: Vec::new(),
        },
    };
    store.journal("dead").record(&ended).unwrap();
    store.mark_interrupted("dead", &mut |_| Ok(())).unwrap();
    assert!(store.interrupted_runs().unwrap().is_empty());
    assert!(store.runs(RunFilter::default(), 1).unwrap()[0].run == "alive");
    assert_eq!(store.runs(RunFilter::default(), 2).unwrap()[1].end, RunEnd::Interrupted);
}

#[test]
fn markers_and_holds_of_any_bytes() {
    use std::ffi::OsStr;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let odd = Path::new(OsStr::from_bytes(b"/d\xff"));
    assert_eq!(store.marker_of("b", odd).unwrap(), None);
    store.remember_marker("b", odd, "1").unwrap();
    store.remember_marker("b", odd, "2").unwrap();
    assert_eq!(store.marker_of("b", odd).unwrap().as_deref(), Some("2"));
    assert_eq!(store.marker_of("c", odd).unwrap(), None);

    let source = Path::new("/s");
    let (soon, late) = (at("2999-01-01T00:00:00Z"), at("2999-02-01T00:00:00Z"));
    let paths = [rel(b"a\xff"), rel(b"a/b"), rel(b"a")];
    store.add_holds(source, &paths, late, RUN).unwrap();
    store.add_holds(source, &paths[..1], soon, RUN).unwrap();
    let held = |now| store.holds(source, now).unwrap();
    assert_eq!(held(soon), [rel(b"a"), rel(b"a/b"), rel(b"a\xff")]);
    assert!(held(late).is_empty());
    assert!(store.holds(Path::new("/other"), soon).unwrap().is_empty());
    // A clock that is ahead for a moment ends no hold for good.
    let (past, before) = (at("2001-01-01T00:00:00Z"), at("2000-12-31T00:00:00Z"));
    store.add_holds(Path::new("/t"), &paths[..1], past, RUN).unwrap();
    store.add_holds(Path::new("/t"), &paths[1..], late, RUN).unwrap();
    assert_eq!(store.holds(Path::new("/t"), before).unwrap().len(), 3);
}

#[test]
fn verifications_keep_the_last_word() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store
        .record_verification("c", at("2026-01-01T00:00:00Z"), true, "")
        .unwrap();
    store
        .record_verification("c", at("2026-01-02T00:00:00Z"), false, "one entry differs")
        .unwrap();
    let newest = "SELECT ok, detail FROM verifications WHERE copy = 'c' ORDER BY at DESC LIMIT 1";
    let (ok, detail): (bool, String) = store
        .connection()
        .query_row(newest, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((ok, detail.as_str()), (false, "one entry differs"));
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.connection().pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    let before = std::fs::read(dir.path().join(FILE_NAME)).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error:?}");
    assert!(!error.is_cannot_write());
    assert!(matches!(
        Store::open_read_only(dir.path()),
        Err(StoreError::Newer { .. })
    ));
    assert_eq!(std::fs::read(dir.path().join(FILE_NAME)).unwrap(), before);
}

#[test]
fn foreign_and_broken_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(other);
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Foreign { .. })));
    std::fs::write(&path, "no database at all, but long enough to be looked at".repeat(40)).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    assert!(error.help().unwrap().contains("move the file away"));
    assert!(Store::open_read_only(dir.path()).is_err());
}

#[test]
fn reading_creates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("none");
    assert!(Store::open_read_only(&absent).unwrap().is_none());
    assert!(!absent.exists());
    assert!(Store::open_read_only(dir.path()).unwrap().is_none());
    assert!(names(dir.path()).is_empty());

    // Closed cleanly: the file alone.
    drop(Store::open(dir.path()).unwrap());
    let before = names(dir.path());
    let store = Store::open_read_only(dir.path()).unwrap().unwrap();
    assert!(store.unpublished_copies().unwrap().is_empty());
    assert_eq!(names(dir.path()), before);
    let error = store.begin_run(RUN, "apply", at("2026-11-23T00:00:00Z")).unwrap_err();
    assert!(error.is_cannot_write(), "{error:?}");
    drop(store);
    assert_eq!(names(dir.path()), before);
}

#[test]
fn reading_sees_what_a_live_writer_committed() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Store::open(dir.path()).unwrap();
    writer.begin_run(RUN, "apply", at("2026-11-23T00:00:00Z")).unwrap();
    writer.journal(RUN).record(&started("c1")).unwrap();
    let before = names(dir.path());
    let reader = Store::open_read_only(dir.path()).unwrap().unwrap();
    assert_eq!(reader.unpublished_copies().unwrap(), ["c1"]);
    drop(reader);
    assert_eq!(names(dir.path()), before);
}

#[test]
fn a_file_of_odd_name_is_reached_by_its_uri() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("50%? #x\n&y=z");
    drop(Store::open(&state).unwrap());
    assert!(Store::open_read_only(&state).unwrap().is_some());
}

#[test]
fn a_state_taken_away_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("s");
    let store = Store::open(&state).unwrap();
    store.begin_run(RUN, "apply", at("2026-11-23T00:00:00Z")).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test takes the state away")]
    std::fs::rename(&state, dir.path().join("elsewhere")).unwrap();
    let error = store.journal(RUN).record(&started("c1")).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("moved or removed"), "{source}");
    assert!(matches!(store.forget_copy("c"), Err(e) if e.is_cannot_write()));
}

#[test]
fn a_place_where_nothing_can_be_made_is_said() {
    let error = Store::open(Path::new("/proc/opsrun-test")).unwrap_err();
    assert!(error.is_cannot_write(), "{error:?}");
    assert!(error.to_string().contains("/proc/opsrun-test"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = Store::open(&file.join("state")).unwrap_err();
    assert!(error.is_cannot_write(), "{error:?}");
    assert!(Store::open_read_only(&file.join("state")).is_err());
}

#[test]
fn a_full_disk_is_told_from_other_failures() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.begin_run(RUN, "apply", at("2026-11-23T00:00:00Z")).unwrap();
    let pages: i64 = store
        .connection()
        .pragma_query_value(None, "page_count", |r| r.get(0))
        .unwrap();
    store
        .connection()
        .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        .unwrap();
    let error = (0..10_000)
        .find_map(|n| {
            store
                .record_verification(&"c".repeat(4000), at("2026-01-01T00:00:00Z"), true, &n.to_string())
                .err()
        })
        .unwrap();
    assert!(error.is_cannot_write(), "{error:?}");
    assert!(error.help().unwrap().contains("make space"));
    // And what is there can still be read.
    assert_eq!(store.runs(RunFilter::default(), 1).unwrap().len(), 1);
}

#[test]
fn two_writers_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let write = |run: &str| {
        let store = Store::open(dir.path()).unwrap();
        store.begin_run(run, "apply", at("2026-11-23T00:00:00Z")).unwrap();
        for n in 0..50 {
            store.journal(run).record(&started(&format!("{run}-{n}"))).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for run in ["a", "b", "c"] {
            scope.spawn(move || write(run));
        }
    });
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.unpublished_copies().unwrap().len(), 150);
}

#[test]
fn the_id_of_a_writer_is_made_once_and_an_older_state_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.writer().unwrap(), None);
    assert_eq!(store.writer_or("a").unwrap(), "a");
    assert_eq!(store.writer_or("b").unwrap(), "a");
    drop(store);
    let again = Store::open_read_only(dir.path()).unwrap().unwrap();
    assert_eq!(again.writer().unwrap().as_deref(), Some("a"));
    drop(again);
    let dir = tempfile::tempdir().unwrap();
    schema::make_older(&dir.path().join("opsrun.db"), 4);
    let older = Store::open_read_only(dir.path()).unwrap().unwrap();
    assert_eq!(older.writer().unwrap(), None);
    assert_eq!(older.highest_sequence("b").unwrap(), 0);
    assert!(older.published_copies().unwrap().is_empty());
    drop(older);
    assert_eq!(Store::open(dir.path()).unwrap().writer_or("c").unwrap(), "c");
}
