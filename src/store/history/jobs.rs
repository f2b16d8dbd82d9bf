//! How a job fared, by its events.
//!
//! Invariant: each answer costs a few lookups in an index, however long the history is.

use super::super::columns::Stamp;
use super::super::statements::Statements as _;
use super::super::{Store, StoreError};
use super::events::{EventRow, event_row};
use super::runs::RunEnd;
use crate::model::{JobName, StepName};
use crate::run::{Event, JobHistory, Outcome};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

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
pub(super) const OPEN: [&str; 4] = ["ok", "nothing", "partial", "warning"];

/// Starts of a step, newest first.
pub(super) const STARTS: &str =
    "SELECT seq, at, run FROM events WHERE step = ?1 AND kind = 'step-started' ORDER BY seq DESC";

/// Ends of a step, newest first. That its job was paused is none.
pub(super) const SETTLED: &str = "SELECT seq, at, run FROM events WHERE step = ?1 AND kind = 'step-finished'
    AND json_extract(json, '$.outcome.state') <> 'paused' ORDER BY seq DESC";

/// Ends of a step in one state, newest first.
pub(super) const SUCCESSES: &str = "SELECT seq, at, run FROM events WHERE kind = 'step-finished' AND step = ?1
    AND json_extract(json, '$.outcome.state') = ?2 ORDER BY seq DESC";

/// The end of a step in a run. A step may have many events: the plus keeps its index out.
pub(super) const SETTLED_AFTER: &str = "SELECT at, json_extract(json, '$.outcome.state') FROM events
    WHERE run = ?1 AND seq > ?2 AND +step = ?3 AND +kind = 'step-finished' ORDER BY seq LIMIT 1";

/// The events of one step in a run, up to an event. A run may have many steps: the plus keeps its index out, and the
/// bounds make what is left of the step's own events few.
pub(super) const OF_STEP: &str = "SELECT seq, at, json FROM events WHERE step = ?3 AND kind = ?4 AND +run = ?1
    AND seq BETWEEN (SELECT min(seq) FROM events WHERE run = ?1) AND ?2";

/// Kinds of events with the result of a step.
const STEP_KINDS: [&str; 2] = ["step-started", "step-finished"];

impl Store {
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
}

/// Marks among which a younger one is looked for. Usually there is one, or the first is the only one.
const MAX_MARKS: usize = 2000;

/// The runs from before `limit` that the answers about a job are made of; none where younger runs have the answers. A run
/// in progress may still be interrupted: the last success before it counts too.
pub(in crate::store) fn runs_that_count(
    db: &Connection,
    job: &JobName,
    limit: DateTime<Utc>,
) -> rusqlite::Result<BTreeSet<String>> {
    let texts = step_texts(job);
    let (Some(first), Some(last)) = (texts.first(), texts.last()) else {
        return Ok(BTreeSet::new());
    };
    let mut exit = db.prepare_cached("SELECT exit IS NOT NULL FROM runs WHERE run = ?1")?;
    let mut finished = |mark: &Mark| exit.query_row([&mark.run], |row| row.get::<_, bool>(0));
    let always = |_: &Mark| Ok(true);
    let settled = newest_before(db, SETTLED, &[last], limit, always)?;
    let start = newest_before(db, STARTS, &[first], limit, always)?;
    let whole = newest_before(db, STARTS, &[first], limit, |start| {
        let settled = settled_after(db, start, last)?;
        Ok(settled.is_some_and(|(_, state)| state != "interrupted") && finished(start)?)
    })?;
    let mut succeeded: Option<Mark> = None;
    for state in OPEN {
        match newest_before(db, SUCCESSES, &[last, state], limit, &mut finished)? {
            Newest::Younger => {
                succeeded = None;
                break;
            }
            Newest::Found(mark) => succeeded = succeeded.max(Some(mark)),
            Newest::Nothing => {}
        }
    }
    let found = |newest| match newest {
        Newest::Found(mark) => Some(mark),
        Newest::Younger | Newest::Nothing => None,
    };
    let marks = [found(settled), found(start), found(whole), succeeded];
    Ok(marks.into_iter().flatten().map(|mark| mark.run).collect())
}

enum Newest {
    /// One that is not from before the limit.
    Younger,
    Found(Mark),
    Nothing,
}

/// The newest mark that is accepted. Where clocks were wrong, one that was written earlier may be younger.
fn newest_before(
    db: &Connection,
    sql: &str,
    names: &[&str],
    limit: DateTime<Utc>,
    mut accept: impl FnMut(&Mark) -> rusqlite::Result<bool>,
) -> rusqlite::Result<Newest> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(names))?;
    let mut found = None;
    for _ in 0..MAX_MARKS {
        let Some(row) = rows.next()? else { break };
        let mark = mark(row)?;
        if (found.is_none() || mark.at >= limit) && accept(&mark)? {
            if mark.at >= limit {
                return Ok(Newest::Younger);
            }
            found = Some(mark);
        }
    }
    Ok(found.map_or(Newest::Nothing, Newest::Found))
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

pub(super) fn step_texts(job: &JobName) -> Vec<String> {
    job.steps().iter().map(StepName::to_string).collect()
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
