//! One value and the type it should have → a checked [`Datum`], or the finding that says what to write.
//!
//! Takes values as the parser saw them, gives durations, sizes, globs, zones. Knows forms, not settings.
//! Invariant: help always holds a value that would be accepted.

use super::findings::{Code, Finding};
use super::mend::one_line;
use super::nearest::nearest;
use super::reader::Datum;
use super::schema::Type;
use super::tree::{Data, Value};
use crate::model::pattern::{Pattern, PatternError};
use crate::units::{self, UnitError};
use std::time::Duration;

/// Checks `value`; `line` writes the setting with another value. `Err(None)`: wrong, and reported elsewhere.
pub(super) fn check(
    value: &Value,
    ty: Type,
    setting: &str,
    line: &dyn Fn(&str) -> String,
) -> Result<Datum, Option<Box<Finding>>> {
    let checker = Checker {
        value,
        ty,
        setting,
        line,
    };
    match &value.data {
        Data::Mended => Err(None),
        Data::Text(text) => checker.text(text).map_err(Some),
        Data::Integer(number) => checker.number(*number).map_err(Some),
        Data::Bool(flag) if ty == Type::Bool => Ok(Datum::Bool(*flag)),
        Data::Bool(flag) => Err(Some(checker.wrong_type(&format!("#{flag}")))),
        Data::Float(number) => Err(Some(checker.wrong_type(&number.to_string()))),
        Data::Null => Err(Some(checker.wrong_type("#null"))),
    }
}

struct Checker<'a> {
    value: &'a Value,
    ty: Type,
    setting: &'a str,
    line: &'a dyn Fn(&str) -> String,
}

