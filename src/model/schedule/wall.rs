//! Wall-clock times as instants: where a cron line meets a time zone and its changes of clocks.
//!
//! Takes a [`WallClock`] and an instant, gives the runs around it. A zone is a row of *stretches* of one offset.
//! Within a stretch every matching time on the wall is an instant; between two of them the wall leaps (a gap) or falls
//! back (a fold), and the policies decide. Invariant: the runs are a fixed set of instants, whatever was asked before:
//! `next` and `previous` only find their neighbours in it, in a bounded number of steps.

use super::cron::Cron;
use crate::time_zone::Zone;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use std::time::Duration;

/// When times run that a clock change skips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapPolicy {
    /// They run right after the gap, all of them once.
    RunAfter,
    Skip,
}

/// When times run that a clock change repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoldPolicy {
    /// They run the first time only.
    First,
    Both,
}

/// The defaults: fixed times run once a day, and other lines follow real minutes.
impl GapPolicy {
    pub fn default_of(cron: &Cron) -> Self {
        if cron.fixed_time() { Self::RunAfter } else { Self::Skip }
    }
}

impl FoldPolicy {
    pub fn default_of(cron: &Cron) -> Self {
        if cron.fixed_time() { Self::First } else { Self::Both }
    }
}

/// A cron line, the zone whose wall clock it reads, and what becomes of times that a change of clocks skips or repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WallClock {
    /// The matching times on the wall.
    pub cron: Cron,
    /// Whose wall.
    pub zone: Zone,
    pub gap: GapPolicy,
    pub fold: FoldPolicy,
    /// The file sets one of them.
    pub dst_given: bool,
    /// The file sets `gap`.
    pub gap_given: bool,
}

/// The effect of a clock change on one time of day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ChangeDocument"))]
pub struct ClockChange {
    /// First instant of the new offset: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: DateTime<Utc>,
    /// The local time that is skipped or repeated.
    #[cfg_attr(test, schemars(with = "String"))]
    pub wall: NaiveDateTime,
    /// Whether it is skipped or repeated.
    #[serde(rename = "what")]
    pub kind: ChangeKind,
    /// When the job runs nevertheless: never, once or twice; RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub runs: Vec<DateTime<Utc>>,
}

/// The effect of a clock change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WhatDocument"))]
pub enum ChangeKind {
    /// The local time does not exist.
    #[serde(rename = "skipped")]
    Gap,
    /// The local time occurs twice.
    #[serde(rename = "repeated")]
    Fold,
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// No change of clocks moves the wall by more, and no offset is larger.
const FURTHEST: i64 = 26 * HOUR;
/// How far ahead the stretches are looked through. Beyond it no time on the wall comes again, however clocks change.
const NEAR: i64 = 4 * DAY;
/// Two days before 1970: nothing is due before.
const FIRST: i64 = -2 * DAY;
/// Some days after 2100: nothing is due after.
const LAST: i64 = 4_133_980_800 + 4 * DAY;

#[derive(Debug, Clone, Copy)]
struct Change {
    /// The first instant on the new offset.
    at: i64,
    /// The offset before.
    before: i64,
}

impl WallClock {
    /// With the defaults of the line for what is not given.
    pub fn new(cron: Cron, zone: Zone, gap: Option<GapPolicy>, fold: Option<FoldPolicy>) -> Self {
        Self {
            gap: gap.unwrap_or_else(|| GapPolicy::default_of(&cron)),
            fold: fold.unwrap_or_else(|| FoldPolicy::default_of(&cron)),
            dst_given: gap.is_some() || fold.is_some(),
            gap_given: gap.is_some(),
            cron,
            zone,
        }
    }

    /// The first run later than that second.
    pub(super) fn next(&self, after: i64) -> Option<i64> {
        let mut from = after.max(FIRST) + 1;
        while from <= LAST {
            let offset = self.offset(from);
            let mut wall = from + offset;
            if let Some(change) = self.change_before(from) {
                let reached = change.at + change.before;
                if change.before > offset && self.once() {
                    wall = wall.max(reached);
                } else if change.before < offset && change.at == from && self.skipped(change.at, reached, offset) {
                    return Some(from);
                }
            }
            let found = self.cron.at_or_after(wall);
            let run = found.map_or(i64::MAX, |wall| wall - offset);
            let near = run.min(from + NEAR);
            if let Some(at) = self.zone.first_shift(from, near) {
                from = at;
            } else if run == near {
                return Some(run);
            } else {
                // Nothing is due up to `near`. Every later run is due to a time on the wall not before the one found.
                from = found?.saturating_sub(FURTHEST).max(near);
            }
        }
        None
    }

