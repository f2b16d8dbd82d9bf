//! What one look at the clock decides, and what a later look needs of it: plain values.

use super::columns::from_word;
use crate::model::JobName;
use crate::model::backoff::BackOffState;
use crate::run::Occurrence;
use chrono::{DateTime, Utc};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleState {
    /// When it is due, in words: another definition is another schedule. Empty once the ops file has no use for it.
    pub definition: String,
    /// When opsrun first saw it so defined.
    pub since: DateTime<Utc>,
    /// Everything up to and with this instant was decided about.
    pub handled: DateTime<Utc>,
    /// How often the clock was set back too far for `handled` to count: an instant runs once in each era.
    pub era: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleAdvance {
    pub schedule: String,
    /// What it was when the turn was decided; `None` when it was not known.
    pub before: Option<ScheduleState>,
    pub after: ScheduleState,
}

/// What was decided about a job at an instant, or at a row of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Decision {
    #[serde(skip)]
    pub job: JobName,
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
    /// `ran`, `missed`, `skipped-overlap`, `queued`, `backed-off`, `paused`, `dropped` or `clock-set-back`.
    #[serde(rename = "decision")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub verdict: FiringVerdict,
    /// The reason, in one line.
    pub reason: String,
}

impl Decision {
    /// The first instant, with its schedule.
    pub fn occurrence(&self) -> Occurrence {
        Occurrence {
            schedule: self.schedule.clone(),
            instant: self.first,
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FiringVerdict {
    /// A run was begun.
    Ran,
    /// opsrun did not run then, and the run is not caught up.
    Missed,
    /// It still ran from the time before.
    SkippedOverlap,
    /// It runs when the one that still runs has ended.
    Queued,
    /// It failed too often of late and is left alone.
    BackedOff,
    /// It is paused, or depends on a job that is.
    Paused,
    /// The ops file no longer asks for it, or it was queued for a time that has not come yet.
    Dropped,
    /// The clock was set back: its schedule goes on from then, whatever was decided before for later times.
    ClockSetBack,
}

impl FiringVerdict {
    /// The word in the store, in JSON and in text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Missed => "missed",
            Self::SkippedOverlap => "skipped-overlap",
            Self::Queued => "queued",
            Self::BackedOff => "backed-off",
            Self::Paused => "paused",
            Self::Dropped => "dropped",
            Self::ClockSetBack => "clock-set-back",
        }
    }
}

impl ToSql for FiringVerdict {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.word().into())
    }
}

impl FromSql for FiringVerdict {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        from_word(value)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRun {
    pub run: String,
    pub occurrences: Vec<Occurrence>,
    /// The jobs that are due, each with why it runs now; they bring what they need.
    pub jobs: Vec<Decision>,
}

/// All that one look at the clock decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TickRecord {
    /// How far the schedules have come.
    pub advances: Vec<ScheduleAdvance>,
    pub runs: Vec<ScheduledRun>,
    /// What is not run.
    pub decisions: Vec<Decision>,
    /// What waits from now on, each in place of what waited before.
    pub queue: Vec<(JobName, Occurrence)>,
    /// What waits no longer.
    pub unqueue: Vec<JobName>,
}

impl TickRecord {
    /// True when there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What earlier turns and runs left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agenda {
    /// How far each schedule has come.
    pub schedules: BTreeMap<String, ScheduleState>,
    /// Jobs that wait for their own earlier run to end.
    pub queue: BTreeMap<JobName, Occurrence>,
    /// The targets with a back-off.
    pub back_offs: BTreeMap<JobName, BackOffState>,
    /// The newest instant later than `handled`, and not in the future, for which a schedule has run: it did before the clock
    /// was set back, and the clock has come back. Only looked up where that may be so.
    pub ran: BTreeMap<String, DateTime<Utc>>,
}

impl Agenda {
    /// What it is after a turn: as the store has it once the turn is written.
    pub fn follow(&mut self, turn: &TickRecord) {
        for step in &turn.advances {
            self.schedules.insert(step.schedule.clone(), step.after.clone());
        }
        for job in &turn.unqueue {
            self.queue.remove(job);
        }
        self.queue.extend(turn.queue.iter().cloned());
    }
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "DecisionDocument"))]
pub struct StoredDecision {
    /// When it was made: RFC 3339, UTC.
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub decision: Decision,
    /// The run that was started.
    pub run: Option<String>,
}
