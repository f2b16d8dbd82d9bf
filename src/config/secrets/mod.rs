//! Secrets in ops files: found, reported (OPS7001), and masked in everything that is shown.
//!
//! Takes the text of a file and its nodes. What is surely a secret is reported; what may be one is only masked.
//! - `names`: names and settings whose value is a secret · `patterns`: what is known by its form
//! - `words`: how text is divided · `statements`, `command_line`: names and their values
//! - `report`: the findings · `mask`: the texts of findings without secrets
//!
//! Invariant: no text that leaves `config` holds a secret that was found, nor does what is drawn of a file.

mod command_line;
mod mask;
mod names;
mod patterns;
mod report;
mod statements;
mod words;

pub(super) use mask::mask;

use super::nodes::TOP_NAMES;
use super::source::{Span, hide};
use super::syntax::parser;
use super::syntax::repair::repair;
use patterns::Literal;

/// The secrets in a text of any kind, in order.
pub(super) fn literals(text: &str) -> Vec<Literal> {
    let mut literals = patterns::find(text);
    literals.extend(command_line::find(text));
    literals.sort_by_key(|literal| (literal.start, !literal.by_form));
    literals
}

/// The secrets of one file: found in its text, well-formed or not, and in the values of its nodes.
pub(super) struct FileSecrets<'t> {
    base: usize,
    text: &'t str,
    literals: Vec<Literal>,
    /// Values of which nothing may be shown, and what they mean without escapes.
    pub(super) values: Vec<(Span, String)>,
}

impl<'t> FileSecrets<'t> {
    /// `base` is the first byte of the file in the numbering of spans.
    pub(super) fn new(text: &'t str, base: usize) -> Self {
        Self {
            base,
            text,
            literals: literals(text),
            values: Vec::new(),
        }
    }

    /// The stretches that are not to be shown, in order and apart from each other.
    pub(super) fn spans(&self) -> Vec<Span> {
        let span = |start: usize, end: usize| Span::new(self.base + start, self.base + end);
        let mut spans: Vec<Span> = self.values.iter().map(|(span, _)| *span).collect();
        spans.extend(self.literals.iter().map(|literal| span(literal.start, literal.end)));
        spans.extend(
            statements::find(self.text)
                .into_iter()
                .map(|(start, end)| span(start, end)),
        );
        spans.sort_unstable();
        let mut apart: Vec<Span> = Vec::new();
        for span in spans.into_iter().filter(|span| !span.is_empty()) {
            match apart.last_mut() {
                Some(last) if last.touches(span) => *last = last.to(span),
                _ => apart.push(span),
            }
        }
        apart
    }
}

/// The text of an ops file with stars in place of its secrets; lines stay lines.
pub fn masked(text: &str) -> String {
    let mut secrets = FileSecrets::new(text, 0);
    let repaired = repair(text, 0, TOP_NAMES);
    for piece in &repaired.pieces {
        if let Ok(nodes) = parser::parse(&repaired, piece, 0) {
            secrets.report(None, &nodes, &mut Vec::new());
        }
    }
    let mut bytes = text.as_bytes().to_vec();
    for span in secrets.spans() {
        hide(bytes.get_mut(span.start..span.end).unwrap_or_default());
    }
    String::from_utf8(bytes).unwrap_or_default()
}
