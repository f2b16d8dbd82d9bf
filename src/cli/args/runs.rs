//! What can be typed for `plan`, `apply` and `serve`, and what several commands share of it: state and threads.
//!
//! Takes nothing but clap's derive; gives plain structs.
//! Invariant: a guard is switched off only by its own flag.

use super::{DEFAULT_FILE, values};
use crate::model::JobName;
use crate::plan::Request;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use values::Moment;

/// What `plan` and `apply` share.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The ops file.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file")]
    pub file: PathBuf,
    /// Jobs to run.
    #[arg(
        long,
        value_name = "JOB",
        help = "Only these jobs and what they depend on; globs allowed, repeatable"
    )]
    pub only: Vec<String>,
    /// Jobs to leave out.
    #[arg(
        long,
        value_name = "JOB",
        help = "Not these jobs nor what depends on them; globs allowed, repeatable"
    )]
    pub except: Vec<String>,
    /// Retentions that may exceed their budget.
    #[arg(long, help_heading = "Guards, each switched off for this run", value_name = "retention:NAME", value_parser = values::retention, help = "Let this retention exceed its max-delete once; repeatable")]
    pub over_budget: Vec<JobName>,
    /// Trust the clock.
    #[arg(
        long,
        help_heading = "Guards, each switched off for this run",
        help = "Trust the clock although it disagrees with the newest copy"
    )]
    pub accept_clock: bool,
    /// Trust a shrunken source.
    #[arg(
        long,
        help_heading = "Guards, each switched off for this run",
        help = "Trust the source although it shrank to under half of the last complete copy"
    )]
    pub accept_shrink: bool,
    /// Trust a destination without its marker.
    #[arg(
        long,
        help_heading = "Guards, each switched off for this run",
        help = "Trust a destination that lacks the marker it had"
    )]
    pub accept_destination: bool,
    /// Where the state is.
    #[command(flatten)]
    pub place: StateArgs,
}

impl RunArgs {
    /// Which jobs, and which guards are off.
    #[must_use]
    pub fn request(&self) -> Request {
        Request {
            only: self.only.clone(),
            except: self.except.clone(),
            accept_clock: self.accept_clock,
            accept_shrink: self.accept_shrink,
            accept_destination: self.accept_destination,
            over_budget: self.over_budget.clone(),
        }
    }
}

/// Where the state is.
#[derive(Debug, Clone, Args)]
pub struct StateArgs {
    /// The state directory.
    #[arg(
        long,
        value_name = "DIR",
        env = "OPSRUN_STATE_DIR",
        hide_env_values = true,
        help = "Where the state is kept, instead of what the ops file says"
    )]
    pub state_dir: Option<PathBuf>,
}

/// How many threads work.
#[derive(Debug, Clone, Copy, Args)]
pub struct ThreadArgs {
    /// Threads.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512), help = "How many steps and threads work at once; 1 makes the order of all work certain [default: number of cores, or the file's concurrency]")]
    pub threads: Option<u16>,
}

impl ThreadArgs {
    /// As the rooms below take it: `None` is the number of cores.
    #[must_use]
    pub fn count(self) -> Option<usize> {
        self.threads.map(usize::from)
    }
}

/// `opsrun plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// What it shares with `apply`.
    #[command(flatten)]
    pub run: RunArgs,
    /// List files.
    #[arg(long, help = "List every file that would be deleted and every one that is kept")]
    pub files: bool,
    /// In which form.
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        hide_possible_values = true,
        help = "text, json (schemas/plan.schema.json), or the graph of its steps as dot or mermaid [default: text]"
    )]
    pub format: Option<PlanFormat>,
    /// JSON.
    #[arg(long, conflicts_with = "format", help = "Short for --format json")]
    pub json: bool,
    /// The moment by which ages are counted.
    #[arg(long, value_name = "TIME", value_parser = values::moment, help = "Count ages by this moment: 2026-11-23, \"2026-11-23 21:00\" or RFC 3339")]
    pub at: Option<Moment>,
    /// The next firings instead of a plan.
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..),
        conflicts_with_all = ["only", "except", "over_budget", "accept_clock", "accept_shrink", "accept_destination", "files", "detailed_exitcode"],
        help = "Show the next N firings of all schedules instead, after --at or now (JSON: schemas/next.schema.json)"
    )]
    pub next: Option<u16>,
    /// Exit codes that tell more.
    #[arg(
        long,
        help = "Exit with 2 when deletions are pending and with 3 when something is refused"
    )]
    pub detailed_exitcode: bool,
}

impl PlanArgs {
    #[must_use]
    pub fn format(&self) -> PlanFormat {
        let short = if self.json { PlanFormat::Json } else { PlanFormat::Text };
        self.format.unwrap_or(short)
    }
}

/// `plan --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For Graphviz.
    Dot,
    /// For Mermaid.
    Mermaid,
}

/// `opsrun apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// What it shares with `plan`.
    #[command(flatten)]
    pub run: RunArgs,
    /// What is due.
    #[arg(
        long,
        conflicts_with_all = ["only", "except"],
        help = "Run what the schedules have due now, and nothing else; for cron, in place of opsrun serve"
    )]
    pub due: bool,
    /// Do not ask.
    #[arg(short, long, help = "Do not ask, neither before commands nor before deletions")]
    pub yes: bool,
    /// JSON.
    #[arg(
        long,
        help = "Print what happens as JSON, one object a line (schemas/event.schema.json)"
    )]
    pub json: bool,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
    /// How long to wait for a lock.
    #[arg(long, value_name = "DURATION", value_parser = values::wait, default_value = "0s", help = "How long to wait for another run's lock")]
    pub lock_wait: Duration,
}

/// `opsrun serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The ops file.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file")]
    pub file: PathBuf,
    /// Where the state is.
    #[command(flatten)]
    pub place: StateArgs,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}
