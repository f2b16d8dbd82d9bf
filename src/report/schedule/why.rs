//! Why a job ran or did not, for `why`.
//!
//! Takes a [`Why`], gives text for people; it is the document for programs as it stands, its JSON Schema is
//! `schemas/why.schema.json`, and a test compares the two. Decides nothing but what the first sentence is about.
//! Invariant: the first line answers; all others are what it rests on.

use crate::report::schedule::status::BackOffRow;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::Left;
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::run::State;
use crate::units::plural;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use std::fmt::Write as _;

/// The number of the JSON format.
pub const FORMAT: u32 = 1;

/// Why a job ran or did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun why, format 1"))]
pub struct Why {
    /// Number of this format: 1.
    pub format: u32,
    /// `kind:name`.
    pub job: String,
    /// When it was asked: RFC 3339, UTC.
    pub at: DateTime<Utc>,
    /// In one word, what the answer is about.
    pub because: Because,
    /// The schedule that it runs by; null when it runs only when asked for.
    pub schedule: Option<Scheduled>,
    /// Why it is left out of every run.
    pub paused: Option<String>,
    /// When it runs next, jitter included: RFC 3339, UTC.
    pub next_run: Option<DateTime<Utc>>,
    /// It is left alone for a while; null when it is not.
    pub back_off: Option<BackOffRow>,
    /// The last instant that should have been a run by now, and was none: RFC 3339, UTC.
    pub overdue_since: Option<DateTime<Utc>>,
    /// It waits for its own earlier run to end, since this instant: RFC 3339, UTC.
    pub waiting_since: Option<DateTime<Utc>>,
    /// The run in which it is at work.
    pub running: Option<Running>,
    /// The check that holds its alerts while it is bad; null when there is none.
    pub silenced_by: Option<Silencer>,
    /// What was decided about it, newest first.
    pub decisions: Vec<Decided>,
    /// Its last runs, newest first.
    pub runs: Vec<RunAnswer>,
}

/// What the answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// It is at work.
    Running,
    /// It is paused, or depends on a job that is.
    Paused,
    /// It failed too often of late.
    BackedOff,
    /// It waits for its own earlier run to end.
    Queued,
    /// It should have run, and nobody began it.
    Overdue,
    /// The newest decision is that it does not run.
    NotRun,
    /// It ran; the newest run tells the rest.
    Ran,
    /// It never ran, and nothing was ever decided about it.
    Never,
}

/// The schedule of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scheduled {
    /// Its name.
    pub name: String,
    /// When it is due, in words.
    pub definition: String,
    /// By how much later it starts, in milliseconds.
    pub jitter_millis: u64,
    /// The backup with which it runs, having no schedule of its own.
    pub along: Option<String>,
    /// Since when it is served as it is defined; null when it never was: RFC 3339, UTC.
    pub since: Option<DateTime<Utc>>,
}

/// A run that is going on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Running {
    /// The run.
    pub run: String,
    /// When the job began in it: RFC 3339, UTC.
    pub since: DateTime<Utc>,
}

/// A check that holds alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Silencer {
    /// `check:name`.
    pub check: String,
    /// What came of it last.
    pub state: Option<State>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Decided {
    /// When it was made: RFC 3339, UTC.
    pub at: DateTime<Utc>,
    /// By which schedule.
    pub schedule: String,
    /// The first instant that it is about: RFC 3339, UTC.
    pub first: DateTime<Utc>,
    /// The last one: RFC 3339, UTC.
    pub last: DateTime<Utc>,
    /// How many.
    pub count: u64,
    /// There are more than were counted.
    pub more: bool,
    /// What: `ran`, `missed`, `skipped-overlap`, `queued`, `backed-off`, `paused` or `dropped`.
    pub decision: String,
    /// Why, in one line.
    pub reason: String,
    /// The run that was begun.
    pub run: Option<String>,
}

/// A run in which the job took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunAnswer {
    /// Its id.
    pub run: String,
    /// When it was begun: RFC 3339, UTC.
    pub begun_at: DateTime<Utc>,
    /// The instants for which it was begun; empty when somebody asked for it.
    pub instants: Vec<Of>,
    /// The command line.
    pub command: String,
    /// What came of the job in it; null when it has not ended there.
    pub state: Option<State>,
    /// In one line.
    pub summary: Option<String>,
    /// The step that was the root of it, when the job was blocked.
    pub root: Option<Root>,
}

/// An instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Of {
    /// Of this schedule.
    pub schedule: String,
    /// Without jitter: RFC 3339, UTC.
    pub instant: DateTime<Utc>,
}

