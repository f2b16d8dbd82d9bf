//! The result of simulated schedules, for `simulate`.
//!
//! Invariant: every instant of a schedule in the span is counted once.

use crate::model::schedule::{ChangeKind, ClockChange};
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::{Left, Right};
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::time_zone::Zone;
use crate::units::{plural, show_count};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

pub const FORMAT: u32 = 1;
pub const MAX_LISTED_EVENTS: usize = 100_000;

/// The result of simulated schedules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "opsrun simulate, format 1"))]
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
    pub clock_changes: Vec<ClockChange>,
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

pub fn simulation_text(simulation: &SimulationDocument, zone: &Zone, style: Style) -> String {
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
    let span = |from, to| {
        format!(
            "from {} to {}\n",
            times::with_zone(from, zone),
            times::with_zone(to, zone)
        )
    };
    let runs = style.bold(plural(simulation.runs, "run", "runs"));
    text = text + &runs + " " + &span(simulation.from, simulation.to);
    for down in &simulation.down {
        text = text + "opsrun not running " + &span(down.from, down.until);
    }
    text
}

fn cells(totals: &TotalsDocument) -> [Cell; 8] {
    let count = |n: u64, tone: Tone| Cell::toned(show_count(n), if n == 0 { Tone::Dim } else { tone });
    let out: u64 = totals.left_out.values().sum::<u64>() + totals.undecided;
    let reasons = totals.left_out.iter();
    let mut why: Vec<String> = reasons
        .map(|(reason, n)| format!("{} {reason}", show_count(*n)))
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
fn changes(changes: &[ClockChange]) -> String {
    // In the order in which they are shown.
    let mut counts: BTreeMap<(usize, &str), u64> = BTreeMap::new();
    for change in changes {
        let effect = match (change.kind, change.runs.len()) {
            (ChangeKind::Gap, 1..) => (0, "skipped, run right after"),
            (ChangeKind::Gap, 0) => (1, "skipped, not run"),
            (ChangeKind::Fold, 0 | 1) => (2, "repeated, run once"),
            (ChangeKind::Fold, _) => (3, "repeated, run twice"),
        };
        *counts.entry(effect).or_default() += 1;
    }
    let parts = counts
        .iter()
        .map(|((_, word), count)| format!("{} {word}", show_count(*count)));
    parts.collect::<Vec<_>>().join("; ")
}

fn events_text(events: &[SimulatedEvent], unlisted: u64, zone: &Zone, style: Style) -> String {
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
                let which = match plural(*count, "run", "runs") {
                    _ if *count <= 1 => local(*first),
                    runs => format!("{runs} from {} to {}", local(*first), local(*last)),
                };
                let what = style.warn(format!("skipped, {reason}"));
                format!("{}  {what}: {which}  ({})", local(*at), one_line(schedule))
            }
        };
        text = text + &line + "\n";
    }
    if unlisted > 0 {
        let more = show_count(unlisted);
        text = text + "… and " + &more + " more; choose a shorter span to see them\n";
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}
