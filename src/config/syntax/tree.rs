//! A plain tree of nodes, arguments and properties, every one with its span.
//!
//! Knows nothing of the language of ops files, nor of the parser.

use crate::config::source::Span;

#[derive(Debug, Clone, PartialEq)]
pub enum Data {
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
pub struct SyntaxValue {
    pub data: Data,
    pub span: Span,
    /// A number as it was typed: `0x10`, `0755`, `1.10`. Empty for anything else.
    pub typed: String,
    /// Written without quotes.
    pub bare: bool,
    /// A `(type)` before it.
    pub annotated: bool,
}

/// `key=value`.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntaxProperty {
    pub key: String,
    pub key_span: Span,
    pub value: SyntaxValue,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SyntaxNode {
    pub name: String,
    pub name_span: Span,
    /// From the name to the last argument or property.
    pub head: Span,
    /// All of it, with its block.
    pub extent: Span,
    pub args: Vec<SyntaxValue>,
    pub props: Vec<SyntaxProperty>,
    /// `None` without a block.
    pub children: Option<Vec<SyntaxNode>>,
    pub annotated: bool,
    pub name_replaced: bool,
}
