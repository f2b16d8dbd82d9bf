//! The runs of all schedules in a span of time.
//!
//! Takes a [`Timetable`], the span, and the times when opsrun is not running; gives a [`SimulationDocument`]. Pure: it
//! makes the decisions of the daemon at the moments at which the daemon would, and only counts them.
//! Invariant: every instant whose run starts in the span is counted once.

use crate::daemon::timetable::{Timetable, TimetableEntry};
use crate::inspect::virtual_clock::{VirtualClock, VirtualTick};
use crate::model::schedule::{Rhythm, SkipReason, clock_changes, due::grace};
use crate::report::schedule::simulation::{
    DownDocument, FORMAT, MAX_LISTED_EVENTS, SimulatedEvent, SimulatedInstant, SimulationDocument, TotalsDocument,
};
use crate::store::schedules::{Decision, FiringVerdict, Occurrence};
use crate::units::show_count;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeSet, HashMap};

pub const MAX_INSTANTS: u128 = 50_000_000;

/// A schedule is due more often than the simulation can count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schedule `{schedule}` ({definition}) is due {} times in this span; the limit is {}", show_count(u64::try_from(*count).unwrap_or(u64::MAX)), show_count(u64::try_from(MAX_INSTANTS).unwrap_or(u64::MAX)))]
pub struct TooManyInstants {
    pub schedule: String,
    pub definition: String,
    pub count: u128,
}

/// `listed`: also list single runs.
pub fn simulate(
    timetable: &Timetable,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    down: &[DownDocument],
    listed: bool,
) -> Result<SimulationDocument, TooManyInstants> {
    for entry in &timetable.entries {
        if let Some(count) = periods(entry, from, to).filter(|count| *count > MAX_INSTANTS) {
            return Err(TooManyInstants {
                schedule: entry.schedule.name.clone(),
                definition: entry.definition.clone(),
                count,
            });
        }
    }
    let entries = timetable.entries.iter().enumerate();
    let mut tally = Tally {
        timetable,
        index: entries.map(|(at, entry)| (&*entry.schedule.name, at)).collect(),
        simulation: SimulationDocument {
            format: FORMAT,
            ops: timetable.ops.clone(),
            from,
            to,
            down: down.to_vec(),
            runs: 0,
            schedules: timetable.entries.iter().map(|entry| totals(entry, from, to)).collect(),
            events: listed.then(Vec::new),
            unlisted: 0,
        },
    };
    let mut clock = VirtualClock::new(timetable, from, to, down);
    for tick in clock.by_ref() {
        tally.add(tick);
    }
    let mut simulation = tally.simulation;
    for (totals, entry) in simulation.schedules.iter_mut().zip(&timetable.entries) {
        totals.undecided = clock.undecided(entry);
        let skipped: u64 = totals.left_out.values().sum();
        totals.due = totals.on_time + totals.caught_up + skipped + totals.undecided;
    }
    Ok(simulation)
}

/// How often a schedule with a period is due in a span.
fn periods(entry: &TimetableEntry, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<u128> {
    match &entry.schedule.rhythm {
        // At most once a minute.
        Rhythm::Cron(_) => None,
        Rhythm::Every(period) => (to - from).to_std().ok()?.as_nanos().checked_div(period.as_nanos()),
    }
}

fn totals(entry: &TimetableEntry, from: DateTime<Utc>, to: DateTime<Utc>) -> TotalsDocument {
    let changes = match &entry.schedule.rhythm {
        Rhythm::Every(_) => Vec::new(),
        Rhythm::Cron(clock) => clock_changes(clock, from, (to - from).to_std().unwrap_or_default()),
    };
    TotalsDocument {
        schedule: entry.schedule.name.clone(),
        definition: entry.definition.clone(),
        jobs: entry.jobs.iter().map(|job| job.job.to_string()).collect(),
        clock_changes: changes,
        ..TotalsDocument::default()
    }
}

struct Tally<'a> {
    timetable: &'a Timetable,
    /// Position of each schedule by name.
    index: HashMap<&'a str, usize>,
    simulation: SimulationDocument,
}

impl Tally<'_> {
    fn add(&mut self, tick: VirtualTick) {
        let mut ran: BTreeSet<Occurrence> = BTreeSet::new();
        for run in tick.turn.runs {
            self.simulation.runs += 1;
            let mut instants = Vec::new();
            for occurrence in run.occurrences {
                let caught_up = self.is_late(&occurrence, tick.at);
                if ran.insert(occurrence.clone())
                    && let Some(totals) = self.totals(&occurrence.schedule)
                {
                    let count = if caught_up {
                        &mut totals.caught_up
                    } else {
                        &mut totals.on_time
                    };
                    *count += 1;
                }
                instants.push(SimulatedInstant {
                    schedule: occurrence.schedule,
                    instant: occurrence.instant,
                    caught_up,
                });
            }
            self.list(|| SimulatedEvent::Ran {
                at: tick.at,
                instants,
                jobs: run.jobs.iter().map(|decision| decision.job.to_string()).collect(),
            });
        }
        for decision in &tick.turn.decisions {
            // A decision about a schedule is made for each of its jobs: it counts once, for the first.
            let entry = self.entry(&decision.schedule);
            let first = entry.and_then(|entry| entry.jobs.first());
            if first.is_some_and(|job| job.job == decision.job) && !ran.contains(&decision.occurrence()) {
                self.leave_out(decision, tick.at);
            }
        }
    }

    fn leave_out(&mut self, decision: &Decision, at: DateTime<Utc>) {
        let reason = match decision.verdict {
            FiringVerdict::Missed => SkipReason::ALL
                .into_iter()
                .map(SkipReason::word)
                .find(|word| *word == decision.reason)
                .unwrap_or(FiringVerdict::Missed.word()),
            other => other.word(),
        };
        let schedule = &decision.schedule;
        let mut count = decision.count;
        if decision.more
            && let Some(entry) = self.entry(schedule)
        {
            let before = decision.first - TimeDelta::nanoseconds(1);
            count = entry.schedule.between(before, decision.last).count() as u64;
        }
        if let Some(totals) = self.totals(schedule) {
            *totals.left_out.entry(reason).or_default() += count;
        }
        self.list(|| SimulatedEvent::LeftOut {
            at,
            schedule: schedule.clone(),
            first: decision.first,
            last: decision.last,
            count,
            reason,
        });
    }

    fn list(&mut self, event: impl FnOnce() -> SimulatedEvent) {
        let Some(events) = &mut self.simulation.events else {
            return;
        };
        if events.len() < MAX_LISTED_EVENTS {
            events.push(event());
        } else {
            self.simulation.unlisted += 1;
        }
    }

    fn is_late(&self, occurrence: &Occurrence, at: DateTime<Utc>) -> bool {
        self.entry(&occurrence.schedule).is_some_and(|entry| {
            let late = (at - occurrence.instant).to_std().unwrap_or_default();
            late > entry.jitter + grace(&entry.schedule)
        })
    }

    fn entry(&self, schedule: &str) -> Option<&TimetableEntry> {
        self.timetable.entries.get(*self.index.get(schedule)?)
    }

    fn totals(&mut self, schedule: &str) -> Option<&mut TotalsDocument> {
        let at = *self.index.get(schedule)?;
        self.simulation.schedules.get_mut(at)
    }
}
