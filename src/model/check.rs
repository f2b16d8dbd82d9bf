//! What a check asks, and from which answers on it is a warning or critical.
//!
//! Invariant: thresholds are as the ops file says; what a measured value makes of them is decided in one place,
//! [`Levels::judge`].

use super::command::{Command, Value};
use super::job::JobName;
use crate::path::shown;
use crate::units::{show_duration, show_size};
use std::path::{Path, PathBuf};
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
    pub fn command(&self) -> Option<&Command> {
        match self {
            Self::Command(command) => Some(command),
            Self::FileAge { .. }
            | Self::DiskSpace { .. }
            | Self::Tcp { .. }
            | Self::Http(_)
            | Self::TlsExpiry { .. }
            | Self::Job { .. } => None,
        }
    }

    pub fn headers(&self) -> &[(String, Value)] {
        match self {
            Self::Http(http) => &http.headers,
            Self::FileAge { .. }
            | Self::DiskSpace { .. }
            | Self::Command(_)
            | Self::Tcp { .. }
            | Self::TlsExpiry { .. }
            | Self::Job { .. } => &[],
        }
    }

    pub fn ca_file(&self) -> Option<&Path> {
        match self {
            Self::Http(http) => http.ca_file.as_deref(),
            Self::TlsExpiry { ca_file, .. } => ca_file.as_deref(),
            Self::FileAge { .. } | Self::DiskSpace { .. } | Self::Command(_) | Self::Tcp { .. } | Self::Job { .. } => {
                None
            }
        }
    }

    /// The values that it hands to a command or a server, secrets among them.
    pub fn values(&self) -> Vec<&Value> {
        let url = match self {
            Self::Http(http) => Some(&http.url),
            Self::FileAge { .. }
            | Self::DiskSpace { .. }
            | Self::Command(_)
            | Self::Tcp { .. }
            | Self::TlsExpiry { .. }
            | Self::Job { .. } => None,
        };
        let env = self.command().into_iter().flat_map(|command| &command.env);
        let named = env.chain(self.headers()).map(|(_, value)| value);
        named.chain(url).collect()
    }

    #[must_use]
    pub fn question(&self) -> String {
        match self {
            Self::FileAge { path, .. } => format!("age of {}", shown(path)),
            Self::DiskSpace { path, .. } => format!("free space at {}", shown(path)),
            Self::Command(command) => command.program.command_line(),
            Self::Tcp { address, .. } => format!("connection to {address}"),
            Self::Http(http) => format!("GET {}", http.url.words()),
            Self::TlsExpiry { address, .. } => format!("certificate of {address}"),
            Self::Job { job, .. } => format!("history of {job}"),
        }
    }

    /// From which answers on it is a warning or critical; one line per measured value.
    #[must_use]
    pub fn limits(&self) -> Vec<String> {
        let over = |what: &str, levels: &Levels<Duration>| levelled(what, levels, "from", |age| show_duration(*age));
        let lines = match self {
            Self::FileAge { age, .. } => vec![over("", age)],
            Self::DiskSpace { free, .. } => vec![levelled("", free, "below", Space::words)],
            Self::Command(_) => Vec::new(),
            Self::Tcp { latency, .. } => vec![over("latency: ", latency)],
            Self::Http(http) => {
                let mut lines = vec![Some(status(&http.status)), over("latency: ", &http.latency)];
                let json = http.json.iter();
                lines.extend(
                    json.map(|(pointer, value)| Some(format!("critical unless {pointer} of the body is {value}"))),
                );
                lines
            }
            Self::TlsExpiry { left, .. } => {
                vec![levelled("", left, "with less left than", |left| show_duration(*left))]
            }
            Self::Job { age, duration, .. } => {
                vec![over("age of the last success: ", age), over("duration: ", duration)]
            }
        };
        lines.into_iter().flatten().collect()
    }
}

fn status(codes: &[u16]) -> String {
    if codes.is_empty() {
        return "critical unless the status is 200 to 299".to_owned();
    }
    let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
    format!("critical unless the status is {}", codes.join(" or "))
}

fn levelled<T>(what: &str, levels: &Levels<T>, from: &str, show: impl Fn(&T) -> String) -> Option<String> {
    let warn = levels.warn.as_ref().map(|at| format!("warning {from} {}", show(at)));
    let critical = levels
        .critical
        .as_ref()
        .map(|at| format!("critical {from} {}", show(at)));
    let both: Vec<String> = warn.into_iter().chain(critical).collect();
    (!both.is_empty()).then(|| format!("{what}{}", both.join(", ")))
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

impl Space {
    /// As the ops file writes it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Percent(share) => format!("{share}%"),
            Self::Bytes(bytes) => show_size(*bytes),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::super::command::SecretSource;
    use super::*;

    #[test]
    fn questions_name_their_limits() {
        let minute = Duration::from_mins(1);
        let levels = |warn, critical| Levels { warn, critical };
        let age = Probe::FileAge {
            path: "/run/heartbeat".into(),
            age: levels(Some(minute), Some(minute * 2)),
        };
        assert_eq!(age.question(), "age of /run/heartbeat");
        assert_eq!(age.limits(), ["warning from 1m, critical from 2m"]);
        let disk = Probe::DiskSpace {
            path: "/data".into(),
            free: Levels {
                warn: Some(Space::Percent(25)),
                critical: None,
            },
        };
        assert_eq!(disk.limits(), ["warning below 25%"]);
        let address = || Address {
            host: "::1".into(),
            port: 443,
        };
        let tcp = Probe::Tcp {
            address: address(),
            latency: Levels::default(),
        };
        assert_eq!(
            (tcp.question().as_str(), tcp.limits().len()),
            ("connection to [::1]:443", 0)
        );
        let tls = Probe::TlsExpiry {
            address: address(),
            left: levels(None, Some(minute)),
            ca_file: None,
        };
        assert_eq!(tls.limits(), ["critical with less left than 1m"]);
        let http = Probe::Http(Box::new(HttpProbe {
            url: Value::Secret(SecretSource::Env("URL".into())),
            headers: Vec::new(),
            status: vec![200, 204],
            latency: levels(None, Some(minute)),
            json: vec![("/status".into(), "UP".into())],
            ca_file: None,
        }));
        assert_eq!(http.question(), "GET from env URL");
        assert_eq!(
            http.limits(),
            [
                "critical unless the status is 200 or 204",
                "latency: critical from 1m",
                "critical unless /status of the body is \"UP\""
            ]
        );
    }
}
