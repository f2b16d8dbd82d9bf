//! Text → KDL tree: tokens, repairs of common mistakes, the parser, and files in other formats.

mod bare_word;
mod grammar;
pub mod lexer;
pub mod limits;
pub mod other_formats;
pub mod parser;
pub mod repair;
pub mod tree;

pub use bare_word::{is_plain, kdl_string};
