//! What can be typed for commands that write text: `fmt`, `init`, `completions`, `man`.
//!
//! Takes nothing but clap's derive; gives plain structs.
//! Invariant: what exists is changed only by `fmt`, and replaced only with `--force`.

use super::DEFAULT_FILE;
use clap::{Args, ValueHint};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;

/// `opsrun fmt`.
#[derive(Debug, Clone, Args)]
pub struct FmtArgs {
    /// The ops files.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, value_hint = ValueHint::FilePath, help = "The ops files; `-` is stdin, whose form goes to stdout")]
    pub files: Vec<PathBuf>,
    /// Only ask.
    #[arg(
        long,
        help = "Write nothing; name the files that are in another form, and exit with 1 if there are any"
    )]
    pub check: bool,
    /// Only show.
    #[arg(long, help = "Write nothing; show what would change, as a unified diff")]
    pub diff: bool,
    /// The name of stdin.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "stdin.kdl",
        help = "What stdin is called in messages"
    )]
    pub stdin_name: PathBuf,
}

/// `opsrun init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// The file to be.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, value_hint = ValueHint::FilePath, help = "The ops file to write; `-` is stdout")]
    pub file: PathBuf,
    /// Of what.
    #[arg(
        long,
        num_args = 1..=2,
        value_names = ["crontab", "CRONTAB"],
        value_hint = ValueHint::FilePath,
        help = "Make it of a crontab: of what `crontab -l` prints, of a file, or of stdin as `-`"
    )]
    pub from: Vec<OsString>,
    /// With users.
    #[arg(
        long,
        requires = "from",
        help = "The crontab has a column for users, as /etc/crontab and /etc/cron.d/* have"
    )]
    pub system: bool,
    /// Without users.
    #[arg(
        long,
        requires = "from",
        conflicts_with = "system",
        help = "The crontab has no such column, though its commands are named like users"
    )]
    pub no_system: bool,
    /// Over a file.
    #[arg(long, help = "Replace a file that is there")]
    pub force: bool,
}

/// `opsrun completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_name = "SHELL", value_enum, help = "Of this shell")]
    pub shell: Shell,
}

/// `opsrun man`.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Where to.
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath, help = "Write the pages of opsrun and of every command into this directory")]
    pub dir: Option<PathBuf>,
}
