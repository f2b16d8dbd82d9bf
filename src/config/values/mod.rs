//! One value and the type that its setting takes → a [`Datum`], or the finding with what to write.
//!
//! One file per type of value. Knows forms, not settings.
//! Invariant: help always holds a value that would be accepted.

mod address;
mod checker;
mod datum;
mod glob;
mod http;
mod mail;
mod name;
mod number;
mod path;
mod program;
mod quantity;
mod url;
mod word;
mod zone;

pub(in crate::config) use datum::Datum;
pub(in crate::config) use name::as_name;
pub(in crate::config) use program::is_variable;

use crate::config::findings::Finding;
use crate::config::language::types::Type;
use crate::config::syntax::tree::{Data, SyntaxValue};
use crate::model::check::Space;
use crate::time_zone::ZoneDatabase;
use crate::units::{UnitError, parse_duration, parse_percent, parse_size};
use checker::Checker;

/// Checks `value`; `line` writes the setting with another value. `Err(None)`: wrong, and reported elsewhere.
pub(in crate::config) fn check(
    value: &SyntaxValue,
    ty: Type,
    setting: &str,
    line: &dyn Fn(&str) -> String,
    zones: &ZoneDatabase,
) -> Result<Datum, Option<Box<Finding>>> {
    let checker = Checker {
        value,
        ty,
        setting,
        line,
        zones,
    };
    match &value.data {
        Data::Replaced => Err(None),
        // Reported by `secrets`, which shows none of it.
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

impl Checker<'_> {
    fn text(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let unit = |result: Result<Datum, UnitError>| result.map_err(|why| Box::new(self.bad_unit(text, &why)));
        match self.ty {
            Type::Integer(..) | Type::Bool | Type::Decimal(..) => Err(self.wrong_type(text).into()),
            Type::Text | Type::Job | Type::Cron | Type::Secret => Ok(Datum::Text(text.to_owned())),
            Type::Scalar => Ok(Datum::Scalar(text.into())),
            Type::Argument => self.argument(text),
            Type::Program => self.program(text),
            Type::Variable => self.variable(text),
            Type::Account => self.account(text),
            Type::Header => self.header(text),
            Type::Address => self.address(text),
            Type::Mail => self.mail(text),
            Type::Url => self.url(text),
            Type::Pointer => self.pointer(text),
            Type::Path | Type::File => self.path(text),
            Type::Name => self.name(text),
            Type::Age if text == "forever" => Ok(Datum::Forever),
            Type::Age | Type::Duration => unit(parse_duration(text).map(Datum::Duration)),
            Type::Space if text.ends_with('%') => {
                unit(parse_percent(text).map(|percent| Datum::Space(Space::Percent(percent))))
            }
            Type::Space => unit(parse_size(text).map(|bytes| Datum::Space(Space::Bytes(bytes)))),
            Type::Years => unit(quantity::years(text).map(Datum::Duration)),
            Type::Size => unit(parse_size(text).map(Datum::Number)),
            Type::Percent => unit(parse_percent(text).map(Datum::Percent)),
            Type::Word(words, later) => self.word(text, words, later),
            Type::Glob => self.glob(text),
            Type::Zone => self.zone(text),
        }
    }
}
