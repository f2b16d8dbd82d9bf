//! Programs, their arguments, and the names of variables and headers.
//!
//! Takes the text of one of them, gives it unchanged, or the finding with what was meant. A NUL byte can be passed to no
//! program, so it is refused here and can reach none.
//! Invariant: no text accepted here holds a NUL byte.

use super::Checker;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::reader::Datum;

impl Checker<'_> {
    fn refused(&self, message: String, label: &str) -> Finding {
        self.finding(Code::BadValue, message, label)
    }

    /// Any text that a program can be given.
    pub(super) fn argument(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if text.contains('\0') {
            let finding = self.refused(
                format!("`{}` holds a NUL character", self.setting),
                "no program can be given one",
            );
            return Err(Box::new(finding.help("delete the `\\u{0}`")));
        }
        if text.is_empty() && self.setting == "shell" {
            let finding = self.refused("`shell` has no line".to_owned(), "empty");
            return Err(Box::new(finding.help("for example `shell \"bin/list | wc -l\"`")));
        }
        Ok(Datum::Text(text.to_owned()))
    }

    /// A program's name, or its path when it holds a `/`.
    pub(super) fn program(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if text.is_empty() {
            let finding = self.refused(format!("`{}` names no program", self.setting), "empty");
            return Err(Box::new(
                finding.help(format!("for example `{}`", (self.line)("\"bin/report\""))),
            ));
        }
        if text.ends_with('/') {
            let finding = self.refused(
                format!("`{}` is a directory, not a program", excerpt(text)),
                "ends in `/`",
            );
            return Err(Box::new(
                finding.help(format!("for example `{}`", (self.line)("\"bin/report\""))),
            ));
        }
        if text.starts_with("~/") || text.starts_with('$') || text.contains("/$") {
            let finding = self.refused(format!("`{}` is not expanded", excerpt(text)), "taken as it stands");
            return Err(Box::new(finding.help(
                "write the path out, such as `command \"/home/observer/bin/report\"`, or use `shell \"…\"`",
            )));
        }
        self.argument(text)
    }

    /// The name of an environment variable.
    pub(super) fn variable(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if self.setting == "from-env" && !text.is_empty() && !text.starts_with('$') && !is_variable(text) {
            // It may be the secret itself: said without it.
            let finding = self.refused(
                "`from-env` is given no name of a variable".to_owned(),
                "letters, digits and `_` make one",
            );
            return Err(Box::new(finding.help(format!(
                "put the value into a variable and name that: `{}`",
                (self.line)("\"BROKER_TOKEN\"")
            ))));
        }
        let why = match text {
            "" => "empty",
            _ if text.contains('=') => "holds an `=`",
            _ if text.contains('\0') => "holds a NUL character",
            _ if text.starts_with('$') && self.setting == "from-env" => "the name alone belongs here",
            _ => return Ok(Datum::Text(text.to_owned())),
        };
        let finding = self.refused(
            format!("`{}` is no name of an environment variable", excerpt(text)),
            why,
        );
        Err(Box::new(match text.split_once('=') {
            Some((name, value)) if self.setting == "env" && !name.is_empty() && !name.contains('\0') => {
                finding.help(format!(
                    "name and value are two texts: `env \"{}\" \"{}\"`",
                    excerpt(name),
                    excerpt(value)
                ))
            }
            _ if text.starts_with('$') => {
                let name = text.trim_start_matches('$').trim_matches(['{', '}']);
                finding.help(format!("write `{}`", (self.line)(&format!("\"{}\"", excerpt(name)))))
            }
            _ => finding.help(format!("for example `{}`", (self.line)("\"BROKER_TOKEN\""))),
        }))
    }

    /// The name of a request header: a token, as HTTP calls it.
    pub(super) fn header(&self, text: &str) -> Result<Datum, Box<Finding>> {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if !text.is_empty() && text.chars().all(token) {
            return Ok(Datum::Text(text.to_owned()));
        }
        let odd = text.chars().find(|c| !token(*c));
        let finding = self.refused(
            format!("`{}` is no name of a header", excerpt(text)),
            &odd.map_or_else(
                || "empty".to_owned(),
                |c| format!("`{}` cannot stand in one", excerpt(&c.to_string())),
            ),
        );
        Err(Box::new(match text.split_once(':') {
            Some((name, value)) if !name.is_empty() && name.chars().all(token) => finding.help(format!(
                "name and value are two texts: `header \"{name}\" \"{}\"`",
                excerpt(value.trim())
            )),
            _ => finding.help("for example `header \"Accept\" \"application/json\"`"),
        }))
    }
}

/// True for a name that a variable of the environment can have.
pub(in crate::config) fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(letter) && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())
}
