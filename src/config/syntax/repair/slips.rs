//! The common slips of the hand: `5m`, `# x`, `[a, b]`, bare `true`, `key = v`, an unquoted glob, and their mending.
//!
//! Takes the tokens of a file, gives findings with what to write instead, and replaces what the parser would trip
//! over by something harmless of the same length. A second half of `mend`, which calls it.
//! Invariant: whatever is replaced is reported and poisoned, so that no made-up value is ever used.

use crate::config::findings::{Code, excerpt};
use crate::config::source::paths;
use crate::config::syntax::lexer::{self, Token, TokenKind};
use crate::config::syntax::repair::mend::Mender;

use super::operators::{ARROWS, Sign};
use super::quotes::TYPOGRAPHIC;

impl Mender<'_> {
    /// The slips that a single token, or a token and its neighbours, give away.
    pub(in crate::config) fn slips(&mut self, tokens: &[Token]) {
        let mut words = 0_usize;
        let mut line_start = 0_usize;
        let mut list_said = false;
        let mut skip_to = 0_usize;
        // The last token that is no blank, and the first word of the statement.
        let mut last: Option<TokenKind> = None;
        let mut first = "";
        // Where the last word of the statement ends.
        let mut from = 0_usize;
        // Parentheses before this have been said.
        let mut parens_to = 0_usize;
        for (at, &token) in tokens.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| tokens.get(at));
            let after = tokens.get(at + 1);
            if token.start < skip_to.max(self.mended_to) {
                if token.kind == TokenKind::Newline {
                    words = 0;
                    list_said = false;
                }
                continue;
            }
            let behind = last;
            if !matches!(token.kind, TokenKind::Space | TokenKind::Comment { .. }) {
                last = Some(token.kind);
            }
            match token.kind {
                TokenKind::Semicolon
                    if matches!(
                        behind,
                        None | Some(TokenKind::Newline | TokenKind::Semicolon | TokenKind::Open)
                    ) =>
                {
                    skip_to = self.lone_semicolon(token, matches!(behind, None | Some(TokenKind::Newline)));
                    words = 0;
                    line_start = token.end;
                }
                TokenKind::Newline | TokenKind::Semicolon | TokenKind::Open | TokenKind::Close => {
                    words = 0;
                    if token.kind == TokenKind::Newline {
                        list_said = false;
                    }
                    line_start = token.end;
                }
                TokenKind::Space => self.blank(token),
                TokenKind::SlashDash => {}
                TokenKind::Paren => match annotation(tokens, at) {
                    // Well-formed: refused later, with the value that it belongs to.
                    Some(end) if !touches_word(before, token) => skip_to = end,
                    _ => {
                        let head = self.text.get(line_start..token.start).unwrap_or_default().trim();
                        let rest = tokens.get(at + 1..).unwrap_or_default();
                        if parens_to <= token.start {
                            parens_to = self.paren(token, head, rest).unwrap_or(0);
                        }
                    }
                },
                TokenKind::Comment { closed } => {
                    self.comment(token, closed, before, after);
                    self.blank(token);
                }
                TokenKind::Equals => {
                    let arrow = after.filter(|t| t.start == token.end && self.str(**t) == ">");
                    let end = arrow.map_or(token.end, |t| t.end);
                    let rest = tokens.get(at + 1 + usize::from(arrow.is_some())..).unwrap_or_default();
                    let next = rest.iter().find(|t| t.kind != TokenKind::Space);
                    let valued = next.is_some_and(|t| {
                        matches!(
                            t.kind,
                            TokenKind::Word { .. } | TokenKind::Text { .. } | TokenKind::Paren
                        )
                    });
                    let head = self.text.get(line_start..token.start).unwrap_or_default().trim();
                    let block = next.is_some_and(|t| t.kind == TokenKind::Open);
                    if words <= 1 || arrow.is_some() || block {
                        let sign = Sign {
                            start: token.start,
                            end,
                            after: rest,
                        };
                        self.sign(head, if words > 0 { from } else { token.start }, &sign, &mut list_said);
                        skip_to = end;
                    } else if !valued {
                        self.no_value(token, head);
                    }
                }
                TokenKind::Text { raw, closed } => {
                    skip_to = self.string(token, raw, closed);
                    if words == 0 {
                        first = "";
                    }
                    words += 1;
                    from = token.end;
                }
                TokenKind::Word { glued } => {
                    let word = self.str(token);
                    if words == 0 {
                        first = word;
                    }
                    if let Some(end) = self.foreign_sign(tokens, at, words, line_start, from, &mut list_said) {
                        skip_to = end;
                        continue;
                    }
                    from = token.end;
                    if word.starts_with('\'')
                        && let Some(end) = self.single_quotes(token)
                    {
                        skip_to = end;
                    } else if word.starts_with(TYPOGRAPHIC) {
                        skip_to = self.typographic_quotes(token, line_start);
                    } else if word.starts_with('#') && self.hash(token, words == 0) {
                        let rest = self.text.get(token.start..).unwrap_or_default();
                        skip_to = token.start + rest.find(lexer::is_newline).unwrap_or(rest.len());
                        self.fill(token.start, skip_to, b' ');
                    } else {
                        let old_raw = word
                            .strip_prefix('r')
                            .is_some_and(|hashes| hashes.chars().all(|c| c == '#'))
                            && after.is_some_and(|t| matches!(t.kind, TokenKind::Text { .. }));
                        let half_quoted = after.filter(|t| {
                            t.start == token.end
                                && matches!(
                                    t.kind,
                                    TokenKind::Text {
                                        raw: false,
                                        closed: false
                                    }
                                )
                        });
                        let setting = if words == 1 { first } else { "" };
                        if old_raw {
                            skip_to = self.old_raw_string(token, after);
                        } else if let Some(end) = half_quoted.and_then(|quote| self.no_opening_quote(token, *quote)) {
                            skip_to = end;
                        } else if !self.grown(token, words, after) {
                            let key = at
                                .checked_sub(2)
                                .filter(|_| before.is_some_and(|t| t.kind == TokenKind::Equals));
                            let key = key.and_then(|at| tokens.get(at)).map(|t| self.str(*t));
                            self.word(token, glued, words, setting, key.unwrap_or(first), &mut list_said);
                        }
                    }
                    words += 1;
                }
            }
        }
    }

    /// A sign that stands between a name and its value elsewhere, and comment signs: gives the end of what was said.
    fn foreign_sign(
        &mut self,
        tokens: &[Token],
        at: usize,
        words: usize,
        line_start: usize,
        from: usize,
        list_said: &mut bool,
    ) -> Option<usize> {
        let token = *tokens.get(at)?;
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let word = self.str(token);
        if words == 0 {
            if matches!(word, "--" | "<!--") {
                return Some(self.other_comment(token));
            }
            let name = word.trim_end_matches(':');
            let property = tokens.get(at + 1).is_some_and(|t| t.kind == TokenKind::Equals);
            if name.is_empty() || name.len() == word.len() || property {
                return None;
            }
            let start = token.start + name.len();
            let after = tokens.get(at + 1..).unwrap_or_default();
            let sign = Sign {
                start,
                end: token.end,
                after,
            };
            self.sign(name, start, &sign, list_said);
            return Some(token.end);
        }
        let touching = before.is_some_and(|t| t.end == token.start && matches!(t.kind, TokenKind::Text { .. }));
        let (mut end, mut rest) = (token.end, tokens.get(at + 1..).unwrap_or_default());
        // `:=`
        if word == ":"
            && let Some(equals) = rest.first().filter(|t| t.kind == TokenKind::Equals)
        {
            end = equals.end;
            rest = rest.get(1..).unwrap_or_default();
        } else if !ARROWS.contains(&word) || words > 1 && !touching {
            return None;
        }
        let next = rest
            .iter()
            .find(|t| !matches!(t.kind, TokenKind::Space | TokenKind::Comment { .. }));
        let head = self.text.get(line_start..token.start).unwrap_or_default().trim();
        match next.map(|t| t.kind) {
            Some(TokenKind::Word { .. } | TokenKind::Text { .. } | TokenKind::Open | TokenKind::Paren) => {
                let head = if words == 1 { head.trim_matches('"') } else { head };
                let sign = Sign {
                    start: token.start,
                    end,
                    after: rest,
                };
                self.sign(head, from, &sign, list_said);
            }
            Some(TokenKind::Newline) | None if touching => self.colon_for_block(token, head),
            _ => return None,
        }
        Some(end)
    }

    /// `timeout:5m`: true when it was said.
    fn grown(&mut self, token: Token, words: usize, after: Option<&Token>) -> bool {
        let word = self.str(token);
        let Some((name, value)) = word.split_once(':') else {
            return false;
        };
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let property = after.is_some_and(|t| t.kind == TokenKind::Equals);
        let grown = words == 0 && plain && !property && !value.is_empty() && !value.starts_with([':', '/'])
            || words == 0 && plain && value.starts_with('/') && !value.starts_with("//");
        if grown {
            self.grown_together(token, name);
        }
        grown
    }

    /// The parser handles comments recursively and remembers white space: give it plain spaces.
    fn blank(&mut self, token: Token) {
        let text = self.str(token);
        // A continued line keeps its backslash and its end.
        if text.starts_with('\\') {
            let cut = text.find("//").map_or(token.end, |at| token.start + at);
            let tail = text.find(lexer::is_newline).map_or(token.end, |at| token.start + at);
            if cut < tail {
                self.fill(cut, tail, b' ');
            }
        } else {
            self.fill(token.start, token.end, b' ');
        }
    }

    fn comment(&mut self, token: Token, closed: bool, before: Option<&Token>, after: Option<&Token>) {
        let value =
            |t: Option<&Token>| t.is_some_and(|t| matches!(t.kind, TokenKind::Word { .. } | TokenKind::Text { .. }));
        let text = self.str(token);
        let block = text.starts_with("/*");
        if block && value(after) && !value(before) || (block && !closed && text.contains(['.', '?', '['])) {
            // `/**/*.csv`: a glob that begins like a comment.
            let end = after
                .filter(|t| value(Some(t)) && t.start == token.end)
                .map_or(token.end, |t| t.end);
            let run = self.text.get(token.start..end).unwrap_or_default();
            let run = run
                .split(|c| lexer::is_space(c) || lexer::is_newline(c))
                .next()
                .unwrap_or(run);
            let end = token.start + run.len();
            self.report(
                Code::GluedComment,
                token.start,
                end,
                "a comment touches a value",
                "KDL reads `/*` as the start of a comment",
            );
            self.help(format!(
                "if a glob was meant, quote it: \"{}\"; if a comment was meant, put a space after it",
                excerpt(run.trim_start_matches('/'))
            ));
        } else if value(before) {
            self.report(
                Code::GluedComment,
                token.start,
                token.end,
                "a comment touches a value",
                "this is read as a comment, not as part of the value",
            );
            self.help("put a space before the comment, or the whole value in quotes");
            if before.is_some_and(|t| matches!(t.kind, TokenKind::Text { closed: true, .. })) {
                self.fix(&[(token.start, token.start, " ")]);
            }
        } else if !closed {
            self.report(
                Code::Syntax,
                token.start,
                token.start + 2,
                "a comment is never closed",
                "begins here",
            );
            let inner = text
                .get(2..)
                .is_some_and(|rest| rest.contains("/*") && rest.contains("*/"));
            self.help(if inner {
                "comments nest: the second `/*` needs a `*/` of its own; or use `//` for a comment of one line"
            } else {
                "end it with `*/`, or use `//` for a comment of one line"
            });
        }
    }

    /// A `;` that ends no statement: in other languages it begins a comment. Gives the end of what is meant as one.
    fn lone_semicolon(&mut self, token: Token, first: bool) -> usize {
        // Only the first of a line is followed to the line's end: a line may hold very many.
        let rest = if first { self.text.get(token.end..) } else { None }.unwrap_or_default();
        let said = rest.split(lexer::is_newline).next().unwrap_or_default();
        let text = said.trim().trim_start_matches(';').trim();
        if first && !text.is_empty() {
            let end = token.end + said.len();
            self.report(
                Code::Syntax,
                token.start,
                token.end + said.trim_end().len(),
                "comments begin with `//`",
                "`;` is no comment sign in KDL",
            );
            self.help(format!("write `// {}`", excerpt(text)));
            let signs = 1 + said.len() - said.trim_start_matches(';').len();
            self.fix(&[(token.start, token.start + signs, "//")]);
            self.fill(token.start, end, b' ');
            return end;
        }
        self.report(
            Code::Syntax,
            token.start,
            token.end,
            "a `;` ends nothing",
            "no setting before it",
        );
        self.help("delete it");
        let before = self.text.get(..token.start).unwrap_or_default();
        let from = before.trim_end_matches(lexer::is_space).len();
        self.fix(&[(from, token.end, "")]);
        self.fill(token.start, token.end, b' ');
        token.end
    }

    /// The help for a value without quotes that only quotes would not mend.
    pub(super) fn place_help(setting: &str, word: &str) -> Option<String> {
        let place = matches!(setting, "source" | "to" | "state-dir") && paths::is_remote(word);
        place.then(|| format!("a directory belongs here: {}", paths::mount_help(setting)))
    }
}

/// `name(`: a call of another language, not a type.
fn touches_word(before: Option<&Token>, token: Token) -> bool {
    before.is_some_and(|t| t.end == token.start && matches!(t.kind, TokenKind::Word { .. } | TokenKind::Text { .. }))
}

/// `(type)` directly before a value: its end.
fn annotation(tokens: &[Token], at: usize) -> Option<usize> {
    let value = |kind| {
        matches!(
            kind,
            TokenKind::Word { glued: false } | TokenKind::Text { closed: true, .. }
        )
    };
    match tokens.get(at..at + 4)? {
        [open, ty, close, next]
            if open.kind == TokenKind::Paren
                && value(ty.kind)
                && close.kind == TokenKind::Paren
                && value(next.kind) =>
        {
            Some(close.end)
        }
        _ => None,
    }
}
