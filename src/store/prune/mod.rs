//! Removing history that is older than `history keep=`, in steps that are short whatever the size of the file.
//!
//! Takes how long to keep and which jobs there are; removes, and gives back the space. Decides by what is stored, not by what
//! is on disk; that a copy is gone it hears from [`Store::forget_missing`].
//!
//! | table | what goes, once it is older than `keep` | what stays |
//! |---|---|---|
//! | `runs`, `events`, `claims` | a run that has ended, with all of it | the newest run; the last result, success and duration of each declared job, unless a younger run has one; runs without an end; a run whose claim is for an instant that its schedule may decide about again |
//! | `decisions` | by itself, whatever becomes of its run | the newest of each declared job; an instant that its schedule may decide about again |
//! | `markers`, `writer`, `queue`, `facts`, `sequences` | nothing | all |
//! | `holds` | what has run out that long ago | |
//! | `copies`, `relied_on` | nothing by age | what a pruned run recorded of a copy, until the copy is seen to be gone |
//! | `verifications` | all but the newest of a copy | the newest, until the copy is seen to be gone |
//! | `forgotten` | with the run that began the copy | |
//! | `schedules` | one that the ops file has no use for | every other |
//! | `back_offs`, `alert_states` | states of jobs that are no longer declared | states of declared jobs, and of the ops file |
//! | `outbox` | messages that were sent, merged or dropped; given up, if later news of the key was delivered | what waits; given up otherwise; what a rate limit counts |
//!
//! A copy is seen to be gone when its destination was listed without an error, has the marker that is remembered, and has
//! no file of the copy.
//! Invariants: a run goes whole, unless it is larger than a step; the answers of [`super::journal`] about copies that exist are the same before and after; each step is one
//! transaction; the age of history follows `reference`, not the clock alone.

mod reference;

use super::columns::{Stamp, json_list, path_value};
use super::history::jobs::runs_that_count;
use super::remembered::{fact, remember_fact};
use super::statements::Statements as _;
use super::{Store, StoreError};
use crate::model::{JobName, StepName};
use chrono::{DateTime, TimeDelta, Utc};
use reference::AgeReference;
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Rows after which a step ends, and the most of one run that it removes. A thousand events are some ten milliseconds.
const STEP_ROWS: usize = 1000;
/// Runs that one step looks at.
const STEP_RUNS: u32 = 250;
/// How often the reference is written, and the tables that grow with the ops file only are gone through.
const TIDY_INTERVAL: TimeDelta = TimeDelta::hours(1);
/// Free pages that stay in the file: the next runs fill them.
const SPARE_PAGES: i64 = 64;
/// Pages that are given back at once: two megabytes.
const STEP_PAGES: i64 = 512;
/// The largest content that is rewritten as a whole to be able to give back space: 64 MiB, under a second.
const MAX_REWRITTEN_PAGES: i64 = 16_384;

const REFERENCE: &str = "history-age";
const TIDIED: &str = "history-tidied";

/// What the ops file says about history.
#[derive(Debug, Clone)]
pub struct PrunePolicy {
    pub keep: Duration,
    pub jobs: Vec<JobName>,
    /// For how long a delivered message counts against a rate limit.
    pub rate_limits: Duration,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneStep {
    /// Rows that went.
    pub rows: usize,
    /// There is more to do now.
    pub more: bool,
}

impl Store {
    /// Removes some of what is too old. Does not wait for other processes: while one writes, nothing is done.
    pub fn prune(&self, policy: &PrunePolicy, now: DateTime<Utc>) -> Result<PruneStep, StoreError> {
        self.without_waiting(|| {
            let before = self.read(age_reference)?;
            let after = match before {
                Some(before) => before.seen_at(now),
                None => AgeReference::first(self.read(|db| newest_run(db, now - TIDY_INTERVAL))?, now),
            };
            let moment = after.moment(now);
            let limit = Limits::new(policy, moment, now);
            let runs = self.read(|db| old_runs(db, policy, &limit))?;
            let tidied = self
                .read(|db| fact(db, TIDIED))?
                .and_then(|at| at.parse::<DateTime<Utc>>().ok());
            let is_tidy = tidied.is_some_and(|at| at <= now && now - at < TIDY_INTERVAL);
            let any = !runs.is_empty() || self.read(|db| limit.any_alone(db))?;
            if !any && is_tidy && before.is_some_and(|before| before.is_near(after)) {
                return Ok(PruneStep::default());
            }
            self.write(|db| {
                let mut left = STEP_ROWS;
                let mut more = runs.len() >= STEP_RUNS as usize;
                for run in &runs {
                    if left == 0 {
                        break;
                    }
                    left = left.saturating_sub(remove_run(db, run, &limit, STEP_ROWS)?);
                }
                more |= left == 0;
                let alone = limit.remove_alone(db, left.max(STEP_ROWS / 4))?;
                more |= alone > 0;
                let mut rows = STEP_ROWS - left + alone;
                if !more && !is_tidy {
                    rows += limit.tidy(db, policy)?;
                    remember_fact(db, TIDIED, &now.to_rfc3339())?;
                }
                let text = serde_json::to_string(&after).unwrap_or_default();
                remember_fact(db, REFERENCE, &text)?;
                Ok(PruneStep { rows, more })
            })
        })
    }

