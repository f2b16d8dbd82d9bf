//! A run for people and programs: events as they happen, progress, and past runs.

pub mod history;
pub mod json_lines;
pub mod lines;
pub mod news;
pub mod progress;
