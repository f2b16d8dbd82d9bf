//! Runs and their events, read again: which there were, what happened in one, how a job fared.
//!
//! Takes ids and names of jobs, gives what was written; judges nothing. Works on a store of any older schema, which
//! a reader cannot bring up to date: only the indices are lacking there.
//! Invariant: a run is interrupted from the moment its process is gone, marked or not.

use super::columns::Stamp;
use super::statements::Statements as _;
use super::{Store, StoreError, alive};
use crate::clock::MillisUtc;
use crate::model::{JobName, StepName};
use crate::run::{Event, JobHistory, Outcome};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use std::time::Duration;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "RunDocument"))]
pub struct RunSummary {
    /// Its id, a ULID.
    pub run: String,
    /// When it began: RFC 3339, UTC.
    pub begun_at: MillisUtc,
    /// How it ended.
    #[serde(flatten)]
    pub end: RunEnd,
    /// The command line.
    pub command: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RunEnd {
    /// It is still running.
    Running,
    /// It was interrupted.
    Interrupted,
    /// It ended by itself.
    Finished {
        /// Exit code.
        exit: u8,
        /// Duration in milliseconds.
        millis: u64,
    },
}

/// The runs that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunSearch {
    Found(RunSummary),
    Nothing,
    /// It begins the ids of these, and maybe of more: newest first.
    Several(Vec<String>),
}

/// An event as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Counts up over all runs.
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub event: Event,
}

/// What came of a job when its last step was last settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult {
    pub run: String,
    /// When the last step was settled.
    pub at: DateTime<Utc>,
    /// From the start of the first step; `None` when that never began.
    pub took: Option<Duration>,
    /// The job's steps that were settled in that run, in order, the last one last.
    pub outcomes: Vec<(StepName, Outcome)>,
}

/// An active run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "CurrentRun"))]
pub struct BegunJob {
    /// The run.
    pub run: String,
    /// When the job started in it: RFC 3339, UTC.
    #[serde(rename = "since")]
    pub at: DateTime<Utc>,
    // It may have been interrupted meanwhile: then the job was never settled.
    #[serde(skip)]
    pub end: RunEnd,
}

/// The state of a job, by its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobStatus {
    pub last: Option<JobResult>,
    /// Where it was begun after that.
    pub begun: Option<BegunJob>,
}

/// The states after which a dependent step runs, as words of the events.
const OPEN: [&str; 4] = ["ok", "nothing", "partial", "warning"];

/// The columns that [`run_line`] reads, behind `SELECT`. Of the events of a run its end is the last, and only a run
/// with an exit code has one: looked for from there. The plus keeps the index of kinds out, of which there may be many.
const RUN_COLUMNS: &str = "run, command, begun_at, exit, interrupted_at IS NOT NULL, process,
    CASE WHEN exit IS NOT NULL THEN (SELECT json ->> '$.millis' FROM events
        WHERE events.run = runs.run AND +kind = 'run-finished' ORDER BY seq DESC LIMIT 1) END";

/// Starts of a step, newest first.
const STARTS: &str = "SELECT seq, at, run FROM events WHERE step = ?1 AND kind = 'step-started' ORDER BY seq DESC";

/// Ends of a step, newest first. That its job was paused is none.
const SETTLED: &str = "SELECT seq, at, run FROM events WHERE step = ?1 AND kind = 'step-finished'
    AND json_extract(json, '$.outcome.state') <> 'paused' ORDER BY seq DESC";

/// Ends of a step in one state, newest first.
const SUCCESSES: &str = "SELECT seq, at, run FROM events WHERE kind = 'step-finished' AND step = ?1
    AND json_extract(json, '$.outcome.state') = ?2 ORDER BY seq DESC";

/// The end of a step in a run. A step may have many events: the plus keeps its index out.
const SETTLED_AFTER: &str = "SELECT at, json_extract(json, '$.outcome.state') FROM events
    WHERE run = ?1 AND seq > ?2 AND +step = ?3 AND +kind = 'step-finished' ORDER BY seq LIMIT 1";

/// The events of one step in a run, up to an event. A run may have many steps: the plus keeps its index out, and the
/// bounds make what is left of the step's own events few.
const OF_STEP: &str = "SELECT seq, at, json FROM events WHERE step = ?3 AND kind = ?4 AND +run = ?1
    AND seq BETWEEN (SELECT min(seq) FROM events WHERE run = ?1) AND ?2";

/// Kinds of events with the result of a step.
const STEP_KINDS: [&str; 2] = ["step-started", "step-finished"];

/// Ids shown when a text is the beginning of several.
const MAX_RUNS_NAMED: u32 = 10;

