//! Columns of text.
//!
//! Takes text, gives columns in characters; a tab goes to the next multiple of eight. Knows nothing of KDL.
//! Invariant: text after a line break starts at column 0.

use crate::config::syntax::lexer::is_newline;

const TAB: usize = 8;
/// Blanks of one level.
pub(super) const INDENT: usize = 4;

/// Moves `column` past `text`.
pub(super) fn advance(column: &mut usize, text: &str) {
    for c in text.chars() {
        *column = match c {
            '\t' => (*column / TAB + 1) * TAB,
            c if is_newline(c) => 0,
            _ => *column + 1,
        };
    }
}
