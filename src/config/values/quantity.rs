//! Durations, sizes and percentages: what was probably meant by an invalid one. Also durations in years.
//!
//! Invariant: what is suggested would be accepted.

use super::checker::Checker;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::suggest::nearest;
use crate::config::language::types::Type;
use crate::units::{self, UnitError};
use std::time::Duration;

impl Checker<'_> {
    pub(super) fn bad_unit(&self, text: &str, why: &UnitError) -> Finding {
        let what = match self.ty {
            Type::Size => "size",
            Type::Percent => "percentage",
            Type::Space => "percentage or size",
            _ => "duration",
        };
        let units = |allowed: &str| match self.ty {
            Type::Years => format!("{allowed}, y"),
            Type::Space if allowed != "%" => format!("%, {allowed}"),
            _ => allowed.to_owned(),
        };
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let fraction = fraction(&compact, self.ty);
        let meant_forever = self.ty == Type::Age && nearest(text, ["forever"].into_iter()).is_some();
        let finding = self.finding(
            Code::BadUnit,
            format!("`{}` is not a valid {what}", excerpt(text)),
            &match why {
                _ if meant_forever => "unknown word".to_owned(),
                _ if compact != text && valid(&compact, self.ty) => "contains a space".to_owned(),
                _ if fraction.is_some() => "not a whole number".to_owned(),
                UnitError::Unit { found, allowed } if allowed.split(", ").any(|unit| unit == found.trim()) => {
                    "contains a space".to_owned()
                }
                UnitError::Unit { found, allowed } if found.trim().is_empty() => {
                    format!("needs a unit: one of {}", units(allowed))
                }
                UnitError::Unit { found, allowed } => {
                    format!(
                        "unknown unit `{}`: use one of {}",
                        excerpt(found.trim()),
                        units(allowed)
                    )
                }
                UnitError::Number(_) if compact.starts_with(|c: char| c.is_ascii_digit()) => {
                    "the years come first".to_owned()
                }
                UnitError::Number(_) => format!("a {what} starts with a number"),
                other => other.to_string(),
            },
        );
        let write = |meant: &str| format!("`{}`", self.with(meant));
        if meant_forever {
            return finding.help(format!("did you mean {}?", write("forever")));
        }
        if let Some((one, other)) = fraction {
            return finding.help(match other {
                Some(other) => format!("write {} or {}", write(&one), write(&other)),
                None => format!("write {}", write(&one)),
            });
        }
        if let Some(count) = months(&compact, self.ty) {
            let (days, minutes) = (write(&format!("{}d", count * 30)), write(&format!("{count}m")));
            return finding.help(if self.ty == Type::Duration {
                format!("write {minutes} for minutes, or {days} for months of 30 days")
            } else {
                format!("write {days} for months of 30 days; `m` is minutes")
            });
        }
        let help = match meant_unit(text, self.ty) {
            Some(meant) => self.write(&meant),
            None => format!("write {}", self.ty.form()),
        };
        finding.help(help)
    }
}

/// A duration that may start with years. A year is 366 days: a day too long is safer than one too short.
pub(super) fn years(text: &str) -> Result<Duration, UnitError> {
    let Some((number, rest)) = text.split_once('y') else {
        return units::parse_duration(text);
    };
    let tail = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    if tail > 0 && number.trim().bytes().all(|b| b.is_ascii_digit()) {
        return Err(UnitError::Unit {
            found: format!("y{}", rest.get(..tail).unwrap_or_default()),
            allowed: units::DURATION_UNITS,
        });
    }
    let number = number.trim();
    let days = number
        .parse::<u64>()
        .ok()
        .filter(|_| number.bytes().all(|b| b.is_ascii_digit()))
        .map(|years| years.saturating_mul(366));
    match days {
        None => Err(UnitError::Number(number.to_owned())),
        Some(0) if rest.is_empty() => Err(UnitError::Zero),
        Some(days) if days > 366 * 1_000 => Err(UnitError::Overflow),
        Some(days) => {
            let more = if rest.is_empty() {
                Duration::ZERO
            } else {
                units::parse_duration(rest)?
            };
            Ok(Duration::from_secs(days * 86_400) + more)
        }
    }
}

