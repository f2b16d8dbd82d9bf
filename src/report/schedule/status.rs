//! The last result and the next run of every job, for `status`.
//!
//! Invariant: jobs are shown in the order given.

use crate::clock::MillisUtc;
use crate::liveness::children::{Orphan, processes};
use crate::model::JobName;
use crate::report::shared::advice::advice;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::Left;
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::run::{Outcome, State};
use crate::store::outbox::Undelivered;
use crate::time_zone::Zone;
use crate::units::plural;
use chrono::{DateTime, Utc};
use serde::Serialize;

pub const FORMAT: u32 = 2;

/// What to do where a schedule waits for the clock.
pub const CHECK_CLOCK: &str = "check the clock, and that `opsrun serve` is running";

/// The last result and the next run of every job.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "opsrun status, format 2"))]
pub struct StatusDocument {
    /// Number of this format: 2.
    pub format: u32,
    /// The `ops` name.
    pub ops: String,
    /// Time of the request: RFC 3339, UTC.
    pub at: MillisUtc,
    /// False if the last result of a job needs attention, if a job is overdue, or if its schedule waits for the clock.
    pub well: bool,
    /// Worst first, then in file order.
    pub jobs: Vec<JobDocument>,
    /// Undelivered alerts by channel, sorted by name.
    pub undelivered: Vec<Undelivered>,
}

/// One job.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JobDocument {
    /// `kind:name`.
    pub job: String,
    /// Runs skip it for now.
    pub paused: bool,
    /// Since when it is running: RFC 3339, UTC.
    pub running_since: Option<MillisUtc>,
    /// What it waits for in a run that was claimed for it; null if it does not.
    pub waiting: Option<WaitRow>,
    /// Its next scheduled run, jitter included: RFC 3339, UTC. Null without a schedule, or if paused.
    pub next_run: Option<MillisUtc>,
    /// Its back-off after failures; null if there is none.
    pub back_off: Option<BackOffRow>,
    /// The last instant at which it should have run but did not: RFC 3339, UTC.
    pub overdue_since: Option<MillisUtc>,
    /// Its schedule was handled up to this time, and runs nothing now because the clock is before it: RFC 3339, UTC.
    pub handled_until: Option<MillisUtc>,
    /// What runs that were killed left at work; empty for most jobs.
    pub left_running: Vec<LeftRunning>,
    /// Its last result; null if it never ran.
    pub last: Option<LastDocument>,
}

/// A job that is due, and waits in a run that was claimed for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WaitRow {
    /// The run.
    pub run: String,
    /// The instant that the run is for: RFC 3339, UTC.
    pub instant: DateTime<Utc>,
    /// When the run was claimed: RFC 3339, UTC.
    pub since: DateTime<Utc>,
    /// What it waits for, in words: a slot (`concurrency`), a job or a directory that another run has locked, or a job that it
    /// needs.
    #[serde(rename = "for")]
    pub awaited: String,
    /// The job of its own run that it waits for.
    pub needs: Option<String>,
}

/// Processes of a job that work without opsrun: it was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftRunning {
    /// The run that started them.
    pub run: String,
    /// When they were started: RFC 3339, UTC.
    pub since: MillisUtc,
    /// Number of their process group.
    pub process_group: i32,
    /// Numbers of the processes.
    pub pids: Vec<i32>,
}

impl LeftRunning {
    /// The rows of one job.
    pub fn of(job: &JobName, orphans: &[Orphan]) -> Vec<Self> {
        let of_job = orphans.iter().filter(|orphan| orphan.job() == *job);
        of_job
            .map(|orphan| Self {
                run: orphan.run.clone(),
                since: MillisUtc(orphan.since),
                process_group: orphan.group(),
                pids: orphan.pids.clone(),
            })
            .collect()
    }
}

/// A target that is not started for a while, since it failed repeatedly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BackOffRow {
    /// `target:name`.
    pub target: String,
    /// Number of consecutive failures.
    pub failures: u32,
    /// Time of the next attempt: RFC 3339, UTC.
    pub until: DateTime<Utc>,
}

