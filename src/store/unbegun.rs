//! Runs that have no end yet; some of them were claimed and never began.
//!
//! Takes what such a run waits for, gives it to other processes that ask. A run that has recorded nothing has done
//! nothing: the next process may begin it.
//! Invariant: a run has one process. Another one takes it over only if the first is gone, and only one does.

use super::columns::Stamp;
use super::schedules::{Decision, FiringVerdict, Occurrence};
use super::statements::Statements as _;
use super::tick_record::ScheduledRun;
use super::{Store, StoreError, alive};
use crate::clock;
use crate::model::{JobName, StepName};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a run waits for that its process leaves behind.
pub const NEXT_START: &str = "the next start of opsrun";

/// What a run waits for, until its process has noted it.
pub const UNKNOWN_WAIT: &str = "its turn";

/// A scheduled run without an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    pub run: String,
    pub claimed_at: DateTime<Utc>,
    /// Its process is there.
    pub alive: bool,
    /// Its first event is recorded.
    pub begun: bool,
    /// The jobs that it was claimed for.
    pub due: BTreeMap<JobName, Occurrence>,
    /// The jobs with a step that began, or was settled.
    pub started: BTreeSet<JobName>,
    /// The jobs whose last step is settled.
    pub settled: BTreeSet<JobName>,
    /// What it waits for, as far as its process has noted it.
    pub reason: Option<String>,
}

/// What a run waited for before it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Waited {
    /// Milliseconds from the claim to its first event.
    pub millis: u64,
    /// What it waited for, in words, one after the other.
    #[serde(rename = "for")]
    pub reasons: Vec<String>,
}

/// Of a run that was claimed: the columns of [`OpenRun`] that its row has.
const OPEN: &str = "SELECT run, begun_at, process, EXISTS (SELECT 1 FROM events WHERE events.run = runs.run)
    FROM runs WHERE finished_at IS NULL AND interrupted_at IS NULL
    AND EXISTS (SELECT 1 FROM claims WHERE claims.run = runs.run) ORDER BY begun_at, run";

/// A claimed run without an end, an event, or another process that took it over.
const UNTOUCHED: &str = "run = ?1 AND process = ?2 AND finished_at IS NULL AND interrupted_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM events WHERE events.run = runs.run)";

impl Store {
    /// Notes what runs wait for, by their ids: in words that follow "waits for".
    pub fn note_waits(&self, waits: &BTreeMap<String, String>) -> Result<(), StoreError> {
        if waits.is_empty() {
            return Ok(());
        }
        let now = Stamp(clock::now());
        self.write(|db| {
            for (run, reason) in waits {
                let sql = "INSERT OR REPLACE INTO waits (run, reason, at) VALUES (?1, ?2, ?3)";
                db.run(sql, params![run, reason, now])?;
            }
            Ok(())
        })
    }

