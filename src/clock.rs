//! The only source of time.
//!
//! Takes nothing, gives wall-clock instants and a monotonic reading. Everything that decides
//! takes `now` as an argument; only the rooms that act (exec, launch, cli) ask this one.
//! Invariant: nobody else calls the system's clocks (a clippy lint holds it).

use chrono::{DateTime, Utc};
use std::time::{Duration, Instant, SystemTime};

/// The wall-clock time, UTC.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
pub fn now() -> DateTime<Utc> {
    DateTime::<Utc>::from(SystemTime::now())
}

/// Nanoseconds since the Unix epoch of `at`.
#[must_use]
pub fn nanos(at: DateTime<Utc>) -> i128 {
    i128::from(at.timestamp()) * 1_000_000_000 + i128::from(at.timestamp_subsec_nanos())
}

/// A pair of readings taken together, by which a later moment can tell how much time really passed
/// and whether the wall clock was stepped in between.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    wall_ns: i128,
    monotonic: Instant,
}

impl Mark {
    /// Reads both clocks.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    pub fn set() -> Self {
        Self {
            wall_ns: nanos(now()),
            monotonic: Instant::now(),
        }
    }

    /// Time that passed since, unaffected by clock steps.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.monotonic.elapsed()
    }

    /// True when the wall clock moved by over one second more or less than the monotonic one.
    #[must_use]
    pub fn stepped(&self) -> bool {
        let wall = nanos(now()) - self.wall_ns;
        let real = i128::try_from(self.elapsed().as_nanos()).unwrap_or(i128::MAX);
        (wall - real).abs() > 1_000_000_000
    }
}
