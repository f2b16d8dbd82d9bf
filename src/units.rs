//! Durations, sizes, percentages and names: their forms in the ops file and for people; hexadecimal.
//!
//! Takes text, gives values or a [`UnitError`] that says what would be right. Pure.
//! Invariant: what [`show_duration`] and [`show_size`] print for a value that the file could hold is
//! itself a valid form of it or a rounded one for people, never another value's exact form.

use std::fmt::Write as _;
use std::time::Duration;

/// Why a text is not a valid duration, size, percentage or name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("it is empty")]
    Empty,
    /// A number without a unit, or a unit that does not exist.
    #[error("`{found}` is not a unit: use one of {allowed}")]
    Unit {
        /// The text in place of the unit; may be empty.
        found: String,
        allowed: &'static str,
    },
    /// No digit where a number starts.
    #[error("`{0}` does not start with a number")]
    Number(String),
    #[error("it must be more than zero")]
    Zero,
    #[error("it is too large")]
    Overflow,
    #[error("it must be more than 0% and at most 100%")]
    Percent,
    #[error("a name is 1 to 63 of a-z, 0-9, `_` and `-`, and starts with a letter or digit")]
    Name,
}

impl UnitError {
    fn unit(found: &str, allowed: &'static str) -> Self {
        let found = found.to_owned();
        Self::Unit { found, allowed }
    }
}

pub const DURATION_UNITS: &str = "ms, s, m, h, d, w";
pub const SIZE_UNITS: &str = "B, kB, MB, GB, TB, KiB, MiB, GiB, TiB";

/// Units of a duration in milliseconds, the largest first.
const MILLIS: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Parses `"90s"`, `"36h"`, `"1h30m"`: whole numbers with units, summed. Zero and overflow are errors.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return Err(UnitError::Empty);
    }
    while !rest.is_empty() {
        let (number, tail) = split_number(rest)?;
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let known = MILLIS.iter().find(|(name, _)| *name == unit);
        let (_, millis) = known.ok_or_else(|| UnitError::unit(unit, DURATION_UNITS))?;
        let added = number.checked_mul(*millis).map(Duration::from_millis);
        total = added
            .and_then(|added| total.checked_add(added))
            .ok_or(UnitError::Overflow)?;
        rest = tail;
    }
    // Ages are computed in nanoseconds of i64 range by others: a thousand years are enough for everyone.
    if total.as_secs() > 1_000 * 366 * 86_400 {
        return Err(UnitError::Overflow);
    }
    if total.is_zero() {
        Err(UnitError::Zero)
    } else {
        Ok(total)
    }
}

/// Parses `"500MB"` (10^6) and `"10GiB"` (2^30): one whole number and a unit. Zero and overflow are errors.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    if text.is_empty() {
        return Err(UnitError::Empty);
    }
    let (number, unit) = split_number(text)?;
    let factor: u64 = match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(UnitError::unit(unit, SIZE_UNITS)),
    };
    match number.checked_mul(factor) {
        None => Err(UnitError::Overflow),
        Some(0) => Err(UnitError::Zero),
        Some(bytes) => Ok(bytes),
    }
}

/// Parses `"20%"`, a whole number of hundredths from 1 to 100.
pub fn parse_percent(text: &str) -> Result<u8, UnitError> {
    if text.is_empty() {
        return Err(UnitError::Empty);
    }
    let (number, unit) = split_number(text)?;
    if unit != "%" {
        return Err(UnitError::unit(unit, "%"));
    }
    match u8::try_from(number) {
        Ok(percent @ 1..=100) => Ok(percent),
        _ => Err(UnitError::Percent),
    }
}

/// Accepts `[a-z0-9][a-z0-9_-]{0,62}`.
pub fn check_name(text: &str) -> Result<(), UnitError> {
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fine = text.len() <= 63 && text.starts_with(first) && text.chars().all(|c| first(c) || c == '_' || c == '-');
    if fine { Ok(()) } else { Err(UnitError::Name) }
}

fn split_number(text: &str) -> Result<(u64, &str), UnitError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Err(UnitError::Number(text.to_owned()));
    }
    let number = digits.parse().map_err(|_| UnitError::Overflow)?;
    Ok((number, rest))
}

/// The most milliseconds that fit where it is longer.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A duration in JSON: its milliseconds.
pub fn serialize_millis<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(millis(*duration))
}

/// A duration for people and for the file: the largest unit that divides it, or a sum (`1h30m`).
pub fn show_duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    if rest == 0 {
        return "0s".to_owned();
    }
    let units = || MILLIS.iter().skip(1).map(|(unit, millis)| (unit, u128::from(*millis)));
    // The one unit that says it exactly, when the number stays small: `30d`, `90m`, `36h`.
    for (unit, millis) in units() {
        if rest.is_multiple_of(millis) && rest / millis < 100_000 && rest >= millis {
            return format!("{}{unit}", rest / millis);
        }
    }
    let mut out = String::new();
    for (unit, millis) in units() {
        let n = rest / millis;
        if n > 0 {
            let _ = write!(out, "{n}{unit}");
            rest -= n * millis;
        }
    }
    out
}

