//! Patterns: what is accepted, and what was meant by what is not.
//!
//! Takes the text of a pattern, gives it compiled, or the finding with the pattern that would do.
//! Invariant: what is suggested is a pattern.

use super::Checker;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::reader::Datum;
use crate::model::pattern::{Pattern, PatternError};

impl Checker<'_> {
    pub(super) fn glob(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if let Some(finding) = self.several_globs(text).or_else(|| self.negated_glob(text)) {
            return Err(Box::new(finding));
        }
        match Pattern::new(text) {
            Ok(pattern) => Ok(Datum::Glob(pattern)),
            Err(PatternError::Never { why, meant }) => {
                let finding = if text.is_empty() {
                    self.finding(Code::BadGlob, "an empty pattern can never match".to_owned(), "empty")
                } else {
                    self.finding(Code::BadGlob, format!("`{}` can never match", excerpt(text)), why)
                };
                // Nobody who wrote nothing is told to write what takes everything.
                let nothing = text.chars().all(|c| matches!(c, '.' | '/'));
                Err(Box::new(match meant.filter(|m| !nothing && Pattern::new(m).is_ok()) {
                    Some(meant) if meant == "**" && self.setting == "class" => finding
                        .help("name what may go, such as \"raw/**\"; \"**\" takes every file that the backup stores"),
                    Some(meant) => finding.help(format!("write \"{}\"", excerpt(&meant))).fix(
                        self.value.span,
                        format!("\"{}\"", meant.replace('\\', "\\\\").replace('"', "\\\"")),
                    ),
                    None => finding.help("patterns are relative to the source, such as \"raw/**\""),
                }))
            }
            Err(PatternError::Syntax(why)) => Err(Box::new(
                self.finding(Code::BadGlob, format!("`{}` is no glob", excerpt(text)), &why)
                    .help("a special character stands for itself behind a backslash: #\"a\\[b\"#"),
            )),
        }
    }

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
                format!("`{}` is one pattern, not {}", excerpt(text), parts.len()),
                "each pattern has quotes of its own",
            )
            .help(format!(
                "write {}; a comma that belongs to a name is written `[,]`",
                excerpt(&meant.join(" "))
            ))
            .fix(self.value.span, meant.join(" ")),
        )
    }

    fn negated_glob(&self, text: &str) -> Option<Finding> {
        let rest = text.strip_prefix('!').filter(|rest| !rest.is_empty())?;
        let help = match self.setting {
            "exclude" => {
                "delete it: nothing takes files back from `exclude`, so let its patterns match less".to_owned()
            }
            _ => format!("write `exclude \"{}\"`", excerpt(rest)),
        };
        Some(
            self.finding(
                Code::BadGlob,
                format!("`{}` does not negate", excerpt(text)),
                "`!` has no meaning in a pattern",
            )
            .help(format!(
                "{help}; a name that begins with `!` is written #\"\\{}\"#",
                excerpt(text)
            )),
        )
    }
}