/// The last result of a job.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LastDocument {
    /// The run.
    pub run: String,
    /// When the job ended: RFC 3339, UTC.
    pub at: MillisUtc,
    /// Duration; null if it did not begin, or is unknown.
    pub millis: Option<u64>,
    /// The result.
    #[serde(flatten)]
    pub outcome: Outcome,
}

pub fn status_text(status: &StatusDocument, zone: &Zone, style: Style) -> String {
    if status.jobs.is_empty() {
        return "no jobs\n".to_owned();
    }
    let rows: Vec<[Cell; 7]> = status.jobs.iter().map(|job| cells(job, status.at.0, zone)).collect();
    let heading = [
        "job",
        "result",
        &format!("when ({zone})"),
        "ago",
        "took",
        "next",
        "summary",
    ];
    table(heading, [Left; 7], &rows, style)
}

fn cells(job: &JobDocument, now: DateTime<Utc>, zone: &Zone) -> [Cell; 7] {
    let local = |at: MillisUtc| times::local(at.0, zone);
    let last = job.last.as_ref();
    let state = last.map(|last| last.outcome.state);
    let with_state = |word: &str| state.map_or_else(|| word.to_owned(), |state| format!("{word} ({})", state.word()));
    let result = match state {
        _ if job.paused => Cell::toned(with_state("paused"), Tone::Dim),
        _ if job.handled_until.is_some() => Cell::toned(with_state("waits for the clock"), Tone::Bad),
        _ if job.overdue_since.is_some() => Cell::toned(with_state("overdue"), Tone::Bad),
        Some(state) => Cell::toned(state.word(), tone(state)),
        None => Cell::toned("never ran", Tone::Warn),
    };
    let mut parts = Vec::new();
    if let Some(since) = job.overdue_since.filter(|_| !job.paused) {
        parts.push(format!("was due at {} and did not start", local(since)));
    }
    if let Some(until) = job.handled_until.filter(|_| !job.paused) {
        let (until, check) = (local(until), advice(CHECK_CLOCK));
        parts.push(format!(
            "its schedule was handled up to {until}, and the clock is before that; {check}"
        ));
    }
    if let Some(back_off) = &job.back_off {
        let target = if back_off.target == job.job {
            String::new()
        } else {
            format!("{}: ", one_line(&back_off.target))
        };
        let failures = plural(back_off.failures.into(), "failure", "failures");
        let until = times::local(back_off.until, zone);
        parts.push(format!("{target}in back-off until {until} after {failures}"));
    }
    if let Some(since) = job.running_since {
        parts.push(format!("running for {}", times::ago(since.0, now)));
    }
    if let Some(waiting) = &job.waiting {
        let since = times::local(waiting.since, zone);
        parts.push(format!("waits since {since} for {}", one_line(&waiting.awaited)));
    }
    let left = job
        .left_running
        .iter()
        .map(|left| format!("still at work: {}", processes(&left.pids)));
    parts.extend(left);
    parts.extend(last.map(|last| one_line(&last.outcome.summary)));
    let took = last.and_then(|last| last.millis);
    [
        Cell::toned(one_line(&job.job), Tone::Name),
        result,
        last.map(|last| local(last.at)).unwrap_or_default().into(),
        last.map(|last| times::ago(last.at.0, now)).unwrap_or_default().into(),
        took.map(crate::units::took).unwrap_or_default().into(),
        job.next_run.map(local).unwrap_or_default().into(),
        parts.join("; ").into(),
    ]
}

fn tone(state: State) -> Tone {
    match state {
        State::Ok | State::Nothing => Tone::Good,
        State::Partial | State::Warning | State::Blocked | State::Interrupted => Tone::Warn,
        State::Critical | State::Unknown | State::Refused | State::Failed | State::NoSpace => Tone::Bad,
        State::Paused => Tone::Dim,
    }
}
