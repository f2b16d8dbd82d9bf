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

impl<'a> Repairer<'a> {
    /// Pairs braces by their indentation; true when something was changed.
    pub(super) fn braces(&mut self, tokens: &[Token], tops: &[&str]) -> bool {
        let mut open: Vec<Block<'a>> = Vec::new();
        let mut closed: Vec<Block<'a>> = Vec::new();
        // The current line: whether it has no token yet, and its indentation.
        let mut fresh = true;
        let mut indent = "";
        // The last token that is not blank.
        let mut last: Option<usize> = None;
        // A node at the margin that has no block yet: its first token.
        let mut header: Option<usize> = None;
        let mut changed = false;
        for (at, &token) in tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Space | TokenKind::Comment { .. } => continue,
                TokenKind::Newline => {
                    fresh = true;
                    continue;
                }
                _ => {}
            }
            let first = std::mem::take(&mut fresh);
            if first {
                indent = self.indent(token);
                let top = indent.is_empty() && tops.contains(&self.text_of(token));
                if top {
                    changed |= self.missing_ends(tokens, &open, &closed, Some(at));
                    open.clear();
                    closed.clear();
                    header = Some(at);
                } else if let Some(begin) = header.take()
                    && let Some(before) = last
                    && open.is_empty()
                    && !indent.is_empty()
                    && self.may_begin_a_block(tokens, begin, at, tops)
                {
                    changed = true;
                    open.push(self.missing_begin(tokens, begin, before, at));
                }
                if token.kind != TokenKind::Close {
                    // The newest first: what is outside of a block is outside of those in it.
                    for block in open.iter_mut().rev() {
                        if !block.indent.starts_with(indent) {
                            break;
                        }
                        block.outside.get_or_insert(at);
                    }
                }
            }
            match token.kind {
                TokenKind::Open => {
                    header = None;
                    open.push(Block {
                        open: token,
                        indent,
                        outside: None,
                        early: None,
                        inserted: false,
                    });
                }
                TokenKind::Close => {
                    header = None;
                    if let Some(mut block) = open.pop() {
                        if first && block.indent.len() > indent.len() && block.indent.starts_with(indent) {
                            block.outside.get_or_insert(at);
                        }
                        if first && indent.len() > block.indent.len() && indent.starts_with(block.indent) {
                            block.early = Some(at);
                        }
                        closed.push(block);
                    } else if first {
                        changed |= self.early_end(tokens, &mut closed, token, indent);
                    }
                }
                TokenKind::Semicolon => header = None,
                _ => {}
            }
            last = Some(at);
        }
        changed | self.missing_ends(tokens, &open, &closed, None)
    }

    /// The white space before a token, when it is the first of its line.
    fn indent(&self, token: Token) -> &'a str {
        let before = self.text.get(..token.start).unwrap_or_default();
        let blank = before.trim_end_matches(is_space).len();
        let indent = before.get(blank..).unwrap_or_default();
        if blank == 0 || before.get(..blank).is_some_and(|text| text.ends_with(['\n', '\r'])) {
            indent
        } else {
            ""
        }
    }

    /// Whether the line at `at` is the block of the node that begins at `begin`: indented, and no node of its own.
    fn may_begin_a_block(&self, tokens: &[Token], begin: usize, at: usize, tops: &[&str]) -> bool {
        let name = tokens.get(begin).map_or("", |token| self.text_of(*token));
        let next = tokens.get(at).copied();
        name != "import"
            && next.is_some_and(|token| {
                matches!(token.kind, TokenKind::Word { .. }) && !tops.contains(&self.text_of(token))
            })
    }

    /// Reports a node without its `{`, inserts one, and gives its block.
    fn missing_begin(&mut self, tokens: &[Token], begin: usize, before: usize, at: usize) -> Block<'a> {
        let place = |number: usize| tokens.get(number).map_or((0, 0), |token| (token.start, token.end));
        let ((start, _), (_, end), (inner, inner_end)) = (place(begin), place(before), place(at));
        let colon = self
            .block_colons
            .iter()
            .any(|header| *header >= start && *header <= inner);
        let head = self.text.get(start..end).unwrap_or_default();
        // Whether a `}` at the margin ends it.
        let mut fresh = false;
        let ended = tokens.get(at..).unwrap_or_default().iter().find(|token| {
            let first = fresh;
            match token.kind {
                TokenKind::Newline => fresh = true,
                TokenKind::Space | TokenKind::Comment { .. } => {}
                _ => fresh = false,
            }
            first && !matches!(token.kind, TokenKind::Newline | TokenKind::Space) && self.indent(**token).is_empty()
        });
        let ended = ended.is_some_and(|token| token.kind == TokenKind::Close);
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
        Block {
            open: Token {
                kind: TokenKind::Open,
                start: end,
                end: end + 1,
            },
            indent: "",
            outside: None,
            early: None,
            inserted: true,
        }
    }

    /// Reports blocks that are never closed, where the indentation shows which, and closes them there. `next` is
    /// the top-level node before which they should have ended.
    fn missing_ends(
        &mut self,
        tokens: &[Token],
        open: &[Block<'a>],
        closed: &[Block<'a>],
        next: Option<usize>,
    ) -> bool {
        let missing = open.iter().filter(|block| !block.inserted).count();
        if missing == 0 {
            return false;
        }
        let outside = |block: &Block<'a>| block.outside.filter(|at| Some(*at) != next);
        let mut candidates: Vec<(usize, Block<'a>)> = open
            .iter()
            .chain(closed)
            .filter(|block| !block.inserted)
            .filter_map(|block| Some((outside(block)?, *block)))
            .collect();
        candidates.sort_by_key(|(at, block)| (*at, std::cmp::Reverse(block.open.start)));
        let mut changed = false;
        for (at, block) in candidates.into_iter().take(missing) {
            changed |= self.missing_end(tokens, at, &block);
        }
        changed
    }

    fn missing_end(&mut self, tokens: &[Token], at: usize, block: &Block<'a>) -> bool {
        let Some(token) = tokens.get(at).copied() else {
            return false;
        };
        let before = tokens
            .get(..at)
            .and_then(|before| {
                before.iter().rev().find(|t| {
                    !matches!(
                        t.kind,
                        TokenKind::Space | TokenKind::Newline | TokenKind::Comment { .. }
                    )
                })
            })
            .map_or(0, |t| t.end);
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
        let line = self.text.get(..token.start).unwrap_or_default().matches('\n').count() + 1;
        self.syntax_error(
            block.open.start..block.open.end,
            "unclosed block",
            "this `{` is never closed",
        );
        self.label(
            token,
            if token.kind == TokenKind::Close {
                "this `}` is indented like the end of another block"
            } else {
                "indented as if the block had already ended"
            },
        );
        self.help(format!("add the missing `}}` before line {line}"));
        true
    }

    /// A `}` without a `{`, when an earlier one closed its block too early: reports and removes the earlier one.
    fn early_end(&mut self, tokens: &[Token], closed: &mut Vec<Block<'a>>, end: Token, indent: &str) -> bool {
        let early = closed
            .pop()
            .filter(|block| block.indent == indent && !block.inserted)
            .and_then(|block| block.early)
            .and_then(|at| tokens.get(at).copied());
        let Some(early) = early else {
            return false;
        };
        self.syntax_error(
            early,
            "`}` closes its block too early",
            "indented deeper than the line with its `{`",
        );
        self.label(end, "this `}` is indented like the line with the `{`");
        self.help("delete it, or add the missing `{` above");
        self.blank_out(early);
        true
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
            match token.kind {
                TokenKind::Space | TokenKind::Comment { .. } => continue,
                TokenKind::Newline => {
                    newline = true;
                    continue;
                }
                TokenKind::Open => {
                    let before = last.and_then(|last| tokens.get(last)).copied();
                    if newline
                        && let (Some(begin), Some(before), Some(from)) = (begin, before, last)
                        && matches!(
                            before.kind,
                            TokenKind::Word { .. } | TokenKind::Text { closed: true, .. }
                        )
                        && !self.text.get(begin..).unwrap_or_default().starts_with('#')
                    {
                        let line = self.text.get(begin..before.end).unwrap_or_default();
                        self.syntax_error(
                            token,
                            "`{` must be on the same line as its node",
                            "on a line of its own",
                        );
                        self.help(format!("write `{} {{`", excerpt(line)));
                        let between = self.text.get(before.end..token.start).unwrap_or_default();
                        if between.trim().is_empty() {
                            self.fix(&[(before.end, token.start, " ")]);
                        }
                        self.blank_out(before.end..token.start);
                        for between in tokens.get_mut(from + 1..at).unwrap_or_default() {
                            between.kind = TokenKind::Space;
                        }
                    }
                    begin = None;
                }
                TokenKind::Close | TokenKind::Semicolon => begin = None,
                _ => {
                    let dashed =
                        last.and_then(|last| tokens.get(last)).map(|token| token.kind) == Some(TokenKind::SlashDash);
                    if begin.is_none() || newline && !dashed {
                        begin = Some(token.start);
                    }
                }
            }
            last = Some(at);
            newline = false;
        }
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
