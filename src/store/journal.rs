//! Writing runs and their events, and what the next run asks of them before it begins.
//!
//! Takes events through [`crate::run::Record`], gives answers that are folds over them. Knows nothing of what
//! is on disk besides: a copy that was never published may or may not have left files behind.
//! Invariant: one event is one durable transaction; events are never changed, and removed by [`super::prune`] only, which
//! keeps what the answers here need of them.

use super::columns::Stamp;
use super::outbox::{AlertWriter, Ledger};
use super::statements::Statements as _;
use super::{Store, StoreError, alive};
use crate::clock;
use crate::model::{StepKind, StepName};
use crate::run::{Event, Record, RecordError};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet, HashSet};

impl Store {
    /// Notes that `run` begins; must come before its first event.
    pub fn begin_run(&self, run: &str, command: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|db| begin_run(db, run, command, Stamp(at), &self.own_process(db)))
    }

    pub fn journal(&self, run: &str) -> RunJournal<'_> {
        let run = run.to_owned();
        RunJournal { store: self, run }
    }

    /// Copies that were begun, never published and not yet forgotten: their files, if there are any, are debris.
    /// Oldest first. A copy of a run that is still going on is among them: its files are locked.
    pub fn unpublished_copies(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let pruned = has_pruned(db)?;
            let (begun, published) = if pruned {
                (
                    "UNION ALL SELECT copy, 0 FROM copies WHERE NOT published",
                    "UNION ALL SELECT copy FROM copies WHERE published",
                )
            } else {
                ("", "")
            };
            let sql = format!(
                "SELECT copy FROM (
                     SELECT json ->> '$.copy' AS copy, seq FROM events WHERE kind = 'copy-started' {begun}
                 ) WHERE copy NOT IN (
                     SELECT json ->> '$.copy' FROM events WHERE kind = 'copy-published' {published}
                 ) AND copy NOT IN (SELECT copy FROM forgotten) GROUP BY copy ORDER BY min(seq), copy"
            );
            db.rows(&sql, [], |row| row.get(0))
        })
    }

    /// Every copy that was published, but for those that were seen to be gone.
    pub fn published_copies(&self) -> Result<HashSet<String>, StoreError> {
        let copies: Vec<String> = self.read(|db| {
            let mut sql = "SELECT json ->> '$.copy' FROM events WHERE kind = 'copy-published'".to_owned();
            if has_pruned(db)? {
                sql += " UNION ALL SELECT copy FROM copies WHERE published";
            }
            db.rows(&sql, [], |row| row.get(0))
        })?;
        Ok(copies.into_iter().collect())
    }

    /// The highest sequence that a published copy of a backup had; 0 where none is known.
    pub fn highest_sequence(&self, backup: &str) -> Result<u64, StoreError> {
        let step = StepName::new(StepKind::Verify, backup).to_string();
        let highest: Vec<Option<i64>> = self.read(|db| {
            let mut sql =
                "SELECT max(json ->> '$.sequence') FROM events WHERE kind = 'copy-published' AND step = ?1".to_owned();
            if has_pruned(db)? {
                sql += " UNION ALL SELECT sequence FROM sequences WHERE step = ?1";
            }
            db.rows(&sql, [step], |row| row.get(0))
        })?;
        let highest = highest.into_iter().flatten().max();
        Ok(highest.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
    }

    /// The debris of `copy` is cleared; it is never asked about again.
    pub fn forget_copy(&self, copy: &str) -> Result<(), StoreError> {
        self.write(|db| {
            // Where its run is no longer remembered, nothing asks about it any more.
            if db.execute("DELETE FROM copies WHERE copy = ?1 AND NOT published", [copy])? > 0 {
                return Ok(());
            }
            let sql = "INSERT OR IGNORE INTO forgotten (copy, at) VALUES (?1, ?2)";
            db.run(sql, params![copy, Stamp(clock::now())])
        })
    }

    /// Every copy that a deletion relied on, or was about to rely on, with the runs that did; but for copies that were seen
    /// to be gone.
    pub fn relied_on(&self) -> Result<BTreeMap<String, BTreeSet<String>>, StoreError> {
        let pairs: Vec<(String, String)> = self.read(|db| {
            let mut sql =
                "SELECT DISTINCT copies.value, events.run FROM events, json_each(events.json, '$.copies') AS copies
                 WHERE events.kind = 'delete-intended'"
                    .to_owned();
            if has_pruned(db)? {
                sql += " UNION SELECT copy, run FROM relied_on";
            }
            db.rows(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        })?;
        let mut copies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (copy, run) in pairs {
            copies.entry(copy).or_default().insert(run);
        }
        Ok(copies)
    }

    /// Runs without an end whose process is gone and that are not marked yet, oldest first. Those that were claimed and never
    /// began are left to the next process that runs schedules.
    pub fn interrupted_runs(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let sql = "SELECT run, process FROM runs WHERE finished_at IS NULL AND interrupted_at IS NULL
                 AND (EXISTS (SELECT 1 FROM events WHERE events.run = runs.run)
                     OR NOT EXISTS (SELECT 1 FROM claims WHERE claims.run = runs.run))
                 ORDER BY begun_at, run";
            let open: Vec<(String, String)> = db.rows(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut gone = Vec::new();
            for (run, process) in open {
                if !alive::is_running(db, self.state_dir(), &run, &process)? {
                    gone.push(run);
                }
            }
            Ok(gone)
        })
    }

    /// Marks `run` as interrupted and writes the alerts about it. If it is marked already, nothing is written.
    pub fn mark_interrupted(&self, run: &str, alerts: AlertWriter<'_>) -> Result<(), StoreError> {
        self.write(|db| {
            let marked = db.execute(
                "UPDATE runs SET interrupted_at = ?2 WHERE run = ?1 AND finished_at IS NULL AND interrupted_at IS NULL",
                params![run, Stamp(clock::now())],
            )?;
            if marked > 0 { alerts(&Ledger(db)) } else { Ok(()) }
        })
    }

    fn record(&self, run: &str, events: &[Event], alerts: AlertWriter<'_>) -> Result<(), StoreError> {
        let at = Stamp(clock::now());
        let values: Result<Vec<_>, _> = events.iter().map(serde_json::to_value).collect();
        let unwritable = |e| rusqlite::Error::ToSqlConversionFailure(Box::new(e));
        let values = values.map_err(|e| StoreError::Write(self.path.clone(), unwritable(e)))?;
        self.write(|db| {
            let mut insert =
                db.prepare_cached("INSERT INTO events (run, at, step, kind, json) VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for (event, value) in events.iter().zip(&values) {
                let text = |name: &str| value.get(name).and_then(serde_json::Value::as_str);
                let kind = text("event").unwrap_or_default();
                insert.execute(params![run, at, text("step"), kind, value.to_string()])?;
                if let Event::RunFinished { exit, .. } = event {
                    let sql = "UPDATE runs SET finished_at = ?2, exit = ?3 WHERE run = ?1";
                    db.run(sql, params![run, at, exit])?;
                }
            }
            alerts(&Ledger(db))
        })
    }
}

/// False where an earlier opsrun made the database: it pruned nothing.
fn has_pruned(db: &Connection) -> rusqlite::Result<bool> {
    db.table_exists(None, "relied_on")
}

pub(super) fn begin_run(db: &Connection, run: &str, command: &str, at: Stamp, process: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO runs (run, command, begun_at, process) VALUES (?1, ?2, ?3, ?4)";
    db.run(sql, params![run, command, at, process])
}

#[derive(Debug)]
pub struct RunJournal<'a> {
    store: &'a Store,
    run: String,
}

impl RunJournal<'_> {
    /// Records events with their alerts: all of it, or nothing.
    pub fn record_with_alerts(&mut self, events: &[Event], alerts: AlertWriter<'_>) -> Result<(), RecordError> {
        let recorded = self.store.record(&self.run, events, alerts);
        recorded.map_err(|source| RecordError {
            place: crate::path::shown(self.store.path()).to_string(),
            source: Box::new(source),
        })
    }
}

impl Record for RunJournal<'_> {
    fn record_all(&mut self, events: &[Event]) -> Result<(), RecordError> {
        self.record_with_alerts(events, &mut |_| Ok(()))
    }
}
