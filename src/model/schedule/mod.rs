//! Schedules: when jobs are due, and what is to be done about what was missed. Pure decisions; `now` is an argument.
//!
//! - [`cron`]: five fields with crontab meaning · `field`: one of them · `line`: what else was written
//! - `wall`: wall-clock times as instants, over every change of clocks
//! - `gaps`: the shortest and the longest time between two runs
//! - [`due`]: what to run now, what is skipped and why
//!
//! Invariant: the instants of a schedule are a fixed, strictly increasing row. Who asks, when and how often changes
//! nothing; `next(u)` is `next(t)` for every `u` from `t` up to it.

pub mod cron;
pub mod due;
mod field;
mod gaps;
mod line;
mod wall;

pub use cron::Cron;
pub use due::{Due, SkipReason, Skipped};
pub use field::{CronError, UnevenStep};
pub use line::{ZonePrefix, nickname, zone_prefix};
pub use wall::{ChangeKind, ClockChange, FoldPolicy, GapPolicy, WallClock, clock_changes};

use crate::clock;
use crate::units::show_duration;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The declared one, or `kind:name` of the job that holds it.
    pub name: String,
    pub rhythm: Rhythm,
    /// Every run starts later by one fixed part of this.
    pub jitter: Option<Duration>,
    /// What happens to instants that passed while opsrun was not running.
    pub missed: Missed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rhythm {
    /// The clock on a wall.
    Cron(Box<WallClock>),
    /// Elapsed time, counted from the Unix epoch.
    Every(Duration),
}

/// What happens to instants that passed while opsrun was not running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    Skip,
    /// The newest of them runs, unless it is older than the window.
    Latest {
        window: Option<Duration>,
    },
    /// The newest so many run, unless they are older than the window.
    All {
        max: u32,
        window: Option<Duration>,
    },
}

impl Schedule {
    /// The first instant later than that one. Jitter plays no part. None: it never fires again; cron lines end
    /// with the year 2100.
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.rhythm {
            // Instants are whole seconds: later than the second that `after` lies in.
            Rhythm::Cron(clock) => DateTime::from_timestamp(clock.next(after.timestamp())?, 0),
            Rhythm::Every(period) => {
                let period = nanos(*period)?;
                instant((clock::nanos(after).div_euclid(period) + 1) * period)
            }
        }
    }

    /// The last instant not later than that one.
    pub fn previous(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.rhythm {
            Rhythm::Cron(clock) => DateTime::from_timestamp(clock.previous(at.timestamp())?, 0),
            Rhythm::Every(period) => {
                let period = nanos(*period)?;
                instant(clock::nanos(at).div_euclid(period) * period)
            }
        }
    }

    /// The instants later than `after`, up to and with `until`.
    pub fn between(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + use<'_> {
        std::iter::successors(self.next(after), |last| self.next(*last)).take_while(move |at| *at <= until)
    }

    /// When it is due, in words that differ for any two rhythms: `30 2 * * * Europe/Berlin`, `every 30s`. Jitter and what
    /// happens to missed instants are not part of it.
    pub fn definition(&self) -> String {
        match &self.rhythm {
            Rhythm::Every(period) => format!("every {}", show_duration(*period)),
            Rhythm::Cron(clock) => {
                let gap = match clock.gap {
                    gap if gap == GapPolicy::default_of(&clock.cron) => "",
                    GapPolicy::RunAfter => " gap=run-after",
                    GapPolicy::Skip => " gap=skip",
                };
                let fold = match clock.fold {
                    fold if fold == FoldPolicy::default_of(&clock.cron) => "",
                    FoldPolicy::First => " fold=first",
                    FoldPolicy::Both => " fold=both",
                };
                format!("{} {}{gap}{fold}", clock.cron, clock.zone.name())
            }
        }
    }

    /// How much later than its instants it runs: always the same part of its jitter, another one for every name, and
    /// less than all of it. Whole seconds, when the jitter has some.
    pub fn jitter_of(&self, ops_name: &str) -> Duration {
        let Some(jitter) = self.jitter else {
            return Duration::ZERO;
        };
        let mut hash = Sha256::new();
        hash.update(ops_name.as_bytes());
        hash.update([0]);
        hash.update(self.name.as_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        let number = hash.iter().take(8).fold(0, |n, byte| n << 8 | u64::from(*byte));
        let unit: u64 = if jitter >= Duration::from_secs(10) { 1_000 } else { 1 };
        let parts = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX) / unit;
        Duration::from_millis(number.checked_rem(parts).unwrap_or(0) * unit)
    }

    /// The shortest time from one run to the next, of the runs from `from` up to the horizon (at most thirty years).
    /// None: fewer than two runs are left.
    pub fn shortest_gap(&self, from: DateTime<Utc>, horizon: Duration) -> Option<Duration> {
        Some(self.gaps(from, horizon)?.0)
    }

    /// The longest time from one run to the next, as [`Self::shortest_gap`].
    pub fn longest_gap(&self, from: DateTime<Utc>, horizon: Duration) -> Option<Duration> {
        Some(self.gaps(from, horizon)?.1)
    }

    fn gaps(&self, from: DateTime<Utc>, horizon: Duration) -> Option<(Duration, Duration)> {
        match &self.rhythm {
            Rhythm::Every(period) => Some((*period, *period)),
            Rhythm::Cron(clock) => {
                let (shortest, longest) = gaps::extremes(clock, from.timestamp(), horizon)?;
                let seconds = |n: i64| u64::try_from(n).ok().map(Duration::from_secs);
                Some((seconds(shortest)?, seconds(longest)?))
            }
        }
    }
}

/// A period in nanoseconds; none when it is zero.
fn nanos(period: Duration) -> Option<i128> {
    i128::try_from(period.as_nanos()).ok().filter(|nanos| *nanos > 0)
}

/// The instant so many nanoseconds after the epoch, if there is one.
fn instant(nanos: i128) -> Option<DateTime<Utc>> {
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    DateTime::from_timestamp(seconds, rest)
}

#[cfg(test)]
mod tests;
