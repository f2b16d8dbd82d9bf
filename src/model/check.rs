//! What a check asks, and from which answers on it is a warning or critical.
//!
//! Invariant: thresholds are as the ops file says; what a measured value makes of them is decided in one place,
//! [`Levels::judge`].

use super::address::shown_address;
use super::command::{Command, Value, names, serialize_names};
use super::job::{JobName, JobSettings};
use super::state::State;
use crate::path::{serialize_option, serialize_path, shown};
use crate::units::{millis, show_duration, show_size};
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Check {
    pub name: String,
    pub job: JobSettings,
    pub probe: Probe,
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
}

/// The worst state that a check may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Worst {
    /// Critical is turned into a warning.
    Warning,
    #[default]
    Critical,
}

/// A question, and from which answers on it is a warning or critical.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "probe", rename_all = "kebab-case")]
pub enum Probe {
    // A missing file is critical.
    /// How long ago was the file written?
    FileAge {
        /// The file.
        #[serde(serialize_with = "serialize_path")]
        #[cfg_attr(test, schemars(with = "crate::path::AbsolutePath"))]
        path: PathBuf,
        /// From which age on.
        #[serde(rename = "age_millis", serialize_with = "Levels::serialize_millis")]
        #[cfg_attr(test, schemars(with = "Levels<u64>"))]
        age: Levels<Duration>,
    },
    // A missing file is critical. A last component with `*`, `?` or `[` is a pattern, unless a file is called that: of the files that it matches the newest counts.
    /// How large is the file, and did it shrink?
    FileSize {
        /// The file, or a pattern.
        #[serde(serialize_with = "serialize_path")]
        #[cfg_attr(test, schemars(with = "crate::path::AbsolutePath"))]
        path: PathBuf,
        /// Its limits.
        #[serde(flatten)]
        limits: SizeLimits,
    },
    /// How much is free on the file system of this path?
    DiskSpace {
        /// The path.
        #[serde(serialize_with = "serialize_path")]
        #[cfg_attr(test, schemars(with = "crate::path::AbsolutePath"))]
        path: PathBuf,
        /// Below which.
        free: Levels<Space>,
    },
    // Nagios exit codes: 0 ok, 1 warning, 2 critical, else unknown.
    /// What does a command say?
    Command {
        /// The command.
        command: Command,
    },
    /// Can a connection be made?
    Tcp {
        /// Host and port.
        #[cfg_attr(test, schemars(with = "String"))]
        address: Address,
        /// From which time on.
        #[serde(rename = "latency_millis", serialize_with = "Levels::serialize_millis")]
        #[cfg_attr(test, schemars(with = "Levels<u64>"))]
        latency: Levels<Duration>,
    },
    /// What does a web server answer to GET?
    Http(Box<HttpProbe>),
    // One that cannot be trusted is critical. Its host is the name that the certificate must be for.
    /// How long is the certificate of a TLS server valid?
    TlsExpiry {
        /// Host and port.
        #[cfg_attr(test, schemars(with = "String"))]
        address: Address,
        /// With how much time left.
        #[serde(rename = "left_millis", serialize_with = "Levels::serialize_millis")]
        #[cfg_attr(test, schemars(with = "Levels<u64>"))]
        left: Levels<Duration>,
        /// Trusted besides the system's own certificates.
        #[serde(serialize_with = "serialize_option")]
        #[cfg_attr(test, schemars(with = "Option<crate::path::AbsolutePath>"))]
        ca_file: Option<PathBuf>,
        /// False when its dates alone count.
        verified: bool,
    },
    /// How fresh and how slow is another job, by the history?
    Job {
        /// Which.
        #[cfg_attr(test, schemars(with = "String"))]
        job: JobName,
        /// Since its last success.
        #[serde(rename = "age_millis", serialize_with = "Levels::serialize_millis")]
        #[cfg_attr(test, schemars(with = "Levels<u64>"))]
        age: Levels<Duration>,
        /// Of its last run that ended.
        #[serde(rename = "duration_millis", serialize_with = "Levels::serialize_millis")]
        #[cfg_attr(test, schemars(with = "Levels<u64>"))]
        duration: Levels<Duration>,
    },
}

/// From which sizes on a file is critical; null is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SizeLimits {
    /// Below this many bytes.
    pub least: Option<u64>,
    /// Above this many bytes.
    pub most: Option<u64>,
    /// When it is smaller than the last one by this percentage or more.
    pub shrunk: Option<u8>,
}

