//! The moment from which the age of history counts, under a clock that may be wrong.
//!
//! Takes what the clock says at each look, gives a moment that never leaps ahead with it.
//! Invariant: a clock that is ahead by more than [`MAX_STEP`] makes nothing older until it has been so for
//! [`CONFIRMED_AFTER`]; a clock that is behind makes nothing older either.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A longer pause between two looks may be a wrong clock. Running opsrun once a month is within it.
const MAX_STEP: TimeDelta = TimeDelta::days(35);
/// A wrong clock is noticed within a day, mostly by opsrun itself.
const CONFIRMED_AFTER: TimeDelta = TimeDelta::days(1);

/// Kept in the state from look to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AgeReference {
    /// The last look at a clock that made no leap.
    pub(super) trusted: DateTime<Utc>,
    /// The clock made a leap: the first and the last look since.
    pub(super) leap: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl AgeReference {
    /// `newest` is when the newest run of an earlier time began.
    pub(super) fn first(newest: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Self {
        let trusted = newest.unwrap_or(now);
        Self { trusted, leap: None }.seen_at(now)
    }

    #[must_use]
    pub(super) fn seen_at(self, now: DateTime<Utc>) -> Self {
        let trusted = |trusted| Self { trusted, leap: None };
        if now - self.trusted <= MAX_STEP {
            return trusted(now);
        }
        match self.leap {
            Some((first, last)) if now >= first && now - last <= MAX_STEP => {
                if now - first >= CONFIRMED_AFTER {
                    return trusted(now);
                }
                Self {
                    leap: Some((first, now)),
                    ..self
                }
            }
            _ => Self {
                leap: Some((now, now)),
                ..self
            },
        }
    }

    /// True when writing the other one instead would change little.
    pub(super) fn is_near(self, other: Self) -> bool {
        self.leap.is_none() && other.leap.is_none() && (other.trusted - self.trusted).abs() < TimeDelta::hours(1)
    }

    /// What is older than `keep` before this is history.
    pub(super) fn moment(self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.trusted.min(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + n)
    }

    #[test]
    fn a_leap_of_the_clock_counts_once_it_has_lasted_a_day() {
        let hour = TimeDelta::hours(1);
        let mut reference = AgeReference::first(Some(day(0)), day(1));
        assert_eq!(reference.moment(day(1)), day(1));
        for hours in 0..24 {
            let now = day(800) + hour * hours;
            reference = reference.seen_at(now);
            assert_eq!(reference.moment(now), day(1), "{hours} hours after the leap");
        }
        reference = reference.seen_at(day(801));
        assert_eq!(reference.moment(day(801)), day(801));
        // The clock is set right again: nothing is older than it is.
        let back = reference.seen_at(day(2));
        assert_eq!((back.moment(day(2)), back.trusted), (day(2), day(2)));
    }

    #[test]
    fn a_clock_that_leaps_twice_is_not_confirmed_by_the_second_leap() {
        let reference = AgeReference::first(None, day(0));
        assert_eq!(reference.moment(day(0)), day(0));
        let reference = reference.seen_at(day(400)).seen_at(day(800));
        assert_eq!(reference.moment(day(800)), day(0));
        // Corrected, and wrong again.
        let reference = reference.seen_at(day(1)).seen_at(day(800));
        assert_eq!(reference.moment(day(800)), day(1));
    }

    #[test]
    fn long_pauses_delay_and_do_not_prevent() {
        // Once a week and once a month there is no leap.
        for pause in [7, 31] {
            let mut reference = AgeReference::first(None, day(0));
            for n in 1..20 {
                reference = reference.seen_at(day(n * pause));
                assert_eq!(reference.moment(day(n * pause)), day(n * pause));
            }
        }
        // The first look of a state that was off for a year.
        let reference = AgeReference::first(Some(day(0)), day(365));
        assert_eq!(reference.moment(day(365)), day(0));
        assert_eq!(reference.seen_at(day(366)).moment(day(366)), day(366));
    }
}
