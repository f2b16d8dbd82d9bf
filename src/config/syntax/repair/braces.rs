//! Braces that have no partner, found by what the indentation says.
//!
//! Takes the tokens of a mended text, reports a `{` without `}` where the indentation first disagrees, a `}` that closes
//! too early and a block without its `{`, and puts or takes away the brace so that each setting stays in its node. What
//! the indentation does not tell is left to `mend`. Another part of `mend`. Knows only which names stand at the top.
//! Invariant: a brace is put in or taken away only together with a finding.

use crate::config::findings::{Code, excerpt};
use crate::config::syntax::lexer::{Token, TokenKind, is_space};
use crate::config::syntax::repair::mend::Mender;

/// A block of the top-level node at hand.
#[derive(Debug, Clone, Copy)]
struct Block<'t> {
    open: Token,
    /// The white space that its line begins with.
    indent: &'t str,
    /// The first token that is not indented deeper, while it was open.
    outside: Option<usize>,
    /// The `}` that ended it, when that was indented deeper than the line of the `{`.
    early: Option<usize>,
    given: bool,
}

impl<'a> Mender<'a> {
    /// Pairs braces by their indentation; true when something was changed.
    pub(in crate::config) fn braces(&mut self, tokens: &[Token], tops: &[&str]) -> bool {
        let mut open: Vec<Block<'a>> = Vec::new();
        let mut closed: Vec<Block<'a>> = Vec::new();
        // The line at hand: whether something stands on it already, and its indentation.
        let mut fresh = true;
        let mut indent = "";
        // The last token that is no blank.
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
                let top = indent.is_empty() && tops.contains(&self.str(token));
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
                        given: false,
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

    /// The white space that the line of a token begins with; empty when something else stands before it.
    fn indent(&self, token: Token) -> &'a str {
        let before = self.text.get(..token.start).unwrap_or_default();
        let blank = before.trim_end_matches(is_space).len();
        // A long run of blanks is no indentation.
        let indent = before.get(blank..).unwrap_or_default();
        if blank == 0 || before.get(..blank).is_some_and(|text| text.ends_with(['\n', '\r'])) {
            indent
        } else {
            ""
        }
    }

    /// Whether the line at `at` is the block of the node that begins at `begin`: indented, and no node of its own.
    fn may_begin_a_block(&self, tokens: &[Token], begin: usize, at: usize, tops: &[&str]) -> bool {
        let name = tokens.get(begin).map_or("", |token| self.str(*token));
        let next = tokens.get(at).copied();
        name != "import"
            && next
                .is_some_and(|token| matches!(token.kind, TokenKind::Word { .. }) && !tops.contains(&self.str(token)))
    }

