//! Text of the user, as a message shows it.

use crate::path::Shown;

const MAX_EXCERPT: usize = 80;

/// One line of at most [`MAX_EXCERPT`] characters.
pub(crate) fn excerpt(text: &str) -> String {
    let end = text
        .char_indices()
        .nth(MAX_EXCERPT + 1)
        .map_or(text.len(), |(at, _)| at);
    let text = text.get(..end).unwrap_or_default();
    let shown = Shown(text.as_bytes()).to_string().replace("\\\\", "\\");
    match shown.char_indices().nth(MAX_EXCERPT) {
        Some((cut, _)) => format!("{}…", shown.get(..cut).unwrap_or_default()),
        None => shown,
    }
}
