//! Copies: those at a destination, and the results of `verify` and `restore`.

pub mod list;
pub mod results;
