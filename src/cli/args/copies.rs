//! What can be typed for commands about copies: `list`, `verify`, `restore`.
//!
//! Takes nothing but clap's derive; gives plain structs.
//! Invariant: `--from` needs neither ops file nor state.

use super::{DEFAULT_FILE, StateArgs, ThreadArgs, values};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use values::{Hold, Moment};

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
