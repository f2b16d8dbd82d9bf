//! Arguments of `check`.
//!
//! Invariant: only `--fix` changes a file, and only `--format X=PATH` creates one.

use crate::config::findings::FindingSeverity;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The ops files; `-` reads stdin [env: OPSRUN_FILE] [default: ops.kdl, else /etc/opsrun/ops.kdl]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The same as FILE; repeatable
    #[arg(short, long = "file", value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Name for stdin; relative paths in stdin resolve against its directory
    #[arg(long, value_name = "NAME", default_value = "stdin.kdl")]
    pub stdin_name: PathBuf,
    /// Lowest severity that makes check exit with 1: error, warning or never
    #[arg(
        long,
        value_enum,
        value_name = "SEVERITY",
        default_value_t,
        hide_possible_values = true
    )]
    pub fail_on: FailOn,
    /// Output format: text, json (schemas/findings.schema.json), github, sarif or junit; with =PATH, write to a file;
    /// repeatable [default: text]
    #[arg(long, value_name = "FORMAT[=PATH]", value_parser = format_output)]
    pub format: Vec<FormatOutput>,
    /// Also check variables, programs, paths and file systems of this host
    #[arg(long)]
    pub host: bool,
    /// Apply safe fixes to the files and their imports; with `-`, print the fixed text to stdout
    #[arg(long)]
    pub fix: bool,
    /// Show the changes of --fix as a diff; without --fix, write nothing and exit with 1 if there are changes
    #[arg(long)]
    pub diff: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatOutput {
    pub format: FindingsFormat,
    /// `None` is stdout.
    pub path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FindingsFormat {
    Text,
    Json,
    Github,
    Sarif,
    Junit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FailOn {
    #[default]
    Error,
    Warning,
    Never,
}

impl FailOn {
    pub fn fails(self, severity: FindingSeverity) -> bool {
        match self {
            Self::Error => severity == FindingSeverity::Error,
            Self::Warning => true,
            Self::Never => false,
        }
    }
}

/// `json`, `json=findings.json`, `json=-`.
fn format_output(text: &str) -> Result<FormatOutput, String> {
    let (word, path) = match text.split_once('=') {
        Some((word, path)) => (word, Some(path)),
        None => (text, None),
    };
    match (FindingsFormat::from_str(word, false), path) {
        (Err(_), _) => Err("expected text, json, github, sarif or junit".to_owned()),
        (Ok(_), Some("")) => Err(format!("the path is missing; write `{word}=PATH`")),
        (Ok(format), path) => Ok(FormatOutput {
            format,
            path: path.filter(|path| *path != "-").map(Into::into),
        }),
    }
}
