//! What is to be done now: which instants run, which are left out and why, and when to look again.
//!
//! Takes a schedule, the last instant that was decided about, and `now`; gives a [`Due`]. Pure: the daemon and the
//! simulation ask the same question. Jitter is for the caller: ask with `now` less the jitter, and wake at `next` plus it.
//! Invariant: no instant is decided about twice while `last` counts; the work is bounded, however long ago the last call was.
//!
//! A clock that is behind `last` was set back. A little means a correction: instants up to `last` are not run again.
//! More than that ([`set_back`]) means that `last` or the clock is wrong, and which one cannot be known: waiting until
//! the clock comes there could take years, so `last` no longer counts, and the schedule begins again now.

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

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Run for these, oldest first. At most the last one is on time.
    pub run: Vec<DateTime<Utc>>,
    /// The last one of `run` is on time; all others are caught up.
    pub on_time: bool,
    /// What is left out, oldest first.
    pub skipped: Vec<Skipped>,
    /// To be remembered, and given as `last` the next time. At a first start it is `now`.
    pub handled: Option<DateTime<Utc>>,
    pub next: Option<DateTime<Utc>>,
    /// The clock is behind the last instant that was decided about, by so much: it was set back.
    pub clock_behind: Option<Duration>,
}

/// Instants that are left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub reason: SkipReason,
    pub count: u64,
    /// There are more than were counted.
    pub more: bool,
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
}

/// Why an instant is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// `missed "skip"`: opsrun was not running.
    Missed,
    /// `missed "latest"`: a newer one runs in its place.
    Superseded,
    /// It is older than the window.
    TooOld,
    /// `missed "all"`: `max` newer ones run.
    TooMany,
}

impl SkipReason {
    pub const ALL: [Self; 4] = [Self::Missed, Self::Superseded, Self::TooOld, Self::TooMany];

    /// The word in JSON and in text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Superseded => "superseded",
            Self::TooOld => "too-old",
            Self::TooMany => "too-many",
        }
    }
}

/// By how much the clock is behind `last`, when that is too much to wait for: more than a minute, and more than the time
/// from the run before `last` to it, and from it to the next one.
pub fn set_back(schedule: &Schedule, last: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
    let behind = (last - now).to_std().ok().filter(|behind| *behind > GRACE)?;
    let before = last
        .checked_sub_signed(TimeDelta::nanoseconds(1))
        .and_then(|before| schedule.previous(before));
    let gap_before = before.and_then(|before| (last - before).to_std().ok());
    let gap_after = schedule.next(last).and_then(|next| (next - last).to_std().ok());
    let gap = gap_before.max(gap_after).unwrap_or_default();
    (behind > gap).then_some(behind)
}

/// Until when nothing runs although instants pass, when the clock is behind `last` by more than a minute.
pub fn stands_until(schedule: &Schedule, last: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let behind = (last - now).to_std().ok().filter(|behind| *behind > GRACE);
    behind
        .and_then(|_| schedule.next(now))
        .filter(|next| *next <= last)
        .map(|_| last)
}

