//! One value, its type and its setting: what every checker of a type needs, and the finding about a wrong type.

use crate::config::findings::{Code, Finding};
use crate::config::language::types::Type;
use crate::config::syntax::tree::{Data, SyntaxValue};
use crate::time_zone::ZoneDatabase;

pub(super) struct Checker<'a> {
    pub(super) value: &'a SyntaxValue,
    pub(super) ty: Type,
    pub(super) setting: &'a str,
    /// Writes the setting with another value.
    pub(super) line: &'a dyn Fn(&str) -> String,
    pub(super) zones: &'a ZoneDatabase,
}

impl Checker<'_> {
    pub(super) fn finding(&self, code: Code, message: String, label: &str) -> Finding {
        Finding::new(code, self.value.span, message, label)
    }

    pub(super) fn bad_value(&self, message: String, label: &str) -> Finding {
        self.finding(Code::BadValue, message, label)
    }

    /// The setting with a text as its value, as it is written.
    pub(super) fn with(&self, text: &str) -> String {
        (self.line)(&format!("\"{text}\""))
    }

    pub(super) fn write(&self, text: &str) -> String {
        format!("write `{}`", self.with(text))
    }

    pub(super) fn for_example(&self, text: &str) -> String {
        format!("for example `{}`", self.with(text))
    }

    pub(super) fn did_you_mean(&self, text: &str) -> String {
        format!("did you mean `{}`?", self.with(text))
    }

    /// A number as it was typed, to be used as text.
    pub(super) fn typed(&self, number: &impl ToString) -> String {
        if self.value.typed.is_empty() {
            number.to_string()
        } else {
            self.value.typed.clone()
        }
    }

    pub(super) fn wrong_type(&self, given: &str) -> Finding {
        let finding = self.finding(
            Code::WrongType,
            format!("`{}` takes {}", self.setting, self.ty.form()),
            &format!("this is {}", kind_of(&self.value.data)),
        );
        let digits = given.chars().all(|c| c.is_ascii_digit()) && !given.is_empty();
        let flag = match given {
            "true" | "yes" | "on" | "1" => Some("#true"),
            "false" | "no" | "off" | "0" => Some("#false"),
            _ => None,
        };
        let missing_unit = |units: &[&str]| {
            let meant: Vec<String> = units
                .iter()
                .map(|unit| format!("`{}`", self.with(&format!("{given}{unit}"))))
                .collect();
            format!("a unit is missing: {}", meant.join(" or "))
        };
        let help = match self.ty {
            Type::Age | Type::Years if digits => missing_unit(&["d"]),
            Type::Duration if digits => missing_unit(&["s", "m"]),
            Type::Size if digits => missing_unit(&["B"]),
            Type::Space if digits => missing_unit(&["%", "GiB"]),
            Type::Percent if digits => self.write(&format!("{given}%")),
            // One of several on its line.
            Type::Argument if given != "#null" => format!("write \"{}\"", given.trim_start_matches('#')),
            Type::Text | Type::Name | Type::Path | Type::Glob | Type::File | Type::Variable | Type::Account
                if !given.starts_with('#') =>
            {
                self.write(given)
            }
            Type::Bool => match flag {
                Some(flag) => format!("write `{}`", (self.line)(flag)),
                None => format!("write `{}`, or #false", (self.line)("#true")),
            },
            Type::Integer(low, high) => {
                let plain = given.split('.').next().unwrap_or(given);
                match plain.parse::<u64>() {
                    Ok(n) if (low..=high).contains(&n) => format!("write `{}`", (self.line)(plain)),
                    _ => format!("for example `{}`", (self.line)(&low.max(1).to_string())),
                }
            }
            _ => format!("write {}", self.ty.form()),
        };
        // Fixed where one value only is meant.
        let number = matches!(self.value.data, Data::Integer(_) | Data::Float(_));
        let meant = match self.ty {
            Type::Percent if digits => Some(format!("\"{given}%\"")),
            Type::Argument | Type::Text | Type::Name | Type::Path | Type::File | Type::Account if number => {
                Some(format!("\"{given}\""))
            }
            Type::Bool => flag.map(str::to_owned),
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
}

fn kind_of(data: &Data) -> &'static str {
    match data {
        Data::Text(_) => "text",
        Data::Integer(_) => "a number",
        Data::Float(_) => "a number with a fraction",
        Data::Bool(_) => "a flag",
        Data::Null | Data::Replaced => "null",
    }
}
