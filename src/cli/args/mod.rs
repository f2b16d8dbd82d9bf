//! Everything that can be typed: commands, flags, and their help.
//!
//! A doc comment on a field or command is its help; the snapshots of every `--help` are the contract.
//! Invariant: every command that reads an ops file takes `-f`.

mod alerts;
mod check;
pub mod common;
mod copies;
mod files;
mod inspect;
mod run;

pub use alerts::{AlertsArgs, AlertsCommand, AlertsListArgs, AlertsReplayArgs, AlertsTestArgs};
pub use check::{CheckArgs, FailOn, FindingsFormat, FormatOutput};
pub use common::{
    Color, DEFAULT_FILE, DEFAULT_FILES, FILE_VARIABLE, FileArgs, FileFlag, Global, StateArgs, ThreadArgs, command_line,
};
pub use copies::{ListArgs, RestoreArgs, VerifyArgs};
pub use files::{CompletionsArgs, FmtArgs, InitArgs, ManArgs};
pub use inspect::{ExplainArgs, GraphArgs, GraphFormat, HistoryArgs, SchemaArgs, SimulateArgs, StatusArgs, WhyArgs};
pub use run::{ApplyArgs, PlanArgs, PlanFormat, ServeArgs};

use crate::time_zone::{ZoneData, ZoneDatabase};
use clap::{Parser, Subcommand};
use std::sync::LazyLock;

/// The formats decide how old files and plans are read.
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
        crate::report::findings::document::FORMAT,
        crate::report::schedule::upcoming::FORMAT,
        crate::report::schedule::simulation::FORMAT,
        crate::report::schedule::why::FORMAT,
        crate::channel::message::FORMAT,
        crate::report::alerts::FORMAT,
        zone_data()
    )
});

/// The zone data of this host, which decide, and the built-in data.
fn zone_data() -> String {
    let (host, built_in) = (ZoneDatabase::of_host(), ZoneData::BuiltIn);
    match host.data() {
        ZoneData::BuiltIn => built_in.to_string(),
        data @ ZoneData::Host { .. } => format!("{data}, {built_in}"),
    }
}

/// Runs what an ops file declares: checks, commands, verified backups, and only then deletions
#[derive(Debug, Parser)]
#[command(
    name = "opsrun",
    version,
    long_version = LONG_VERSION.as_str(),
    after_help = "Examples:
  opsrun init               write a first ./ops.kdl
  opsrun check              validate ./ops.kdl
  opsrun plan               show what would happen, without changing anything
  opsrun apply              do it
  opsrun status             show the state of every job
  opsrun history last       show what happened in the last run
  opsrun plan --next 5      show the next scheduled runs
  opsrun why backup:data    explain why a job ran or did not run
  opsrun list               list the copies
  opsrun restore a/b.jsonl  restore a file

Exit codes:
   0  done                            66  cannot read an input file
   1  something failed                70  internal error
   2  deletions are pending (plan)    73  cannot write the state or a destination
   3  refused by a guard              75  another run holds the lock
   4  done, but not completely        78  the ops file is invalid
  64  invalid command line         128+n  stopped by signal n",
    max_term_width = 120
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Show what apply would do, without changing anything
    #[command(after_help = "Examples:
  opsrun plan
  opsrun plan /etc/opsrun/observer.kdl --files
  opsrun plan --only retention:observer --at 2026-12-24
  opsrun plan --json | jq .totals
  opsrun plan --format dot | dot -Tsvg > plan.svg
  opsrun plan --next 10     the next scheduled runs
  opsrun plan --next 5 --at 2027-03-27 --json")]
    Plan(PlanArgs),
    /// Run the plan: checks, commands, verified backups, and the deletions they cover
    #[command(
        after_help = "At a terminal, apply shows the plan and asks before it runs a command or deletes
a file; checks run without asking. Elsewhere it proceeds, since every file that
it deletes can be restored.

Examples:
  opsrun apply
  opsrun apply --yes --only 'backup:*'
  opsrun apply --over-budget retention:observer
  opsrun apply --due --yes --quiet      every minute from cron"
    )]
    Apply(ApplyArgs),
    /// Run jobs on their schedules until a signal stops it
    #[command(after_help = "Jobs without a schedule run only with apply.

SIGTERM or SIGINT: starts nothing more, stops the active runs, and exits with 143
or 130 once they have ended. SIGHUP, or a change of the ops file: reads the file
again; if it is invalid, the current one stays in force. Exits with 78 if the file
is invalid at the start. If the state cannot be written, serve waits and retries.

Prints every run of a target, a backup or a retention. A check is printed when its
result changes, and once an hour while it is bad; with --verbose, always.

Examples:
  opsrun serve
  opsrun serve /etc/opsrun/observer.kdl --state-dir /var/lib/opsrun
  systemctl enable --now opsrun.service    examples/systemd/opsrun.service")]
    Serve(ServeArgs),
    /// Validate ops files, and fix them with --fix
    #[command(
        after_help = "Exits with 1 if there are findings of the severity --fail-on, with --diff alone
if something can be fixed, and with 66 if a file cannot be read.

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
    /// Format ops files; changes white space only
    #[command(
        after_help = "Indents by four spaces, puts one space between words, and keeps at most one blank
line in a row. Line breaks, comments, words and aligned columns stay as they are.
Imported files are not formatted: name those files too.

