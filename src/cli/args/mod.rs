//! Everything that can be typed: commands, flags, and the help that explains them.
//!
//! Takes nothing but clap's derive; gives plain structs. The snapshots of every `--help` are the contract.
//! Must not know what a command does with its arguments.
//! Invariant: FILE is `ops.kdl` in the current directory unless it is named.

mod alerts;
mod check;
mod copies;
mod runs;
mod shown;
mod written;

pub use alerts::{AlertsArgs, AlertsCommand, AlertsListArgs, AlertsReplayArgs, AlertsTestArgs};
pub use check::{CheckArgs, FailOn, FindingsFormat, Wanted};
pub use copies::{CopiesArgs, ListArgs, RestoreArgs, VerifyArgs};
pub use runs::{ApplyArgs, PlanArgs, PlanFormat, RunArgs, ServeArgs, StateArgs, ThreadArgs};
pub use shown::{ExplainArgs, GraphArgs, GraphFormat, HistoryArgs, SchemaArgs, SimulateArgs, StatusArgs, WhyArgs};
pub use written::{CompletionsArgs, FmtArgs, InitArgs, ManArgs};

use super::values;
use crate::report::shared::style::Wish;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::sync::LazyLock;

/// FILE when it is not named.
pub const DEFAULT_FILE: &str = "ops.kdl";

/// With what decides how old files and plans are read.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}\nops file version 1, plan format {}, list format {}, event format {}, history format {}, status format {}, findings format {}, \
         next format {}, simulation format {}, why format {}, alert format {}, alerts format {}\n\
         time zones {}",
        env!("CARGO_PKG_VERSION"),
        crate::plan::document::FORMAT,
        crate::report::copies::list::FORMAT,
        crate::report::run::json_lines::FORMAT,
        crate::report::run::history::FORMAT,
        crate::report::schedule::status::FORMAT,
        crate::report::findings::json::FORMAT,
        crate::report::schedule::upcoming::FORMAT,
        crate::report::schedule::simulation::FORMAT,
        crate::report::schedule::why::FORMAT,
        crate::channel::message::FORMAT,
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
  opsrun init               write a first ./ops.kdl
  opsrun check              is ./ops.kdl valid?
  opsrun plan               what would happen, without touching anything
  opsrun apply              do it
  opsrun status             how do the jobs stand?
  opsrun history last       what happened in the last run?
  opsrun plan --next 5      what do the schedules start next?
  opsrun why backup:data    why did it run, or not?
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
  opsrun plan --format dot | dot -Tsvg > plan.svg
  opsrun plan --next 10     what the schedules start next
  opsrun plan --next 5 --at 2027-03-27 --json"
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
  opsrun apply --over-budget retention:observer
  opsrun apply --due --yes --quiet      every minute from cron"
    )]
    Apply(ApplyArgs),
    /// `serve`.
    #[command(
        about = "Run the schedules until told to stop",
        after_help = "Runs each job when its schedule says so. Jobs without a schedule run by apply only.

SIGTERM or SIGINT: begins nothing more, stops what is at work, and ends with 143
or 130 when it is gone and the journal written. SIGHUP, or a change of the file:
reads the ops file again; an invalid one changes nothing. Ends with 78 when the
file is invalid at the start. A state that cannot be written is waited for.

Examples:
  opsrun serve
  opsrun serve /etc/opsrun/observer.kdl --state-dir /var/lib/opsrun
  systemctl enable --now opsrun.service    examples/systemd/opsrun.service"
    )]
    Serve(ServeArgs),
    /// `check`.
    #[command(
        about = "Validate ops files, and mend them with --fix; touches nothing outside them",
        after_help = "Exits with 1 when something is found that counts (--fail-on), with --diff
alone when something can be mended, and with 66 when a file cannot be read.

Examples:
  opsrun check
  opsrun check --host
  opsrun check conf/*.kdl --fail-on warning
  opsrun check --format github --format sarif=opsrun.sarif
  opsrun check --diff
  opsrun check --fix
  opsrun check - --stdin-name ops.kdl < draft.kdl"
    )]
    Check(CheckArgs),
    /// `fmt`.
    #[command(
        about = "Bring ops files into their usual form: white space, and nothing else",
        after_help = "Four blanks a level, one between words, at most one blank line in a row. Lines
break where they did. Comments and words stay as they are, and columns that
were aligned stay so. What a file imports is not touched: name those files too.

Exits with 78 when a file is no KDL; it is left as it is then.

Examples:
  opsrun fmt
  opsrun fmt ops.kdl conf.d/*.kdl
  opsrun fmt --check --diff
  opsrun fmt - < draft.kdl"
    )]
    Fmt(FmtArgs),
    /// `init`.
    #[command(
        about = "Write a first ops file, or one made of a crontab",
        after_help = "Without --from: a file with comments that shows a check, a target, a backup and
a retention, to be changed into what is wanted.

With --from crontab every entry becomes a target that runs when cron ran it.
What cannot be translated stands in the file as a comment with the reason, and
no secret of the crontab comes into the file.

Examples:
  opsrun init
  opsrun init - | less
  opsrun init --from crontab
  crontab -l -u www-data | opsrun init web.kdl --from crontab -
  opsrun init system.kdl --from crontab /etc/crontab --system"
    )]
    Init(InitArgs),
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
        about = "Show what came of each job last, and what comes next",
        after_help = "Exits with 1 when a job's last result is one that somebody has to look at:
critical, unknown, failed, refused, blocked, no space or interrupted; and when
one is overdue: its schedule was served, the last instant is more than a minute
past, and no run of the job has begun since. What is partial, a warning, paused
or never ran is shown, and ends with 0; so are alerts that are not delivered.

Examples:
  opsrun status
  opsrun status /etc/opsrun/observer.kdl --json | jq '.jobs[] | select(.last.state != \"ok\")'"
    )]
    Status(StatusArgs),
    /// `why`.
    #[command(
        about = "Say why a job ran, or did not",
        after_help = "Tells what was decided about the job at its last instants, what its last runs
came to and what they were begun for, what blocked it, and when it runs next.

Examples:
  opsrun why backup:observer
  opsrun why target:pipeline --file /etc/opsrun/observer.kdl --limit 20
  opsrun why check:disk --json | jq .because"
    )]
    Why(WhyArgs),
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
    /// `simulate`.
    #[command(
        about = "Run the schedules on a clock of its own, and tell what they come to; touches nothing",
        after_help = "Asks what `serve` asks, at the moments at which `serve` would, and does nothing with
the answers. Jobs take no time here: none is ever still at work, and none fails.
TIME without an offset is in the time zone of the ops file.

Examples:
  opsrun simulate --from 2027-01-01 --to 2028-01-01
  opsrun simulate --from 2026-12-01 --to 2027-01-01 --down 2026-12-24..2026-12-27 --runs
  opsrun simulate --from 2026-03-28 --to 2026-03-30 --runs --json | jq .events"
    )]
    Simulate(SimulateArgs),
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
    /// `completions`.
    #[command(
        about = "Print what a shell needs to complete the command line",
        after_help = "Examples:
  opsrun completions bash > ~/.local/share/bash-completion/completions/opsrun
  opsrun completions zsh > ~/.zfunc/_opsrun
  opsrun completions fish > ~/.config/fish/completions/opsrun.fish"
    )]
    Completions(CompletionsArgs),
    /// `man`.
    #[command(
        about = "Print the manual page, or write all of them",
        after_help = "Examples:
  opsrun man | man -l -
  opsrun man ~/.local/share/man/man1"
    )]
    Man(ManArgs),
}
