//! Everything that can be typed: commands, flags, and the help that explains them.
//!
//! Takes nothing but clap's derive; gives plain structs. The snapshots of every `--help` are the contract.
//! Must not know what a command does with its arguments.
//! Invariant: FILE is `ops.kdl` in the current directory unless it is named.

use super::values::{self, Hold, Moment};
use crate::plan::Request;
use crate::report::style::Wish;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

/// FILE when it is not named.
pub const DEFAULT_FILE: &str = "ops.kdl";

/// With what decides how old files and plans are read.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}\nops file version 1, plan format {}, list format {}, event format {}\ntime zones {}",
        env!("CARGO_PKG_VERSION"),
        crate::plan::document::FORMAT,
        crate::report::copies::FORMAT,
        crate::report::stream::FORMAT,
        chrono_tz::IANA_TZDB_VERSION
    )
});

/// Backs up what an ops file declares, proves the copy, and only then deletes.
#[derive(Debug, Parser)]
#[command(
    name = "opsrun",
    version,
    long_version = LONG_VERSION.as_str(),
    about = "Backs up what an ops file declares, proves the copy, and only then deletes",
    after_help = "Examples:
  opsrun check              is ./ops.kdl valid?
  opsrun plan               what would happen, without touching anything
  opsrun apply              do it
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
  opsrun plan --json | jq .totals"
    )]
    Plan(PlanArgs),
    /// `apply`.
    #[command(
        about = "Back up, prove the copies, and delete what they cover",
        after_help = "At a terminal apply shows the plan and asks before it deletes; elsewhere
it proceeds, since every file it deletes can be restored.

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
}

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
    pub over_budget: Vec<String>,
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512), help = "How many threads work; 1 makes the order of all work certain [default: number of cores]")]
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
    /// JSON.
    #[arg(long, help = "Print the plan as JSON (schemas/plan.schema.json)")]
    pub json: bool,
    /// The moment by which ages are counted.
    #[arg(long, value_name = "TIME", value_parser = values::moment, help = "Count ages by this moment: 2026-11-23, \"2026-11-23 21:00\" or RFC 3339")]
    pub at: Option<Moment>,
    /// Exit codes that tell more.
    #[arg(
        long,
        help = "Exit with 2 when deletions are pending and with 3 when something is refused"
    )]
    pub detailed_exitcode: bool,
}

/// `opsrun apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// What it shares with `plan`.
    #[command(flatten)]
    pub run: RunArgs,
    /// Do not ask.
    #[arg(short, long, help = "Do not ask before deleting")]
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

/// `opsrun check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The ops files.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops files; `-` is stdin")]
    pub files: Vec<PathBuf>,
    /// The name of stdin.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "stdin.kdl",
        help = "What stdin is called; relative paths in it start at its directory"
    )]
    pub stdin_name: PathBuf,
    /// What counts as failure.
    #[arg(
        long,
        value_enum,
        value_name = "SEVERITY",
        default_value_t,
        hide_possible_values = true,
        help = "Exit with 1 from this severity up: error or warning"
    )]
    pub fail_on: FailOn,
}

/// `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FailOn {
    /// Errors.
    #[default]
    Error,
    /// Errors and warnings.
    Warning,
}

/// Which copies.
#[derive(Debug, Clone, Args)]
pub struct CopiesArgs {
    /// A destination.
    #[arg(
        long,
        value_name = "DIR",
        help = "Look into this destination; needs neither ops file nor state"
    )]
    pub from: Option<PathBuf>,
    /// A backup.
    #[arg(long, value_name = "NAME", help = "Only copies of this backup")]
    pub backup: Option<String>,
}

/// `opsrun list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// The ops file.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file", conflicts_with = "from")]
    pub file: PathBuf,
    /// Which copies.
    #[command(flatten)]
    pub copies: CopiesArgs,
    /// JSON.
    #[arg(long, help = "Print the list as JSON (schemas/list.schema.json)")]
    pub json: bool,
    /// The state: which destinations there were.
    #[command(flatten)]
    pub place: StateArgs,
}

/// `opsrun verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The ops file.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file", conflicts_with = "from")]
    pub file: PathBuf,
    /// Which copies.
    #[command(flatten)]
    pub copies: CopiesArgs,
    /// One copy.
    #[arg(long, value_name = "NAME", help = "Only this copy")]
    pub copy: Option<String>,
    /// The state.
    #[command(flatten)]
    pub place: StateArgs,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}

/// `opsrun restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// What to bring back.
    #[arg(
        value_name = "PATH",
        help = "Paths or globs, relative to the source; everything when there is none"
    )]
    pub paths: Vec<OsString>,
    /// The ops file.
    #[arg(
        short,
        long,
        value_name = "FILE",
        help = "The ops file [default: ops.kdl, unless --from is given]"
    )]
    pub file: Option<PathBuf>,
    /// Which copies.
    #[command(flatten)]
    pub copies: CopiesArgs,
    /// One copy.
    #[arg(long, value_name = "NAME", conflicts_with = "at", help = "From this copy")]
    pub copy: Option<String>,
    /// As of a moment.
    #[arg(long, value_name = "TIME", value_parser = values::moment, help = "From copies made until then: 2026-11-23, \"2026-11-23 21:00\" or RFC 3339")]
    pub at: Option<Moment>,
    /// Where to.
    #[arg(long, value_name = "DIR", help = "Restore to this directory instead of the source")]
    pub to: Option<PathBuf>,
    /// Replace what exists.
    #[arg(long, help = "Replace files that exist")]
    pub force: bool,
    /// For how long retentions leave restored files alone.
    #[arg(long, value_name = "DURATION", value_parser = values::hold, default_value = "7d", help = "How long retentions leave restored files alone; `none` for not at all")]
    pub hold: Hold,
    /// The state.
    #[command(flatten)]
    pub place: StateArgs,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}
