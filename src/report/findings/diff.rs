//! What would change in a file, as a unified diff.
//!
//! Takes a name and two texts, gives what `patch` and people read. Knows nothing of what the texts mean.
//! Invariant: without colour the diff, applied to the old text, gives the new one, byte for byte.

use crate::path::Shown;
use crate::report::shared::style::Style;
use similar::{Algorithm, ChangeTag, TextDiff};
use std::time::Duration;

/// Unchanged lines around a change.
const AROUND: usize = 3;
/// So long the shortest diff is looked for; after that any will do.
const PATIENCE: Duration = Duration::from_millis(500);

/// From `old` to `new`; empty when they are the same.
#[must_use]
pub fn unified(name: &str, old: &str, new: &str, style: Style) -> String {
    if old == new {
        return String::new();
    }
    // At `\n` alone, as `patch` does.
    let lines = |text| str::split_inclusive(text, '\n').collect::<Vec<_>>();
    let (old, new) = (lines(old), lines(new));
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Myers)
        .timeout(PATIENCE)
        .diff_slices(&old, &new);
    // An absolute path is no path within a patch.
    let name = name.trim_start_matches('/');
    let mut text = format!("{}\n", style.bold(format!("--- a/{name}")));
    text = text + &style.bold(format!("+++ b/{name}")) + "\n";
    for hunk in diff.unified_diff().context_radius(AROUND).iter_hunks() {
        text = text + &style.dim(hunk.header()) + "\n";
        for change in hunk.iter_changes() {
            let (line, end) = match change.value().strip_suffix('\n') {
                Some(line) => (line, "\n"),
                None => (change.value(), "\n\\ No newline at end of file\n"),
            };
            let line = if style.is_color() { shown(line) } else { line.to_owned() };
            let line = match change.tag() {
                ChangeTag::Equal => format!(" {line}"),
                ChangeTag::Delete => style.bad(format!("-{line}")),
                ChangeTag::Insert => style.good(format!("+{line}")),
            };
            text = text + &line + end;
        }
    }
    text
}

/// For a terminal: nothing in a line steers it.
fn shown(line: &str) -> String {
    let plain = |c: char| c == '\t' || !c.is_control();
    line.split_inclusive(|c: char| !plain(c))
        .map(|part| match part.chars().next_back() {
            Some(last) if !plain(last) => {
                let cut = part.len() - last.len_utf8();
                let (before, odd) = part.split_at(cut);
                format!("{before}{}", Shown(odd.as_bytes()))
            }
            _ => part.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_changed_with_what_stands_around() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\n";
        assert_eq!(
            unified("x.kdl", old, new, Style::PLAIN),
            "--- a/x.kdl\n+++ b/x.kdl\n@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n-h\n\\ No newline at end of file\n+h\n"
        );
        assert_eq!(unified("x", "a\n", "a\n", Style::PLAIN), "");
    }

    #[test]
    fn steers_no_terminal() {
        let text = unified("x", "a\u{1b}[2J\tb\n", "a\n", Style::COLOR);
        assert!(text.contains("-a\\u{1b}[2J\tb"), "{text:?}");
        let plain = unified("x", "a\u{1b}[2J\rb\r\n", "a\n", Style::PLAIN);
        assert!(plain.ends_with("-a\u{1b}[2J\rb\r\n+a\n"), "{plain:?}");
    }
}