/// What a web server is asked, and what it must answer.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
pub struct HttpProbe {
    // `http://` or `https://`; its secret parameters are not shown.
    /// Where.
    #[serde(serialize_with = "serialize_address")]
    pub url: Value,
    /// Request headers.
    #[serde(serialize_with = "serialize_names")]
    #[cfg_attr(test, schemars(with = "Vec<super::command::NameAndSource>"))]
    pub headers: Vec<(String, Value)>,
    /// Accepted statuses; empty is 200 to 299.
    pub status: Vec<u16>,
    /// From which time on.
    #[serde(rename = "latency_millis", serialize_with = "Levels::serialize_millis")]
    #[cfg_attr(test, schemars(with = "Levels<u64>"))]
    pub latency: Levels<Duration>,
    /// What the body must hold.
    pub json: Vec<BodyValue>,
    /// Trusted besides the system's own certificates.
    #[serde(serialize_with = "serialize_option")]
    #[cfg_attr(test, schemars(with = "Option<crate::path::AbsolutePath>"))]
    pub ca_file: Option<PathBuf>,
}

fn serialize_address<S: Serializer>(url: &Value, to: S) -> Result<S::Ok, S::Error> {
    match url {
        Value::Plain(url) => to.serialize_str(&shown_address(url)),
        Value::Secret(_) => url.serialize(to),
    }
}

/// What the body of an answer must hold.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BodyValue {
    /// A JSON pointer.
    pub pointer: String,
    // A scalar.
    /// The value that must be there.
    pub value: serde_json::Value,
}

/// A probe in words, as the plan shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeText {
    /// What is asked: `age of /run/heartbeat`.
    pub question: String,
    /// When the check is a warning or critical; one line per measure.
    pub levels: Vec<String>,
    pub settings: Vec<ProbeSetting>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSetting {
    pub label: &'static str,
    pub text: String,
    /// The text contains a path, and is not wrapped.
    pub is_path: bool,
}

impl Probe {
    pub fn text(&self) -> ProbeText {
        match self {
            Self::FileAge { path, age } => ProbeText::new(format!("age of {}", shown(path))).times("", age),
            Self::FileSize { path, limits } => ProbeText {
                levels: limits.texts(),
                ..ProbeText::new(format!("size of {}", shown(path)))
            },
            Self::DiskSpace { path, free } => {
                ProbeText::new(format!("free space at {}", shown(path))).levels("", "below", free, Space::to_string)
            }
            Self::Command { command } => ProbeText {
                settings: ProbeSetting::of_command(command),
                ..ProbeText::new(command.program.to_string())
            },
            Self::Tcp { address, latency } => {
                ProbeText::new(format!("connection to {address}")).times("latency: ", latency)
            }
            Self::Http(http) => http.text(),
            Self::TlsExpiry {
                address,
                left,
                ca_file,
                verified,
            } => {
                let what = if *verified { "" } else { "dates of the " };
                ProbeText::new(format!("{what}certificate of {address}"))
                    .levels("", "with less than", left, |left| {
                        format!("{} left", show_duration(*left))
                    })
                    .trusts(ca_file.as_ref())
            }
            Self::Job { job, age, duration } => ProbeText::new(format!("history of {job}"))
                .times("age of the last success: ", age)
                .times("duration: ", duration),
        }
    }

    /// The values that it hands to a command or a server, secrets among them.
    pub fn values(&self) -> Vec<&Value> {
        match self {
            Self::Command { command } => command.env.iter().map(|(_, value)| value).collect(),
            Self::Http(http) => {
                let headers = http.headers.iter().map(|(_, value)| value);
                headers.chain([&http.url]).collect()
            }
            Self::FileAge { .. }
            | Self::FileSize { .. }
            | Self::DiskSpace { .. }
            | Self::Tcp { .. }
            | Self::TlsExpiry { .. }
            | Self::Job { .. } => Vec::new(),
        }
    }
}

impl SizeLimits {
    fn texts(&self) -> Vec<String> {
        let least = self.least.map(|least| format!("critical below {}", show_size(least)));
        let most = self.most.map(|most| format!("critical above {}", show_size(most)));
        let shrunk = self
            .shrunk
            .map(|share| format!("critical when {share}% smaller than the last one"));
        least.into_iter().chain(most).chain(shrunk).collect()
    }
}

impl HttpProbe {
    /// The accepted status codes: `200 or 204`.
    pub fn expected_status(&self) -> String {
        if self.status.is_empty() {
            return "200 to 299".to_owned();
        }
        let codes: Vec<String> = self.status.iter().map(u16::to_string).collect();
        codes.join(" or ")
    }

    fn text(&self) -> ProbeText {
        let body =
            |BodyValue { pointer, value }: &BodyValue| format!("critical unless {pointer} of the body is {value}");
        let url = match &self.url {
            Value::Plain(url) => shown_address(url).into_owned(),
            secret @ Value::Secret(_) => secret.to_string(),
        };
        let mut text = ProbeText::new(format!("GET {url}"));
        text.levels
            .push(format!("critical unless the status is {}", self.expected_status()));
        text = text.times("latency: ", &self.latency);
        text.levels.extend(self.json.iter().map(body));
        text.settings.extend(ProbeSetting::names("headers", &self.headers));
        text.trusts(self.ca_file.as_ref())
    }
}

impl ProbeText {
    fn new(question: String) -> Self {
        Self {
            question,
            ..Self::default()
        }
    }