Exits with 78 if a file is not valid KDL; the file is left unchanged.

Examples:
  opsrun fmt
  opsrun fmt ops.kdl conf.d/*.kdl
  opsrun fmt --check --diff
  opsrun fmt - < draft.kdl"
    )]
    Fmt(FmtArgs),
    /// Write a first ops file, or convert a crontab
    #[command(
        after_help = "Without --from: writes a commented file with a check, a target, a backup and a
retention as a starting point.

With --from crontab: every entry becomes a target with the same schedule. Entries
that cannot be converted become comments with the reason. Secrets of the crontab
are not copied into the file.

Examples:
  opsrun init
  opsrun init - | less
  opsrun init --from crontab
  crontab -l -u www-data | opsrun init web.kdl --from crontab -
  opsrun init system.kdl --from crontab /etc/crontab --system"
    )]
    Init(InitArgs),
    /// Show the jobs and their dependencies; reads only the ops file
    #[command(after_help = "Examples:
  opsrun graph
  opsrun graph --format dot | dot -Tsvg > jobs.svg
  opsrun graph /etc/opsrun/observer.kdl --format mermaid")]
    Graph(GraphArgs),
    /// Show the last result and the next run of every job
    #[command(
        after_help = "Exits with 1 if the last result of a job is critical, unknown, failed, refused,
blocked, no-space or interrupted, or if a job is overdue. A job is overdue if
opsrun runs its schedule, its last scheduled time is more than a minute ago, and no run
of the job has begun since. Partial results, warnings, paused jobs, jobs that never
ran, and undelivered alerts are shown but do not change the exit code.

Examples:
  opsrun status
  opsrun status /etc/opsrun/observer.kdl --json | jq '.jobs[] | select(.last.state != \"ok\")'"
    )]
    Status(StatusArgs),
    /// Explain why a job ran or did not run
    #[command(
        after_help = "Shows the decisions about the last scheduled runs of the job, its last runs with their
results and reasons, what blocked it, and its next run.

Examples:
  opsrun why backup:observer
  opsrun why target:pipeline --file /etc/opsrun/observer.kdl --limit 20
  opsrun why check:disk --json | jq .because"
    )]
    Why(WhyArgs),
    /// Show past runs, or the details of one
    #[command(
        after_help = "Without RUN: the runs, newest first. With RUN: the events of that run and the
output of its commands.

Examples:
  opsrun history
  opsrun history --job backup:observer --limit 5
  opsrun history last
  opsrun history 01JD8 --json"
    )]
    History(HistoryArgs),
    /// Simulate the schedules over a span of time, without running anything
    #[command(
        after_help = "Makes the same decisions as serve, on a simulated clock. Jobs take no time and never
fail, so runs never overlap. TIME without an offset is in the time zone of the ops file.

Examples:
  opsrun simulate --from 2027-01-01 --to 2028-01-01
  opsrun simulate --from 2026-12-01 --to 2027-01-01 --down 2026-12-24..2026-12-27 --runs
  opsrun simulate --from 2026-03-28 --to 2026-03-30 --runs --json | jq .events"
    )]
    Simulate(SimulateArgs),
    /// List the copies
    #[command(after_help = "Examples:
  opsrun list
  opsrun list --backup observer --json
  opsrun list --from /backup/observer")]
    List(ListArgs),
    /// Read copies back and compare them with their records
    #[command(after_help = "Exits with 1 if a copy is damaged.

Examples:
  opsrun verify
  opsrun verify --from /backup/observer --copy observer-20261123T210000Z-01JD...
  opsrun verify --backup observer --threads 2")]
    Verify(VerifyArgs),
    /// Restore files from copies
    #[command(
        after_help = "Without PATH, restores everything from the newest complete copy. With PATH (or a
glob), restores each path from the newest copy that contains it. Existing files are
left unchanged unless --force is given.

Examples:
  opsrun restore --to /tmp/look
  opsrun restore 'raw/2026-11-*.jsonl'
  opsrun restore --from /backup/observer --at 2026-11-01 --to /srv/observer"
    )]
    Restore(RestoreArgs),
    /// Show undelivered alerts, send them again, and test channels
    #[command(after_help = "Examples:
  opsrun alerts list
  opsrun alerts replay --dead
  opsrun alerts test ops")]
    Alerts(AlertsArgs),
    /// Explain a finding: what it means, why it matters, and how to fix it
    #[command(after_help = "Examples:
  opsrun explain                          list all codes
  opsrun explain OPS5001
  opsrun explain no-max-delete ops2001    several, by name and by code")]
    Explain(ExplainArgs),
    /// Print the language of ops files, or the schema of an output, as JSON
    #[command(after_help = "Examples:
  opsrun schema | jq -r '.nodes[].name'             the nodes at the top of a file
  opsrun schema | jq '.findings[] | .code, .title'  the findings of check
  opsrun schema plan > plan.schema.json             the schema of `opsrun plan --json`")]
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Examples:
  opsrun completions bash > ~/.local/share/bash-completion/completions/opsrun
  opsrun completions zsh > ~/.zfunc/_opsrun
  opsrun completions fish > ~/.config/fish/completions/opsrun.fish")]
    Completions(CompletionsArgs),
    /// Print the manual page, or write all pages to a directory
    #[command(after_help = "Examples:
  opsrun man | man -l -
  opsrun man ~/.local/share/man/man1")]
    Man(ManArgs),
}
