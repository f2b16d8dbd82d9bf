//! A plain tree of nodes, arguments and properties, every one with its span.
//!
//! Knows nothing of the language of ops files, nor of the parser.

use crate::config::source::Span;

#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) enum Data {
    Text(String),
    Integer(i128),
    Float(f64),
    Bool(bool),
    Null,
    /// The value was reported and is not known.
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