    /// The last run not later than that second.
    pub(super) fn previous(&self, at: i64) -> Option<i64> {
        let mut to = at.min(LAST);
        while to >= FIRST {
            let offset = self.offset(to);
            let found = self.cron.at_or_before(to + offset);
            let run = found.map_or(i64::MIN, |wall| wall - offset);
            let near = run.max(to - NEAR);
            if let Some(at) = self.zone.last_shift(near, to) {
                let before = self.offset(at - 1);
                if before < offset && self.skipped(at, at + before, offset) {
                    return Some(at);
                }
                to = at - 1;
            } else if run == near {
                match self.change_before(run) {
                    // It came before already; so did all that its stretch holds before it.
                    Some(change) if self.once() && run + offset < change.at + change.before => to = change.at - 1,
                    _ => return Some(run),
                }
            } else {
                to = found?.saturating_add(FURTHEST).min(near);
            }
        }
        None
    }

    /// Times that come twice run once.
    fn once(&self) -> bool {
        self.fold == FoldPolicy::First
    }

    /// A clock change makes a difference to someone who expects the line: its runs are moved, or it names hours.
    fn minds_changes(&self) -> bool {
        self.once() || self.gap == GapPolicy::RunAfter || self.cron.names_hours()
    }

    /// The leap at `at`, over the wall from `reached` on, skips a time that is to run right after.
    fn skipped(&self, at: i64, reached: i64, offset: i64) -> bool {
        let skips = || self.cron.at_or_after(reached).is_some_and(|wall| wall < at + offset);
        self.gap == GapPolicy::RunAfter && skips()
    }

    /// The change of clocks that may still matter at that instant.
    fn change_before(&self, at: i64) -> Option<Change> {
        if !self.once() && self.gap == GapPolicy::Skip {
            return None;
        }
        let at = self.zone.last_shift(at - FURTHEST, at)?;
        Some(Change {
            at,
            before: self.offset(at - 1),
        })
    }

    /// Seconds that the wall is ahead of UTC.
    pub(super) fn offset(&self, at: i64) -> i64 {
        self.zone.offset(at)
    }

    /// The wall's offset does not change anywhere near that instant, a day ahead included.
    pub(super) fn calm(&self, at: i64) -> bool {
        self.zone.last_shift(at - FURTHEST, at).is_none() && self.zone.first_shift(at, at + DAY + FURTHEST).is_none()
    }
}

/// What the coming changes of clocks do to the times of a schedule, oldest first: an entry for every time on the wall that
/// is skipped or comes twice. None for lines that follow real minutes at any hour. Looks no further than thirty years.
pub fn clock_changes(clock: &WallClock, from: DateTime<Utc>, horizon: Duration) -> Vec<ClockChange> {
    let mut found = Vec::new();
    if !clock.minds_changes() {
        return found;
    }
    let mut at = from.timestamp().max(FIRST);
    let until = at.saturating_add(within_thirty_years(horizon)).min(LAST);
    while let Some(change) = clock.zone.first_shift(at, until) {
        at = change;
        let (before, after) = (clock.offset(change - 1), clock.offset(change));
        let kind = if before < after {
            ChangeKind::Gap
        } else {
            ChangeKind::Fold
        };
        let (start, end) = (change + before.min(after), change + before.max(after));
        let times = std::iter::successors(clock.cron.at_or_after(start), |wall| clock.cron.at_or_after(wall + 1));
        for wall in times.take_while(|wall| *wall < end) {
            let runs = match (kind, clock.gap, clock.fold) {
                (ChangeKind::Gap, GapPolicy::Skip, _) => Vec::new(),
                (ChangeKind::Gap, GapPolicy::RunAfter, _) => vec![change],
                (ChangeKind::Fold, _, FoldPolicy::First) => vec![wall - before],
                (ChangeKind::Fold, _, FoldPolicy::Both) => vec![wall - before, wall - after],
            };
            let instant = |at| DateTime::from_timestamp(at, 0);
            if let (Some(at), Some(wall)) = (instant(change), instant(wall)) {
                found.push(ClockChange {
                    at,
                    wall: wall.naive_utc(),
                    kind,
                    runs: runs.into_iter().filter_map(instant).collect(),
                });
            }
        }
    }
    found
}

/// Whole seconds of a horizon.
pub(super) fn within_thirty_years(horizon: Duration) -> i64 {
    horizon.as_secs().min(30 * 366 * 86_400) as i64
}
