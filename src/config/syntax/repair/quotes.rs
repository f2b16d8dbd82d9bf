//! Quotes: typographic, single and missing ones, unknown escapes, raw strings of KDL 1.
//!
//! Takes strings and what was meant as one, gives findings with the string as it must be written.
//! Invariant: a block that a missing quote would hide stays visible.

use super::repairer::Repairer;
use crate::config::findings::{Code, excerpt};
use crate::config::syntax::bare_word::kdl_string;
use crate::config::syntax::lexer::{self, Token};

/// Characters that are searched for the end of a string in typographic quotes.
const MAX_QUOTED_LENGTH: usize = 300;
pub(super) const TYPOGRAPHIC: [char; 10] = [
    '\u{201c}', '\u{201d}', '\u{201e}', '\u{201a}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}', '\u{2039}', '\u{203a}',
];

impl Repairer<'_> {
    /// `“a b”`: gives its end. Reported once a line, with the whole line.
    pub(super) fn typographic_quotes(&mut self, token: Token, line_start: usize) -> usize {
        let rest = self.slice(token.start..);
        let near = rest.char_indices().nth(MAX_QUOTED_LENGTH);
        let line = lexer::first_line(near.map_or(rest, |(at, _)| rest.get(..at).unwrap_or_default()));
        let open = line.chars().next().map_or(0, char::len_utf8);
        let inside = line.get(open..).unwrap_or_default();
        let close = inside
            .char_indices()
            .find(|(_, c)| *c == '"' || TYPOGRAPHIC.contains(c));
        let end = match close {
            Some((at, c)) => token.start + open + at + c.len_utf8(),
            None => token.end,
        };
        let head = self.slice(line_start..token.start);
        if !head.contains(TYPOGRAPHIC) {
            let whole = format!("{}{}", head.trim_start(), line.trim_end());
            let repaired = whole.replace(TYPOGRAPHIC, "\"");
            let message = "typographic quotes do not start a string";
            self.syntax_error(token.start..end, message, "expected straight double quotes");
            self.help(format!("write `{}`", excerpt(&repaired)));
            if let Some((at, c)) = close {
                let close = token.start + open + at;
                let text = inside.get(..at).unwrap_or_default();
                if !text.contains(['\\', '"']) {
                    let opening = (token.start, token.start + open, "\"");
                    self.fix(&[opening, (close, close + c.len_utf8(), "\"")]);
                }
            }
        }
        self.placeholder(token.start..end);
        end
    }

    /// A quoted or raw string; gives its end.
    pub(super) fn string(&mut self, token: Token, raw: bool, closed: bool) -> usize {
        if !closed {
            return self.unclosed_string(token, raw);
        }
        if !raw {
            self.escapes(token);
        }
        token.end
    }

    /// A string without an end: it goes to the end of its line, without the braces that surely follow it.
    fn unclosed_string(&mut self, token: Token, raw: bool) -> usize {
        let text = self.text_of(token);
        let lines = text.trim_start_matches('#').starts_with("\"\"\"");
        let mut found = if lines {
            UnclosedString::new(text, "end it with `\"\"\"` on a line of its own".to_owned())
        } else {
            let head = self
                .slice(..token.start)
                .rsplit(lexer::is_newline)
                .next()
                .unwrap_or_default();
            unclosed(text, head, raw)
        };
        let shown = token.start..token.start + found.length;
        let mut message = "unclosed string";
        let mut end = shown.end;
        let whole = !lines && found.length == text.trim_end().len();
        if let Some(further) = self.over_lines(token).filter(|_| whole) {
            message = "a quoted string cannot span lines";
            found.label = "continues on the next line";
            found.help =
                String::from("write it on one line, or put `\"\"\"` on a line before and a line after the text");
            end = further;
        }
        self.syntax_error(shown, message, found.label);
        self.help(found.help);
        if let Some(close) = found.close {
            self.fix(&[(end, end, &close)]);
        }
        self.placeholder(token.start..end);
        self.repaired_to = self.repaired_to.max(end);
        self.blank_comment_after(end, token.end);
        end.max(token.end)
    }

    /// The end of a string that was meant to span two lines: the next line has one quote, at its end.
    fn over_lines(&self, token: Token) -> Option<usize> {
        let rest = self.text.get(token.end..)?;
        let gap = rest.len() - rest.trim_start_matches('\r').strip_prefix('\n')?.len();
        let line = rest.get(gap..)?.split('\n').next().unwrap_or_default();
        let shown = line.trim_end().trim_end_matches(';').trim_end();
        let inside = shown.strip_suffix('"')?;
        (!inside.contains(['"', '{', '}'])).then_some(token.end + gap + shown.len())
    }

    /// Unknown escapes, reported once a string.
    fn escapes(&mut self, token: Token) {
        let text = self.text_of(token);
        let mut first: Option<(usize, usize)> = None;
        let mut count = 0_usize;
        let mut at = 0;
        while let Some(next) = text.get(at..).and_then(|rest| rest.find('\\')) {
            let slash = at + next;
            let escaped = text.get(slash + 1..).and_then(|rest| rest.chars().next());
            let len = escaped.map_or(0, char::len_utf8);
            let fine = match escaped {
                Some('u') => unicode_escape(text.get(slash + 2..).unwrap_or_default()),
                Some(c) => matches!(c, 'n' | 'r' | 't' | '\\' | '"' | 'b' | 'f' | 's') || lexer::is_blank_or_newline(c),
                None => true,
            };
            if !fine {
                let (start, end) = (token.start + slash, token.start + slash + 1 + len);
                first.get_or_insert((start, end));
                count += 1;
                self.overwrite(start..end, b'_');
            }
            at = slash + 1 + len.max(1);
        }
        let Some((start, end)) = first else {
            return;
        };
        self.mark_replaced(token);
        let message = format!("unknown escape `{}`", excerpt(self.slice(start..end)));
        let one = if count > 1 {
            "the first of several"
        } else {
            "not an escape sequence"
        };
        self.syntax_error(start..end, message, one);
        let raw = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
        self.help(if raw.contains('"') || raw.contains(lexer::is_newline) {
            "write `\\\\` for a backslash".to_owned()
        } else {
            format!("write `\\\\` for a backslash, or use a raw string: #{}#", excerpt(text))
        });
    }

    /// `/srv/a"`: gives the end of it.
    pub(super) fn no_opening_quote(&mut self, token: Token, quote: Token) -> Option<usize> {
        let rest = self.text_of(quote).get(1..)?.trim_start();
        if !(rest.is_empty() || rest.starts_with([';', '{', '}']) || rest.starts_with("//")) {
            return None;
        }
        let end = quote.start + 1;
        let label = "only the closing quote is here";
        self.syntax_error(token.start..end, "missing opening quote", label);
        let word = self.text_of(token);
        self.help(format!("write {}", excerpt(&kdl_string(word))));
        self.fix(&[(token.start, end, &kdl_string(word))]);
        self.placeholder(token.start..end);
        // What follows the quote was read as part of the string.
        self.blank_comment_after(end, quote.end);
        Some(quote.end)
    }

    /// A comment after what was not a string becomes blank like any other.
    fn blank_comment_after(&mut self, start: usize, end: usize) {
        let rest = self.slice(start..end);
        if let Some(comment) = rest.find("//") {
            self.blank_out(start + comment..end);
        }
    }

    /// `'a b'`: gives the end of it when it is closed on its line.
    pub(super) fn single_quotes(&mut self, token: Token) -> Option<usize> {
        let line = self.text.get(token.start..)?;
        let mut at = 1;
        let mut doubled = false;
        let close = loop {
            let next = at + line.get(at..)?.find(|c| c == '\'' || lexer::is_newline(c))?;
            let behind = line.get(next..)?.strip_prefix('\'')?;
            if !behind.starts_with('\'') || next == 1 {
                break next + 1;
            }
            // `'it''s'`: a quote inside, as in YAML.
            doubled = true;
            at = next + 2;
        };
        let inside = line.get(1..close - 1)?;
        let inside = if doubled {
            inside.replace("''", "'")
        } else {
            inside.to_owned()
        };
        let end = token.start + close;
        let message = "single quotes do not start a string";
        self.syntax_error(token.start..end, message, "expected double quotes");
        self.help(format!("write {}", excerpt(&kdl_string(&inside))));
        // A shell reads two quotes in a row as nothing.
        if !doubled {
            self.fix(&[(token.start, end, &kdl_string(&inside))]);
        }
        self.placeholder(token.start..end);
        Some(end)
    }

    /// `r"…"` or `r#"…"#`; gives its end.
    pub(super) fn old_raw_string(&mut self, token: Token, string: Token) -> usize {
        let hashes = self.text_of(token).len() - 1;
        let rest = self.slice(string.end..);
        let end = string.end + rest.bytes().take(hashes).take_while(|b| *b == b'#').count();
        let text = self.slice(token.start + 1..end);
        let message = "`r\"…\"` is KDL 1 syntax for a raw string";
        self.report(Code::Version, token.start..end, message, "ops files use KDL 2");
        let hashed = if text.starts_with('#') {
            text.to_owned()
        } else {
            format!("#{text}#")
        };
        self.help(format!("write {}", excerpt(&hashed)));
        self.fix(&[(token.start, end, &hashed)]);
        self.placeholder(token.start..end);
        end
    }
}

