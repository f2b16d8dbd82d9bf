//! Signs of other languages: `name: value`, `name = value`, `name => value`, `name(value)`.
//!
//! Takes the sign and what is around it, gives findings with the line without it.

use super::repairer::{Repairer, Statement};
use crate::config::findings::excerpt;
use crate::config::source::paths;
use crate::config::syntax::bare_word::{kdl_string, kdl_word, needs_quotes};
use crate::config::syntax::lexer::{self, Token, TokenKind};
use std::ops::Range;

/// Tokens after a sign that are searched for its value.
const MAX_VALUE_TOKENS: usize = 40;

/// Signs that other languages write between a name and its value.
pub(super) const ARROWS: [&str; 6] = [":", "::", "->", "=>", "~>", "\u{2192}"];

const VALUE_AFTER_NAME: &str = "a value follows its name directly";

impl Repairer<'_> {
    /// A parenthesis that is not part of `(type)value`. Gives the end of a pair.
    pub(super) fn paren(&mut self, token: Token, head: &str, after: &[Token]) -> Option<usize> {
        self.blank_out(token);
        let line = after.iter().take(MAX_VALUE_TOKENS).take_while(|t| {
            !matches!(
                t.kind,
                TokenKind::Newline | TokenKind::Semicolon | TokenKind::Open | TokenKind::Close
            )
        });
        let close = line.filter(|t| t.kind == TokenKind::Paren).last();
        let pair = self.text_of(token) == "(" && !head.is_empty();
        if let Some(close) = close.filter(|close| pair && self.text_of(**close) == ")") {
            let inside = self.slice(token.end..close.start).trim();
            self.blank_out(*close);
            let message = format!("unexpected parentheses after `{}`", excerpt(head));
            let label = "values are written without parentheses";
            self.syntax_error(token.start..close.end, message, label);
            self.help(format!("write `{} {}`", excerpt(head), excerpt(inside)));
            self.fix(&[(token.start, token.end, " "), (close.start, close.end, "")]);
            return Some(close.end);
        }
        self.syntax_error(token, "unexpected parenthesis", "not part of a value");
        self.help("delete it, or quote the whole value");
        None
    }

    /// What follows a sign on its line, as one stretch, and whether it is a single value.
    fn values(&self, after: &[Token]) -> Option<(Token, bool)> {
        let mut found: Option<Token> = None;
        let mut count = 0;
        for token in after.iter().take(MAX_VALUE_TOKENS) {
            if token.kind == TokenKind::Space {
                continue;
            }
            if !token.is_word() && token.kind != TokenKind::Paren {
                break;
            }
            // The comma of another language ends a value.
            let text = self.text_of(*token);
            if text == "," && count > 0 {
                break;
            }
            count += 1;
            let first = *found.get_or_insert(*token);
            found = Some(Token {
                start: first.start,
                ..*token
            });
            if text.ends_with(',') && !text.starts_with('[') && matches!(token.kind, TokenKind::Word { .. }) {
                break;
            }
        }
        found.map(|token| (token, count == 1))
    }

    /// `name: value`, `name = value`, `name => {`: one finding, also for missing quotes of the value. `head` is what is
    /// before the sign; its last word ends at `from`.
    pub(super) fn sign(
        &mut self,
        head: &str,
        from: usize,
        sign: Range<usize>,
        after: &[Token],
        statement: &mut Statement<'_>,
    ) {
        let shown = excerpt(self.slice(sign.clone()));
        self.blank_out(sign.clone());
        let next = after.iter().find(|token| token.kind != TokenKind::Space);
        if let Some(open) = next.filter(|token| token.kind == TokenKind::Open) {
            let message = format!("unexpected `{shown}` before a block");
            self.syntax_error(sign, message, "a block follows its node directly");
            self.help(format!("write `{} {{`", excerpt(head)));
            self.fix(&[(from, open.start, " ")]);
            return;
        }
        let values = self.values(after);
        if let Some((value, _)) = values
            && self.text_of(value).starts_with('[')
        {
            self.list_finding(sign.start, true, statement);
            return;
        }
        let message = format!("unexpected `{shown}` after `{}`", excerpt(head));
        self.syntax_error(sign, message, VALUE_AFTER_NAME);
        match values {
            Some((value, single)) => self.value_after_sign(head, from, value, single, statement),
            None => self.help(format!("write `{} …`", excerpt(head))),
        }
    }

    /// The value after a sign that was reported, with the comma and the quotes that it lacks or does not need.
    fn value_after_sign(
        &mut self,
        head: &str,
        from: usize,
        mut value: Token,
        single: bool,
        statement: &mut Statement<'_>,
    ) {
        let text = self.text_of(value);
        let mut comma = text.len() - text.trim_end_matches(',').len();
        // `"a": "b",`: the comma is a token of its own.
        let behind = self.slice(value.end..);
        if comma == 0 && behind.starts_with(',') && matches!(value.kind, TokenKind::Text { .. }) {
            comma = 1;
            value.end += 1;
        }
        if comma > 0 {
            // Reported together with the sign.
            value.end -= comma;
            statement.list_reported = true;
        }
        let text = self.text_of(value);
        let end = value.end + comma;
        let unquoted = single && matches!(value.kind, TokenKind::Word { .. }) && needs_quotes(text);
        if unquoted {
            self.placeholder(value);
            self.blank_out(value.end..end);
            self.repaired_to = end;
        }
        if single && let Some(help) = Self::place_help(head, text) {
            self.help(help);
            return;
        }
        let written = if unquoted { kdl_string(text) } else { text.to_owned() };
        self.help(format!("write `{} {}`", excerpt(head), excerpt(&written)));
        let mut edits = vec![(from, value.start, " ")];
        if unquoted {
            edits.push((value.start, value.end, &written));
        }
        if comma > 0 {
            edits.push((value.end, end, ""));
        }
        self.fix(&edits);
    }

    /// `source:/srv/a`, `timeout:5m`: a name, a colon and a value in one word. True when it was one.
    pub(super) fn glued_name(&mut self, token: Token, words: usize, after: Option<&Token>) -> bool {
        let Some((name, value)) = self.text_of(token).split_once(':') else {
            return false;
        };
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let property = after.is_some_and(|t| t.kind == TokenKind::Equals);
        let text = !property && !value.is_empty() && !value.starts_with([':', '/']);
        let path = value.starts_with('/') && !value.starts_with("//");
        if words > 0 || !plain || !text && !path {
            return false;
        }
        let colon = token.start + name.len();
        let message = format!("unexpected `:` after `{}`", excerpt(name));
        self.syntax_error(colon..colon + 1, message, VALUE_AFTER_NAME);
        if let Some(help) = Self::place_help(name, value) {
            self.help(help);
        } else {
            let written = kdl_word(value);
            self.help(format!("write `{} {}`", excerpt(name), excerpt(&written)));
            self.fix(&[(colon, token.end, &format!(" {written}"))]);
        }
        self.blank_out(colon..colon + 1);
        self.placeholder(colon + 1..token.end);
        true
    }

    /// `backup "a":` at the end of a line: the block that follows is meant by indentation.
    pub(super) fn colon_for_block(&mut self, token: Token, head: &str) {
        self.syntax_error(token, "unexpected `:` before a block", "a block starts with `{`");
        self.help(format!("write `{} {{`, and `}}` after the block", excerpt(head)));
        self.blank_out(token);
        self.block_colons.push(token.start);
    }

    /// `key=` without a value.
    pub(super) fn no_value(&mut self, token: Token, head: &str) {
        self.syntax_error(token, "expected a value after `=`", "nothing follows the `=`");
        let key = head.rsplit(lexer::is_space).next().unwrap_or(head);
        self.help(format!("write `{}=\"…\"`, or delete the property", excerpt(key)));
        self.blank_out(token);
        self.mark_replaced(token.start.saturating_sub(1)..token.end);
    }

    /// The help for a value that quotes alone would not make valid.
    pub(super) fn place_help(setting: &str, word: &str) -> Option<String> {
        let place = matches!(setting, "source" | "to" | "state-dir") && paths::is_remote(word);
        place.then(|| paths::mount_help(setting))
    }
}
