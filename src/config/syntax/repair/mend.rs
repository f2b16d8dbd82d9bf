//! Text → text that the parser accepts, cut into top-level nodes, and findings for what had to be mended.
//!
//! Takes the text of one file, gives its pieces with the common slips of the hand (`5m`, `# x`, `[a, b]`, bare
//! `true`, an unclosed brace, an unquoted glob) reported and replaced, byte for byte, by something harmless, so that
//! one slip hides nothing else. Comments become spaces: the parser's handling of them recurses. Knows tokens, not
//! the language.
//! Invariant: the mended text is as long as the original, and every mended stretch of a value is listed as poisoned.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::source::Span;
use crate::config::syntax::lexer::{self, Token, TokenKind};
use crate::config::syntax::{grammar, other_formats};

pub(in crate::config) const DEEPEST: usize = 64;
/// The parser takes exponential time in the nesting of commented-out blocks.
const DEEPEST_SLASHDASH: usize = 2;

/// A file that is ready to be parsed.
#[derive(Debug, Default)]
pub(in crate::config) struct RepairedText {
    pub(in crate::config) text: String,
    pub(in crate::config) pieces: Vec<Piece>,
    /// Stretches whose content is not what was written; local offsets, sorted.
    pub(in crate::config) poisoned: Vec<Span>,
    pub(in crate::config) findings: Vec<Finding>,
    /// The file was refused as a whole: what it declares is unknown.
    pub(in crate::config) refused: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Piece {
    pub(in crate::config) start: usize,
    pub(in crate::config) end: usize,
    pub(in crate::config) unclosed: usize,
    /// Not well-formed, and reported: not to be parsed.
    pub(in crate::config) broken: bool,
}

/// Reads `text`; spans in findings start at `base`. `tops` are the names that only stand at the top of a file.
pub(in crate::config) fn mend(text: &str, base: usize, tops: &[&str]) -> RepairedText {
    let mut tokens = lexer::tokens(text);
    let mut mender = Mender {
        text,
        base,
        bytes: text.as_bytes().to_vec(),
        out: RepairedText::default(),
        full: false,
        mended_to: 0,
        headers: Vec::new(),
        given: Vec::new(),
        given_ends: Vec::new(),
    };
    if let Some(found) = other_formats::foreign(text, tops) {
        mender.report(Code::Syntax, found.start, found.end, found.message, found.label);
        mender.help(found.help);
        mender.out.refused = true;
        return mender.out;
    }
    mender.old_version();
    mender.characters();
    mender.long_lists(&mut tokens);
    mender.join(&mut tokens);
    if let Some(finding) = mender.limits(&tokens) {
        mender.out.findings.push(finding);
        mender.out.refused = true;
        return mender.out;
    }
    mender.slips(&tokens);
    // Braces in what was no comment, or no value, are gone by now.
    let tokens = std::str::from_utf8(&mender.bytes).map_or(tokens, lexer::tokens);
    let tokens = if mender.braces(&tokens, tops) {
        std::str::from_utf8(&mender.bytes).map_or(tokens, lexer::tokens)
    } else {
        tokens
    };
    // A `}` that is gone no longer ends a block.
    if let Some(finding) = mender.limits(&tokens) {
        mender.out.findings.push(finding);
        mender.out.refused = true;
        return mender.out;
    }
    mender.cut(&tokens, tops);
    mender.check();
    let mut out = mender.out;
    out.poisoned.sort_unstable();
    out
}

/// A text in the course of being mended.
pub(in crate::config) struct Mender<'a> {
    pub(in crate::config) text: &'a str,
    base: usize,
    bytes: Vec<u8>,
    out: RepairedText,
    /// The last finding was not taken.
    full: bool,
    /// What begins before this has been mended together with what stands before it.
    pub(in crate::config) mended_to: usize,
    /// The colons that stood for the `{` of a block, reported.
    pub(in crate::config) headers: Vec<usize>,
    /// Every `{` that was put in, and reported.
    pub(in crate::config) given: Vec<usize>,
    /// Where each `}` that was put in ends.
    pub(in crate::config) given_ends: Vec<usize>,
}

