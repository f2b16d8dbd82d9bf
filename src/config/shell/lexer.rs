//! The words and signs of a line for a shell, as POSIX sh and bash read them.
//!
//! Takes a script, gives its tokens. What is in quotes, in a command substitution, an expansion or a here-document belongs to
//! a word or is left out. Linear; any text has tokens.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellToken {
    Word {
        /// As the command gets it, where it is `plain`; otherwise as it is written.
        text: String,
        /// No shell changes it: neither a substitution nor an expansion nor a pattern is in it.
        plain: bool,
        /// A part of it was in quotes: it is not a reserved word.
        quoted: bool,
    },
    /// A control operator or a redirection.
    Sign(&'static str),
    Newline,
}

/// Longer signs come first.
const SIGNS: [&str; 22] = [
    "<<<", "<<-", "&>>", ";;&", "&&", "||", "|&", ";;", ";&", "<<", ">>", ">|", ">&", "<&", "&>", "<>", "|", "&", ";",
    "<", ">", "(",
];

pub fn tokens(script: &str) -> Vec<ShellToken> {
    let mut lexer = Lexer {
        rest: script,
        found: Vec::new(),
        documents: Vec::new(),
    };
    while lexer.step() {}
    lexer.found
}

struct Lexer<'a> {
    rest: &'a str,
    found: Vec<ShellToken>,
    /// The words that end the here-documents of this line, and whether tabs before them count.
    documents: Vec<(String, bool)>,
}

impl Lexer<'_> {
    /// Takes one token; false at the end.
    fn step(&mut self) -> bool {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
        if let Some(rest) = self.rest.strip_prefix("\\\n") {
            self.rest = rest;
            return true;
        }
        if self.rest.starts_with('#') {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.skip(end);
            return true;
        }
        if let Some(rest) = self.rest.strip_prefix('\n') {
            self.rest = rest;
            self.found.push(ShellToken::Newline);
            self.skip_documents();
            return true;
        }
        if let Some(rest) = self.rest.strip_prefix(')') {
            self.rest = rest;
            self.found.push(ShellToken::Sign(")"));
            return true;
        }
        let sign = SIGNS.iter().find(|sign| self.rest.starts_with(**sign));
        // `<(…)` and `>(…)` are words.
        let substitution = self.rest.starts_with("<(") || self.rest.starts_with(">(");
        match sign.filter(|_| !substitution) {
            Some(sign) => {
                self.skip(sign.len());
                self.found.push(ShellToken::Sign(sign));
            }
            None if self.rest.is_empty() => return false,
            None => self.word(),
        }
        true
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn word(&mut self) {
        let start = self.rest;
        let (mut text, mut plain, mut quoted) = (String::new(), true, false);
        while let Some(c) = self.rest.chars().next() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | ')' => break,
                '<' | '>' | '(' if self.rest.len() < start.len() => break,
                '\'' => {
                    quoted = true;
                    let end = self
                        .rest
                        .get(1..)
                        .and_then(|rest| rest.find('\''))
                        .unwrap_or(self.rest.len());
                    text.push_str(self.rest.get(1..=end).unwrap_or_default());
                    self.skip(end + 2);
                }
                '"' => {
                    quoted = true;
                    let end = within_quotes(self.rest);
                    let inside = self.rest.get(1..end.saturating_sub(1)).unwrap_or_default();
                    plain &= !inside.contains(['$', '`', '\\']);
                    text.push_str(inside);
                    self.skip(end);
                }
                '\\' => {
                    quoted = true;
                    let after = self.rest.chars().nth(1);
                    text.extend(after.filter(|c| *c != '\n'));
                    self.skip(1 + after.map_or(0, char::len_utf8));
                }
                '$' | '`' | '<' | '>' | '(' => {
                    plain = false;
                    let end = substitution(self.rest);
                    text.push_str(self.rest.get(..end).unwrap_or_default());
                    self.skip(end);
                }
                c => {
                    plain &= !matches!(c, '*' | '?' | '[' | '{' | '}' | '~' | '!');
                    text.push(c);
                    self.skip(c.len_utf8());
                }
            }
        }
        if let Some(ShellToken::Sign(sign @ ("<<" | "<<-"))) = self.found.last() {
            self.documents.push((text.clone(), *sign == "<<-"));
        }
        if !plain {
            let length = start.len() - self.rest.len();
            start.get(..length).unwrap_or_default().clone_into(&mut text);
        }
        self.found.push(ShellToken::Word { text, plain, quoted });
    }

    /// Leaves out the here-documents that begin at this line.
    fn skip_documents(&mut self) {
        for (end, tabs) in std::mem::take(&mut self.documents) {
            loop {
                let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
                let last = self.rest.is_empty();
                self.rest = rest;
                let line = if tabs { line.trim_start_matches('\t') } else { line };
                if last || line == end {
                    break;
                }
            }
        }
    }
}

/// The length of a text in double quotes, both of them included.
fn within_quotes(text: &str) -> usize {
    let mut at = 1;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        match c {
            '"' => return at + 1,
            '\\' => {
                at += 1 + text
                    .get(at + 1..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(0, char::len_utf8);
            }
            '$' | '`' => at += substitution(text.get(at..).unwrap_or_default()),
            c => at += c.len_utf8(),
        }
    }
    text.len()
}

/// The length of `$(…)`, `${…}`, `` `…` ``, `<(…)` or `(…)`; of the sign alone when nothing of that kind follows it.
fn substitution(text: &str) -> usize {
    if let Some(rest) = text.strip_prefix('`') {
        let mut at = 0;
        while let Some(c) = rest.get(at..).and_then(|rest| rest.chars().next()) {
            match c {
                '`' => return at + 2,
                '\\' => {
                    at += 1 + rest
                        .get(at + 1..)
                        .and_then(|rest| rest.chars().next())
                        .map_or(0, char::len_utf8);
                }
                c => at += c.len_utf8(),
            }
        }
        return text.len();
    }
    let skipped = usize::from(text.starts_with(['$', '<', '>']));
    let open = text.get(skipped..).and_then(|rest| rest.chars().next());
    if !matches!(open, Some('(' | '{')) {
        return skipped.max(1);
    }
    // Nested ones without recursion: quotes and brackets that are still open.
    let mut open = Vec::new();
    let mut at = skipped;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        match c {
            '\\' => {
                at += text
                    .get(at + 1..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(0, char::len_utf8);
            }
            '"' if open.last() == Some(&'"') => {
                open.pop();
            }
            '"' => open.push('"'),
            '\'' if open.last() != Some(&'"') => {
                at += text
                    .get(at + 1..)
                    .and_then(|rest| rest.find('\''))
                    .map_or(text.len() - at - 1, |end| end + 1);
            }
            '(' | '{' if open.last() != Some(&'"') || text.get(..at).is_some_and(|before| before.ends_with('$')) => {
                open.push(c);
            }
            ')' if open.last() == Some(&'(') => {
                open.pop();
            }
            '}' if open.last() == Some(&'{') => {
                open.pop();
            }
            _ => {}
        }
        at += c.len_utf8();
        if open.is_empty() {
            return at;
        }
    }
    text.len()
}
