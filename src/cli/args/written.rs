//! What can be typed for commands that write text: `fmt`, `init`, `completions`, `man`.
//!
//! Takes nothing but clap's derive; gives plain structs.
//! Invariant: what exists is changed only by `fmt`, and replaced only with `--force`.

use super::DEFAULT_FILE;
use clap::{Args, ValueHint};
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
