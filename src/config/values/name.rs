//! Names of jobs, channels, schedules and classes.

use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Finding, excerpt};
use crate::config::syntax::kdl_string;
use crate::units;

impl Checker<'_> {
    pub(super) fn name(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let Err(why) = units::check_name(text) else {
            return Ok(Datum::Text(text.to_owned()));
        };
        let finding = self.bad_value(format!("`{}` is not a valid name", excerpt(text)), &why.to_string());
        let meant = as_name(text).unwrap_or_else(|| "data".to_owned());
        if self.setting == "class" && text.contains(['*', '?', '/', '[', '{']) {
            return Err(finding
                .help(format!(
                    "a class has its name first, then its globs: `class \"{meant}\" {} keep=…`",
                    excerpt(&kdl_string(text))
                ))
                .into());
        }
        Err(finding.help(self.write(&meant)).into())
    }
}

/// A valid name that is like this text.
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
