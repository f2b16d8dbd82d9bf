//! Words without quotes: keywords, numbers, and globs and paths that need quotes.
//!
//! Takes a word that is not a sign, gives findings with the word as it must be written.

use super::repairer::{Repairer, Statement};
use crate::config::findings::{Code, excerpt};
use crate::config::language::keywords::{Keyword, takes_keyword};
use crate::config::syntax::bare_word::{is_keyword, is_number, kdl_string, needs_quotes, starts_like_number};
use crate::config::syntax::lexer::{Token, TokenKind};

/// Digits of a number, and the signs between them.
const MAX_NUMBER_LENGTH: usize = 30;

impl Repairer<'_> {
    /// A bare word; `key` is the setting or property that it is a value of.
    pub(super) fn word(&mut self, token: Token, key: &str, statement: &mut Statement<'_>) {
        if self.invisible(token) {
            return;
        }
        let word = self.text_of(token);
        let glued = token.kind == TokenKind::Word { glued: true };
        if glued && (statement.list_reported || word.ends_with(',')) {
            self.list_finding(token.start, false, statement);
            self.placeholder(token);
        } else if glued {
            self.glued_comment(token, statement.setting());
        } else if word.starts_with('[') && !word.contains(['*', '?'])
            || word.ends_with(']') && !word.contains('[')
            || word.ends_with(',')
            || word.starts_with(',')
        {
            self.list(token, statement);
        } else if matches!(word, "true" | "false" | "null" | "inf" | "-inf" | "nan") && statement.words > 0 {
            self.bare_keyword(token, key);
        } else if word.starts_with('#') {
            self.unknown_keyword(token, key);
        } else if starts_like_number(word) {
            self.number(token);
        } else if needs_quotes(word) {
            self.unquoted(token, statement.setting());
        }
    }

    /// A word that KDL reads as a value and a comment.
    fn glued_comment(&mut self, token: Token, setting: &str) {
        let word = self.text_of(token);
        let label = if word.contains("/*") {
            "KDL reads `/*` as the start of a comment"
        } else {
            "KDL reads what follows `//` as a comment"
        };
        self.report(Code::GluedComment, token, "a value contains a comment", label);
        if let Some(help) = Self::place_help(setting, word) {
            self.help(help);
        } else {
            self.help(format!("quote it: \"{}\"", excerpt(word)));
            // Only what is a pattern or a URL is surely not a comment.
            if word.contains("://") || word.contains(['*', '?']) {
                self.fix(&[(token.start, token.end, &kdl_string(word))]);
            }
        }
        self.placeholder(token);
    }

    /// `true` instead of `#true`.
    fn bare_keyword(&mut self, token: Token, key: &str) {
        let word = self.text_of(token);
        let message = format!("`{word}` needs a `#`, or quotes");
        self.syntax_error(token, message, "keyword without `#`");
        let wanted = match word {
            "true" | "false" => Keyword::Flag,
            _ => Keyword::Null,
        };
        if takes_keyword(key, wanted) == Some(false) {
            self.help(format!("write \"{word}\": `{}` takes text", excerpt(key)));
            self.fix(&[(token.start, token.end, &format!("\"{word}\""))]);
        } else {
            self.help(format!("write `#{word}`, or \"{word}\" for the text"));
            if matches!(word, "true" | "false" | "null") {
                self.fix(&[(token.start, token.end, &format!("#{word}"))]);
            }
        }
        self.placeholder(token);
    }

    /// `#yes`; what is not like a keyword was taken for a comment.
    fn unknown_keyword(&mut self, token: Token, key: &str) {
        let word = self.text_of(token);
        if is_keyword(word) {
            return;
        }
        // Among the arguments of a program it is a text.
        if takes_keyword(key, Keyword::Flag) == Some(false) {
            let quoted = kdl_string(word);
            self.syntax_error(
                token,
                format!("`{}` needs quotes", excerpt(word)),
                "not a keyword of KDL",
            );
            self.help(format!("write {}", excerpt(&quoted)));
            self.fix(&[(token.start, token.end, &quoted)]);
            self.placeholder(token);
            return;
        }
        let meant = match word.trim_start_matches('#').to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => "#true",
            "null" => "#null",
            _ => "#false",
        };
        self.syntax_error(token, format!("unknown keyword `{word}`"), "not a keyword of KDL");
        self.help(format!("write `{meant}`"));
        self.fix(&[(token.start, token.end, meant)]);
        self.placeholder(token);
    }

    fn number(&mut self, token: Token) {
        let word = self.text_of(token);
        if is_number(word) {
            if word.len() > MAX_NUMBER_LENGTH {
                let label = format!("more than {MAX_NUMBER_LENGTH} digits");
                self.syntax_error(token, "number too large", label);
                self.placeholder(token);
            }
            return;
        }
        let message = format!("`{}` is neither a number nor a valid bare word", excerpt(word));
        self.syntax_error(token, message, "text that starts with a digit needs quotes");
        let quoted = kdl_string(word);
        if let Some(number) = plain_number(word) {
            // It may be a text, of which every character counts.
            let (number, text) = (excerpt(&number), excerpt(&quoted));
            self.help(format!("write {number} for the number, or {text} for the text"));
        } else {
            self.help(format!("write {}", excerpt(&quoted)));
            self.fix(&[(token.start, token.end, &quoted)]);
        }
        self.placeholder(token);
    }

    fn unquoted(&mut self, token: Token, setting: &str) {
        let word = self.text_of(token);
        let message = format!("`{}` needs quotes", excerpt(word));
        self.syntax_error(token, message, "contains characters that are only valid in quotes");
        if let Some(help) = Self::place_help(setting, word) {
            self.help(help);
        } else {
            self.help(format!("write \"{}\"", excerpt(&word.replace('\\', "\\\\"))));
            self.fix(&[(token.start, token.end, &kdl_string(word))]);
        }
        self.placeholder(token);
    }
}

/// `1,000` and `5.` as KDL writes them.
fn plain_number(word: &str) -> Option<String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(whole) = word.strip_suffix('.') {
        return digits(whole).then(|| whole.to_owned());
    }
    let mut parts = word.split(',');
    let first = parts.next().filter(|part| digits(part) && part.len() <= 3)?;
    let rest: Vec<&str> = parts.collect();
    let thousands = !rest.is_empty() && rest.iter().all(|part| digits(part) && part.len() == 3);
    thousands.then(|| format!("{first}{}", rest.concat()))
}
