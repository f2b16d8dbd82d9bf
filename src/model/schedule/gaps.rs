//! The shortest and the longest time between two runs of a schedule.
//!
//! Takes a [`WallClock`], gives both. Pure. Invariant: exact, changes of clocks included, and still quick: a day far from
//! any change is taken in one step, however often the schedule runs in it.

use super::wall::{WallClock, within_thirty_years};
use std::time::Duration;

const DAY: i64 = 86_400;

/// The shortest and longest time, in seconds, from a run to its next one: of every run later than `from` and up to the
/// horizon, and at least of the first. None when fewer than two runs are left.
pub(super) fn extremes(clock: &WallClock, from: i64, horizon: Duration) -> Option<(i64, i64)> {
    let within_day = within_day(clock);
    let until = from.saturating_add(within_thirty_years(horizon));
    let mut at = clock.next(from)?;
    let mut extremes: Option<(i64, i64)> = None;
    let mut add = |gap: (i64, i64)| {
        let (shortest, longest) = extremes.unwrap_or(gap);
        extremes = Some((shortest.min(gap.0), longest.max(gap.1)));
    };
    loop {
        let minute = (at + clock.offset(at)).rem_euclid(DAY) / 60;
        if let Some((gaps, last)) = within_day
            && minute == i64::from(clock.cron.first_minute())
            && clock.calm(at)
        {
            add(gaps);
            at += (i64::from(last) - minute) * 60;
        }
        let Some(next) = clock.next(at) else { break };
        add((next - at, next - at));
        if next > until {
            break;
        }
        at = next;
    }
    extremes
}

/// The gaps between the runs of one day, and its last run: when there are several.
fn within_day(clock: &WallClock) -> Option<((i64, i64), u32)> {
    let minutes: Vec<u32> = clock.cron.minutes_of_day().collect();
    let gaps = || {
        minutes
            .windows(2)
            .filter_map(|two| Some(i64::from(two.get(1)? - two.first()?) * 60))
    };
    Some(((gaps().min()?, gaps().max()?), *minutes.last()?))
}
