//! The files that were read, as one text with one numbering.
//!
//! Takes the contents of files, gives the file, lines and columns of a [`Span`] in logarithmic time, and is miette's
//! `SourceCode`. Knows nothing of KDL.
//! Invariant: a span never crosses from one file into another, and shown text holds no control characters.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A stretch of text: byte offsets into all files end to end, in order of reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self {
            start,
            end: end.max(start),
        }
    }

    /// In bytes.
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// True for a point between two bytes.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// From the start of the one to the end of the other.
    pub(crate) fn to(self, other: Self) -> Self {
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// True when they share a byte.
    pub(crate) fn touches(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// A value and its span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Spanned<T> {
    pub(in crate::config) value: T,
    pub(in crate::config) span: Span,
}

impl<T> Spanned<T> {
    /// From the first of a list to the last.
    pub(crate) fn whole(list: &[Self]) -> Option<Span> {
        Some(list.first()?.span.to(list.last()?.span))
    }
}

/// A range in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PlaceDocument"))]
pub struct Location {
    /// The file.
    pub file: String,
    /// Its first line, from 1.
    pub line: u64,
    /// Its first character in that line, from 1.
    pub column: u64,
    /// Its last line.
    pub end_line: u64,
    /// One past its last character.
    pub end_column: u64,
    /// Its first byte in the file, from 0.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
}

#[derive(Debug)]
pub(in crate::config) struct SourceFile {
    pub(in crate::config) name: String,
    pub(in crate::config) path: PathBuf,
    /// Its first byte in the common numbering.
    pub(in crate::config) base: usize,
    /// Its text; invalid UTF-8 is replaced.
    pub(in crate::config) text: String,
    /// The same without secrets and control characters, byte for byte.
    pub(in crate::config) drawn: String,
    /// Where each line starts, from zero.
    lines: Vec<usize>,
}

impl SourceFile {
    fn end(&self) -> usize {
        self.base + self.text.len()
    }

    /// Where relative paths in it start.
    pub(crate) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// A place in the common numbering as a place in the text.
    fn local(&self, at: usize) -> usize {
        at.saturating_sub(self.base).min(self.text.len())
    }

    fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }

    fn line_start(&self, line: usize) -> usize {
        self.lines.get(line).copied().unwrap_or(self.text.len())
    }
}

/// All files, in order of reading.
#[derive(Debug, Default)]
pub(in crate::config) struct SourceMap {
    files: Vec<SourceFile>,
    /// Stretches that are never shown.
    masks: Vec<Span>,
}

/// Bytes of one line that are shown: more would bury the finding.
const MAX_LINE_LENGTH: usize = 300;
/// Bytes that a label underlines.
const MAX_LABEL_LENGTH: usize = 160;

impl SourceMap {
    /// Adds a file and gives its number.
    pub(crate) fn add(&mut self, name: String, path: PathBuf, text: String) -> usize {
        // One byte between files, so that the end of one is not the start of the next.
        let base = self.files.last().map_or(0, |file| file.end() + 1);
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        let drawn = drawable_text(&text);
        self.files.push(SourceFile {
            name,
            path,
            base,
            text,
            drawn,
            lines,
        });
        self.files.len() - 1
    }

    /// Masks stretches of one file in everything that is shown.
    pub(crate) fn mask(&mut self, number: usize, spans: &[Span]) {
        let Some(file) = self.files.get_mut(number) else {
            return;
        };
        let mut bytes = std::mem::take(&mut file.drawn).into_bytes();
        for span in spans {
            hide(
                bytes
                    .get_mut(file.local(span.start)..file.local(span.end))
                    .unwrap_or_default(),
            );
        }
        self.masks.extend(spans);
        file.drawn = String::from_utf8(bytes).unwrap_or_default();
    }

    /// In order.
    pub(crate) fn masks(&self) -> Vec<Span> {
        let mut masks = self.masks.clone();
        masks.sort_unstable();
        masks.dedup();
        masks
    }

    /// The text under a span as it is shown: with its secrets masked.
    pub(crate) fn drawn(&self, span: Span) -> &str {
        self.part(span, |file| &file.drawn)
    }

    /// The text under a span; empty when there is none.
    pub(crate) fn text(&self, span: Span) -> &str {
        self.part(span, |file| &file.text)
    }

    fn part(&self, span: Span, text: impl Fn(&SourceFile) -> &String) -> &str {
        let part = self.file_of(span).and_then(|file| {
            let start = span.start.checked_sub(file.base)?;
            text(file).get(start..span.end.checked_sub(file.base)?)
        });
        part.unwrap_or_default()
    }

