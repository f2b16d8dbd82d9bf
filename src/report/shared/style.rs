//! Colour at a terminal.
//!
//! Invariant: without colour every function gives its text unchanged; no meaning is conveyed by colour alone.

use std::fmt::{self, Write as _};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    color: bool,
}

impl Style {
    pub const PLAIN: Self = Self { color: false };

    pub fn new(color: bool) -> Self {
        Self { color }
    }

    pub fn is_color(self) -> bool {
        self.color
    }

    pub fn bold(self, text: impl fmt::Display) -> String {
        self.paint("1", &text)
    }

    pub fn dim(self, text: impl fmt::Display) -> String {
        self.paint("2", &text)
    }

    pub fn good(self, text: impl fmt::Display) -> String {
        self.paint("32", &text)
    }

    pub fn warn(self, text: impl fmt::Display) -> String {
        self.paint("33", &text)
    }

    pub fn bad(self, text: impl fmt::Display) -> String {
        self.paint("1;31", &text)
    }

    pub fn name(self, text: impl fmt::Display) -> String {
        self.paint("1;36", &text)
    }

    fn paint(self, code: &str, text: &dyn fmt::Display) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

/// `text` on one line. Control characters are escaped, so that text from outside cannot move the cursor; so are those
/// that change the direction of writing, so that text cannot be disguised.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' {
            out.push_str("\\n");
        } else if is_hidden(c) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        } else {
            out.push(c);
        }
    }
    out
}

/// True for a character that moves the cursor of a terminal or changes the direction of writing.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || is_direction(c)
}

/// Direction marks, embeddings, overrides and isolates; line and paragraph separators.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(one_line("a\nb\x1b[2J"), "a\\nb\\u{1b}[2J");
        assert_eq!(one_line("gpj.\u{202e}exe é 漢"), "gpj.\\u{202e}exe é 漢");
    }
}
