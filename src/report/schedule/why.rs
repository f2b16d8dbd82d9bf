//! Why a job ran or did not run, for `why`.
//!
//! Takes a [`WhyDocument`], gives text; the document is the JSON, its JSON Schema is `schemas/why.schema.json`, and a
//! test compares the two. Decides nothing but the topic of the first sentence.
//! Invariant: the first line is the answer; the other lines are the facts behind it.

use crate::report::schedule::status::BackOffRow;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::Left;
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::run::State;
use crate::units::{plural, took};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use std::fmt::Write as _;

/// The number of the JSON format.
pub const FORMAT: u32 = 1;

/// Why a job ran or did not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun why, format 1"))]
pub struct WhyDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// `kind:name`.
    pub job: String,
    /// Time of the request: RFC 3339, UTC.
    pub at: DateTime<Utc>,
    /// The topic of the answer.
    pub because: Because,
    /// Its schedule; null if it runs only on request.
    pub schedule: Option<JobSchedule>,
    /// Why no run includes it.
    pub paused: Option<String>,
    /// Its next run, jitter included: RFC 3339, UTC.
    pub next_run: Option<DateTime<Utc>>,
    /// Its back-off after failures; null if there is none.
    pub back_off: Option<BackOffRow>,
    /// The last instant at which it should have run but did not: RFC 3339, UTC.
    pub overdue_since: Option<DateTime<Utc>>,
    /// The instant for which it is queued until its previous run ends: RFC 3339, UTC.
    pub waiting_since: Option<DateTime<Utc>>,
    /// The run in which it is running.
    pub running: Option<CurrentRun>,
    /// The check that silences its alerts while it is bad; null if there is none.
    pub silenced_by: Option<Silencer>,
    /// Decisions about it, newest first.
    pub decisions: Vec<DecisionDocument>,
    /// Its last runs, newest first.
    pub runs: Vec<JobRun>,
}

/// The topic of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// It is running.
    Running,
    /// It is paused, or needs a paused job.
    Paused,
    /// It failed repeatedly and is in back-off.
    BackedOff,
    /// It is queued until its previous run ends.
    Queued,
    /// It should have run, but did not start.
    Overdue,
    /// The latest decision is not to run it.
    NotRun,
    /// It ran; see the newest run.
    Ran,
    /// It never ran, without a decision about it.
    Never,
}

/// The schedule of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JobSchedule {
    /// Its name.
    pub name: String,
    /// When it is due, in words.
    pub definition: String,
    /// Delay of the start after each instant, in milliseconds.
    pub jitter_millis: u64,
    /// The backup that the job runs with, if it has no schedule of its own.
    pub along: Option<String>,
    /// Since when it is served in its current definition; null if never: RFC 3339, UTC.
    pub since: Option<DateTime<Utc>>,
}

/// An active run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CurrentRun {
    /// The run.
    pub run: String,
    /// When the job started in it: RFC 3339, UTC.
    pub since: DateTime<Utc>,
}

/// A check that silences alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Silencer {
    /// `check:name`.
    pub check: String,
    /// Its last result.
    pub state: Option<State>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DecisionDocument {
    /// When it was made: RFC 3339, UTC.
    pub at: DateTime<Utc>,
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
    pub decision: String,
    /// The reason, in one line.
    pub reason: String,
    /// The run that was started.
    pub run: Option<String>,
}

/// A run that included the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JobRun {
    /// Its id.
    pub run: String,
    /// When it began: RFC 3339, UTC.
    pub begun_at: DateTime<Utc>,
    /// The instants it was started for; empty if it was started by hand.
    pub instants: Vec<ScheduleInstant>,
    /// The command line.
    pub command: String,
    /// The result of the job; null if it has not ended.
    pub state: Option<State>,
    /// The result in one line.
    pub summary: Option<String>,
    /// The step that caused the job to be blocked.
    pub root: Option<RootCause>,
}

/// An instant of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScheduleInstant {
    /// The schedule.
    pub schedule: String,
    /// Without jitter: RFC 3339, UTC.
    pub instant: DateTime<Utc>,
}

/// A step that blocked other steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RootCause {
    /// The step.
    pub step: String,
    /// Its result.
    pub state: State,
    /// Its result in one line.
    pub summary: String,
}

