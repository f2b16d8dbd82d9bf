//! One value and the type it should have → a checked [`Datum`], or the finding that says what to write.
//!
//! Takes values as the parser saw them, gives durations, sizes, globs, zones. Knows forms, not settings.
//! Invariant: help always holds a value that would be accepted.

use super::findings::{Code, Finding};
use super::mend::one_line;
use super::nearest::nearest;
use super::paths;
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
        Data::Bool(flag) => Err(Some(Box::new(checker.wrong_type(&format!("#{flag}"))))),
        Data::Float(number) => Err(Some(Box::new(checker.wrong_type(&number.to_string())))),
        Data::Null => Err(Some(Box::new(checker.wrong_type("#null")))),
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

    fn wrong_type(&self, given: &str) -> Finding {
        let finding = self.finding(
            Code::WrongType,
            format!("`{}` takes {}", self.setting, self.ty.form()),
            &format!("this is {}", kind_of(&self.value.data)),
        );
        let digits = given.chars().all(|c| c.is_ascii_digit()) && !given.is_empty();
        let help = match self.ty {
            Type::Age | Type::Years if digits => {
                format!("a unit is missing: `{}`", (self.line)(&format!("\"{given}d\"")))
            }
            Type::Duration if digits => {
                format!("a unit is missing: `{}`", (self.line)(&format!("\"{given}d\"")))
                    + &format!(" or `{}`", (self.line)(&format!("\"{given}s\"")))
            }
            Type::Size if digits => format!("a unit is missing: `{}`", (self.line)(&format!("\"{given}B\""))),
            Type::Percent if digits => format!("write `{}`", (self.line)(&format!("\"{given}%\""))),
            Type::Text | Type::Name | Type::Path | Type::Glob if !given.starts_with('#') => {
                format!("write `{}`", (self.line)(&format!("\"{given}\"")))
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
        finding.help(help)
    }

    fn number(&self, number: i128) -> Result<Datum, Box<Finding>> {
        let Type::Integer(low, high) = self.ty else {
            return Err(Box::new(self.wrong_type(&number.to_string())));
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
        let unit = |result: Result<Datum, UnitError>| result.map_err(|why| Box::new(self.bad_unit(text, &why)));
        match self.ty {
            Type::Integer(..) | Type::Bool => Err(Box::new(self.wrong_type(text))),
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
                    let finding = self.finding(
                        Code::BadValue,
                        format!("`{}` is no name", one_line(text)),
                        &why.to_string(),
                    );
                    let meant = as_name(text).unwrap_or_else(|| "data".to_owned());
                    Err(Box::new(
                        finding.help(format!("write `{}`", (self.line)(&format!("\"{meant}\"")))),
                    ))
                }
            },
            Type::Age if text == "forever" => Ok(Datum::Forever),
            Type::Age | Type::Duration => unit(units::parse_duration(text).map(Datum::Duration)),
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
        if paths::is_remote(text) {
            let finding = self.finding(
                Code::BadValue,
                format!("`{}` is no directory of this machine", one_line(text)),
                "a directory belongs here",
            );
            let local = text.strip_prefix("file://").filter(|path| path.starts_with('/'));
            return Err(Box::new(if let Some(path) = local {
                finding.help(format!("write `{}`", (self.line)(&format!("\"{}\"", one_line(path)))))
            } else if self.setting == "import" {
                finding.help("name a file of this machine, such as `import \"conf.d/*.kdl\"`")
            } else {
                finding.help(paths::mount_help(self.setting))
            }));
        }
        Ok(Datum::Text(text.to_owned()))
    }

    fn bad_unit(&self, text: &str, why: &UnitError) -> Finding {
        let what = match self.ty {
            Type::Size => "size",
            Type::Percent => "percentage",
            _ => "duration",
        };
        let units = |allowed: &str| match self.ty {
            Type::Years => format!("{allowed}, y"),
            _ => allowed.to_owned(),
        };
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let fraction = fraction(&compact, self.ty);
        let meant_forever = self.ty == Type::Age && nearest(text, ["forever"].into_iter()).is_some();
        let finding = self.finding(
            Code::BadUnit,
            format!("`{}` is no {what}", one_line(text)),
            &match why {
                _ if meant_forever => "unknown word".to_owned(),
                _ if compact != text && valid(&compact, self.ty) => "no blanks inside".to_owned(),
                _ if fraction.is_some() => "only whole numbers".to_owned(),
                UnitError::Unit { found, allowed } if found.trim().is_empty() => {
                    format!("a unit is missing: one of {}", units(allowed))
                }
                UnitError::Unit { found, allowed } => {
                    format!(
                        "`{}` is not a unit: use one of {}",
                        one_line(found.trim()),
                        units(allowed)
                    )
                }
                other => other.to_string(),
            },
        );
        let write = |meant: &str| format!("`{}`", (self.line)(&format!("\"{meant}\"")));
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
            Some(meant) => format!("write `{}`", (self.line)(&format!("\"{meant}\""))),
            None => format!("write {}", self.ty.form()),
        };
        finding.help(help)
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
        if let Some(finding) = self.several_globs(text).or_else(|| self.negated_glob(text)) {
            return Err(Box::new(finding));
        }
        match Pattern::new(text) {
            Ok(pattern) => Ok(Datum::Glob(pattern)),
            Err(PatternError::Never { why, meant }) => {
                let finding = if text.is_empty() {
                    self.finding(Code::BadGlob, "an empty pattern can never match".to_owned(), "empty")
                } else {
                    self.finding(Code::BadGlob, format!("`{}` can never match", one_line(text)), why)
                };
                // Nobody who wrote nothing is told to write what takes everything.
                let nothing = text.chars().all(|c| matches!(c, '.' | '/'));
                Err(Box::new(match meant.filter(|m| !nothing && Pattern::new(m).is_ok()) {
                    Some(meant) if meant == "**" && self.setting == "class" => finding
                        .help("name what may go, such as \"raw/**\"; \"**\" takes every file that the backup stores"),
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

    /// `"*.csv, *.json"`
    fn several_globs(&self, text: &str) -> Option<Finding> {
        if !text.contains(',') || text.contains(['{', '[', '\\']) {
            return None;
        }
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let wild = |part: &str| part.contains(['*', '?']);
        let list = text.contains(", ") && parts.first().is_some_and(|part| wild(part))
            || parts.iter().all(|part| part.starts_with('*'));
        if !list || parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        let meant: Vec<String> = parts.iter().map(|part| format!("\"{part}\"")).collect();
        Some(
            self.finding(
                Code::BadGlob,
                format!("`{}` is one pattern, not {}", one_line(text), parts.len()),
                "each pattern has quotes of its own",
            )
            .help(format!(
                "write {}; a comma that belongs to a name is written `[,]`",
                one_line(&meant.join(" "))
            )),
        )
    }

    /// `"!x"`
    fn negated_glob(&self, text: &str) -> Option<Finding> {
        let rest = text.strip_prefix('!').filter(|rest| !rest.is_empty())?;
        let help = match self.setting {
            "exclude" => {
                "delete it: nothing takes files back from `exclude`, so let its patterns match less".to_owned()
            }
            _ => format!("write `exclude \"{}\"`", one_line(rest)),
        };
        Some(
            self.finding(
                Code::BadGlob,
                format!("`{}` does not negate", one_line(text)),
                "`!` has no meaning in a pattern",
            )
            .help(format!(
                "{help}; a name that begins with `!` is written #\"\\{}\"#",
                one_line(text)
            )),
        )
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
        // `Etc/GMT+9` lies nine hours behind UTC, not ahead: nobody who wrote `GMT+9` is led there.
        let upper = text.to_ascii_uppercase();
        let offset = upper.trim_start_matches("UTC").trim_start_matches("GMT").trim();
        if offset.starts_with(['+', '-']) {
            return Err(Box::new(finding.help(
                "an offset knows no summer time: name a place, such as `timezone \"Asia/Seoul\"`, or write \"UTC\"",
            )));
        }
        let near = same.or(city);
        let short = text.len() <= 5 && text.chars().all(|c| c.is_ascii_uppercase())
            || text.len() <= 4 && text.chars().all(|c| c.is_ascii_lowercase());
        if near.is_none() && short && !text.is_empty() {
            return Err(Box::new(finding.help(
                "abbreviations are ambiguous: name a place in the form `timezone \"Asia/Seoul\"`, or write \"UTC\"",
            )));
        }
        let near = near.or_else(|| nearest(&wanted, names()));
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

/// What was probably meant by a duration, size or percentage in another form.
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
        Type::Size => match unit.as_str() {
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
        Type::Years => years(text).is_ok(),
        _ => units::parse_duration(text).is_ok(),
    }
}

/// `1M`: months to whoever thinks of calendars, and minutes to nobody who thinks of deleting.
fn months(compact: &str, ty: Type) -> Option<u64> {
    if matches!(ty, Type::Size | Type::Percent) {
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
    if ty == Type::Size {
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
        assert_eq!(as_name("My Server!").as_deref(), Some("my-server"));
        assert_eq!(as_name("é"), None);
    }
}