/// How a string without an end was meant.
struct UnclosedString {
    /// Bytes of it that are surely its own.
    length: usize,
    label: &'static str,
    help: String,
    /// What is missing at its end.
    close: Option<String>,
}

impl UnclosedString {
    fn new(body: &str, help: String) -> Self {
        Self {
            length: body.trim_end().len(),
            label: "starts here",
            help,
            close: None,
        }
    }
}

/// A string of one line; `head` is what is before it.
fn unclosed(text: &str, head: &str, raw: bool) -> UnclosedString {
    let body = text.trim_end();
    let hashes = "#".repeat(text.len() - text.trim_start_matches('#').len());
    let typographic = text.char_indices().skip(1).find(|(_, c)| TYPOGRAPHIC.contains(c));
    if let Some((at, c)) = typographic {
        return UnclosedString {
            length: at + c.len_utf8(),
            label: "its closing quote is typographic",
            ..UnclosedString::new(text, format!("write {}\"", excerpt(text.get(..at).unwrap_or_default())))
        };
    }
    if raw && body.len() > 2 && body.ends_with('"') {
        return UnclosedString {
            label: "its closing quote lacks the `#`",
            close: Some(hashes.clone()),
            ..UnclosedString::new(body, format!("write {}{hashes}", excerpt(body)))
        };
    }
    if !raw && body.ends_with("\\\"") {
        let inside = double(body.get(1..body.len() - 1).unwrap_or_default());
        let shown = excerpt(&format!("\"{inside}\""));
        return UnclosedString {
            label: "its closing quote is escaped",
            ..UnclosedString::new(body, format!("`\\\"` is a quote inside the string: write {shown}"))
        };
    }
    // `backup "a {`: the block starts all the same.
    let block = body
        .strip_suffix('{')
        .filter(|before| before.ends_with(lexer::is_space));
    let opened = head.matches('{').count() > head.matches('}').count();
    match block.or_else(|| body.strip_suffix('}').filter(|_| opened)) {
        Some(before) => {
            let body = before.trim_end_matches(|c| lexer::is_space(c) || c == ';');
            UnclosedString {
                // The blank after a `\` is part of what was typed: without it the new quote would be escaped.
                length: body.len(),
                close: Some(format!("\"{hashes}")),
                ..UnclosedString::new(body, format!("write {}\"{hashes}", excerpt(body)))
            }
        }
        None => UnclosedString::new(body, "put the closing `\"` on the same line".to_owned()),
    }
}

/// With every backslash doubled.
fn double(text: &str) -> String {
    text.replace("\\\\", "\\").replace('\\', "\\\\")
}

fn unicode_escape(after: &str) -> bool {
    after
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
        .is_some_and(|(hex, _)| {
            (1..=6).contains(&hex.len()) && u32::from_str_radix(hex, 16).is_ok_and(|n| char::from_u32(n).is_some())
        })
}