impl<'a> Mender<'a> {
    pub(in crate::config) fn str(&self, token: Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.base + start, self.base + end)
    }

    pub(in crate::config) fn fill(&mut self, start: usize, end: usize, with: u8) {
        if let Some(bytes) = self.bytes.get_mut(start..end) {
            bytes.fill(with);
        }
    }

    pub(in crate::config) fn poison(&mut self, start: usize, end: usize) {
        self.out.poisoned.push(Span::new(start, end));
    }

    /// Replaces a value by a harmless word.
    pub(in crate::config) fn placeholder(&mut self, start: usize, end: usize) {
        self.fill(start, end, b'_');
        self.poison(start, end);
    }

    /// Says at most so many of one file: nobody reads more, and a hostile file has millions.
    const MOST: usize = 20_000;

    pub(in crate::config) fn report(
        &mut self,
        code: Code,
        start: usize,
        end: usize,
        message: impl Into<String>,
        label: impl Into<String>,
    ) {
        self.full = self.out.findings.len() >= Self::MOST;
        if self.full {
            return;
        }
        let finding = Finding::new(code, self.span(start, end), message, label);
        self.out.findings.push(finding);
    }

    /// Another place that belongs to what was reported last.
    pub(in crate::config) fn also(&mut self, start: usize, end: usize, label: &str) {
        let span = self.span(start, end);
        if !self.full
            && let Some(last) = self.out.findings.pop()
        {
            self.out.findings.push(last.also(span, label));
        }
    }

    pub(in crate::config) fn help(&mut self, help: impl Into<String>) {
        if !self.full
            && let Some(last) = self.out.findings.last_mut()
        {
            last.help = Some(help.into());
        }
    }

    /// What would mend what was reported last: texts for stretches.
    pub(in crate::config) fn fix(&mut self, edits: &[(usize, usize, &str)]) {
        let edits: Vec<(Span, String)> = edits
            .iter()
            .map(|(start, end, text)| (self.span(*start, *end), (*text).to_owned()))
            .collect();
        if !self.full
            && let Some(last) = self.out.findings.pop()
        {
            let mut titles: Vec<String> = edits.iter().map(|(_, text)| Finding::title(text)).collect();
            titles.dedup();
            self.out.findings.push(last.fixes(titles.join(", "), edits));
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
            let end = lead + rest.find(lexer::is_newline).unwrap_or(rest.len());
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
                self.help(if c == '\0' {
                    "delete it; when every second byte is one, the file is UTF-16: `iconv -f UTF-16 -t UTF-8 OLD > NEW`"
                        .to_owned()
                } else if c == '\u{feff}' {
                    "delete it: it marks the beginning of a file, and here two files were joined".to_owned()
                } else {
                    format!(
                        "delete it; inside a quoted string it can be written as `\\u{{{:x}}}`",
                        c as u32
                    )
                });
                if c == '\u{feff}' {
                    self.fix(&[(at, end, "")]);
                }
                said = true;
            }
        }
    }

    /// A `{` on a line below its node's: KDL would see a node without a block, and a block without a node.
    fn join(&mut self, tokens: &mut [Token]) {
        // Where the statement begins, and its last token that is no blank.
        let mut begin: Option<usize> = None;
        let mut last: Option<usize> = None;
        let mut newline = false;
        for at in 0..tokens.len() {
            let Some(&token) = tokens.get(at) else {
                return;
            };
            match token.kind {
                TokenKind::Space | TokenKind::Comment { .. } => continue,
                TokenKind::Newline => {
                    newline = true;
                    continue;
                }
                TokenKind::Open => {
                    let before = last.and_then(|last| tokens.get(last)).copied();
                    if newline
                        && let (Some(begin), Some(before), Some(from)) = (begin, before, last)
                        && matches!(
                            before.kind,
                            TokenKind::Word { .. } | TokenKind::Text { closed: true, .. }
                        )
                        && !self.text.get(begin..).unwrap_or_default().starts_with('#')
                    {
                        let line = self.text.get(begin..before.end).unwrap_or_default();
                        self.report(
                            Code::Syntax,
                            token.start,
                            token.end,
                            "the `{` belongs on the node's line",
                            "on a line of its own",
                        );
                        self.help(format!("write `{} {{`", excerpt(line)));
                        let between = self.text.get(before.end..token.start).unwrap_or_default();
                        if between.trim().is_empty() {
                            self.fix(&[(before.end, token.start, " ")]);
                        }
                        self.fill(before.end, token.start, b' ');
                        for between in tokens.get_mut(from + 1..at).unwrap_or_default() {
                            between.kind = TokenKind::Space;
                        }
                    }
                    begin = None;
                }
                TokenKind::Close | TokenKind::Semicolon => begin = None,
                _ => {
                    let dashed =
                        last.and_then(|last| tokens.get(last)).map(|token| token.kind) == Some(TokenKind::SlashDash);
                    if begin.is_none() || newline && !dashed {
                        begin = Some(token.start);
                    }
                }
            }
            last = Some(at);
            newline = false;
        }
    }

    /// Nesting, before anything recursive sees the text.
    fn limits(&self, tokens: &[Token]) -> Option<Finding> {
        // For every open block: whether a `/-` stood before it in its node.
        let mut open: Vec<bool> = Vec::new();
        let mut dashed = 0;
        let mut pending = false;
        let mut after_dash = false;
        for token in tokens {
            if !matches!(
                token.kind,
                TokenKind::Newline | TokenKind::Space | TokenKind::Comment { .. }
            ) {
                after_dash = token.kind == TokenKind::SlashDash;
            }
            match token.kind {
                TokenKind::SlashDash => pending = true,
                TokenKind::Semicolon => pending = false,
                // After `/-` lines may be skipped before what it comments out.
                TokenKind::Newline if !after_dash => pending = false,
                TokenKind::Open => {
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
                TokenKind::Close => {
                    dashed -= usize::from(open.pop().unwrap_or(false));
                    pending = false;
                }
                _ => {}
            }
        }
        None
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
                self.unclosed(&open, Some(token));
                self.piece(start.take(), end, open.len());
                given_up += open.len();
                open.clear();
            }
            match token.kind {
                TokenKind::Space | TokenKind::Comment { .. } => {}
                TokenKind::Newline | TokenKind::Semicolon => {
                    if open.is_empty() && !dashed {
                        self.piece(start.take(), end, 0);
                    }
                }
                TokenKind::Close if open.is_empty() => {
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
                    dashed = kind == TokenKind::SlashDash;
                    match kind {
                        TokenKind::Open => open.push(token),
                        TokenKind::Close => {
                            open.pop();
                        }
                        _ => {}
                    }
                }
            }
        }
        if !open.is_empty() {
            self.unclosed(&open, None);
        }
        self.piece(start, end, open.len());
    }

    /// Takes the mended text, and has the shape of every piece checked.
    fn check(&mut self) {
        self.out.text = String::from_utf8(std::mem::take(&mut self.bytes)).unwrap_or_default();
        if self.out.text.len() != self.text.len() {
            // Cannot happen: only whole characters are replaced. Parse the original rather than nothing.
            self.text.clone_into(&mut self.out.text);
        }
        let tokens = lexer::tokens(&self.out.text);
        let mut pieces = std::mem::take(&mut self.out.pieces);
        let mut out_of_sight = Vec::new();
        for piece in &mut pieces {
            let from = tokens.partition_point(|token| token.start < piece.start);
            let to = tokens.partition_point(|token| token.start < piece.end);
            let own = tokens.get(from..to).unwrap_or_default();
            let slips = grammar::slips(&self.out.text, own);
            piece.broken = !slips.is_empty();
            if !piece.broken {
                out_of_sight.extend(grammar::commented_out(&self.out.text, own));
            }
            for slip in slips {
                self.report(Code::Syntax, slip.start, slip.end, slip.message, slip.label);
                self.help(slip.help);
                if let Some((at, text)) = slip.insert {
                    self.fix(&[(at, at, text)]);
                }
            }
        }
        self.out.pieces = pieces;
        let mut bytes = std::mem::take(&mut self.out.text).into_bytes();
        for (start, end) in out_of_sight {
            if let Some(bytes) = bytes.get_mut(start..end) {
                bytes.fill(b' ');
            }
        }
        // Whole tokens were replaced: it is UTF-8 as before.
        self.out.text = String::from_utf8(bytes).unwrap_or_default();
    }

    fn unclosed(&mut self, open: &[Token], next: Option<Token>) {
        let given = |token: &&Token| self.given.binary_search(&token.start).is_ok();
        if let Some(first) = open.iter().find(|token| !given(token)) {
            self.report(
                Code::Syntax,
                first.start,
                first.end,
                "a block is never closed",
                "opened here",
            );
            if let Some(next) = next {
                self.also(next.start, next.end, "indented as if the block had ended before");
            }
            self.help(if next.is_some() {
                "add the missing `}` before the next node"
            } else {
                "add the missing `}` at the end of the block"
            });
        }
    }

    fn piece(&mut self, start: Option<usize>, end: usize, unclosed: usize) {
        if let Some(start) = start {
            self.out.pieces.push(Piece {
                start,
                end,
                unclosed,
                broken: false,
            });
        }
    }
}
