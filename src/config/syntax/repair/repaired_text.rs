//! A text that is ready to be parsed.

use crate::config::findings::Finding;
use crate::config::source::Span;

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
