//! Sleep of the machine, and steps of the wall clock.
//!
//! Takes two readings of three clocks, gives what happened in between. Pure. Time synchronisation may adjust the wall
//! clock gradually: that is not a step.
//! - [`ClockView`]: how far the wall clock of one look can be believed
//!
//! Invariant: steps alone decide nothing; decisions depend on the wall clock, the state, and how both fit.

use crate::clock::ClockReading;
use crate::model::schedule::due::GRACE;
use crate::run::{Outcome, State};
use crate::units::{long_time, plural};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::collections::BTreeMap;
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

/// A machine without a battery for its clock starts in the past, and sets it as soon as it has a network. Until it has been
/// up for so long, a clock that is behind is waited for.
const TIME_TO_SET: Duration = Duration::from_secs(5 * 60);

/// The wall clock at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockView {
    pub now: DateTime<Utc>,
    /// When it is far behind what was decided: it stays so.
    pub settled: bool,
    pub since: SinceLook,
}

/// What the wall clock did since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinceLook {
    /// It went on, or was set back.
    Steady,
    /// It may be back where it was before it was set back.
    Forward(Duration),
    /// There was no look before. It may be back as well.
    Unknown,
}

impl ClockView {
    /// `steps`: since the last look; `None` at the first one.
    pub fn new(reading: &ClockReading, steps: Option<&[ClockStep]>) -> Self {
        let mut view = Self {
            now: reading.wall,
            settled: reading.up >= TIME_TO_SET,
            since: steps.map_or(SinceLook::Unknown, |_| SinceLook::Steady),
        };
        for step in steps.unwrap_or_default() {
            match step {
                // Who sets a clock back while the machine is up corrects it.
                ClockStep::Back(_) => view.settled = true,
                ClockStep::Forward(time) => view.since = SinceLook::Forward(*time),
                ClockStep::Slept(_) => {}
            }
        }
        view
    }
}

/// A clock that is right.
impl From<DateTime<Utc>> for ClockView {
    fn from(now: DateTime<Utc>) -> Self {
        Self {
            now,
            settled: true,
            since: SinceLook::Steady,
        }
    }
}

/// True when what was to happen soon, by the clock before, would now have to wait for long.
pub fn is_far_back(steps: &[ClockStep]) -> bool {
    steps
        .iter()
        .any(|step| matches!(step, ClockStep::Back(time) if *time > GRACE))
}

/// For the alert about the clock: these schedules begin again, each after so much. None: there are none.
pub fn set_back(schedules: &BTreeMap<String, Duration>) -> Option<Outcome> {
    let behind = schedules.values().max()?;
    let count = plural(schedules.len() as u64, "schedule goes", "schedules go");
    Some(Outcome {
        help: Some(
            "check that the clock is right now; `opsrun why JOB` shows what ran before it was set back".to_owned(),
        ),
        details: schedules.keys().map(|name| format!("schedule {name}")).collect(),
        ..Outcome::new(
            State::Warning,
            format!(
                "the clock was set back by {}: {count} on from the present time",
                long_time(*behind)
            ),
        )
    })
}

/// The same while schedules wait for the clock.
pub fn stands_until(until: DateTime<Utc>, now: DateTime<Utc>) -> Outcome {
    let behind = (until - now).to_std().unwrap_or_default();
    let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
    Outcome {
        help: Some("check the clock; if it is right now, nothing needs to be done".to_owned()),
        ..Outcome::new(
            State::Warning,
            format!(
                "the clock is {} before times that were handled: schedules run nothing until {until}",
                long_time(behind)
            ),
        )
    }
}

/// The same once nothing is wrong.
pub fn right() -> Outcome {
    Outcome::new(State::Ok, "the schedules follow the clock")
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
    fn a_clock_is_waited_for_only_while_the_machine_starts() {
        let view = |up, steps: Option<&[ClockStep]>| {
            let view = ClockView::new(&reading(0, 0, up), steps);
            (view.settled, view.since)
        };
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3_600));
        assert_eq!(view(0, None), (true, SinceLook::Unknown), "up for longer");
        let just = ClockReading {
            up: second,
            ..reading(0, 0, 0)
        };
        let view = |steps: Option<&[ClockStep]>| {
            let view = ClockView::new(&just, steps);
            (view.settled, view.since)
        };
        assert_eq!(view(None), (false, SinceLook::Unknown));
        assert_eq!(view(Some(&[])), (false, SinceLook::Steady));
        assert_eq!(view(Some(&[ClockStep::Back(hour)])), (true, SinceLook::Steady));
        let forward = [ClockStep::Slept(second), ClockStep::Forward(hour)];
        assert_eq!(view(Some(&forward)), (false, SinceLook::Forward(hour)));
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
