//! Why a job ran or did not run, for `why`.
//!
//! Invariant: the first line is the answer; the other lines are the facts behind it.

use crate::liveness::children::processes;
use crate::report::schedule::status::{BackOffRow, CHECK_CLOCK, LeftRunning, WaitRow};
use crate::report::shared::advice::advice;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::Left;
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::run::{Occurrence, State};
use crate::store::BegunJob;
use crate::store::schedules::{Decision, FiringVerdict, StoredDecision};
use crate::store::unbegun::Waited;
use crate::time_zone::Zone;
use crate::units::{listed, plural, took};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::fmt::Write as _;

pub const FORMAT: u32 = 1;

/// A shorter wait is not shown, in milliseconds.
const MIN_SHOWN_WAIT: u64 = 1_000;

/// Why a job ran or did not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "opsrun why, format 1"))]
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
    /// Its schedule was handled up to this time, and runs nothing now because the clock is before it: RFC 3339, UTC.
    pub handled_until: Option<DateTime<Utc>>,
    /// The instant for which it is queued until its previous run ends: RFC 3339, UTC.
    pub waiting_since: Option<DateTime<Utc>>,
    /// What it waits for in a run that was claimed for it; null if it does not.
    pub waiting: Option<WaitRow>,
    /// The run in which it is running.
    pub running: Option<BegunJob>,
    /// What runs that were killed left at work; empty for most jobs.
    pub left_running: Vec<LeftRunning>,
    /// The check that silences its alerts while it is bad; null if there is none.
    pub silenced_by: Option<Silencer>,
    /// Decisions about it, newest first.
    pub decisions: Vec<StoredDecision>,
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
    /// It is due and waits in a run that was claimed for it.
    Waiting,
    /// It is paused, or needs a paused job.
    Paused,
    /// It failed repeatedly and is in back-off.
    BackedOff,
    /// A run that was killed left it at work.
    LeftRunning,
    /// It is queued until its previous run ends.
    Queued,
    /// Its schedule waits for the clock: the clock is before what was handled.
    WaitsForClock,
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

/// A check that silences alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Silencer {
    /// `check:name`.
    pub check: String,
    /// Its last result.
    pub state: Option<State>,
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
    pub instants: Vec<Occurrence>,
    /// The command line; empty for a run that made a copy and is not in the history.
    pub command: String,
    /// What the run waited for before it began; null if it began at once.
    pub waited: Option<Waited>,
    /// The result of the job; null if it has not ended.
    pub state: Option<State>,
    /// The result in one line.
    pub summary: Option<String>,
    /// The step that caused the job to be blocked.
    pub root: Option<RootCause>,
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

pub fn why_text(why: &WhyDocument, zone: &Zone, style: Style) -> String {
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
            let never = "schedules are not running: start `opsrun serve`, or run `opsrun apply --due` from cron";
            match schedule.since {
                Some(since) => fact("served", format!("since {}", times::local(since, zone))),
                None => fact("note", advice(never)),
            }
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
        let cells = |decided| decision_cells(decided, zone);
        let rows: Vec<[Cell; 4]> = why.decisions.iter().map(cells).collect();
        text += &table(["scheduled", "decision", "why", "run"], [Left; 4], &rows, style);
    }
    if !why.runs.is_empty() {
        text.push('\n');
        let rows: Vec<[Cell; 5]> = why.runs.iter().map(|run| run_cells(run, zone)).collect();
        text += &table(
            ["run", "started", "started by", "result", "summary"],
            [Left; 5],
            &rows,
            style,
        );
    }
    text
}

/// The answer; follows the name of the job.
fn answer(why: &WhyDocument, zone: &Zone) -> String {
    let local = |at: DateTime<Utc>| times::local(at, zone);
    let answer = match why.because {
        Because::Running => why
            .running
            .as_ref()
            .map(|running| format!("is running since {}, in run {}", local(running.at), running.run)),
        Because::Waiting => why.waiting.as_ref().map(|waiting| {
            let (since, run) = (local(waiting.since), &waiting.run);
            format!("waits since {since} for {}, in run {run}", one_line(&waiting.awaited))
        }),
        Because::LeftRunning => why.left_running.first().map(|left| {
            let (run, since) = (one_line(&left.run), local(left.since.0));
            let (processes, group) = (processes(&left.pids), left.process_group);
            format!(
                "is still at work since {since}: run {run} left {processes}; if it hangs, end it: `kill -- -{group}`"
            )
        }),
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
            let is_running = advice("is `opsrun serve` running?");
            format!(
                "is overdue: it was due at {} and did not start; {is_running}",
                local(since)
            )
        }),
        Because::WaitsForClock => why.handled_until.map(|until| {
            let (until, check) = (local(until), advice(CHECK_CLOCK));
            format!(
                "waits for the clock: its schedule was handled up to {until}, and the clock is before that; {check}"
            )
        }),
        Because::NotRun => why.decisions.first().map(|StoredDecision { decision, .. }| {
            let at = local(decision.last);
            format!("did not run at {at}: {}", reason(decision))
        }),
        Because::Ran => why.runs.first().map(|run| {
            let state = run.state.map_or("no result", State::word);
            let mut text = format!("last ran at {}, {}: {state}", local(run.begun_at), begun_for(run, zone));
            if let Some(root) = &run.root {
                let _ = write!(text, ", because {} {}", one_line(&root.step), root.state.predicate());
            }
            text
        }),
        Because::Never => None,
    };
    let served = why.schedule.as_ref().is_some_and(|schedule| schedule.since.is_some());
    let never = if served {
        "never ran, and was not due yet"
    } else {
        "never ran"
    };
    answer.unwrap_or_else(|| never.to_owned())
}