/// A step that kept others from beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Root {
    /// The step.
    pub step: String,
    /// What came of it.
    pub state: State,
    /// In one line.
    pub summary: String,
}

#[must_use]
pub fn why_text(why: &Why, zone: Tz, style: Style) -> String {
    let mut text = format!("{} {}\n", style.name(&why.job), answer(why, zone));
    let mut fact = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {} {value}", style.dim(format!("{name:<10}")));
    };
    match &why.schedule {
        None => fact("schedule", "none: it runs only when it is asked for".to_owned()),
        Some(schedule) => {
            let mut told = format!("{}, {}", one_line(&schedule.name), one_line(&schedule.definition));
            if schedule.jitter_millis > 0 {
                let _ = write!(told, ", {} later", times::took(schedule.jitter_millis));
            }
            if let Some(backup) = &schedule.along {
                let _ = write!(told, ", with {}", one_line(backup));
            }
            fact("schedule", told);
            let served = schedule
                .since
                .map(|since| format!("since {}", times::local(since, zone)));
            let never = || "never: start `opsrun serve`, or let cron call `opsrun apply --due`".to_owned();
            fact("served", served.unwrap_or_else(never));
        }
    }
    if let Some(next) = why.next_run {
        fact("next run", times::whole(next, zone));
    }
    if let Some(silencer) = &why.silenced_by {
        let state = silencer.state.map_or("which never ran", State::word);
        let check = one_line(&silencer.check);
        fact("alerts", format!("held while {check} is bad; it is now: {state}"));
    }
    if !why.decisions.is_empty() {
        text.push('\n');
        let rows: Vec<[Cell; 4]> = why.decisions.iter().map(|decided| decision(decided, zone)).collect();
        text += &table(["decided for", "decision", "why", "run"], [Left; 4], &rows, style);
    }
    if !why.runs.is_empty() {
        text.push('\n');
        let rows: Vec<[Cell; 5]> = why.runs.iter().map(|run| of_run(run, zone)).collect();
        text += &table(["run", "begun", "for", "result", "summary"], [Left; 5], &rows, style);
    }
    text
}

/// The answer, to be read behind the name of the job.
fn answer(why: &Why, zone: Tz) -> String {
    let local = |at: DateTime<Utc>| times::local(at, zone);
    let said = match why.because {
        Because::Running => why
            .running
            .as_ref()
            .map(|running| format!("is at work since {}, in run {}", local(running.since), running.run)),
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
            format!("is left alone until {until}: {who} failed {failures} in a row")
        }),
        Because::Queued => why
            .waiting_since
            .map(|since| format!("waits since {} for its earlier run to end", local(since))),
        Because::Overdue => why.overdue_since.map(|since| {
            format!(
                "is overdue: it was due at {}, and nobody began it; is `opsrun serve` running?",
                local(since)
            )
        }),
        Because::NotRun => why.decisions.first().map(|decided| {
            let reason = reason(&decided.decision, &decided.reason);
            format!("did not run at {}: {reason}", local(decided.last))
        }),
        Because::Ran => why.runs.first().map(|run| {
            let state = run.state.map_or("no result", State::word);
            let mut said = format!("ran last at {}, {}: {state}", local(run.begun_at), begun_for(run, zone));
            if let Some(root) = &run.root {
                let _ = write!(said, ", since {} is {}", one_line(&root.step), root.state.word());
            }
            said
        }),
        Because::Never => None,
    };
    said.unwrap_or_else(|| "never ran, and nothing was decided about it yet".to_owned())
}

fn begun_for(run: &RunAnswer, zone: Tz) -> String {
    if run.instants.is_empty() {
        return format!("by hand (`{}`)", one_line(&run.command));
    }
    let one = |of: &Of| format!("{} at {}", one_line(&of.schedule), times::local(of.instant, zone));
    let all: Vec<String> = run.instants.iter().map(one).collect();
    format!("for {}", all.join(" and "))
}

/// The reason of a decision in words: those of what was missed are short in the state.
#[must_use]
pub fn reason(decision: &str, reason: &str) -> String {
    match (decision, reason) {
        ("missed", "missed") => "it was not begun in time, and what is missed is left out".to_owned(),
        ("missed", "superseded") => "it was not begun in time, and a newer instant ran in its place".to_owned(),
        ("missed", "too-old") => "it was not begun in time, and later it was too old for its window".to_owned(),
        ("missed", "too-many") => "it was not begun in time, and more were missed than are made up for".to_owned(),
        (_, reason) => one_line(reason),
    }
}

fn decision(decided: &Decided, zone: Tz) -> [Cell; 4] {
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

fn of_run(run: &RunAnswer, zone: Tz) -> [Cell; 5] {
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
