//! The next scheduled runs, for `plan --next`.
//!
//! Invariant: a line shows when a run really starts, jitter included, in local time of the schedule's zone.

use crate::model::schedule::{ChangeKind, ClockChange};
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::Left;
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::time_zone::Zone;
use crate::units::{plural, serialize_millis, show_duration};
use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use std::time::Duration;

pub const FORMAT: u32 = 1;

/// The next scheduled runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "opsrun plan --next, format 1"))]
pub struct NextDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// The `ops` name.
    pub ops: String,
    /// Runs that start later than this are listed: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub after: DateTime<Utc>,
    /// The time zone data in use: version and directory.
    pub zone_data: String,
    /// In order.
    pub firings: Vec<FiringDocument>,
}

/// One scheduled run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FiringDocument {
    /// When it starts, jitter included: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub start: DateTime<Utc>,
    /// The schedules that are due; several at one instant form one run.
    pub schedules: Vec<FiredDocument>,
    /// Jobs that are not due, but needed by others.
    pub brings: Vec<String>,
    /// Jobs that are due but do not run.
    pub left_out: Vec<LeftOutDocument>,
}

/// A schedule at one of its instants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FiredDocument {
    /// Its name.
    pub schedule: String,
    /// The instant, without jitter: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub instant: DateTime<Utc>,
    /// The start in local time: RFC 3339, with the offset.
    #[serde(serialize_with = "with_offset")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub local: DateTime<FixedOffset>,
    /// The time zone: an IANA name.
    #[serde(serialize_with = "zone_name")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub zone: Zone,
    /// Delay of the start after the instant, in milliseconds.
    #[serde(serialize_with = "serialize_millis")]
    #[cfg_attr(test, schemars(with = "u64"))]
    pub jitter_millis: Duration,
    /// Jobs that are due and run.
    pub jobs: Vec<String>,
    /// Clock changes that affect this instant.
    pub clock_changes: Vec<ClockChange>,
}

/// A job that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftOutDocument {
    /// `kind:name`.
    pub job: String,
    /// Why it does not run.
    pub reason: String,
}

fn with_offset<S: Serializer>(local: &DateTime<FixedOffset>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&local.to_rfc3339_opts(SecondsFormat::AutoSi, false))
}

fn zone_name<S: Serializer>(zone: &Zone, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(zone.name())
}

/// For people; `requested` is how many runs the user asked for.
pub fn upcoming_text(next: &NextDocument, requested: usize, style: Style) -> String {
    if next.firings.is_empty() {
        return "no scheduled runs: no job has a schedule\n".to_owned();
    }
    let rows: Vec<[Cell; 6]> = next.firings.iter().flat_map(rows).collect();
    let heading = ["starts", "UTC", "jitter", "schedule", "jobs", "notes"];
    let mut text = table(heading, [Left; 6], &rows, style);
    if next.firings.len() < requested {
        let count = plural(next.firings.len() as u64, "run", "runs");
        text = text + "only " + &count + ": no schedule has a later run\n";
    }
    let mut fired = next.firings.iter().flat_map(|firing| &firing.schedules);
    if fired.any(|fired| fired.zone != Zone::utc()) {
        text = text + &style.dim(format!("time zones {}", next.zone_data)) + "\n";
    }
    text
}

fn rows(firing: &FiringDocument) -> Vec<[Cell; 6]> {
    let row = |(at, fired): (usize, &FiredDocument)| {
        let mut notes = Vec::new();
        let others = firing.schedules.iter().filter(|other| other.schedule != fired.schedule);
        let others: Vec<String> = others.map(|other| one_line(&other.schedule)).collect();
        if !others.is_empty() {
            notes.push(format!("one run with {}", others.join(", ")));
        }
        let same = |a: &ClockChange, b: &ClockChange| (a.at, &a.runs) == (b.at, &b.runs);
        let changes = fired.clock_changes.chunk_by(same);
        notes.extend(changes.filter_map(|changes| clock_change(changes, &fired.zone)));
        let mut jobs = fired.jobs.join(", ");
        if at == 0 {
            if !firing.brings.is_empty() {
                jobs = format!("{jobs} (needs {})", firing.brings.join(", "));
            }
            let left = firing.left_out.iter();
            notes.extend(left.map(|left| format!("{} does not run: {}", left.job, left.reason)));
        }
        let jitter = if fired.jitter_millis.is_zero() {
            String::new()
        } else {
            format!("+{}", show_duration(fired.jitter_millis))
        };
        let local = fired.local.format("%a %Y-%m-%d %H:%M:%S%.f %:z");
        [
            Cell::from(format!("{local} {}", fired.zone.name())),
            Cell::toned(times::utc(firing.start), Tone::Dim),
            jitter.into(),
            one_line(&fired.schedule).into(),
            Cell::toned(if jobs.is_empty() { "none".to_owned() } else { jobs }, Tone::Name),
            notes.join("; ").into(),
        ]
    };
    firing.schedules.iter().enumerate().map(row).collect()
}

/// Times with one effect, in one note.
fn clock_change(changes: &[ClockChange], zone: &Zone) -> Option<String> {
    let (first, last) = (changes.first()?, changes.last()?);
    let date = match (first.kind, first.runs.as_slice()) {
        (ChangeKind::Gap, []) => format!(" on {}", first.wall.format("%Y-%m-%d")),
        _ => String::new(),
    };
    let times = match changes {
        [one] => format!("{}{date} is", one.wall.format("%H:%M")),
        _ => format!(
            "{} to {}{date} are",
            first.wall.format("%H:%M"),
            last.wall.format("%H:%M")
        ),
    };
    Some(match (first.kind, first.runs.as_slice()) {
        (ChangeKind::Gap, []) => format!("{times} skipped by a clock change: no run"),
        (ChangeKind::Gap, [run, ..]) => {
            let then = zone.local(*run).format("%H:%M");
            format!("{times} skipped by a clock change: runs right after it, at {then}")
        }
        (ChangeKind::Fold, [_, _, ..]) => format!("{times} repeated by a clock change: runs both times"),
        (ChangeKind::Fold, _) => format!("{times} repeated by a clock change: runs the first time only"),
    })
}
