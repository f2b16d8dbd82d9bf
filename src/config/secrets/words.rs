//! The words of a line as a shell, a person or an ops file divides it: what may be a program, an option, a secret.
//!
//! Takes text of any kind, gives its words, and how far a secret goes that begins in one. No grammar is followed: a line
//! may be a comment, a node, or a script within a string.
//! Invariant: all ends lie on character boundaries, and the words of a text cost time in proportion to it.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Word<'t> {
    pub(in crate::config) text: &'t str,
    pub(in crate::config) start: usize,
    /// Where the quotes end that it begins in, or itself.
    pub(in crate::config) reach: usize,
    /// What stands before it.
    pub(in crate::config) gap: Gap,
    /// A quote stands right before it.
    pub(in crate::config) quoted: bool,
}

impl Word<'_> {
    pub(in crate::config) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Gap {
    /// Nothing but quotes.
    Glued,
    Blank,
    /// Something behind which a command begins.
    Command,
    /// `<<<`.
    Here,
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

fn separates(c: char) -> bool {
    c.is_whitespace() || QUOTES.contains(&c) || matches!(c, ';' | '|' | '&' | '(' | ')' | '<' | '>')
}

/// Lines, each with its first byte; a `\` at the end of a line joins the next.
pub(in crate::config) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let mut end = 0;
        loop {
            let found = rest.get(end..).and_then(|rest| rest.find('\n'));
            let Some(found) = found else {
                end = rest.len();
                break;
            };
            end += found + 1;
            let line = rest.get(..end - 1).unwrap_or_default();
            if !line.trim_end_matches('\r').ends_with('\\') {
                break;
            }
        }
        let start = at;
        at += end;
        Some((start, rest.get(..end)?))
    })
}

/// The words of one line; offsets start at `base`.
pub(in crate::config) fn words(line: &str, base: usize) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut gap = Gap::Command;
    // The quote right before, where it stands, and whether it is escaped.
    let mut quote: Option<(char, bool)> = None;
    let ends = Ends::of(line);
    let mut chars = line.char_indices().peekable();
    let mut before = '\0';
    while let Some((at, c)) = chars.next() {
        let escapes = c == '\\' && chars.peek().is_some_and(|(_, next)| separates(*next));
        if separates(c) || escapes {
            quote = None;
            if QUOTES.contains(&c) {
                quote = Some((c, before == '\\'));
            } else if !escapes {
                gap = match c {
                    '<' if line.get(..at).is_some_and(|line| line.ends_with("<<")) => Gap::Here,
                    '<' | '>' | ')' => gap.max(Gap::Blank),
                    c if c.is_whitespace() => gap.max(Gap::Blank),
                    _ => Gap::Command,
                };
            }
            before = c;
            continue;
        }
        let mut end = at + c.len_utf8();
        before = c;
        while let Some((next, c)) = chars.peek().copied() {
            // `pa'ss'word`: nothing but the quote is between.
            if separates(c) || c == '\\' && line.get(next + 1..).is_some_and(|rest| rest.starts_with(separates)) {
                break;
            }
            end = next + c.len_utf8();
            before = c;
            chars.next();
        }
        let Some(text) = line.get(at..end) else {
            continue;
        };
        let reach = quote.and_then(|(quote, escaped)| ends.after(quote, escaped, end));
        words.push(Word {
            text,
            start: base + at,
            reach: base
                + reach.unwrap_or(if quote.is_some() {
                    line.trim_end().len().max(end)
                } else {
                    end
                }),
            gap,
            quoted: quote.is_some(),
        });
        gap = Gap::Glued;
        quote = None;
    }
    words
}

impl Gap {
    fn max(self, other: Self) -> Self {
        match (self, other) {
            (Self::Command | Self::Here, _) => self,
            _ => other,
        }
    }
}

/// Where quotes of each kind stand in a line: escaped ones apart.
struct Ends {
    all: [Vec<usize>; 4],
}

impl Ends {
    fn of(line: &str) -> Self {
        let mut all: [Vec<usize>; 4] = Default::default();
        let mut escaped = false;
        for (at, byte) in line.bytes().enumerate() {
            if let Some(kind) = Self::kind(char::from(byte), escaped)
                && let Some(ends) = all.get_mut(kind)
            {
                ends.push(at);
            }
            escaped = byte == b'\\' && !escaped;
        }
        Self { all }
    }

    fn kind(quote: char, escaped: bool) -> Option<usize> {
        match quote {
            '"' if escaped => Some(3),
            '"' => Some(0),
            '\'' => Some(1),
            '`' => Some(2),
            _ => None,
        }
    }

    /// The first such quote that stands at or behind `at`; before an escaped one stands its `\`.
    fn after(&self, quote: char, escaped: bool, at: usize) -> Option<usize> {
        let ends = self.all.get(Self::kind(quote, escaped)?)?;
        let end = *ends.get(ends.partition_point(|end| *end < at))?;
        Some(if escaped && quote == '"' {
            (end - 1).max(at)
        } else {
            end
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<(&str, &str)> {
        let reach = |word: &Word<'_>| &line[word.start..word.reach];
        let all = words(line, 0);
        all.iter().map(|word| (word.text, reach(word))).collect()
    }

    #[test]
    fn words_and_how_far_their_quotes_go() {
        assert_eq!(shown("a 'b c' d"), [("a", "a"), ("b", "b c"), ("c", "c"), ("d", "d")]);
        assert_eq!(
            shown(r#"shell "curl -u \"a b\" c""#),
            [
                ("shell", "shell"),
                ("curl", r#"curl -u \"a b\" c"#),
                ("-u", "-u"),
                ("a", "a b"),
                ("b", "b"),
                ("c", "c")
            ]
        );
        assert_eq!(
            shown("x='never closed \n"),
            [("x=", "x="), ("never", "never closed"), ("closed", "closed")]
        );
    }

    #[test]
    fn a_backslash_joins_lines() {
        let found: Vec<(usize, &str)> = lines("a \\\n b\nc").collect();
        assert_eq!(found, [(0, "a \\\n b\n"), (7, "c")]);
    }
}
