//! Braces without a partner, found by the indentation, and `{` on a line of its own.
//!
//! Takes the tokens of a repaired text, reports a `{` without `}` where the indentation first disagrees, a `}` that closes
//! too early and a block without its `{`. Inserts or removes the brace, so that each setting stays in its node. Braces
//! that the indentation does not explain are left to `pieces`. Knows only the names of top-level nodes.
//! Invariant: a brace is inserted or removed only together with a finding.

use super::repairer::Repairer;
use crate::config::findings::excerpt;
use crate::config::syntax::lexer::{Token, TokenKind, is_space};

/// A block of the current top-level node.
#[derive(Debug, Clone, Copy)]
struct Block<'t> {
    open: Token,
    /// The white space at the start of its line.
    indent: &'t str,
    /// The first token that is not indented deeper, while it was open.
    outside: Option<usize>,
    /// The `}` that ended it, when that was indented deeper than the line of the `{`.
    early: Option<usize>,
    inserted: bool,
}

impl<'t> Block<'t> {
    fn new(open: Token, indent: &'t str, inserted: bool) -> Self {
        Self {
            open,
            indent,
            outside: None,
            early: None,
            inserted,
        }
    }
}

/// How far the pairing is.
#[derive(Default)]
struct Pairing<'t, 'n> {
    tokens: &'n [Token],
    tops: &'n [&'n str],
    open: Vec<Block<'t>>,
    closed: Vec<Block<'t>>,
    /// The indentation of the current line.
    indent: &'t str,
    /// The last token that is not blank.
    last: Option<usize>,
    /// A node at the margin that has no block yet: its first token.
    header: Option<usize>,
    changed: bool,
}

impl<'a> Repairer<'a> {
    /// Pairs braces by their indentation; true when something was changed.
    pub(super) fn braces(&mut self, tokens: &[Token], tops: &[&str]) -> bool {
        let mut pairing = Pairing {
            tokens,
            tops,
            ..Pairing::default()
        };
        // Whether the current line has no token yet.
        let mut fresh = true;
        for (at, &token) in tokens.iter().enumerate() {
            if token.is_white() {
                fresh |= token.kind == TokenKind::Newline;
                continue;
            }
            let first = std::mem::take(&mut fresh);
            if first {
                self.first_of_line(&mut pairing, at, token);
            }
            if matches!(token.kind, TokenKind::Open | TokenKind::Close | TokenKind::Semicolon) {
                pairing.header = None;
            }
            match token.kind {
                TokenKind::Open => pairing.open.push(Block::new(token, pairing.indent, false)),
                TokenKind::Close => self.close(&mut pairing, at, token, first),
                _ => {}
            }
            pairing.last = Some(at);
        }
        self.missing_ends(&mut pairing, None);
        pairing.changed
    }

    /// The first token of a line shows which blocks have ended, or that a block has begun without its brace.
    fn first_of_line(&mut self, pairing: &mut Pairing<'a, '_>, at: usize, token: Token) {
        pairing.indent = self.indent(token);
        let indent = pairing.indent;
        if indent.is_empty() && pairing.tops.contains(&self.text_of(token)) {
            self.missing_ends(pairing, Some(at));
            pairing.open.clear();
            pairing.closed.clear();
            pairing.header = Some(at);
        } else if let Some(begin) = pairing.header.take()
            && let Some(before) = pairing.last
            && pairing.open.is_empty()
            && !indent.is_empty()
            && self.may_begin_a_block(pairing, begin, token)
        {
            let block = self.missing_begin(pairing.tokens, begin, before, at);
            pairing.open.push(block);
            pairing.changed = true;
        }
        if token.kind != TokenKind::Close {
            // The newest first: what is outside of a block is outside of those in it.
            for block in pairing
                .open
                .iter_mut()
                .rev()
                .take_while(|block| block.indent.starts_with(indent))
            {
                block.outside.get_or_insert(at);
            }
        }
    }

    fn close(&mut self, pairing: &mut Pairing<'a, '_>, at: usize, token: Token, first: bool) {
        let indent = pairing.indent;
        match pairing.open.pop() {
            Some(mut block) => {
                if first && block.indent.len() > indent.len() && block.indent.starts_with(indent) {
                    block.outside.get_or_insert(at);
                }
                if first && indent.len() > block.indent.len() && indent.starts_with(block.indent) {
                    block.early = Some(at);
                }
                pairing.closed.push(block);
            }
            None if first => self.early_end(pairing, token),
            None => {}
        }
    }

