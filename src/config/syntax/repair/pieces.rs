//! Top-level nodes: cut apart, and their shape checked.
//!
//! Takes the tokens of a text whose mistakes are repaired, gives its [`Piece`]s, and reports braces without a partner and
//! pieces that are not well-formed.

use super::repairer::{Piece, RepairedText, Repairer};
use crate::config::syntax::grammar;
use crate::config::syntax::lexer::{self, Token, TokenKind};

impl Repairer<'_> {
    /// Cuts at the ends of top-level nodes, and reports braces that have no partner.
    pub(super) fn cut(&mut self, tokens: &[Token], tops: &[&str]) {
        let mut open: Vec<Token> = Vec::new();
        let mut given_up = 0_usize;
        let mut reported = false;
        let mut start: Option<usize> = None;
        let mut end = 0;
        let mut dashed = false;
        for &token in tokens {
            // A top-level name at the left margin begins a new node, even when a brace is missing before it.
            let at_margin = token.start == 0 || self.slice(..token.start).ends_with(['\n', '\r']);
            if !open.is_empty() && at_margin && tops.contains(&self.text_of(token)) {
                self.unclosed(&open, Some(token));
                self.piece(start.take(), end, open.len());
                given_up += open.len();
                open.clear();
            }
            match token.kind {
                TokenKind::Space | TokenKind::Comment { .. } => {}
                TokenKind::Newline | TokenKind::Semicolon => {
                    if open.is_empty() && !dashed {
                        self.piece(start.take(), end, 0);
                    }
                }
                TokenKind::Close if open.is_empty() => {
                    self.blank_out(token);
                    if given_up > 0 {
                        given_up -= 1;
                    } else if !reported {
                        self.syntax_error(token, "unexpected `}`", "no `{` is open here");
                        self.help("delete it, or add the missing `{` above");
                        reported = true;
                    }
                }
                kind => {
                    start.get_or_insert(token.start);
                    end = token.end;
                    dashed = kind == TokenKind::SlashDash;
                    if kind == TokenKind::Open {
                        open.push(token);
                    } else if kind == TokenKind::Close {
                        open.pop();
                    }
                }
            }
        }
        if !open.is_empty() {
            self.unclosed(&open, None);
        }
        self.piece(start, end, open.len());
    }

    /// The result, with the shape of every piece checked.
    pub(super) fn finish(mut self) -> RepairedText {
        self.out.text = String::from_utf8(std::mem::take(&mut self.bytes)).unwrap_or_default();
        if self.out.text.len() != self.text.len() {
            // Cannot happen: only whole characters are overwritten. Parse the original rather than nothing.
            self.text.clone_into(&mut self.out.text);
        }
        let tokens = lexer::tokens(&self.out.text);
        let mut pieces = std::mem::take(&mut self.out.pieces);
        let mut commented_out = Vec::new();
        for piece in &mut pieces {
            let from = tokens.partition_point(|token| token.start < piece.start);
            let to = tokens.partition_point(|token| token.start < piece.end);
            let own = tokens.get(from..to).unwrap_or_default();
            let errors = grammar::errors(&self.out.text, own);
            piece.broken = !errors.is_empty();
            if !piece.broken {
                commented_out.extend(grammar::commented_out(&self.out.text, own));
            }
            for error in errors {
                self.syntax_error(error.token, error.message, error.label);
                self.help(error.help);
                if let Some((at, text)) = error.insert {
                    self.fix(&[(at, at, text)]);
                }
            }
        }
        self.out.pieces = pieces;
        let mut bytes = std::mem::take(&mut self.out.text).into_bytes();
        for (start, end) in commented_out {
            if let Some(bytes) = bytes.get_mut(start..end) {
                bytes.fill(b' ');
            }
        }
        // Whole tokens were blanked out: it is UTF-8 as before.
        self.out.text = String::from_utf8(bytes).unwrap_or_default();
        self.out.replaced.sort_unstable();
        self.out
    }

    fn unclosed(&mut self, open: &[Token], next: Option<Token>) {
        let inserted = |token: &&Token| self.inserted_opens.binary_search(&token.start).is_ok();
        if let Some(first) = open.iter().find(|token| !inserted(token)) {
            self.syntax_error(*first, "unclosed block", "this `{` is never closed");
            if let Some(next) = next {
                self.label(next, "indented as if the block had already ended");
            }
            self.help(match next {
                Some(_) => "add the missing `}` before the next node",
                None => "add the missing `}` at the end of the block",
            });
        }
    }

    fn piece(&mut self, start: Option<usize>, end: usize, unclosed: usize) {
        if let Some(start) = start {
            self.out.pieces.push(Piece {
                start,
                end,
                unclosed,
                broken: false,
            });
        }
    }
}
