//! How far the scan is in the current statement.

use crate::config::syntax::lexer::TokenKind;

#[derive(Default)]
pub(super) struct Statement<'t> {
    /// Words and strings so far.
    pub(super) words: usize,
    /// The first word; empty when it is a string.
    pub(super) first: &'t str,
    /// The end of the last word.
    pub(super) words_end: usize,
    pub(super) line_start: usize,
    /// A list on this line was reported.
    pub(super) list_reported: bool,
    /// The last token that is not blank, also of the statement before.
    pub(super) last: Option<TokenKind>,
}

impl<'t> Statement<'t> {
    /// Counts a word or a string that ends at `end`.
    pub(super) fn add(&mut self, word: &'t str, end: usize) {
        if self.words == 0 {
            self.first = word;
        }
        self.words += 1;
        self.words_end = end;
    }

    /// The setting whose first value comes next; empty elsewhere.
    pub(super) fn setting(&self) -> &'t str {
        if self.words == 1 { self.first } else { "" }
    }
}
