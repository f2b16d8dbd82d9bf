//! How long ago a file or directory was written.
//!
//! Takes a path and ages, gives an outcome. Symlinks are followed: what counts is the file that they lead to.
//! Invariant: a time in the future is unknown, for it says nothing of when the file was written.

use super::answer::unless_stopped;
use super::{file_system, measured};
use crate::clock;
use crate::exec::action::outcome;
use crate::model::check::Levels;
use crate::path::shown;
use crate::run::{Outcome, State};
use crate::signal::Stop;
use chrono::{DateTime, Utc};
use std::path::Path;
use std::time::Duration;

/// How far the clock of a file server may be ahead.
const AHEAD: i128 = 1_000_000_000;

pub async fn probe(path: &Path, age: &Levels<Duration>, timeout: Duration, stop: &Stop) -> Outcome {
    unless_stopped(stop, async {
        let look = file_system::look(path, timeout, |path| {
            let stat = rustix::fs::stat(path)?;
            let written = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
            Ok(written)
        });
        match look.await {
            // Asked after the look, so that a slow one makes nothing seem to come from the future.
            Ok(written) => judge(path, written, clock::now(), age),
            Err(outcome) => outcome,
        }
    })
    .await
}

/// Times in nanoseconds since the epoch: a file may carry any.
fn judge(path: &Path, written: i128, now: DateTime<Utc>, age: &Levels<Duration>) -> Outcome {
    let passed = clock::nanos(now) - written;
    if passed < -AHEAD {
        return outcome(
            State::Unknown,
            format!(
                "the time of `{}` is in the future, by {}",
                shown(path),
                measured::rounded(duration(-passed))
            ),
        )
        .with_help("compare the clock of this machine with the clock of the machine that writes the file");
    }
    let (state, summary) = measured::from(duration(passed), |age| format!("{age} old"), age);
    outcome(state, summary)
}

/// Nothing where it is negative.
fn duration(nanos: i128) -> Duration {
    let nanos = nanos.max(0).unsigned_abs();
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i128 = 1_000_000_000;

    fn judged(written: i128) -> (State, String) {
        let levels = Levels {
            warn: Some(Duration::from_secs(60)),
            critical: Some(Duration::from_secs(90)),
        };
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let outcome = judge(Path::new("/run/beat"), written, now, &levels);
        (outcome.state, outcome.summary)
    }

    #[test]
    fn ages_are_held_against_the_levels() {
        assert_eq!(judged(999_988 * SECOND), (State::Ok, "12s old".to_owned()));
        assert_eq!(
            judged(999_940 * SECOND),
            (State::Warning, "1m old, warning from 1m".to_owned())
        );
        assert_eq!(
            judged(999_910 * SECOND),
            (State::Critical, "1m30s old, critical from 90s".to_owned())
        );
    }

    #[test]
    fn the_future_is_unknown_but_for_the_skew_of_clocks() {
        assert_eq!(judged(1_000_000 * SECOND + SECOND), (State::Ok, "0s old".to_owned()));
        assert_eq!(
            judged(1_000_000 * SECOND + 3_600 * SECOND),
            (
                State::Unknown,
                "the time of `/run/beat` is in the future, by 1h".to_owned()
            )
        );
    }

    #[test]
    fn any_time_that_a_file_can_carry_is_survived() {
        assert_eq!(judged(i128::from(i64::MAX) * SECOND).0, State::Unknown);
        assert_eq!(judged(i128::from(i64::MIN) * SECOND).0, State::Critical);
    }
}
