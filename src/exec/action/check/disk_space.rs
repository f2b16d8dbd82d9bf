//! How much is free on the file system of a path: bytes, and inodes where it counts them.
//!
//! Takes a path and how much must be free, gives an outcome. Free is what users other than root can still use, a
//! percentage is of the whole. With percentages the lower of both decides; with sizes an inode must be left as well.
//! Invariant: a file system that has no size (a pseudo file system) is unknown.

use super::answer::unless_stopped;
use super::{file_system, measured};
use crate::exec::action::outcome;
use crate::file_system::{Capacity, InodeCount};
use crate::model::check::{Levels, Space};
use crate::path::shown;
use crate::run::{Outcome, State};
use crate::signal::Stop;
use crate::units::{show_count, show_size};
use std::path::Path;
use std::time::Duration;

/// Where files cannot be made although there is space.
const INODES_HELP: &str = "find the directory with the many small files: `du --inodes -x`";

pub async fn probe(path: &Path, free: &Levels<Space>, timeout: Duration, stop: &Stop) -> Outcome {
    unless_stopped(stop, async {
        let look = file_system::look(path, timeout, |path| Ok(Capacity::from(rustix::fs::statvfs(path)?)));
        match look.await {
            Ok(found) => judge(path, found, free),
            Err(outcome) => outcome,
        }
    })
    .await
}

fn judge(path: &Path, found: Capacity, free: &Levels<Space>) -> Outcome {
    if found.size == 0 {
        return outcome(
            State::Unknown,
            format!("the file system of `{}` has no size", shown(path)),
        );
    }
    let bytes = free_bytes(found, free);
    let Some(inodes) = found.inodes.filter(|inodes| decides(*inodes, found, free)) else {
        let reaches = |threshold| match threshold {
            Space::Percent(percent) => is_below(found.free, found.size, percent),
            Space::Bytes(bytes) => found.free < bytes,
        };
        let (state, summary) = measured::judged(bytes, free, reaches, "below", |threshold| threshold.to_string());
        return outcome(state, summary);
    };
    if inodes.is_exhausted() {
        // The same as no byte, whatever the thresholds count.
        let (state, _) = free.judge(|_| true);
        let summary = format!(
            "no inode of {} is free, so no file can be made; {bytes}",
            show_count(inodes.all)
        );
        return outcome(state, summary).with_help(INODES_HELP);
    }
    let (free_inodes, all) = (show_count(inodes.free), show_count(inodes.all));
    let measured = format!(
        "{} of the inodes free ({free_inodes} of {all})",
        share(inodes.free, inodes.all)
    );
    let reaches =
        |threshold| matches!(threshold, Space::Percent(percent) if is_below(inodes.free, inodes.all, percent));
    let (state, summary) = measured::judged(measured, free, reaches, "below", |threshold| threshold.to_string());
    let found = outcome(state, summary);
    if state == State::Ok {
        found
    } else {
        found.with_help(INODES_HELP)
    }
}

/// Whether the inodes say more than the bytes: a smaller share of them is free, or none where sizes are asked for.
fn decides(inodes: InodeCount, found: Capacity, free: &Levels<Space>) -> bool {
    let percentages = [free.warn, free.critical]
        .iter()
        .flatten()
        .any(|at| matches!(at, Space::Percent(_)));
    let scarcer = u128::from(inodes.free) * u128::from(found.size) < u128::from(found.free) * u128::from(inodes.all);
    inodes.is_exhausted() && found.free > 0 || percentages && scarcer
}

fn is_below(free: u64, all: u64, percent: u8) -> bool {
    u128::from(free) * 100 < u128::from(all) * u128::from(percent)
}

/// Rounded down: what is below 25% must not be shown as 25.0%.
fn share(free: u64, all: u64) -> String {
    let permille = u128::from(free) * 1000 / u128::from(all.max(1));
    format!("{}.{}%", permille / 10, permille % 10)
}

/// `24.9% free (24.4 KiB)`; exact where a rounded size would read like a threshold.
fn free_bytes(found: Capacity, levels: &Levels<Space>) -> String {
    let near = [levels.warn, levels.critical].into_iter().flatten().any(
        |threshold| matches!(threshold, Space::Bytes(bytes) if bytes != found.free && show_size(bytes) == show_size(found.free)),
    );
    let size = if near {
        format!("{} B", show_count(found.free))
    } else {
        show_size(found.free)
    };
    format!("{} free ({size})", share(found.free, found.size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(free: u64, whole: u64, warn: Space, critical: Space) -> (State, String) {
        with_inodes((free, whole), None, warn, critical)
    }

    fn with_inodes(
        (free, size): (u64, u64),
        inodes: Option<(u64, u64)>,
        warn: Space,
        critical: Space,
    ) -> (State, String) {
        let levels = Levels {
            warn: Some(warn),
            critical: Some(critical),
        };
        let inodes = inodes.map(|(free, all)| InodeCount { free, all });
        let outcome = judge(Path::new("/data"), Capacity { free, size, inodes }, &levels);
        (outcome.state, outcome.summary)
    }

    #[test]
    fn the_lower_share_of_bytes_and_inodes_decides() {
        let of = |free, inodes| with_inodes((free, 1_000), Some(inodes), Space::Percent(20), Space::Percent(10));
        assert_eq!(
            of(900, (99, 1_000)),
            (
                State::Critical,
                "9.9% of the inodes free (99 of 1,000), critical below 10%".to_owned()
            )
        );
        assert_eq!(
            of(900, (199, 1_000)),
            (
                State::Warning,
                "19.9% of the inodes free (199 of 1,000), warning below 20%".to_owned()
            )
        );
        assert_eq!(
            of(900, (200, 1_000)),
            (State::Ok, "20.0% of the inodes free (200 of 1,000)".to_owned())
        );
        assert_eq!(
            of(150, (200, 1_000)),
            (State::Warning, "15.0% free (150 B), warning below 20%".to_owned())
        );
        assert_eq!(of(200, (200, 1_000)), (State::Ok, "20.0% free (200 B)".to_owned()));
        assert_eq!(of(900, (u64::MAX, u64::MAX)).0, State::Ok);
    }

    #[test]
    fn a_size_is_of_no_use_without_an_inode() {
        let of = |inodes| with_inodes((500, 1_000), Some(inodes), Space::Bytes(20), Space::Bytes(10));
        assert_eq!(
            of((0, 1_000)),
            (
                State::Critical,
                "no inode of 1,000 is free, so no file can be made; 50.0% free (500 B)".to_owned()
            )
        );
        // A number of inodes is not a size.
        assert_eq!(of((1, 1_000)), (State::Ok, "50.0% free (500 B)".to_owned()));
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
