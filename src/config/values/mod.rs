//! One value and the type it should have → a checked [`Datum`], or the finding that says what to write.
//!
//! Takes values as the parser saw them, gives durations, sizes, globs, zones, addresses. Knows forms, not settings.
//! Invariant: help always holds a value that would be accepted.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::suggest::{nearest, surely};
use crate::config::nodes::reader::Datum;
use crate::config::nodes::schema::Type;
use crate::config::source::paths;
use crate::config::syntax::kdl_string;
use crate::config::syntax::other_formats::loanwords;
use crate::config::syntax::tree::{Data, SyntaxValue};
use crate::model::check::Space;
use crate::units::{self, UnitError};

mod globs;
mod net;
mod programs;
mod units_meant;
mod zones;

/// Checks `value`; `line` writes the setting with another value. `Err(None)`: wrong, and reported elsewhere.
pub(in crate::config) fn check(
    value: &SyntaxValue,
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
        Data::Replaced => Err(None),
        // Said by `secrets`, which shows none of it.
        Data::Text(_) | Data::Integer(_) | Data::Float(_) if ty == Type::Secret => Err(None),
        Data::Text(text) => checker.text(text).map_err(Some),
        Data::Integer(number) => checker.number(*number).map_err(Some),
        Data::Bool(flag) if ty == Type::Bool => Ok(Datum::Bool(*flag)),
        Data::Bool(flag) if ty == Type::Scalar => Ok(Datum::Scalar((*flag).into())),
        Data::Bool(flag) => Err(Some(Box::new(checker.wrong_type(&format!("#{flag}"))))),
        Data::Float(number) => checker.decimal(*number).map_err(Some),
        Data::Null if ty == Type::Scalar => Ok(Datum::Scalar(serde_json::Value::Null)),
        Data::Null => Err(Some(Box::new(checker.wrong_type("#null")))),
    }
}

struct Checker<'a> {
    value: &'a SyntaxValue,
    ty: Type,
    setting: &'a str,
    line: &'a dyn Fn(&str) -> String,
}

