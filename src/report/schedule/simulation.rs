//! The result of simulated schedules, for `simulate`.
//!
//! Takes a [`SimulationDocument`], gives a table; the document is the JSON, its JSON Schema is
//! `schemas/simulation.schema.json`, and a test compares the two.
//! Invariant: every instant of a schedule in the span is counted once.

use crate::report::schedule::clock_changes::{ChangeDocument, WhatDocument};
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::{Left, Right};
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::units::{plural, show_count};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The number of the JSON format.
pub const FORMAT: u32 = 1;
pub const MAX_LISTED_EVENTS: usize = 100_000;

/// The result of simulated schedules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun simulate, format 1"))]
pub struct SimulationDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// The `ops` name.
    pub ops: String,
    /// Start of the span, included: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub from: DateTime<Utc>,
    /// End of the span, excluded: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub to: DateTime<Utc>,
    /// Times when opsrun is not running.
    pub down: Vec<DownDocument>,
    /// Number of runs; jobs due at one instant form one run.
    pub runs: u64,
    /// In file order.
    pub schedules: Vec<TotalsDocument>,
    /// Events in order; null without `--runs`.
    pub events: Option<Vec<SimulatedEvent>>,
    /// Number of events that are not listed, with `--runs`.
    pub unlisted: u64,
}

/// A time when opsrun is not running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DownDocument {
    /// Start, included: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub from: DateTime<Utc>,
    /// End, excluded: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub until: DateTime<Utc>,
}

/// The result of one schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TotalsDocument {
    /// Its name.
    pub schedule: String,
    /// When it is due, in words.
    pub definition: String,
    /// The jobs that run on it.
    pub jobs: Vec<String>,
    /// Number of instants: the sum of the counts below.
    pub due: u64,
    /// Instants that ran on time.
    pub on_time: u64,
    /// Instants that were missed and ran later.
    pub caught_up: u64,
    /// Instants that did not run, by reason: `missed`, `superseded`, `too-old`, `too-many`, `paused`.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Instants without a decision at the end, because opsrun was not running.
    pub undecided: u64,
    /// The effects of clock changes.
    pub clock_changes: Vec<ChangeDocument>,
}

/// An event of the simulation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "did", rename_all = "kebab-case")]
pub enum SimulatedEvent {
    /// A run began.
    Ran {
        /// When: RFC 3339, UTC.
        at: DateTime<Utc>,
        /// The instants it ran for.
        instants: Vec<SimulatedInstant>,
        /// Jobs that were due.
        jobs: Vec<String>,
    },
    /// Instants were skipped.
    LeftOut {
        /// When that was decided: RFC 3339, UTC.
        at: DateTime<Utc>,
        /// The schedule.
        schedule: String,
        /// The first of them: RFC 3339, UTC.
        first: DateTime<Utc>,
        /// The last of them: RFC 3339, UTC.
        last: DateTime<Utc>,
        /// Number of instants.
        count: u64,
        /// Why: `missed`, `superseded`, `too-old`, `too-many` or `paused`.
        reason: &'static str,
    },
}

/// An instant for which a run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SimulatedInstant {
    /// The schedule.
    pub schedule: String,
    /// The instant, without jitter: RFC 3339, UTC.
    pub instant: DateTime<Utc>,
    /// It was missed and runs late.
    pub caught_up: bool,
}

