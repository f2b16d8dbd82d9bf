//! Tools of all that is shown: advice, colour, tables, wrapping, times, words for jobs, output that never panics.

pub mod advice;
pub mod output;
pub mod style;
pub mod table;
pub mod times;
pub mod words;
pub mod wrap;
