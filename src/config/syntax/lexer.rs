//! Text → tokens: just enough of KDL 2 to find the ends of strings, comments and nodes.
//!
//! Takes any text, gives tokens that cover it without gaps, and never fails: an unclosed string or comment ends where a
//! person would have closed it, and is marked. Linear in time, no recursion. Knows nothing of the language of ops files.
//! Invariant: tokens are in order, and start and end at characters.

use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// White space within a line, and a continued line's end.
    Space,
    Newline,
    Semicolon,
    Open,
    Close,
    /// `=`
    Equals,
    /// `(` or `)`
    Paren,
    SlashDash,
    /// `// …` up to the end of its line, or `/* … */`.
    Comment {
        /// False when `*/` is missing.
        closed: bool,
    },
    Text {
        /// Raw strings have no escapes.
        raw: bool,
        /// False when its end is missing.
        closed: bool,
    },
    /// Anything else up to the next of the above: a bare word, a number, a keyword.
    Word {
        /// A comment starts inside it, directly after other characters.
        glued: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

impl Token {
    /// White space within a line, or a comment.
    pub fn is_blank(self) -> bool {
        matches!(self.kind, TokenKind::Space | TokenKind::Comment { .. })
    }

    /// White space of any kind, or a comment.
    pub fn is_white(self) -> bool {
        self.is_blank() || self.kind == TokenKind::Newline
    }

    /// A bare word or a string.
    pub fn is_word(self) -> bool {
        matches!(self.kind, TokenKind::Word { .. } | TokenKind::Text { .. })
    }

    pub fn is_closed_string(self) -> bool {
        matches!(self.kind, TokenKind::Text { closed: true, .. })
    }

    /// A quoted string, not a raw one, without its end.
    pub fn is_unclosed_string(self) -> bool {
        let (raw, closed) = (false, false);
        self.kind == TokenKind::Text { raw, closed }
    }
}

impl From<Token> for Range<usize> {
    fn from(token: Token) -> Self {
        token.start..token.end
    }
}

pub fn first_line(text: &str) -> &str {
    text.split(is_newline).next().unwrap_or_default()
}

pub fn is_newline(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{85}' | '\u{0b}' | '\u{0c}' | '\u{2028}' | '\u{2029}'
    )
}

pub fn is_space(c: char) -> bool {
    matches!(
        c,
        '\t' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}'
    )
}

pub fn is_blank_or_newline(c: char) -> bool {
    is_space(c) || is_newline(c)
}

/// Cuts the whole text into tokens.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        at: 0,
        failed_searches: 0,
    };
    let mut tokens = Vec::new();
    while let Some(c) = lexer.peek() {
        let start = lexer.at;
        let kind = lexer.token(c);
        // Every branch takes at least one character; this keeps a mistake here from hanging.
        if lexer.at == start {
            lexer.bump();
        }
        tokens.push(Token {
            kind,
            start,
            end: lexer.at,
        });
    }
    tokens
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// How often an end was not found: each search costs the whole rest of the text.
    failed_searches: usize,
}

