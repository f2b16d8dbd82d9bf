//! What schedules have come to: which instants were decided about, which runs were begun for them, and why.
//!
//! Takes what one look at the clock decided as a [`TickRecord`], writes all of it or nothing; gives back what a later look
//! needs ([`Agenda`]) and what people ask ([`StoredDecision`]). Decides nothing itself.
//! Invariant: an instant up to a schedule's `handled` is never run again, by any process: a tick is written only if every
//! schedule is as it was when the tick was decided, together with the runs that it begins.

use super::columns::{Stamp, from_word};
use super::journal::begin_run;
use super::statements::Statements as _;
use super::{Store, StoreError, alive};
use crate::model::JobName;
use crate::model::backoff::BackOffState;
pub use crate::run::Occurrence;
use chrono::{DateTime, Utc};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleState {
    /// When it is due, in words: another definition is another schedule. Empty once the ops file has no use for it.
    pub definition: String,
    /// When opsrun first saw it so defined.
    pub since: DateTime<Utc>,
    /// Everything up to and with this instant was decided about.
    pub handled: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleAdvance {
    pub schedule: String,
    /// What it was when the turn was decided; `None` when it was not known.
    pub before: Option<ScheduleState>,
    pub after: ScheduleState,
}

/// What was decided about a job at an instant, or at a row of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Decision {
    #[serde(skip)]
    pub job: JobName,
    /// The schedule.
    pub schedule: String,
    /// The first instant it applies to: RFC 3339, UTC.
    pub first: DateTime<Utc>,
    /// The last instant it applies to: RFC 3339, UTC.
    pub last: DateTime<Utc>,
    /// Number of instants.
    pub count: u64,
    /// There are more instants than were counted.
    pub more: bool,
    /// `ran`, `missed`, `skipped-overlap`, `queued`, `backed-off`, `paused` or `dropped`.
    #[serde(rename = "decision")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub verdict: FiringVerdict,
    /// The reason, in one line.
    pub reason: String,
}

impl Decision {
    /// The first instant, with its schedule.
    pub fn occurrence(&self) -> Occurrence {
        Occurrence {
            schedule: self.schedule.clone(),
            instant: self.first,
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FiringVerdict {
    /// A run was begun.
    Ran,
    /// opsrun did not run then, and the run is not caught up.
    Missed,
    /// It still ran from the time before.
    SkippedOverlap,
    /// It runs when the one that still runs has ended.
    Queued,
    /// It failed too often of late and is left alone.
    BackedOff,
    /// It is paused, or depends on a job that is.
    Paused,
    /// The ops file no longer asks for it.
    Dropped,
}

impl FiringVerdict {
    /// The word in the store, in JSON and in text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Missed => "missed",
            Self::SkippedOverlap => "skipped-overlap",
            Self::Queued => "queued",
            Self::BackedOff => "backed-off",
            Self::Paused => "paused",
            Self::Dropped => "dropped",
        }
    }
}

impl ToSql for FiringVerdict {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.word().into())
    }
}

impl FromSql for FiringVerdict {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        from_word(value)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRun {
    pub run: String,
    pub occurrences: Vec<Occurrence>,
    /// The jobs that are due, each with why it runs now; they bring what they need.
    pub jobs: Vec<Decision>,
}

/// All that one look at the clock decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TickRecord {
    /// How far the schedules have come.
    pub advances: Vec<ScheduleAdvance>,
    pub runs: Vec<ScheduledRun>,
    /// What is not run.
    pub decisions: Vec<Decision>,
    /// What waits from now on, each in place of what waited before.
    pub queue: Vec<(JobName, Occurrence)>,
    /// What waits no longer.
    pub unqueue: Vec<JobName>,
}

impl TickRecord {
    /// True when there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What earlier turns and runs left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agenda {
    /// How far each schedule has come.
    pub schedules: BTreeMap<String, ScheduleState>,
    /// Jobs that wait for their own earlier run to end.
    pub queue: BTreeMap<JobName, Occurrence>,
    /// The targets with a back-off.
    pub back_offs: BTreeMap<JobName, BackOffState>,
}

impl Agenda {
    /// What it is after a turn: as the store has it once the turn is written.
    pub fn follow(&mut self, turn: &TickRecord) {
        for step in &turn.advances {
            self.schedules.insert(step.schedule.clone(), step.after.clone());
        }
        for job in &turn.unqueue {
            self.queue.remove(job);
        }
        self.queue.extend(turn.queue.iter().cloned());
    }
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "DecisionDocument"))]
pub struct StoredDecision {
    /// When it was made: RFC 3339, UTC.
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub decision: Decision,
    /// The run that was started.
    pub run: Option<String>,
}

