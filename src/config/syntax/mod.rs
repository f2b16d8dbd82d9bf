//! Text → KDL tree: tokens, repairs of common mistakes, the parser, and files in other formats.

pub(in crate::config) mod grammar;
mod kdl_string;
pub(in crate::config) mod lexer;
pub(in crate::config) mod other_formats;
pub(in crate::config) mod repair;
pub(in crate::config) mod tree;

pub(in crate::config) use kdl_string::kdl_string;
