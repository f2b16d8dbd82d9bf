//! Lists of other languages on one line: `[a, b]`, `a, b`.
//!
//! Takes brackets and commas, gives one finding a list with all of its values after the setting's name.
//! Invariant: the values of a repaired list are still read.

use super::repairer::{Repairer, Statement};
use crate::config::findings::excerpt;
use crate::config::syntax::bare_word::{is_keyword, kdl_word, needs_quotes, starts_like_number};
use crate::config::syntax::lexer::{self, Token, TokenKind};

pub(super) const INVALID_LIST: &str = "invalid list syntax";

/// Characters before a token that are searched for the start of its line.
const MAX_LINE_LENGTH: usize = 300;

/// The signs of lists in other languages.
pub(super) const LIST_SIGNS: [char; 3] = ['[', ']', ','];

/// A list, as far as it is on one line.
#[derive(Default)]
struct InlineList {
    /// The line as it must be written, in words.
    written: Vec<String>,
    end: usize,
    /// Its `]` was met.
    closed: bool,
    /// Its values, when nothing but values was met, and their end.
    values: Option<Vec<String>>,
    values_end: usize,
}

impl Repairer<'_> {
    /// Reports once a line how a list is written. It starts at `from`, perhaps with a sign that does not belong there.
    pub(super) fn list_finding(&mut self, from: usize, bracket: bool, statement: &mut Statement<'_>) {
        if std::mem::replace(&mut statement.list_reported, true) {
            return;
        }
        let rest = self.slice(from..);
        let before = self.slice(..from);
        let head = before.rsplit(lexer::is_newline).next().unwrap_or_default().trim_start();
        let line = lexer::first_line(rest);
        let list = inline_list(line, head.trim_end());
        let shown = line.get(..list.end).unwrap_or_default().trim_end().len();
        let first = line.split(lexer::is_space).next().unwrap_or_default();
        let end = from + if bracket { shown } else { first.len() };
        let label = if bracket {
            "lists have no brackets"
        } else {
            "lists have no commas"
        };
        self.syntax_error(from..end, INVALID_LIST, label);
        let written = list.written.join(" ");
        self.help(match written.trim_start() {
            "" => "delete it, and write all values on the line of their setting".to_owned(),
            name if list.written.len() == 1 => {
                format!("write the whole list on one line: `{} \"…\" \"…\"`", excerpt(name))
            }
            all => format!("write `{}`", excerpt(all)),
        });
        // A list over several lines has no known end, and its words may be names of other settings.
        let whole = !bracket || list.closed;
        let named = !head.trim().is_empty();
        if let Some(values) = list.values.filter(|values| whole && named && !values.is_empty()) {
            let gap = if before.ends_with(lexer::is_space) { "" } else { " " };
            let text = format!("{gap}{}", values.join(" "));
            self.fix(&[(from, from + list.values_end, &text)]);
        }
    }

    /// A word with a bracket or a comma at one of its ends.
    pub(super) fn list(&mut self, token: Token, statement: &mut Statement<'_>) {
        if self.lone_sign(token, statement) {
            return;
        }
        let word = self.text_of(token);
        self.list_finding(token.start, word.contains(['[', ']']), statement);
        // The signs go; of what they enclose, only the words they touched are replaced.
        for (at, _) in word.match_indices(LIST_SIGNS) {
            self.blank_out(token.start + at..token.start + at + 1);
        }
        let parts: Vec<&str> = word.split(LIST_SIGNS).filter(|part| !part.is_empty()).collect();
        for part in &parts {
            if starts_like_number(part) || needs_quotes(part) || matches!(*part, "true" | "false" | "null") {
                let start = token.start + word.find(part).unwrap_or(0);
                self.placeholder(start..start + part.len());
            }
        }
        if !parts.is_empty() {
            self.mark_replaced(token);
        }
    }

    /// A `,` at the end of a setting, or a `]` without its `[`: true when it was one.
    fn lone_sign(&mut self, token: Token, statement: &mut Statement<'_>) -> bool {
        let word = self.text_of(token);
        let rest = self.slice(token.end..);
        let after = rest.trim_start_matches(lexer::is_space);
        let last = after.is_empty() || after.starts_with(|c| lexer::is_newline(c) || matches!(c, ';' | '}'));
        let (comma, value) = match (word.strip_suffix(','), word.strip_suffix(']')) {
            (Some(value), _) => (true, value),
            (None, Some(value)) => (false, value),
            (None, None) => return false,
        };
        if statement.list_reported || !last {
            return false;
        }
        // The start of a longer line is not looked at.
        let before = self.slice(..token.start);
        let line: usize = before
            .chars()
            .rev()
            .take(MAX_LINE_LENGTH)
            .take_while(|c| !lexer::is_newline(*c))
            .map(char::len_utf8)
            .sum();
        let line = before.get(before.len() - line..).unwrap_or_default();
        if value.contains(LIST_SIGNS) || line.contains(LIST_SIGNS) || line.trim().is_empty() {
            return false;
        }
        if needs_quotes(value) || starts_like_number(value) && !comma {
            return false;
        }
        statement.list_reported = true;
        let at = token.end - 1;
        let (message, label) = if comma {
            ("unexpected `,`", "settings are not separated by commas")
        } else {
            ("unexpected `]`", "no `[` is open here")
        };
        self.syntax_error(at..token.end, message, label);
        self.help("delete it");
        self.fix(&[(at, token.end, "")]);
        self.blank_out(at..token.end);
        true
    }
}

/// Reads a list at the start of `line`; `head` is what is before it.
fn inline_list(line: &str, head: &str) -> InlineList {
    let mut list = InlineList {
        written: vec![head.to_owned()],
        values: Some(Vec::new()),
        ..InlineList::default()
    };
    let mut values_over = false;
    for token in lexer::tokens(line) {
        let text = line.get(token.start..token.end).unwrap_or_default();
        let bare = matches!(token.kind, TokenKind::Word { .. });
        // `# why`: a comment of another language, which is reported by itself.
        if bare && text.starts_with('#') && !is_keyword(text.trim_end_matches([',', ']'])) {
            break;
        }
        let parts = || {
            let parts = text.split(LIST_SIGNS).filter(|part| !part.is_empty() && *part != ":");
            parts.map(kdl_word)
        };
        let ends = matches!(
            token.kind,
            TokenKind::Semicolon | TokenKind::Close | TokenKind::Comment { .. }
        );
        values_over |= list.closed || ends;
        if !values_over {
            list.add_values(token, text, parts());
        }
        if !list.closed {
            list.end = token.end;
        }
        match token.kind {
            TokenKind::Space => {}
            TokenKind::Comment { .. } => break,
            TokenKind::Word { .. } => {
                list.written.extend(parts());
                list.closed |= text.contains(']');
            }
            TokenKind::Equals if list.written.len() == 1 => {}
            _ => list.written.push(text.to_owned()),
        }
    }
    list
}

impl InlineList {
    fn add_values(&mut self, token: Token, text: &str, parts: impl Iterator<Item = String>) {
        let mut added: Vec<String> = match token.kind {
            TokenKind::Space if !text.contains('\\') => return,
            TokenKind::Equals if token.start == 0 => return,
            TokenKind::Word { .. } => parts.collect(),
            TokenKind::Text { closed: true, .. } => vec![text.to_owned()],
            _ => {
                self.values = None;
                return;
            }
        };
        if let Some(values) = &mut self.values {
            values.append(&mut added);
        }
        self.values_end = token.end;
    }
}
