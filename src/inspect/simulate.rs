//! What the schedules of an ops file come to over a span of time.
//!
//! Takes a [`Book`], the span, and when opsrun is not there; gives a [`Simulation`]. Pure: it asks what the daemon asks,
//! at the moments at which the daemon would, and does nothing with the answers but count.
//! Invariant: every instant that starts within the span is counted once.

use crate::daemon::timetable::{Book, Entry};
use crate::inspect::virtual_clock::{Look, Looks};
use crate::model::schedule::{Rhythm, SkipReason, clock_changes, due::grace};
use crate::report::schedule::simulation::{Down, Happened, Instant, LISTED, Simulation, Totals};
use crate::store::schedules::{Decision, FiringVerdict, Occurrence};
use crate::units::show_count;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeSet, HashMap};

/// No more instants are walked through.
pub const MOST: u128 = 50_000_000;

/// A schedule that is due too often for the span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{schedule}` ({definition}) is due {} times in that span, more than can be walked through", show_count(u64::try_from(*count).unwrap_or(u64::MAX)))]
pub struct TooMany {
    pub schedule: String,
    pub definition: String,
    pub count: u128,
}

/// Walks through the span; `listed` says whether single runs are kept.
///
/// # Errors
/// A schedule is due too often for it.
pub fn simulate(
    book: &Book,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    down: &[Down],
    listed: bool,
) -> Result<Simulation, TooMany> {
    for entry in &book.entries {
        if let Some(count) = periods(entry, from, to).filter(|count| *count > MOST) {
            return Err(TooMany {
                schedule: entry.schedule.name.clone(),
                definition: entry.definition.clone(),
                count,
            });
        }
    }
    let mut told = Telling {
        book,
        listed,
        place: book
            .entries
            .iter()
            .enumerate()
            .map(|(at, entry)| (&*entry.schedule.name, at))
            .collect(),
        simulation: Simulation {
            from,
            to,
            down: down.to_vec(),
            schedules: book.entries.iter().map(|entry| totals(entry, from, to)).collect(),
            runs: 0,
            events: Vec::new(),
            unlisted: 0,
        },
    };
    let mut looks = Looks::new(book, from, to, down);
    for look in looks.by_ref() {
        told.add(look);
    }
    let mut simulation = told.simulation;
    for (totals, entry) in simulation.schedules.iter_mut().zip(&book.entries) {
        totals.undecided = looks.undecided(entry);
    }
    Ok(simulation)
}

/// How often a schedule of elapsed time is due in a span.
fn periods(entry: &Entry, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<u128> {
    match &entry.schedule.rhythm {
        // Once a minute at the most.
        Rhythm::Cron(_) => None,
        Rhythm::Every(period) => (to - from).to_std().ok()?.as_nanos().checked_div(period.as_nanos()),
    }
}

fn totals(entry: &Entry, from: DateTime<Utc>, to: DateTime<Utc>) -> Totals {
    let changes = match &entry.schedule.rhythm {
        Rhythm::Every(_) => Vec::new(),
        Rhythm::Cron(clock) => clock_changes(clock, from, (to - from).to_std().unwrap_or_default()),
    };
    Totals {
        schedule: entry.schedule.name.clone(),
        definition: entry.definition.clone(),
        jobs: entry.jobs.iter().map(|due| due.job.to_string()).collect(),
        on_time: 0,
        caught_up: 0,
        left_out: [].into(),
        undecided: 0,
        changes,
    }
}

struct Telling<'a> {
    book: &'a Book,
    listed: bool,
    place: HashMap<&'a str, usize>,
    simulation: Simulation,
}

impl Telling<'_> {
    fn add(&mut self, look: Look) {
        let mut ran: BTreeSet<Occurrence> = BTreeSet::new();
        for run in look.turn.runs {
            self.simulation.runs += 1;
            let mut instants = Vec::new();
            for occurrence in run.occurrences {
                let caught_up = self.is_late(&occurrence, look.at);
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
                instants.push(Instant {
                    schedule: occurrence.schedule,
                    instant: occurrence.instant,
                    caught_up,
                });
            }
            if self.listed {
                let jobs = run.jobs.iter().map(|decision| decision.job.to_string()).collect();
                self.list(Happened::Ran {
                    at: look.at,
                    instants,
                    jobs,
                });
            }
        }
        for decision in &look.turn.decisions {
            // What is decided about a schedule is told of each of its jobs: once is enough.
            let entry = self.entry(&decision.first.schedule);
            let speaks = entry
                .and_then(|entry| entry.jobs.first())
                .is_some_and(|due| due.job == decision.job);
            if speaks && !ran.contains(&decision.first) {
                self.leave_out(decision, look.at);
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
        let schedule = &decision.first.schedule;
        let mut count = decision.count;
        if decision.more
            && let Some(entry) = self.entry(schedule)
        {
            let before = decision.first.instant - TimeDelta::nanoseconds(1);
            count = entry.schedule.between(before, decision.last).count() as u64;
        }
        if let Some(totals) = self.totals(schedule) {
            *totals.left_out.entry(reason).or_default() += count;
        }
        if self.listed {
            self.list(Happened::LeftOut {
                at,
                schedule: schedule.clone(),
                first: decision.first.instant,
                last: decision.last,
                count,
                reason,
            });
        }
    }

    fn list(&mut self, event: Happened) {
        if self.simulation.events.len() < LISTED {
            self.simulation.events.push(event);
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

    fn entry(&self, schedule: &str) -> Option<&Entry> {
        self.book.entries.get(*self.place.get(schedule)?)
    }

    fn totals(&mut self, schedule: &str) -> Option<&mut Totals> {
        let at = *self.place.get(schedule)?;
        self.simulation.schedules.get_mut(at)
    }
}
