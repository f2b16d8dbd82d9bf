//! Arguments that several commands share: the ops file, the state directory, threads, color.

use crate::model::command::shell_line;
use clap::{ArgAction, Args, ValueEnum};
use std::path::PathBuf;

/// FILE when it is not given.
pub const DEFAULT_FILE: &str = "ops.kdl";

// A doc comment on a struct that is flattened would replace the help of the command around it.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// When to use colour: auto, always or never
    #[arg(long, global = true, help_heading = GLOBAL, value_enum, value_name = "WHEN", default_value_t, hide_possible_values = true)]
    pub color: Color,
    /// Print warnings and errors only
    #[arg(short, long, global = true, help_heading = GLOBAL, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more details; repeat for debug logs
    #[arg(short, long, global = true, help_heading = GLOBAL, action = ArgAction::Count)]
    pub verbose: u8,
}

const GLOBAL: &str = "Global options";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// Whether a stream has colour; `no_color` and `term` are the values of `NO_COLOR` and `TERM`.
    pub fn is_on(self, terminal: bool, no_color: Option<&str>, term: Option<&str>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && no_color.is_none_or(str::is_empty) && term != Some("dumb"),
        }
    }
}

/// Where the ops file is looked for when none is named.
pub const DEFAULT_FILES: [&str; 2] = [DEFAULT_FILE, "/etc/opsrun/ops.kdl"];

/// The variable that names the ops file.
pub const FILE_VARIABLE: &str = "OPSRUN_FILE";

// Of commands whose first argument is the ops file.
#[derive(Debug, Clone, Args)]
pub struct FileArgs {
    /// The ops file [env: OPSRUN_FILE] [default: ops.kdl, else /etc/opsrun/ops.kdl]
    #[arg(value_name = "FILE")]
    pub positional: Option<PathBuf>,
    /// The same as FILE
    #[arg(short, long = "file", id = "file_flag", value_name = "FILE")]
    pub flag: Option<PathBuf>,
}

// Of commands whose arguments are something else.
#[derive(Debug, Clone, Args)]
pub struct FileFlag {
    /// The ops file [env: OPSRUN_FILE] [default: ops.kdl, else /etc/opsrun/ops.kdl]
    #[arg(short, long = "file", id = "file_flag", value_name = "FILE")]
    pub flag: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct StateArgs {
    /// Directory of the state; overrides the ops file
    #[arg(long, value_name = "DIR", env = "OPSRUN_STATE_DIR", hide_env_values = true)]
    pub state_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct ThreadArgs {
    /// Use at most N threads, and do at most N steps at once; with 1, one after the other in a fixed order [default: number
    /// of cores, and `concurrency` of the ops file]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub threads: Option<u16>,
}

impl ThreadArgs {
    pub fn count(self) -> Option<usize> {
        self.threads.map(usize::from)
    }
}

/// The command line as it was typed, for the history.
pub fn command_line() -> String {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    shell_line(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_overrides_the_environment() {
        let color = |choice: Color, terminal, no_color| choice.is_on(terminal, no_color, Some("xterm"));
        assert!(color(Color::Auto, true, None));
        assert!(color(Color::Auto, true, Some("")));
        assert!(!color(Color::Auto, true, Some("1")));
        assert!(!color(Color::Auto, false, None));
        assert!(color(Color::Always, false, Some("1")));
        assert!(!color(Color::Never, true, None));
        assert!(!Color::Auto.is_on(true, None, Some("dumb")));
    }
}
