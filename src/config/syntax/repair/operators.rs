//! Signs of other languages: `name: value`, `name = value`, `name => value`, `name(value)`, `# comment`.
//!
//! Takes the sign and what stands around it, gives findings with the line without it. Part of `slips`.
//! Invariant: that of `slips`.

use crate::config::findings::{Code, excerpt};
use crate::config::syntax::kdl_string;
use crate::config::syntax::lexer::{self, Token, TokenKind};
use crate::config::syntax::repair::mend::Mender;
use crate::config::syntax::repair::words::bare_needs_quotes;

/// How many tokens behind a sign are looked at.
const MOST_VALUES: usize = 40;

/// Signs that stand between a name and its value elsewhere.
pub(in crate::config) const ARROWS: [&str; 6] = [":", "::", "->", "=>", "~>", "\u{2192}"];

/// A sign that does not belong between a name and its value.
pub(in crate::config) struct Sign<'t> {
    pub(in crate::config) start: usize,
    pub(in crate::config) end: usize,
    pub(in crate::config) after: &'t [Token],
}

impl Mender<'_> {
    /// A parenthesis that is no part of `(type)value`. Gives the end of what was said of it.
    pub(in crate::config) fn paren(&mut self, token: Token, head: &str, after: &[Token]) -> Option<usize> {
        self.fill(token.start, token.end, b' ');
        let line = after.iter().take(MOST_VALUES).take_while(|t| {
            !matches!(
                t.kind,
                TokenKind::Newline | TokenKind::Semicolon | TokenKind::Open | TokenKind::Close
            )
        });
        let close = line.filter(|t| t.kind == TokenKind::Paren).last();
        if let Some(close) = close.filter(|t| self.str(**t) == ")" && self.str(token) == "(" && !head.is_empty()) {
            let inside = self.text.get(token.end..close.start).unwrap_or_default().trim();
            self.fill(close.start, close.end, b' ');
            self.report(
                Code::Syntax,
                token.start,
                close.end,
                format!("values stand behind `{}` without parentheses", excerpt(head)),
                "no part of a value",
            );
            self.help(format!("write `{} {}`", excerpt(head), excerpt(inside)));
            self.fix(&[(token.start, token.end, " "), (close.start, close.end, "")]);
            return Some(close.end);
        }
        self.report(
            Code::Syntax,
            token.start,
            token.end,
            "parentheses have no meaning here",
            "not part of a value",
        );
        self.help("delete it, or put the whole value in quotes");
        None
    }

    /// A word that begins with `#`. True when it was meant as a comment.
    pub(in crate::config) fn hash(&mut self, token: Token, first: bool) -> bool {
        let word = self.str(token);
        if matches!(word, "#true" | "#false" | "#null" | "#inf" | "#-inf" | "#nan") {
            return false;
        }
        let name = word.trim_start_matches('#');
        let lower = name.to_ascii_lowercase();
        if !first && matches!(lower.as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off") {
            return false;
        }
        let rest = self.text.get(token.start..).unwrap_or_default();
        let line = rest
            .get(..rest.find(lexer::is_newline).unwrap_or(rest.len()))
            .unwrap_or_default();
        self.report(
            Code::Syntax,
            token.start,
            token.start + line.trim_end().len(),
            "comments begin with `//`",
            "`#` is no comment sign in KDL",
        );
        let said = line.trim_start_matches('#').trim();
        self.help(format!("write `// {}`", excerpt(said)));
        // Close behind a value it may be a keyword that was misspelt.
        let plain = line.trim_start_matches('#').starts_with(lexer::is_space) || said.is_empty();
        if first || plain {
            let signs = line.len() - line.trim_start_matches('#').len();
            let sign = if plain { "//" } else { "// " };
            self.fix(&[(token.start, token.start + signs, sign)]);
        }
        true
    }

    /// `-- comment`, `<!-- comment -->`: gives the end of it.
    pub(in crate::config) fn other_comment(&mut self, token: Token) -> usize {
        let sign = self.str(token);
        let rest = self.text.get(token.start..).unwrap_or_default();
        let line = rest.split(lexer::is_newline).next().unwrap_or_default();
        let said = line.strip_prefix(sign).unwrap_or_default().trim();
        let said = said.strip_suffix("-->").unwrap_or(said).trim();
        self.report(
            Code::Syntax,
            token.start,
            token.start + line.trim_end().len(),
            "comments begin with `//`",
            format!("`{}` is no comment sign in KDL", excerpt(sign)),
        );
        self.help(format!("write `// {}`", excerpt(said)));
        self.fix(&[(token.start, token.start + line.trim_end().len(), &format!("// {said}"))]);
        self.fill(token.start, token.start + line.len(), b' ');
        token.start + line.len()
    }

    /// What follows a sign on its line, as one stretch, and whether it is a single value.
    fn values(&self, after: &[Token]) -> Option<(Token, bool)> {
        let mut found: Option<Token> = None;
        let mut count = 0;
        for token in after.iter().take(MOST_VALUES) {
            match token.kind {
                TokenKind::Space => {}
                TokenKind::Word { .. } | TokenKind::Text { .. } | TokenKind::Paren => {
                    // The comma of another language ends a value.
                    let comma = self.str(*token);
                    if comma == "," && count > 0 {
                        break;
                    }
                    count += 1;
                    let first = *found.get_or_insert(*token);
                    found = Some(Token {
                        start: first.start,
                        ..*token
                    });
                    if comma.ends_with(',') && !comma.starts_with('[') && matches!(token.kind, TokenKind::Word { .. }) {
                        break;
                    }
                }
                _ => break,
            }
        }
        found.map(|token| (token, count == 1))
    }

    /// `name: value`, `name = value`, `name => {`: said once, with the value's missing quotes. `head` is what the sign
    /// stands behind, the last of which ends at `from`.
    pub(in crate::config) fn sign(&mut self, head: &str, from: usize, sign: &Sign<'_>, list_said: &mut bool) {
        let (start, end) = (sign.start, sign.end);
        let shown_sign = self.text.get(start..end).unwrap_or_default();
        self.fill(start, end, b' ');
        let next = sign.after.iter().find(|token| token.kind != TokenKind::Space);
        if let Some(open) = next.filter(|token| token.kind == TokenKind::Open) {
            self.report(
                Code::Syntax,
                start,
                end,
                format!("a block is written without `{}`", excerpt(shown_sign)),
                "not between a node and its block",
            );
            self.help(format!("write `{} {{`", excerpt(head)));
            self.fix(&[(from, open.start, " ")]);
            return;
        }
        let values = self.values(sign.after);
        if let Some((value, _)) = values
            && self.str(value).starts_with('[')
        {
            self.list_finding(start, true, list_said);
            return;
        }
        self.report(
            Code::Syntax,
            start,
            end,
            format!(
                "a setting is written without `{}`: `{}`",
                excerpt(shown_sign),
                excerpt(head)
            ),
            "not between a node and its value",
        );
        let Some((mut value, single)) = values else {
            self.help(format!("write `{} …`", excerpt(head)));
            return;
        };
        let text = self.str(value);
        let mut comma = text.len() - text.trim_end_matches(',').len();
        // `"a": "b",`: the comma is a token of its own.
        let behind = self.text.get(value.end..).unwrap_or_default();
        if comma == 0 && behind.starts_with(',') && matches!(value.kind, TokenKind::Text { .. }) {
            comma = 1;
            value.end += 1;
        }
        if comma > 0 {
            // The comma of another language: said together with its colon.
            value.end -= comma;
            *list_said = true;
        }
        let text = self.str(value);
        let quoted = single && matches!(value.kind, TokenKind::Word { .. }) && bare_needs_quotes(text);
        if quoted {
            self.placeholder(value.start, value.end);
            self.fill(value.end, value.end + comma, b' ');
            self.mended_to = value.end + comma;
        }
        let place = Self::place_help(head, text).filter(|_| single);
        let mendable = place.is_none();
        let written = if quoted { kdl_string(text) } else { text.to_owned() };
        self.help(place.unwrap_or_else(|| format!("write `{} {}`", excerpt(head), excerpt(&written))));
        if mendable {
            let comma = (value.end, value.end + comma, "");
            let gap = (from, value.start, " ");
            let mut edits = vec![gap];
            if quoted {
                edits.push((value.start, value.end, &written));
            }
            if comma.0 < comma.1 {
                edits.push(comma);
            }
            self.fix(&edits);
        }
    }

    /// `source:/srv/a`: the value has grown together with the name.
    pub(in crate::config) fn grown_together(&mut self, token: Token, name: &str) {
        let start = token.start + name.len();
        let value = self.text.get(start + 1..token.end).unwrap_or_default();
        self.report(
            Code::Syntax,
            start,
            start + 1,
            format!("a setting is written without `:`: `{}`", excerpt(name)),
            "not between a node and its value",
        );
        let written = if bare_needs_quotes(value) {
            kdl_string(value)
        } else {
            value.to_owned()
        };
        let place = Self::place_help(name, value);
        let mendable = place.is_none();
        self.help(place.unwrap_or_else(|| format!("write `{} {}`", excerpt(name), excerpt(&written))));
        if mendable {
            self.fix(&[(start, token.end, &format!(" {written}"))]);
        }
        self.fill(start, start + 1, b' ');
        self.placeholder(start + 1, token.end);
    }

    /// `backup "a":` at the end of a line: the block that follows is meant by indentation.
    pub(in crate::config) fn colon_for_block(&mut self, token: Token, head: &str) {
        self.report(
            Code::Syntax,
            token.start,
            token.end,
            "a block stands in braces",
            "`:` begins no block",
        );
        self.help(format!("write `{} {{`, and a `}}` behind the block", excerpt(head)));
        self.fill(token.start, token.end, b' ');
        self.headers.push(token.start);
    }

    /// `key=` without a value.
    pub(in crate::config) fn no_value(&mut self, token: Token, head: &str) {
        self.report(
            Code::Syntax,
            token.start,
            token.end,
            "a property has no value",
            "nothing follows the `=`",
        );
        let key = head.rsplit(lexer::is_space).next().unwrap_or(head);
        self.help(format!("write `{}=\"…\"`, or leave it out", excerpt(key)));
        self.fill(token.start, token.end, b' ');
        self.poison(token.start.saturating_sub(1), token.end);
    }
}
