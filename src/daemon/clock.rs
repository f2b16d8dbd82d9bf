//! What the clocks did since the last look: the machine slept, or somebody set the wall clock.
//!
//! Takes two readings of three clocks, gives what happened in between. Pure. The wall clock may be drawn slowly by time
//! synchronisation all the time: that is no step.
//! Invariant: what is told changes nothing; instants are decided about by the wall clock and by what is remembered.

use crate::clock::ClockReading;
use chrono::TimeDelta;
use std::time::Duration;

/// Less than this is no news.
const STEP: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    Slept(Duration),
    /// The wall clock was set forward by so much.
    Forward(Duration),
    /// The wall clock was set back by so much.
    Back(Duration),
}

/// What happened between two readings.
#[must_use]
pub fn jumps(before: &ClockReading, after: &ClockReading) -> Vec<Jump> {
    let up = after.up.saturating_sub(before.up);
    let slept = up.saturating_sub(after.awake.saturating_sub(before.awake));
    let stepped = (after.wall - before.wall) - TimeDelta::from_std(up).unwrap_or(TimeDelta::MAX);
    let size = stepped.abs().to_std().unwrap_or(Duration::MAX);
    let mut jumps = Vec::new();
    if slept >= STEP {
        jumps.push(Jump::Slept(slept));
    }
    if size >= STEP {
        jumps.push(if stepped > TimeDelta::zero() {
            Jump::Forward(size)
        } else {
            Jump::Back(size)
        });
    }
    jumps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reading after so many seconds of each clock.
    fn reading(wall: i64, awake: u64, up: u64) -> ClockReading {
        ClockReading {
            wall: chrono::DateTime::from_timestamp(1_800_000_000 + wall, 0).unwrap(),
            awake: Duration::from_secs(1_000 + awake),
            up: Duration::from_secs(5_000 + up),
        }
    }

    #[test]
    fn sleep_and_steps_are_told_apart() {
        let cases = [
            (reading(30, 30, 30), vec![]),
            (reading(31, 30, 30), vec![]),
            (reading(3_600, 10, 3_600), vec![Jump::Slept(Duration::from_secs(3_590))]),
            (reading(7_230, 30, 30), vec![Jump::Forward(Duration::from_secs(7_200))]),
            (reading(-7_170, 30, 30), vec![Jump::Back(Duration::from_secs(7_200))]),
            (
                reading(0, 10, 3_600),
                vec![
                    Jump::Slept(Duration::from_secs(3_590)),
                    Jump::Back(Duration::from_secs(3_600)),
                ],
            ),
        ];
        for (after, wanted) in cases {
            assert_eq!(jumps(&reading(0, 0, 0), &after), wanted, "{after:?}");
        }
    }
}
