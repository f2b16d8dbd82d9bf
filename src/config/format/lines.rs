//! Tokens → lines of words, with only the white space that has a meaning.
//!
//! Takes a valid text and its tokens, gives [`SourceLine`]s: the depth of each, its words, the comment at its end. Line breaks
//! stay as they were written, except at braces. Aligns nothing, but records the old columns.
//! Invariant: the words and comments of all lines, in order, are the tokens of the text, byte for byte.

use crate::config::syntax::lexer::{Token, TokenKind, is_newline, is_space};
use std::borrow::Cow;

/// A tab goes to the next multiple of this.
const TAB: usize = 8;
/// Blanks of one level.
pub(super) const INDENT: usize = 4;

/// The text between two blanks: a name, a value, a property, a whole block on one line.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) column: usize,
    /// The number of blanks before it, as written.
    pub(super) blanks: usize,
    /// The same in the result.
    pub(super) gap: usize,
    /// `key=value`.
    pub(super) property: bool,
}

/// `// …`, without the blanks at its end.
#[derive(Debug)]
pub(super) struct TrailingComment<'a> {
    pub(super) text: &'a str,
    pub(super) column: usize,
    /// The number of blanks before it in the result.
    pub(super) gap: usize,
    /// It continues the comment at the end of the line before, on a line of its own.
    pub(super) follows: bool,
}

/// A line. Some words have line breaks of their own.
#[derive(Debug, Default)]
pub(super) struct SourceLine<'a> {
    pub(super) indent: usize,
    pub(super) blank_before: bool,
    pub(super) words: Vec<Chunk<'a>>,
    pub(super) comment: Option<TrailingComment<'a>>,
    /// It ends by opening a block.
    pub(super) opens: bool,
    /// It ends with `\`.
    pub(super) continues: bool,
    /// It is one node, from its name to its end.
    pub(super) whole: bool,
}

impl SourceLine<'_> {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.comment.is_none()
    }
}

pub(super) fn lines<'a>(text: &'a str, tokens: &[Token]) -> Vec<SourceLine<'a>> {
    let blocks = blocks(text, tokens);
    let mut builder = Builder {
        text,
        fresh: true,
        ..Builder::default()
    };
    for (at, token) in tokens.iter().enumerate() {
        let after = tokens.get(at + 1..).unwrap_or_default();
        builder.token(*token, after, blocks.get(at).copied());
        let passed = builder.str(*token);
        advance(&mut builder.column, passed);
        if !matches!(token.kind, TokenKind::Space) || passed.starts_with('\\') {
            builder.blanks = 0;
        } else {
            builder.blanks += passed.chars().count();
        }
    }
    builder.finish();
    builder.drop_empty();
    builder.lines
}

/// For every `{` and `}`: whether its block stays on one line.
fn blocks(text: &str, tokens: &[Token]) -> Vec<bool> {
    let mut flat = vec![false; tokens.len()];
    let mut open: Vec<(usize, bool)> = Vec::new();
    // The last line break, as an offset.
    let mut broken = 0;
    for (at, token) in tokens.iter().enumerate() {
        let passed = text.get(token.start..token.end).unwrap_or_default();
        match token.kind {
            TokenKind::Open => open.push((at, true)),
            TokenKind::Close => {
                if let Some((from, empty)) = open.pop() {
                    let start = tokens.get(from).map_or(0, |token| token.end);
                    let one_line = empty || broken <= start;
                    for place in [from, at] {
                        if let Some(flat) = flat.get_mut(place) {
                            *flat = one_line;
                        }
                    }
                }
            }
            _ => {}
        }
        if passed.contains(is_newline) {
            broken = token.end;
        }
        let white = matches!(token.kind, TokenKind::Space | TokenKind::Newline) && !passed.starts_with('\\');
        if let Some((from, empty)) = open.last_mut()
            && *from != at
            && !white
        {
            *empty = false;
        }
    }
    flat
}

#[derive(Default)]
struct Builder<'a> {
    text: &'a str,
    lines: Vec<SourceLine<'a>>,
    line: SourceLine<'a>,
    depth: usize,
    /// The enclosing blocks, outermost first: true for one on one line.
    open: Vec<bool>,
    last: Option<(TokenKind, &'a str)>,
    column: usize,
    /// Blanks right before the next token.
    blanks: usize,
    blank: bool,
    /// A file or a block has just started: no blank line.
    fresh: bool,
    /// The line before ended with `\`.
    continued: bool,
    /// `/-` still waits for what it comments out.
    pending: bool,
}

