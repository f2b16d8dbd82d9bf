//! Commands, and values that may be secret: what is run, where, with which environment.
//!
//! In JSON and in words as the plan shows them.
//! Invariant: a secret is where it comes from, never what it is; of a variable or header only the name is shown.

use crate::path::shown;
use crate::process::quoted;
use crate::user_database::RunAs;
use serde::{Serialize, Serializer};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::time::Duration;

/// A child process to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Command {
    /// What is run.
    #[serde(flatten)]
    pub program: Program,
    /// The directory that it runs in.
    #[serde(serialize_with = "crate::path::serialize_path")]
    #[cfg_attr(test, schemars(with = "crate::path::AbsolutePath"))]
    pub cwd: PathBuf,
    /// Variables set on top of what opsrun itself was given.
    #[serde(serialize_with = "serialize_names")]
    #[cfg_attr(test, schemars(with = "Vec<NameAndSource>"))]
    pub env: Vec<(String, Value)>,
    /// As whom it runs, if not as opsrun.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<RunAs>,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    // Not empty; a program with a `/` in it is absolute.
    /// Program and arguments, passed verbatim.
    Argv(Vec<String>),
    /// A line for `/bin/sh -c`.
    Shell(String),
    /// A line for `bash -o pipefail -c`.
    Pipefail(String),
}

/// A text, or where it comes from when it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Value {
    /// As the ops file says.
    Plain(String),
    /// Not to be shown.
    Secret(SecretSource),
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum SecretSource {
    /// An environment variable of opsrun.
    #[serde(rename = "from-env")]
    Env(String),
    // Less the end of its last line; absolute.
    /// A file.
    #[serde(rename = "from-file", serialize_with = "crate::path::serialize_path")]
    #[cfg_attr(test, schemars(with = "crate::path::AbsolutePath"))]
    File(PathBuf),
    // Less the end of its last line. Program and arguments as in `Program::Argv`; the directory that it runs in.
    /// What a command prints.
    #[serde(rename = "from-command", serialize_with = "serialize_words")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    Command(Vec<String>, PathBuf),
}

fn serialize_words<S: Serializer>(words: &[String], _: &PathBuf, to: S) -> Result<S::Ok, S::Error> {
    words.serialize(to)
}

/// A variable or a header, without its value.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NameAndSource<'a> {
    /// Its name.
    name: &'a str,
    /// Where its value comes from, when that is a secret.
    secret: Option<&'a SecretSource>,
}

/// Variables or headers in JSON: never their values.
pub fn serialize_names<S: Serializer>(pairs: &[(String, Value)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(pairs.iter().map(|(name, value)| NameAndSource {
        name,
        secret: value.source(),
    }))
}

/// How a failed attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Retry {
    /// Attempts after the first.
    pub max: u32,
    /// Before the first repetition.
    #[serde(rename = "wait_millis", serialize_with = "crate::units::serialize_millis")]
    #[cfg_attr(test, schemars(with = "u64"))]
    pub wait: Duration,
    /// By how much the wait grows from one to the next.
    pub factor: f64,
    /// No wait is longer.
    #[serde(rename = "cap_millis", serialize_with = "crate::units::serialize_millis")]
    #[cfg_attr(test, schemars(with = "u64"))]
    pub cap: Duration,
}

/// Can be pasted into a shell.
impl Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argv(words) => f.write_str(&shell_line(words)),
            Self::Shell(line) => write!(f, "sh -c {}", quoted(line)),
            Self::Pipefail(line) => write!(f, "bash -o pipefail -c {}", quoted(line)),
        }
    }
}

impl Program {
    /// True when a shell runs it.
    pub fn is_shell(&self) -> bool {
        matches!(self, Self::Shell(_) | Self::Pipefail(_))
    }
}

impl Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "from env {name}"),
            Self::File(path) => write!(f, "from file {}", shown(path)),
            Self::Command(words, _) => write!(f, "from command {}", shell_line(words)),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::Secret(source) => source.fmt(f),
        }
    }
}

impl Value {
    pub fn source(&self) -> Option<&SecretSource> {
        match self {
            Self::Plain(_) => None,
            Self::Secret(source) => Some(source),
        }
    }
}

/// Program and arguments, quoted for a shell.
pub fn shell_line(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// Names of variables or headers, and the sources of those that are secret.
pub fn names(pairs: &[(String, Value)]) -> String {
    let one = |(name, value): &(String, Value)| match value.source() {
        None => name.clone(),
        Some(source) => format!("{name} {source}"),
    };
    let names: Vec<String> = pairs.iter().map(one).collect();
    names.join(", ")
}

impl Retry {
    /// The wait before repetition `n`, counted from 1: `wait · factor^(n-1)`, at most `cap`.
    pub fn wait_before(&self, n: u32) -> Duration {
        grown(self.wait, self.factor, n.saturating_sub(1), self.cap)
    }
}

/// `wait · factor^times`, at most `cap`.
pub(super) fn grown(wait: Duration, factor: f64, times: u32, cap: Duration) -> Duration {
    let grown = wait.as_secs_f64() * factor.powi(i32::try_from(times).unwrap_or(i32::MAX));
    // A float beyond what a duration holds, or none at all, is beyond the cap as well.
    Duration::try_from_secs_f64(grown).unwrap_or(cap).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let words = ["ls", "it's", "backup:*", ""].map(str::to_owned);
        assert_eq!(shell_line(&words), r"ls 'it'\''s' 'backup:*' ''");
        assert_eq!(Program::Shell("a | b".into()).to_string(), "sh -c 'a | b'");
        let pipefail = Program::Pipefail("a | b".into());
        assert_eq!(pipefail.to_string(), "bash -o pipefail -c 'a | b'");
    }

    #[test]
    fn a_secret_is_shown_as_its_source() {
        let secret = Value::Secret;
        assert_eq!(secret(SecretSource::Env("TOKEN".into())).to_string(), "from env TOKEN");
        assert_eq!(
            secret(SecretSource::File("/run/pw".into())).to_string(),
            "from file /run/pw"
        );
        let command = SecretSource::Command(vec!["pass".into(), "show me".into()], "/".into());
        assert_eq!(secret(command).to_string(), "from command pass 'show me'");
        let pairs = [
            ("MODE".to_owned(), Value::Plain("live".into())),
            ("TOKEN".to_owned(), secret(SecretSource::Env("OPS_TOKEN".into()))),
        ];
        assert_eq!(names(&pairs), "MODE, TOKEN from env OPS_TOKEN");
    }

    #[test]
    fn waits_grow_up_to_the_cap() {
        let retry = Retry {
            max: 9,
            wait: Duration::from_secs(2),
            factor: 2.0,
            cap: Duration::from_secs(30),
        };
        let seconds: Vec<u64> = (1..=6).map(|n| retry.wait_before(n).as_secs()).collect();
        assert_eq!(seconds, [2, 4, 8, 16, 30, 30]);
        assert_eq!(retry.wait_before(u32::MAX), retry.cap);
    }
}
