//! A text that is ready to be parsed.

use crate::config::findings::Finding;
use crate::config::source::Span;

#[derive(Debug, Default)]
pub(in crate::config) struct RepairedText {
    /// As long as the original; what the parser would refuse is overwritten.
    pub(in crate::config) text: String,
    pub(in crate::config) pieces: Vec<Piece>,
    /// Stretches whose content is not what was written; local offsets, sorted.
    pub(in crate::config) replaced: Vec<Span>,
    pub(in crate::config) findings: Vec<Finding>,
    /// The file was refused as a whole: what it declares is unknown.
    pub(in crate::config) refused: bool,
}

/// The stretch of one top-level node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Piece {
    pub(in crate::config) start: usize,
    pub(in crate::config) end: usize,
    /// How many `}` are missing at its end.
    pub(in crate::config) unclosed: usize,
    /// Not well-formed, and reported: not to be parsed.
    pub(in crate::config) broken: bool,
}
