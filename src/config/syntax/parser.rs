//! Repaired text → tree: the only file that calls the `kdl` crate.
//!
//! Takes the pieces of a [`RepairedText`], gives [`SyntaxNode`]s. Knows nothing of the language of ops files.
//! Invariant: a value under a replaced stretch is [`Data::Replaced`]: its content is never used.

use super::repair::{Piece, RepairedText};
use super::tree::{Data, SyntaxNode, SyntaxProperty, SyntaxValue};
use crate::config::findings::{Code, Finding};
use crate::config::source::Span;
use kdl::{KdlDocument, KdlEntry, KdlNode, KdlValue};

/// Errors of the parser that are looked at in one piece, and those that are reported.
const MAX_DIAGNOSTICS: usize = 200;
const MAX_FINDINGS_PER_PIECE: usize = 8;
/// Replaced stretches that include one another.
const MAX_NESTED_STRETCHES: usize = 64;

/// Parses one piece; what the parser refuses becomes findings.
pub fn parse(repaired: &RepairedText, piece: &Piece, base: usize) -> Result<Vec<SyntaxNode>, Vec<Finding>> {
    let mut text = repaired.text.get(piece.start..piece.end).unwrap_or_default().to_owned();
    let length = text.len();
    text.extend(std::iter::repeat_n('}', piece.unclosed));
    if piece.broken {
        return Err(Vec::new());
    }
    let shift = Shift {
        repaired,
        start: piece.start,
        length,
        base,
    };
    match KdlDocument::parse_v2(&text) {
        Ok(document) => Ok(document.nodes().iter().map(|node| shift.node(node)).collect()),
        Err(error) => Err(shift.refusal(&text, &error)),
    }
}

/// From offsets in a piece to offsets in everything.
struct Shift<'a> {
    repaired: &'a RepairedText,
    start: usize,
    length: usize,
    base: usize,
}

impl Shift<'_> {
    fn span(&self, start: usize, len: usize) -> Span {
        let start = start.min(self.length);
        let end = (start + len).min(self.length);
        Span::new(self.base + self.start + start, self.base + self.start + end)
    }

    fn is_replaced(&self, span: Span) -> bool {
        let local = Span::new(span.start.saturating_sub(self.base), span.end.saturating_sub(self.base));
        let replaced = &self.repaired.replaced;
        // Replaced stretches may nest, so look a little back from the first that starts after the span.
        let after = replaced.partition_point(|p| p.start < local.end);
        replaced
            .get(after.saturating_sub(MAX_NESTED_STRETCHES)..after)
            .is_some_and(|near| near.iter().any(|p| p.touches(local)))
    }

    fn node(&self, node: &KdlNode) -> SyntaxNode {
        let name_span = node.name().span();
        let name_span = self.span(name_span.offset(), name_span.len());
        let mut head = name_span;
        let mut args = Vec::new();
        let mut props = Vec::new();
        for entry in node.entries() {
            let whole = self.span(entry.span().offset(), entry.span().len());
            head = head.to(whole);
            let value = self.value(entry, whole);
            match entry.name() {
                None => args.push(value),
                Some(key) => {
                    let repr = key.repr().map_or(key.value().len(), str::len);
                    props.push(SyntaxProperty {
                        key: key.value().to_owned(),
                        key_span: Span::new(whole.start, (whole.start + repr).min(whole.end)),
                        value,
                    });
                }
            }
        }
        SyntaxNode {
            name: node.name().value().to_owned(),
            name_span,
            head,
            extent: head.to(self.span(node.span().offset(), node.span().len())),
            args,
            props,
            children: node
                .children()
                .map(|block| block.nodes().iter().map(|child| self.node(child)).collect()),
            annotated: node.ty().is_some(),
            name_replaced: self.is_replaced(name_span),
        }
    }

    fn value(&self, entry: &KdlEntry, whole: Span) -> SyntaxValue {
        let repr = entry.format().map_or("", |format| format.value_repr.as_str());
        let span = if repr.is_empty() || repr.len() > whole.len() {
            whole
        } else {
            Span::new(whole.end - repr.len(), whole.end)
        };
        let data = if self.is_replaced(span) {
            Data::Replaced
        } else {
            match entry.value() {
                KdlValue::String(text) => Data::Text(text.clone()),
                KdlValue::Integer(number) => Data::Integer(*number),
                KdlValue::Float(number) => Data::Float(*number),
                KdlValue::Bool(flag) => Data::Bool(*flag),
                KdlValue::Null => Data::Null,
            }
        };
        let number = matches!(data, Data::Integer(_) | Data::Float(_));
        SyntaxValue {
            data,
            typed: if number { repr.to_owned() } else { String::new() },
            span,
            bare: !repr.starts_with(['"', '#']),
            annotated: entry.ty().is_some(),
        }
    }

    /// What the repairs missed: the parser's own errors, one finding a line.
    fn refusal(&self, text: &str, error: &kdl::KdlError) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        let mut reported_lines = Vec::new();
        for diagnostic in error.diagnostics.iter().take(MAX_DIAGNOSTICS) {
            let start = text.floor_char_boundary(diagnostic.span.offset().min(self.length));
            let end = text.floor_char_boundary((start + diagnostic.span.len()).min(self.length));
            let line = text.get(..start).unwrap_or_default().matches('\n').count();
            if reported_lines.contains(&line) || findings.len() >= MAX_FINDINGS_PER_PIECE {
                continue;
            }
            reported_lines.push(line);
            findings.push(translated(diagnostic, self.span(start, end - start)));
        }
        if findings.is_empty() {
            let span = self.span(0, text.find('\n').unwrap_or(self.length));
            findings.push(Finding::new(Code::Syntax, span, "invalid KDL", "cannot be parsed"));
        }
        findings
    }
}

/// The parser's known errors in the words of our own findings.
fn translated(diagnostic: &kdl::KdlDiagnostic, span: Span) -> Finding {
    let message = diagnostic.message.as_deref().unwrap_or_default();
    let advice = diagnostic.help.as_deref().unwrap_or_default();
    let (message, label, help) = if message.starts_with("Found child block instead") {
        (
            "a block without a node name",
            "no name before this",
            "write `name { … }`",
        )
    } else if advice.contains("partially parsed") {
        (
            "missing space between two values",
            "directly followed by something else",
            "put a space between them, or quote them as one value",
        )
    } else if message.contains("must be immediately followed by a newline") {
        (
            "text on the same line as `\"\"\"`",
            "the text must start on the next line",
            "write `\"…\"` for one line, or start the text on the next line",
        )
    } else if message.contains("multiline")
        || message.contains("multi-line")
        || message.contains("Multi-line")
        || advice.contains("indentation")
    {
        (
            "inconsistent indentation in a `\"\"\"` string",
            "in this string",
            "indent every line at least as far as the closing `\"\"\"`",
        )
    } else {
        // Its own words are about grammar, not about what to write.
        (
            "invalid KDL",
            "cannot be parsed",
            "write a name, then arguments in quotes and `key=value` on one line, then optionally a `{ … }` block",
        )
    };
    Finding::new(Code::Syntax, span, message, label).help(help)
}