/// Decides about every instant later than `last` and not later than `now`. Without a `last` nothing is
/// caught up: the schedule begins now.
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
pub fn grace(schedule: &Schedule) -> Duration {
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

#[cfg(test)]
mod tests {
    use super::super::tests::{at, cron, every, hours};
    use super::*;

    #[test]
    fn a_first_start_has_nothing_to_make_up_for() {
        let now = at("2026-11-25T12:00:30Z");
        for schedule in [cron("* * * * *", "UTC"), every(hours(1))] {
            let first = due(&schedule, None, now);
            assert_eq!((first.run.len(), first.skipped.len()), (0, 0));
            assert_eq!(first.handled, Some(now));
            assert_eq!(first.next, schedule.next(now));
        }
    }

    /// What is due at 06:30 on the 25th after opsrun did not run since the 20th.
    fn missed(missed: Missed, line: &str) -> Due {
        let schedule = Schedule {
            missed,
            ..cron(line, "UTC")
        };
        due(&schedule, Some(at("2026-11-20T04:00:00Z")), at("2026-11-25T06:30:00Z"))
    }

    #[test]
    fn what_was_missed_goes_by_the_policy() {
        let daily = "0 3 * * *";
        let day = |n: u32| at(&format!("2026-11-{n}T03:00:00Z"));
        let group = |reason, count, first, last| Skipped {
            reason,
            count,
            more: false,
            first: day(first),
            last: day(last),
        };
        let skip = missed(Missed::Skip, daily);
        assert_eq!(
            (skip.run, skip.skipped),
            (vec![], vec![group(SkipReason::Missed, 5, 21, 25)])
        );
        assert_eq!((skip.handled, skip.next), (Some(day(25)), Some(day(26))));

        let latest = missed(
            Missed::Latest {
                window: Some(hours(24)),
            },
            daily,
        );
        assert_eq!(
            (latest.run, latest.on_time, latest.skipped),
            (vec![day(25)], false, vec![group(SkipReason::Superseded, 4, 21, 24)])
        );
        let late = missed(Missed::Latest { window: Some(hours(3)) }, daily);
        assert_eq!(
            (late.run, late.skipped),
            (vec![], vec![group(SkipReason::TooOld, 5, 21, 25)])
        );
        assert_eq!(late.handled, Some(day(25)));

        let all = missed(Missed::All { max: 10, window: None }, daily);
        assert_eq!((all.run, all.skipped), ((21..=25).map(day).collect(), vec![]));
        let two = missed(
            Missed::All {
                max: 2,
                window: Some(hours(80)),
            },
            daily,
        );
        assert_eq!(
            (two.run, two.skipped),
            (
                vec![day(24), day(25)],
                vec![
                    group(SkipReason::TooOld, 1, 21, 21),
                    group(SkipReason::TooMany, 2, 22, 23)
                ]
            )
        );
        let none = missed(Missed::All { max: 0, window: None }, daily);
        assert_eq!(
            (none.run, none.skipped),
            (vec![], vec![group(SkipReason::TooMany, 5, 21, 25)])
        );

        // One of them is on time: it replaces the others, unless all are wanted.
        let half_past = "30 6 * * *";
        let latest = missed(Missed::Latest { window: None }, half_past);
        assert_eq!(
            (latest.run.len(), latest.on_time, latest.skipped[0].count),
            (1, true, 5)
        );
        assert_eq!(latest.skipped[0].reason, SkipReason::Superseded);
        let all = missed(Missed::All { max: 2, window: None }, half_past);
        assert_eq!((all.run.len(), all.on_time, all.skipped[0].count), (3, true, 3));
        let skip = missed(Missed::Skip, half_past);
        assert_eq!((skip.run.len(), skip.on_time, skip.skipped[0].count), (1, true, 5));
    }

    #[test]
    fn a_minute_late_is_on_time() {
        let schedule = Schedule {
            missed: Missed::Skip,
            ..cron("0 3 * * *", "UTC")
        };
        let last = Some(at("2026-11-24T03:00:00Z"));
        assert_eq!(due(&schedule, last, at("2026-11-25T02:59:59.9Z")).run.len(), 0);
        assert_eq!(due(&schedule, last, at("2026-11-25T03:00:00Z")).run.len(), 1);
        assert_eq!(due(&schedule, last, at("2026-11-25T03:01:00Z")).run.len(), 1);
        assert_eq!(due(&schedule, last, at("2026-11-25T03:01:00.1Z")).run.len(), 0);
        // However late the loop is: the newest of a short period runs.
        let pulse = every(Duration::from_millis(50));
        let late = due(&pulse, Some(at("2026-11-25T03:00:00Z")), at("2026-11-25T03:00:00.949Z"));
        assert_eq!(late.run, [at("2026-11-25T03:00:00.900Z")]);
        assert_eq!(late.skipped[0].count, 17);
    }

    #[test]
    fn years_of_seconds_are_no_storm() {
        let pulse = Schedule {
            missed: Missed::All {
                max: u32::MAX,
                window: None,
            },
            ..every(Duration::from_secs(1))
        };
        let (last, now) = (at("2000-01-01T00:00:00Z"), at("2026-11-25T06:30:00.5Z"));
        let due_now = due(&pulse, Some(last), now);
        assert_eq!(due_now.run.len(), MOST_AT_ONCE as usize + 1);
        let all = (now - last).num_seconds() as u64;
        assert_eq!(due_now.skipped[0].count + due_now.run.len() as u64, all);
        let minutes = Schedule {
            missed: Missed::Skip,
            ..cron("* * * * *", "Europe/Berlin")
        };
        let due_now = due(&minutes, Some(last), now);
        assert_eq!(due_now.run.len(), 1);
        assert_eq!((due_now.skipped[0].count, due_now.skipped[0].more), (COUNTED, true));
        assert_eq!(due_now.skipped[0].last, at("2026-11-25T06:29:00Z"));
    }

    #[test]
    fn what_was_decided_counts_unless_the_clock_is_more_than_a_run_behind() {
        let last = at("2026-11-25T03:00:00Z");
        let behind = |schedule: &Schedule, now| set_back(schedule, last, at(now)).map(|behind| behind.as_secs());
        let daily = cron("0 3 * * *", "UTC");
        assert_eq!(behind(&daily, "2026-11-25T03:00:01Z"), None);
        assert_eq!(behind(&daily, "2026-11-24T03:00:00Z"), None);
        assert_eq!(behind(&daily, "2026-11-24T02:59:59Z"), Some(86_401));
        let second = every(Duration::from_secs(1));
        assert_eq!(behind(&second, "2026-11-25T02:59:00Z"), None, "at least a minute");
        assert_eq!(behind(&second, "2026-11-25T02:58:59Z"), Some(61));
        // The longer one of the gaps around it, also where it is no instant.
        let workdays = cron("0 3 * * MON-FRI", "UTC");
        let monday = at("2026-11-23T03:00:00Z");
        assert_eq!(set_back(&workdays, monday, at("2026-11-21T03:00:00Z")), None);
        assert!(set_back(&workdays, monday, at("2026-11-20T02:00:00Z")).is_some());
        let between = at("2026-11-25T12:00:00Z");
        assert_eq!(set_back(&daily, between, at("2026-11-24T23:00:00Z")), None);
        // A schedule without a next run, and a time before every run.
        let far = at("2150-01-01T00:00:00Z");
        assert!(set_back(&daily, far, at("2026-11-25T03:00:00Z")).is_some());
        assert!(set_back(&daily, DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC).is_some());

        let stands = |last, now| stands_until(&daily, at(last), at(now));
        assert_eq!(stands("2026-11-25T03:00:00Z", "2026-11-25T02:00:00Z"), Some(last));
        assert_eq!(stands("2026-11-25T03:00:00Z", "2026-11-25T02:59:30Z"), None);
        assert_eq!(
            stands("2026-11-25T02:50:00Z", "2026-11-25T02:00:00Z"),
            None,
            "no instant is left out"
        );
    }

    #[test]
    fn a_clock_set_back_runs_nothing_again() {
        let schedule = cron("0 3 * * *", "UTC");
        let last = at("2026-11-25T03:00:00Z");
        for now in ["2026-11-25T02:59:59Z", "2026-11-20T12:00:00Z", "1970-01-01T00:00:00Z"].map(at) {
            let back = due(&schedule, Some(last), now);
            assert_eq!((back.run.len(), back.skipped.len()), (0, 0));
            assert_eq!(back.handled, Some(last));
            assert_eq!(back.next, Some(at("2026-11-26T03:00:00Z")));
            assert_eq!(back.clock_behind, (last - now).to_std().ok());
        }
        let again = due(&schedule, Some(last), last + TimeDelta::seconds(30));
        assert_eq!((again.run.len(), again.clock_behind), (0, None));
    }
}