impl Store {
    /// What earlier ticks and runs left. Empty where an earlier opsrun made the database.
    pub fn agenda(&self) -> Result<Agenda, StoreError> {
        self.read(|db| {
            let mut found = Agenda::default();
            if !db.table_exists(None, "schedules")? {
                return Ok(found);
            }
            let schedules = "SELECT schedule, definition, since, handled FROM schedules";
            found
                .schedules
                .extend(db.rows(schedules, [], |row| Ok((row.get(0)?, state(row, 1)?)))?);
            let queue = "SELECT job, schedule, instant FROM queue";
            found
                .queue
                .extend(db.rows(queue, [], |row| Ok((row.get(0)?, occurrence(row, 1)?)))?);
            let back_offs = "SELECT job, failures, opened, open_until FROM back_offs";
            found
                .back_offs
                .extend(db.rows(back_offs, [], |row| Ok((row.get(0)?, back_off(row, 1)?)))?);
            Ok(found)
        })
    }

    /// Writes a tick and begins its runs: all of it, or nothing. False when a schedule has changed since: another process
    /// was faster, and the tick must be decided again.
    pub fn record_tick(&self, turn: &TickRecord, command: &str, at: DateTime<Utc>) -> Result<bool, StoreError> {
        let now = Stamp(at);
        self.attempt(|db| {
            for step in &turn.advances {
                if !advance(db, step)? {
                    return Ok(false);
                }
            }
            for job in &turn.unqueue {
                // Another process may have taken it from the queue.
                if db.execute("DELETE FROM queue WHERE job = ?1", [job])? == 0 {
                    return Ok(false);
                }
            }
            for decision in &turn.decisions {
                if !repeat_decision(db, decision, now)? {
                    insert_decision(db, decision, None, now)?;
                }
            }
            for run in &turn.runs {
                begin_run(db, &run.run, command, now)?;
                for claim in &run.occurrences {
                    let sql = "INSERT INTO claims (schedule, instant, run, at) VALUES (?1, ?2, ?3, ?4)";
                    db.run(sql, params![claim.schedule, Stamp(claim.instant), run.run, now])?;
                }
                for decision in &run.jobs {
                    insert_decision(db, decision, Some(&run.run), now)?;
                }
            }
            for (job, waiting) in &turn.queue {
                let sql = "INSERT OR REPLACE INTO queue (job, schedule, instant) VALUES (?1, ?2, ?3)";
                db.run(sql, params![job, waiting.schedule, Stamp(waiting.instant)])?;
            }
            Ok(true)
        })
    }

    /// A target that was left alone after failures is tried in a run, and may not come to an end there: noted until
    /// [`Self::settle_back_off`].
    pub fn begin_attempt(&self, job: &JobName, run: &str) -> Result<(), StoreError> {
        if self.back_off(job)?.is_none_or(|state| state.open_until.is_none()) {
            return Ok(());
        }
        self.execute("UPDATE back_offs SET run = ?2 WHERE job = ?1", params![job, run])
    }

    /// After a target ended: `decide` gets the back-off before, and gives the new one.
    pub fn settle_back_off(
        &self,
        job: &JobName,
        decide: impl Fn(BackOffState) -> BackOffState,
    ) -> Result<(), StoreError> {
        let never = BackOffState::default();
        // Most targets never fail, and nothing is to be written about them.
        if self.back_off(job)?.is_none() && decide(never) == never {
            return Ok(());
        }
        self.write(|db| {
            let after = decide(find_back_off(db, job)?.unwrap_or_default());
            if after == never {
                return db.run("DELETE FROM back_offs WHERE job = ?1", [job]);
            }
            db.run(
                "INSERT OR REPLACE INTO back_offs (job, failures, opened, open_until, run) VALUES (?1, ?2, ?3, ?4, NULL)",
                params![job, after.failures, after.opened.map(Stamp), after.open_until.map(Stamp)],
            )
        })
    }

    pub fn back_off(&self, job: &JobName) -> Result<Option<BackOffState>, StoreError> {
        self.read(|db| find_back_off(db, job))
    }