impl Store {
    /// The `ops` name of the newest run.
    pub fn ops_name(&self) -> Result<Option<String>, StoreError> {
        self.read(|db| {
            let sql =
                "SELECT json_extract(json, '$.ops') FROM events WHERE kind = 'run-started' ORDER BY seq DESC LIMIT 1";
            rusqlite::OptionalExtension::optional(db.query_row(sql, [], |row| row.get(0)))
        })
    }

    /// Runs, newest first, at most `limit`; only those in which `job` took part, when one is given.
    pub fn runs(&self, job: Option<&JobName>, limit: u32) -> Result<Vec<RunSummary>, StoreError> {
        let Some(job) = job else {
            return self.run_lines("ORDER BY begun_at DESC, run DESC LIMIT ?1", params![limit]);
        };
        let steps = step_texts(job);
        // A paused job has an event, and takes no part in the run.
        let which = "WHERE run IN (SELECT run FROM events WHERE step IN (?2, ?3)
                AND NOT (kind = 'step-finished' AND json_extract(json, '$.outcome.state') = 'paused'))
             ORDER BY begun_at DESC, run DESC LIMIT ?1";
        self.run_lines(which, params![limit, steps.first(), steps.last()])
    }

    /// The run that `text` names: `last`, or the beginning of an id in letters of either case.
    pub fn find_run(&self, text: &str) -> Result<RunSearch, StoreError> {
        if text == "last" {
            let newest = self.runs(None, 1)?.pop();
            return Ok(newest.map_or(RunSearch::Nothing, RunSearch::Found));
        }
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(RunSearch::Nothing);
        }
        // LIKE compares without case, and no letter or digit means anything else to it.
        let which = "WHERE run LIKE ?1 || '%' ORDER BY begun_at DESC, run DESC LIMIT ?2";
        let mut found = self.run_lines(which, params![text, MAX_RUNS_NAMED])?;
        Ok(match (found.pop(), found.is_empty()) {
            (None, _) => RunSearch::Nothing,
            (Some(only), true) => RunSearch::Found(only),
            (Some(oldest), false) => {
                found.push(oldest);
                RunSearch::Several(found.into_iter().map(|line| line.run).collect())
            }
        })
    }

    /// The events of a run, in order.
    pub fn events_of(&self, run: &str) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = "SELECT seq, at, json FROM events WHERE run = ?1 ORDER BY seq";
        let rows = self.read(|db| db.rows(sql, [run], event_row))?;
        rows.into_iter().map(|row| self.event(row)).collect()
    }

    /// What a check of a job asks of the past. What happened in a run that was cut short counts for nothing.
    pub fn job_history(&self, job: &JobName) -> Result<JobHistory, StoreError> {
        let steps = step_texts(job);
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
            return Ok(JobHistory::default());
        };
        self.read(|db| {
            let mut succeeded: Option<Mark> = None;
            for state in OPEN {
                let newest = newest(db, SUCCESSES, &[last, state], |mark| {
                    Ok((self.end_of(db, &mark.run)? != RunEnd::Interrupted).then_some(mark))
                })?;
                succeeded = succeeded.max(newest);
            }
            // From the starts backwards: a job that is blocked again and again was never begun.
            let took = newest(db, STARTS, &[first], |start| {
                let Some((end, state)) = settled_after(db, &start, last)? else {
                    return Ok(None);
                };
                let whole = state != "interrupted" && self.end_of(db, &start.run)? != RunEnd::Interrupted;
                Ok(whole.then(|| (end - start.at).to_std().ok()))
            })?;
            Ok(JobHistory {
                succeeded_at: succeeded.map(|mark| mark.at),
                took: took.flatten(),
            })
        })
    }

    /// What came of a job last, and whether it was begun again since.
    pub fn job_status(&self, job: &JobName) -> Result<JobStatus, StoreError> {
        let (steps, texts) = (job.steps(), step_texts(job));
        let (Some(first), Some(last)) = (texts.first(), texts.last()) else {
            return Ok(JobStatus::default());
        };
        let (settled, begun, rows) = self.read(|db| {
            let settled = newest(db, SETTLED, &[last], |mark| Ok(Some(mark)))?;
            let start = newest(db, STARTS, &[first], |mark| Ok(Some(mark)))?;
            let since = settled.as_ref().map_or(0, |mark| mark.seq);
            let begun = match start.filter(|start| start.seq > since) {
                Some(start) => Some(BegunJob {
                    end: self.end_of(db, &start.run)?,
                    run: start.run,
                    at: start.at,
                }),
                None => None,
            };
            let mut rows: Vec<EventRow> = Vec::new();
            if let Some(mark) = &settled {
                for (step, kind) in texts.iter().flat_map(|step| STEP_KINDS.map(|kind| (step, kind))) {
                    rows.extend(db.rows(OF_STEP, params![mark.run, mark.seq, step, kind], event_row)?);
                }
                rows.sort_unstable_by_key(|(seq, ..)| *seq);
            }
            Ok((settled, begun, rows))
        })?;
        let Some(settled) = settled else {
            return Ok(JobStatus { last: None, begun });
        };
        let (mut start, mut outcomes) = (None, Vec::new());
        for row in rows {
            let stored = self.event(row)?;
            match stored.event {
                Event::StepStarted { step } if steps.first() == Some(&step) => start = Some(stored.at),
                Event::StepFinished { step, outcome } if steps.contains(&step) => outcomes.push((step, outcome)),
                _ => {}
            }
        }
        let last = JobResult {
            took: start.and_then(|start| (settled.at - start).to_std().ok()),
            run: settled.run,
            at: settled.at,
            outcomes,
        };
        let last = Some(last);
        Ok(JobStatus { last, begun })
    }

    fn run_lines(&self, which: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<RunSummary>, StoreError> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM runs {which}");
        self.read(|db| {
            let lines = db.rows(&sql, values, run_line)?;
            let ended = |(mut line, open): (RunSummary, bool)| {
                if open {
                    line.end = self.end_of(db, &line.run)?;
                }
                Ok(line)
            };
            lines.into_iter().map(ended).collect()
        })
    }

    /// How a run ended, if it did. Whether its process is there is asked before what the process wrote is looked at
    /// again: it may end by itself between one look and the next.
    fn end_of(&self, db: &Connection, run: &str) -> rusqlite::Result<RunEnd> {
        let mut statement = db.prepare_cached(&format!("SELECT {RUN_COLUMNS} FROM runs WHERE run = ?1"))?;
        let mut look = || statement.query_row([run], |row| Ok((run_line(row)?, row.get::<_, String>(5)?)));
        let ((line, open), process) = look()?;
        if !open {
            return Ok(line.end);
        }
        if alive::is_running(db, self.state_dir(), run, &process)? {
            return Ok(RunEnd::Running);
        }
        let ((line, _), _) = look()?;
        Ok(line.end)
    }

    fn event(&self, (seq, at, json): EventRow) -> Result<StoredEvent, StoreError> {
        let event = serde_json::from_str(&json).map_err(|source| StoreError::Event {
            path: self.path.clone(),
            seq,
            source,
        })?;
        Ok(StoredEvent { seq, at, event })
    }
}

