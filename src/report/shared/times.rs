//! Times and durations for people.
//!
//! Invariant: the same values give the same text; nothing here reads a clock.

use crate::time_zone::Zone;
use crate::units::plural;
use chrono::{DateTime, Utc};

/// Time since an instant, in at most two units: `12 s`, `3 min`, `5 h 10 min`, `2 days 3 h`. A later instant is
/// `in the future`: a clock was set back.
pub fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - at).num_seconds();
    if seconds < 0 {
        return "in the future".to_owned();
    }
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let two = |first: String, rest: i64, unit: &str| {
        if rest == 0 {
            first
        } else {
            format!("{first} {rest} {unit}")
        }
    };
    match hours {
        0 if minutes == 0 => format!("{seconds} s"),
        0 => format!("{minutes} min"),
        1..24 => two(format!("{hours} h"), minutes % 60, "min"),
        24..240 => two(plural(hours.unsigned_abs() / 24, "day", "days"), hours % 24, "h"),
        _ => plural(hours.unsigned_abs() / 24, "day", "days"),
    }
}

/// To the minute; with the offset where this hour occurs twice.
pub fn local_minute(at: DateTime<Utc>, zone: &Zone) -> String {
    shown(at, zone, "%Y-%m-%d %H:%M")
}

/// To the second; with the offset where this hour occurs twice.
pub fn local(at: DateTime<Utc>, zone: &Zone) -> String {
    shown(at, zone, "%Y-%m-%d %H:%M:%S")
}

/// With all digits; with the offset where this hour occurs twice.
pub fn local_exact(at: DateTime<Utc>, zone: &Zone) -> String {
    shown(at, zone, "%Y-%m-%d %H:%M:%S%.f")
}

fn shown(at: DateTime<Utc>, zone: &Zone, form: &str) -> String {
    let offset = if zone.repeats(at) { " %:z" } else { "" };
    zone.local(at).format(&format!("{form}{offset}")).to_string()
}

/// In UTC, with all digits.
pub fn utc(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.f").to_string()
}

/// To the second, with offset and zone.
pub fn with_zone(at: DateTime<Utc>, zone: &Zone) -> String {
    let text = zone.local(at).format("%Y-%m-%d %H:%M:%S %:z");
    format!("{text} {zone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_are_rounded() {
        let now: DateTime<Utc> = "2026-11-23T12:00:00Z".parse().unwrap();
        let since = |seconds: i64| ago(now - chrono::TimeDelta::seconds(seconds), now);
        assert_eq!(since(0), "0 s");
        assert_eq!(since(59), "59 s");
        assert_eq!(since(185), "3 min");
        assert_eq!(since(3_600), "1 h");
        assert_eq!(since(18_600), "5 h 10 min");
        assert_eq!(since(86_400), "1 day");
        assert_eq!(since(2 * 86_400 + 3 * 3_600), "2 days 3 h");
        assert_eq!(since(1_000 * 86_400), "1,000 days");
        assert_eq!(since(-2), "in the future");
    }

    #[test]
    fn instants_are_shown_in_the_zone() {
        let at: DateTime<Utc> = "2026-11-23T12:00:00Z".parse().unwrap();
        assert_eq!(
            local(at, &crate::time_zone::built_in("Asia/Seoul").unwrap()),
            "2026-11-23 21:00:00"
        );
        assert_eq!(
            with_zone(at, &crate::time_zone::built_in("Asia/Seoul").unwrap()),
            "2026-11-23 21:00:00 +09:00 Asia/Seoul"
        );
    }
}
