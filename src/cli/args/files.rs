//! Arguments of the commands that write text: `fmt`, `init`, `completions`, `man`.
//!
//! Invariant: only `fmt` changes an existing file, and only `--force` replaces one.

use super::common::DEFAULT_FILE;
use clap::{Args, ValueHint};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub struct FmtArgs {
    /// The ops files; `-` reads stdin and prints the result to stdout [env: OPSRUN_FILE] [default: ops.kdl, else
    /// /etc/opsrun/ops.kdl]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// The same as FILE; repeatable
    #[arg(short, long = "file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Vec<PathBuf>,
    /// Write nothing; print the names of files that would change, and exit with 1 if there are any
    #[arg(long)]
    pub check: bool,
    /// Write nothing; show the changes as a unified diff
    #[arg(long)]
    pub diff: bool,
    /// Name for stdin in messages
    #[arg(long, value_name = "NAME", default_value = "stdin.kdl")]
    pub stdin_name: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// The ops file to write; `-` prints it to stdout
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Convert a crontab: the output of `crontab -l`, a file, or stdin (`-`)
    #[arg(long, num_args = 1..=2, value_names = ["crontab", "CRONTAB"], value_hint = ValueHint::FilePath)]
    pub from: Vec<OsString>,
    /// The crontab has a user column, as /etc/crontab and /etc/cron.d/* do
    #[arg(long, requires = "from")]
    pub system: bool,
    /// The crontab has no user column, even if commands look like user names
    #[arg(long, requires = "from", conflicts_with = "system")]
    pub no_system: bool,
    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Write the pages of opsrun and of every command to this directory
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}