    /// Gives some free space of the file back to the file system; true if there is more.
    pub fn give_back_space(&self) -> Result<bool, StoreError> {
        self.still_there()?;
        self.without_waiting(|| {
            let db = self.connection();
            let free = |e| StoreError::Write(self.path.clone(), e);
            let ask = |name: &str| {
                db.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                    .map_err(free)
            };
            let (all, unused) = (ask("page_count")?, ask("freelist_count")?);
            let spare = unused - SPARE_PAGES;
            if spare <= 0 {
                return Ok(false);
            }
            // 2 is `incremental`. A file of an earlier opsrun must be rewritten for it, once.
            if ask("auto_vacuum")? == 2 {
                step_through(&db, &format!("PRAGMA incremental_vacuum({})", spare.min(STEP_PAGES))).map_err(free)?;
                return Ok(spare > STEP_PAGES);
            }
            if spare >= all / 4 && all - unused <= MAX_REWRITTEN_PAGES {
                super::schema::prepare(&db).map_err(free)?;
                step_through(&db, "VACUUM").map_err(free)?;
            }
            Ok(false)
        })
    }

    /// The file becomes as short as its content: the write-ahead log is written into it and emptied. False while another
    /// process that reads prevents it.
    pub fn shorten(&self) -> Result<bool, StoreError> {
        self.without_waiting(|| {
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let busy = self.connection().query_row(sql, [], |row| row.get::<_, bool>(0));
            busy.map(|busy| !busy)
                .map_err(|e| StoreError::Write(self.path.clone(), e))
        })
    }

    /// Copies of `backup` about which only pruned history speaks, and whose place is `destination`.
    pub fn outlived_copies(&self, backup: &str, destination: &Path) -> Result<Vec<String>, StoreError> {
        // As its steps wrote it.
        let (shown, displayed) = (
            crate::path::shown(destination).to_string(),
            destination.display().to_string(),
        );
        self.read(|db| {
            let elsewhere = "SELECT 1 FROM markers WHERE backup = ?1 AND path <> ?2";
            let path = path_value(destination.as_os_str().as_encoded_bytes());
            let moved = db.prepare_cached(elsewhere)?.exists(params![backup, path])?;
            let placed = "SELECT copy FROM copies WHERE destination IN (?1, ?2)";
            let mut copies = db.rows(placed, [shown, displayed], |row| row.get(0))?;
            // What was relied on was at the destination; of a backup that only ever had one, that is this.
            if !moved {
                let unplaced = "SELECT copy FROM (SELECT copy FROM relied_on UNION SELECT copy FROM verifications)
                     WHERE copy NOT IN (SELECT copy FROM copies) AND copy NOT IN (
                         SELECT json ->> '$.copy' FROM events WHERE kind IN ('copy-started', 'copy-published'))";
                let unplaced: Vec<String> = db.rows(unplaced, [], |row| row.get(0))?;
                copies.extend(unplaced);
            }
            Ok(copies)
        })
    }

    /// These copies are gone: nothing is remembered of them but what their runs say.
    pub fn forget_missing(&self, copies: &[String]) -> Result<(), StoreError> {
        self.write(|db| {
            let list = json_list(copies);
            for table in ["copies", "relied_on", "verifications"] {
                let sql = format!("DELETE FROM {table} WHERE copy IN (SELECT value FROM json_each(?1))");
                db.execute(&sql, [&list])?;
            }
            Ok(())
        })
    }

    fn without_waiting<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let wait = |time| {
            let set = self.connection().busy_timeout(time);
            set.map_err(|e| StoreError::Open(self.path.clone(), e))
        };
        wait(Duration::ZERO)?;
        let done = work();
        wait(super::BUSY)?;
        done
    }
}

