//! Targets and checks as JSON: what is run, what is asked, and with which limits.
//!
//! Takes parts of the model, gives documents. Times are milliseconds.
//! Invariant: of a variable or header only the name is there, of a secret only where it comes from.

use super::absolute_path::AbsolutePath;
use crate::model::check::{Levels, Probe, Space, Worst};
use crate::model::{Check, Command, Program, SecretSource, Target, Value};
use serde::Serialize;
use std::time::Duration;

/// What a target runs.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TargetDocument {
    /// The command.
    pub command: CommandDocument,
    /// Longest time for one attempt; null for no limit.
    pub timeout_millis: Option<u64>,
    /// Between TERM and KILL.
    pub kill_after_millis: u64,
    /// How a failed attempt is repeated; null is not at all.
    pub retry: Option<RetryDocument>,
    /// Exit codes that mean success.
    pub ok_codes: Vec<u8>,
}

/// A child process to be.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CommandDocument {
    /// What is run.
    #[serde(flatten)]
    pub program: ProgramDocument,
    /// The directory that it runs in.
    pub cwd: AbsolutePath,
    /// Variables set on top of what opsrun itself was given.
    pub env: Vec<NameDocument>,
}

/// What is run.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProgramDocument {
    /// Program and arguments, passed verbatim.
    Argv(Vec<String>),
    /// A line for `/bin/sh -c`.
    Shell(String),
}

/// A variable or a header, without its value.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NameDocument {
    /// Its name.
    pub name: String,
    /// Where its value comes from, when that is a secret.
    pub secret: Option<SecretDocument>,
}

/// Where a secret comes from.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SecretDocument {
    /// An environment variable of opsrun.
    FromEnv(String),
    /// A file.
    FromFile(AbsolutePath),
    /// What a command prints.
    FromCommand(Vec<String>),
}

/// A text, or where it comes from when it is a secret.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ValueDocument {
    /// As the ops file says.
    Plain(String),
    /// Not to be shown.
    Secret(SecretDocument),
}

/// How a failed attempt is repeated.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RetryDocument {
    /// Attempts after the first.
    pub max: u32,
    /// Before the first repetition.
    pub wait_millis: u64,
    /// By how much the wait grows from one to the next.
    pub factor: f64,
    /// No wait is longer.
    pub cap_millis: u64,
}

/// What a check asks.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckDocument {
    /// The question.
    #[serde(flatten)]
    pub probe: ProbeDocument,
    /// Longest time for an answer.
    pub timeout_millis: u64,
    /// Between TERM and KILL, for a check that runs a command.
    pub kill_after_millis: Option<u64>,
    /// The worst state that it may have: `warning` or `critical`.
    pub severity: &'static str,
}

/// A question, and from which answers on it is a warning or critical.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "probe", rename_all = "kebab-case")]
pub enum ProbeDocument {
    /// How long ago was the file written?
    FileAge {
        /// The file.
        path: AbsolutePath,
        /// From which age on.
        age_millis: LevelsDocument<u64>,
    },
    /// How much is free on the file system of this path?
    DiskSpace {
        /// The path.
        path: AbsolutePath,
        /// Below which.
        free: LevelsDocument<SpaceDocument>,
    },
    /// What does a command say?
    Command {
        /// The command.
        command: CommandDocument,
    },
    /// Can a connection be made?
    Tcp {
        /// Host and port.
        address: String,
        /// From which time on.
        latency_millis: LevelsDocument<u64>,
    },
    /// What does a web server answer to GET?
    Http {
        /// Where.
        url: ValueDocument,
        /// Request headers.
        headers: Vec<NameDocument>,
        /// Accepted statuses; empty is 200 to 299.
        status: Vec<u16>,
        /// From which time on.
        latency_millis: LevelsDocument<u64>,
        /// What the body must hold.
        json: Vec<PointerDocument>,
        /// Trusted besides the system's own certificates.
        ca_file: Option<AbsolutePath>,
    },
    /// How long is the certificate of a TLS server valid?
    TlsExpiry {
        /// Host and port.
        address: String,
        /// With how much time left.
        left_millis: LevelsDocument<u64>,
        /// Trusted besides the system's own certificates.
        ca_file: Option<AbsolutePath>,
    },
    /// How fresh and how slow is another job, by the history?
    Job {
        /// Which.
        job: String,
        /// Since its last success.
        age_millis: LevelsDocument<u64>,
        /// Of its last run that ended.
        duration_millis: LevelsDocument<u64>,
    },
}

