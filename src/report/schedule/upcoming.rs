//! What fires next, for `plan --next`.
//!
//! Takes [`Firing`]s in order, gives a table for people and a document for programs; its JSON Schema is
//! `schemas/next.schema.json`, and a test compares the two. Decides nothing.
//! Invariant: a line tells the moment at which a run really starts, jitter included, on the wall of its own zone.

use crate::model::schedule::ClockChange;
use crate::report::schedule::clock_changes::{self, ChangeDocument, stamp};
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::Left;
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::units::{plural, show_duration};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use std::time::Duration;

/// The number of the JSON format.
pub const FORMAT: u32 = 1;

/// One run that will begin, or would, were its jobs not paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    pub start: DateTime<Utc>,
    /// The schedules that it begins for.
    pub schedules: Vec<Fired>,
    /// Jobs that are not due, and run since others need them.
    pub brings: Vec<String>,
    /// Jobs that are due and do not run, each with the reason.
    pub left_out: Vec<(String, String)>,
}

/// A schedule at one of its instants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    pub schedule: String,
    /// The instant, without jitter.
    pub instant: DateTime<Utc>,
    /// Whose wall it goes by.
    pub zone: Tz,
    pub jitter: Duration,
    pub jobs: Vec<String>,
    /// Changes of clocks that have to do with this instant.
    pub changes: Vec<ClockChange>,
}

/// What fires next.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun plan --next, format 1"))]
pub struct NextDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// The `ops` name.
    pub ops: String,
    /// What starts later than this is told: RFC 3339, UTC.
    pub after: String,
    /// In order.
    pub firings: Vec<FiringDocument>,
}

/// One run that will begin.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FiringDocument {
    /// When, jitter included: RFC 3339, UTC.
    pub start: String,
    /// The schedules that it begins for; several at one instant form one run.
    pub schedules: Vec<FiredDocument>,
    /// Jobs that are not due, and run since others need them.
    pub brings: Vec<String>,
    /// Jobs that are due and do not run.
    pub left_out: Vec<LeftOutDocument>,
}

/// A schedule at one of its instants.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FiredDocument {
    /// Which.
    pub schedule: String,
    /// The instant, without jitter: RFC 3339, UTC.
    pub instant: String,
    /// The start on the wall of its zone: RFC 3339, with its offset.
    pub local: String,
    /// The zone: an IANA name.
    pub zone: String,
    /// By how much the start is later than the instant, in milliseconds.
    pub jitter_millis: u64,
    /// Jobs that are due and run.
    pub jobs: Vec<String>,
    /// Changes of clocks that have to do with this instant.
    pub clock_changes: Vec<ChangeDocument>,
}

/// A job that does not run.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftOutDocument {
    /// `kind:name`.
    pub job: String,
    /// Why.
    pub reason: String,
}

#[must_use]
pub fn document(ops: &str, after: DateTime<Utc>, firings: &[Firing]) -> NextDocument {
    let fired = |start: DateTime<Utc>, fired: &Fired| FiredDocument {
        schedule: fired.schedule.clone(),
        instant: stamp(fired.instant),
        local: start
            .with_timezone(&fired.zone)
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false),
        zone: fired.zone.name().to_owned(),
        jitter_millis: u64::try_from(fired.jitter.as_millis()).unwrap_or(u64::MAX),
        jobs: fired.jobs.clone(),
        clock_changes: fired.changes.iter().map(clock_changes::document).collect(),
    };
    let one = |firing: &Firing| FiringDocument {
        start: stamp(firing.start),
        schedules: firing
            .schedules
            .iter()
            .map(|schedule| fired(firing.start, schedule))
            .collect(),
        brings: firing.brings.clone(),
        left_out: firing
            .left_out
            .iter()
            .map(|(job, reason)| LeftOutDocument {
                job: job.clone(),
                reason: reason.clone(),
            })
            .collect(),
    };
    NextDocument {
        format: FORMAT,
        ops: ops.to_owned(),
        after: stamp(after),
        firings: firings.iter().map(one).collect(),
    }
}

/// For people; `asked` is how many were asked for.
#[must_use]
pub fn firings_text(firings: &[Firing], asked: usize, style: Style) -> String {
    if firings.is_empty() {
        return "nothing fires: no job has a schedule\n".to_owned();
    }
    let rows: Vec<[Cell; 6]> = firings.iter().flat_map(rows).collect();
    let heading = ["starts", "UTC", "jitter", "schedule", "jobs", "notes"];
    let mut text = table(heading, [Left; 6], &rows, style);
    if firings.len() < asked {
        let count = plural(firings.len() as u64, "firing", "firings");
        text = text + &count + ", and no more: no schedule fires again\n";
    }
    text
}

fn rows(firing: &Firing) -> Vec<[Cell; 6]> {
    let row = |(at, fired): (usize, &Fired)| {
        let local = firing.start.with_timezone(&fired.zone);
        let mut notes = Vec::new();
        let others = firing.schedules.iter().filter(|other| other.schedule != fired.schedule);
        let others: Vec<String> = others.map(|other| one_line(&other.schedule)).collect();
        if !others.is_empty() {
            notes.push(format!("one run with {}", others.join(", ")));
        }
        let sentence = |change: &ClockChange| clock_changes::sentence(change, fired.zone);
        notes.extend(fired.changes.iter().map(sentence));
        let mut jobs = fired.jobs.join(", ");
        if at == 0 {
            if !firing.brings.is_empty() {
                jobs = format!("{jobs} (needs {})", firing.brings.join(", "));
            }
            let left = firing.left_out.iter();
            notes.extend(left.map(|(job, reason)| format!("{job} does not run: {reason}")));
        }
        let jitter = if fired.jitter.is_zero() {
            String::new()
        } else {
            format!("+{}", show_duration(fired.jitter))
        };
        [
            Cell::from(format!(
                "{} {}",
                local.format("%a %Y-%m-%d %H:%M:%S%.f %:z"),
                fired.zone.name()
            )),
            Cell::toned(times::utc(firing.start), Tone::Dim),
            jitter.into(),
            one_line(&fired.schedule).into(),
            Cell::toned(if jobs.is_empty() { "none".to_owned() } else { jobs }, Tone::Name),
            notes.join("; ").into(),
        ]
    };
    firing.schedules.iter().enumerate().map(row).collect()
}
