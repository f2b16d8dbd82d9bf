//! A plan for people: as text, in one line, and as a graph.

mod classes;
pub mod graph;
pub mod step_summary;
pub mod summary;
pub mod text;