    /// Reports a node without its `{`, puts one in, and gives its block.
    fn missing_begin(&mut self, tokens: &[Token], begin: usize, before: usize, at: usize) -> Block<'a> {
        let place = |number: usize| tokens.get(number).map_or((0, 0), |token| (token.start, token.end));
        let ((start, _), (_, end), (inner, inner_end)) = (place(begin), place(before), place(at));
        let colon = self.headers.iter().any(|header| *header >= start && *header <= inner);
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
            self.report(
                Code::Syntax,
                start,
                end,
                "a block has no `{`",
                "a `{` belongs behind it",
            );
            self.also(inner, inner_end, "indented like its block");
            self.help(if ended {
                format!("write `{} {{`", excerpt(head))
            } else {
                format!("write `{} {{`, and a `}}` behind the block", excerpt(head))
            });
            if ended {
                self.fix(&[(end, end, " {")]);
            }
        }
        self.fill(end, inner, b' ');
        self.fill(end, end + 1, b'{');
        self.given.push(end);
        Block {
            open: Token {
                kind: TokenKind::Open,
                start: end,
                end: end + 1,
            },
            indent: "",
            outside: None,
            early: None,
            given: true,
        }
    }

    /// Reports blocks that are never closed, where the indentation says which, and closes them there. `next` is the
    /// top-level node before which they should have ended.
    fn missing_ends(
        &mut self,
        tokens: &[Token],
        open: &[Block<'a>],
        closed: &[Block<'a>],
        next: Option<usize>,
    ) -> bool {
        let missing = open.iter().filter(|block| !block.given).count();
        if missing == 0 {
            return false;
        }
        let outside = |block: &Block<'a>| block.outside.filter(|at| Some(*at) != next);
        let mut guilty: Vec<(usize, Block<'a>)> = open
            .iter()
            .chain(closed)
            .filter(|block| !block.given)
            .filter_map(|block| Some((outside(block)?, *block)))
            .collect();
        guilty.sort_by_key(|(at, block)| (*at, std::cmp::Reverse(block.open.start)));
        let mut changed = false;
        for (at, block) in guilty.into_iter().take(missing) {
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
        let taken = self.given_ends.last().copied().unwrap_or(0).max(before);
        let end: &[u8] = if token.kind == TokenKind::Close { b"}" } else { b"};" };
        if token.start < taken + end.len() {
            return false;
        }
        for (offset, byte) in end.iter().enumerate() {
            self.fill(taken + offset, taken + offset + 1, *byte);
        }
        if taken == before {
            self.fill(before + end.len(), token.start, b' ');
        }
        self.given_ends.push(taken + end.len());
        let line = self.text.get(..token.start).unwrap_or_default().matches('\n').count() + 1;
        self.report(
            Code::Syntax,
            block.open.start,
            block.open.end,
            "a block is never closed",
            "opened here",
        );
        self.also(
            token.start,
            token.end,
            if token.kind == TokenKind::Close {
                "this `}` is indented like that of another block"
            } else {
                "indented as if the block had ended before"
            },
        );
        self.help(format!("add the missing `}}` before line {line}"));
        true
    }

    /// A `}` that closes nothing, when one before it came too early: reports that one and takes it away.
    fn early_end(&mut self, tokens: &[Token], closed: &mut Vec<Block<'a>>, end: Token, indent: &str) -> bool {
        let early = closed
            .pop()
            .filter(|block| block.indent == indent && !block.given)
            .and_then(|block| block.early)
            .and_then(|at| tokens.get(at).copied());
        let Some(early) = early else {
            return false;
        };
        self.report(
            Code::Syntax,
            early.start,
            early.end,
            "a `}` ends its block too early",
            "indented deeper than the line of its `{`",
        );
        self.also(end.start, end.end, "this one is indented like the line of the `{`");
        self.help("delete it, or look for a `{` that is missing above");
        self.fill(early.start, early.end, b' ');
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::config::syntax::repair::mend::mend;

    /// The labels of all findings, as texts with their lines, and how many pieces there are.
    fn said(text: &str) -> (Vec<String>, usize) {
        let mended = mend(text, 0, &["backup", "check"]);
        let labels = mended.findings.iter().flat_map(|finding| {
            finding.labels.iter().map(|label| {
                let line = text[..label.span.start].matches('\n').count() + 1;
                format!("{line}: {}", label.text)
            })
        });
        (labels.collect(), mended.pieces.len())
    }

    #[test]
    fn an_inner_block_ends_where_the_indentation_says_so() {
        let text = "check a {\n    http x {\n        status 200\n    timeout y\n}\nbackup b {\n}\n";
        let (labels, pieces) = said(text);
        assert_eq!(
            labels,
            ["2: opened here", "4: indented as if the block had ended before"]
        );
        assert_eq!(pieces, 2);
        let (labels, _) = said("check a {\n    http x {\n        status 200\n}\n");
        assert_eq!(
            labels,
            ["2: opened here", "4: this `}` is indented like that of another block"]
        );
    }

    #[test]
    fn a_node_without_its_brace_keeps_its_lines() {
        for text in [
            "backup a\n    x 1\n    y 2\n}\nbackup b {\n}\n",
            "backup a\n    x 1\nbackup b {\n}\n",
            "backup \"a\":\n    x 1\n\nbackup b {\n}\n",
        ] {
            let mended = mend(text, 0, &["backup"]);
            assert_eq!(mended.pieces.len(), 2, "{text}");
            assert_eq!(mended.findings.len(), 1, "{text}");
        }
    }

    #[test]
    fn an_early_end_is_told_from_the_one_that_was_meant() {
        let (labels, pieces) = said("backup a {\n    x 1\n    }\n    y 2\n}\nbackup b {\n}\n");
        assert_eq!(
            labels,
            [
                "3: indented deeper than the line of its `{`",
                "5: this one is indented like the line of the `{`"
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
            assert_eq!(said(text).0, Vec::<String>::new(), "{text}");
        }
    }
}