    /// The white space before a token, when it is the first of its line.
    fn indent(&self, token: Token) -> &'a str {
        let before = self.slice(..token.start);
        let blank = before.trim_end_matches(is_space).len();
        let indent = before.get(blank..).unwrap_or_default();
        if blank == 0 || before.get(..blank).is_some_and(|text| text.ends_with(['\n', '\r'])) {
            indent
        } else {
            ""
        }
    }

    /// Whether `inner` begins the block of the node that begins at `begin`: indented, and no node of its own.
    fn may_begin_a_block(&self, pairing: &Pairing<'_, '_>, begin: usize, inner: Token) -> bool {
        let name = pairing.tokens.get(begin).map_or("", |token| self.text_of(*token));
        let word = matches!(inner.kind, TokenKind::Word { .. });
        name != "import" && word && !pairing.tops.contains(&self.text_of(inner))
    }

    /// Reports a node without its `{`, inserts one, and gives its block.
    fn missing_begin(&mut self, tokens: &[Token], begin: usize, before: usize, at: usize) -> Block<'a> {
        let place = |number: usize| tokens.get(number).map_or((0, 0), |token| (token.start, token.end));
        let ((start, _), (_, end), (inner, inner_end)) = (place(begin), place(before), place(at));
        let colon = self.block_colons.iter().any(|header| (start..=inner).contains(header));
        let head = self.slice(start..end);
        // Whether a `}` at the margin ends it.
        let mut fresh = false;
        let at_margin = tokens.get(at..).unwrap_or_default().iter().find(|token| {
            let first = fresh;
            fresh = token.kind == TokenKind::Newline || first && token.is_blank();
            let shown = !matches!(token.kind, TokenKind::Newline | TokenKind::Space);
            first && shown && self.indent(**token).is_empty()
        });
        let ended = at_margin.is_some_and(|token| token.kind == TokenKind::Close);
        if !colon {
            self.syntax_error(start..end, "missing `{` before a block", "expected `{` after this");
            self.label(inner..inner_end, "indented like the block of this node");
            self.help(if ended {
                format!("write `{} {{`", excerpt(head))
            } else {
                format!("write `{} {{`, and `}}` after the block", excerpt(head))
            });
            if ended {
                self.fix(&[(end, end, " {")]);
            }
        }
        self.blank_out(end..inner);
        self.overwrite(end..end + 1, b'{');
        self.inserted_opens.push(end);
        let open = Token {
            kind: TokenKind::Open,
            start: end,
            end: end + 1,
        };
        Block::new(open, "", true)
    }

    /// Reports blocks that are never closed, where the indentation shows which, and closes them there. `next` is
    /// the top-level node before which they should have ended.
    fn missing_ends(&mut self, pairing: &mut Pairing<'a, '_>, next: Option<usize>) {
        let written = |block: &&Block<'a>| !block.inserted;
        let missing = pairing.open.iter().filter(written).count();
        if missing == 0 {
            return;
        }
        let blocks = pairing.open.iter().chain(&pairing.closed).filter(written);
        let mut candidates: Vec<(usize, Token)> = blocks
            .filter_map(|block| Some((block.outside.filter(|at| Some(*at) != next)?, block.open)))
            .collect();
        candidates.sort_by_key(|(at, open)| (*at, std::cmp::Reverse(open.start)));
        for (at, open) in candidates.into_iter().take(missing) {
            pairing.changed |= self.missing_end(pairing.tokens, at, open);
        }
    }

    fn missing_end(&mut self, tokens: &[Token], at: usize, open: Token) -> bool {
        let Some(token) = tokens.get(at).copied() else {
            return false;
        };
        let mut before = tokens.iter().take(at).rev();
        let before = before.find(|token| !token.is_white()).map_or(0, |token| token.end);
        // Room for the brace and the end of its node; two blocks that end here have to share it.
        let taken = self.inserted_close_ends.last().copied().unwrap_or(0).max(before);
        let end: &[u8] = if token.kind == TokenKind::Close { b"}" } else { b"};" };
        if token.start < taken + end.len() {
            return false;
        }
        for (offset, byte) in end.iter().enumerate() {
            self.overwrite(taken + offset..taken + offset + 1, *byte);
        }
        if taken == before {
            self.blank_out(before + end.len()..token.start);
        }
        self.inserted_close_ends.push(taken + end.len());
        let line = self.slice(..token.start).matches('\n').count() + 1;
        self.syntax_error(open, "unclosed block", "this `{` is never closed");
        let label = match token.kind {
            TokenKind::Close => "this `}` is indented like the end of another block",
            _ => "indented as if the block had already ended",
        };
        self.label(token, label);
        self.help(format!("add the missing `}}` before line {line}"));
        true
    }

    /// A `}` without a `{`, when an earlier one closed its block too early: reports and removes the earlier one.
    fn early_end(&mut self, pairing: &mut Pairing<'a, '_>, end: Token) {
        let last = pairing
            .closed
            .pop()
            .filter(|block| block.indent == pairing.indent && !block.inserted);
        let early = last.and_then(|block| pairing.tokens.get(block.early?).copied());
        if let Some(early) = early {
            let label = "indented deeper than the line with its `{`";
            self.syntax_error(early, "`}` closes its block too early", label);
            self.label(end, "this `}` is indented like the line with the `{`");
            self.help("delete it, or add the missing `{` above");
            self.blank_out(early);
            pairing.changed = true;
        }
    }
}

