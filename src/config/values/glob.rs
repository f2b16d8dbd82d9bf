//! Globs.
//!
//! Invariant: what is suggested is a valid glob.

use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Code, Finding, excerpt};
use crate::model::pattern::{Pattern, PatternError};

impl Checker<'_> {
    pub(super) fn glob(&self, text: &str) -> Result<Datum, Box<Finding>> {
        if let Some(finding) = self.several_globs(text).or_else(|| self.negated_glob(text)) {
            return Err(finding.into());
        }
        match Pattern::new(text) {
            Ok(pattern) => Ok(Datum::Glob(pattern)),
            Err(PatternError::Never { why, meant }) => {
                let finding = if text.is_empty() {
                    self.finding(Code::BadGlob, "an empty pattern can never match".to_owned(), "empty")
                } else {
                    self.finding(Code::BadGlob, format!("`{}` can never match", excerpt(text)), why)
                };
                // An empty pattern must not be answered with one that selects everything.
                let nothing = text.chars().all(|c| matches!(c, '.' | '/'));
                Err(Box::new(match meant.filter(|m| !nothing && Pattern::new(m).is_ok()) {
                    Some(meant) if meant == "**" && self.setting == "class" => finding.help(
                        "write the files that may be deleted, such as \"raw/**\"; \"**\" is every file of the backup",
                    ),
                    Some(meant) => finding.help(format!("write \"{}\"", excerpt(&meant))).fix(
                        self.value.span,
                        format!("\"{}\"", meant.replace('\\', "\\\\").replace('"', "\\\"")),
                    ),
                    None => finding.help("patterns are relative to the source, such as \"raw/**\""),
                }))
            }
            Err(PatternError::Syntax(why)) => Err(self
                .finding(Code::BadGlob, format!("`{}` is not a valid glob", excerpt(text)), &why)
                .help("put a backslash before a special character: #\"a\\[b\"#")
                .into()),
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
                "each pattern needs its own quotes",
            )
            .help(format!(
                "write {}; a comma in a name is written `[,]`",
                excerpt(&meant.join(" "))
            ))
            .fix(self.value.span, meant.join(" ")),
        )
    }

    fn negated_glob(&self, text: &str) -> Option<Finding> {
        let rest = text.strip_prefix('!').filter(|rest| !rest.is_empty())?;
        let help = match self.setting {
            "exclude" => {
                "delete it: files cannot be taken back from `exclude`, so write narrower patterns there".to_owned()
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
                "{help}; a name that starts with `!` is written #\"\\{}\"#",
                excerpt(text)
            )),
        )
    }
}
