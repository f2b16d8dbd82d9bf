//! One of several words.

use super::checker::Checker;
use super::datum::Datum;
use crate::config::findings::{Finding, excerpt};
use crate::config::language::suggest::{certain, nearest, synonym_among};

impl Checker<'_> {
    pub(super) fn word(
        &self,
        text: &str,
        words: &'static [&'static str],
        later: &[&str],
    ) -> Result<Datum, Box<Finding>> {
        if words.contains(&text) {
            return Ok(Datum::Text(text.to_owned()));
        }
        if later.contains(&text) {
            return Err(self
                .bad_value(
                    format!("`{} \"{text}\"` is not in this build", self.setting),
                    "known to the language, but not supported yet",
                )
                .help(format!("write {}", self.ty.form()))
                .into());
        }
        let finding = self.bad_value(
            format!("`{}` is not a valid value of `{}`", excerpt(text), self.setting),
            "unknown value",
        );
        Err(Box::new(
            match synonym_among(text, words).or_else(|| nearest(text, words.iter().copied())) {
                Some(near) => {
                    let finding = finding.help(self.did_you_mean(near));
                    match certain(text, words.iter().copied()) {
                        Some(sure) => finding.fix(self.value.span, format!("\"{sure}\"")),
                        None => finding,
                    }
                }
                None => finding.help(format!("write {}", self.ty.form())),
            },
        ))
    }
}
