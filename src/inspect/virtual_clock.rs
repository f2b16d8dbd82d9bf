//! The clock made to run ahead: every look that the daemon would take at it, one after the other.
//!
//! Takes a [`Book`], a moment to begin at and the times when nobody is there; gives what [`round`](fn@round) decides at each
//! look. Pure: what is decided is followed in memory, and written nowhere. Jobs take no time here.
//! Invariant: what starts at a moment from `from` up to, but not at, `until` is decided about once, and nothing else is.

use crate::daemon::tick::{AtWork, round};
use crate::daemon::timetable::{Book, Entry};
use crate::report::schedule::simulation::Down;
use crate::store::schedules::{Agenda, ScheduleState, TickRecord};
use chrono::{DateTime, TimeDelta, Utc};

/// Looks at the clock, one after the other.
#[derive(Debug)]
pub struct Looks<'a> {
    book: &'a Book,
    agenda: Agenda,
    down: &'a [Down],
    until: DateTime<Utc>,
    wake: Option<DateTime<Utc>>,
}

#[derive(Debug)]
pub struct Look {
    pub at: DateTime<Utc>,
    /// What is decided; its runs have no ids.
    pub turn: TickRecord,
}

impl<'a> Looks<'a> {
    /// From a state in which all that is earlier was decided about.
    #[must_use]
    pub fn new(book: &'a Book, from: DateTime<Utc>, until: DateTime<Utc>, down: &'a [Down]) -> Self {
        let mut agenda = Agenda::default();
        for entry in &book.entries {
            let state = ScheduleState {
                definition: entry.definition.clone(),
                since: from,
                handled: instant_before(entry, from),
            };
            agenda.schedules.insert(entry.schedule.name.clone(), state);
        }
        Self {
            book,
            agenda,
            down,
            until,
            wake: Some(from),
        }
    }

    /// Instants of a schedule that nobody has decided about, though they lie before the end.
    #[must_use]
    pub fn undecided(&self, entry: &Entry) -> u64 {
        let handled = self.agenda.schedules.get(&entry.schedule.name);
        let left = handled.map(|state| entry.schedule.between(state.handled, instant_before(entry, self.until)));
        left.map_or(0, |left| left.count() as u64)
    }
}

/// The last moment at which an instant of the schedule starts before `at`, its jitter included.
fn instant_before(entry: &Entry, at: DateTime<Utc>) -> DateTime<Utc> {
    let earlier = TimeDelta::from_std(entry.jitter).unwrap_or_default() + TimeDelta::nanoseconds(1);
    at.checked_sub_signed(earlier).unwrap_or(at)
}

impl Iterator for Looks<'_> {
    type Item = Look;

    fn next(&mut self) -> Option<Look> {
        let mut at = self.wake?;
        while let Some(down) = self.down.iter().find(|down| down.from <= at && at < down.until) {
            at = down.until;
        }
        if at >= self.until {
            self.wake = None;
            return None;
        }
        let round = round(self.book, &self.agenda, &AtWork::default(), at);
        self.agenda.follow(&round.turn);
        // A look that decides nothing and wants the same moment again would be the last there is.
        self.wake = round.wake.filter(|wake| *wake > at || !round.turn.is_empty());
        Some(Look { at, turn: round.turn })
    }
}
