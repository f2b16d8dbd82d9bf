//! The next scheduled runs.
//!
//! Takes a [`Timetable`] and a moment, gives the runs that start after it, for `plan --next`. Pure.
//! Invariant: the daemon decides the same when that moment comes, unless a job is still running or in back-off then.

use crate::daemon::timetable::{ScheduledJob, Timetable, TimetableEntry};
use crate::inspect::virtual_clock::{VirtualClock, VirtualTick};
use crate::model::schedule::{ClockChange, Rhythm, clock_changes};
use crate::model::{JobName, Ops};
use crate::report::schedule::upcoming::{FORMAT, FiredDocument, FiringDocument, LeftOutDocument, NextDocument};
use crate::store::schedules::{Agenda, Decision, FiringVerdict, Occurrence};
use crate::time_zone::Zone;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::time::Duration;

/// The largest difference between two local times at one moment.
const MAX_ZONE_DIFFERENCE: TimeDelta = TimeDelta::hours(26);

/// The first `count` runs later than `after`, and than what `agenda` has as handled; fewer if the schedules have no more instants. Schedules without a zone are
/// shown in the zone of `ops`.
pub fn upcoming(timetable: &Timetable, agenda: &Agenda, after: DateTime<Utc>, count: usize, ops: &Ops) -> NextDocument {
    let from = after + TimeDelta::nanoseconds(1);
    let clock = VirtualClock::new(timetable, from, DateTime::<Utc>::MAX_UTC, &[]).after(agenda, after);
    let view = View {
        timetable,
        after,
        zone: &ops.timezone,
    };
    NextDocument {
        format: FORMAT,
        ops: timetable.ops.clone(),
        after,
        zone_data: ops.zone_data.to_string(),
        firings: clock.flat_map(|tick| view.firings(&tick)).take(count).collect(),
    }
}

struct View<'a> {
    timetable: &'a Timetable,
    after: DateTime<Utc>,
    zone: &'a Zone,
}

impl View<'_> {
    /// The runs of one tick, and the instants at which a paused job is due.
    fn firings(&self, tick: &VirtualTick) -> Vec<FiringDocument> {
        let mut found: Vec<FiringDocument> = Vec::new();
        for run in &tick.turn.runs {
            found.push(self.firing(tick.at, &run.occurrences, &run.jobs));
        }
        let paused = tick.turn.decisions.iter();
        for left in paused.filter(|decision| decision.verdict == FiringVerdict::Paused) {
            let is_same = |fired: &FiredDocument| fired.schedule == left.schedule && fired.instant == left.first;
            let at = found.iter().position(|firing| firing.schedules.iter().any(is_same));
            let at = at.unwrap_or_else(|| {
                found.push(self.firing(tick.at, &[left.occurrence()], &[]));
                found.len() - 1
            });
            if let Some(firing) = found.get_mut(at) {
                firing.left_out.push(LeftOutDocument {
                    job: left.job.to_string(),
                    reason: left.reason.clone(),
                });
            }
        }
        found
    }

    fn firing(&self, start: DateTime<Utc>, occurrences: &[Occurrence], jobs: &[Decision]) -> FiringDocument {
        let named: BTreeSet<&JobName> = jobs.iter().map(|decision| &decision.job).collect();
        let scheduled = jobs.iter().filter_map(|decision| self.timetable.job(&decision.job));
        let needed: BTreeSet<&JobName> = scheduled.flat_map(|job: &ScheduledJob| &job.brings).collect();
        let fired = |occurrence: &Occurrence| {
            let mut entries = self.timetable.entries.iter();
            let entry = entries.find(|entry| entry.schedule.name == occurrence.schedule)?;
            let zone = match &entry.schedule.rhythm {
                Rhythm::Cron(clock) => &clock.zone,
                Rhythm::Every(_) => self.zone,
            };
            let own = jobs.iter().filter(|decision| decision.occurrence() == *occurrence);
            Some(FiredDocument {
                schedule: occurrence.schedule.clone(),
                instant: occurrence.instant,
                local: zone.local(start),
                zone: zone.clone(),
                jitter_millis: entry.jitter,
                jobs: own.map(|decision| decision.job.to_string()).collect(),
                clock_changes: changes(entry, occurrence.instant, self.after),
            })
        };
        FiringDocument {
            start,
            schedules: occurrences.iter().filter_map(fired).collect(),
            brings: needed.difference(&named).map(ToString::to_string).collect(),
            left_out: Vec::new(),
        }
    }
}

/// The clock changes that cause this instant, and those that removed one between it and the previous instant or `after`.
fn changes(entry: &TimetableEntry, instant: DateTime<Utc>, after: DateTime<Utc>) -> Vec<ClockChange> {
    let Rhythm::Cron(clock) = &entry.schedule.rhythm else {
        return Vec::new();
    };
    let earlier = entry.schedule.previous(instant - TimeDelta::nanoseconds(1));
    let earlier = earlier.map_or(after, |earlier| earlier.max(after)).min(instant);
    let from = earlier - MAX_ZONE_DIFFERENCE;
    let horizon = (instant + MAX_ZONE_DIFFERENCE - from)
        .to_std()
        .unwrap_or(Duration::ZERO);
    let mut found = clock_changes(clock, from, horizon);
    found.retain(|change| {
        let lost = change.runs.is_empty() && earlier < change.at && change.at <= instant;
        lost || change.runs.contains(&instant)
    });
    found
}
