//! Is a piece of repaired text a well-formed node? Asked before the parser, which recurses on every error it meets.
//!
//! Takes the tokens of one piece, gives the first error of every statement. Linear, no recursion. Knows KDL's shape
//! (names, values, properties, blocks), not the language of ops files.
//! Invariant: text that passes makes the parser fail at most inside a multi-line string.

use crate::config::findings::excerpt;
use crate::config::syntax::lexer::{self, Token, TokenKind};
use std::borrow::Cow;

#[derive(Debug)]
pub(super) struct GrammarError {
    pub(super) token: Token,
    pub(super) message: &'static str,
    pub(super) label: &'static str,
    pub(super) help: Cow<'static, str>,
    /// The text that would fix it, and where it belongs.
    pub(super) insert: Option<(usize, &'static str)>,
}

/// Multi-line strings in one node: the parser recurses on those that are indented wrongly.
const MAX_MULTILINE_STRINGS: usize = 100;

const NO_VALUE: &str = "expected a value after `=`";
const NO_SPACE: &str = "missing space between two values";

/// What the statement has so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Nothing: a name comes next.
    #[default]
    Start,
    /// A name, an argument or a property; true when it could be the key of a property.
    Entries(bool),
    /// `key=`.
    Key,
    /// A block that is commented out: only blocks may follow.
    Blocks,
    /// A block.
    Closed,
    /// An error was reported: skip to the end of the statement.
    Failed,
}

#[derive(Default)]
struct Grammar<'t> {
    text: &'t str,
    errors: Vec<GrammarError>,
    state: State,
    /// For every open block: the state of its statement when it closes.
    open: Vec<State>,
    /// There was white space before the token.
    spaced: bool,
    /// `/-` waits for what it comments out.
    dashed: bool,
    /// Tokens that are left of a `(type)`.
    annotation: usize,
    multiline_strings: usize,
    /// The last token that is not blank.
    last: Option<Token>,
}

pub(super) fn errors(text: &str, tokens: &[Token]) -> Vec<GrammarError> {
    let mut grammar = Grammar {
        text,
        spaced: true,
        ..Grammar::default()
    };
    for token in tokens {
        grammar.token(*token);
    }
    if (grammar.state == State::Key || grammar.dashed)
        && let Some(last) = tokens.last()
    {
        let help = "complete it, or delete the unfinished part";
        grammar.error(*last, "unfinished node", "the node ends here", help);
    }
    grammar.errors
}