/// What the body of an answer must hold.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PointerDocument {
    /// A JSON pointer.
    pub pointer: String,
    /// The value that must be there.
    pub value: serde_json::Value,
}

/// Where warning and critical begin; null is never.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LevelsDocument<T> {
    /// Warning.
    pub warn: Option<T>,
    /// Critical.
    pub critical: Option<T>,
}

/// Free space.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SpaceDocument {
    /// Percent of the file system.
    Percent(u8),
    /// Bytes.
    Bytes(u64),
}

pub(super) fn target(target: &Target) -> TargetDocument {
    TargetDocument {
        command: command(&target.command),
        timeout_millis: target.timeout.map(millis),
        kill_after_millis: millis(target.kill_after),
        retry: target.retry.map(|retry| RetryDocument {
            max: retry.max,
            wait_millis: millis(retry.wait),
            factor: retry.factor,
            cap_millis: millis(retry.cap),
        }),
        ok_codes: target.ok_codes.clone(),
    }
}

pub(super) fn check(check: &Check) -> CheckDocument {
    CheckDocument {
        probe: probe(&check.probe),
        timeout_millis: millis(check.timeout),
        kill_after_millis: matches!(check.probe, Probe::Command(_)).then(|| millis(check.kill_after)),
        severity: match check.worst {
            Worst::Warning => "warning",
            Worst::Critical => "critical",
        },
    }
}

fn probe(probe: &Probe) -> ProbeDocument {
    match probe {
        Probe::FileAge { path, age } => ProbeDocument::FileAge {
            path: path.as_path().into(),
            age_millis: times(age),
        },
        Probe::DiskSpace { path, free } => ProbeDocument::DiskSpace {
            path: path.as_path().into(),
            free: levels(free, |space| match space {
                Space::Percent(share) => SpaceDocument::Percent(share),
                Space::Bytes(bytes) => SpaceDocument::Bytes(bytes),
            }),
        },
        Probe::Command(run) => ProbeDocument::Command { command: command(run) },
        Probe::Tcp { address, latency } => ProbeDocument::Tcp {
            address: address.to_string(),
            latency_millis: times(latency),
        },
        Probe::Http(http) => ProbeDocument::Http {
            url: match &http.url {
                Value::Plain(url) => ValueDocument::Plain(url.clone()),
                Value::Secret(from) => ValueDocument::Secret(secret(from)),
            },
            headers: names(&http.headers),
            status: http.status.clone(),
            latency_millis: times(&http.latency),
            json: http
                .json
                .iter()
                .map(|(pointer, value)| PointerDocument {
                    pointer: pointer.clone(),
                    value: value.clone(),
                })
                .collect(),
            ca_file: http.ca_file.as_deref().map(Into::into),
        },
        Probe::TlsExpiry { address, left, ca_file } => ProbeDocument::TlsExpiry {
            address: address.to_string(),
            left_millis: times(left),
            ca_file: ca_file.as_deref().map(Into::into),
        },
        Probe::Job { job, age, duration } => ProbeDocument::Job {
            job: job.to_string(),
            age_millis: times(age),
            duration_millis: times(duration),
        },
    }
}

fn command(command: &Command) -> CommandDocument {
    CommandDocument {
        program: match &command.program {
            Program::Argv(words) => ProgramDocument::Argv(words.clone()),
            Program::Shell(line) => ProgramDocument::Shell(line.clone()),
        },
        cwd: command.cwd.as_path().into(),
        env: names(&command.env),
    }
}

fn names(pairs: &[(String, Value)]) -> Vec<NameDocument> {
    let one = |(name, value): &(String, Value)| NameDocument {
        name: name.clone(),
        secret: match value {
            Value::Plain(_) => None,
            Value::Secret(from) => Some(secret(from)),
        },
    };
    pairs.iter().map(one).collect()
}

fn secret(from: &SecretSource) -> SecretDocument {
    match from {
        SecretSource::Env(name) => SecretDocument::FromEnv(name.clone()),
        SecretSource::File(path) => SecretDocument::FromFile(path.as_path().into()),
        SecretSource::Command(words, _) => SecretDocument::FromCommand(words.clone()),
    }
}

fn levels<T: Copy, D>(levels: &Levels<T>, show: impl Fn(T) -> D) -> LevelsDocument<D> {
    LevelsDocument {
        warn: levels.warn.map(&show),
        critical: levels.critical.map(&show),
    }
}

fn times(of: &Levels<Duration>) -> LevelsDocument<u64> {
    levels(of, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
