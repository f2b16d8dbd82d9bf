//! Goes through the tokens once, and has each common mistake repaired: `5m`, `# x`, `[a, b]`, bare `true`, `key = v`,
//! an unquoted glob.
//!
//! Takes the tokens of a file, decides by a token and its neighbours which repair is meant. The repairs are in the
//! files beside this one.
//! Invariant: whatever is overwritten is reported and marked as replaced, so that no made-up value is ever used.

use super::operators::ARROWS;
use super::quotes::TYPOGRAPHIC;
use super::repairer::{Repairer, Statement};
use crate::config::syntax::lexer::{self, Token, TokenKind};

impl<'a> Repairer<'a> {
    pub(super) fn scan(&mut self, tokens: &[Token]) {
        let mut statement = Statement::default();
        let mut skip_to = 0_usize;
        // Parentheses before this were reported.
        let mut parens_to = 0_usize;
        for (at, &token) in tokens.iter().enumerate() {
            if token.start < skip_to.max(self.repaired_to) {
                if token.kind == TokenKind::Newline {
                    (statement.words, statement.list_reported) = (0, false);
                }
                continue;
            }
            let last = statement.last;
            if !token.is_blank() {
                statement.last = Some(token.kind);
            }
            let before = at.checked_sub(1).and_then(|at| tokens.get(at));
            let rest = tokens.get(at + 1..).unwrap_or_default();
            match token.kind {
                TokenKind::Semicolon if begins_statement(last) => {
                    skip_to = self.lone_semicolon(token, matches!(last, None | Some(TokenKind::Newline)));
                    statement.words = 0;
                    statement.line_start = token.end;
                }
                TokenKind::Newline | TokenKind::Semicolon | TokenKind::Open | TokenKind::Close => {
                    statement.words = 0;
                    statement.list_reported &= token.kind != TokenKind::Newline;
                    statement.line_start = token.end;
                }
                TokenKind::Space => self.blank(token),
                TokenKind::SlashDash => {}
                TokenKind::Paren => match annotation(tokens, at) {
                    // Well-formed: refused later, with the value that it belongs to.
                    Some(end) if !touches_word(before, token) => skip_to = end,
                    _ if parens_to <= token.start => {
                        parens_to = self.paren(token, self.head(&statement, token), rest).unwrap_or(0);
                    }
                    _ => {}
                },
                TokenKind::Comment { closed } => {
                    self.comment(token, closed, before, rest.first());
                    self.blank(token);
                }
                TokenKind::Equals => skip_to = self.equals(token, rest, &mut statement).unwrap_or(skip_to),
                TokenKind::Text { raw, closed } => {
                    skip_to = self.string(token, raw, closed);
                    statement.add("", token.end);
                }
                TokenKind::Word { .. } => skip_to = self.bare_word(tokens, at, &mut statement).unwrap_or(skip_to),
            }
        }
    }

