//! The common slips of the hand: `5m`, `# x`, `[a, b]`, bare `true`, `key = v`, an unquoted glob, and their mending.
//!
//! Takes the tokens of a file, gives findings with what to write instead, and replaces what the parser would trip
//! over by something harmless of the same length. A second half of `mend`, which calls it.
//! Invariant: whatever is replaced is reported and poisoned, so that no made-up value is ever used.

use super::findings::Code;
use super::lex::{self, Kind, Token};
use super::mend::{Mender, one_line};
use super::paths;

/// How far the end of a string in typographic quotes is looked for, in characters.
const LONGEST_QUOTED: usize = 300;
/// Quotes of text processors.
const TYPOGRAPHIC: [char; 10] = [
    '\u{201c}', '\u{201d}', '\u{201e}', '\u{201a}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}', '\u{2039}', '\u{203a}',
];

impl Mender<'_> {
    /// The slips that a single token, or a token and its neighbours, give away.
    pub(super) fn slips(&mut self, tokens: &[Token]) {
        let mut words = 0_usize;
        let mut line_start = 0_usize;
        let mut list_said = false;
        let mut skip_to = 0_usize;
        // The last token that is no blank, and the first word of the statement.
        let mut last: Option<Kind> = None;
        let mut first = "";
        for (at, &token) in tokens.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| tokens.get(at));
            let after = tokens.get(at + 1);
            if token.start < skip_to.max(self.mended_to) {
                if token.kind == Kind::Newline {
                    words = 0;
                    list_said = false;
                }
                continue;
            }
            let behind = last;
            if !matches!(token.kind, Kind::Space | Kind::Comment { .. }) {
                last = Some(token.kind);
            }
            match token.kind {
                Kind::Semicolon if matches!(behind, None | Some(Kind::Newline | Kind::Semicolon | Kind::Open)) => {
                    skip_to = self.lone_semicolon(token, matches!(behind, None | Some(Kind::Newline)));
                    words = 0;
                    line_start = token.end;
                }
                Kind::Newline | Kind::Semicolon | Kind::Open | Kind::Close => {
                    words = 0;
                    if token.kind == Kind::Newline {
                        list_said = false;
                    }
                    line_start = token.end;
                }
                Kind::Space => self.blank(token),
                Kind::SlashDash => {}
                Kind::Paren => match annotation(tokens, at) {
                    // Well-formed: refused later, with the value that it belongs to.
                    Some(end) => skip_to = end,
                    None => self.paren(token),
                },
                Kind::Comment { closed } => {
                    self.comment(token, closed, before, after);
                    self.blank(token);
                }
                Kind::Equals => {
                    let next = tokens
                        .get(at + 1..)
                        .and_then(|rest| rest.iter().find(|t| t.kind != Kind::Space));
                    self.equals(token, words, line_start, next, &mut list_said);
                }
                Kind::Text { raw, closed } => {
                    self.string(token, raw, closed);
                    words += 1;
                }
                Kind::Word { glued } => {
                    let word = self.str(token);
                    if words == 0 {
                        first = word;
                    }
                    if word.starts_with('\'')
                        && let Some(end) = self.single_quotes(token)
                    {
                        skip_to = end;
                    } else if word.starts_with(TYPOGRAPHIC) {
                        skip_to = self.typographic_quotes(token, line_start);
                    } else if word.starts_with('#') && self.hash(token, words == 0) {
                        let rest = self.text.get(token.start..).unwrap_or_default();
                        skip_to = token.start + rest.find(lex::is_newline).unwrap_or(rest.len());
                        self.fill(token.start, skip_to, b' ');
                    } else {
                        let property = after.is_some_and(|t| t.kind == Kind::Equals);
                        let old_raw = word
                            .strip_prefix('r')
                            .is_some_and(|hashes| hashes.chars().all(|c| c == '#'))
                            && after.is_some_and(|t| matches!(t.kind, Kind::Text { .. }));
                        if old_raw {
                            skip_to = self.old_raw_string(token, after);
                        } else {
                            let setting = if words == 1 { first } else { "" };
                            self.word(token, glued, words, setting, property, &mut list_said);
                        }
                    }
                    words += 1;
                }
            }
        }
    }

    /// The parser handles comments recursively and remembers white space: give it plain spaces.
    fn blank(&mut self, token: Token) {
        let text = self.str(token);
        // A continued line keeps its backslash and its end.
        if text.starts_with('\\') {
            let cut = text.find("//").map_or(token.end, |at| token.start + at);
            let tail = text.find(lex::is_newline).map_or(token.end, |at| token.start + at);
            if cut < tail {
                self.fill(cut, tail, b' ');
            }
        } else {
            self.fill(token.start, token.end, b' ');
        }
    }

    fn paren(&mut self, token: Token) {
        self.fill(token.start, token.end, b' ');
        self.report(
            Code::Syntax,
            token.start,
            token.end,
            "parentheses have no meaning here",
            "not part of a value",
        );
        self.help("delete it, or put the whole value in quotes");
    }

    fn comment(&mut self, token: Token, closed: bool, before: Option<&Token>, after: Option<&Token>) {
        let value = |t: Option<&Token>| t.is_some_and(|t| matches!(t.kind, Kind::Word { .. } | Kind::Text { .. }));
        let text = self.str(token);
        let block = text.starts_with("/*");
        if block && value(after) && !value(before) || (block && !closed && text.contains(['.', '?', '['])) {
            // `/**/*.csv`: a glob that begins like a comment.
            let end = after
                .filter(|t| value(Some(t)) && t.start == token.end)
                .map_or(token.end, |t| t.end);
            let run = self.text.get(token.start..end).unwrap_or_default();
            let run = run
                .split(|c| lex::is_space(c) || lex::is_newline(c))
                .next()
                .unwrap_or(run);
            let end = token.start + run.len();
            self.report(
                Code::GluedComment,
                token.start,
                end,
                "a comment touches a value",
                "KDL reads `/*` as the start of a comment",
            );
            self.help(format!(
                "if a glob was meant, quote it: \"{}\"; if a comment was meant, put a space after it",
                one_line(run.trim_start_matches('/'))
            ));
        } else if value(before) {
            self.report(
                Code::GluedComment,
                token.start,
                token.end,
                "a comment touches a value",
                "this is read as a comment, not as part of the value",
            );
            self.help("put a space before the comment, or the whole value in quotes");
        } else if !closed {
            self.report(
                Code::Syntax,
                token.start,
                token.start + 2,
                "a comment is never closed",
                "begins here",
            );
            self.help("end it with `*/`, or use `//` for a comment of one line");
        }
    }

    /// A `;` that ends no statement: in other languages it begins a comment. Gives the end of what is meant as one.
    fn lone_semicolon(&mut self, token: Token, first: bool) -> usize {
        // Only the first of a line is followed to the line's end: a line may hold very many.
        let rest = if first { self.text.get(token.end..) } else { None }.unwrap_or_default();
        let said = rest.split(lex::is_newline).next().unwrap_or_default();
        let text = said.trim().trim_start_matches(';').trim();
        if first && !text.is_empty() {
            let end = token.end + said.len();
            self.report(
                Code::Syntax,
                token.start,
                token.end + said.trim_end().len(),
                "comments begin with `//`",
                "`;` is no comment sign in KDL",
            );
            self.help(format!("write `// {}`", one_line(text)));
            let signs = 1 + said.len() - said.trim_start_matches(';').len();
            self.fix(&[(token.start, token.start + signs, "//")]);
            self.fill(token.start, end, b' ');
            return end;
        }
        self.report(
            Code::Syntax,
            token.start,
            token.end,
            "a `;` ends nothing",
            "no setting before it",
        );
        self.help("delete it");
        self.fix(&[(token.start, token.end, "")]);
        self.fill(token.start, token.end, b' ');
        token.end
    }

    /// `“a b”`: gives its end. Said once a line, with the whole line.
    fn typographic_quotes(&mut self, token: Token, line_start: usize) -> usize {
        let rest = self.text.get(token.start..).unwrap_or_default();
        let near = rest.char_indices().nth(LONGEST_QUOTED).map_or(rest.len(), |(at, _)| at);
        let near = rest.get(..near).unwrap_or_default();
        let line = near.split(lex::is_newline).next().unwrap_or_default();
        let open = line.chars().next().map_or(0, char::len_utf8);
        let inside = line.get(open..).unwrap_or_default();
        let close = inside
            .char_indices()
            .find(|(_, c)| *c == '"' || TYPOGRAPHIC.contains(c));
        let end = match close {
            Some((at, c)) => token.start + open + at + c.len_utf8(),
            None => token.end,
        };
        let head = self.text.get(line_start..token.start).unwrap_or_default();
        if !head.contains(TYPOGRAPHIC) {
            let whole = format!("{}{}", head.trim_start(), line.trim_end());
            let mended = whole.replace(TYPOGRAPHIC, "\"");
            self.report(
                Code::Syntax,
                token.start,
                end,
                "strings are written in straight double quotes",
                "typographic quotes mean nothing here",
            );
            self.help(format!("write `{}`", one_line(&mended)));
            if let Some((at, c)) = close {
                let close = token.start + open + at;
                let text = inside.get(..at).unwrap_or_default();
                if !text.contains(['\\', '"']) {
                    self.fix(&[(token.start, token.start + open, "\""), (close, close + c.len_utf8(), "\"")]);
                }
            }
        }
        self.placeholder(token.start, end);
        end
    }

    /// The help for a value without quotes that only quotes would not mend.
    fn place_help(setting: &str, word: &str) -> Option<String> {
        let place = matches!(setting, "source" | "to" | "state-dir") && paths::is_remote(word);
        place.then(|| format!("a directory belongs here: {}", paths::mount_help(setting)))
    }

    /// Whether a value behind a sign that does not belong there is a word that needs quotes: then both are said in one.
    fn quotes_too(&mut self, value: Option<&Token>) -> bool {
        match value {
            Some(token) if matches!(token.kind, Kind::Word { .. }) && bare_needs_quotes(self.str(*token)) => {
                self.placeholder(token.start, token.end);
                self.mended_to = token.end;
                true
            }
            _ => false,
        }
    }

    fn equals(&mut self, token: Token, words: usize, line_start: usize, next: Option<&Token>, list_said: &mut bool) {
        let valued = next.is_some_and(|t| matches!(t.kind, Kind::Word { .. } | Kind::Text { .. } | Kind::Paren));
        let head = self.text.get(line_start..token.start).unwrap_or_default().trim();
        if words <= 1 {
            let value = next.map(|t| self.str(*t)).unwrap_or_default();
            let shown = if valued { value } else { "…" };
            self.fill(token.start, token.end, b' ');
            if value.starts_with('[') {
                self.list_finding(token.start, true, list_said);
                return;
            }
            self.report(
                Code::Syntax,
                token.start,
                token.end,
                format!("a setting is written without `=`: `{}`", one_line(head)),
                "not between a node and its value",
            );
            let quoted = if valued && bare_needs_quotes(shown) {
                format!("\"{shown}\"")
            } else {
                shown.to_owned()
            };
            let place = Self::place_help(head, shown);
            let mendable = place.is_none() && words == 1;
            self.help(place.unwrap_or_else(|| format!("write `{} {}`", one_line(head), one_line(&quoted))));
            if let Some(next) = next.filter(|_| mendable && valued) {
                let before = self.text.get(..token.start).unwrap_or_default();
                let from = before.trim_end_matches(lex::is_space).len();
                let quoted = quotes(value);
                if bare_needs_quotes(value) {
                    self.fix(&[(from, next.start, " "), (next.start, next.end, &quoted)]);
                } else {
                    self.fix(&[(from, next.start, " ")]);
                }
            }
            self.quotes_too(next);
        } else if !valued {
            self.report(
                Code::Syntax,
                token.start,
                token.end,
                "a property has no value",
                "nothing follows the `=`",
            );
            let key = head.rsplit(lex::is_space).next().unwrap_or(head);
            self.help(format!("write `{}=\"…\"`, or leave it out", one_line(key)));
            self.fill(token.start, token.end, b' ');
            self.poison(token.start.saturating_sub(1), token.end);
        }
    }

    fn string(&mut self, token: Token, raw: bool, closed: bool) {
        let text = self.str(token);
        if !closed {
            let lines = text.trim_start_matches('#').starts_with("\"\"\"");
            self.report(
                Code::Syntax,
                token.start,
                token.end,
                "a string is never closed",
                "begins here",
            );
            self.help(if lines {
                "end it with `\"\"\"` on a line of its own"
            } else {
                "put the closing `\"` on the same line"
            });
            self.placeholder(token.start, token.end);
            return;
        }
        if raw {
            return;
        }
        let mut at = 0;
        while let Some(next) = text.get(at..).and_then(|rest| rest.find('\\')) {
            let slash = at + next;
            let escaped = text.get(slash + 1..).and_then(|rest| rest.chars().next());
            let len = escaped.map_or(0, char::len_utf8);
            let fine = match escaped {
                Some('u') => unicode_escape(text.get(slash + 2..).unwrap_or_default()),
                Some(c) => {
                    matches!(c, 'n' | 'r' | 't' | '\\' | '"' | 'b' | 'f' | 's')
                        || lex::is_space(c)
                        || lex::is_newline(c)
                }
                None => true,
            };
            if !fine {
                let (start, end) = (token.start + slash, token.start + slash + 1 + len);
                self.report(
                    Code::Syntax,
                    start,
                    end,
                    format!(
                        "`{}` is no escape",
                        one_line(text.get(slash..slash + 1 + len).unwrap_or_default())
                    ),
                    "unknown escape",
                );
                self.help(format!(
                    "write `\\\\` for a backslash, or use a raw string: #{}#",
                    one_line(text)
                ));
                self.fill(start, end, b'_');
                self.poison(token.start, token.end);
            }
            at = slash + 1 + len.max(1);
        }
    }

    /// `'a b'`: gives the end of it when it is closed on its line.
    fn single_quotes(&mut self, token: Token) -> Option<usize> {
        let line = self.text.get(token.start..)?;
        let next = line.get(1..)?.find(|c| c == '\'' || lex::is_newline(c))?;
        let close = next + 2;
        line.get(1..)?.get(next..)?.strip_prefix('\'')?;
        let inside = line.get(1..close - 1)?;
        let end = token.start + close;
        self.report(
            Code::Syntax,
            token.start,
            end,
            "strings are written in double quotes",
            "single quotes mean nothing here",
        );
        self.help(format!("write \"{}\"", one_line(inside)));
        self.fix(&[(token.start, end, &quotes(inside))]);
        self.placeholder(token.start, end);
        Some(end)
    }

    /// A word that begins with `#`. True when it was meant as a comment.
    fn hash(&mut self, token: Token, first: bool) -> bool {
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
            .get(..rest.find(lex::is_newline).unwrap_or(rest.len()))
            .unwrap_or_default();
        self.report(
            Code::Syntax,
            token.start,
            token.start + line.trim_end().len(),
            "comments begin with `//`",
            "`#` is no comment sign in KDL",
        );
        let said = line.trim_start_matches('#').trim();
        self.help(format!("write `// {}`", one_line(said)));
        // Close behind a value it may be a keyword that was misspelt.
        let plain = line.trim_start_matches('#').starts_with(lex::is_space) || said.is_empty();
        if first || plain {
            let signs = line.len() - line.trim_start_matches('#').len();
            let sign = if plain { "//" } else { "// " };
            self.fix(&[(token.start, token.start + signs, sign)]);
        }
        true
    }

    /// `r"…"` or `r#"…"#`; gives its end.
    fn old_raw_string(&mut self, token: Token, after: Option<&Token>) -> usize {
        let hashes = self.str(token).len() - 1;
        let end = after.map_or(token.end, |t| t.end);
        let rest = self.text.get(end..).unwrap_or_default();
        let end = end + rest.bytes().take(hashes).take_while(|b| *b == b'#').count();
        let text = self.text.get(token.start + 1..end).unwrap_or_default();
        self.report(
            Code::Version,
            token.start,
            end,
            "`r\"…\"` is a raw string of KDL 1",
            "ops files are KDL 2",
        );
        let hashed = if text.starts_with('#') {
            text.to_owned()
        } else {
            format!("#{text}#")
        };
        self.help(format!("write {}", one_line(&hashed)));
        self.fix(&[(token.start, end, &hashed)]);
        self.placeholder(token.start, end);
        end
    }

    fn word(&mut self, token: Token, glued: bool, words: usize, setting: &str, property: bool, list_said: &mut bool) {
        let word = self.str(token);
        if glued && (*list_said || word.ends_with(',')) {
            self.list_finding(token.start, false, list_said);
            self.placeholder(token.start, token.end);
            return;
        }
        if glued {
            self.report(
                Code::GluedComment,
                token.start,
                token.end,
                "a comment touches a value",
                if word.contains("/*") {
                    "KDL reads `/*` as the start of a comment"
                } else {
                    "KDL reads what follows `//` as a comment"
                },
            );
            let place = Self::place_help(setting, word);
            // Only what is a pattern or a URL is surely no comment.
            let meant = place.is_none() && (word.contains("://") || word.contains(['*', '?']));
            self.help(place.unwrap_or_else(|| format!("quote it: \"{}\"", one_line(word))));
            if meant {
                self.fix(&[(token.start, token.end, &quotes(word))]);
            }
            self.placeholder(token.start, token.end);
            return;
        }
        if word.starts_with('[') && !word.contains(['*', '?'])
            || word.ends_with(']') && !word.contains('[')
            || word.ends_with(',')
            || word.starts_with(',')
        {
            self.list(token, list_said);
            return;
        }
        if words == 0 && !property && word.len() > 1 && word.ends_with(':') {
            let name = word.trim_end_matches(':');
            self.fill(token.end - 1, token.end, b' ');
            let rest = self.text.get(token.end..).unwrap_or_default();
            if rest.trim_start_matches(lex::is_space).starts_with('[') {
                self.list_finding(token.end - 1, true, list_said);
                return;
            }
            self.report(
                Code::Syntax,
                token.end - 1,
                token.end,
                format!("a setting is written without `:`: `{}`", one_line(name)),
                "not between a node and its value",
            );
            let near = rest.char_indices().nth(100).map_or(rest.len(), |(at, _)| at);
            let near = rest.get(..near).unwrap_or_default();
            let value = near.split(lex::is_newline).next().unwrap_or_default().trim();
            let value = if value.is_empty() { "…" } else { value };
            let single = !value.contains(|c| lex::is_space(c) || matches!(c, ';' | '{' | '}'));
            let at = token.end + rest.find(value).unwrap_or(0);
            let next = Token {
                kind: Kind::Word { glued: false },
                start: at,
                end: at + value.len(),
            };
            let quoted = single && self.quotes_too(Some(&next));
            let place = Self::place_help(name, value).filter(|_| quoted);
            let mendable = place.is_none() && value != "…";
            self.help(if let Some(place) = place {
                place
            } else if quoted {
                format!("write `{} \"{}\"`", one_line(name), one_line(value))
            } else {
                format!("write `{} {}`", one_line(name), one_line(value))
            });
            if mendable && quoted {
                self.fix(&[(token.end - 1, token.end, ""), (next.start, next.end, &quotes(value))]);
            } else if mendable {
                self.fix(&[(token.end - 1, token.end, "")]);
            }
            return;
        }
        let keyword = matches!(word, "true" | "false" | "null" | "inf" | "-inf" | "nan");
        if keyword && words > 0 {
            self.report(
                Code::Syntax,
                token.start,
                token.end,
                format!("`{word}` is written `#{word}`"),
                "a bare keyword",
            );
            self.help(format!("write `#{word}`, or \"{word}\" for the text"));
            if matches!(word, "true" | "false" | "null") {
                self.fix(&[(token.start, token.end, &format!("#{word}"))]);
            }
            self.placeholder(token.start, token.end);
            return;
        }
        let hash_keyword = word.starts_with('#');
        if hash_keyword {
            let lower = word.trim_start_matches('#').to_ascii_lowercase();
            if !matches!(word, "#true" | "#false" | "#null" | "#inf" | "#-inf" | "#nan") {
                let meant = match lower.as_str() {
                    "true" | "yes" | "on" => "#true",
                    "null" => "#null",
                    _ => "#false",
                };
                self.report(
                    Code::Syntax,
                    token.start,
                    token.end,
                    format!("`{word}` is no keyword"),
                    "unknown keyword",
                );
                self.help(format!("write `{meant}`"));
                self.fix(&[(token.start, token.end, meant)]);
                self.placeholder(token.start, token.end);
            }
            return;
        }
        let numeric = starts_like_number(word);
        if numeric && is_number(word) {
            if word.len() > 30 {
                self.report(
                    Code::Syntax,
                    token.start,
                    token.end,
                    "the number is too large",
                    "more than 30 digits",
                );
                self.placeholder(token.start, token.end);
            }
            return;
        }
        if numeric {
            self.report(
                Code::Syntax,
                token.start,
                token.end,
                format!("`{}` is neither a number nor a bare word", one_line(word)),
                "text that begins with a digit needs quotes",
            );
            self.help(format!("write \"{}\"", one_line(word)));
            self.fix(&[(token.start, token.end, &quotes(word))]);
            self.placeholder(token.start, token.end);
            return;
        }
        if bare_needs_quotes(word) {
            self.report(
                Code::Syntax,
                token.start,
                token.end,
                format!("`{}` needs quotes", one_line(word)),
                "holds characters that a bare word cannot",
            );
            let place = Self::place_help(setting, word);
            let mendable = place.is_none();
            self.help(place.unwrap_or_else(|| format!("write \"{}\"", one_line(&word.replace('\\', "\\\\")))));
            if mendable {
                self.fix(&[(token.start, token.end, &quotes(word))]);
            }
            self.placeholder(token.start, token.end);
        }
    }

    /// Says once a line how a list is written; it begins at `from`, perhaps with a sign that does not belong there.
    fn list_finding(&mut self, from: usize, bracket: bool, said: &mut bool) {
        if std::mem::replace(said, true) {
            return;
        }
        let rest = self.text.get(from..).unwrap_or_default();
        let before = self.text.get(..from).unwrap_or_default();
        let head = before.rsplit(lex::is_newline).next().unwrap_or_default().trim_start();
        let line = rest.split(lex::is_newline).next().unwrap_or_default();
        let mut mended: Vec<String> = vec![head.trim_end().to_owned()];
        let mut end = from;
        let mut closed = false;
        // The values alone, as long as nothing but values is met, and where they end.
        let mut values: Option<Vec<String>> = Some(Vec::new());
        let mut stopped = false;
        let mut values_end = from;
        for token in lex::tokens(line) {
            let text = line.get(token.start..token.end).unwrap_or_default();
            stopped |= closed || matches!(token.kind, Kind::Semicolon | Kind::Close | Kind::Comment { .. });
            if !stopped {
                match token.kind {
                    Kind::Space if !text.contains('\\') => {}
                    Kind::Equals if token.start == 0 => {}
                    Kind::Word { glued: false } => {
                        let parts = text.split(['[', ']', ',']).filter(|part| !part.is_empty());
                        let parts = parts.filter(|part| *part != ":");
                        let quoted = parts.map(|part| {
                            if bare_needs_quotes(part) {
                                quotes(part)
                            } else {
                                part.to_owned()
                            }
                        });
                        if let Some(values) = &mut values {
                            values.extend(quoted);
                        }
                        values_end = from + token.end;
                    }
                    Kind::Text { closed: true, .. } => {
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
                Kind::Space => {}
                Kind::Comment { .. } => break,
                Kind::Word { .. } => {
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
                Kind::Equals if mended.len() == 1 => {}
                _ => mended.push(text.to_owned()),
            }
        }
        let shown = self.text.get(from..end).unwrap_or_default().trim_end().len();
        let first = line.split(lex::is_space).next().unwrap_or_default();
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
            alone if mended.len() == 1 => format!("write all of it on one line: `{} \"…\" \"…\"`", one_line(alone)),
            all => format!("write `{}`", one_line(all)),
        });
        // A list over several lines ends where nobody knows, and words may be names of other settings.
        let whole = !bracket || closed;
        let named = !head.trim().is_empty();
        if let Some(values) = values.filter(|values| whole && named && !values.is_empty()) {
            let gap = if before.ends_with(lex::is_space) { "" } else { " " };
            let text = format!("{gap}{}", values.join(" "));
            self.fix(&[(from, values_end, &text)]);
        }
    }

    /// `[a, b]` or `a, b`.
    fn list(&mut self, token: Token, said: &mut bool) {
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
}

/// As a string of the ops file.
fn quotes(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `(type)` directly before a value: its end.
fn annotation(tokens: &[Token], at: usize) -> Option<usize> {
    let value = |kind| matches!(kind, Kind::Word { glued: false } | Kind::Text { closed: true, .. });
    match tokens.get(at..at + 4)? {
        [open, ty, close, next]
            if open.kind == Kind::Paren && value(ty.kind) && close.kind == Kind::Paren && value(next.kind) =>
        {
            Some(close.end)
        }
        _ => None,
    }
}

fn unicode_escape(after: &str) -> bool {
    after
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
        .is_some_and(|(hex, _)| {
            (1..=6).contains(&hex.len()) && u32::from_str_radix(hex, 16).is_ok_and(|n| char::from_u32(n).is_some())
        })
}

fn starts_like_number(word: &str) -> bool {
    let body = word.strip_prefix(['+', '-']).unwrap_or(word);
    let body = body.strip_prefix('.').unwrap_or(body);
    body.starts_with(|c: char| c.is_ascii_digit())
}

fn is_number(word: &str) -> bool {
    let body = word.strip_prefix(['+', '-']).unwrap_or(word);
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = body.strip_prefix(prefix) {
            return digits.starts_with(|c: char| c.is_digit(radix))
                && digits.chars().all(|c| c.is_digit(radix) || c == '_');
        }
    }
    let digits = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '_')
    };
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let exponent = exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
    exponent
        && match mantissa.split_once('.') {
            Some((whole, part)) => digits(whole) && digits(part),
            None => digits(mantissa),
        }
}

/// True for a bare word that KDL 2 does not take as one.
pub(super) fn bare_needs_quotes(word: &str) -> bool {
    !word.starts_with(['"', '#'])
        && (word.contains(['\\', '/', '(', ')', '{', '}', ';', '[', ']', '"', '#', '='])
            || starts_like_number(word) && !is_number(word))
}
