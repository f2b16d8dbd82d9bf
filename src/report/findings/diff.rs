//! A unified diff of a file.
//!
//! Invariant: without colour, `patch` applied to the old text gives the new one, byte for byte.

use crate::path::Shown;
use crate::report::shared::style::Style;
use similar::{Algorithm, ChangeTag, TextDiff};
use std::time::Duration;

const CONTEXT_LINES: usize = 3;
/// Time to find the shortest diff; after that any diff is accepted.
const TIMEOUT: Duration = Duration::from_millis(500);

/// From `old` to `new`; empty if they are equal.
pub fn unified(name: &str, old: &str, new: &str, style: Style) -> String {
    if old == new {
        return String::new();
    }
    // At `\n` alone, as `patch` does.
    let lines = |text| str::split_inclusive(text, '\n').collect::<Vec<_>>();
    let (old, new) = (lines(old), lines(new));
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Myers)
        .timeout(TIMEOUT)
        .diff_slices(&old, &new);
    // A patch has relative paths.
    let name = name.trim_start_matches('/');
    let mut text = format!("{}\n", style.bold(format!("--- a/{name}")));
    text = text + &style.bold(format!("+++ b/{name}")) + "\n";
    for hunk in diff.unified_diff().context_radius(CONTEXT_LINES).iter_hunks() {
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

/// Without control characters, for a terminal.
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
    fn changes_have_context() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\n";
        assert_eq!(
            unified("x.kdl", old, new, Style::PLAIN),
            "--- a/x.kdl\n+++ b/x.kdl\n@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n-h\n\\ No newline at end of file\n+h\n"
        );
        assert_eq!(unified("x", "a\n", "a\n", Style::PLAIN), "");
    }

    #[test]
    fn a_diff_does_not_control_the_terminal() {
        let text = unified("x", "a\u{1b}[2J\tb\n", "a\n", Style::new(true));
        assert!(text.contains("-a\\u{1b}[2J\tb"), "{text:?}");
        let plain = unified("x", "a\u{1b}[2J\rb\r\n", "a\n", Style::PLAIN);
        assert!(plain.ends_with("-a\u{1b}[2J\rb\r\n+a\n"), "{plain:?}");
    }
}
