//! Repairs of common mistakes, so that one mistake hides nothing else.

mod braces;
mod lists;
pub(in crate::config) mod mend;
mod operators;
mod quotes;
mod rows;
mod slips;
mod words;
