//! Everything that can be typed: commands, flags, and the help that explains them.
//!
//! Takes nothing but clap's derive; gives plain structs. The snapshots of every `--help` are the contract.
//! Must not know what a command does with its arguments.
//! Invariant: FILE is `ops.kdl` in the current directory unless it is named.

mod alerts;
mod copies;
mod runs;
mod shown;
pub mod table;

pub use alerts::{AlertsArgs, AlertsCommand, AlertsListArgs, AlertsReplayArgs, AlertsTestArgs};
pub use copies::{CopiesArgs, ListArgs, RestoreArgs, VerifyArgs};
pub use runs::{ApplyArgs, PlanArgs, PlanFormat, RunArgs, StateArgs, ThreadArgs};
pub use shown::{CheckArgs, ExplainArgs, FailOn, GraphArgs, GraphFormat, HistoryArgs, SchemaArgs, StatusArgs};

use super::values;
use crate::report::style::Wish;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::sync::LazyLock;

/// FILE when it is not named.
pub const DEFAULT_FILE: &str = "ops.kdl";

/// With what decides how old files and plans are read.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}\nops file version 1, plan format {}, list format {}, event format {}, history format {}, status format {}, alert format {}, alerts format {}\n\
         time zones {}",
        env!("CARGO_PKG_VERSION"),
        crate::plan::document::FORMAT,
        crate::report::copies::FORMAT,
        crate::report::stream::FORMAT,
        crate::report::history::FORMAT,
        crate::report::status::FORMAT,
        crate::alert::message::FORMAT,
        crate::report::alerts::FORMAT,
        chrono_tz::IANA_TZDB_VERSION
    )
});

/// Runs what an ops file declares: checks, commands, backups that are proven, and only then deletions.
#[derive(Debug, Parser)]
#[command(
    name = "opsrun",
    version,
    long_version = LONG_VERSION.as_str(),
    about = "Runs what an ops file declares: checks, commands, backups that are proven, and only then deletions",
    after_help = "Examples:
  opsrun check              is ./ops.kdl valid?
  opsrun plan               what would happen, without touching anything
  opsrun apply              do it
  opsrun status             how do the jobs stand?
  opsrun history last       what happened in the last run?
  opsrun list               which copies are there
  opsrun restore a/b.jsonl  bring a file back

Exit codes:
   0  done                            66  an input file cannot be read
   1  something failed                70  a fault of ours
   2  deletions are pending (plan)    73  state or destination cannot be written
   3  a guard refused                 75  another run holds the lock
   4  done, but not all of it         78  the ops file is invalid
  64  the command line is wrong    128+n  stopped by signal n",
    max_term_width = 120
)]
pub struct Cli {
    /// For every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// For every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Colour the output
    #[arg(
        long,
        global = true,
        help_heading = "Everywhere",
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true,
        help = "Colour the output: auto, always or never"
    )]
    pub color: Color,
    /// Say only what somebody should look at.
    #[arg(
        short,
        long,
        global = true,
        help_heading = "Everywhere",
        conflicts_with = "verbose",
        help = "Say only what somebody should look at"
    )]
    pub quiet: bool,
    /// Say more.
    #[arg(short, long, global = true, help_heading = "Everywhere", action = ArgAction::Count, help = "Say more; twice: for developers")]
    pub verbose: u8,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// As the terminal and `NO_COLOR` have it.
    #[default]
    Auto,
    /// In colour.
    Always,
    /// Without.
    Never,
}

impl From<Color> for Wish {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// `plan`.
    #[command(
        about = "Show what apply would do; touches nothing",
        after_help = "Examples:
  opsrun plan
  opsrun plan /etc/opsrun/observer.kdl --files
  opsrun plan --only retention:observer --at 2026-12-24
  opsrun plan --json | jq .totals
  opsrun plan --format dot | dot -Tsvg > plan.svg"
    )]
    Plan(PlanArgs),
    /// `apply`.
    #[command(
        about = "Run it: checks, commands, backups, proofs, and the deletions that they cover",
        after_help = "At a terminal apply shows the plan and asks before it runs a target or
