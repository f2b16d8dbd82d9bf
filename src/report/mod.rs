//! Plans, events and copies → people and programs.
//!
//! Takes values of the rooms below, gives text and JSON; besides `cli` the only room that writes to stdout or
//! stderr. stdout is data, stderr is prose and progress. Decides nothing and reads nothing.
//! - [`plan`]: a plan as text (as JSON: `crate::plan::document`) · [`mod@verdict`]: it in one line · [`deeds`]: its steps, each in one
//! - [`graph`]: jobs or steps and their edges · [`words`]: what jobs do
//! - [`lines`]: events as lines for people · [`bars`]: progress at a terminal
//! - [`stream`]: events as JSON, one a line
//! - [`history`]: past runs · [`status`]: what came of each job last · [`why`]: of one, and why
//! - [`firings`]: what fires next · [`simulation`]: what became of a span of time · [`clock_changes`]: what they do to schedules
//! - [`alerts`]: messages on their way
//! - [`copies`]: the copies of a destination, as a table and as JSON
//! - [`findings`]: what `check` found, as JSON, SARIF, JUnit and annotations
//! - [`outcomes`]: what verify found and restore did
//! - [`explain`]: pages about findings at a terminal · [`mod@reference`]: what is generated in the documents
//! - [`schemas`]: the language and the forms of our output, for programs
//! - [`diff`]: what would change in a file
//! - [`style`]: colour · [`table`]: columns · [`times`]: moments and spans · [`wrap`]: long prose
//! - [`output`]: writing that never panics
//!
//! Invariant: what comes from outside (paths, causes) is shown on one line without control characters, and
//! everything can be read without colour.

pub mod alerts;
pub mod bars;
pub mod clock_changes;
pub mod copies;
pub mod deeds;
pub mod diff;
pub mod explain;
pub mod findings;
pub mod firings;
pub mod graph;
pub mod history;
pub mod lines;
pub mod outcomes;
pub mod output;
pub mod plan;
pub mod reference;
pub mod schemas;
pub mod simulation;
pub mod status;
pub mod stream;
pub mod style;
pub mod table;
pub mod times;
pub mod verdict;
pub mod why;
pub mod words;
pub mod wrap;

pub use bars::Bars;
pub use copies::{CopyLine, CopyState};
pub use graph::Graph;
pub use lines::Lines;
pub use outcomes::{CheckedCopy, Outcomes, RestoredCopy};
pub use plan::{PlanText, plan_text};
pub use style::Style;
pub use verdict::verdict;