impl Repairer<'_> {
    /// A `{` on the line after its node: KDL would see a node without a block, and a block without a node.
    pub(super) fn braces_on_next_lines(&mut self, tokens: &mut [Token]) {
        // Where the statement begins, and its last token that is not blank.
        let mut begin: Option<usize> = None;
        let mut last: Option<usize> = None;
        let mut newline = false;
        for at in 0..tokens.len() {
            let Some(&token) = tokens.get(at) else {
                return;
            };
            if token.is_white() {
                newline |= token.kind == TokenKind::Newline;
                continue;
            }
            let before = last.and_then(|last| tokens.get(last)).copied();
            match token.kind {
                TokenKind::Open => {
                    if let (true, Some(begin), Some(before), Some(from)) = (newline, begin, before, last)
                        && (before.is_closed_string() || matches!(before.kind, TokenKind::Word { .. }))
                        && !self.slice(begin..).starts_with('#')
                    {
                        self.brace_on_next_line(begin, before, token);
                        for between in tokens.get_mut(from + 1..at).unwrap_or_default() {
                            between.kind = TokenKind::Space;
                        }
                    }
                    begin = None;
                }
                TokenKind::Close | TokenKind::Semicolon => begin = None,
                _ => {
                    let dashed = before.is_some_and(|token| token.kind == TokenKind::SlashDash);
                    if begin.is_none() || newline && !dashed {
                        begin = Some(token.start);
                    }
                }
            }
            last = Some(at);
            newline = false;
        }
    }

    fn brace_on_next_line(&mut self, begin: usize, before: Token, open: Token) {
        let line = self.slice(begin..before.end);
        self.syntax_error(open, "`{` must be on the same line as its node", "on a line of its own");
        self.help(format!("write `{} {{`", excerpt(line)));
        if self.slice(before.end..open.start).trim().is_empty() {
            self.fix(&[(before.end, open.start, " ")]);
        }
        self.blank_out(before.end..open.start);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::syntax::repair::repair;

    /// The labels of all findings with their lines, and the number of pieces.
    fn labels_and_pieces(text: &str) -> (Vec<String>, usize) {
        let repaired = repair(text, 0, &["backup", "check"]);
        let labels = repaired.findings.iter().flat_map(|finding| {
            finding.labels.iter().map(|label| {
                let line = text[..label.span.start].matches('\n').count() + 1;
                format!("{line}: {}", label.text)
            })
        });
        (labels.collect(), repaired.pieces.len())
    }

    #[test]
    fn an_inner_block_ends_where_the_indentation_says_so() {
        let text = "check a {\n    http x {\n        status 200\n    timeout y\n}\nbackup b {\n}\n";
        let (labels, pieces) = labels_and_pieces(text);
        assert_eq!(
            labels,
            [
                "2: this `{` is never closed",
                "4: indented as if the block had already ended"
            ]
        );
        assert_eq!(pieces, 2);
        let (labels, _) = labels_and_pieces("check a {\n    http x {\n        status 200\n}\n");
        assert_eq!(
            labels,
            [
                "2: this `{` is never closed",
                "4: this `}` is indented like the end of another block"
            ]
        );
    }

    #[test]
    fn a_node_without_its_brace_keeps_its_lines() {
        for text in [
            "backup a\n    x 1\n    y 2\n}\nbackup b {\n}\n",
            "backup a\n    x 1\nbackup b {\n}\n",
            "backup \"a\":\n    x 1\n\nbackup b {\n}\n",
        ] {
            let repaired = repair(text, 0, &["backup"]);
            assert_eq!(repaired.pieces.len(), 2, "{text}");
            assert_eq!(repaired.findings.len(), 1, "{text}");
        }
    }

    #[test]
    fn an_early_end_is_told_apart() {
        let (labels, pieces) = labels_and_pieces("backup a {\n    x 1\n    }\n    y 2\n}\nbackup b {\n}\n");
        assert_eq!(
            labels,
            [
                "3: indented deeper than the line with its `{`",
                "5: this `}` is indented like the line with the `{`"
            ]
        );
        assert_eq!(pieces, 2);
    }

    #[test]
    fn any_style_that_balances_is_fine() {
        for text in [
            "backup a {\nx 1\ny {\nz 2\n}\n}\n",
            "backup a {\n    x 1\n    }\nbackup b {\n  y { z 1; }\n  }\n",
            "  backup a {\n  x 1\n  }\n",
            "backup a; backup b\n",
            "backup a\nbackup b\n",
            "import a\n  backup b {\n  }\n",
        ] {
            assert_eq!(labels_and_pieces(text).0, Vec::<String>::new(), "{text}");
        }
    }
}
