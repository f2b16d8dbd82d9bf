//! Comments: touching a value, without an end, or from other languages.
//!
//! Takes the token that is or may start a comment, gives findings, and turns the comment into spaces.

use super::repairer::Repairer;
use crate::config::findings::{Code, excerpt};
use crate::config::syntax::bare_word::is_keyword;
use crate::config::syntax::lexer::{self, Token};

const EXPECTED_SLASHES: &str = "comments start with `//`";

impl Repairer<'_> {
    /// A comment of KDL.
    pub(super) fn comment(&mut self, token: Token, closed: bool, before: Option<&Token>, after: Option<&Token>) {
        let text = self.text_of(token);
        let block = text.starts_with("/*");
        let after = after.filter(|after| after.is_word());
        let touching = before.filter(|before| before.is_word());
        if block && (after.is_some() && touching.is_none() || !closed && text.contains(['.', '?', '['])) {
            // `/**/*.csv`: a glob that starts like a comment.
            let end = after.filter(|after| after.start == token.end).unwrap_or(&token).end;
            let run = self.slice(token.start..end);
            let run = run.split(lexer::is_blank_or_newline).next().unwrap_or(run);
            let place = token.start..token.start + run.len();
            let label = "KDL reads `/*` as the start of a comment";
            self.report(Code::GluedComment, place, "a value contains a comment", label);
            self.help(format!(
                "if this is a glob, quote it: \"{}\"; if it is a comment, put a space after it",
                excerpt(run.trim_start_matches('/'))
            ));
        } else if let Some(touching) = touching {
            let label = "read as a comment, not as part of the value";
            self.report(Code::GluedComment, token, "a comment touches a value", label);
            self.help("put a space before the comment, or quote the whole value");
            if touching.is_closed_string() {
                self.fix(&[(token.start, token.start, " ")]);
            }
        } else if !closed {
            self.syntax_error(token.start..token.start + 2, "unclosed comment", "starts here");
            let inner = text
                .get(2..)
                .is_some_and(|rest| rest.contains("/*") && rest.contains("*/"));
            self.help(if inner {
                "comments nest: the second `/*` needs its own `*/`; or use `//` for a one-line comment"
            } else {
                "end it with `*/`, or use `//` for a one-line comment"
            });
        }
    }

    /// A word that starts with `#`. True when it was meant as a comment.
    pub(super) fn hash(&mut self, token: Token, first: bool) -> bool {
        let word = self.text_of(token);
        let lower = word.trim_start_matches('#').to_ascii_lowercase();
        let misspelt = || matches!(lower.as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off");
        if is_keyword(word) || !first && misspelt() {
            return false;
        }
        let rest = self.slice(token.start..);
        let line = lexer::first_line(rest);
        let body = line.trim_start_matches('#');
        let text = body.trim();
        let end = token.start + line.trim_end().len();
        self.syntax_error(token.start..end, "`#` does not start a comment", EXPECTED_SLASHES);
        self.help(format!("write `// {}`", excerpt(text)));
        // Directly after a value it may be a misspelt keyword.
        let plain = body.starts_with(lexer::is_space) || text.is_empty();
        if first || plain {
            let sign = if plain { "//" } else { "// " };
            self.fix(&[(token.start, token.start + line.len() - body.len(), sign)]);
        }
        true
    }

    /// `-- comment`, `<!-- comment -->`: gives its end.
    pub(super) fn other_comment(&mut self, token: Token) -> usize {
        let sign = self.text_of(token);
        let rest = self.slice(token.start..);
        let line = lexer::first_line(rest);
        let text = line.strip_prefix(sign).unwrap_or_default().trim();
        let text = text.strip_suffix("-->").unwrap_or(text).trim();
        let end = token.start + line.trim_end().len();
        let message = format!("`{}` does not start a comment", excerpt(sign));
        self.syntax_error(token.start..end, message, EXPECTED_SLASHES);
        self.help(format!("write `// {}`", excerpt(text)));
        self.fix(&[(token.start, end, &format!("// {text}"))]);
        self.blank_out(token.start..token.start + line.len());
        token.start + line.len()
    }

    /// A `;` that ends no statement: in other languages it starts a comment. Gives the end of what it comments out.
    pub(super) fn lone_semicolon(&mut self, token: Token, first: bool) -> usize {
        // Only the first of a line is followed to the line's end: a line may hold very many.
        let rest = if first { self.text.get(token.end..) } else { None }.unwrap_or_default();
        let line = lexer::first_line(rest);
        let text = line.trim().trim_start_matches(';').trim();
        if first && !text.is_empty() {
            let shown = token.start..token.end + line.trim_end().len();
            self.syntax_error(shown, "`;` does not start a comment", EXPECTED_SLASHES);
            self.help(format!("write `// {}`", excerpt(text)));
            let signs = 1 + line.len() - line.trim_start_matches(';').len();
            self.fix(&[(token.start, token.start + signs, "//")]);
            self.blank_out(token.start..token.end + line.len());
            return token.end + line.len();
        }
        self.syntax_error(token, "unexpected `;`", "no setting before it");
        self.help("delete it");
        let before = self.slice(..token.start);
        let from = before.trim_end_matches(lexer::is_space).len();
        self.fix(&[(from, token.end, "")]);
        self.blank_out(token);
        token.end
    }

    /// The parser handles comments recursively and remembers white space: give it plain spaces.
    pub(super) fn blank(&mut self, token: Token) {
        let text = self.text_of(token);
        if !text.starts_with('\\') {
            self.blank_out(token);
            return;
        }
        // A continued line keeps its backslash and its end.
        let at = |found: Option<usize>| found.map_or(token.end, |at| token.start + at);
        let (comment, end) = (at(text.find("//")), at(text.find(lexer::is_newline)));
        if comment < end {
            self.blank_out(comment..end);
        }
    }
}
