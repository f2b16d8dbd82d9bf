//! Runs: which there were, who took part, how they ended.
//!
//! Invariant: a list costs a few lookups in an index for each of its lines, however long the history is.

use super::super::columns::{Stamp, json_list};
use super::super::statements::Statements as _;
use super::super::{Store, StoreError, alive};
use crate::clock::MillisUtc;
use crate::model::state::State;
use crate::model::{JobName, StepName};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};

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

/// Which runs are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFilter<'a> {
    /// Only those in which this job took part. A paused job takes no part.
    pub job: Option<&'a JobName>,
    pub outcome: Option<OutcomeFilter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeFilter {
    /// A step of the job, or of any, ended so.
    State(State),
    /// A step of the job did not succeed. Without a job: the run was interrupted, or its exit code is neither 0 nor 4.
    Failed,
}

/// A job that took part in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunJob {
    /// The job, as kind:name.
    #[cfg_attr(test, schemars(with = "String"))]
    pub job: JobName,
    /// How it ended; null while it is running, or when the run was interrupted before.
    pub state: Option<State>,
}

/// The runs that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunSearch {
    Found(RunSummary),
    Nothing,
    /// It begins the ids of these, and maybe of more: newest first.
    Several(Vec<String>),
}

/// The columns that [`run_line`] reads, behind `SELECT`. Of the events of a run its end is the last, and only a run
/// with an exit code has one: looked for from there. The plus keeps the index of kinds out, of which there may be many.
pub(super) const RUN_COLUMNS: &str = "run, command, begun_at, exit, interrupted_at IS NOT NULL, process,
    CASE WHEN exit IS NOT NULL THEN (SELECT json ->> '$.millis' FROM events
        WHERE events.run = runs.run AND +kind = 'run-finished' ORDER BY seq DESC LIMIT 1) END";

/// Every state in which a step of a job that takes part can end.
const JOB_STATES: [State; 11] = [
    State::Ok,
    State::Nothing,
    State::Partial,
    State::Warning,
    State::Critical,
    State::Unknown,
    State::Refused,
    State::Failed,
    State::NoSpace,
    State::Blocked,
    State::Interrupted,
];

/// Runs of one state that are at work at one time.
const MAX_AT_WORK: u32 = 1000;

/// The steps that have events, found one by one in their index.
const STEPS: &str = "WITH RECURSIVE steps (step) AS (
        SELECT min(step) FROM events WHERE step IS NOT NULL
        UNION ALL SELECT (SELECT min(step) FROM events WHERE step IS NOT NULL AND step > steps.step) FROM steps
            WHERE steps.step IS NOT NULL
    ) SELECT step FROM steps WHERE step IS NOT NULL";

/// Runs in which a step ended in one state, newest first.
const ENDED_SO: &str = "SELECT run FROM events WHERE kind = 'step-finished' AND step = ?1
    AND json_extract(json, '$.outcome.state') = ?2 ORDER BY seq DESC LIMIT ?3";

/// Runs in which a step began, newest first.
const BEGUN: &str = "SELECT run FROM events WHERE step = ?1 AND kind = 'step-started' ORDER BY seq DESC LIMIT ?2";

