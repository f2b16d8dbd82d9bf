//! What a change of clocks does to a schedule, for people and programs.
//!
//! Takes a [`ClockChange`], gives a sentence or a document. Decides nothing: when it runs all the same stands in it.
//! Invariant: times of day are those on the wall of the schedule's zone.

use crate::model::schedule::{ChangeKind, ClockChange};
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::Serialize;

#[must_use]
pub fn sentence(change: &ClockChange, zone: Tz) -> String {
    let wall = change.wall.format("%H:%M");
    let date = change.wall.format("%Y-%m-%d");
    match (change.kind, change.runs.as_slice()) {
        (ChangeKind::Gap, []) => format!("{wall} on {date} is skipped by a clock change: no run"),
        (ChangeKind::Gap, [run, ..]) => {
            let then = run.with_timezone(&zone).format("%H:%M");
            format!("{wall} is skipped by a clock change: runs right after it, at {then}")
        }
        (ChangeKind::Fold, [_, _, ..]) => format!("{wall} comes twice, by a clock change: runs both times"),
        (ChangeKind::Fold, _) => format!("{wall} comes twice, by a clock change: runs the first time only"),
    }
}

/// What a change of clocks does to one time of day.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangeDocument {
    /// When the clocks change, the first instant on the new time: RFC 3339, UTC.
    pub at: String,
    /// The time on the wall that is skipped or comes twice.
    pub wall: String,
    /// Which of both.
    pub what: WhatDocument,
    /// When it runs all the same: never, once or twice; RFC 3339, UTC.
    pub runs: Vec<String>,
}

/// What a change of clocks does.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WhatDocument {
    /// The time is skipped.
    Skipped,
    /// The time comes twice.
    Repeated,
}

#[must_use]
pub fn document(change: &ClockChange) -> ChangeDocument {
    ChangeDocument {
        at: stamp(change.at),
        wall: change.wall.format("%Y-%m-%dT%H:%M:%S").to_string(),
        what: match change.kind {
            ChangeKind::Gap => WhatDocument::Skipped,
            ChangeKind::Fold => WhatDocument::Repeated,
        },
        runs: change.runs.iter().copied().map(stamp).collect(),
    }
}

/// An instant, with as many digits as it has.
#[must_use]
pub fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