    fn times(self, what: &str, levels: &Levels<Duration>) -> Self {
        self.levels(what, "from", levels, |at| show_duration(*at))
    }

    fn levels<T>(mut self, what: &str, from: &str, levels: &Levels<T>, show: impl Fn(&T) -> String) -> Self {
        let warn = levels.warn.as_ref().map(|at| format!("warning {from} {}", show(at)));
        let critical = levels
            .critical
            .as_ref()
            .map(|at| format!("critical {from} {}", show(at)));
        let both: Vec<String> = warn.into_iter().chain(critical).collect();
        if !both.is_empty() {
            self.levels.push(format!("{what}{}", both.join(", ")));
        }
        self
    }

    fn trusts(mut self, ca_file: Option<&PathBuf>) -> Self {
        self.settings
            .extend(ca_file.map(|path| ProbeSetting::path("trusts", path)));
        self
    }
}

impl ProbeSetting {
    fn path(label: &'static str, path: &Path) -> Self {
        Self {
            label,
            text: shown(path).to_string(),
            is_path: true,
        }
    }

    /// Variables or headers, if there are any.
    fn names(label: &'static str, pairs: &[(String, Value)]) -> Option<Self> {
        (!pairs.is_empty()).then(|| Self {
            label,
            text: names(pairs),
            is_path: false,
        })
    }

    /// Where a command runs, and with which variables.
    pub fn of_command(command: &Command) -> Vec<Self> {
        let env = Self::names("env", &command.env);
        let run_as = command.run_as.as_ref().map(|run_as| Self {
            label: "as",
            text: run_as.to_string(),
            is_path: false,
        });
        std::iter::once(Self::path("in", &command.cwd))
            .chain(run_as)
            .chain(env)
            .collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// Percent of the file system.
    Percent(u8),
    /// Bytes.
    Bytes(u64),
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(share) => write!(f, "{share}%"),
            Self::Bytes(bytes) => f.write_str(&show_size(*bytes)),
        }
    }
}

/// Where warning and critical begin; null is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Levels<T> {
    /// Warning.
    pub warn: Option<T>,
    /// Critical.
    pub critical: Option<T>,
}

impl Levels<Duration> {
    fn serialize_millis<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { warn, critical } = *self;
        Levels {
            warn: warn.map(millis),
            critical: critical.map(millis),
        }
        .serialize(to)
    }
}

impl<T> Default for Levels<T> {
    fn default() -> Self {
        Self {
            warn: None,
            critical: None,
        }
    }
}

impl<T: Copy> Levels<T> {
    /// What a measured value makes of the thresholds, and the one that it reaches.
    pub fn judge(&self, reaches: impl Fn(T) -> bool) -> (State, Option<T>) {
        let reached = |threshold: Option<T>| threshold.filter(|threshold| reaches(*threshold));
        match (reached(self.critical), reached(self.warn)) {
            (Some(critical), _) => (State::Critical, Some(critical)),
            (None, Some(warn)) => (State::Warning, Some(warn)),
            (None, None) => (State::Ok, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_have_levels() {
        let minute = Duration::from_mins(1);
        let at = |warn, critical| Levels { warn, critical };
        let age = Probe::FileAge {
            path: "/run/heartbeat".into(),
            age: at(Some(minute), Some(minute * 2)),
        };
        assert_eq!(age.text().question, "age of /run/heartbeat");
        assert_eq!(age.text().levels, ["warning from 1m, critical from 2m"]);
        let disk = Probe::DiskSpace {
            path: "/data".into(),
            free: Levels {
                warn: Some(Space::Percent(25)),
                critical: None,
            },
        };
        assert_eq!(disk.text().levels, ["warning below 25%"]);
        let address = || Address {
            host: "::1".into(),
            port: 443,
        };
        let tcp = Probe::Tcp {
            address: address(),
            latency: Levels::default(),
        };
        assert_eq!(
            (tcp.text().question.as_str(), tcp.text().levels.len()),
            ("connection to [::1]:443", 0)
        );
        let tls = Probe::TlsExpiry {
            address: address(),
            left: at(None, Some(minute)),
            ca_file: None,
            verified: true,
        };
        assert_eq!(tls.text().levels, ["critical with less than 1m left"]);
        let http = Probe::Http(Box::new(HttpProbe {
            url: Value::Secret(crate::model::SecretSource::Env("URL".into())),
            headers: Vec::new(),
            status: vec![200, 204],
            latency: at(None, Some(minute)),
            json: vec![BodyValue {
                pointer: "/status".into(),
                value: "UP".into(),
            }],
            ca_file: None,
        }));
        assert_eq!(http.text().question, "GET from env URL");
        assert_eq!(
            http.text().levels,
            [
                "critical unless the status is 200 or 204",
                "latency: critical from 1m",
                "critical unless /status of the body is \"UP\""
            ]
        );
    }
}
