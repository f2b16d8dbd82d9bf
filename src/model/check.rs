//! What a check asks, and from which answers on it is a warning or critical.
//!
//! Invariant: thresholds are as the ops file says; what a measured value makes of them is decided in one place,
//! [`Levels::judge`].

use super::command::{Command, Value};
use super::job::JobName;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Check {
    pub name: String,
    pub probe: Probe,
    /// Jobs that must have succeeded in the run before.
    pub needs: Vec<JobName>,
    pub timeout: Duration,
    /// Between TERM and KILL, when it asks a command.
    pub kill_after: Duration,
    /// The worst state that it may have.
    pub worst: Worst,
    /// Bad answers in a row before an alert; at least 1.
    pub fail_after: u32,
    /// Good answers in a row before it counts as recovered; at least 1.
    pub recover_after: u32,
    /// The name of the check that holds this one's alerts while it is bad itself; never the recoveries.
    pub silenced_by: Option<String>,
    /// The schedule that it runs by; without one it runs only when asked for.
    pub schedule: Option<String>,
    /// The channels to notify; `None` is all of them, by severity.
    pub notify: Option<Vec<String>>,
    /// Leave the job out of every run.
    pub paused: bool,
}

/// The worst state that a check may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Worst {
    /// Critical is turned into a warning.
    Warning,
    #[default]
    Critical,
}

#[derive(Debug, Clone)]
pub enum Probe {
    /// How long ago was the file written? A missing file is critical.
    FileAge { path: PathBuf, age: Levels<Duration> },
    /// How much is free on the file system of this path?
    DiskSpace { path: PathBuf, free: Levels<Space> },
    /// What does a command say? Nagios exit codes: 0 ok, 1 warning, 2 critical, else unknown.
    Command(Command),
    Tcp {
        address: Address,
        latency: Levels<Duration>,
    },
    /// What does a web server answer to GET?
    Http(Box<HttpProbe>),
    /// How long is the certificate of a TLS server valid? One that cannot be trusted is critical.
    TlsExpiry {
        /// Where to; its host is the name that the certificate must be for.
        address: Address,
        left: Levels<Duration>,
        /// Trusted besides the system's own: a PEM file, absolute.
        ca_file: Option<PathBuf>,
    },
    /// How fresh and how slow is another job, by the history?
    Job {
        job: JobName,
        age: Levels<Duration>,
        duration: Levels<Duration>,
    },
}

impl Probe {
    /// The values that it hands to a command or a server, secrets among them.
    pub fn values(&self) -> Vec<&Value> {
        match self {
            Self::Command(command) => command.env.iter().map(|(_, value)| value).collect(),
            Self::Http(http) => {
                let headers = http.headers.iter().map(|(_, value)| value);
                headers.chain([&http.url]).collect()
            }
            Self::FileAge { .. }
            | Self::DiskSpace { .. }
            | Self::Tcp { .. }
            | Self::TlsExpiry { .. }
            | Self::Job { .. } => Vec::new(),
        }
    }
}

/// What a web server is asked, and what it must answer.
#[derive(Debug, Clone)]
pub struct HttpProbe {
    /// `http://` or `https://`.
    pub url: Value,
    pub headers: Vec<(String, Value)>,
    /// Accepted; empty is 200 to 299.
    pub status: Vec<u16>,
    pub latency: Levels<Duration>,
    /// JSON pointers into the body and the scalars that must be there.
    pub json: Vec<(String, serde_json::Value)>,
    /// Trusted besides the system's own: a PEM file, absolute.
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Free space: a share of the whole, or so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    Percent(u8),
    Bytes(u64),
}

/// Where warning and critical begin; `None` never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels<T> {
    pub warn: Option<T>,
    pub critical: Option<T>,
}

impl<T> Default for Levels<T> {
    fn default() -> Self {
        Self {
            warn: None,
            critical: None,
        }
    }
}

/// What a measured value makes of the thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Neither was reached.
    Ok,
    /// `warn` was reached.
    Warning,
    /// `critical` was reached.
    Critical,
}

impl<T: Copy> Levels<T> {
    /// `reached` says whether the measured value reaches a threshold.
    pub fn judge(&self, reached: impl Fn(T) -> bool) -> Level {
        if self.critical.is_some_and(&reached) {
            Level::Critical
        } else if self.warn.is_some_and(&reached) {
            Level::Warning
        } else {
            Level::Ok
        }
    }
}
