//! What schedules have come to: which instants were decided about, which runs were begun for them, and why.
//!
//! Takes what one look at the clock decided as a [`TickRecord`], writes all of it or nothing; gives back what a later look
//! needs ([`Agenda`]) and what people ask ([`StoredDecision`]). Decides nothing itself.
//! Invariant: an instant up to a schedule's `handled` is never run again, by any process: a tick is written only if every
//! schedule is as it was when the tick was decided, together with the runs that it begins. Where the clock was set back too
//! far, `handled` goes back with it, and a new era begins: an instant runs once in each.

use super::columns::Stamp;
use super::journal::begin_run;
use super::statements::Statements as _;
pub use super::tick_record::{
    Agenda, Decision, FiringVerdict, ScheduleAdvance, ScheduleState, ScheduledRun, StoredDecision, TickRecord,
};
use super::{Store, StoreError, alive};
use crate::model::JobName;
use crate::model::backoff::BackOffState;
pub use crate::run::Occurrence;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};
use std::collections::BTreeMap;

impl Store {
    /// What earlier ticks and runs left. Empty where an earlier opsrun made the database.
    pub fn agenda(&self) -> Result<Agenda, StoreError> {
        self.read(|db| {
            let mut found = Agenda::default();
            if !db.table_exists(None, "schedules")? {
                return Ok(found);
            }
            let era = era(db)?;
            let schedules = &format!("SELECT schedule, definition, since, handled, {era} FROM schedules");
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

    /// For [`Agenda::ran`].
    pub fn ran_until(&self, now: DateTime<Utc>) -> Result<BTreeMap<String, DateTime<Utc>>, StoreError> {
        self.read(|db| {
            let sql = "SELECT schedules.schedule, max(instant) FROM schedules
                 JOIN claims ON claims.schedule = schedules.schedule AND instant > handled AND instant <= ?1
                 GROUP BY schedules.schedule";
            let rows = db.rows(sql, [Stamp(now)], |row| Ok((row.get(0)?, row.get::<_, Stamp>(1)?.0)))?;
            Ok(rows.into_iter().collect())
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
                begin_run(db, &run.run, command, now, &self.own_process(db))?;
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
            let sql = "SELECT job, runs.run, process FROM back_offs JOIN runs ON runs.run = back_offs.run
                 WHERE finished_at IS NULL ORDER BY job";
            let tried: Vec<(JobName, String, String)> =
                db.rows(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let mut lost = Vec::new();
            for (job, run, process) in tried {
                if !alive::is_running(db, self.state_dir(), &run, &process)? {
                    lost.push(job);
                }
            }
            Ok(lost)
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
    let sql = "SELECT definition, since, handled, era FROM schedules WHERE schedule = ?1";
    let found = db.first(sql, [&step.schedule], |row| state(row, 0))?;
    if found != step.before {
        return Ok(false);
    }
    let (after, since, handled) = (&step.after, Stamp(step.after.since), Stamp(step.after.handled));
    db.run(
        "INSERT OR REPLACE INTO schedules (schedule, definition, since, handled, era) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![step.schedule, after.definition, since, handled, after.era],
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
        "INSERT INTO decisions (at, job, schedule, instant, last, count, more, decision, reason, run, era)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
         coalesce((SELECT era FROM schedules WHERE schedule = ?3), 0))",
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

/// The column, which a state of an earlier version, opened for reading, does not have.
fn era(db: &Connection) -> rusqlite::Result<&'static str> {
    Ok(if db.column_exists(None, "schedules", "era")? {
        "era"
    } else {
        "0"
    })
}

fn state(row: &Row<'_>, from: usize) -> rusqlite::Result<ScheduleState> {
    Ok(ScheduleState {
        definition: row.get(from)?,
        since: row.get::<_, Stamp>(from + 1)?.0,
        handled: row.get::<_, Stamp>(from + 2)?.0,
        era: row.get(from + 3)?,
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
