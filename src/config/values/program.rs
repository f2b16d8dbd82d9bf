//! Programs, their arguments, and names of environment variables.
//!
//! Invariant: no text accepted here holds a NUL byte, which no program can be given.

use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Finding, excerpt};

/// In bytes.
const MAX_ACCOUNT_NAME: usize = 256;

impl Checker<'_> {
    pub(super) fn argument(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if text.contains('\0') {
            let finding = self.bad_value(
                format!("`{}` contains a NUL character", self.setting),
                "not allowed in an argument",
            );
            return Err(finding.help("delete the `\\u{0}`").into());
        }
        if text.is_empty() && self.setting == "shell" {
            let finding = self.bad_value("`shell` has no command line".to_owned(), "empty");
            return Err(finding
                .help("for example `shell \"cd run && bin/report > today\"`")
                .into());
        }
        Ok(Datum::Text(text.to_owned()))
    }

    /// A program's name, or its path when it holds a `/`.
    pub(super) fn program(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if text.is_empty() {
            let finding = self.bad_value(format!("`{}` has no program", self.setting), "empty");
            return Err(finding.help(self.for_example("bin/report")).into());
        }
        if text.ends_with('/') {
            let finding = self.bad_value(
                format!("`{}` is a directory, not a program", excerpt(text)),
                "ends in `/`",
            );
            return Err(finding.help(self.for_example("bin/report")).into());
        }
        if text.starts_with("~/") || text.starts_with('$') || text.contains("/$") {
            let finding = self.bad_value(format!("`{}` is not expanded", excerpt(text)), "used as it is written");
            return Err(finding
                .help("write the path out, such as `command \"/home/observer/bin/report\"`, or use `shell \"…\"`")
                .into());
        }
        self.argument(text)
    }

    /// The name or number of a user or a group: what no such name can hold is refused. Whether it exists, the host says.
    pub(super) fn account(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if text.is_empty() {
            let finding = self.bad_value(format!("`{}` has no name", self.setting), "empty");
            return Err(finding.help(self.for_example("postgres")).into());
        }
        let shown = excerpt(text);
        if let Some((user, group)) = text.split_once(':')
            && !user.is_empty()
            && !group.is_empty()
            && !group.contains(':')
        {
            let finding = self.bad_value(
                format!("`{shown}` is a user and a group"),
                "each has a setting of its own",
            );
            let help = format!("write `user \"{}\"; group \"{}\"`", excerpt(user), excerpt(group));
            return Err(finding.help(help).into());
        }
        let odd = |c: char| c.is_control() || matches!(c, ':' | '/' | ',');
        let edges = text.starts_with(['-', '+', '~']) || text.trim() != text;
        if text.contains(odd) || edges || text.len() > MAX_ACCOUNT_NAME {
            let finding = self.bad_value(
                format!("`{shown}` is not the name of a user or a group"),
                "a name has no `:`, `/` or `,`, and begins with a letter, a digit or `_`",
            );
            return Err(finding.help(self.for_example("postgres")).into());
        }
        if text.starts_with('$') {
            let finding = self.bad_value(format!("`{shown}` is not expanded"), "used as it is written");
            return Err(finding.help("write the name out").into());
        }
        Ok(Datum::Text(text.to_owned()))
    }

    /// The name of an environment variable.
    pub(super) fn variable(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if self.setting == "from-env" && !text.is_empty() && !text.starts_with('$') && !is_variable(text) {
            // It may be the secret itself, so it is not shown.
            let finding = self.bad_value(
                "the value of `from-env=` is not the name of a variable".to_owned(),
                "a name consists of letters, digits and `_`",
            );
            return Err(finding
                .help(format!(
                    "put the value into a variable, and write its name: `{}`",
                    self.with("BROKER_TOKEN")
                ))
                .into());
        }
        let why = match text {
            "" => "empty",
            _ if text.contains('=') => "contains an `=`",
            _ if text.contains('\0') => "contains a NUL character",
            _ if text.starts_with('$') && self.setting == "from-env" => "write the name only",
            _ => return Ok(Datum::Text(text.to_owned())),
        };
        let finding = self.bad_value(
            format!("`{}` is not a valid name of an environment variable", excerpt(text)),
            why,
        );
        Err(Box::new(match text.split_once('=') {
            Some((name, value)) if self.setting == "env" && !name.is_empty() && !name.contains('\0') => {
                finding.help(format!(
                    "write name and value separately: `env \"{}\" \"{}\"`",
                    excerpt(name),
                    excerpt(value)
                ))
            }
            _ if text.starts_with('$') => {
                let name = text.trim_start_matches('$').trim_matches(['{', '}']);
                finding.help(self.write(&excerpt(name)))
            }
            _ => finding.help(self.for_example("BROKER_TOKEN")),
        }))
    }
}

/// True for a name that an environment variable can have.
pub(in crate::config) fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(letter) && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())
}
