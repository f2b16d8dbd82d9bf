//! What is wrong or doubtful in a file, and what can be done about it.

pub(in crate::config) mod allow;
pub mod apply_fixes;
mod excerpt;
pub mod explain;
mod finding;

pub(in crate::config) use excerpt::excerpt;
pub use finding::{Code, Finding, FindingSeverity, Fix, Label};
pub(in crate::config) use finding::{render, sorted};
