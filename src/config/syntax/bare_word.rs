//! Words without quotes: which are numbers, which need quotes, and how a text is quoted.
//!
//! Takes single words, gives what KDL 2 makes of them. Pure. Knows nothing of the language of ops files.

use crate::config::syntax::lexer;

const KEYWORDS: [&str; 6] = ["#true", "#false", "#null", "#inf", "#-inf", "#nan"];

/// `#true` and its like.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

pub(super) fn starts_like_number(word: &str) -> bool {
    let body = word.strip_prefix(['+', '-']).unwrap_or(word);
    let body = body.strip_prefix('.').unwrap_or(body);
    body.starts_with(|c: char| c.is_ascii_digit())
}

pub(super) fn is_number(word: &str) -> bool {
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

/// Whether KDL 2 refuses it as a bare word.
pub(super) fn needs_quotes(word: &str) -> bool {
    !word.starts_with(['"', '#'])
        && (word.contains(['\\', '/', '(', ')', '{', '}', ';', '[', ']', '"', '#', '='])
            || starts_like_number(word) && !is_number(word))
}

/// The text as a quoted KDL string.
pub fn kdl_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_plain(c) => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out + "\""
}

/// The word as it must be written: with quotes only where it needs them.
pub(super) fn kdl_word(word: &str) -> String {
    if needs_quotes(word) {
        kdl_string(word)
    } else {
        word.to_owned()
    }
}

/// May be in a file as it is, and does not change how its line looks.
pub fn is_plain(c: char) -> bool {
    let direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !direction && !lexer::is_newline(c) && c != '\u{feff}'
}
