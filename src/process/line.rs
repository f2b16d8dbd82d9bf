//! Command lines as they are typed.
//!
//! Takes words, gives them as a shell would have to be given them. Knows nothing of what they mean; starts nothing.
//! Invariant: what a shell makes of it are the words that were taken, and [`one_line`] gives one line that changes
//! nothing at a terminal.

use crate::path::Shown;

/// A word as a shell would have to be given it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Program and arguments, each as a shell would have to be given it, in one line: what breaks a line, or means
/// something to a terminal, is escaped within `$'…'`, which most shells know.
pub(super) fn one_line<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| within_a_line(word)).collect();
    words.join(" ")
}

fn within_a_line(word: &str) -> String {
    let shown = Shown(word.as_bytes()).to_string();
    if shown == word.replace('\\', r"\\") {
        quoted(word)
    } else {
        format!("$'{}'", shown.replace('\'', r"\'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_can_be_typed_again() {
        assert_eq!(quoted("--only"), "--only");
        assert_eq!(quoted("backup:*"), "'backup:*'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_command_is_one_line() {
        let line = |words: &[&str]| one_line(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(line(&["sh", "-c", "echo 'a\\b'"]), r"sh -c 'echo '\''a\b'\'''");
        assert_eq!(line(&["printf", "it's\n\\"]), r"printf $'it\'s\n\\'");
        assert_eq!(line(&["a b", "\u{1b}[2J"]), r"'a b' $'\u{1b}[2J'");
    }
}
