//! Sleep of the machine, and steps of the wall clock.
//!
//! Takes two readings of three clocks, gives what happened in between. Pure. Time synchronisation may adjust the wall
//! clock gradually: that is not a step.
//! Invariant: for information only; decisions depend on the wall clock and the state.

use crate::clock::ClockReading;
use chrono::TimeDelta;
use std::time::Duration;

/// Smaller steps are ignored.
const MIN_STEP: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockStep {
    Slept(Duration),
    /// The wall clock was set forward.
    Forward(Duration),
    /// The wall clock was set back.
    Back(Duration),
}

pub fn clock_steps(before: &ClockReading, after: &ClockReading) -> Vec<ClockStep> {
    let up = after.up.saturating_sub(before.up);
    let slept = up.saturating_sub(after.awake.saturating_sub(before.awake));
    let stepped = (after.wall - before.wall) - TimeDelta::from_std(up).unwrap_or(TimeDelta::MAX);
    let size = stepped.abs().to_std().unwrap_or(Duration::MAX);
    let mut steps = Vec::new();
    if slept >= MIN_STEP {
        steps.push(ClockStep::Slept(slept));
    }
    if size >= MIN_STEP {
        steps.push(if stepped > TimeDelta::zero() {
            ClockStep::Forward(size)
        } else {
            ClockStep::Back(size)
        });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reading after this many seconds of each clock.
    fn reading(wall: i64, awake: u64, up: u64) -> ClockReading {
        ClockReading {
            wall: chrono::DateTime::from_timestamp(1_800_000_000 + wall, 0).unwrap(),
            awake: Duration::from_secs(1_000 + awake),
            up: Duration::from_secs(5_000 + up),
        }
    }

    #[test]
    fn sleep_and_steps_are_distinguished() {
        let cases = [
            (reading(30, 30, 30), vec![]),
            (reading(31, 30, 30), vec![]),
            (
                reading(3_600, 10, 3_600),
                vec![ClockStep::Slept(Duration::from_secs(3_590))],
            ),
            (
                reading(7_230, 30, 30),
                vec![ClockStep::Forward(Duration::from_secs(7_200))],
            ),
            (
                reading(-7_170, 30, 30),
                vec![ClockStep::Back(Duration::from_secs(7_200))],
            ),
            (
                reading(0, 10, 3_600),
                vec![
                    ClockStep::Slept(Duration::from_secs(3_590)),
                    ClockStep::Back(Duration::from_secs(3_600)),
                ],
            ),
        ];
        for (after, wanted) in cases {
            assert_eq!(clock_steps(&reading(0, 0, 0), &after), wanted, "{after:?}");
        }
    }
}
