//! The text under repair: how far it was read, what was overwritten, what was reported; and the result.
//!
//! Takes positions in the text, keeps bytes and findings in step. Knows no single mistake.
//! Invariant: the bytes stay as many as they were, and whole characters are overwritten.

use crate::config::findings::{Code, Finding};
use crate::config::source::Span;
use crate::config::syntax::lexer::{Token, TokenKind};
use std::ops::Range;
use std::slice::SliceIndex;

/// Findings of one file. No one reads more, and a hostile file has millions of mistakes.
const MAX_FINDINGS: usize = 20_000;

/// A text that is ready to be parsed.
#[derive(Debug, Default)]
pub struct RepairedText {
    /// As long as the original; what the parser would refuse is overwritten.
    pub text: String,
    pub pieces: Vec<Piece>,
    /// Stretches whose content is not what was written; local offsets, sorted.
    pub replaced: Vec<Span>,
    pub findings: Vec<Finding>,
    /// The file was refused as a whole: what it declares is unknown.
    pub refused: bool,
}

/// The stretch of one top-level node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub start: usize,
    pub end: usize,
    /// How many `}` are missing at its end.
    pub unclosed: usize,
    /// Not well-formed, and reported: not to be parsed.
    pub broken: bool,
}

#[derive(Default)]
pub(super) struct Repairer<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: Vec<u8>,
    pub(super) out: RepairedText,
    /// Tokens that start before this were repaired together with an earlier one.
    pub(super) repaired_to: usize,
    /// Every `:` that was written for the `{` of a block; reported.
    pub(super) block_colons: Vec<usize>,
    /// Every `{` that was inserted; reported.
    pub(super) inserted_opens: Vec<usize>,
    /// The end of every `}` that was inserted.
    pub(super) inserted_close_ends: Vec<usize>,
    base: usize,
    /// The last finding was dropped.
    full: bool,
}

impl<'a> Repairer<'a> {
    /// Spans of findings start at `base`.
    pub(super) fn new(text: &'a str, base: usize) -> Self {
        Self {
            text,
            bytes: text.as_bytes().to_vec(),
            base,
            ..Self::default()
        }
    }

    pub(super) fn text_of(&self, token: Token) -> &'a str {
        self.slice(token.start..token.end)
    }

    /// Empty where there is no such text.
    pub(super) fn slice(&self, range: impl SliceIndex<str, Output = str>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    fn span(&self, range: impl Into<Range<usize>>) -> Span {
        let range = range.into();
        Span::new(self.base + range.start, self.base + range.end)
    }

    pub(super) fn overwrite(&mut self, range: impl Into<Range<usize>>, with: u8) {
        if let Some(bytes) = self.bytes.get_mut(range.into()) {
            bytes.fill(with);
        }
    }

    pub(super) fn blank_out(&mut self, range: impl Into<Range<usize>>) {
        self.overwrite(range, b' ');
    }

    /// The value here is not what was written: it must never be used.
    pub(super) fn mark_replaced(&mut self, range: impl Into<Range<usize>>) {
        let range = range.into();
        self.out.replaced.push(Span::new(range.start, range.end));
    }

    /// Overwrites a value with a word that the parser accepts.
    pub(super) fn placeholder(&mut self, range: impl Into<Range<usize>>) {
        let range = range.into();
        self.overwrite(range.clone(), b'_');
        self.mark_replaced(range);
    }

    pub(super) fn report(
        &mut self,
        code: Code,
        range: impl Into<Range<usize>>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) {
        self.full = self.out.findings.len() >= MAX_FINDINGS;
        if !self.full {
            self.out
                .findings
                .push(Finding::new(code, self.span(range), message, label));
        }
    }

    pub(super) fn syntax_error(
        &mut self,
        range: impl Into<Range<usize>>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) {
        self.report(Code::Syntax, range, message, label);
    }

    /// Changes the finding that was reported last.
    fn amend(&mut self, change: impl FnOnce(Finding) -> Finding) {
        if !self.full
            && let Some(last) = self.out.findings.pop()
        {
            self.out.findings.push(change(last));
        }
    }

    /// Adds another place to the last finding.
    pub(super) fn label(&mut self, range: impl Into<Range<usize>>, label: &str) {
        let span = self.span(range);
        self.amend(|last| last.also(span, label));
    }

    pub(super) fn help(&mut self, help: impl Into<String>) {
        self.amend(|last| last.help(help));
    }

    /// Adds the edits that would fix the last finding.
    pub(super) fn fix(&mut self, edits: &[(usize, usize, &str)]) {
        let edits = edits
            .iter()
            .map(|(start, end, text)| (self.span(*start..*end), (*text).to_owned()));
        let edits: Vec<(Span, String)> = edits.collect();
        let mut titles: Vec<String> = edits.iter().map(|(_, text)| Finding::title(text)).collect();
        titles.dedup();
        self.amend(|last| last.fixes(titles.join(", "), edits));
    }
}

/// How far the scan is in the current statement.
#[derive(Default)]
pub(super) struct Statement<'t> {
    /// Words and strings so far.
    pub(super) words: usize,
    /// The first word; empty when it is a string.
    pub(super) first: &'t str,
    /// The end of the last word.
    pub(super) words_end: usize,
    pub(super) line_start: usize,
    /// A list on this line was reported.
    pub(super) list_reported: bool,
    /// The last token that is not blank, also of the statement before.
    pub(super) last: Option<TokenKind>,
}

impl<'t> Statement<'t> {
    /// Counts a word or a string that ends at `end`.
    pub(super) fn add(&mut self, word: &'t str, end: usize) {
        if self.words == 0 {
            self.first = word;
        }
        self.words += 1;
        self.words_end = end;
    }

    /// The setting whose first value comes next; empty elsewhere.
    pub(super) fn setting(&self) -> &'t str {
        if self.words == 1 { self.first } else { "" }
    }
}