impl<'a> Builder<'a> {
    fn str(&self, token: Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn token(&mut self, token: Token, after: &[Token], flat: Option<bool>) {
        let text = self.str(token);
        match token.kind {
            TokenKind::Space if text.starts_with('\\') => self.continuation(text),
            TokenKind::Space => {}
            TokenKind::Newline => self.newline(),
            TokenKind::Open => {
                let flat = flat.unwrap_or_default();
                self.put(token.kind, text);
                self.open.push(flat);
                if !flat {
                    self.depth += 1;
                    self.line.opens = true;
                    if !only_comments(self.text, after) {
                        self.finish();
                    }
                }
            }
            TokenKind::Close => {
                if self.open.last() == Some(&false) {
                    self.finish();
                    self.drop_empty();
                    self.blank = false;
                    self.continued = false;
                    self.depth = self.depth.saturating_sub(1);
                }
                self.put(token.kind, text);
                self.open.pop();
            }
            TokenKind::Comment { .. } if text.starts_with("//") => self.comment(text),
            kind => self.put(kind, text),
        }
    }

    fn within_one_line(&self) -> bool {
        self.open.last() == Some(&true)
    }

    fn newline(&mut self) {
        if self.within_one_line() {
            return;
        }
        let empty = self.line.is_empty();
        if self.pending {
            // What `/-` comments out may be on a later line: it is joined, unless a comment is between them.
            if self.ends_in_remark() {
                self.finish();
                self.fresh = true;
            }
        } else if !empty {
            self.finish();
        } else if self.continued {
            // This ends the node that was continued.
            self.continued = false;
            self.lines.push(SourceLine::default());
            self.fresh = true;
        } else {
            self.blank = true;
        }
    }

    fn ends_in_remark(&self) -> bool {
        self.line.comment.is_some() || self.line.words.last().is_some_and(|word| word.text.starts_with("//"))
    }

    fn finish(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let mut line = std::mem::take(&mut self.line);
        line.blank_before = self.blank && !self.fresh;
        self.fresh = line.opens;
        self.blank = false;
        self.last = None;
        self.lines.push(line);
    }

    /// The end of a block or a file ends the last node as well as a line does.
    fn drop_empty(&mut self) {
        while self.lines.pop_if(|line| line.is_empty()).is_some() {}
    }

    fn begin(&mut self) {
        if self.line.is_empty() {
            self.line.indent = self.depth + usize::from(self.continued);
            self.line.whole = !self.continued;
            self.continued = false;
        }
    }

    fn put(&mut self, kind: TokenKind, text: &'a str) {
        self.begin();
        let glued = self.is_glued(kind, text);
        let within = self.within_one_line();
        match self.line.words.last_mut() {
            Some(word) if glued => {
                word.property |= kind == TokenKind::Equals && !within;
                word.text.to_mut().push_str(text);
            }
            Some(word) if within => {
                let word = word.text.to_mut();
                word.push(' ');
                word.push_str(text);
            }
            _ => {
                let second = matches!(self.last, Some((TokenKind::Semicolon, _)));
                self.line.whole &= !second;
                self.word(text);
            }
        }
        self.last = Some((kind, text));
        self.pending = match kind {
            TokenKind::SlashDash => true,
            TokenKind::Comment { .. } => self.pending,
            _ => false,
        };
    }

    fn word(&mut self, text: &'a str) {
        self.line.words.push(Chunk {
            text: Cow::Borrowed(text),
            column: self.column,
            blanks: self.blanks,
            gap: usize::from(!self.line.words.is_empty()),
            property: false,
        });
    }

    /// Whether a token directly follows the one before it.
    fn is_glued(&self, kind: TokenKind, text: &str) -> bool {
        let Some((last, before)) = self.last else {
            return false;
        };
        if matches!(kind, TokenKind::Comment { .. }) || matches!(last, TokenKind::Comment { .. }) {
            return false;
        }
        match (last, kind) {
            // The usual spelling of the version marker.
            (TokenKind::SlashDash, _) if text == "kdl-version" => false,
            (TokenKind::Equals | TokenKind::SlashDash | TokenKind::Paren, _) => {
                !(before == ")" && kind == TokenKind::Open)
            }
            (_, TokenKind::Equals | TokenKind::Semicolon) | (TokenKind::Open, TokenKind::Close) => true,
            (_, TokenKind::Paren) => text == ")",
            _ => false,
        }
    }

    fn comment(&mut self, text: &'a str) {
        let text = text.trim_end_matches(is_space);
        let alone = self.line.is_empty();
        let follows = alone && !self.blank && !self.continued && self.continues_comment();
        self.begin();
        if alone && !follows {
            self.line.whole = false;
            self.word(text);
            return;
        }
        self.line.comment = Some(TrailingComment {
            text,
            column: self.column,
            gap: 1,
            follows,
        });
    }

    /// The next token is right below the comment at the end of the line before.
    fn continues_comment(&self) -> bool {
        self.lines.last().is_some_and(|line| {
            let column = line.comment.as_ref().map(|comment| comment.column);
            column == Some(self.column) && !line.opens && !line.continues
        })
    }

    /// `\`, perhaps a comment, and the end of the line.
    fn continuation(&mut self, text: &'a str) {
        self.begin();
        self.word(text.get(..1).unwrap_or_default());
        if let Some(at) = text.find("//") {
            let mut column = self.column;
            advance(&mut column, text.get(..at).unwrap_or_default());
            let comment = text.get(at..).unwrap_or_default();
            self.line.comment = Some(TrailingComment {
                text: comment.trim_end_matches(|c| is_newline(c) || is_space(c)),
                column,
                gap: 1,
                follows: false,
            });
        }
        self.line.continues = true;
        self.line.whole = false;
        self.finish();
        self.continued = true;
    }
}

/// Nothing but comments up to the end of the line, and at least one.
fn only_comments(text: &str, after: &[Token]) -> bool {
    let continued = |token: &Token| text.get(token.start..).is_some_and(|rest| rest.starts_with('\\'));
    let mut any = false;
    for token in after {
        match token.kind {
            TokenKind::Space if !continued(token) => {}
            TokenKind::Comment { .. } => any = true,
            TokenKind::Newline => return any,
            _ => return false,
        }
    }
    any
}

/// Moves `column` past `text`; text after a line break starts at column 0.
pub(super) fn advance(column: &mut usize, text: &str) {
    for c in text.chars() {
        *column = match c {
            '\t' => (*column / TAB + 1) * TAB,
            c if is_newline(c) => 0,
            _ => *column + 1,
        };
    }
}