/// Some statements do a part of their work for each row that is asked of them.
fn step_through(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

fn age_reference(db: &Connection) -> rusqlite::Result<Option<AgeReference>> {
    let text = fact(db, REFERENCE)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn newest_run(db: &Connection, until: DateTime<Utc>) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let sql = "SELECT begun_at FROM runs WHERE begun_at <= ?1 ORDER BY begun_at DESC LIMIT 1";
    db.first(sql, [Stamp(until)], |row| row.get::<_, Stamp>(0).map(|stamp| stamp.0))
}

/// What is older than this goes.
struct Limits {
    all: Stamp,
    messages: Stamp,
    /// The declared jobs, for `json_each`.
    jobs: String,
}

impl Limits {
    fn new(policy: &PrunePolicy, moment: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let before = |moment: DateTime<Utc>, time: Duration| {
            let time = TimeDelta::from_std(time).ok();
            time.and_then(|time| moment.checked_sub_signed(time))
                .unwrap_or(DateTime::UNIX_EPOCH)
        };
        let all = before(moment, policy.keep);
        Self {
            all: Stamp(all),
            messages: Stamp(all.min(before(now, policy.rate_limits))),
            jobs: json_list(&policy.jobs),
        }
    }

    /// True when there are decisions or messages that may go.
    fn any_alone(&self, db: &Connection) -> rusqlite::Result<bool> {
        Ok(db
            .prepare_cached(&decisions("1"))?
            .exists(params![self.all, self.jobs])?
            || db.prepare_cached(&messages("1"))?.exists([self.messages])?)
    }

    /// Decisions and messages: they go by their own age.
    fn remove_alone(&self, db: &Connection, limit: usize) -> rusqlite::Result<usize> {
        let of_decisions = format!("DELETE FROM decisions WHERE seq IN ({} LIMIT ?3)", decisions("seq"));
        let of_messages = format!("DELETE FROM outbox WHERE seq IN ({} LIMIT ?2)", messages("seq"));
        let limit = limit as i64;
        Ok(db
            .prepare_cached(&of_decisions)?
            .execute(params![self.all, self.jobs, limit])?
            + db.prepare_cached(&of_messages)?
                .execute(params![self.messages, limit])?)
    }

    /// The tables that grow slowly. Each is gone through as a whole.
    fn tidy(&self, db: &Connection, policy: &PrunePolicy) -> rusqlite::Result<usize> {
        let mut rows = 0;
        for sql in [
            "DELETE FROM holds WHERE until < ?1",
            "DELETE FROM verifications WHERE at < ?1
                AND at < (SELECT max(at) FROM verifications AS newer WHERE newer.copy = verifications.copy)",
            "DELETE FROM schedules WHERE definition = '' AND handled < ?1 AND since < ?1
                AND schedule NOT IN (SELECT schedule FROM queue UNION SELECT schedule FROM claims)",
        ] {
            rows += db.execute(sql, [self.all])?;
        }
        rows += db.execute(
            "DELETE FROM outbox WHERE state = 'dead' AND settled_at < ?1 AND seq < (
                 SELECT max(later.seq) FROM outbox AS later WHERE later.state IN ('sent', 'merged')
                 AND later.channel = outbox.channel AND later.key = outbox.key)",
            [self.messages],
        )?;
        rows += db.execute(
            "DELETE FROM back_offs WHERE job NOT IN (SELECT value FROM json_each(?1))
                 AND coalesce(open_until, '') < ?2 AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.run = back_offs.run)",
            params![self.jobs, self.all],
        )?;
        let old = "SELECT key FROM alert_states WHERE at < ?1";
        let keys: Vec<String> = db.rows(old, [self.all], |row| row.get(0))?;
        for key in keys {
            let step = key.parse::<StepName>();
            if step.is_ok_and(|step| !policy.jobs.contains(&step.job())) {
                rows += db.execute("DELETE FROM alert_states WHERE key = ?1", [&key])?;
            }
        }
        Ok(rows)
    }
}

fn decisions(what: &str) -> String {
    format!(
        "SELECT {what} FROM decisions AS d WHERE at < ?1 AND last < ?1
             AND NOT EXISTS (SELECT 1 FROM schedules AS s WHERE s.schedule = d.schedule AND s.handled < d.last)
             AND (job NOT IN (SELECT value FROM json_each(?2))
                  OR seq < (SELECT max(seq) FROM decisions AS newer WHERE newer.job = d.job))"
    )
}

fn messages(what: &str) -> String {
    format!(
        "SELECT {what} FROM outbox WHERE settled_at < ?1 AND created_at < ?1 AND state IN ('sent', 'merged', 'dropped')"
    )
}