impl Checker<'_> {
    fn finding(&self, code: Code, message: String, label: &str) -> Finding {
        Finding::new(code, self.value.span, message, label)
    }

    fn wrong_type(&self, given: &str) -> Box<Finding> {
        let finding = self.finding(
            Code::WrongType,
            format!("`{}` takes {}", self.setting, self.ty.form()),
            &format!("this is {}", kind_of(&self.value.data)),
        );
        let digits = given.chars().all(|c| c.is_ascii_digit()) && !given.is_empty();
        let help = match self.ty {
            Type::Duration | Type::Age | Type::Years if digits => {
                format!("a unit is missing: `{}`", (self.line)(&format!("\"{given}d\"")))
                    + &format!(" or `{}`", (self.line)(&format!("\"{given}s\"")))
            }
            Type::Size if digits => format!("a unit is missing: `{}`", (self.line)(&format!("\"{given}B\""))),
            Type::Percent if digits => format!("write `{}`", (self.line)(&format!("\"{given}%\""))),
            Type::Text | Type::Name | Type::Path | Type::Glob => {
                format!(
                    "write `{}`",
                    (self.line)(&format!("\"{}\"", given.trim_start_matches('#')))
                )
            }
            Type::Bool if matches!(given, "true" | "yes" | "on" | "1") => {
                format!("write `{}`", (self.line)("#true"))
            }
            Type::Bool if matches!(given, "false" | "no" | "off" | "0") => {
                format!("write `{}`", (self.line)("#false"))
            }
            Type::Bool => format!("write `{}`, or #false", (self.line)("#true")),
            Type::Integer(low, high) => {
                let plain = given.split('.').next().unwrap_or(given);
                match plain.parse::<u64>() {
                    Ok(n) if (low..=high).contains(&n) => format!("write `{}`", (self.line)(plain)),
                    _ => format!("for example `{}`", (self.line)(&low.max(1).to_string())),
                }
            }
            _ => format!("write {}", self.ty.form()),
        };
        Box::new(finding.help(help))
    }

    fn number(&self, number: i128) -> Result<Datum, Box<Finding>> {
        let Type::Integer(low, high) = self.ty else {
            return Err(self.wrong_type(&number.to_string()));
        };
        match u64::try_from(number) {
            Ok(n) if (low..=high).contains(&n) => Ok(Datum::Number(n)),
            _ => {
                let meant = if number < i128::from(low) { low } else { high };
                Err(Box::new(
                    self.finding(
                        Code::BadValue,
                        format!("`{}` takes {}", self.setting, self.ty.form()),
                        "outside the range",
                    )
                    .help(format!(
                        "the nearest that is allowed: `{}`",
                        (self.line)(&meant.to_string())
                    )),
                ))
            }
        }
    }

    fn text(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let unit = |result: Result<Datum, UnitError>| result.map_err(|why| self.bad_unit(text, &why));
        match self.ty {
            Type::Integer(..) | Type::Bool => Err(self.wrong_type(text)),
            Type::Text => Ok(Datum::Text(text.to_owned())),
            Type::Path if text.is_empty() || text.contains('\0') => Err(Box::new(
                self.finding(
                    Code::BadValue,
                    format!("`{}` takes a path", self.setting),
                    if text.is_empty() {
                        "empty"
                    } else {
                        "holds a NUL character"
                    },
                )
                .help(format!("for example `{}`", (self.line)("\"/srv/data\""))),
            )),
            Type::Path => self.path(text),
            Type::Name => match units::check_name(text) {
                Ok(()) => Ok(Datum::Text(text.to_owned())),
                Err(why) => {
                    let finding =
                        self.finding(Code::BadValue, format!("`{}` is no name", one_line(text)), "not a name");
                    Err(Box::new(finding.help(match as_name(text) {
                        Some(meant) => format!("{why}: write \"{meant}\""),
                        None => why.to_string(),
                    })))
                }
            },
            Type::Duration => unit(units::parse_duration(text).map(Datum::Duration)),
            Type::Age if text == "forever" => Ok(Datum::Forever),
            Type::Age => unit(units::parse_duration(text).map(Datum::Duration)),
            Type::Years => unit(years(text).map(Datum::Duration)),
            Type::Size => unit(units::parse_size(text).map(Datum::Number)),
            Type::Percent => unit(units::parse_percent(text).map(Datum::Percent)),
            Type::Word(words, later) => self.word(text, words, later),
            Type::Glob => self.glob(text),
            Type::Zone => self.zone(text),
        }
    }

    /// `~` and `$VAR` are not expanded: a path that holds them was meant otherwise.
    fn path(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let expands = text == "~" || text.starts_with("~/") || text.starts_with('$') || text.contains("/$");
        if expands {
            return Err(Box::new(
                self.finding(
                    Code::BadValue,
                    format!("`{}` is not expanded", one_line(text)),
                    "taken as it stands",
                )
                .help(format!(
                    "write the path out, such as `{}`",
                    (self.line)("\"/home/observer/data\"")
                )),
            ));
        }
        Ok(Datum::Text(text.to_owned()))
    }

    fn bad_unit(&self, text: &str, why: &UnitError) -> Box<Finding> {
        let what = match self.ty {
            Type::Size => "size",
            Type::Percent => "percentage",
            _ => "duration",
        };
        let finding = self.finding(
            Code::BadUnit,
            format!("`{}` is no {what}", one_line(text)),
            &why.to_string(),
        );
        let help = match meant_unit(text, self.ty) {
            Some(meant) => format!("write `{}`", (self.line)(&format!("\"{meant}\""))),
            None => format!("write {}", self.ty.form()),
        };
        Box::new(finding.help(help))
    }

    fn word(&self, text: &str, words: &'static [&'static str], later: &[&str]) -> Result<Datum, Box<Finding>> {
        if words.contains(&text) {
            return Ok(Datum::Text(text.to_owned()));
        }
        if later.contains(&text) {
            return Err(Box::new(
                self.finding(
                    Code::BadValue,
                    format!("`{} \"{text}\"` is not in this build", self.setting),
                    "known to the language, but not built in",
                )
                .help(format!("write {}", self.ty.form())),
            ));
        }
        let finding = self.finding(
            Code::BadValue,
            format!("`{}` is no value of `{}`", one_line(text), self.setting),
            "unknown value",
        );
        Err(Box::new(match nearest(text, words.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{}`?", (self.line)(&format!("\"{near}\"")))),
            None => finding.help(format!("write {}", self.ty.form())),
        }))
    }

    fn glob(&self, text: &str) -> Result<Datum, Box<Finding>> {
        match Pattern::new(text) {
            Ok(pattern) => Ok(Datum::Glob(pattern)),
            Err(PatternError::Never { why, meant }) => {
                let finding = self.finding(Code::BadGlob, format!("`{}` can never match", one_line(text)), why);
                Err(Box::new(match meant.filter(|m| Pattern::new(m).is_ok()) {
                    Some(meant) => finding.help(format!("write \"{}\"", one_line(&meant))),
                    None => finding.help("patterns are relative to the source, such as \"raw/**\""),
                }))
            }
            Err(PatternError::Syntax(why)) => Err(Box::new(
                self.finding(Code::BadGlob, format!("`{}` is no glob", one_line(text)), &why)
                    .help("a special character stands for itself behind a backslash: #\"a\\[b\"#"),
            )),
        }
    }

    fn zone(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if let Ok(zone) = text.parse::<chrono_tz::Tz>() {
            return Ok(Datum::Zone(zone));
        }
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let wanted = text.replace(' ', "_");
        let finding = self.finding(
            Code::UnknownTimezone,
            format!("there is no time zone `{}`", one_line(text)),
            &format!("not in the IANA data {}", chrono_tz::IANA_TZDB_VERSION),
        );
        // `Seoul` for `Asia/Seoul`, then a slip of the hand.
        let city = names().find(|name| {
            name.rsplit('/')
                .next()
                .is_some_and(|city| city.eq_ignore_ascii_case(&wanted))
        });
        let same = names().find(|name| name.eq_ignore_ascii_case(&wanted));
        let near = same.or(city).or_else(|| nearest(&wanted, names()));
        Err(Box::new(match near {
            Some(near) => finding.help(format!("did you mean `{}`?", (self.line)(&format!("\"{near}\"")))),
            None => finding.help("write an IANA name such as \"Asia/Seoul\", or \"UTC\""),
        }))
    }
}

fn kind_of(data: &Data) -> &'static str {
    match data {
        Data::Text(_) => "text",
        Data::Integer(_) => "a number",
        Data::Float(_) => "a number with a fraction",
        Data::Bool(_) => "a flag",
        Data::Null | Data::Mended => "nothing",
    }
}

/// A duration that may begin with years of 366 days: rather a day too long than one too short.
fn years(text: &str) -> Result<Duration, UnitError> {
    let Some((number, rest)) = text.split_once('y') else {
        return units::parse_duration(text);
    };
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

/// What was probably meant by a duration, size or percentage in another form.
fn meant_unit(text: &str, ty: Type) -> Option<String> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let split = compact.find(|c: char| !c.is_ascii_digit()).unwrap_or(compact.len());
    let (number, unit) = compact.split_at(split);
    let number: u64 = number.parse().ok().filter(|n| *n > 0)?;
    let unit = unit.to_ascii_lowercase();
    let meant = match ty {
        Type::Size => match unit.as_str() {
            "" | "byte" | "bytes" => format!("{number}B"),
            "k" | "kib" => format!("{number}KiB"),
            "m" | "mib" => format!("{number}MiB"),
            "g" | "gib" => format!("{number}GiB"),
            "t" | "tib" => format!("{number}TiB"),
            "mb" => format!("{number}MB"),
            "gb" => format!("{number}GB"),
            "tb" => format!("{number}TB"),
            "b" => format!("{number}B"),
            _ => return None,
        },
        Type::Percent => format!("{}%", number.min(100)),
        _ => match unit.as_str() {
            "y" | "year" | "years" if ty == Type::Years => format!("{number}y"),
            "y" | "year" | "years" => format!("{}d", number.checked_mul(365)?),
            "mo" | "month" | "months" => format!("{}d", number.checked_mul(30)?),
            "w" | "week" | "weeks" => format!("{number}w"),
            "d" | "day" | "days" => format!("{number}d"),
            "h" | "hour" | "hours" | "hr" | "hrs" => format!("{number}h"),
            "m" | "min" | "mins" | "minute" | "minutes" => format!("{number}m"),
            "" | "s" | "sec" | "secs" | "second" | "seconds" => format!("{number}s"),
            _ => return None,
        },
    };
    let valid = match ty {
        Type::Size => units::parse_size(&meant).is_ok(),
        Type::Percent => units::parse_percent(&meant).is_ok(),
        Type::Years => years(&meant).is_ok(),
        _ => units::parse_duration(&meant).is_ok(),
    };
    (valid && meant != text).then_some(meant)
}

/// The name that was probably meant.
pub(super) fn as_name(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.trim().chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() || (matches!(c, '_' | '-') && !name.is_empty()) {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    let name = name.get(..name.len().min(63))?;
    units::check_name(name).is_ok().then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_for_copies() {
        assert_eq!(years("2y"), Ok(Duration::from_secs(2 * 366 * 86_400)));
        assert_eq!(years("1y1d"), Ok(Duration::from_secs(367 * 86_400)));
        assert_eq!(years("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for bad in ["y", "0y", "-1y", "99999999999999999999y", "1001y", "1yy"] {
            assert!(years(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_was_meant() {
        assert_eq!(meant_unit("5 minutes", Type::Duration).as_deref(), Some("5m"));
        assert_eq!(meant_unit("6mo", Type::Age).as_deref(), Some("180d"));
        assert_eq!(meant_unit("30", Type::Age).as_deref(), Some("30s"));
        assert_eq!(meant_unit("10G", Type::Size).as_deref(), Some("10GiB"));
        assert_eq!(meant_unit("x", Type::Size), None);
        assert_eq!(as_name("My Server!").as_deref(), Some("my-server"));
        assert_eq!(as_name("é"), None);
    }
}
