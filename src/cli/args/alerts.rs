//! Arguments of `alerts`.
//!
//! Invariant: only `replay` and `test` send anything.

use super::common::{FileFlag, StateArgs};
use clap::{Args, Subcommand};

#[derive(Debug, Clone, Args)]
pub struct AlertsArgs {
    #[command(subcommand)]
    pub command: AlertsCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum AlertsCommand {
    /// List alerts that are pending, held or dead
    #[command(
        after_help = "An alert is pending (to be sent), held (waits for the check that silences it),
dead (given up), sent, merged (part of a digest) or dropped (resolved before it
was sent).

Examples:
  opsrun alerts list
  opsrun alerts list --all --json | jq '.alerts[] | select(.channel == \"ops\")'"
    )]
    List(AlertsListArgs),
    /// Send pending alerts now, and dead ones again
    #[command(
        after_help = "Without ID and --dead, only pending alerts that are due are sent. Exits with 1
if alerts are still pending afterwards.

Examples:
  opsrun alerts replay
  opsrun alerts replay --dead
  opsrun alerts replay 01JD8Z3"
    )]
    Replay(AlertsReplayArgs),
    /// Send a test alert over channels and show the responses
    #[command(after_help = "Exits with 1 if a channel fails.

Examples:
  opsrun alerts test
  opsrun alerts test ops mail")]
    Test(AlertsTestArgs),
}

#[derive(Debug, Clone, Args)]
pub struct AlertsListArgs {
    #[command(flatten)]
    pub file: FileFlag,
    /// Also list alerts that were sent, merged or dropped: up to 1000 of the last 90 days
    #[arg(long)]
    pub all: bool,
    /// Print the list as JSON (schemas/alerts.schema.json)
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub struct AlertsReplayArgs {
    /// IDs of alerts, or unique prefixes
    #[arg(value_name = "ID", conflicts_with = "dead")]
    pub ids: Vec<String>,
    /// Send all dead alerts again, except where a later alert about the same job was delivered
    #[arg(long)]
    pub dead: bool,
    #[command(flatten)]
    pub file: FileFlag,
    #[command(flatten)]
    pub state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub struct AlertsTestArgs {
    /// Names of channels [default: all]
    #[arg(value_name = "CHANNEL")]
    pub channels: Vec<String>,
    #[command(flatten)]
    pub file: FileFlag,
}