/// The oldest runs that may go.
fn old_runs(db: &Connection, policy: &PrunePolicy, limit: &Limits) -> rusqlite::Result<Vec<String>> {
    let oldest = "SELECT run FROM runs WHERE begun_at < ?1 AND coalesce(finished_at, interrupted_at) < ?1";
    // Usually there is none, and looking up what stays costs some queries for each job.
    if !db.prepare_cached(oldest)?.exists([limit.all])? {
        return Ok(Vec::new());
    }
    let mut stay = BTreeSet::new();
    for job in &policy.jobs {
        stay.extend(runs_that_count(db, job, limit.all.0)?);
    }
    let newest = "SELECT run FROM runs ORDER BY rowid DESC LIMIT 1";
    stay.extend(db.first(newest, [], |row| row.get::<_, String>(0))?);
    let sql = format!(
        "{oldest} AND run NOT IN (SELECT value FROM json_each(?2)) AND NOT EXISTS (
             SELECT 1 FROM claims LEFT JOIN schedules ON schedules.schedule = claims.schedule
             WHERE claims.run = runs.run AND (instant >= ?1 OR instant > handled))
         ORDER BY begun_at, run LIMIT ?3"
    );
    db.rows(&sql, params![limit.all, json_list(&stay), STEP_RUNS], |row| row.get(0))
}

/// Removes a run with its first `most` events, or the events alone; says how many rows went. What copies that may exist need of
/// it stays, in tables of its own.
fn remove_run(db: &Connection, run: &str, limit: &Limits, most: usize) -> rusqlite::Result<usize> {
    // Another process may have written since it was chosen.
    let old = "SELECT 1 FROM runs WHERE run = ?1 AND coalesce(finished_at, interrupted_at) < ?2";
    if !db.prepare_cached(old)?.exists(params![run, limit.all])? {
        return Ok(0);
    }
    let last = "SELECT max(seq) FROM (SELECT seq FROM events WHERE run = ?1 ORDER BY seq LIMIT ?2)";
    let last = db
        .first(last, params![run, most as i64], |row| row.get::<_, Option<i64>>(0))?
        .flatten();
    let mut rows = 0;
    if let Some(last) = last {
        keep_what_copies_need(db, run, last)?;
        rows += db
            .prepare_cached("DELETE FROM events WHERE run = ?1 AND seq <= ?2")?
            .execute(params![run, last])?;
    }
    if !db
        .prepare_cached("SELECT 1 FROM events WHERE run = ?1")?
        .exists([run])?
    {
        rows += db.prepare_cached("DELETE FROM claims WHERE run = ?1")?.execute([run])?;
        rows += db.prepare_cached("DELETE FROM runs WHERE run = ?1")?.execute([run])?;
    }
    Ok(rows)
}

/// Of the events of a run up to one. The plus keeps the index of kinds out: of a kind there may be many.
fn keep_what_copies_need(db: &Connection, run: &str, last: i64) -> rusqlite::Result<()> {
    let of_kind = "FROM events WHERE run = ?1 AND seq <= ?2 AND +kind =";
    let any = "SELECT 1 FROM events WHERE run = ?1 AND seq <= ?2
         AND +kind IN ('copy-started', 'copy-published', 'delete-intended')";
    if !db.prepare_cached(any)?.exists(params![run, last])? {
        return Ok(());
    }
    for sql in [
        format!(
            "INSERT OR IGNORE INTO copies (copy, destination, published)
             SELECT json ->> '$.copy', json ->> '$.destination', 0 {of_kind} 'copy-started'
             AND json ->> '$.copy' NOT IN (SELECT copy FROM forgotten)"
        ),
        format!(
            "INSERT INTO copies (copy, destination, published)
             SELECT json ->> '$.copy', json ->> '$.destination', 1 {of_kind} 'copy-published'
             ON CONFLICT DO UPDATE SET published = 1, destination = excluded.destination"
        ),
        format!(
            "INSERT INTO sequences (step, sequence)
             SELECT step, json ->> '$.sequence' {of_kind} 'copy-published' AND json ->> '$.sequence' IS NOT NULL
             ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence)"
        ),
        "INSERT OR IGNORE INTO relied_on (copy, run)
             SELECT DISTINCT copies.value, events.run FROM events, json_each(events.json, '$.copies') AS copies
             WHERE events.run = ?1 AND events.seq <= ?2 AND +events.kind = 'delete-intended'"
            .to_owned(),
        format!("DELETE FROM forgotten WHERE copy IN (SELECT json ->> '$.copy' {of_kind} 'copy-started')"),
    ] {
        db.run(&sql, params![run, last])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