/// When, and in which state, `step` was settled after `start` in its run.
fn settled_after(db: &Connection, start: &Mark, step: &str) -> rusqlite::Result<Option<(DateTime<Utc>, String)>> {
    let settled = |row: &Row<'_>| Ok((row.get::<_, Stamp>(0)?.0, row.get(1)?));
    db.first(SETTLED_AFTER, params![start.run, start.seq, step], settled)
}

/// Goes through the marks that `sql` selects until `take` takes one.
fn newest<T>(
    db: &Connection,
    sql: &str,
    names: &[&str],
    mut take: impl FnMut(Mark) -> rusqlite::Result<Option<T>>,
) -> rusqlite::Result<Option<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(names))?;
    while let Some(row) = rows.next()? {
        let taken = take(mark(row)?)?;
        if taken.is_some() {
            return Ok(taken);
        }
    }
    Ok(None)
}

fn step_texts(job: &JobName) -> Vec<String> {
    job.steps().iter().map(StepName::to_string).collect()
}

type EventRow = (i64, DateTime<Utc>, String);

fn event_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok((row.get(0)?, row.get::<_, Stamp>(1)?.0, row.get(2)?))
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    seq: i64,
    at: DateTime<Utc>,
    run: String,
}

fn mark(row: &Row<'_>) -> rusqlite::Result<Mark> {
    Ok(Mark {
        seq: row.get(0)?,
        at: row.get::<_, Stamp>(1)?.0,
        run: row.get(2)?,
    })
}

/// The run, and whether it has no end yet: then it counts as interrupted unless its process is alive.
fn run_line(row: &Row<'_>) -> rusqlite::Result<(RunSummary, bool)> {
    let (exit, marked): (Option<u8>, bool) = (row.get(3)?, row.get(4)?);
    let millis: Option<i64> = row.get(6)?;
    let end = exit.map_or(RunEnd::Interrupted, |exit| RunEnd::Finished {
        exit,
        millis: millis.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
    });
    let line = RunSummary {
        run: row.get(0)?,
        command: row.get(1)?,
        begun_at: MillisUtc(row.get::<_, Stamp>(2)?.0),
        end,
    };
    Ok((line, exit.is_none() && !marked))
}

#[cfg(test)]
mod tests;
