//! Columns: how far to the right something stands.
//!
//! Takes text, gives columns in characters; a tab goes on to the next eighth. Knows nothing of KDL.
//! Invariant: what stands behind a line break starts at column 0.

use crate::config::syntax::lexer::is_newline;

const TAB: usize = 8;

/// Where the next character stands when `text` begins at `column`.
pub(super) fn advance(column: &mut usize, text: &str) {
    for c in text.chars() {
        *column = match c {
            '\t' => (*column / TAB + 1) * TAB,
            c if is_newline(c) => 0,
            _ => *column + 1,
        };
    }
}
