//! Plans, events and copies → people and programs.
//!
//! Takes values of the rooms below, gives text and JSON; besides `cli` the only room that writes to stdout or
//! stderr. stdout is data, stderr is prose and progress. Decides nothing and reads nothing.
//! - [`plan`]: a plan as text and as a graph (as JSON: `crate::plan::document`)
//! - [`run`]: events as lines and as JSON, progress, past runs
//! - [`copies`]: the copies of a destination, and the results of `verify` and `restore`
//! - [`schedule`]: `status`, `why`, `plan --next`, `simulate`
//! - [`alerts`]: alerts that are not delivered
//! - [`findings`]: the findings of `check`: JSON, SARIF, JUnit, annotations; diffs; explain pages
//! - [`schemas`]: the JSON Schemas of all output
//! - [`shared`]: colour, tables, wrapping, times, words for jobs, output that never panics
//!
//! Invariant: text from outside (paths, causes) is shown on one line without control characters, and everything can be
//! read without colour.

pub mod alerts;
pub mod copies;
pub mod findings;
pub mod plan;
pub mod run;
pub mod schedule;
pub mod schemas;
pub mod shared;
