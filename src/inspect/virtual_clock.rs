//! The ticks of the daemon on a clock that runs ahead.
//!
//! Takes a [`Timetable`], a start, an end, and the times when opsrun is not running; gives the decisions of each
//! [`tick`](fn@tick). Pure: decisions take effect in memory only. Jobs take no time here.
//! Invariant: every instant whose run starts in the span, `until` excluded, is decided once.

use crate::daemon::tick::{ActiveJobs, tick};
use crate::daemon::timetable::{Timetable, TimetableEntry};
use crate::inspect::outlook::handled;
use crate::report::schedule::simulation::DownDocument;
use crate::store::schedules::{Agenda, ScheduleState, TickRecord};
use chrono::{DateTime, TimeDelta, Utc};

#[derive(Debug)]
pub struct VirtualClock<'a> {
    timetable: &'a Timetable,
    agenda: Agenda,
    down: &'a [DownDocument],
    until: DateTime<Utc>,
    wake: Option<DateTime<Utc>>,
}

#[derive(Debug)]
pub struct VirtualTick {
    pub at: DateTime<Utc>,
    /// The decisions; its runs have no ids.
    pub turn: TickRecord,
}

impl<'a> VirtualClock<'a> {
    /// Everything before `from` counts as decided.
    pub fn new(timetable: &'a Timetable, from: DateTime<Utc>, until: DateTime<Utc>, down: &'a [DownDocument]) -> Self {
        let mut agenda = Agenda::default();
        for entry in &timetable.entries {
            let state = ScheduleState {
                definition: entry.definition.clone(),
                since: from,
                handled: instant_before(entry, from),
                era: 0,
            };
            agenda.schedules.insert(entry.schedule.name.clone(), state);
        }
        Self {
            timetable,
            agenda,
            down,
            until,
            wake: Some(from),
        }
    }

    /// What was handled later, as of `now`, counts as decided as well.
    pub fn after(mut self, agenda: &Agenda, now: DateTime<Utc>) -> Self {
        for entry in &self.timetable.entries {
            if let Some(handled) = handled(entry, agenda, now)
                && let Some(state) = self.agenda.schedules.get_mut(&entry.schedule.name)
            {
                state.handled = state.handled.max(handled);
            }
        }
        self
    }

    /// Instants of a schedule before the end that are still undecided.
    pub fn undecided(&self, entry: &TimetableEntry) -> u64 {
        let handled = self.agenda.schedules.get(&entry.schedule.name);
        let left = handled.map(|state| entry.schedule.between(state.handled, instant_before(entry, self.until)));
        left.map_or(0, |left| left.count() as u64)
    }
}

/// The last moment at which an instant of the schedule starts before `at`, jitter included.
fn instant_before(entry: &TimetableEntry, at: DateTime<Utc>) -> DateTime<Utc> {
    let earlier = TimeDelta::from_std(entry.jitter).unwrap_or_default() + TimeDelta::nanoseconds(1);
    at.checked_sub_signed(earlier).unwrap_or(at)
}

impl Iterator for VirtualClock<'_> {
    type Item = VirtualTick;

    fn next(&mut self) -> Option<VirtualTick> {
        let mut at = self.wake?;
        while let Some(down) = self.down.iter().find(|down| down.from <= at && at < down.until) {
            at = down.until;
        }
        if at >= self.until {
            self.wake = None;
            return None;
        }
        let tick = tick(self.timetable, &self.agenda, &ActiveJobs::default(), at);
        self.agenda.follow(&tick.turn);
        // A tick that decides nothing and asks for the same moment again would repeat forever.
        self.wake = tick.wake.filter(|wake| *wake > at || !tick.turn.is_empty());
        Some(VirtualTick { at, turn: tick.turn })
    }
}