impl Grammar<'_> {
    fn error(&mut self, token: Token, message: &'static str, label: &'static str, help: &'static str) {
        self.errors.push(GrammarError {
            token,
            message,
            label,
            help: Cow::Borrowed(help),
            insert: None,
        });
        self.state = State::Failed;
    }

    fn token(&mut self, token: Token) {
        if self.annotation > 0 {
            // The inside and the end of `(type)`, which the scan has checked.
            self.annotation -= 1;
            self.spaced = true;
            return;
        }
        match token.kind {
            TokenKind::Space | TokenKind::Comment { .. } => {
                self.spaced = true;
                return;
            }
            TokenKind::Paren => {
                self.annotation = 2;
                if !self.spaced && self.state != State::Key {
                    self.error(token, NO_SPACE, "no space before this", "put a space between them");
                }
                return;
            }
            TokenKind::SlashDash if self.slash_dash(token) => {
                (self.dashed, self.spaced) = (true, true);
                return;
            }
            TokenKind::Equals if self.state == State::Entries(true) => {
                (self.state, self.spaced) = (State::Key, true);
                return;
            }
            TokenKind::SlashDash => {}
            TokenKind::Equals if self.state == State::Failed => {}
            TokenKind::Equals => self.error(
                token,
                "unexpected `=`",
                "no property name before it",
                "write a property as `key=\"value\"`, with one `=`",
            ),
            TokenKind::Newline | TokenKind::Semicolon => self.end(token),
            TokenKind::Word { .. } | TokenKind::Text { .. } => self.word(token),
            TokenKind::Open => self.open(token),
            TokenKind::Close => self.close(token),
        }
        self.spaced = false;
        self.last = Some(token);
    }

    fn end(&mut self, token: Token) {
        if self.state == State::Key {
            let help = "write `key=\"…\"`, or delete the property";
            self.error(token, NO_VALUE, "the line ends here", help);
        }
        if !(self.dashed && token.kind == TokenKind::Newline) {
            (self.state, self.dashed) = (State::Start, false);
        }
    }

    /// True when it may be here.
    fn slash_dash(&mut self, token: Token) -> bool {
        match self.state {
            State::Failed => return false,
            State::Key => self.error(token, NO_VALUE, "`/-` starts a comment", "put `/-` before the key"),
            _ if self.dashed => self.error(token, "duplicate `/-`", "the second one", "delete one of them"),
            _ if !self.spaced && self.state != State::Start => self.error(
                token,
                "missing space before `/-`",
                "directly after a value",
                "put a space before `/-`",
            ),
            _ => return true,
        }
        false
    }

    fn word(&mut self, token: Token) {
        let word = self.text.get(token.start..token.end).unwrap_or_default();
        let name = matches!(token.kind, TokenKind::Text { .. }) || !is_literal(word);
        self.multiline_strings += usize::from(word.trim_start_matches('#').starts_with("\"\"\""));
        match self.state {
            State::Failed => {}
            _ if self.multiline_strings > MAX_MULTILINE_STRINGS => self.error(
                token,
                "too many multi-line strings in one node",
                "more than 100",
                "write each on one line: `\"…\"`",
            ),
            _ if is_bad_multiline(word) => self.error(
                token,
                "text on the same line as `\"\"\"`",
                "the text must be on lines of its own",
                "write `\"…\"` for one line, or put the text on separate lines",
            ),
            State::Start if name => self.state = State::Entries(false),
            State::Start => self.error(
                token,
                "expected the name of a node",
                "this is a value",
                "write the name of the setting first",
            ),
            State::Key => self.state = State::Entries(false),
            State::Entries(_) if !self.spaced => {
                let help = "put a space between them, or quote them as one value";
                self.error(token, NO_SPACE, "no space before this", help);
                let before = self.last.and_then(|last| self.text.get(last.start..token.start));
                if let Some(help) = apart(before.unwrap_or_default(), word)
                    && let Some(error) = self.errors.last_mut()
                {
                    error.help = Cow::Owned(help);
                }
            }
            State::Entries(_) => self.state = State::Entries(name),
            State::Blocks | State::Closed => {
                let ended = self.state == State::Closed;
                let message = "expected `;` or a new line after `}`";
                let help = "put a `;` or a line break after the `}`";
                self.error(token, message, "on the same line as the `}`", help);
                if let Some(error) = self.errors.last_mut().filter(|_| ended) {
                    error.insert = Some((self.last.map_or(0, |last| last.end), ";"));
                }
            }
        }
        self.dashed = false;
    }

    fn open(&mut self, token: Token) {
        let after = match self.state {
            State::Entries(_) | State::Blocks if self.dashed => Some(State::Blocks),
            State::Closed if !self.dashed => {
                let help = "put everything into one block";
                self.error(token, "a node can have only one block", "the second one", help);
                None
            }
            State::Entries(_) | State::Blocks | State::Closed => Some(State::Closed),
            State::Start => {
                let message = "a block without a node name";
                self.error(token, message, "no name before this", "write `name { … }`");
                None
            }
            State::Key => {
                self.error(token, NO_VALUE, "a block starts here", "write `key=\"…\" {`");
                None
            }
            State::Failed => None,
        };
        self.open.push(after.unwrap_or(State::Failed));
        (self.state, self.dashed) = (State::Start, false);
    }

    fn close(&mut self, token: Token) {
        if self.state == State::Key || self.dashed {
            let message = "unfinished setting before `}`";
            self.error(token, message, "the block ends here", "complete the line before it");
        }
        self.state = self.open.pop().unwrap_or(State::Failed);
        self.dashed = false;
    }
}

