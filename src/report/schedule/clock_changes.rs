//! The effect of a clock change on a schedule, for people and programs.
//!
//! Takes a [`ClockChange`], gives its JSON and a sentence.
//! Invariant: times of day are local times of the schedule's zone.

use crate::model::schedule::{ChangeKind, ClockChange};
use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;

/// The effect of a clock change on one time of day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangeDocument {
    /// First instant of the new offset: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: DateTime<Utc>,
    /// The local time that is skipped or repeated.
    #[cfg_attr(test, schemars(with = "String"))]
    pub wall: NaiveDateTime,
    /// Whether it is skipped or repeated.
    pub what: WhatDocument,
    /// When the job runs nevertheless: never, once or twice; RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub runs: Vec<DateTime<Utc>>,
}

/// The effect of a clock change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WhatDocument {
    /// The local time does not exist.
    Skipped,
    /// The local time occurs twice.
    Repeated,
}

impl From<ClockChange> for ChangeDocument {
    fn from(change: ClockChange) -> Self {
        Self {
            at: change.at,
            wall: change.wall,
            what: match change.kind {
                ChangeKind::Gap => WhatDocument::Skipped,
                ChangeKind::Fold => WhatDocument::Repeated,
            },
            runs: change.runs,
        }
    }
}

pub fn sentence(change: &ChangeDocument, zone: Tz) -> String {
    let wall = change.wall.format("%H:%M");
    let date = change.wall.format("%Y-%m-%d");
    match (change.what, change.runs.as_slice()) {
        (WhatDocument::Skipped, []) => format!("{wall} on {date} is skipped by a clock change: no run"),
        (WhatDocument::Skipped, [run, ..]) => {
            let then = run.with_timezone(&zone).format("%H:%M");
            format!("{wall} is skipped by a clock change: runs right after it, at {then}")
        }
        (WhatDocument::Repeated, [_, _, ..]) => format!("{wall} is repeated by a clock change: runs both times"),
        (WhatDocument::Repeated, _) => format!("{wall} is repeated by a clock change: runs the first time only"),
    }
}