    /// A node with the `;` after it and, when nothing else is on it, its line.
    pub(crate) fn statement(&self, span: Span) -> Span {
        let Some(file) = self.file_of(span) else {
            return span;
        };
        let before = file.text.get(..file.local(span.start)).unwrap_or_default();
        let after = file.text.get(file.local(span.end)..).unwrap_or_default();
        let blank = |c: char| c == ' ' || c == '\t';
        let closed = after.trim_start_matches(blank);
        let after = closed.strip_prefix(';').unwrap_or(after);
        let mut end = file.end() - after.len();
        let mut start = span.start;
        let lead = before.trim_end_matches(blank);
        let rest = after.trim_start_matches(blank);
        let starts = lead.is_empty() || lead.ends_with('\n');
        if starts && rest.is_empty() {
            (start, end) = (file.base + lead.len(), file.end());
        } else if starts && let Some(next) = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')) {
            (start, end) = (file.base + lead.len(), file.end() - next.len());
        }
        Span::new(start, end)
    }

    pub(crate) fn file(&self, number: usize) -> Option<&SourceFile> {
        self.files.get(number)
    }

    pub(crate) fn files(&self) -> &[SourceFile] {
        &self.files
    }

    pub(crate) fn file_of(&self, span: Span) -> Option<&SourceFile> {
        let after = self.files.partition_point(|file| file.base <= span.start);
        self.files.get(after.checked_sub(1)?)
    }

    /// The span, widened to whole characters.
    pub(crate) fn whole(&self, span: Span) -> Span {
        let Some(file) = self.file_of(span) else {
            return span;
        };
        let start = file.text.floor_char_boundary(file.local(span.start));
        let end = file.text.ceil_char_boundary(file.local(span.end));
        Span::new(file.base + start, file.base + end)
    }

    pub(crate) fn location(&self, span: Span) -> Option<Location> {
        let file = self.file_of(span)?;
        let point = |at: usize| {
            let at = file.local(at);
            let line = file.line_of(at);
            let before = file.text.get(file.line_start(line)..at).unwrap_or_default();
            (line as u64 + 1, before.chars().count() as u64 + 1, at as u64)
        };
        let (line, column, start) = point(span.start);
        let (end_line, end_column, end) = point(span.end);
        Some(Location {
            file: file.name.clone(),
            line,
            column,
            end_line,
            end_column,
            start,
            end,
        })
    }

    /// The part of a span to underline: of its first line, and bounded.
    pub(crate) fn drawable(&self, span: Span) -> Span {
        let Some(file) = self.file_of(span) else {
            return Span::default();
        };
        let start = file.text.floor_char_boundary(file.local(span.start));
        let mut end = file.local(span.end).max(start);
        if let Some(cut) = file.text.get(start..end).and_then(|text| text.find(['\n', '\r'])) {
            end = start + cut;
        }
        end = file.text.floor_char_boundary(end.min(start + MAX_LABEL_LENGTH));
        Span::new(file.base + start, file.base + end)
    }
}

/// Stars in place of whole characters; lines stay lines.
pub(crate) fn hide(bytes: &mut [u8]) {
    for byte in bytes {
        if !matches!(*byte, b'\n' | b'\r' | b'\t' | b'"') {
            *byte = b'*';
        }
    }
}

/// Control and direction-changing characters replaced by harmless ones of the same length.
fn drawable_text(text: &str) -> String {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(|| {
        let c = chars.next()?;
        Some(match c {
            '\n' | '\t' => c,
            '\r' if chars.peek() == Some(&'\n') => c,
            c if c.is_control() && c.len_utf8() == 1 => '?',
            c if c.is_control() => '¿',
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{e000}'..='\u{e001}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => '\u{fffd}',
            c => c,
        })
    })
    .collect()
}

impl SourceCode for SourceMap {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let span = Span::new(span.offset(), span.offset() + span.len());
        let file = self.file_of(span).ok_or(MietteError::OutOfBounds)?;
        // Spans of two files are never drawn as one.
        if span.end > file.end() {
            return Err(MietteError::OutOfBounds);
        }
        let (start, end) = (span.start - file.base, span.end - file.base);
        let first = file.line_of(start).saturating_sub(before);
        let last = file.line_of(end.saturating_sub(usize::from(end > start)));
        let mut from = file.line_start(first);
        let mut to = file.line_start((last + after).saturating_add(1));
        let mut line = first;
        let mut column = 0;
        if before == 0 {
            column = file.text.get(from..start).map_or(0, |text| text.chars().count());
            from = start;
        }
        if to.saturating_sub(from) > MAX_LINE_LENGTH * (before + after + 1) + end - start {
            from = file
                .text
                .floor_char_boundary(from.max(start.saturating_sub(MAX_LINE_LENGTH / 4)));
            to = file.text.floor_char_boundary(to.min(end + MAX_LINE_LENGTH / 2));
            line = file.line_of(from);
            if before > 0 {
                column = 0;
            }
        }
        let data = file.drawn.get(from..to).unwrap_or_default();
        Ok(Box::new(MietteSpanContents::new_named(
            file.name.clone(),
            data.as_bytes(),
            SourceSpan::new((file.base + from).into(), data.len()),
            line,
            column,
            data.matches('\n').count(),
        )))
    }
}
