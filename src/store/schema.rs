//! Tables, and the way from each version of them to the next.
//!
//! Takes an open database, gives it the newest schema in one transaction. `user_version` counts the
//! migrations that were done; `application_id` marks the files of opsrun.
//! Invariant: a migration that was released never changes; a newer or foreign file is refused unread.

use super::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

const APPLICATION_ID: i64 = 0x6f70_7372;

/// From version n to n + 1. An index says `json_extract`, not `->>`: an older `sqlite3` could not read
/// the schema otherwise.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE runs (
    run TEXT PRIMARY KEY,
    command TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    process TEXT NOT NULL,
    finished_at TEXT,
    exit INTEGER,
    interrupted_at TEXT
) STRICT;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES runs (run),
    at TEXT NOT NULL,
    step TEXT,
    kind TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_run ON events (run, seq);
CREATE INDEX events_by_kind ON events (kind, seq);
CREATE TABLE markers (
    backup TEXT NOT NULL,
    path ANY NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (backup, path)
) STRICT;
CREATE TABLE holds (
    source ANY NOT NULL,
    path ANY NOT NULL,
    until TEXT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (source, path)
) STRICT;
CREATE TABLE verifications (
    copy TEXT NOT NULL,
    at TEXT NOT NULL,
    ok INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX verifications_by_copy ON verifications (copy, at);
CREATE TABLE forgotten (
    copy TEXT PRIMARY KEY,
    at TEXT NOT NULL
) STRICT;
",
    "
CREATE INDEX runs_by_begin ON runs (begun_at, run);
CREATE INDEX events_by_step ON events (step, kind, seq) WHERE step IS NOT NULL;
CREATE INDEX settled_by_step ON events (step, json_extract(json, '$.outcome.state'), seq) WHERE kind = 'step-finished';
",
    "
CREATE TABLE schedules (
    schedule TEXT PRIMARY KEY,
    definition TEXT NOT NULL,
    since TEXT NOT NULL,
    handled TEXT NOT NULL
) STRICT;
CREATE TABLE claims (
    schedule TEXT NOT NULL,
    instant TEXT NOT NULL,
    run TEXT NOT NULL REFERENCES runs (run),
    at TEXT NOT NULL,
    PRIMARY KEY (schedule, instant, run)
) STRICT;
CREATE INDEX claims_by_run ON claims (run);
CREATE TABLE queue (
    job TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    instant TEXT NOT NULL
) STRICT;
CREATE TABLE decisions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    job TEXT NOT NULL,
    schedule TEXT NOT NULL,
    instant TEXT NOT NULL,
    last TEXT NOT NULL,
    count INTEGER NOT NULL,
    more INTEGER NOT NULL,
    decision TEXT NOT NULL,
    reason TEXT NOT NULL,
    run TEXT
) STRICT;
CREATE INDEX decisions_by_job ON decisions (job, seq);
CREATE UNIQUE INDEX ran_once ON decisions (job, schedule, instant) WHERE run IS NOT NULL;
CREATE TABLE back_offs (
    job TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    opened TEXT,
    open_until TEXT,
    run TEXT
) STRICT;
",
    "
CREATE TABLE alert_states (
    key TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'held', 'sent', 'dead', 'merged', 'dropped')),
    created_at TEXT NOT NULL,
    due_at TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    first_attempt_at TEXT,
    lease TEXT,
    leased_until TEXT,
    waited INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    settled_at TEXT,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_open ON outbox (state, channel, key, seq) WHERE state IN ('pending', 'held', 'dead');
CREATE INDEX outbox_settled ON outbox (channel, settled_at) WHERE settled_at IS NOT NULL;
",
    "
CREATE TABLE writer (
    id TEXT PRIMARY KEY
) STRICT;
",
    "
ALTER TABLE schedules ADD COLUMN era INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decisions ADD COLUMN era INTEGER NOT NULL DEFAULT 0;
DROP INDEX ran_once;
CREATE UNIQUE INDEX ran_once ON decisions (job, schedule, instant, era) WHERE run IS NOT NULL;
",
    "
ALTER TABLE outbox ADD COLUMN recipients TEXT;
ALTER TABLE outbox ADD COLUMN pause_until TEXT;
ALTER TABLE outbox ADD COLUMN lifted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN given_up_by TEXT;
",
    "
CREATE TABLE copies (
    copy TEXT PRIMARY KEY,
    destination TEXT NOT NULL,
    published INTEGER NOT NULL
) STRICT;
CREATE TABLE relied_on (
    copy TEXT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (copy, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE sequences (
    step TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT;
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
CREATE INDEX open_runs ON runs (begun_at, run) WHERE finished_at IS NULL AND interrupted_at IS NULL;
CREATE INDEX failed_runs ON runs (begun_at, run) WHERE exit IS NOT 0;
CREATE INDEX decisions_by_time ON decisions (at);
CREATE INDEX outbox_by_end ON outbox (settled_at) WHERE settled_at IS NOT NULL;
",
    "
CREATE TABLE waits (
    run TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (run, reason)
) STRICT;
CREATE INDEX decisions_by_run ON decisions (run) WHERE run IS NOT NULL;
",
    // What a check measured, for its next look: neither pruned with the history nor part of it.
    "
CREATE TABLE readings (
    job TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
",
];

pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Before the first table: freed pages can be given back later. SQLite ignores it in a file that has tables.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "auto_vacuum", "incremental")
}

/// The file's schema, 0 for an empty one; refuses what is newer or not ours.
pub(super) fn inspect(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let ask = |name: &str| {
        let found = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        found.map_err(|e| StoreError::Open(path.to_owned(), e))
    };
    let (id, found, tables) = (ask("application_id")?, ask("user_version")?, ask("schema_version")?);
    if id != APPLICATION_ID && (id != 0 || found != 0 || tables != 0) {
        return Err(StoreError::Foreign(path.to_owned()));
    }
    if found > 0
        && found <= VERSION
        && let Some(table) = missing_table(connection, path)?
    {
        return Err(StoreError::Incomplete {
            path: path.to_owned(),
            table,
        });
    }
    if found > VERSION {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    Ok(found)
}

/// A table of the first version that is missing.
fn missing_table(connection: &Connection, path: &Path) -> Result<Option<&'static str>, StoreError> {
    let names = ["runs", "events", "markers", "holds", "verifications", "forgotten"];
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    for name in names {
        let found = connection.query_row(sql, [name], |row| row.get::<_, i64>(0));
        if found.map_err(|e| StoreError::Open(path.to_owned(), e))? == 0 {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Brings the file to [`VERSION`].
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    // Asked again under the write lock: another process may just have done it.
    let mut all = || -> rusqlite::Result<()> {
        if version(connection)? >= VERSION {
            return Ok(());
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let from = usize::try_from(version(&transaction)?).unwrap_or(0);
        for migration in MIGRATIONS.iter().skip(from) {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION.max(version(&transaction)?))?;
        transaction.commit()
    };
    all().map_err(|e| StoreError::Write(path.to_owned(), e))
}

/// Makes the file that an earlier version left: without the newest migrations.
#[cfg(test)]
pub(super) fn make_older(path: &Path, version: usize) {
    let connection = Connection::open(path).unwrap();
    for migration in &MIGRATIONS[..version] {
        connection.execute_batch(migration).unwrap();
    }
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .unwrap();
    connection.pragma_update(None, "user_version", version as i64).unwrap();
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