    /// Scheduled runs without an end, the first claimed first. None where an earlier opsrun made the database.
    pub fn open_runs(&self) -> Result<Vec<OpenRun>, StoreError> {
        self.read(|db| {
            if !db.table_exists(None, "waits")? {
                return Ok(Vec::new());
            }
            let rows = db.rows(OPEN, [], |row| {
                let process: String = row.get(2)?;
                Ok(OpenRun {
                    run: row.get(0)?,
                    claimed_at: row.get::<_, Stamp>(1)?.0,
                    alive: alive::is_running(db, self.state_dir(), &row.get::<_, String>(0)?, &process)?,
                    begun: row.get(3)?,
                    due: BTreeMap::new(),
                    started: BTreeSet::new(),
                    settled: BTreeSet::new(),
                    reason: None,
                })
            })?;
            let mut runs = Vec::new();
            for mut open in rows {
                let sql = "SELECT job, schedule, instant FROM decisions WHERE run = ?1";
                open.due.extend(db.rows(sql, [&open.run], |row| {
                    let instant = row.get::<_, Stamp>(2)?.0;
                    let schedule = row.get(1)?;
                    Ok((row.get(0)?, Occurrence { schedule, instant }))
                })?);
                let sql = "SELECT reason FROM waits WHERE run = ?1 ORDER BY at DESC LIMIT 1";
                open.reason = db.first(sql, [&open.run], |row| row.get(0))?;
                if open.begun {
                    let sql = "SELECT step, kind FROM events
                         WHERE run = ?1 AND kind IN ('step-started', 'step-finished')";
                    let steps: Vec<(String, String)> =
                        db.rows(sql, [&open.run], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    open.follow(steps);
                }
                runs.push(open);
            }
            Ok(runs)
        })
    }

    /// Scheduled runs of processes that are gone, which have recorded nothing and so have done nothing.
    pub fn unbegun_runs(&self) -> Result<Vec<ScheduledRun>, StoreError> {
        let open = self.open_runs()?.into_iter();
        let left = open.filter(|run| !run.alive && !run.begun && !run.due.is_empty());
        left.map(|open| {
            let jobs = self.read(|db| {
                let sql = "SELECT job, schedule, instant, reason FROM decisions WHERE run = ?1 ORDER BY seq";
                db.rows(sql, [&open.run], |row| {
                    let instant = row.get::<_, Stamp>(2)?.0;
                    Ok(Decision {
                        job: row.get(0)?,
                        schedule: row.get(1)?,
                        first: instant,
                        last: instant,
                        count: 1,
                        more: false,
                        verdict: FiringVerdict::Ran,
                        reason: row.get(3)?,
                    })
                })
            })?;
            Ok(ScheduledRun {
                occurrences: self.claims_of(&open.run)?,
                run: open.run,
                jobs,
            })
        })
        .collect()
    }

    /// Takes a run over from a process that is gone: `kept` jobs are begun, `left` are not. False when another process was
    /// faster. Without any job that is kept, the run is at its end.
    pub fn take_over(&self, run: &str, kept: &[Decision], left: &[Decision]) -> Result<bool, StoreError> {
        let is_left = |db: &Connection, process: &str| Ok(!alive::is_running(db, self.state_dir(), run, process)?);
        self.decide_again(run, kept, left, is_left)
    }

    /// The same for a run of this process, which has not begun.
    pub fn revise(&self, run: &str, kept: &[Decision], left: &[Decision]) -> Result<bool, StoreError> {
        self.decide_again(run, kept, left, |_, _| Ok(true))
    }

    /// `may`: asked with the process of the run.
    fn decide_again(
        &self,
        run: &str,
        kept: &[Decision],
        left: &[Decision],
        may: impl Fn(&Connection, &str) -> rusqlite::Result<bool>,
    ) -> Result<bool, StoreError> {
        let now = Stamp(clock::now());
        self.attempt(|db| {
            let sql = "SELECT process FROM runs WHERE run = ?1";
            let Some(process) = db.first(sql, [run], |row| row.get::<_, String>(0))? else {
                return Ok(false);
            };
            if !may(db, &process)? {
                return Ok(false);
            }
            let changed = if kept.is_empty() {
                let sql = format!("UPDATE runs SET interrupted_at = ?3 WHERE {UNTOUCHED}");
                db.execute(&sql, params![run, process, now])?
            } else {
                let sql = format!("UPDATE runs SET process = ?3 WHERE {UNTOUCHED}");
                db.execute(&sql, params![run, process, self.own_process(db)])?
            };
            if changed == 0 {
                return Ok(false);
            }
            for decision in kept.iter().chain(left) {
                let begun = (decision.verdict == FiringVerdict::Ran).then_some(run);
                let sql =
                    "UPDATE decisions SET at = ?3, decision = ?4, reason = ?5, run = ?6 WHERE run = ?1 AND job = ?2";
                let (verdict, reason) = (decision.verdict, &decision.reason);
                db.run(sql, params![run, decision.job, now, verdict, reason, begun])?;
            }
            let sql = "DELETE FROM claims WHERE run = ?1 AND NOT EXISTS (SELECT 1 FROM decisions
                 WHERE decisions.run = ?1 AND decisions.schedule = claims.schedule AND decisions.instant = claims.instant)";
            db.run(sql, [run])?;
            Ok(true)
        })
    }

    /// What a run waited for; `None` when it began at once, or has not begun.
    pub fn waited(&self, run: &str) -> Result<Option<Waited>, StoreError> {
        self.read(|db| {
            if !db.table_exists(None, "waits")? {
                return Ok(None);
            }
            let sql = "SELECT reason FROM waits WHERE run = ?1 ORDER BY at, reason";
            let reasons: Vec<String> = db.rows(sql, [run], |row| row.get(0))?;
            let sql =
                "SELECT begun_at, (SELECT min(at) FROM events WHERE events.run = runs.run) FROM runs WHERE run = ?1";
            let times = db.first(sql, [run], |row| {
                Ok((row.get::<_, Stamp>(0)?.0, row.get::<_, Option<Stamp>>(1)?))
            })?;
            let Some((claimed, Some(Stamp(begun)))) = times.filter(|_| !reasons.is_empty()) else {
                return Ok(None);
            };
            let waited = (begun - claimed).to_std().unwrap_or_default();
            Ok(Some(Waited {
                millis: crate::units::millis(waited),
                reasons,
            }))
        })
    }
}

impl OpenRun {
    /// `steps`: each with the kind of its event.
    fn follow(&mut self, steps: Vec<(String, String)>) {
        for (step, kind) in steps {
            let Ok(step) = step.parse::<StepName>() else { continue };
            let job = step.job();
            if kind == "step-finished" && job.steps().last() == Some(&step) {
                self.settled.insert(job.clone());
            }
            self.started.insert(job);
        }
    }
}
