//! Suggestions for words that the language does not have.
//!
//! - `nearest`: the name that was mistyped
//! - `synonyms`: the name here for a word of another tool, and what to do about a feature that is missing

mod nearest;
mod synonyms;

pub(in crate::config) use nearest::{certain, nearest};
pub(in crate::config) use synonyms::{advice, fixable_name, may_mean, near_name, synonym_among, where_allowed};
