//! Probes of checks against real files, listeners and servers in this process.
//!
//! Every server can misbehave; every probe must end in its time, and say what it found. Servers stall by reading
//! until the other side closes, so nothing here sleeps.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its place has failed")]

mod asking;
#[cfg(feature = "http")]
mod cut;
mod local;
mod sizes;
mod tcp;
#[cfg(feature = "http")]
mod tls;
#[cfg(feature = "http")]
mod web;
#[cfg(feature = "http")]
mod web_bodies;
#[cfg(feature = "http")]
mod web_redirects;
#[cfg(not(feature = "http"))]
mod without;

use crate::support::block_on;
use opsrun::model::check::Levels;
use opsrun::run::{Outcome, State};
use std::time::{Duration, Instant};

/// Long enough for any answer on this machine.
const LONG: Duration = Duration::from_secs(60);
/// Of what ends with its limit, or before.
const SHORT: Duration = Duration::from_millis(700);
/// Nothing that is limited to [`SHORT`] takes so long.
const BOUND: Duration = Duration::from_secs(20);

/// No thresholds.
fn none<T>() -> Levels<T> {
    Levels::default()
}

/// Fails when the probe does not end in its time.
#[expect(clippy::disallowed_methods, reason = "a test of how long something takes")]
fn in_time(probe: impl Future<Output = Outcome>) -> Outcome {
    let began = Instant::now();
    let outcome = block_on(probe);
    assert!(began.elapsed() < BOUND, "{:?}: {outcome:?}", began.elapsed());
    outcome
}

#[track_caller]
fn expect(outcome: &Outcome, state: State, summary: &str) {
    assert_eq!(outcome.state, state, "{outcome:?}");
    assert!(outcome.summary.contains(summary), "{outcome:?}");
}

/// Expects that a limit ends the wait for `what`. How long everything takes that must happen before depends on the
/// machine: a limit that was too short for that is doubled.
#[track_caller]
fn expect_stall(what: &str, ask: impl Fn(Duration) -> Outcome) {
    let mut limit = SHORT / 2;
    loop {
        let outcome = ask(limit);
        assert_eq!(outcome.state, State::Critical, "{outcome:?}");
        let told = format!("{what} within {}", opsrun::units::show_duration(limit));
        if outcome.summary.contains(&told) {
            return;
        }
        limit *= 2;
        assert!(limit < LONG, "{outcome:?}");
    }
}
