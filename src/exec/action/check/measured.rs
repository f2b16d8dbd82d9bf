//! A measured value and the threshold it was held against, in words.
//!
//! Takes a value and [`Levels`], gives a state and a piece of a line: `2m5s old, critical from 90s`.
//! Invariant: a value is rounded so that it never seems to be on the other side of a threshold.

use crate::model::check::{Level, Levels};
use crate::run::State;
use crate::units::show_duration;
use std::fmt::Write as _;
use std::time::Duration;

pub(super) fn state(level: Level) -> State {
    match level {
        Level::Ok => State::Ok,
        Level::Warning => State::Warning,
        Level::Critical => State::Critical,
    }
}

/// `measured`, and behind it the threshold that it reached: `, warning from 60s`.
pub(super) fn held<T: Copy>(
    measured: &str,
    level: Level,
    levels: &Levels<T>,
    side: &str,
    show: impl Fn(T) -> String,
) -> String {
    let reached = match level {
        Level::Ok => None,
        Level::Warning => levels.warn.map(|threshold| ("warning", threshold)),
        Level::Critical => levels.critical.map(|threshold| ("critical", threshold)),
    };
    match reached {
        None => measured.to_owned(),
        Some((word, threshold)) => format!("{measured}, {word} {side} {}", show(threshold)),
    }
}

/// An age or a time that something took, which is bad from a threshold on.
pub(super) fn from(measured: Duration, words: impl Fn(String) -> String, levels: &Levels<Duration>) -> (State, String) {
    let level = levels.judge(|threshold| measured >= threshold);
    let text = held(&words(rounded(measured)), level, levels, "from", show_duration);
    (state(level), text)
}

/// A duration for people, rounded down: milliseconds below ten seconds, else its two largest units.
pub(super) fn rounded(duration: Duration) -> String {
    if !duration.is_zero() && duration < Duration::from_millis(1) {
        return "under 1ms".to_owned();
    }
    if duration < Duration::from_secs(10) {
        return show_duration(duration);
    }
    let seconds = duration.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let mut rest = seconds;
    let mut text = String::new();
    let mut shown = 0;
    for (unit, length) in units {
        let n = rest / length;
        rest %= length;
        if n > 0 {
            let _ = write!(text, "{n}{unit}");
        }
        // Two neighbours: days and hours, never days and seconds.
        if n > 0 || shown > 0 {
            shown += 1;
        }
        if shown == 2 {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_cut_to_two_units() {
        let shown = |millis| rounded(Duration::from_millis(millis));
        assert_eq!(shown(0), "0s");
        assert_eq!(rounded(Duration::from_micros(999)), "under 1ms");
        assert_eq!(shown(3_000), "3s");
        assert_eq!(shown(1_250), "1250ms");
        assert_eq!(shown(12_999), "12s");
        assert_eq!(shown(90_000), "1m30s");
        assert_eq!(shown(3_600_000), "1h");
        assert_eq!(shown(3_659_000), "1h");
        assert_eq!(shown(93_784_000), "1d2h");
        assert_eq!(shown(86_400_000 * 400 + 59_000), "400d");
    }

    #[test]
    fn the_threshold_that_was_reached_is_named() {
        let levels = Levels {
            warn: Some(Duration::from_secs(60)),
            critical: Some(Duration::from_secs(90)),
        };
        let of = |millis| from(Duration::from_millis(millis), |age| format!("{age} old"), &levels);
        assert_eq!(of(59_999), (State::Ok, "59s old".to_owned()));
        assert_eq!(of(60_000), (State::Warning, "1m old, warning from 1m".to_owned()));
        assert_eq!(of(125_000), (State::Critical, "2m5s old, critical from 90s".to_owned()));
    }
}
