//! What is wrong or doubtful in a file, how it looks, and how it is fixed.

pub(in crate::config) mod allow;
pub mod apply_fixes;
mod code;
pub mod explain;
mod finding;
mod render;

pub use code::{Code, FindingSeverity};
pub use finding::{Finding, Fix, Label};
pub(in crate::config) use finding::{advice_text, excerpt, sorted};
pub(in crate::config) use render::render;
