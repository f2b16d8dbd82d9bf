//! Arguments of `plan`, `apply` and `serve`.
//!
//! Invariant: a guard is switched off only by its own flag.

use super::common::{FileArgs, StateArgs, ThreadArgs};
use crate::cli::values::{self, Moment};
use crate::model::JobName;
use crate::plan::RunRequest;
use clap::{Args, ValueEnum};
use std::time::Duration;

const GUARDS: &str = "Guards (each flag switches one off, for this run only)";

// What `plan` and `apply` share.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// Only these jobs and the jobs they need; globs allowed, repeatable
    #[arg(long, value_name = "JOB")]
    pub only: Vec<String>,
    /// All jobs except these and the jobs that need them; globs allowed, repeatable
    #[arg(long, value_name = "JOB")]
    pub except: Vec<String>,
    /// Let this retention exceed its max-delete; repeatable
    #[arg(long, help_heading = GUARDS, value_name = "retention:NAME", value_parser = values::retention)]
    pub over_budget: Vec<JobName>,
    /// Trust the clock although it disagrees with the newest copy
    #[arg(long, help_heading = GUARDS)]
    pub accept_clock: bool,
    /// Trust the source although it shrank to less than half of the last complete copy
    #[arg(long, help_heading = GUARDS)]
    pub accept_shrink: bool,
    /// Trust a destination whose marker is missing
    #[arg(long, help_heading = GUARDS)]
    pub accept_destination: bool,
    #[command(flatten)]
    pub state: StateArgs,
}

impl RunArgs {
    pub fn request(&self) -> RunRequest {
        RunRequest {
            only: self.only.clone(),
            except: self.except.clone(),
            accept_clock: self.accept_clock,
            accept_shrink: self.accept_shrink,
            accept_destination: self.accept_destination,
            over_budget: self.over_budget.clone(),
        }
    }
}

#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// List every file that would be deleted and every file that is kept
    #[arg(long)]
    pub files: bool,
    /// Output format: text, json (schemas/plan.schema.json), or the graph of steps as dot or mermaid [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Option<PlanFormat>,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Compute ages at this time: 2026-11-23, "2026-11-23 21:00" or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub at: Option<Moment>,
    /// Show the next N scheduled runs instead, after --at or now (JSON: schemas/next.schema.json)
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..),
        conflicts_with_all = ["only", "except", "over_budget", "accept_clock", "accept_shrink", "accept_destination", "files", "detailed_exitcode"],
    )]
    pub next: Option<u16>,
    /// Exit with 2 if deletions are pending, and with 3 if a step is refused
    #[arg(long)]
    pub detailed_exitcode: bool,
}

impl PlanArgs {
    pub fn format(&self) -> PlanFormat {
        let short = if self.json { PlanFormat::Json } else { PlanFormat::Text };
        self.format.unwrap_or(short)
    }

    pub fn is_graph(&self) -> bool {
        matches!(self.format(), PlanFormat::Dot | PlanFormat::Mermaid)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    Text,
    Json,
    Dot,
    Mermaid,
}

#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// Run only the jobs whose schedules are due now; for cron, instead of opsrun serve
    #[arg(long, conflicts_with_all = ["only", "except"])]
    pub due: bool,
    /// Run commands and delete files without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Print events as JSON, one object per line (schemas/event.schema.json)
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub threads: ThreadArgs,
    /// How long to wait for the lock of another run
    #[arg(long, value_name = "DURATION", value_parser = values::lock_wait, default_value = "0s")]
    pub lock_wait: Duration,
}

#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub file: FileArgs,
    #[command(flatten)]
    pub state: StateArgs,
    #[command(flatten)]
    pub threads: ThreadArgs,
}
