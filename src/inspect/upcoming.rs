//! What fires next, over all schedules.
//!
//! Takes a [`Book`] and a moment, gives the runs that would begin after it, for `plan --next`. Pure.
//! Invariant: what is told is what the daemon decides when that moment comes, as long as no job is still at work or
//! left alone then.

use crate::daemon::timetable::{Book, Due, Entry};
use crate::inspect::virtual_clock::{Look, Looks};
use crate::model::JobName;
use crate::model::schedule::{ClockChange, Rhythm, clock_changes};
use crate::report::schedule::upcoming::{Fired, Firing};
use crate::store::schedules::{Decision, FiringVerdict, Occurrence};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::time::Duration;

/// What starts on one clock is due on another one by so much at most.
const FURTHEST: TimeDelta = TimeDelta::hours(26);

/// The next `count` firings later than `after`, in order; fewer, when no schedule fires any more.
#[must_use]
pub fn next(book: &Book, after: DateTime<Utc>, count: usize, zone: chrono_tz::Tz) -> Vec<Firing> {
    let from = after + TimeDelta::nanoseconds(1);
    let looks = Looks::new(book, from, DateTime::<Utc>::MAX_UTC, &[]);
    looks
        .flat_map(|look| firings(book, &look, after, zone))
        .take(count)
        .collect()
}

/// What begins at one look: its runs, and the instants at which nothing runs though a job is due.
fn firings(book: &Book, look: &Look, after: DateTime<Utc>, zone: chrono_tz::Tz) -> Vec<Firing> {
    let turn = &look.turn;
    let mut found: Vec<Firing> = Vec::new();
    for run in &turn.runs {
        found.push(firing(book, look.at, &run.occurrences, &run.jobs, after, zone));
    }
    for left in turn
        .decisions
        .iter()
        .filter(|told| told.verdict == FiringVerdict::Paused)
    {
        let at = found
            .iter()
            .position(|firing| firing.schedules.iter().any(|fired| is(fired, &left.first)));
        let at = at.unwrap_or_else(|| {
            let of_it = std::slice::from_ref(&left.first);
            found.push(firing(book, look.at, of_it, &[], after, zone));
            found.len() - 1
        });
        if let Some(firing) = found.get_mut(at) {
            firing.left_out.push((left.job.to_string(), left.reason.clone()));
        }
    }
    found
}

fn is(fired: &Fired, occurrence: &Occurrence) -> bool {
    fired.schedule == occurrence.schedule && fired.instant == occurrence.instant
}

fn firing(
    book: &Book,
    start: DateTime<Utc>,
    occurrences: &[Occurrence],
    jobs: &[Decision],
    after: DateTime<Utc>,
    zone: chrono_tz::Tz,
) -> Firing {
    let named: BTreeSet<&JobName> = jobs.iter().map(|decision| &decision.job).collect();
    let dues = jobs.iter().filter_map(|decision| book.due(&decision.job));
    let brought: BTreeSet<&JobName> = dues.flat_map(|due: &Due| &due.brings).collect();
    let fired = |occurrence: &Occurrence| {
        let entry = book
            .entries
            .iter()
            .find(|entry| entry.schedule.name == occurrence.schedule)?;
        let own = jobs.iter().filter(|decision| decision.first == *occurrence);
        Some(Fired {
            schedule: occurrence.schedule.clone(),
            instant: occurrence.instant,
            zone: match &entry.schedule.rhythm {
                Rhythm::Cron(clock) => clock.zone,
                Rhythm::Every(_) => zone,
            },
            jitter: entry.jitter,
            jobs: own.map(|decision| decision.job.to_string()).collect(),
            changes: changes(entry, occurrence.instant, after),
        })
    };
    Firing {
        start,
        schedules: occurrences.iter().filter_map(fired).collect(),
        brings: brought.difference(&named).map(ToString::to_string).collect(),
        left_out: Vec::new(),
    }
}

/// The changes of clocks that this instant is due to, and those that took one away between the instant before, or
/// `after`, and it.
fn changes(entry: &Entry, instant: DateTime<Utc>, after: DateTime<Utc>) -> Vec<ClockChange> {
    let Rhythm::Cron(clock) = &entry.schedule.rhythm else {
        return Vec::new();
    };
    let earlier = entry.schedule.previous(instant - TimeDelta::nanoseconds(1));
    let earlier = earlier.map_or(after, |earlier| earlier.max(after)).min(instant);
    let from = earlier - FURTHEST;
    let horizon = (instant + FURTHEST - from).to_std().unwrap_or(Duration::ZERO);
    let mut found = clock_changes(clock, from, horizon);
    found.retain(|change| {
        let lost = change.runs.is_empty() && earlier < change.at && change.at <= instant;
        lost || change.runs.contains(&instant)
    });
    found
}