/// Searches without a result, after which the rest of a text is not searched any more.
const MAX_FAILED_SEARCHES: usize = 32;

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn skip_while(&mut self, test: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !test(c)).unwrap_or(rest.len());
    }

    fn newline(&mut self) {
        if self.rest().starts_with("\r\n") {
            self.at += 2;
        } else {
            self.bump();
        }
    }

    fn token(&mut self, c: char) -> TokenKind {
        if is_newline(c) {
            self.newline();
            return TokenKind::Newline;
        }
        if is_space(c) {
            self.skip_while(is_space);
            return TokenKind::Space;
        }
        let single = match c {
            ';' => Some(TokenKind::Semicolon),
            '{' => Some(TokenKind::Open),
            '}' => Some(TokenKind::Close),
            '=' => Some(TokenKind::Equals),
            '(' | ')' => Some(TokenKind::Paren),
            _ => None,
        };
        if let Some(kind) = single {
            self.bump();
            return kind;
        }
        let rest = self.rest();
        if rest.starts_with("//") {
            self.skip_while(|c| !is_newline(c));
            return TokenKind::Comment { closed: true };
        }
        if rest.starts_with("/*") {
            return TokenKind::Comment {
                closed: self.block_comment(),
            };
        }
        if rest.starts_with("/-") {
            self.at += 2;
            return TokenKind::SlashDash;
        }
        if c == '"' {
            return TokenKind::Text {
                raw: false,
                closed: self.string(0),
            };
        }
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        if hashes > 0 && rest.get(hashes..).is_some_and(|after| after.starts_with('"')) {
            self.at += hashes;
            return TokenKind::Text {
                raw: true,
                closed: self.string(hashes),
            };
        }
        if c == '\\' && self.continued_line() {
            return TokenKind::Space;
        }
        TokenKind::Word { glued: self.word() }
    }

    /// At `/*`. Nested comments count.
    fn block_comment(&mut self) -> bool {
        let start = self.at;
        self.at += 2;
        let mut depth = 1_usize;
        loop {
            let rest = self.rest();
            let next = rest
                .find(['*', '/'])
                .filter(|_| self.failed_searches < MAX_FAILED_SEARCHES);
            let Some(next) = next else {
                self.failed_searches += 1;
                // Never closed: take only this line, so that what follows is still read.
                self.at = start;
                self.skip_while(|c| !is_newline(c));
                return false;
            };
            self.at += next;
            let rest = self.rest();
            if rest.starts_with("*/") {
                self.at += 2;
                depth -= 1;
                if depth == 0 {
                    return true;
                }
            } else if rest.starts_with("/*") {
                self.at += 2;
                depth += 1;
            } else {
                self.at += 1;
            }
        }
    }

    /// At `"`, after `hashes` of `#`.
    fn string(&mut self, hashes: usize) -> bool {
        let rest = self.rest();
        let lines = rest.starts_with("\"\"\"");
        let quotes = if lines { "\"\"\"" } else { "\"" };
        let start = self.at;
        self.at += quotes.len();
        loop {
            let rest = self.rest();
            let next = rest.find(|c| c == '"' || c == '\\' || (!lines && is_newline(c)));
            let Some(next) = next.filter(|_| !lines || self.failed_searches < MAX_FAILED_SEARCHES) else {
                self.failed_searches += usize::from(lines);
                break;
            };
            self.at += next;
            let rest = self.rest();
            if rest.starts_with('\\') {
                self.at += 1;
                if hashes == 0 {
                    self.escape();
                }
            } else if let Some(after) = rest.strip_prefix(quotes) {
                let closing = after.len() - after.trim_start_matches('#').len();
                if closing >= hashes {
                    self.at += quotes.len() + hashes;
                    return true;
                }
                self.at += 1;
            } else if rest.starts_with('"') {
                self.at += 1;
            } else {
                return false;
            }
        }
        // Never closed: take only this line.
        self.at = start + 1;
        self.skip_while(|c| !is_newline(c));
        false
    }

    /// After `\`: the character that it escapes, or the white space that it swallows.
    fn escape(&mut self) {
        if self.peek().is_some_and(is_blank_or_newline) {
            self.skip_while(is_blank_or_newline);
        } else {
            self.bump();
        }
    }

    /// At `\`: takes it and the line's end when only white space and a comment are between them.
    fn continued_line(&mut self) -> bool {
        let start = self.at;
        self.bump();
        self.skip_while(is_space);
        if self.rest().starts_with("//") {
            self.skip_while(|c| !is_newline(c));
        }
        let ends = self.peek().is_none_or(is_newline);
        if ends {
            self.newline();
        } else {
            self.at = start;
        }
        ends
    }

    /// A run of characters that a person sees as one word, such as an unquoted glob or URL.
    /// True when KDL sees a comment in it.
    fn word(&mut self) -> bool {
        let start = self.at;
        let mut glued = false;
        while let Some(c) = self.peek() {
            let rest = self.rest();
            let here = self.text.get(start..self.at).unwrap_or_default();
            if is_blank_or_newline(c) || matches!(c, ';' | '"' | '(' | ')' | '}') || c == '=' && !glued {
                break;
            }
            if c == '/' && self.at > start && (rest.starts_with("//") || rest.starts_with("/*")) {
                glued = true;
            }
            if c == '{' {
                // `*.{csv,json}` is a glob; `ops{` opens a block.
                match brace_run(rest) {
                    Some(len) if here.contains(['*', '?', '.', '/', '[']) => {
                        self.at += len;
                        continue;
                    }
                    _ => break,
                }
            }
            self.bump();
        }
        glued
    }
}

/// Characters of the alternatives `{…}` in an unquoted glob.
const MAX_ALTERNATIVES_LENGTH: usize = 200;

/// The length of `{…}` when it does not look like a block.
fn brace_run(rest: &str) -> Option<usize> {
    let end = rest
        .char_indices()
        .take(MAX_ALTERNATIVES_LENGTH)
        .find(|(_, c)| *c == '}')?
        .0;
    let inside = rest.get(1..end)?;
    (!inside.contains(|c: char| is_blank_or_newline(c) || matches!(c, ';' | '"' | '{' | '='))).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<&str> {
        tokens(text)
            .iter()
            .filter(|t| t.kind != TokenKind::Space)
            .map(|t| &text[t.start..t.end])
            .collect()
    }

    #[test]
    fn covers_the_text_without_gaps() {
        for text in [
            "a \"b\\\"c\" { d=1; } // e\n/* f /* g */ */ h",
            "\"\"\"\n x\n \"\"\" #\"a\"b\"# \\ // c\n d",
            "\"open\n\"\"\"open",
            "/* open",
        ] {
            let mut at = 0;
            for token in tokens(text) {
                assert_eq!(token.start, at, "{text:?}");
                at = token.end;
            }
            assert_eq!(at, text.len(), "{text:?}");
        }
    }

    #[test]
    fn an_unquoted_glob_or_url_is_one_word() {
        assert_eq!(
            shown("include data/**/*.csv *.{a,b}"),
            ["include", "data/**/*.csv", "*.{a,b}"]
        );
        assert_eq!(shown("url https://x.y/z?a=b;"), ["url", "https://x.y/z?a=b", ";"]);
        assert_eq!(shown("ops{name a}"), ["ops", "{", "name", "a", "}"]);
    }

    #[test]
    fn an_unclosed_string_or_comment_ends_with_its_line() {
        assert_eq!(shown("a \"b\nc"), ["a", "\"b", "\n", "c"]);
        assert_eq!(shown("a \"\"\"b\nc"), ["a", "\"\"\"b", "\n", "c"]);
        assert_eq!(shown("a /*b\nc"), ["a", "/*b", "\n", "c"]);
    }

    #[test]
    fn raw_strings_count_their_hashes() {
        assert_eq!(shown("##\"a\"#b\"## c"), ["##\"a\"#b\"##", "c"]);
    }
}
