//! The language as data: its vocabulary, the names of its types, and suggestions for misspelt words.

pub(in crate::config) mod suggest;
mod types;
pub mod vocabulary;
