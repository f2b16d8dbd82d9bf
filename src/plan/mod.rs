//! Model + request + facts → [`Plan`]: what apply would do, as a value.
//!
//! Made by [`build`], printed by `report`, run by `exec`. Pure: nothing here reads a clock or a file system.
//! - [`facts`]: what was found
//! - [`graph`]: steps and their edges; the types that make `backup → verify → cleanup` unavoidable
//! - `select`: which jobs a run consists of, and their order · [`order`]: which step may begin next
//! - [`build`]: the way from the facts to the graph
//! - [`guards`]: what makes apply refuse
//! - [`document`]: the plan as JSON
//!
//! Invariant: a cleanup step exists only with the verify step whose proof it needs, in the same plan.

mod build;
mod chain;
pub mod document;
pub mod facts;
pub mod graph;
pub mod guards;
pub mod order;
mod select;
mod summary;

pub use build::{build, look_again};
pub use graph::{
    Action, BackupStep, BackupToken, Candidate, CleanupStep, Cover, Plan, Step, StepId, VerifyStep, VerifyToken,
};
pub use guards::{DURABLE_HELP, MOUNT_HELP, Refusal, SHRINK_HELP, not_durable};
pub use select::{RunRequest, UnknownJob};
pub use summary::ClassSummary;