/// How long something took, for people: `340 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`.
pub fn took(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
        _ => format!("{} h {} min", millis / 3_600_000, millis % 3_600_000 / 60_000),
    }
}

/// The same for what may be years: `3 d 4 h`, `10 years`.
pub fn long_time(time: Duration) -> String {
    let hours = time.as_secs() / 3_600;
    match hours {
        0..48 => took(time.as_secs().saturating_mul(1_000)),
        48..17_544 => format!("{} d {} h", hours / 24, hours % 24),
        _ => format!("{} years", hours / 8_766),
    }
}

/// A size for people, in binary units with one decimal: `512 B`, `1.5 KiB`, `10.0 GiB`.
pub fn show_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    for unit in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        value /= 1024.0;
        if value < 1023.95 {
            return format!("{value:.1} {unit}");
        }
    }
    format!("{:.1} EiB", value / 1024.0)
}

/// `3 files (1.5 KiB)`.
pub fn show_files(files: u64, bytes: u64) -> String {
    format!("{} ({})", plural(files, "file", "files"), show_size(bytes))
}

/// A count for people, with thin groups of three: `1,234,567`.
pub fn show_count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `a, b, c`.
pub fn joined<T: ToString>(items: &[T]) -> String {
    let texts: Vec<String> = items.iter().map(T::to_string).collect();
    texts.join(", ")
}

/// `a, b and c`.
pub fn listed(items: &[String]) -> String {
    match items {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        _ => items.concat(),
    }
}

/// A sum that stops at the greatest number: sizes of sparse files, and what a copy says of itself, can add up to more.
pub fn total(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

/// `1 file`, `2 files`.
pub fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", show_count(n), if n == 1 { one } else { many })
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |n: u8| DIGITS.get(usize::from(n)).copied().map_or('0', char::from);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// 32 bytes from hexadecimal.
pub fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?));
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// `%41` is `A`; what is not an escape stays.
pub fn percent_decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut plain = Vec::with_capacity(rest.len());
    while let Some((first, more)) = rest.split_first() {
        let digits = more
            .get(..2)
            .filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            plain.push(byte);
            rest = more.get(2..).unwrap_or_default();
        } else {
            plain.push(*first);
            rest = more;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("800ms"), Ok(Duration::from_millis(800)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("2w"), Ok(Duration::from_secs(14 * 86400)));
        assert_eq!(parse_duration("0s"), Err(UnitError::Zero));
        assert_eq!(parse_duration("99999999999999999999s"), Err(UnitError::Overflow));
        assert_eq!(parse_duration("999999999w"), Err(UnitError::Overflow));
        for bad in ["", "5", "m", "-5m", "5 m", "5y", "1.5h", "5m5"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_and_percentages() {
        assert_eq!(parse_size("500MB"), Ok(500_000_000));
        assert_eq!(parse_size("10GiB"), Ok(10 << 30));
        assert_eq!(parse_size("0B"), Err(UnitError::Zero));
        for bad in ["", "10", "10G", "1.5GB", "-1B", "99999999999TiB"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_percent("20%"), Ok(20));
        for bad in ["", "0%", "101%", "20", "5.5%"] {
            assert!(parse_percent(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(check_name("a0_-b"), Ok(()));
        assert_eq!(check_name(&"a".repeat(63)), Ok(()));
        for bad in ["", "-a", "_a", "A", "a.b", "é", &"a".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shown_for_people() {
        let took: Vec<String> = [0, 999, 1_290, 61_234, 7_500_000].into_iter().map(took).collect();
        assert_eq!(took, ["0 ms", "999 ms", "1.2 s", "1 min 1 s", "2 h 5 min"]);
        let shown = |text| show_duration(parse_duration(text).unwrap());
        assert_eq!(shown("7d"), "7d");
        assert_eq!(shown("30d"), "30d");
        assert_eq!(shown("90m"), "90m");
        assert_eq!(shown("1h30s"), "3630s");
        assert_eq!(show_size(1023), "1023 B");
        assert_eq!(show_size(1536), "1.5 KiB");
        assert_eq!(show_size(1024 * 1024), "1.0 MiB");
        assert_eq!(show_count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "file", "files"), "1 file");
    }

    #[test]
    fn what_is_shown_parses_to_the_same() {
        for text in ["1ms", "1500ms", "90s", "3h", "49h", "14d", "5w", "1d1h1m1s1ms"] {
            let value = parse_duration(text).unwrap();
            assert_eq!(parse_duration(&show_duration(value)), Ok(value), "{text}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(percent_decoded("a%41%zz%4"), b"aA%zz%4");
    }
}
