//! What can be typed for `check`.
//!
//! Takes nothing but clap's derive; gives plain structs.
//! Invariant: only `--fix` changes a file, and only `--format X=PATH` makes one.

use super::{DEFAULT_FILE, values};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `opsrun check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The ops files.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE, help = "The ops files; `-` is stdin")]
    pub files: Vec<PathBuf>,
    /// The name of stdin.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "stdin.kdl",
        help = "What stdin is called; relative paths in it start at its directory"
    )]
    pub stdin_name: PathBuf,
    /// What counts as failure.
    #[arg(
        long,
        value_enum,
        value_name = "SEVERITY",
        default_value_t,
        hide_possible_values = true,
        help = "Exit with 1 from this severity up: error, warning or never"
    )]
    pub fail_on: FailOn,
    /// Forms of the findings.
    #[arg(
        long,
        value_name = "FORMAT[=PATH]",
        value_parser = values::wanted,
        help = "text, json (schemas/findings.schema.json), github, sarif or junit; with =PATH into a file; repeatable [default: text]"
    )]
    pub format: Vec<Wanted>,
    /// Look at the host.
    #[arg(
        long,
        help = "Also look for the variables, programs and paths on this host, and at file systems"
    )]
    pub host: bool,
    /// Mend files.
    #[arg(
        long,
        help = "Mend what is mechanical and safe in the files and what they import; of `-` to stdout"
    )]
    pub fix: bool,
    /// Show what that changes.
    #[arg(
        long,
        help = "Show what --fix changes; without it write nothing, and exit with 1 when there is something"
    )]
    pub diff: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub format: FindingsFormat,
    /// Where to; `None` is stdout.
    pub path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingsFormat {
    Text,
    Json,
    Github,
    Sarif,
    /// For CI systems that show tests.
    Junit,
}

impl FindingsFormat {
    pub const ALL: [Self; 5] = [Self::Text, Self::Json, Self::Github, Self::Sarif, Self::Junit];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Github => "github",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
        }
    }
}

/// `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FailOn {
    /// Errors.
    #[default]
    Error,
    /// Errors and warnings.
    Warning,
    /// Nothing.
    Never,
}
