//! Text → text that the parser accepts, cut into top-level nodes, and findings for what had to be mended.
//!
//! Takes the text of one file, gives its pieces with the common slips of the hand (`5m`, `# x`, `[a, b]`, bare
//! `true`, an unclosed brace, an unquoted glob) reported and replaced, byte for byte, by something harmless, so that
//! one slip hides nothing else. Comments become spaces: the parser's handling of them recurses. Knows tokens, not
//! the language.
//! Invariant: the mended text is as long as the original, and every mended stretch of a value is listed as poisoned.

use super::findings::{Code, Finding};
use super::lex::{self, Kind, Token};
use super::source::Span;

/// Deepest nesting of blocks.
pub(super) const DEEPEST: usize = 64;
/// The parser takes exponential time in the nesting of commented-out blocks.
const DEEPEST_SLASHDASH: usize = 2;

/// A file that is ready to be parsed.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// As long as the original.
    pub(super) text: String,
    /// The top-level nodes.
    pub(super) pieces: Vec<Piece>,
    /// Stretches whose content is not what was written; local offsets, sorted.
    pub(super) poisoned: Vec<Span>,
    pub(super) findings: Vec<Finding>,
    /// The file was refused as a whole: what it declares is unknown.
    pub(super) refused: bool,
}

/// A top-level node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many braces its end lacks.
    pub(super) unclosed: usize,
}

/// Reads `text`; spans in findings start at `base`. `tops` are the names that only stand at the top of a file.
pub(super) fn mend(text: &str, base: usize, tops: &[&str]) -> Mended {
    let tokens = lex::tokens(text);
    let mut mender = Mender {
        text,
        base,
        bytes: text.as_bytes().to_vec(),
        out: Mended::default(),
    };
    mender.old_version();
    mender.characters();
    if let Some(finding) = mender.limits(&tokens) {
        mender.out.findings.push(finding);
        mender.out.refused = true;
        return mender.out;
    }
    mender.slips(&tokens);
    mender.cut(&tokens, tops);
    let mut out = mender.out;
    out.text = String::from_utf8(mender.bytes).unwrap_or_default();
    if out.text.len() != text.len() {
        // Cannot happen: only whole characters are replaced. Parse the original rather than nothing.
        out.text = text.to_owned();
    }
    out.poisoned.sort_unstable();
    out
}

struct Mender<'a> {
    text: &'a str,
    base: usize,
    bytes: Vec<u8>,
    out: Mended,
}

