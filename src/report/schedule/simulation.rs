//! What schedules come to over a span of time, for `simulate`.
//!
//! Takes a [`Simulation`], gives a table for people and a document for programs; its JSON Schema is
//! `schemas/simulation.schema.json`, and a test compares the two. Decides nothing.
//! Invariant: of every schedule each instant of the span is counted once: `due` is the sum of what became of them.

use crate::model::schedule::{ChangeKind, ClockChange};
use crate::report::schedule::clock_changes::{self, ChangeDocument, stamp};
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
/// No more than so many runs are listed.
pub const LISTED: usize = 100_000;

/// A time when opsrun does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Down {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulation {
    /// What starts at this moment is told.
    pub from: DateTime<Utc>,
    /// What starts at this moment is not.
    pub to: DateTime<Utc>,
    /// When opsrun does not run.
    pub down: Vec<Down>,
    /// In the order of the file.
    pub schedules: Vec<Totals>,
    /// Runs in all: what is due at one instant is one run.
    pub runs: u64,
    /// What happened, in order; at most [`LISTED`].
    pub events: Vec<Happened>,
    /// How many more things happened than are listed.
    pub unlisted: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    pub schedule: String,
    pub definition: String,
    pub jobs: Vec<String>,
    pub on_time: u64,
    /// Instants that were missed and run later.
    pub caught_up: u64,
    /// Instants that did not run, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Instants that nobody had decided about at the end, since opsrun did not run.
    pub undecided: u64,
    pub changes: Vec<ClockChange>,
}

impl Totals {
    #[must_use]
    pub fn due(&self) -> u64 {
        self.on_time + self.caught_up + self.left_out.values().sum::<u64>() + self.undecided
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "did", rename_all = "kebab-case")]
pub enum Happened {
    /// A run began.
    Ran {
        /// When: RFC 3339, UTC.
        #[serde(serialize_with = "as_stamp")]
        at: DateTime<Utc>,
        /// The instants that it began for.
        instants: Vec<Instant>,
        /// Jobs that were due.
        jobs: Vec<String>,
    },
    /// Instants were passed over.
    LeftOut {
        /// When that was decided: RFC 3339, UTC.
        #[serde(serialize_with = "as_stamp")]
        at: DateTime<Utc>,
        /// The schedule.
        schedule: String,
        /// The first of them: RFC 3339, UTC.
        #[serde(serialize_with = "as_stamp")]
        first: DateTime<Utc>,
        /// The last of them: RFC 3339, UTC.
        #[serde(serialize_with = "as_stamp")]
        last: DateTime<Utc>,
        /// How many.
        count: u64,
        /// Why: `missed`, `superseded`, `too-old`, `too-many` or `paused`.
        reason: &'static str,
    },
}

/// An instant for which a run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Instant {
    /// The schedule.
    pub schedule: String,
    /// The instant, without jitter: RFC 3339, UTC.
    #[serde(serialize_with = "as_stamp")]
    pub instant: DateTime<Utc>,
    /// It was missed, and this makes up for it.
    pub caught_up: bool,
}

fn as_stamp<S: serde::Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&stamp(*at))
}

/// What schedules come to.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun simulate, format 1"))]
pub struct SimulationDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// The `ops` name.
    pub ops: String,
    /// What starts at this moment is told: RFC 3339, UTC.
    pub from: String,
    /// What starts at this moment is not: RFC 3339, UTC.
    pub to: String,
    /// When opsrun does not run.
    pub down: Vec<DownDocument>,
    /// Runs in all: what is due at one instant is one run.
    pub runs: u64,
    /// In the order of the file.
    pub schedules: Vec<TotalsDocument>,
    /// What happened, in order; null without `--runs`.
    pub events: Option<Vec<Happened>>,
    /// How many more things happened than are listed, with `--runs`.
    pub unlisted: u64,
}

/// A time when opsrun does not run.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DownDocument {
    /// From this moment on: RFC 3339, UTC.
    pub from: String,
    /// At this one it runs again: RFC 3339, UTC.
    pub until: String,
}

/// What one schedule comes to.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TotalsDocument {
    /// Which.
    pub schedule: String,
    /// When it is due, in words.
    pub definition: String,
    /// The jobs that run by it.
    pub jobs: Vec<String>,
    /// All its instants: the sum of what became of them.
    pub due: u64,
    /// Instants that ran on time.
    pub on_time: u64,
    /// Instants that were missed and run later.
    pub caught_up: u64,
    /// Instants that did not run, by reason: `missed`, `superseded`, `too-old`, `too-many`, `paused`.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Instants that nobody had decided about at the end, since opsrun did not run.
    pub undecided: u64,
    /// What changes of clocks did to it.
    pub clock_changes: Vec<ChangeDocument>,
}