    /// The statement on its line, up to a token.
    fn head(&self, statement: &Statement<'_>, token: Token) -> &'a str {
        self.slice(statement.line_start..token.start).trim()
    }

    /// `=`, `=>`: gives where to go on when it is not the sign of a property.
    fn equals(&mut self, token: Token, rest: &[Token], statement: &mut Statement<'_>) -> Option<usize> {
        let arrow = rest
            .first()
            .filter(|next| next.start == token.end && self.text_of(**next) == ">");
        let end = arrow.map_or(token.end, |arrow| arrow.end);
        let after = rest.get(usize::from(arrow.is_some())..).unwrap_or_default();
        let next = after.iter().find(|token| token.kind != TokenKind::Space);
        let head = self.head(statement, token);
        let block = next.is_some_and(|next| next.kind == TokenKind::Open);
        if statement.words <= 1 || arrow.is_some() || block {
            let from = if statement.words > 0 {
                statement.words_end
            } else {
                token.start
            };
            self.sign(head, from, token.start..end, after, statement);
            return Some(end);
        }
        if !next.is_some_and(|next| next.is_word() || next.kind == TokenKind::Paren) {
            self.no_value(token, head);
        }
        None
    }

    /// A bare word and whatever was meant by it; gives where to go on.
    fn bare_word(&mut self, tokens: &[Token], at: usize, statement: &mut Statement<'a>) -> Option<usize> {
        let token = *tokens.get(at)?;
        let word = self.text_of(token);
        if statement.words == 0 {
            statement.first = word;
        }
        if let Some(end) = self.foreign_sign(tokens, at, statement) {
            return Some(end);
        }
        let end = self.repair_word(tokens, at, statement);
        statement.add(word, token.end);
        end
    }

    fn repair_word(&mut self, tokens: &[Token], at: usize, statement: &mut Statement<'a>) -> Option<usize> {
        let token = *tokens.get(at)?;
        let word = self.text_of(token);
        let after = tokens.get(at + 1);
        if word.starts_with('\'')
            && let Some(end) = self.single_quotes(token)
        {
            return Some(end);
        }
        if word.starts_with(TYPOGRAPHIC) {
            return Some(self.typographic_quotes(token, statement.line_start));
        }
        if word.starts_with('#') && self.hash(token, statement.words == 0) {
            let end = token.start + lexer::first_line(self.slice(token.start..)).len();
            self.blank_out(token.start..end);
            return Some(end);
        }
        let hashes = word.strip_prefix('r');
        if hashes.is_some_and(|hashes| hashes.chars().all(|c| c == '#'))
            && let Some(string) = after.filter(|next| matches!(next.kind, TokenKind::Text { .. }))
        {
            return Some(self.old_raw_string(token, *string));
        }
        let closing = after.filter(|next| next.start == token.end && next.is_unclosed_string());
        if let Some(end) = closing.and_then(|quote| self.no_opening_quote(token, *quote)) {
            return Some(end);
        }
        if !self.glued_name(token, statement.words, after) {
            let key = at.checked_sub(2).and_then(|key| {
                let equals = tokens.get(key + 1)?.kind == TokenKind::Equals;
                tokens.get(key).filter(|_| equals)
            });
            let key = key.map_or(statement.first, |key| self.text_of(*key));
            self.word(token, key, statement);
        }
        None
    }

    /// A sign that other languages write between a name and its value, or before a comment; gives its end.
    fn foreign_sign(&mut self, tokens: &[Token], at: usize, statement: &mut Statement<'a>) -> Option<usize> {
        let token = *tokens.get(at)?;
        let word = self.text_of(token);
        let mut after = tokens.get(at + 1..).unwrap_or_default();
        if statement.words == 0 {
            if matches!(word, "--" | "<!--") {
                return Some(self.other_comment(token));
            }
            let name = word.trim_end_matches(':');
            let property = after.first().is_some_and(|next| next.kind == TokenKind::Equals);
            if name.is_empty() || name.len() == word.len() || property {
                return None;
            }
            let start = token.start + name.len();
            self.sign(name, start, start..token.end, after, statement);
            return Some(token.end);
        }
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let touching = before.is_some_and(|t| t.end == token.start && matches!(t.kind, TokenKind::Text { .. }));
        let mut end = token.end;
        // `:=`
        if word == ":"
            && let [equals, rest @ ..] = after
            && equals.kind == TokenKind::Equals
        {
            (end, after) = (equals.end, rest);
        } else if !ARROWS.contains(&word) || statement.words > 1 && !touching {
            return None;
        }
        let head = self.head(statement, token);
        match after.iter().find(|next| !next.is_blank()).map(|next| next.kind) {
            Some(TokenKind::Word { .. } | TokenKind::Text { .. } | TokenKind::Open | TokenKind::Paren) => {
                let one = statement.words == 1;
                let head = if one { head.trim_matches('"') } else { head };
                self.sign(head, statement.words_end, token.start..end, after, statement);
            }
            Some(TokenKind::Newline) | None if touching => self.colon_for_block(token, head),
            _ => return None,
        }
        Some(end)
    }
}

/// Whether a statement begins after such a token, also after a blank line.
fn begins_statement(last: Option<TokenKind>) -> bool {
    matches!(
        last,
        None | Some(TokenKind::Newline | TokenKind::Semicolon | TokenKind::Open)
    )
}

/// `name(`: a call of another language, not a type.
fn touches_word(before: Option<&Token>, token: Token) -> bool {
    before.is_some_and(|t| t.end == token.start && t.is_word())
}

/// `(type)` directly before a value: its end.
fn annotation(tokens: &[Token], at: usize) -> Option<usize> {
    let value = |kind| {
        matches!(
            kind,
            TokenKind::Word { glued: false } | TokenKind::Text { closed: true, .. }
        )
    };
    let [open, ty, close, next] = tokens.get(at..at + 4)? else {
        return None;
    };
    let parens = open.kind == TokenKind::Paren && close.kind == TokenKind::Paren;
    (parens && value(ty.kind) && value(next.kind)).then_some(close.end)
}