pub fn simulation_text(simulation: &SimulationDocument, zone: Tz, style: Style) -> String {
    let rows: Vec<[Cell; 8]> = simulation.schedules.iter().map(cells).collect();
    if rows.is_empty() {
        return "no scheduled runs: no job has a schedule\n".to_owned();
    }
    let events = simulation.events.as_deref().unwrap_or_default();
    let mut text = events_text(events, simulation.unlisted, zone, style);
    let heading = [
        "schedule",
        "when",
        "due",
        "on time",
        "caught up",
        "skipped",
        "why",
        "clock changes",
    ];
    let align = [Left, Left, Right, Right, Right, Right, Left, Left];
    text += &table(heading, align, &rows, style);
    let span = format!(
        "{} to {}",
        times::with_zone(simulation.from, zone),
        times::with_zone(simulation.to, zone)
    );
    let runs = plural(simulation.runs, "run", "runs");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{} from {span}", style.bold(runs));
    for down in &simulation.down {
        let _ = writeln!(
            text,
            "opsrun not running from {} to {}",
            times::with_zone(down.from, zone),
            times::with_zone(down.until, zone)
        );
    }
    text
}

fn cells(totals: &TotalsDocument) -> [Cell; 8] {
    let count = |n: u64, tone: Tone| Cell::toned(show_count(n), if n == 0 { Tone::Dim } else { tone });
    let out: u64 = totals.left_out.values().sum::<u64>() + totals.undecided;
    let mut why: Vec<String> = totals
        .left_out
        .iter()
        .map(|(reason, count)| format!("{} {reason}", show_count(*count)))
        .collect();
    if totals.undecided > 0 {
        why.push(format!("{} still down", show_count(totals.undecided)));
    }
    [
        Cell::toned(one_line(&totals.schedule), Tone::Name),
        one_line(&totals.definition).into(),
        show_count(totals.due).into(),
        count(totals.on_time, Tone::Plain),
        count(totals.caught_up, Tone::Warn),
        count(out, Tone::Warn),
        why.join(", ").into(),
        changes(&totals.clock_changes).into(),
    ]
}

/// How many local times were skipped or repeated, and what ran.
fn changes(changes: &[ChangeDocument]) -> String {
    let mut counts = [0_u64; 4];
    let words = [
        "skipped, run right after",
        "skipped, not run",
        "repeated, run once",
        "repeated, run twice",
    ];
    for change in changes {
        let kind = match (change.what, change.runs.len()) {
            (WhatDocument::Skipped, 0) => 1,
            (WhatDocument::Skipped, _) => 0,
            (WhatDocument::Repeated, 0 | 1) => 2,
            (WhatDocument::Repeated, _) => 3,
        };
        if let Some(count) = counts.get_mut(kind) {
            *count += 1;
        }
    }
    let counts = counts.iter().zip(words).filter(|(count, _)| **count > 0);
    let parts: Vec<String> = counts
        .map(|(count, word)| format!("{} {word}", show_count(*count)))
        .collect();
    parts.join("; ")
}

fn events_text(events: &[SimulatedEvent], unlisted: u64, zone: Tz, style: Style) -> String {
    let local = |at: DateTime<Utc>| times::local(at, zone);
    let mut text = String::new();
    for event in events {
        let line = match event {
            SimulatedEvent::Ran { at, instants, jobs } => {
                let caught_up = |one: &SimulatedInstant| {
                    if one.caught_up {
                        format!("{}, catches up {}", one_line(&one.schedule), local(one.instant))
                    } else {
                        one_line(&one.schedule)
                    }
                };
                let of: Vec<String> = instants.iter().map(caught_up).collect();
                let jobs = style.name(jobs.join(", "));
                format!("{}  {jobs}  ({})", local(*at), of.join("; "))
            }
            SimulatedEvent::LeftOut {
                at,
                schedule,
                first,
                last,
                count,
                reason,
            } => {
                let which = if *count > 1 {
                    let count = plural(*count, "instant", "instants");
                    format!("{count} from {} to {}", local(*first), local(*last))
                } else {
                    local(*first)
                };
                let what = style.warn(format!("skipped, {reason}"));
                format!("{}  {what}: {which}  ({})", local(*at), one_line(schedule))
            }
        };
        text += &line;
        text.push('\n');
    }
    if unlisted > 0 {
        let more = show_count(unlisted);
        let _ = writeln!(text, "… and {more} more; choose a shorter span to see them");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}
