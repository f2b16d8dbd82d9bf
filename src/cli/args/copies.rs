//! Arguments of the commands about copies: `list`, `verify`, `restore`.
//!
//! Invariant: `--from` needs neither an ops file nor a state.

use super::common::{FileArgs, FileFlag, StateArgs, ThreadArgs};
use crate::cli::values::{self, HoldTime, Moment};
use crate::launch::copies::CopyChoice;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub struct CopiesArgs {
    /// Read the copies in this directory; needs neither an ops file nor a state
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// Only copies of this backup
    #[arg(long, value_name = "NAME")]
    pub backup: Option<String>,
    /// Copies of another machine in the destination: the id of its writer, or its host, as `opsrun list` shows them
    #[arg(long, value_name = "WRITER")]
    pub writer: Option<String>,
}

impl CopiesArgs {
    pub fn choice<'a>(&'a self, copy: Option<&'a str>) -> CopyChoice<'a> {
        CopyChoice {
            backup: self.backup.as_deref(),
            copy,
            writer: self.writer.as_deref(),
        }
    }
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub file: FileArgs,
    #[command(flatten)]
    pub copies: CopiesArgs,
    /// Print the list as JSON (schemas/list.schema.json)
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub state: StateArgs,
}

#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub file: FileArgs,
    #[command(flatten)]
    pub copies: CopiesArgs,
    /// Only this copy
    #[arg(long, value_name = "NAME")]
    pub copy: Option<String>,
    #[command(flatten)]
    pub state: StateArgs,
    #[command(flatten)]
    pub threads: ThreadArgs,
}

#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// Paths or globs, relative to the source [default: everything]
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,
    #[command(flatten)]
    pub file: FileFlag,
    #[command(flatten)]
    pub copies: CopiesArgs,
    /// Restore from this copy
    #[arg(long, value_name = "NAME", conflicts_with = "at")]
    pub copy: Option<String>,
    /// Restore from copies made up to this time: 2026-11-23 (the end of that day), "2026-11-23 21:00" or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub at: Option<Moment>,
    /// Restore to this directory instead of the source
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    pub force: bool,
    /// Restore owners by number, not by name
    #[arg(long)]
    pub numeric_owner: bool,
    /// How long retentions keep restored files; `none` if they may delete them at once
    #[arg(long, value_name = "DURATION", value_parser = values::hold_time, default_value = "7d")]
    pub hold: HoldTime,
    #[command(flatten)]
    pub state: StateArgs,
    #[command(flatten)]
    pub threads: ThreadArgs,
}
