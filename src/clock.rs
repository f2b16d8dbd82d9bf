//! The only source of time.
//!
//! Takes nothing, gives wall-clock instants and a monotonic reading. Everything that decides
//! takes `now` as an argument; only the rooms that act (exec, launch, cli) ask this one.
//! Invariant: no other room calls the system's clocks (a clippy lint checks it).

use chrono::{DateTime, SecondsFormat, Utc};
use nix::time::{ClockId, clock_gettime};
use serde::{Serialize, Serializer};
use std::time::{Duration, Instant, SystemTime};

/// An instant that JSON shows with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct MillisUtc(#[cfg_attr(test, schemars(with = "String"))] pub DateTime<Utc>);

impl Serialize for MillisUtc {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// The wall-clock time, UTC.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
pub fn now() -> DateTime<Utc> {
    DateTime::<Utc>::from(SystemTime::now())
}

/// Nanoseconds since the Unix epoch of `at`.
pub fn nanos(at: DateTime<Utc>) -> i128 {
    i128::from(at.timestamp()) * 1_000_000_000 + i128::from(at.timestamp_subsec_nanos())
}

/// The moment so many nanoseconds after the Unix epoch; `None` when it is beyond what a date can say.
pub fn from_nanos(ns: i128) -> Option<DateTime<Utc>> {
    let seconds = i64::try_from(ns.div_euclid(1_000_000_000)).ok()?;
    DateTime::from_timestamp(seconds, ns.rem_euclid(1_000_000_000) as u32)
}

/// Measures how much time really passed.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    pub fn set() -> Self {
        Self(Instant::now())
    }

    /// Time that passed since, unaffected by clock steps.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Three clocks read at one moment: their differences show a suspend or a step of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The wall clock.
    pub wall: DateTime<Utc>,
    /// Time that the machine was awake.
    pub awake: Duration,
    /// Time since it was started, asleep or awake.
    pub up: Duration,
}

impl ClockReading {
    pub fn take() -> Self {
        let since = |clock| clock_gettime(clock).map_or(Duration::ZERO, Duration::from);
        Self {
            wall: now(),
            awake: since(ClockId::CLOCK_MONOTONIC),
            up: since(ClockId::CLOCK_BOOTTIME),
        }
    }
}