pub fn why_text(why: &WhyDocument, zone: Tz, style: Style) -> String {
    let mut text = format!("{} {}\n", style.name(&why.job), answer(why, zone));
    let mut fact = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} {value}", style.dim(format!("{name:<10}")));
    };
    match &why.schedule {
        None => fact("schedule", "none: it runs only on request".to_owned()),
        Some(schedule) => {
            let mut text = format!("{}, {}", one_line(&schedule.name), one_line(&schedule.definition));
            if schedule.jitter_millis > 0 {
                let _ = write!(text, ", delayed by {}", took(schedule.jitter_millis));
            }
            if let Some(backup) = &schedule.along {
                let _ = write!(text, ", with {}", one_line(backup));
            }
            fact("schedule", text);
            let served = schedule
                .since
                .map(|since| format!("since {}", times::local(since, zone)));
            let never = || "never: start `opsrun serve`, or run `opsrun apply --due` from cron".to_owned();
            fact("served", served.unwrap_or_else(never));
        }
    }
    if let Some(next) = why.next_run {
        fact("next run", times::with_zone(next, zone));
    }
    if let Some(silencer) = &why.silenced_by {
        let state = silencer.state.map_or("never ran", State::word);
        let check = one_line(&silencer.check);
        fact("alerts", format!("held while {check} is bad; its last result: {state}"));
    }
    if !why.decisions.is_empty() {
        text.push('\n');
        let rows: Vec<[Cell; 4]> = why
            .decisions
            .iter()
            .map(|decided| decision_cells(decided, zone))
            .collect();
        text += &table(["instant", "decision", "why", "run"], [Left; 4], &rows, style);
    }
    if !why.runs.is_empty() {
        text.push('\n');
        let rows: Vec<[Cell; 5]> = why.runs.iter().map(|run| run_cells(run, zone)).collect();
        text += &table(["run", "begun", "for", "result", "summary"], [Left; 5], &rows, style);
    }
    text
}

/// The answer; follows the name of the job.
fn answer(why: &WhyDocument, zone: Tz) -> String {
    let local = |at: DateTime<Utc>| times::local(at, zone);
    let answer = match why.because {
        Because::Running => why
            .running
            .as_ref()
            .map(|running| format!("is running since {}, in run {}", local(running.since), running.run)),
        Because::Paused => why
            .paused
            .as_ref()
            .map(|reason| format!("does not run: {}", one_line(reason))),
        Because::BackedOff => why.back_off.as_ref().map(|left| {
            let failures = plural(left.failures.into(), "time", "times");
            let who = if left.target == why.job {
                "it".to_owned()
            } else {
                one_line(&left.target)
            };
            let until = local(left.until);
            format!("is in back-off until {until}: {who} failed {failures} in a row")
        }),
        Because::Queued => why
            .waiting_since
            .map(|since| format!("is queued since {}, until its previous run ends", local(since))),
        Because::Overdue => why.overdue_since.map(|since| {
            format!(
                "is overdue: it was due at {} and did not start; is `opsrun serve` running?",
                local(since)
            )
        }),
        Because::NotRun => why.decisions.first().map(|decided| {
            let reason = reason(&decided.decision, &decided.reason);
            format!("did not run at {}: {reason}", local(decided.last))
        }),
        Because::Ran => why.runs.first().map(|run| {
            let state = run.state.map_or("no result", State::word);
            let mut text = format!("last ran at {}, {}: {state}", local(run.begun_at), begun_for(run, zone));
            if let Some(root) = &run.root {
                let _ = write!(text, ", because {} is {}", one_line(&root.step), root.state.word());
            }
            text
        }),
        Because::Never => None,
    };
    answer.unwrap_or_else(|| "never ran, and has no decision yet".to_owned())
}

fn begun_for(run: &JobRun, zone: Tz) -> String {
    if run.instants.is_empty() {
        return format!("by hand (`{}`)", one_line(&run.command));
    }
    let one = |of: &ScheduleInstant| format!("{} at {}", one_line(&of.schedule), times::local(of.instant, zone));
    let all: Vec<String> = run.instants.iter().map(one).collect();
    format!("for {}", all.join(" and "))
}

/// The reason of a decision in a sentence: the state stores a single word for missed instants.
pub fn reason(decision: &str, reason: &str) -> String {
    match (decision, reason) {
        ("missed", "missed") => "it did not start in time, and missed instants are skipped".to_owned(),
        ("missed", "superseded") => "it did not start in time, and a newer instant ran instead".to_owned(),
        ("missed", "too-old") => "it did not start in time, and was then too old for its window".to_owned(),
        ("missed", "too-many") => "it did not start in time, and more were missed than may catch up".to_owned(),
        (_, reason) => one_line(reason),
    }
}

fn decision_cells(decided: &DecisionDocument, zone: Tz) -> [Cell; 4] {
    let local = |at: DateTime<Utc>| times::local(at, zone);
    let mut instants = local(decided.first);
    if decided.count > 1 {
        let more = if decided.more { "more than " } else { "" };
        let count = plural(decided.count, "instant", "instants");
        instants = format!("{more}{count} to {}", local(decided.last));
    }
    let tone = if decided.run.is_some() { Tone::Good } else { Tone::Warn };
    [
        instants.into(),
        Cell::toned(one_line(&decided.decision), tone),
        reason(&decided.decision, &decided.reason).into(),
        decided.run.clone().unwrap_or_default().into(),
    ]
}

fn run_cells(run: &JobRun, zone: Tz) -> [Cell; 5] {
    let mut summary = run.summary.as_deref().map(one_line).unwrap_or_default();
    if let Some(root) = &run.root {
        let root = format!(
            "{} is {}: {}",
            one_line(&root.step),
            root.state.word(),
            one_line(&root.summary)
        );
        summary = root;
    }
    let tone = match run.state {
        Some(state) if state.opens() => Tone::Good,
        _ => Tone::Warn,
    };
    [
        run.run.clone().into(),
        times::local(run.begun_at, zone).into(),
        begun_for(run, zone).trim_start_matches("for ").to_owned().into(),
        Cell::toned(run.state.map_or("", State::word), tone),
        summary.into(),
    ]
}
