//! What can be typed for `alerts`.
//!
//! Takes nothing but clap's derive; gives plain structs.
//! Invariant: nothing is sent unless `replay` or `test` is typed.

use super::{DEFAULT_FILE, StateArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `opsrun alerts`.
#[derive(Debug, Clone, Args)]
pub struct AlertsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AlertsCommand,
}

/// What can be done with alerts.
#[derive(Debug, Clone, Subcommand)]
pub enum AlertsCommand {
    /// `alerts list`.
    #[command(
        about = "List the alerts that wait or were given up",
        after_help = "An alert is pending (to be sent), held (until the check that silences it is
well), dead (given up), sent, merged (a digest says it) or dropped (over
before it was told).

Examples:
  opsrun alerts list
  opsrun alerts list --all --json | jq '.alerts[] | select(.channel == \"ops\")'"
    )]
    List(AlertsListArgs),
    /// `alerts replay`.
    #[command(
        about = "Send again what was given up, and now what waits",
        after_help = "Without ID and without --dead only what is due is sent. Exits with 1 when
alerts are left to be sent.

Examples:
  opsrun alerts replay
  opsrun alerts replay --dead
  opsrun alerts replay 01JD8Z3"
    )]
    Replay(AlertsReplayArgs),
    /// `alerts test`.
    #[command(
        about = "Send a test over channels and show the answers",
        after_help = "Exits with 1 when one of them fails.

Examples:
  opsrun alerts test
  opsrun alerts test ops mail"
    )]
    Test(AlertsTestArgs),
}

/// `opsrun alerts list`.
#[derive(Debug, Clone, Args)]
pub struct AlertsListArgs {
    /// The ops file.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file")]
    pub file: PathBuf,
    /// Delivered ones, too.
    #[arg(long, help = "List those that are settled, too: of 90 days, 1000 at most")]
    pub all: bool,
    /// JSON.
    #[arg(long, help = "Print the list as JSON (schemas/alerts.schema.json)")]
    pub json: bool,
    /// The state.
    #[command(flatten)]
    pub place: StateArgs,
}

/// `opsrun alerts replay`.
#[derive(Debug, Clone, Args)]
pub struct AlertsReplayArgs {
    /// Which.
    #[arg(
        value_name = "ID",
        conflicts_with = "dead",
        help = "Alerts by their ids, or as much of one as no other begins with"
    )]
    pub ids: Vec<String>,
    /// All that were given up.
    #[arg(
        long,
        help = "All that were given up, except where later news of the same was delivered"
    )]
    pub dead: bool,
    /// The ops file.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file")]
    pub file: PathBuf,
    /// The state.
    #[command(flatten)]
    pub place: StateArgs,
}

/// `opsrun alerts test`.
#[derive(Debug, Clone, Args)]
pub struct AlertsTestArgs {
    /// Over which.
    #[arg(value_name = "CHANNEL", help = "The channels; all when there is none")]
    pub channels: Vec<String>,
    /// The ops file.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops file")]
    pub file: PathBuf,
}
