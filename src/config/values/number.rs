//! Numbers: whole ones, and ones with a fraction.

use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::Finding;
use crate::config::language::types::Type;

impl Checker<'_> {
    /// A number with a fraction, or written with one.
    pub(super) fn decimal(&self, number: f64) -> Result<Datum, Box<Finding>> {
        match self.ty {
            Type::Decimal(low, high) => {
                if (f64::from(low)..=f64::from(high)).contains(&number) {
                    return Ok(Datum::Decimal(number));
                }
                let meant = if number > f64::from(high) { high } else { low };
                Err(self.outside(&format!("{meant}.0")).into())
            }
            Type::Scalar => match serde_json::Number::from_f64(number) {
                Some(number) => Ok(Datum::Scalar(number.into())),
                None => Err(self
                    .bad_value("JSON cannot represent this number".to_owned(), "not a finite number")
                    .help(format!("write {}", self.ty.form()))
                    .into()),
            },
            _ => Err(self.wrong_type(&self.typed(&format!("{number:?}"))).into()),
        }
    }

    fn outside(&self, meant: &str) -> Finding {
        self.bad_value(
            format!("`{}` takes {}", self.setting, self.ty.form()),
            "outside the range",
        )
        .help(format!("the nearest allowed value: `{}`", (self.line)(meant)))
    }

    pub(super) fn number(&self, number: i128) -> Result<Datum, Box<Finding>> {
        let (low, high) = match self.ty {
            Type::Integer(low, high) => (low, high),
            Type::Decimal(..) => return self.decimal(number as f64),
            Type::Scalar => {
                let fits = i64::try_from(number)
                    .map(Into::into)
                    .or_else(|_| u64::try_from(number).map(Into::into));
                return match fits {
                    Ok(number) => Ok(Datum::Scalar(serde_json::Value::Number(number))),
                    Err(_) => Err(self
                        .bad_value("the number is too large".to_owned(), "more than 64 bits")
                        .help("write a number of at most 18 digits")
                        .into()),
                };
            }
            _ => return Err(self.wrong_type(&self.typed(&number)).into()),
        };
        match u64::try_from(number) {
            Ok(n) if (low..=high).contains(&n) => Ok(Datum::Number(n)),
            _ => {
                let meant = if number < i128::from(low) { low } else { high };
                Err(self.outside(&meant.to_string()).into())
            }
        }
    }
}