#[must_use]
pub fn document(ops: &str, told: Simulation, listed: bool) -> SimulationDocument {
    let totals = |totals: Totals| TotalsDocument {
        due: totals.due(),
        schedule: totals.schedule,
        definition: totals.definition,
        jobs: totals.jobs,
        on_time: totals.on_time,
        caught_up: totals.caught_up,
        left_out: totals.left_out,
        undecided: totals.undecided,
        clock_changes: totals.changes.iter().map(clock_changes::document).collect(),
    };
    let down = told.down.iter().map(|down| DownDocument {
        from: stamp(down.from),
        until: stamp(down.until),
    });
    SimulationDocument {
        format: FORMAT,
        ops: ops.to_owned(),
        from: stamp(told.from),
        to: stamp(told.to),
        down: down.collect(),
        runs: told.runs,
        schedules: told.schedules.into_iter().map(totals).collect(),
        events: listed.then_some(told.events),
        unlisted: told.unlisted,
    }
}

#[must_use]
pub fn simulation_text(told: &Simulation, listed: bool, zone: Tz, style: Style) -> String {
    let mut text = String::new();
    if listed {
        text += &events_text(told, zone, style);
    }
    let rows: Vec<[Cell; 8]> = told.schedules.iter().map(cells).collect();
    if rows.is_empty() {
        return "nothing runs by itself: no job has a schedule\n".to_owned();
    }
    let heading = [
        "schedule",
        "when",
        "due",
        "on time",
        "caught up",
        "left out",
        "why",
        "clock changes",
    ];
    let align = [Left, Left, Right, Right, Right, Right, Left, Left];
    text += &table(heading, align, &rows, style);
    let span = format!("{} to {}", times::whole(told.from, zone), times::whole(told.to, zone));
    let runs = plural(told.runs, "run", "runs");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{} from {span}", style.bold(runs));
    for down in &told.down {
        let _ = writeln!(
            text,
            "opsrun not running from {} to {}",
            times::whole(down.from, zone),
            times::whole(down.until, zone)
        );
    }
    text
}

fn cells(totals: &Totals) -> [Cell; 8] {
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
        show_count(totals.due()).into(),
        count(totals.on_time, Tone::Plain),
        count(totals.caught_up, Tone::Warn),
        count(out, Tone::Warn),
        why.join(", ").into(),
        changes(&totals.changes).into(),
    ]
}

/// How many times of day were skipped or came twice, and what became of them.
fn changes(changes: &[ClockChange]) -> String {
    let mut counts = [0_u64; 4];
    let words = [
        "skipped, run right after",
        "skipped, not run",
        "repeated, run once",
        "repeated, run twice",
    ];
    for change in changes {
        let kind = match (change.kind, change.runs.len()) {
            (ChangeKind::Gap, 0) => 1,
            (ChangeKind::Gap, _) => 0,
            (ChangeKind::Fold, 0 | 1) => 2,
            (ChangeKind::Fold, _) => 3,
        };
        if let Some(count) = counts.get_mut(kind) {
            *count += 1;
        }
    }
    let told = counts.iter().zip(words).filter(|(count, _)| **count > 0);
    let told: Vec<String> = told
        .map(|(count, word)| format!("{} {word}", show_count(*count)))
        .collect();
    told.join("; ")
}

fn events_text(told: &Simulation, zone: Tz, style: Style) -> String {
    let local = |at: DateTime<Utc>| times::local(at, zone);
    let mut text = String::new();
    for event in &told.events {
        let line = match event {
            Happened::Ran { at, instants, jobs } => {
                let made_up = |one: &Instant| {
                    if one.caught_up {
                        format!("{}, made up for {}", one_line(&one.schedule), local(one.instant))
                    } else {
                        one_line(&one.schedule)
                    }
                };
                let of: Vec<String> = instants.iter().map(made_up).collect();
                let jobs = style.name(jobs.join(", "));
                format!("{}  {jobs}  ({})", local(*at), of.join("; "))
            }
            Happened::LeftOut {
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
                let what = style.warn(format!("left out, {reason}"));
                format!("{}  {what}: {which}  ({})", local(*at), one_line(schedule))
            }
        };
        text += &line;
        text.push('\n');
    }
    if told.unlisted > 0 {
        let _ = writeln!(
            text,
            "… and {} more; choose a shorter span to see them",
            show_count(told.unlisted)
        );
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}
