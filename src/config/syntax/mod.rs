//! Text → KDL tree: tokens, repairs of common mistakes, the parser, and files in other formats.

mod bare_word;
mod grammar;
pub(in crate::config) mod lexer;
pub(in crate::config) mod limits;
pub(in crate::config) mod other_formats;
pub(in crate::config) mod parser;
pub(in crate::config) mod repair;
pub(in crate::config) mod tree;

pub(in crate::config) use bare_word::{is_plain, kdl_string};
