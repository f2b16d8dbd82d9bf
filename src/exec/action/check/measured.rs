//! A measured value and the threshold it was held against, in words.
//!
//! Takes a value and [`Levels`], gives a state and a piece of a line: `2m5s old, critical from 90s`.
//! Invariant: a value is rounded so that it never seems to be on the other side of a threshold.

use crate::model::check::Levels;
use crate::run::State;
use crate::units::show_duration;
use std::time::Duration;

/// `measured`, followed by the threshold that it reaches: `, warning from 60s`.
pub(super) fn judged<T: Copy>(
    measured: String,
    levels: &Levels<T>,
    reaches: impl Fn(T) -> bool,
    side: &str,
    show: impl Fn(T) -> String,
) -> (State, String) {
    match levels.judge(reaches) {
        (state, Some(reached)) => (state, format!("{measured}, {} {side} {}", state.word(), show(reached))),
        (state, None) => (state, measured),
    }
}

/// An age or a time that something took, which is bad from a threshold on.
pub(super) fn from(measured: Duration, words: impl Fn(String) -> String, levels: &Levels<Duration>) -> (State, String) {
    let reaches = |threshold| measured >= threshold;
    judged(words(rounded(measured)), levels, reaches, "from", show_duration)
}

/// A duration for people, rounded down: milliseconds below ten seconds, else its two largest units.
pub(super) fn rounded(duration: Duration) -> String {
    if !duration.is_zero() && duration < Duration::from_millis(1) {
        return "under 1ms".to_owned();
    }
    if duration < Duration::from_secs(10) {
        return show_duration(duration);
    }
    let mut rest = duration.as_secs();
    let counts = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)].map(|(unit, length)| {
        let count = rest / length;
        rest %= length;
        (count, unit)
    });
    // Two neighbours: days and hours, never days and seconds.
    let largest = counts.into_iter().skip_while(|(count, _)| *count == 0).take(2);
    let shown = largest.filter(|(count, _)| *count > 0);
    let shown: Vec<String> = shown.map(|(count, unit)| format!("{count}{unit}")).collect();
    shown.concat()
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