fn begun_for(run: &JobRun, zone: &Zone) -> String {
    if run.command.is_empty() {
        return "in a run that the history does not know".to_owned();
    }
    if run.instants.is_empty() {
        return format!("by hand (`{}`)", one_line(&run.command));
    }
    format!("for {}", instants(&run.instants, zone))
}

/// `a, b and c at 14:28:42`: the names of the schedules, by instant.
fn instants(all: &[Occurrence], zone: &Zone) -> String {
    let at_once = |instant: &[Occurrence]| {
        let names: Vec<String> = instant.iter().map(|of| one_line(&of.schedule)).collect();
        let at = instant.first().map(|of| times::local(of.instant, zone));
        format!("{} at {}", listed(&names), at.unwrap_or_default())
    };
    let same = |a: &Occurrence, b: &Occurrence| times::local(a.instant, zone) == times::local(b.instant, zone);
    let groups: Vec<String> = all.chunk_by(same).map(at_once).collect();
    groups.join(" and ")
}

/// The reason of a decision in a sentence: the state stores a single word for missed runs.
pub fn reason(decision: &Decision) -> String {
    let late = match (decision.verdict, decision.reason.as_str()) {
        (FiringVerdict::Missed, "missed") => "missed runs are skipped",
        (FiringVerdict::Missed, "superseded") => "a newer run took its place",
        (FiringVerdict::Missed, "too-old") => "was then too old for its window",
        (FiringVerdict::Missed, "too-many") => "more were missed than may catch up",
        (_, reason) => return one_line(reason),
    };
    format!("it did not start in time, and {late}")
}

fn decision_cells(stored: &StoredDecision, zone: &Zone) -> [Cell; 4] {
    let (decision, last) = (&stored.decision, times::local(stored.decision.last, zone));
    let scheduled = match decision.count {
        0 | 1 => times::local(decision.first, zone),
        count if decision.more => format!("more than {} to {last}", plural(count, "run", "runs")),
        count => format!("{} to {last}", plural(count, "run", "runs")),
    };
    let tone = if stored.run.is_some() { Tone::Good } else { Tone::Warn };
    [
        scheduled.into(),
        Cell::toned(decision.verdict.word(), tone),
        reason(decision).into(),
        stored.run.clone().unwrap_or_default().into(),
    ]
}

fn run_cells(run: &JobRun, zone: &Zone) -> [Cell; 5] {
    let mut summary = match &run.root {
        Some(RootCause { step, state, summary }) => one_line(&format!("{step} {}: {summary}", state.predicate())),
        None => run.summary.as_deref().map(one_line).unwrap_or_default(),
    };
    if let Some(waited) = run.waited.as_ref().filter(|waited| waited.millis >= MIN_SHOWN_WAIT) {
        let reasons = one_line(&waited.reasons.join("; then for "));
        summary = format!(
            "{summary}; it began after {}, since it waited for {reasons}",
            took(waited.millis)
        );
    }
    let tone = match run.state {
        Some(state) if state.opens() => Tone::Good,
        _ => Tone::Warn,
    };
    [
        run.run.clone().into(),
        times::local(run.begun_at, zone).into(),
        match run.instants.as_slice() {
            [] if run.command.is_empty() => "not in the history".into(),
            [] => format!("`{}`", one_line(&run.command)).into(),
            all => instants(all, zone).into(),
        },
        Cell::toned(run.state.map_or("", State::word), tone),
        summary.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_of_one_instant_share_its_time() {
        let of = |schedule: &str, second: i64| Occurrence {
            schedule: schedule.to_owned(),
            instant: DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap(),
        };
        let shown = |all: &[Occurrence]| instants(all, &Zone::utc());
        let (d, a, b) = (of("check:d", 0), of("target:a", 0), of("target:b", 0));
        assert_eq!(shown(std::slice::from_ref(&d)), "check:d at 2023-11-14 22:13:20");
        assert_eq!(
            shown(&[d.clone(), a, b]),
            "check:d, target:a and target:b at 2023-11-14 22:13:20"
        );
        assert_eq!(
            shown(&[d, of("c", 1)]),
            "check:d at 2023-11-14 22:13:20 and c at 2023-11-14 22:13:21"
        );
    }
}
