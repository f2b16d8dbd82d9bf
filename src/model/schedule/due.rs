//! What is to be done now: which instants run, which are left out and why, and when to look again.
//!
//! Takes a schedule, the last instant that was decided about, and `now`; gives a [`Due`]. Pure: the daemon and the
//! simulation ask the same question. Jitter is for the caller: ask with `now` less the jitter, and wake at `next` plus it.
//! Invariant: no instant is decided about twice, wherever the clock goes; the work is bounded, however long nobody asked.

use super::{Missed, Rhythm, Schedule};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An instant of a cron line is missed when it is older than this. One of `every` is missed when it is older than its
/// period, and than this. And of several that are due at once, all but the newest are missed.
pub const GRACE: Duration = Duration::from_secs(60);
/// No more missed instants run at once, whatever the schedule asks for.
pub const MOST_AT_ONCE: u32 = 1_000;
/// Instants of a cron line are counted up to this many.
pub const COUNTED: u64 = 10_000;

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Run for these, oldest first. At most the last one is on time.
    pub run: Vec<DateTime<Utc>>,
    /// The last one of `run` is on time; all others are made up for.
    pub on_time: bool,
    /// What is left out, oldest first.
    pub skipped: Vec<Skipped>,
    /// To be remembered, and given as `last` the next time. At a first start it is `now`.
    pub handled: Option<DateTime<Utc>>,
    /// When the next instant is due.
    pub next: Option<DateTime<Utc>>,
    /// The clock is behind the last instant that was decided about, by so much: it was set back.
    pub clock_behind: Option<Duration>,
}

/// Instants that are left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// How many.
    pub count: u64,
    /// There are more than were counted.
    pub more: bool,
    /// The oldest.
    pub first: DateTime<Utc>,
    /// The newest.
    pub last: DateTime<Utc>,
}

/// Why an instant is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// `missed "skip"`: nobody was there.
    Missed,
    /// `missed "latest"`: a newer one runs in its place.
    Superseded,
    /// It is older than the window.
    TooOld,
    /// `missed "all"`: `max` newer ones run.
    TooMany,
}

impl SkipReason {
    /// The word in JSON and in text.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Superseded => "superseded",
            Self::TooOld => "too-old",
            Self::TooMany => "too-many",
        }
    }
}

/// Decides about every instant later than `last` and not later than `now`. Without a `last` there is no past to make up
/// for: the schedule begins now.
#[must_use]
pub fn due(schedule: &Schedule, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Due {
    let Some(last) = last else {
        return Due {
            handled: Some(now),
            next: schedule.next(now),
            ..Due::default()
        };
    };
    if now < last {
        return Due {
            handled: Some(last),
            next: schedule.next(last),
            clock_behind: (last - now).to_std().ok(),
            ..Due::default()
        };
    }
    let mut due = Due {
        handled: Some(last),
        next: schedule.next(now),
        ..Due::default()
    };
    let past = Past { schedule, last, now };
    let Some(newest) = schedule.previous(now).filter(|newest| *newest > last) else {
        return due;
    };
    due.handled = Some(newest);
    due.on_time = past.within(Some(grace(schedule)), newest);
    let mut missed = if due.on_time { past.before(newest) } else { Some(newest) };
    let reason = match schedule.missed {
        Missed::Skip => SkipReason::Missed,
        Missed::Latest { .. } if due.on_time => SkipReason::Superseded,
        Missed::Latest { window } => {
            if past.within(window, newest) {
                due.run.push(newest);
                missed = past.before(newest);
                SkipReason::Superseded
            } else {
                SkipReason::TooOld
            }
        }
        Missed::All { max, window } => {
            for _ in 0..max.min(MOST_AT_ONCE) {
                let Some(instant) = missed.filter(|instant| past.within(window, *instant)) else {
                    break;
                };
                due.run.push(instant);
                missed = past.before(instant);
            }
            due.run.reverse();
            let too_old = past
                .last_beyond(window)
                .filter(|old| missed.is_some_and(|missed| *old <= missed));
            due.skipped.extend(past.skipped(SkipReason::TooOld, last, too_old));
            let rest = missed.filter(|missed| too_old.is_none_or(|old| *missed > old));
            due.skipped
                .extend(past.skipped(SkipReason::TooMany, too_old.unwrap_or(last), rest));
            missed = None;
            SkipReason::TooMany
        }
    };
    due.skipped.extend(past.skipped(reason, last, missed));
    if due.on_time {
        due.run.push(newest);
    }
    due
}

/// How late an instant may be without being missed.
fn grace(schedule: &Schedule) -> Duration {
    match &schedule.rhythm {
        Rhythm::Cron(_) => GRACE,
        Rhythm::Every(period) => GRACE.min(*period),
    }
}

/// What has not been decided about yet.
struct Past<'a> {
    schedule: &'a Schedule,
    last: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl Past<'_> {
    fn within(&self, window: Option<Duration>, instant: DateTime<Utc>) -> bool {
        let age = (self.now - instant).to_std().unwrap_or_default();
        window.is_none_or(|window| age <= window)
    }

    /// The instant before that one.
    fn before(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let earlier = instant.checked_sub_signed(TimeDelta::nanoseconds(1))?;
        self.schedule.previous(earlier).filter(|found| *found > self.last)
    }

    /// The newest instant that is too old for the window.
    fn last_beyond(&self, window: Option<Duration>) -> Option<DateTime<Utc>> {
        let window = TimeDelta::from_std(window?).ok()?;
        self.before(self.now.checked_sub_signed(window)?)
    }

    /// The instants later than `after`, up to and with `upto`.
    fn skipped(&self, reason: SkipReason, after: DateTime<Utc>, upto: Option<DateTime<Utc>>) -> Option<Skipped> {
        let upto = upto?;
        let first = self.schedule.next(after)?;
        let count = match &self.schedule.rhythm {
            Rhythm::Every(period) => {
                let between = (upto - first).to_std().ok()?.as_nanos();
                u64::try_from(between.checked_div(period.as_nanos())?)
                    .ok()?
                    .saturating_add(1)
            }
            Rhythm::Cron(_) => self.schedule.between(after, upto).take(COUNTED as usize + 1).count() as u64,
        };
        let more = matches!(self.schedule.rhythm, Rhythm::Cron(_)) && count > COUNTED;
        Some(Skipped {
            reason,
            count: if more { COUNTED } else { count },
            more,
            first,
            last: upto,
        })
    }
}
