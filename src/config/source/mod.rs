//! The files that were read: their text with one numbering, their imports and their paths.

pub(in crate::config) mod import;
pub(in crate::config) mod paths;
pub(in crate::config) mod read_file;
mod source_map;

pub use source_map::{Location, Span};
pub(in crate::config) use source_map::{SourceFile, SourceMap, Spanned, hide};