/// Two values that touch, as two and as one; only where nothing in them is escaped.
fn apart(first: &str, second: &str) -> Option<String> {
    let plain = |value: &str| !value.contains(['\\', '#', '\n', '\r']) && value.matches('"').count() <= 2;
    let inside = |value: &str| value.trim_matches('"').to_owned();
    let one = inside(first) + &inside(second);
    let help = format!("write `{first} {second}` for two values, or `\"{one}\"` for one");
    (plain(first) && plain(second)).then(|| excerpt(&help))
}

/// The nodes that `/-` comments out, each with the `;` that ends it: the parser does not accept a `;` after one.
pub fn commented_out(text: &str, tokens: &[Token]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    // The depth of the commented-out node, and its start.
    let mut inside: Option<(usize, usize)> = None;
    let mut depth = 0_usize;
    let mut starts = true;
    let mut dashed = false;
    let mut last_end = 0;
    for token in tokens {
        match token.kind {
            TokenKind::Space | TokenKind::Comment { .. } => continue,
            // Lines may be skipped between `/-` and its node.
            TokenKind::Newline if dashed => continue,
            TokenKind::Newline | TokenKind::Semicolon => {
                let ended = token.kind == TokenKind::Semicolon;
                let end = if ended { token.end } else { token.start };
                found.extend(inside.take_if(|(at, _)| *at == depth).map(|(_, start)| (start, end)));
                starts = true;
            }
            TokenKind::SlashDash if starts && inside.is_none() => inside = Some((depth, token.start)),
            TokenKind::Open => {
                depth += 1;
                starts = true;
            }
            TokenKind::Close => {
                let ended = inside.take_if(|(at, _)| *at == depth);
                found.extend(ended.map(|(_, start)| (start, last_end)));
                depth = depth.saturating_sub(1);
                starts = false;
            }
            _ => starts = false,
        }
        dashed = token.kind == TokenKind::SlashDash;
        last_end = token.end;
    }
    found.extend(inside.map(|(_, start)| (start, text.len().min(last_end))));
    found
}

/// Numbers and keywords, which cannot be names.
fn is_literal(word: &str) -> bool {
    let body = word.strip_prefix(['+', '-']).unwrap_or(word);
    word.starts_with('#') || body.starts_with(|c: char| c.is_ascii_digit())
}

/// A string in `"""` whose text is beside the quotes.
fn is_bad_multiline(word: &str) -> bool {
    let body = word.trim_matches('#').strip_prefix("\"\"\"");
    let Some(body) = body.and_then(|body| body.strip_suffix("\"\"\"")) else {
        return false;
    };
    let last = body.rsplit(lexer::is_newline).next().unwrap_or_default();
    !body.starts_with(lexer::is_newline) || !last.chars().all(lexer::is_space)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax::lexer::tokens;

    fn count(text: &str) -> usize {
        errors(text, &tokens(text)).len()
    }

    #[test]
    fn well_formed_nodes_pass() {
        for text in [
            "a",
            "a 1 b=2 \"c\" d = \"e\" { f; g { h; } }",
            "a{b}",
            "/- a { b }",
            "a /- b c",
            "a /-{ b } { c }",
            "a { b } /- { c }",
            "/-\n a",
            "(t)a (u)\"b\" c=(v)d",
            "a \"\"\"\n b\n \"\"\"",
            "a /- b=1",
            "a { /- b; c }",
        ] {
            assert_eq!(count(text), 0, "{text}");
        }
    }

    #[test]
    fn one_error_a_statement() {
        for text in [
            "{ a }",
            "a { b } c",
            "a=1",
            "a b=1=2",
            "a b= ",
            "a \"b\"\"c\"",
            "5 a",
            "#true",
            "a { b } { c }",
            "a /-",
            "/- /- a",
            "a \"\"\"b\"\"\"",
        ] {
            assert_eq!(count(text), 1, "{text}");
        }
        assert_eq!(count("a { { b }\n c=1; d }"), 2);
    }
}
