//! The words of a line as a shell, a person or an ops file divides it, and how far a value goes that begins with one.
//!
//! Takes text of any kind: a line may be a comment, a node, or a script within a string, well-formed or not.
//! Invariant: all offsets are character boundaries, and the words of a text cost time in proportion to it.

const QUOTES: &str = "\"'`\u{201c}\u{201d}\u{2018}\u{2019}\u{ab}\u{bb}";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineWord<'t> {
    pub(super) text: &'t str,
    pub(super) start: usize,
    /// What is between it and the word before: blanks, quotes, `=`, `;`, braces.
    pub(super) gap: &'t str,
}

impl LineWord<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn is_quoted(&self) -> bool {
        self.gap.ends_with(is_quote)
    }

    /// Its value was assigned to the word before: `a=b`, `a = b`, `"a": b`.
    pub(super) fn is_assigned(&self) -> bool {
        self.gap.contains(['=', ':'])
    }

    /// A command or statement ends before it.
    pub(super) fn starts_command(&self) -> bool {
        self.gap.contains([';', '|', '&', '(', '{', '}'])
    }
}

pub(super) fn is_quote(c: char) -> bool {
    QUOTES.contains(c)
}

fn separates(c: char) -> bool {
    c.is_whitespace() || is_quote(c) || ends_command(c) || matches!(c, '{' | '}' | '[' | ']' | ',' | '=' | '\\')
}

fn ends_command(c: char) -> bool {
    matches!(c, ';' | '|' | '&' | '(' | ')' | '<' | '>')
}

/// Lines, each with its first byte; a `\` at the end of a line joins the next.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let mut end = 0;
        for line in rest.split_inclusive('\n') {
            end += line.len();
            if !line.trim_end().ends_with('\\') {
                break;
            }
        }
        let start = at;
        at += end;
        Some((start, rest.get(..end)?))
    })
}

/// The words of a line: runs of characters with a letter or digit among them.
pub(super) fn words(line: &str) -> Vec<LineWord<'_>> {
    let mut words = Vec::new();
    let (mut start, mut last) = (0, 0);
    for piece in line.split_inclusive(separates) {
        let text = piece.trim_end_matches(separates);
        if text.contains(char::is_alphanumeric) {
            let gap = line.get(last..start).unwrap_or_default();
            words.push(LineWord { text, start, gap });
            last = start + text.len();
        }
        start += piece.len();
    }
    words
}

/// Where the value ends that begins with a word: at the quote that closes it, else with the word as a shell sees it.
pub(super) fn value_end(line: &str, word: &LineWord<'_>) -> usize {
    if word.is_quoted() {
        let end = closing_quote(line, word.start).unwrap_or(line.trim_end().len());
        return end.max(word.end());
    }
    shell_word_end(line, word.start)
}

/// Where the quote closes that is right before `start`.
pub(super) fn closing_quote(line: &str, start: usize) -> Option<usize> {
    let before = line.get(..start)?;
    let (at, quote) = before.char_indices().next_back()?;
    let escaped = before.get(..at)?.ends_with('\\');
    let closes = |c: char| c == quote || is_quote(c) && !c.is_ascii() && !quote.is_ascii();
    let mut backslash = false;
    for (at, c) in line.get(start..)?.char_indices() {
        if closes(c) && backslash == escaped {
            return Some(start + at - usize::from(escaped));
        }
        backslash = c == '\\' && !backslash;
    }
    None
}

/// `pa'ss'word` is one word, also with a blank between its quotes.
fn shell_word_end(line: &str, start: usize) -> usize {
    let rest = line.get(start..).unwrap_or_default();
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        let last = rest
            .get(at + c.len_utf8()..)
            .is_none_or(|rest| rest.chars().next().is_none_or(separates));
        match quote {
            Some(open) => quote = Some(open).filter(|open| *open != c),
            None if c.is_whitespace() || ends_command(c) || last && (c == '\\' || is_quote(c)) => return start + at,
            None => quote = is_quote(c).then_some(c),
        }
    }
    line.trim_end().len().max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str) -> Vec<(&str, &str)> {
        let value = |word: &LineWord<'_>| &line[word.start..value_end(line, word)];
        words(line).iter().map(|word| (word.text, value(word))).collect()
    }

    #[test]
    fn words_and_how_far_values_go() {
        assert_eq!(values("a 'b c' d"), [("a", "a"), ("b", "b c"), ("c", "c"), ("d", "d")]);
        assert_eq!(
            values(r#"shell "curl -u \"a b\" c""#),
            [
                ("shell", "shell"),
                ("curl", r#"curl -u \"a b\" c"#),
                ("-u", "-u"),
                ("a", "a b"),
                ("b", "b"),
                ("c", "c")
            ]
        );
        assert_eq!(values("x='never closed \n")[1], ("never", "never closed"));
        assert_eq!(values("x=pa'ss wo'rd y")[1], ("pa", "pa'ss wo'rd"));
        assert_eq!(values("x=aGk= y")[1], ("aGk", "aGk="));
        assert_eq!(values("x \u{201c}a b\u{201d}; y")[1], ("a", "a b"));
    }

    #[test]
    fn a_backslash_joins_lines() {
        let found: Vec<(usize, &str)> = lines("a \\\n b\nc").collect();
        assert_eq!(found, [(0, "a \\\n b\n"), (7, "c")]);
    }
}