/// The newest `limit` runs, and more: by step and state the newest of each.
fn runs_with(
    db: &Connection,
    job: Option<&JobName>,
    outcome: Option<OutcomeFilter>,
    limit: u32,
) -> rusqlite::Result<BTreeSet<String>> {
    let steps = match job {
        Some(job) => job.steps().iter().map(StepName::to_string).collect(),
        None => db.rows(STEPS, [], |row| row.get(0))?,
    };
    let wanted = |state: &State| match outcome {
        None => true,
        Some(OutcomeFilter::State(wanted)) => *state == wanted,
        Some(OutcomeFilter::Failed) => !state.opens(),
    };
    let mut runs = BTreeSet::new();
    for step in &steps {
        for state in JOB_STATES.into_iter().filter(wanted) {
            let word = serde_json::to_value(state).unwrap_or_default();
            let found: Vec<String> = db.rows(ENDED_SO, params![step, word.as_str(), limit], |row| row.get(0))?;
            runs.extend(found);
        }
        if outcome.is_none() {
            let found: Vec<String> = db.rows(BEGUN, params![step, limit], |row| row.get(0))?;
            runs.extend(found);
        }
    }
    Ok(runs)
}

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

    /// Runs, newest first, at most `limit`.
    pub fn runs(&self, filter: RunFilter<'_>, limit: u32) -> Result<Vec<RunSummary>, StoreError> {
        // In the order in which they began, whatever the clock was then.
        let newest = "ORDER BY rowid DESC LIMIT ?1";
        match (filter.job, filter.outcome) {
            (None, None) => self.run_lines(newest, params![limit]),
            (None, Some(OutcomeFilter::Failed)) => {
                // Those that are at work have no end yet either.
                let by_index = "ORDER BY begun_at DESC, run DESC LIMIT ?1";
                let which = format!("WHERE exit IS NOT 0 AND exit IS NOT 4 {by_index}");
                let mut runs = self.run_lines(&which, params![limit.saturating_add(MAX_AT_WORK)])?;
                runs.retain(|run| run.end != RunEnd::Running);
                runs.truncate(limit as usize);
                Ok(runs)
            }
            (job, outcome) => {
                let runs = self.read(|db| runs_with(db, job, outcome, limit))?;
                let which = format!("WHERE run IN (SELECT value FROM json_each(?2)) {newest}");
                self.run_lines(&which, params![limit, json_list(&runs)])
            }
        }
    }

    /// The jobs that took part in a run, in the order in which they began.
    pub fn jobs_of(&self, run: &str) -> Result<Vec<RunJob>, StoreError> {
        let sql = "SELECT step, json_extract(json, '$.outcome.state') FROM events
             WHERE run = ?1 AND +kind IN ('step-started', 'step-finished') ORDER BY seq";
        let rows: Vec<(String, Option<String>)> =
            self.read(|db| db.rows(sql, [run], |row| Ok((row.get(0)?, row.get(1)?))))?;
        let mut jobs: Vec<RunJob> = Vec::new();
        let mut places: HashMap<JobName, usize> = HashMap::new();
        for (step, state) in rows {
            let Ok(step) = step.parse::<StepName>() else { continue };
            let state = state.and_then(|word| serde_json::from_value(word.into()).ok());
            if state == Some(State::Paused) {
                continue;
            }
            let job = step.job();
            let at = *places.entry(job.clone()).or_insert_with(|| {
                jobs.push(RunJob { job, state: None });
                jobs.len() - 1
            });
            if let Some(found) = jobs.get_mut(at) {
                found.state = worse(found.state, state);
            }
        }
        Ok(jobs)
    }

    /// The run that `text` names: `last`, or the beginning of an id in letters of either case.
    pub fn find_run(&self, text: &str) -> Result<RunSearch, StoreError> {
        if text == "last" {
            let newest = self.runs(RunFilter::default(), 1)?.pop();
            return Ok(newest.map_or(RunSearch::Nothing, RunSearch::Found));
        }
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(RunSearch::Nothing);
        }
        // LIKE compares without case, and no letter or digit means anything else to it.
        let which = "WHERE run LIKE ?1 || '%' ORDER BY rowid DESC LIMIT ?2";
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
    pub(super) fn end_of(&self, db: &Connection, run: &str) -> rusqlite::Result<RunEnd> {
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
}

/// The first step that went wrong says more than those that it blocked.
fn worse(before: Option<State>, after: Option<State>) -> Option<State> {
    let rank = |state: Option<State>| match state {
        None => 0,
        Some(State::Ok | State::Nothing) => 1,
        Some(State::Partial | State::Warning) => 2,
        Some(_) => 3,
    };
    if rank(after) > rank(before) || (rank(after) == rank(before) && rank(after) < 3) {
        after
    } else {
        before
    }
}

/// The run, and whether it has no end yet: then it counts as interrupted unless its process is alive.
pub(super) fn run_line(row: &Row<'_>) -> rusqlite::Result<(RunSummary, bool)> {
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
