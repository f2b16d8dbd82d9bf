//! Words without quotes: keywords, numbers, globs and paths that a bare word cannot hold, and characters nobody sees.
//!
//! Takes a word that is no sign, gives findings with the word as it must be written. Part of `slips`.
//! Invariant: that of `slips`.

use crate::config::findings::{Code, excerpt};
use crate::config::language::keywords::{Keyword, takes_keyword};
use crate::config::syntax::kdl_string;
use crate::config::syntax::lexer::Token;
use crate::config::syntax::repair::mend::Mender;

/// Characters without a width: no word of an ops file has one, and nobody can see why it is not known.
const INVISIBLE: [char; 5] = ['\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}'];

impl Mender<'_> {
    pub(in crate::config) fn word(
        &mut self,
        token: Token,
        glued: bool,
        words: usize,
        setting: &str,
        named: &str,
        list_said: &mut bool,
    ) {
        let word = self.str(token);
        if word.contains(INVISIBLE) {
            self.invisible(token);
            return;
        }
        if glued && (*list_said || word.ends_with(',')) {
            self.list_finding(token.start, false, list_said);
            self.placeholder(token.start, token.end);
            return;
        }
        if glued {
            self.report(
                Code::GluedComment,
                token.start,
                token.end,
                "a comment touches a value",
                if word.contains("/*") {
                    "KDL reads `/*` as the start of a comment"
                } else {
                    "KDL reads what follows `//` as a comment"
                },
            );
            let place = Self::place_help(setting, word);
            // Only what is a pattern or a URL is surely no comment.
            let meant = place.is_none() && (word.contains("://") || word.contains(['*', '?']));
            self.help(place.unwrap_or_else(|| format!("quote it: \"{}\"", excerpt(word))));
            if meant {
                self.fix(&[(token.start, token.end, &kdl_string(word))]);
            }
            self.placeholder(token.start, token.end);
            return;
        }
        if word.starts_with('[') && !word.contains(['*', '?'])
            || word.ends_with(']') && !word.contains('[')
            || word.ends_with(',')
            || word.starts_with(',')
        {
            self.list(token, list_said);
            return;
        }
        let keyword = matches!(word, "true" | "false" | "null" | "inf" | "-inf" | "nan");
        if keyword && words > 0 {
            self.report(
                Code::Syntax,
                token.start,
                token.end,
                format!("`{word}` is written `#{word}`, or in quotes"),
                "a bare keyword",
            );
            let flag = match word {
                "true" | "false" => takes_keyword(named, Keyword::Flag),
                _ => takes_keyword(named, Keyword::Null),
            };
            if flag == Some(false) {
                self.help(format!("write \"{word}\": `{}` takes text", excerpt(named)));
                self.fix(&[(token.start, token.end, &format!("\"{word}\""))]);
            } else {
                self.help(format!("write `#{word}`, or \"{word}\" for the text"));
                if matches!(word, "true" | "false" | "null") {
                    self.fix(&[(token.start, token.end, &format!("#{word}"))]);
                }
            }
            self.placeholder(token.start, token.end);
            return;
        }
        let hash_keyword = word.starts_with('#');
        if hash_keyword {
            let lower = word.trim_start_matches('#').to_ascii_lowercase();
            if !matches!(word, "#true" | "#false" | "#null" | "#inf" | "#-inf" | "#nan") {
                let meant = match lower.as_str() {
                    "true" | "yes" | "on" => "#true",
                    "null" => "#null",
                    _ => "#false",
                };
                self.report(
                    Code::Syntax,
                    token.start,
                    token.end,
                    format!("`{word}` is no keyword"),
                    "unknown keyword",
                );
                self.help(format!("write `{meant}`"));
                self.fix(&[(token.start, token.end, meant)]);
                self.placeholder(token.start, token.end);
            }
            return;
        }
        let numeric = starts_like_number(word);
        if numeric && is_number(word) {
            if word.len() > 30 {
                self.report(
                    Code::Syntax,
                    token.start,
                    token.end,
                    "the number is too large",
                    "more than 30 digits",
                );
                self.placeholder(token.start, token.end);
            }
            return;
        }
        if numeric {
            self.report(
                Code::Syntax,
                token.start,
                token.end,
                format!("`{}` is neither a number nor a bare word", excerpt(word)),
                "text that begins with a digit needs quotes",
            );
            let plain = plain_number(word);
            let written = plain.unwrap_or_else(|| kdl_string(word));
            if written.starts_with('"') {
                self.help(format!("write {}", excerpt(&written)));
                self.fix(&[(token.start, token.end, &written)]);
            } else {
                // Of a text every character counts.
                self.help(format!(
                    "write {} for the number, or {} for the text",
                    excerpt(&written),
                    excerpt(&kdl_string(word))
                ));
            }
            self.placeholder(token.start, token.end);
            return;
        }
        if bare_needs_quotes(word) {
            self.report(
                Code::Syntax,
                token.start,
                token.end,
                format!("`{}` needs quotes", excerpt(word)),
                "holds characters that a bare word cannot",
            );
            let place = Self::place_help(setting, word);
            let mendable = place.is_none();
            self.help(place.unwrap_or_else(|| format!("write \"{}\"", excerpt(&word.replace('\\', "\\\\")))));
            if mendable {
                self.fix(&[(token.start, token.end, &kdl_string(word))]);
            }
            self.placeholder(token.start, token.end);
        }
    }

    /// A word with characters that are not seen: without them it is a word like others.
    fn invisible(&mut self, token: Token) {
        let word = self.str(token);
        let shown: String = word.chars().filter(|c| !INVISIBLE.contains(c)).collect();
        let (at, c) = word
            .char_indices()
            .find(|(_, c)| INVISIBLE.contains(c))
            .unwrap_or((0, ' '));
        let start = token.start + at;
        self.report(
            Code::Syntax,
            start,
            start + c.len_utf8(),
            format!("the invisible character U+{:04X} is part of a word", c as u32),
            "invisible here",
        );
        self.help(if shown.is_empty() {
            "delete it".to_owned()
        } else {
            format!("delete it: write `{}`", excerpt(&shown))
        });
        self.fix(&[(token.start, token.end, &shown)]);
        if shown.is_empty() {
            self.fill(token.start, token.end, b' ');
        } else {
            self.placeholder(token.start, token.end);
        }
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

pub(in crate::config) fn starts_like_number(word: &str) -> bool {
    let body = word.strip_prefix(['+', '-']).unwrap_or(word);
    let body = body.strip_prefix('.').unwrap_or(body);
    body.starts_with(|c: char| c.is_ascii_digit())
}

fn is_number(word: &str) -> bool {
    let body = word.strip_prefix(['+', '-']).unwrap_or(word);
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = body.strip_prefix(prefix) {
            return digits.starts_with(|c: char| c.is_digit(radix))
                && digits.chars().all(|c| c.is_digit(radix) || c == '_');
        }
    }
    let digits = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '_')
    };
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let exponent = exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
    exponent
        && match mantissa.split_once('.') {
            Some((whole, part)) => digits(whole) && digits(part),
            None => digits(mantissa),
        }
}

/// True for a bare word that KDL 2 does not take as one.
pub(in crate::config) fn bare_needs_quotes(word: &str) -> bool {
    !word.starts_with(['"', '#'])
        && (word.contains(['\\', '/', '(', ')', '{', '}', ';', '[', ']', '"', '#', '='])
            || starts_like_number(word) && !is_number(word))
}