deletes a file; checks are asked without. Elsewhere it proceeds, since every
file it deletes can be restored.

Examples:
  opsrun apply
  opsrun apply --yes --only 'backup:*'
  opsrun apply --over-budget retention:observer"
    )]
    Apply(ApplyArgs),
    /// `check`.
    #[command(
        about = "Validate ops files; touches nothing outside them",
        after_help = "Examples:
  opsrun check
  opsrun check conf/*.kdl --fail-on warning
  opsrun check - --stdin-name ops.kdl < draft.kdl"
    )]
    Check(CheckArgs),
    /// `graph`.
    #[command(
        about = "Show the jobs and what they need; looks at nothing but the file",
        after_help = "Examples:
  opsrun graph
  opsrun graph --format dot | dot -Tsvg > jobs.svg
  opsrun graph /etc/opsrun/observer.kdl --format mermaid"
    )]
    Graph(GraphArgs),
    /// `status`.
    #[command(
        about = "Show what came of each job last",
        after_help = "Exits with 1 when a job's last result is one that somebody has to look at:
critical, unknown, failed, refused, blocked, no space or interrupted. What is
partial, a warning, paused or never ran is shown, and ends with 0; so are
alerts that are not delivered.

Examples:
  opsrun status
  opsrun status /etc/opsrun/observer.kdl --json | jq '.jobs[] | select(.last.state != \"ok\")'"
    )]
    Status(StatusArgs),
    /// `history`.
    #[command(
        about = "Show past runs, or what happened in one",
        after_help = "Without RUN: the runs, newest first. With RUN: everything that happened in it,
and what its commands printed.

Examples:
  opsrun history
  opsrun history --job backup:observer --limit 5
  opsrun history last
  opsrun history 01JD8 --json"
    )]
    History(HistoryArgs),
    /// `list`.
    #[command(
        about = "List the copies that are there",
        after_help = "Examples:
  opsrun list
  opsrun list --backup observer --json
  opsrun list --from /backup/observer"
    )]
    List(ListArgs),
    /// `verify`.
    #[command(
        about = "Read copies back and compare them with what was recorded",
        after_help = "Exits with 1 when damage is found.

Examples:
  opsrun verify
  opsrun verify --from /backup/observer --copy observer-20261123T210000Z-01JD...
  opsrun verify --backup observer --threads 2"
    )]
    Verify(VerifyArgs),
    /// `restore`.
    #[command(
        about = "Bring files back from copies",
        after_help = "Without PATH everything of the newest complete copy comes back; with PATH
(or a glob), for each path the newest copy that holds it. Files that exist
are left alone unless --force is given.

Examples:
  opsrun restore --to /tmp/look
  opsrun restore 'raw/2026-11-*.jsonl'
  opsrun restore --from /backup/observer --at 2026-11-01 --to /srv/observer"
    )]
    Restore(RestoreArgs),
    /// `alerts`.
    #[command(
        about = "Show alerts that are not delivered, send them again, test channels",
        after_help = "Examples:
  opsrun alerts list
  opsrun alerts replay --dead
  opsrun alerts test ops"
    )]
    Alerts(AlertsArgs),
    /// `explain`.
    #[command(
        about = "Explain a finding: what it means, why it matters, how it is mended",
        after_help = "Examples:
  opsrun explain                          all codes
  opsrun explain OPS5001
  opsrun explain no-max-delete ops2001    several, by slug and by code"
    )]
    Explain(ExplainArgs),
    /// `schema`.
    #[command(
        about = "Print the language of ops files, or the schema of an output, as JSON",
        after_help = "Examples:
  opsrun schema | jq -r '.nodes[].name'             the nodes at the top of a file
  opsrun schema | jq '.findings[] | .code, .title'  what check can find
  opsrun schema plan > plan.schema.json             the form of `opsrun plan --json`"
    )]
    Schema(SchemaArgs),
}