impl Checker<'_> {
    fn finding(&self, code: Code, message: String, label: &str) -> Finding {
        Finding::new(code, self.value.span, message, label)
    }

    /// A number as it was typed: as text, every character of it counts.
    fn typed(&self, number: &impl ToString) -> String {
        if self.value.typed.is_empty() {
            number.to_string()
        } else {
            self.value.typed.clone()
        }
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
                format!("a unit is missing: `{}`", (self.line)(&format!("\"{given}s\"")))
                    + &format!(" or `{}`", (self.line)(&format!("\"{given}m\"")))
            }
            Type::Size if digits => format!("a unit is missing: `{}`", (self.line)(&format!("\"{given}B\""))),
            Type::Percent if digits => format!("write `{}`", (self.line)(&format!("\"{given}%\""))),
            // One of several on its line, or what a flag cannot say.
            Type::Argument if given != "#null" => format!("write \"{}\"", given.trim_start_matches('#')),
            Type::Text | Type::Name | Type::Path | Type::Glob | Type::File | Type::Variable
                if !given.starts_with('#') =>
            {
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
            Type::Space if digits => format!(
                "a unit is missing: `{}` or `{}`",
                (self.line)(&format!("\"{given}%\"")),
                (self.line)(&format!("\"{given}GiB\""))
            ),
            _ => format!("write {}", self.ty.form()),
        };
        // One value only is written so.
        let meant = match self.ty {
            Type::Percent if digits => Some(format!("\"{given}%\"")),
            Type::Argument | Type::Text | Type::Name | Type::Path | Type::File
                if matches!(self.value.data, Data::Integer(_) | Data::Float(_)) =>
            {
                Some(format!("\"{given}\""))
            }
            Type::Bool if matches!(given, "true" | "yes" | "on" | "1") => Some("#true".to_owned()),
            Type::Bool if matches!(given, "false" | "no" | "off" | "0") => Some("#false".to_owned()),
            Type::Integer(low, high) if digits && given.parse().is_ok_and(|n| (low..=high).contains(&n)) => {
                Some(given.to_owned())
            }
            _ => None,
        };
        match meant {
            Some(meant) => finding.help(help).fix(self.value.span, meant),
            None => finding.help(help),
        }
    }

    /// With a fraction, or written as if it had one.
    fn decimal(&self, number: f64) -> Result<Datum, Box<Finding>> {
        match self.ty {
            Type::Decimal(low, high) => {
                if (f64::from(low)..=f64::from(high)).contains(&number) {
                    return Ok(Datum::Decimal(number));
                }
                let meant = if number > f64::from(high) { high } else { low };
                Err(Box::new(self.outside(&format!("{meant}.0"))))
            }
            Type::Scalar => match serde_json::Number::from_f64(number) {
                Some(number) => Ok(Datum::Scalar(number.into())),
                None => Err(Box::new(
                    self.finding(
                        Code::BadValue,
                        "JSON has no such number".to_owned(),
                        "neither finite nor a number",
                    )
                    .help(format!("write {}", self.ty.form())),
                )),
            },
            _ => Err(Box::new(self.wrong_type(&self.typed(&format!("{number:?}"))))),
        }
    }

    fn outside(&self, meant: &str) -> Finding {
        self.finding(
            Code::BadValue,
            format!("`{}` takes {}", self.setting, self.ty.form()),
            "outside the range",
        )
        .help(format!("the nearest that is allowed: `{}`", (self.line)(meant)))
    }

    fn number(&self, number: i128) -> Result<Datum, Box<Finding>> {
        let (low, high) = match self.ty {
            Type::Integer(low, high) => (low, high),
            Type::Decimal(..) => return self.decimal(number as f64),
            Type::Scalar => {
                let fits = i64::try_from(number)
                    .map(Into::into)
                    .or_else(|_| u64::try_from(number).map(Into::into));
                return match fits {
                    Ok(number) => Ok(Datum::Scalar(serde_json::Value::Number(number))),
                    Err(_) => Err(Box::new(
                        self.finding(
                            Code::BadValue,
                            "the number is too large".to_owned(),
                            "more than 64 bits",
                        )
                        .help("write a number of at most 18 digits"),
                    )),
                };
            }
            _ => return Err(Box::new(self.wrong_type(&self.typed(&number)))),
        };
        match u64::try_from(number) {
            Ok(n) if (low..=high).contains(&n) => Ok(Datum::Number(n)),
            _ => {
                let meant = if number < i128::from(low) { low } else { high };
                Err(Box::new(self.outside(&meant.to_string())))
            }
        }
    }

    fn text(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let unit = |result: Result<Datum, UnitError>| result.map_err(|why| Box::new(self.bad_unit(text, &why)));
        match self.ty {
            Type::Integer(..) | Type::Bool | Type::Decimal(..) => Err(Box::new(self.wrong_type(text))),
            Type::Text | Type::Job | Type::Cron | Type::Secret => Ok(Datum::Text(text.to_owned())),
            Type::Scalar => Ok(Datum::Scalar(text.into())),
            Type::Argument => self.argument(text),
            Type::Program => self.program(text),
            Type::Variable => self.variable(text),
            Type::Header => self.header(text),
            Type::Address => self.address(text),
            Type::Mail => self.mail(text),
            Type::Url => self.url(text),
            Type::Pointer => self.pointer(text),
            Type::Path | Type::File if text.is_empty() || text.contains('\0') => Err(Box::new(
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
            Type::Path | Type::File => self.path(text),
            Type::Name => match units::check_name(text) {
                Ok(()) => Ok(Datum::Text(text.to_owned())),
                Err(why) => {
                    let finding = self.finding(
                        Code::BadValue,
                        format!("`{}` is no name", excerpt(text)),
                        &why.to_string(),
                    );
                    let meant = as_name(text).unwrap_or_else(|| "data".to_owned());
                    if self.setting == "class" && text.contains(['*', '?', '/', '[', '{']) {
                        return Err(Box::new(finding.help(format!(
                            "a class has a name first, then its globs: `class \"{meant}\" {} keep=…`",
                            excerpt(&kdl_string(text))
                        ))));
                    }
                    Err(Box::new(
                        finding.help(format!("write `{}`", (self.line)(&format!("\"{meant}\"")))),
                    ))
                }
            },
            Type::Age if text == "forever" => Ok(Datum::Forever),
            Type::Age | Type::Duration => unit(units::parse_duration(text).map(Datum::Duration)),
            Type::Space if text.ends_with('%') => {
                unit(units::parse_percent(text).map(|percent| Datum::Space(Space::Percent(percent))))
            }
            Type::Space => unit(units::parse_size(text).map(|bytes| Datum::Space(Space::Bytes(bytes)))),
            Type::Years => unit(units_meant::years(text).map(Datum::Duration)),
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
                    format!("`{}` is not expanded", excerpt(text)),
                    "taken as it stands",
                )
                .help(format!(
                    "write the path out, such as `{}`",
                    (self.line)("\"/home/observer/data\"")
                )),
            ));
        }
        if paths::is_remote(text) {
            let what = if self.ty == Type::File { "file" } else { "directory" };
            let finding = self.finding(
                Code::BadValue,
                format!("`{}` is no {what} of this machine", excerpt(text)),
                &format!("a {what} belongs here"),
            );
            let local = text.strip_prefix("file://").filter(|path| path.starts_with('/'));
            return Err(Box::new(if let Some(path) = local {
                finding.help(format!("write `{}`", (self.line)(&format!("\"{}\"", excerpt(path)))))
            } else if self.ty == Type::File {
                finding.help(format!(
                    "name a file of this machine, such as `{}`",
                    (self.line)("\"/srv/file\"")
                ))
            } else if self.setting == "import" {
                finding.help("name a file of this machine, such as `import \"conf.d/*.kdl\"`")
            } else {
                finding.help(paths::mount_help(self.setting))
            }));
        }
        Ok(Datum::Text(text.to_owned()))
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
            format!("`{}` is no value of `{}`", excerpt(text), self.setting),
            "unknown value",
        );
        Err(Box::new(
            match loanwords::value(text, words).or_else(|| nearest(text, words.iter().copied())) {
                Some(near) => {
                    let finding = finding.help(format!("did you mean `{}`?", (self.line)(&format!("\"{near}\""))));
                    match surely(text, words.iter().copied()) {
                        Some(sure) => finding.fix(self.value.span, format!("\"{sure}\"")),
                        None => finding,
                    }
                }
                None => finding.help(format!("write {}", self.ty.form())),
            },
        ))
    }
}

fn kind_of(data: &Data) -> &'static str {
    match data {
        Data::Text(_) => "text",
        Data::Integer(_) => "a number",
        Data::Float(_) => "a number with a fraction",
        Data::Bool(_) => "a flag",
        Data::Null | Data::Replaced => "nothing",
    }
}
/// The name that was probably meant.
pub(in crate::config) fn as_name(text: &str) -> Option<String> {
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
    fn names_that_were_meant() {
        assert_eq!(as_name("My Server!").as_deref(), Some("my-server"));
        assert_eq!(as_name("é"), None);
    }
}
