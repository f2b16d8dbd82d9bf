//! How much is free on the file system of a path.
//!
//! Takes a path and how much must be free, gives an outcome. Free is what users other than root can still write,
//! a percentage is of the whole size.
//! Invariant: a file system that has no size (a pseudo file system) is unknown.

use super::answer::unless_stopped;
use super::{file_system, measured};
use crate::exec::action::outcome;
use crate::model::check::{Levels, Space};
use crate::path::shown;
use crate::run::{Outcome, State};
use crate::signal::Stop;
use crate::units::{show_count, show_size};
use std::path::Path;
use std::time::Duration;

pub async fn probe(path: &Path, free: &Levels<Space>, timeout: Duration, stop: &Stop) -> Outcome {
    unless_stopped(stop, async {
        let look = file_system::look(path, timeout, |path| {
            let found = rustix::fs::statvfs(path)?;
            // Sizes are counted in fragments; some file systems name none.
            let unit = if found.f_frsize == 0 {
                found.f_bsize
            } else {
                found.f_frsize
            };
            Ok(Room {
                free: found.f_bavail.saturating_mul(unit),
                whole: found.f_blocks.saturating_mul(unit),
            })
        });
        match look.await {
            Ok(room) => judge(path, room, free),
            Err(outcome) => outcome,
        }
    })
    .await
}

#[derive(Debug, Clone, Copy)]
struct Room {
    free: u64,
    whole: u64,
}

fn judge(path: &Path, room: Room, free: &Levels<Space>) -> Outcome {
    if room.whole == 0 {
        return outcome(
            State::Unknown,
            format!("the file system of `{}` has no size", shown(path)),
        );
    }
    // Rounded down: what is below 25% must not be shown as 25.0%.
    let permille = u128::from(room.free) * 1000 / u128::from(room.whole);
    let near = [free.warn, free.critical].into_iter().flatten().any(
        |threshold| matches!(threshold, Space::Bytes(bytes) if bytes != room.free && show_size(bytes) == show_size(room.free)),
    );
    let size = if near {
        format!("{} B", show_count(room.free))
    } else {
        show_size(room.free)
    };
    let measured = format!("{}.{}% free ({size})", permille / 10, permille % 10);
    let reaches = |threshold| match threshold {
        Space::Percent(percent) => u128::from(room.free) * 100 < u128::from(room.whole) * u128::from(percent),
        Space::Bytes(bytes) => room.free < bytes,
    };
    let (state, summary) = measured::judged(measured, free, reaches, "below", |threshold| threshold.to_string());
    outcome(state, summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(free: u64, whole: u64, warn: Space, critical: Space) -> (State, String) {
        let levels = Levels {
            warn: Some(warn),
            critical: Some(critical),
        };
        let outcome = judge(Path::new("/data"), Room { free, whole }, &levels);
        (outcome.state, outcome.summary)
    }

    #[test]
    fn percentages_are_of_the_whole() {
        let of = |free| judged(free, 100_000, Space::Percent(25), Space::Percent(15));
        assert_eq!(of(25_000), (State::Ok, "25.0% free (24.4 KiB)".to_owned()));
        assert_eq!(
            of(24_999),
            (State::Warning, "24.9% free (24.4 KiB), warning below 25%".to_owned())
        );
        assert_eq!(
            of(14_999),
            (State::Critical, "14.9% free (14.6 KiB), critical below 15%".to_owned())
        );
        assert_eq!(
            judged(u64::MAX, u64::MAX, Space::Percent(25), Space::Percent(15)).0,
            State::Ok
        );
    }

    #[test]
    fn sizes_are_exact_near_a_threshold() {
        let of = |free| judged(free, 100 << 30, Space::Bytes(10 << 30), Space::Bytes(5 << 30));
        assert_eq!(of(10 << 30), (State::Ok, "10.0% free (10.0 GiB)".to_owned()));
        assert_eq!(
            of((10 << 30) - 1),
            (
                State::Warning,
                "9.9% free (10,737,418,239 B), warning below 10.0 GiB".to_owned()
            )
        );
        assert_eq!(of(0).0, State::Critical);
    }

    #[test]
    fn no_size_is_unknown() {
        let (state, summary) = judged(0, 0, Space::Percent(25), Space::Percent(15));
        assert_eq!(state, State::Unknown);
        assert_eq!(summary, "the file system of `/data` has no size");
    }
}