fn meant_unit(text: &str, ty: Type) -> Option<String> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if compact != text && valid(&compact, ty) {
        return Some(compact);
    }
    let split = compact.find(|c: char| !c.is_ascii_digit()).unwrap_or(compact.len());
    let (number, unit) = compact.split_at(split);
    let number: u64 = number.parse().ok().filter(|n| *n > 0)?;
    let unit = unit.to_ascii_lowercase();
    let meant = match ty {
        Type::Space if unit.is_empty() => format!("{}%", number.min(100)),
        Type::Space if compact.contains('%') => format!("{}%", number.min(100)),
        Type::Size | Type::Space => match unit.as_str() {
            "" | "b" | "byte" | "bytes" => format!("{number}B"),
            "k" | "kib" => format!("{number}KiB"),
            "m" | "mib" => format!("{number}MiB"),
            "g" | "gib" => format!("{number}GiB"),
            "t" | "tib" => format!("{number}TiB"),
            "mb" => format!("{number}MB"),
            "gb" => format!("{number}GB"),
            "tb" => format!("{number}TB"),
            _ => return None,
        },
        Type::Percent => format!("{}%", number.min(100)),
        _ => match unit.as_str() {
            "y" | "yr" | "yrs" | "year" | "years" if ty == Type::Years => format!("{number}y"),
            "y" | "yr" | "yrs" | "year" | "years" => format!("{}d", number.checked_mul(365)?),
            "mo" | "month" | "months" => format!("{}d", number.checked_mul(30)?),
            "w" | "week" | "weeks" => format!("{number}w"),
            "d" | "day" | "days" => format!("{number}d"),
            "h" | "hour" | "hours" | "hr" | "hrs" => format!("{number}h"),
            "m" | "min" | "mins" | "minute" | "minutes" => format!("{number}m"),
            "" if matches!(ty, Type::Age | Type::Years) => format!("{number}d"),
            "" | "s" | "sec" | "secs" | "second" | "seconds" => format!("{number}s"),
            _ => return None,
        },
    };
    (valid(&meant, ty) && meant != text).then_some(meant)
}

fn valid(text: &str, ty: Type) -> bool {
    match ty {
        Type::Size => units::parse_size(text).is_ok(),
        Type::Percent => units::parse_percent(text).is_ok(),
        Type::Space => units::parse_percent(text).is_ok() || units::parse_size(text).is_ok(),
        Type::Years => years(text).is_ok(),
        _ => units::parse_duration(text).is_ok(),
    }
}

/// `1M` probably means months.
fn months(compact: &str, ty: Type) -> Option<u64> {
    if matches!(ty, Type::Size | Type::Percent | Type::Space) {
        return None;
    }
    let count: u64 = compact.strip_suffix('M')?.parse().ok()?;
    (1..=12_000).contains(&count).then_some(count)
}

/// `1.5h`: in one smaller unit, and as a sum when that is another form.
fn fraction(compact: &str, ty: Type) -> Option<(String, Option<String>)> {
    let (whole, rest) = compact.split_once('.')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (part, unit) = rest.split_at(end);
    if part.is_empty() || part.len() > 3 || whole.len() > 6 {
        return None;
    }
    let tenths = 10_u64.pow(u32::try_from(part.len()).ok()?);
    let scaled = whole.parse::<u64>().ok()? * tenths + part.parse::<u64>().ok()?;
    let in_unit = |factor: u64| {
        (scaled * factor)
            .is_multiple_of(tenths)
            .then(|| scaled * factor / tenths)
    };
    if matches!(ty, Type::Size | Type::Space) {
        let smaller = match unit {
            "TB" => "GB",
            "GB" => "MB",
            "MB" => "kB",
            "TiB" => "GiB",
            "GiB" => "MiB",
            "MiB" => "KiB",
            _ => return None,
        };
        let factor = if unit.contains('i') { 1024 } else { 1000 };
        let meant = format!("{}{smaller}", in_unit(factor)?);
        return valid(&meant, ty).then_some((meant, None));
    }
    if ty == Type::Percent {
        return None;
    }
    let (factor, smaller) = match unit {
        "w" => (7, "d"),
        "d" => (24, "h"),
        "h" => (60, "m"),
        "m" => (60, "s"),
        "s" => (1000, "ms"),
        _ => return None,
    };
    let count = in_unit(factor)?;
    let one = format!("{count}{smaller}");
    let (more, left) = (count / factor, count % factor);
    let sum = (more > 0 && left > 0).then(|| format!("{more}{unit}{left}{smaller}"));
    valid(&one, ty).then_some((one, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_durations() {
        assert_eq!(years("2y"), Ok(Duration::from_hours(2 * 366 * 24)));
        assert_eq!(years("1y1d"), Ok(Duration::from_hours(367 * 24)));
        assert_eq!(years("7d"), Ok(Duration::from_hours(7 * 24)));
        for bad in ["y", "0y", "-1y", "99999999999999999999y", "1001y", "1yy"] {
            assert!(years(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_was_meant() {
        assert_eq!(meant_unit("5 minutes", Type::Duration).as_deref(), Some("5m"));
        assert_eq!(meant_unit("6mo", Type::Age).as_deref(), Some("180d"));
        assert_eq!(meant_unit("30", Type::Age).as_deref(), Some("30d"));
        assert_eq!(meant_unit("10G", Type::Size).as_deref(), Some("10GiB"));
        assert_eq!(meant_unit("x", Type::Size), None);
        assert_eq!(meant_unit("2yr", Type::Years).as_deref(), Some("2y"));
        assert_eq!(meant_unit("1w 2d", Type::Age).as_deref(), Some("1w2d"));
        assert_eq!(months("1M", Type::Age), Some(1));
        assert_eq!(months("1m", Type::Age), None);
        let of = |text, ty| fraction(text, ty);
        assert_eq!(
            of("1.5h", Type::Age),
            Some(("90m".to_owned(), Some("1h30m".to_owned())))
        );
        assert_eq!(of("0.5d", Type::Age), Some(("12h".to_owned(), None)));
        assert_eq!(of("1.5GiB", Type::Size), Some(("1536MiB".to_owned(), None)));
        assert_eq!(of("1.h", Type::Age), None);
    }
}
