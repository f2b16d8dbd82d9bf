//! The language as data: how a node is described, the types of its values, and suggestions for unknown words.
//!
//! - `keywords`: which settings take `#true`, `#false` or `#null`
//! - `spec`: one row of the language · `types`: the types of values
//! - `suggest`: "did you mean", and words of other tools
//! - `tests`: the whole language as a value, which is `schemas/language.json`
//!
//! The rows themselves are in `nodes`.

pub(in crate::config) mod keywords;
pub(in crate::config) mod spec;
pub(in crate::config) mod suggest;
pub(in crate::config) mod types;

#[cfg(test)]
pub mod tests;