    /// Targets that were tried in a run whose process is gone, and never came to an end there.
    pub fn lost_attempts(&self) -> Result<Vec<JobName>, StoreError> {
        self.read(|db| {
            let sql = "SELECT job, process FROM back_offs JOIN runs ON runs.run = back_offs.run
                 WHERE finished_at IS NULL ORDER BY job";
            let rows = db.rows(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let gone = |(job, process): (JobName, String)| (!alive::is_alive(&process)).then_some(job);
            Ok(rows.into_iter().filter_map(gone).collect())
        })
    }

    /// What was decided about a job, newest first, at most `limit`. Nothing where an earlier opsrun made the database.
    pub fn decisions(&self, of: &JobName, limit: u32) -> Result<Vec<StoredDecision>, StoreError> {
        self.read(|db| {
            if !db.table_exists(None, "decisions")? {
                return Ok(Vec::new());
            }
            let sql = "SELECT at, job, schedule, instant, last, count, more, decision, reason, run FROM decisions
                 WHERE job = ?1 ORDER BY seq DESC LIMIT ?2";
            db.rows(sql, params![of, limit], stored_decision)
        })
    }

    /// The instants for which a run was begun, oldest first.
    pub fn claims_of(&self, run: &str) -> Result<Vec<Occurrence>, StoreError> {
        self.read(|db| {
            if !db.table_exists(None, "claims")? {
                return Ok(Vec::new());
            }
            let sql = "SELECT schedule, instant FROM claims WHERE run = ?1 ORDER BY instant, schedule";
            db.rows(sql, [run], |row| occurrence(row, 0))
        })
    }
}

/// Moves a schedule on. False when it has changed since.
fn advance(db: &Connection, step: &ScheduleAdvance) -> rusqlite::Result<bool> {
    let sql = "SELECT definition, since, handled FROM schedules WHERE schedule = ?1";
    let found = db.first(sql, [&step.schedule], |row| state(row, 0))?;
    if found != step.before {
        return Ok(false);
    }
    let (after, since, handled) = (&step.after, Stamp(step.after.since), Stamp(step.after.handled));
    db.run(
        "INSERT OR REPLACE INTO schedules (schedule, definition, since, handled) VALUES (?1, ?2, ?3, ?4)",
        params![step.schedule, after.definition, since, handled],
    )?;
    Ok(true)
}

/// Adds to the newest decision about the job when that says the same: a job that hangs for a week has one row.
fn repeat_decision(db: &Connection, decision: &Decision, now: Stamp) -> rusqlite::Result<bool> {
    let changed = db.execute(
        "UPDATE decisions SET at = ?1, last = ?2, count = count + ?3, more = more OR ?4
         WHERE seq = (SELECT max(seq) FROM decisions WHERE job = ?5)
           AND schedule = ?6 AND decision = ?7 AND reason = ?8 AND run IS NULL AND last < ?9",
        params![
            now,
            Stamp(decision.last),
            decision.count as i64,
            decision.more,
            decision.job,
            decision.schedule,
            decision.verdict,
            decision.reason,
            Stamp(decision.first),
        ],
    )?;
    Ok(changed > 0)
}

fn insert_decision(db: &Connection, decision: &Decision, run: Option<&str>, now: Stamp) -> rusqlite::Result<()> {
    db.run(
        "INSERT INTO decisions (at, job, schedule, instant, last, count, more, decision, reason, run)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            now,
            decision.job,
            decision.schedule,
            Stamp(decision.first),
            Stamp(decision.last),
            decision.count as i64,
            decision.more,
            decision.verdict,
            decision.reason,
            run,
        ],
    )
}

fn find_back_off(db: &Connection, job: &JobName) -> rusqlite::Result<Option<BackOffState>> {
    let sql = "SELECT failures, opened, open_until FROM back_offs WHERE job = ?1";
    db.first(sql, [job], |row| back_off(row, 0))
}

fn state(row: &Row<'_>, from: usize) -> rusqlite::Result<ScheduleState> {
    Ok(ScheduleState {
        definition: row.get(from)?,
        since: row.get::<_, Stamp>(from + 1)?.0,
        handled: row.get::<_, Stamp>(from + 2)?.0,
    })
}

fn occurrence(row: &Row<'_>, from: usize) -> rusqlite::Result<Occurrence> {
    Ok(Occurrence {
        schedule: row.get(from)?,
        instant: row.get::<_, Stamp>(from + 1)?.0,
    })
}

fn back_off(row: &Row<'_>, from: usize) -> rusqlite::Result<BackOffState> {
    let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<Stamp>>(column)?.map(|stamp| stamp.0));
    Ok(BackOffState {
        failures: row.get(from)?,
        opened: time(from + 1)?,
        open_until: time(from + 2)?,
    })
}

fn stored_decision(row: &Row<'_>) -> rusqlite::Result<StoredDecision> {
    let count: i64 = row.get(5)?;
    Ok(StoredDecision {
        at: row.get::<_, Stamp>(0)?.0,
        decision: Decision {
            job: row.get(1)?,
            schedule: row.get(2)?,
            first: row.get::<_, Stamp>(3)?.0,
            last: row.get::<_, Stamp>(4)?.0,
            count: count.unsigned_abs(),
            more: row.get(6)?,
            verdict: row.get(7)?,
            reason: row.get(8)?,
        },
        run: row.get(9)?,
    })
}

#[cfg(test)]
mod tests;
