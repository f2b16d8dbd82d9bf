//! A piece of the user's text, as a message shows it.
//!
//! Takes any text, gives one line of at most 80 characters. Pure.

use crate::path::Shown;

/// A piece of the user's text for a message: one line, not endless.
pub(in crate::config) fn excerpt(text: &str) -> String {
    let end = text.char_indices().nth(81).map_or(text.len(), |(at, _)| at);
    let text = text.get(..end).unwrap_or_default();
    let shown = Shown(text.as_bytes()).to_string().replace("\\\\", "\\");
    match shown.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", shown.get(..cut).unwrap_or_default()),
        None => shown,
    }
}
