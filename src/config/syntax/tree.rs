//! RepairedText text → a plain tree of nodes, arguments and properties, every one with its span.
//!
//! Takes the pieces that `mend` cut, gives [`SyntaxNode`]s; the only file that names the `kdl` crate, so that another
//! parser could stand here. Knows nothing of the language.
//! Invariant: a value under a mended stretch is [`Data::Replaced`]: its content is never used.

use crate::config::findings::{Code, Finding};
use crate::config::source::Span;
use crate::config::syntax::repair::mend::{Piece, RepairedText};
use kdl::{KdlDocument, KdlEntry, KdlNode, KdlValue};

#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) enum Data {
    Text(String),
    Integer(i128),
    Float(f64),
    Bool(bool),
    Null,
    /// Something was written here, was reported, and is not known.
    Replaced,
}

/// An argument, or the value of a property.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) struct SyntaxValue {
    pub(in crate::config) data: Data,
    pub(in crate::config) span: Span,
    /// A number as it was typed: `0x10`, `0755`, `1.10`. Empty for anything else.
    pub(in crate::config) typed: String,
    /// Written without quotes.
    pub(in crate::config) bare: bool,
    /// A `(type)` before it.
    pub(in crate::config) annotated: bool,
}

/// `key=value`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) struct SyntaxProperty {
    pub(in crate::config) key: String,
    pub(in crate::config) key_span: Span,
    pub(in crate::config) value: SyntaxValue,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) struct SyntaxNode {
    pub(in crate::config) name: String,
    pub(in crate::config) name_span: Span,
    /// From the name to the last argument or property.
    pub(in crate::config) head: Span,
    /// All of it, with its block.
    pub(in crate::config) extent: Span,
    pub(in crate::config) args: Vec<SyntaxValue>,
    pub(in crate::config) props: Vec<SyntaxProperty>,
    /// `None` without a block.
    pub(in crate::config) children: Option<Vec<SyntaxNode>>,
    pub(in crate::config) annotated: bool,
    pub(in crate::config) name_replaced: bool,
}

/// Parses one piece; what the parser refuses becomes findings.
pub(in crate::config) fn parse(
    mended: &RepairedText,
    piece: &Piece,
    base: usize,
) -> Result<Vec<SyntaxNode>, Vec<Finding>> {
    let mut text = mended.text.get(piece.start..piece.end).unwrap_or_default().to_owned();
    let length = text.len();
    text.extend(std::iter::repeat_n('}', piece.unclosed));
    if piece.broken {
        return Err(Vec::new());
    }
    let shift = Shift {
        mended,
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
    mended: &'a RepairedText,
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
        let poisoned = &self.mended.poisoned;
        // Poisoned stretches may nest, so look a little back from the first that begins behind the span.
        let after = poisoned.partition_point(|p| p.start < local.end);
        poisoned
            .get(after.saturating_sub(64)..after)
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

    /// What is left when mending was not enough: the parser's own words, one finding a line.
    fn refusal(&self, text: &str, error: &kdl::KdlError) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        let mut lines_said = Vec::new();
        for diagnostic in error.diagnostics.iter().take(200) {
            let mut start = diagnostic.span.offset().min(self.length);
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            let mut end = (start + diagnostic.span.len()).min(self.length);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let line = text.get(..start).unwrap_or_default().matches('\n').count();
            if lines_said.contains(&line) || findings.len() >= 8 {
                continue;
            }
            lines_said.push(line);
            findings.push(translated(diagnostic, self.span(start, end - start)));
        }
        if findings.is_empty() {
            let span = self.span(0, text.find('\n').unwrap_or(self.length));
            findings.push(Finding::new(Code::Syntax, span, "this is no KDL", "cannot be read"));
        }
        findings
    }
}

/// The parser's messages in our words, where they are known.
fn translated(diagnostic: &kdl::KdlDiagnostic, span: Span) -> Finding {
    let said = diagnostic.message.as_deref().unwrap_or_default();
    let advice = diagnostic.help.as_deref().unwrap_or_default();
    let (message, label, help) = if said.starts_with("Found child block instead") {
        (
            "a block has no node name",
            "a name belongs before it",
            "write `name { … }`",
        )
    } else if advice.contains("partially parsed") {
        (
            "two values touch",
            "directly followed by something else",
            "put a space between them, or quotes around all of it",
        )
    } else if said.contains("must be immediately followed by a newline") {
        (
            "a `\"\"\"` string begins on a line of its own",
            "text follows on the same line",
            "use `\"…\"` for one line, or begin the text on the next line",
        )
    } else if said.contains("multiline")
        || said.contains("multi-line")
        || said.contains("Multi-line")
        || advice.contains("indentation")
    {
        (
            "the lines of a `\"\"\"` string are not indented alike",
            "this string",
            "indent every line at least as far as the closing `\"\"\"`",
        )
    } else {
        // Its words are about grammar, not about what to write.
        (
            "this is no KDL",
            "cannot be read",
            "write a name, then arguments in quotes and `key=value` on one line, then perhaps a `{ … }` block",
        )
    };
    Finding::new(Code::Syntax, span, message, label).help(help)
}