impl<'a> Mender<'a> {
    fn str(&self, token: Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.base + start, self.base + end)
    }

    fn fill(&mut self, start: usize, end: usize, with: u8) {
        if let Some(bytes) = self.bytes.get_mut(start..end) {
            bytes.fill(with);
        }
    }

    fn poison(&mut self, start: usize, end: usize) {
        self.out.poisoned.push(Span::new(start, end));
    }

    /// Replaces a value by a harmless word.
    fn placeholder(&mut self, start: usize, end: usize) {
        self.fill(start, end, b'_');
        self.poison(start, end);
    }

    fn report(&mut self, code: Code, start: usize, end: usize, message: impl Into<String>, label: impl Into<String>) {
        let finding = Finding::new(code, self.span(start, end), message, label);
        self.out.findings.push(finding);
    }

    fn help(&mut self, help: impl Into<String>) {
        if let Some(last) = self.out.findings.last_mut() {
            last.help = Some(help.into());
        }
    }

    /// `/- kdl-version 1`.
    fn old_version(&mut self) {
        let lead = self.text.len() - self.text.trim_start_matches('\u{feff}').trim_start().len();
        let rest = self.text.get(lead..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix("/-").map(str::trim_start)
            && let Some(version) = after.strip_prefix("kdl-version").map(str::trim_start)
            && version.starts_with('1')
        {
            let end = lead + rest.find(lex::is_newline).unwrap_or(rest.len());
            self.report(
                Code::Version,
                lead,
                end,
                "the file says that it is KDL 1",
                "ops files are KDL 2",
            );
            self.help("write `/- kdl-version 2`, or leave the line out");
        }
    }

    /// Characters that KDL does not allow anywhere. A byte order mark at the start is fine.
    fn characters(&mut self) {
        let mut said = false;
        let text = self.text;
        if text.starts_with('\u{feff}') {
            self.fill(0, 3, b' ');
        }
        for (at, c) in text.char_indices() {
            let bad = matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{200e}' | '\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            if !bad || at == 0 && c == '\u{feff}' {
                continue;
            }
            let end = at + c.len_utf8();
            self.placeholder(at, end);
            if !said {
                self.report(
                    Code::Syntax,
                    at,
                    end,
                    format!("the character U+{:04X} is not allowed in an ops file", c as u32),
                    "invisible here",
                );
                self.help(format!(
                    "delete it; inside a quoted string it can be written as `\\u{{{:x}}}`",
                    c as u32
                ));
                said = true;
            }
        }
    }

    /// Nesting, before anything recursive sees the text.
    fn limits(&self, tokens: &[Token]) -> Option<Finding> {
        // For every open block: whether a `/-` stood before it in its node.
        let mut open: Vec<bool> = Vec::new();
        let mut dashed = 0;
        let mut pending = false;
        for token in tokens {
            match token.kind {
                Kind::SlashDash => pending = true,
                Kind::Semicolon => pending = false,
                Kind::Newline => {
                    // After `/-` lines may be skipped before what it comments out.
                    if !self.ends_with_slashdash(token.start) {
                        pending = false;
                    }
                }
                Kind::Open => {
                    open.push(pending);
                    dashed += usize::from(pending);
                    pending = false;
                    if open.len() > DEEPEST {
                        return Some(
                            Finding::new(
                                Code::Limits,
                                self.span(token.start, token.end),
                                format!("blocks are nested deeper than {DEEPEST}"),
                                format!("block {} begins here", DEEPEST + 1),
                            )
                            .help("an ops file needs three levels: look for a `{` too many above"),
                        );
                    }
                    if dashed > DEEPEST_SLASHDASH {
                        return Some(
                            Finding::new(
                                Code::Limits,
                                self.span(token.start, token.end),
                                "commented-out blocks are nested too deep",
                                format!("more than {DEEPEST_SLASHDASH} levels of `/-`"),
                            )
                            .help("delete the inner `/-`: what stands inside a commented-out block is out already"),
                        );
                    }
                }
                Kind::Close => {
                    dashed -= usize::from(open.pop().unwrap_or(false));
                    pending = false;
                }
                _ => {}
            }
        }
        None
    }

    fn ends_with_slashdash(&self, at: usize) -> bool {
        self.text
            .get(..at)
            .is_some_and(|before| before.trim_end().ends_with("/-"))
    }

    /// The slips that a single token, or a token and its neighbours, give away.
    fn slips(&mut self, tokens: &[Token]) {
        let mut words = 0_usize;
        let mut line_start = 0_usize;
        let mut list_said = false;
        let mut skip_to = 0_usize;
        for (at, &token) in tokens.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| tokens.get(at));
            let after = tokens.get(at + 1);
            if token.start < skip_to {
                if token.kind == Kind::Newline {
                    words = 0;
                    list_said = false;
                }
                continue;
            }
            match token.kind {
                Kind::Newline | Kind::Semicolon | Kind::Open | Kind::Close => {
                    words = 0;
                    if token.kind == Kind::Newline {
                        list_said = false;
                    }
                    line_start = token.end;
                }
                Kind::Space => self.blank(token),
                Kind::Paren | Kind::SlashDash => {}
                Kind::Comment { closed } => {
                    self.comment(token, closed, before, after);
                    self.blank(token);
                }
                Kind::Equals => {
                    let next = tokens
                        .get(at + 1..)
                        .and_then(|rest| rest.iter().find(|t| t.kind != Kind::Space));
                    self.equals(token, words, line_start, next);
                }
                Kind::Text { raw, closed } => {
                    self.string(token, raw, closed);
                    words += 1;
                }
                Kind::Word { glued } => {
                    let word = self.str(token);
                    if word.starts_with('\'')
                        && let Some(end) = self.single_quotes(token)
                    {
                        skip_to = end;
                    } else if word.starts_with('#') && self.hash(token, words == 0, after.map(|t| t.kind)) {
                        let rest = self.text.get(token.start..).unwrap_or_default();
                        skip_to = token.start + rest.find(lex::is_newline).unwrap_or(rest.len());
                        self.fill(token.start, skip_to, b' ');
                    } else {
                        let property = after.is_some_and(|t| t.kind == Kind::Equals);
                        let old_raw = word == "r" && after.is_some_and(|t| matches!(t.kind, Kind::Text { .. }));
                        if old_raw {
                            self.old_raw_string(token, after);
                        } else {
                            self.word(token, glued, words, property, before, &mut list_said);
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
            let run = run.split(lex::is_space).next().unwrap_or(run);
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
                run.trim_start_matches('/')
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

    fn equals(&mut self, token: Token, words: usize, line_start: usize, next: Option<&Token>) {
        let valued = next.is_some_and(|t| matches!(t.kind, Kind::Word { .. } | Kind::Text { .. } | Kind::Paren));
        let head = self.text.get(line_start..token.start).unwrap_or_default().trim();
        if words <= 1 {
            let value = next.map(|t| self.str(*t)).unwrap_or_default();
            let shown = if valued { value } else { "…" };
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
            self.help(format!("write `{} {}`", one_line(head), one_line(&quoted)));
            self.fill(token.start, token.end, b' ');
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
        let rest = self.text.get(token.start..)?;
        let line = rest.get(..rest.find(lex::is_newline).unwrap_or(rest.len()))?;
        let close = line.get(1..)?.find('\'')? + 2;
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
        self.placeholder(token.start, end);
        Some(end)
    }

    /// A word that begins with `#`. True when it was meant as a comment.
    fn hash(&mut self, token: Token, first: bool, after: Option<Kind>) -> bool {
        let word = self.str(token);
        if matches!(word, "#true" | "#false" | "#null" | "#inf" | "#-inf" | "#nan") {
            return false;
        }
        let name = word.trim_start_matches('#');
        let lower = name.to_ascii_lowercase();
        if !first && matches!(lower.as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off") {
            return false;
        }
        let _ = after;
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
        true
    }

    fn old_raw_string(&mut self, token: Token, after: Option<&Token>) {
        let end = after.map_or(token.end, |t| t.end);
        let text = self.text.get(token.end..end).unwrap_or_default();
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
        self.fill(token.start, token.end, b' ');
        self.poison(token.start, end);
    }

    fn word(
        &mut self,
        token: Token,
        glued: bool,
        words: usize,
        property: bool,
        before: Option<&Token>,
        list_said: &mut bool,
    ) {
        let word = self.str(token);
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
            self.help(format!("quote it: \"{}\"", one_line(word)));
            self.placeholder(token.start, token.end);
            return;
        }
        if word.starts_with('[') && !word.contains(['*', '?'])
            || word.ends_with(']') && !word.contains('[')
            || word.ends_with(',')
            || word.starts_with(',')
        {
            self.list(token, before, list_said);
            return;
        }
        if words == 0 && !property && word.len() > 1 && word.ends_with(':') {
            let name = word.trim_end_matches(':');
            self.report(
                Code::Syntax,
                token.end - 1,
                token.end,
                format!("a setting is written without `:`: `{}`", one_line(name)),
                "not between a node and its value",
            );
            self.help(format!("write `{} …`", one_line(name)));
            self.fill(token.end - 1, token.end, b' ');
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
            self.help(format!("write \"{}\"", one_line(&word.replace('\\', "\\\\"))));
            self.placeholder(token.start, token.end);
        }
    }

    /// `[a, b]` or `a, b`.
    fn list(&mut self, token: Token, before: Option<&Token>, said: &mut bool) {
        if !*said {
            let rest = self.text.get(token.start..).unwrap_or_default();
            let line_start = self
                .text
                .get(..token.start)
                .and_then(|head| head.rfind(lex::is_newline))
                .map_or(0, |at| at + 1);
            let line_end = token.start + rest.find(lex::is_newline).unwrap_or(rest.len());
            let line = self.text.get(line_start..line_end).unwrap_or_default().trim();
            let code = line.split("//").next().unwrap_or(line).trim_end();
            let mended: String = code
                .chars()
                .map(|c| if matches!(c, '[' | ']' | ',') { ' ' } else { c })
                .collect();
            let mended: Vec<&str> = mended.split_whitespace().collect();
            let glued = before.is_some_and(|t| matches!(t.kind, Kind::Text { .. }));
            let bracket = self.str(token).contains(['[', ']']);
            let end = if bracket {
                let open = rest.find(']').map_or(token.end, |at| token.start + at + 1);
                open.min(line_end).max(token.end)
            } else {
                token.end
            };
            let _ = glued;
            self.report(
                Code::Syntax,
                token.start,
                end,
                "a list is written as several arguments",
                if bracket { "no brackets" } else { "no commas" },
            );
            self.help(format!("write `{}`", one_line(&mended.join(" "))));
            *said = true;
        }
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

    /// Cuts at the ends of top-level nodes, and reports braces that have no partner.
    fn cut(&mut self, tokens: &[Token], tops: &[&str]) {
        let mut open: Vec<Token> = Vec::new();
        let mut given_up = 0_usize;
        let mut said = false;
        let mut start: Option<usize> = None;
        let mut end = 0;
        let mut dashed = false;
        for &token in tokens {
            // A top-level name at the left margin begins a new node, even when a brace is missing before it.
            let at_margin = token.start == 0
                || self
                    .text
                    .get(..token.start)
                    .is_some_and(|text| text.ends_with(['\n', '\r']));
            if !open.is_empty() && at_margin && tops.contains(&self.str(token)) {
                self.unclosed(&open);
                self.piece(start.take(), end, open.len());
                given_up += open.len();
                open.clear();
            }
            match token.kind {
                Kind::Space | Kind::Comment { .. } => {}
                Kind::Newline | Kind::Semicolon => {
                    if open.is_empty() && !dashed {
                        self.piece(start.take(), end, 0);
                    }
                }
                Kind::Close if open.is_empty() => {
                    self.fill(token.start, token.end, b' ');
                    if given_up > 0 {
                        given_up -= 1;
                    } else if !said {
                        self.report(
                            Code::Syntax,
                            token.start,
                            token.end,
                            "a `}` closes nothing",
                            "no `{` is open here",
                        );
                        self.help("delete it, or look for a `{` that is missing above");
                        said = true;
                    }
                }
                kind => {
                    start.get_or_insert(token.start);
                    end = token.end;
                    dashed = kind == Kind::SlashDash;
                    match kind {
                        Kind::Open => open.push(token),
                        Kind::Close => {
                            open.pop();
                        }
                        _ => {}
                    }
                }
            }
        }
        if !open.is_empty() {
            self.unclosed(&open);
        }
        self.piece(start, end, open.len());
    }

    fn unclosed(&mut self, open: &[Token]) {
        if let Some(first) = open.first() {
            self.report(
                Code::Syntax,
                first.start,
                first.end,
                "a block is never closed",
                "opened here",
            );
            self.help("add the missing `}` before the next node");
        }
    }

    fn piece(&mut self, start: Option<usize>, end: usize, unclosed: usize) {
        if let Some(start) = start {
            self.out.pieces.push(Piece { start, end, unclosed });
        }
    }
}

/// A piece of the user's text for a message: one line, not endless.
pub(super) fn one_line(text: &str) -> String {
    let shown = crate::path::Shown(text.as_bytes()).to_string().replace("\\\\", "\\");
    match shown.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", shown.get(..cut).unwrap_or_default()),
        None => shown,
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
