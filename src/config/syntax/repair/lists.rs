//! Lists of other languages on one line: `[a, b]`, `a, b`.
//!
//! Takes brackets and commas, gives one finding a list with all of its values behind the setting's name. Part
//! of `slips`.
//! Invariant: that of `slips`; the values of a list that was mended are still read.

use crate::config::findings::{Code, excerpt};
use crate::config::syntax::kdl_string;
use crate::config::syntax::lexer::{self, Token, TokenKind};
use crate::config::syntax::repair::mend::Mender;
use crate::config::syntax::repair::words::{bare_needs_quotes, starts_like_number};

/// How far back the beginning of a line is looked for, in characters.
const LONGEST_LINE: usize = 300;
impl Mender<'_> {
    /// Says once a line how a list is written; it begins at `from`, perhaps with a sign that does not belong there.
    pub(in crate::config) fn list_finding(&mut self, from: usize, bracket: bool, said: &mut bool) {
        if std::mem::replace(said, true) {
            return;
        }
        let rest = self.text.get(from..).unwrap_or_default();
        let before = self.text.get(..from).unwrap_or_default();
        let head = before.rsplit(lexer::is_newline).next().unwrap_or_default().trim_start();
        let line = rest.split(lexer::is_newline).next().unwrap_or_default();
        let mut mended: Vec<String> = vec![head.trim_end().to_owned()];
        let mut end = from;
        let mut closed = false;
        // The values alone, as long as nothing but values is met, and where they end.
        let mut values: Option<Vec<String>> = Some(Vec::new());
        let mut stopped = false;
        let mut values_end = from;
        for token in lexer::tokens(line) {
            let text = line.get(token.start..token.end).unwrap_or_default();
            // `# why`: a comment of another language, which is said by itself.
            let remark = text.starts_with('#') && matches!(token.kind, TokenKind::Word { .. });
            if remark
                && !matches!(
                    text.trim_end_matches([',', ']']),
                    "#true" | "#false" | "#null" | "#inf" | "#-inf" | "#nan"
                )
            {
                break;
            }
            stopped |= closed
                || matches!(
                    token.kind,
                    TokenKind::Semicolon | TokenKind::Close | TokenKind::Comment { .. }
                );
            if !stopped {
                match token.kind {
                    TokenKind::Space if !text.contains('\\') => {}
                    TokenKind::Equals if token.start == 0 => {}
                    TokenKind::Word { .. } => {
                        let parts = text.split(['[', ']', ',']).filter(|part| !part.is_empty());
                        let parts = parts.filter(|part| *part != ":");
                        let quoted = parts.map(|part| {
                            if bare_needs_quotes(part) {
                                kdl_string(part)
                            } else {
                                part.to_owned()
                            }
                        });
                        if let Some(values) = &mut values {
                            values.extend(quoted);
                        }
                        values_end = from + token.end;
                    }
                    TokenKind::Text { closed: true, .. } => {
                        if let Some(values) = &mut values {
                            values.push(text.to_owned());
                        }
                        values_end = from + token.end;
                    }
                    _ => values = None,
                }
            }
            if !closed {
                end = from + token.end;
            }
            match token.kind {
                TokenKind::Space => {}
                TokenKind::Comment { .. } => break,
                TokenKind::Word { .. } => {
                    let parts = text
                        .split(['[', ']', ','])
                        .filter(|part| !part.is_empty() && *part != ":");
                    mended.extend(parts.map(|part| {
                        if bare_needs_quotes(part) {
                            format!("\"{part}\"")
                        } else {
                            part.to_owned()
                        }
                    }));
                    closed |= text.contains(']');
                }
                TokenKind::Equals if mended.len() == 1 => {}
                _ => mended.push(text.to_owned()),
            }
        }
        let shown = self.text.get(from..end).unwrap_or_default().trim_end().len();
        let first = line.split(lexer::is_space).next().unwrap_or_default();
        let end = if bracket { from + shown } else { from + first.len() };
        self.report(
            Code::Syntax,
            from,
            end,
            "a list is written as several arguments",
            if bracket { "no brackets" } else { "no commas" },
        );
        let written = mended.join(" ");
        self.help(match written.trim_start() {
            "" => "delete it, and write all values on the line of their setting".to_owned(),
            alone if mended.len() == 1 => format!("write all of it on one line: `{} \"…\" \"…\"`", excerpt(alone)),
            all => format!("write `{}`", excerpt(all)),
        });
        // A list over several lines ends where nobody knows, and words may be names of other settings.
        let whole = !bracket || closed;
        let named = !head.trim().is_empty();
        if let Some(values) = values.filter(|values| whole && named && !values.is_empty()) {
            let gap = if before.ends_with(lexer::is_space) { "" } else { " " };
            let text = format!("{gap}{}", values.join(" "));
            self.fix(&[(from, values_end, &text)]);
        }
    }

    pub(in crate::config) fn list(&mut self, token: Token, said: &mut bool) {
        if self.lone_sign(token, said) {
            return;
        }
        self.list_finding(token.start, self.str(token).contains(['[', ']']), said);
        // Take the signs away and poison nothing that they enclose but the words they were glued to.
        let word = self.str(token);
        for (at, c) in word.char_indices() {
            if matches!(c, '[' | ']' | ',') {
                self.fill(token.start + at, token.start + at + 1, b' ');
            }
        }
        let bare: Vec<&str> = word.split(['[', ']', ',']).filter(|part| !part.is_empty()).collect();
        if !bare.is_empty() {
            for part in bare {
                if starts_like_number(part) || bare_needs_quotes(part) || matches!(part, "true" | "false" | "null") {
                    let offset = word.find(part).unwrap_or(0);
                    self.placeholder(token.start + offset, token.start + offset + part.len());
                }
            }
            self.poison(token.start, token.end);
        }
    }

    /// A `,` at the end of a setting, or a `]` without its `[`: true when it was said.
    fn lone_sign(&mut self, token: Token, said: &mut bool) -> bool {
        let word = self.str(token);
        let rest = self.text.get(token.end..).unwrap_or_default();
        let behind = rest.trim_start_matches(lexer::is_space);
        let last = behind.is_empty() || behind.starts_with(|c| lexer::is_newline(c) || matches!(c, ';' | '}'));
        let (sign, value) = match word.char_indices().next_back() {
            Some((at, c)) if matches!(c, ',' | ']') => (c, word.get(..at).unwrap_or_default()),
            _ => return false,
        };
        if *said || !last {
            return false;
        }
        // Of a longer line nothing is known.
        let before = self.text.get(..token.start).unwrap_or_default();
        let line: usize = before
            .chars()
            .rev()
            .take(LONGEST_LINE)
            .take_while(|c| !lexer::is_newline(*c))
            .map(char::len_utf8)
            .sum();
        let line = before.get(before.len() - line..).unwrap_or_default();
        let other = |text: &str| text.contains(['[', ']', ',']);
        if other(value) || other(line) || line.trim().is_empty() {
            return false;
        }
        if bare_needs_quotes(value) || starts_like_number(value) && sign == ']' {
            return false;
        }
        *said = true;
        let at = token.end - 1;
        let (message, label) = if sign == ',' {
            ("settings are not separated by commas", "no comma")
        } else {
            ("a `]` closes nothing", "no `[` is open here")
        };
        self.report(Code::Syntax, at, token.end, message, label);
        self.help("delete it");
        self.fix(&[(at, token.end, "")]);
        self.fill(at, token.end, b' ');
        true
    }
}
