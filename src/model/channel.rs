//! Channels: destinations for alerts.
//!
//! Invariant: a secret is where it comes from, never what it is. The names of channels are unique, and none is [`LOG`].

use super::JobName;
use super::check::Address;
use super::command::{Command, Value};
pub use crate::net::MailTls;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The channel that always exists: alerts are written to the log in any case.
pub const LOG: &str = "log";

/// A `channel`: a destination for alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Unique among channels, and not [`LOG`].
    pub name: String,
    pub kind: ChannelKind,
    /// The lowest severity that it receives.
    pub min_severity: Severity,
    /// How often an alert is repeated while the state is still bad; `None` is never.
    pub repeat: Option<Duration>,
    /// Further messages are joined into a digest.
    pub rate_limit: Option<RateLimit>,
    /// The channel that receives what this one gives up. No channel is its own fallback, not through others either.
    pub fallback: Option<String>,
    /// The jobs whose runs it receives, for a channel that receives runs; `None`: those that notify it.
    pub follows: Option<Vec<JobName>>,
    pub timeout: Duration,
}

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Someone should look.
    Warning,
    /// Someone must act.
    Critical,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// So many messages in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// At least 1.
    pub count: u32,
    /// Not zero.
    pub per: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// A request to a web service.
    Web(WebChannel),
    Email(Email),
    /// A JSON document on the standard input of a command.
    Command(Command),
}

impl ChannelKind {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Web(web) => web.service.word(),
            Self::Email(_) => "email",
            Self::Command(_) => "command",
        }
    }
}

/// Which settings a service has, and how a message becomes its request, is described in [`crate::channel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebService {
    Webhook,
    Slack,
    Discord,
    Telegram,
    Ntfy,
    Pagerduty,
    Healthchecks,
}

impl WebService {
    /// The name in the ops file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Telegram => "telegram",
            Self::Ntfy => "ntfy",
            Self::Pagerduty => "pagerduty",
            Self::Healthchecks => "healthchecks",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebChannel {
    pub service: WebService,
    /// By name, in the order of the service's description. Every required setting is there.
    pub settings: Vec<(&'static str, Value)>,
    pub headers: Vec<(String, Value)>,
    /// A PEM file, absolute, trusted besides the system's own certificates.
    pub ca_file: Option<PathBuf>,
}

/// A message to people, and the server that takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Addresses, `name@host`. At least one, each once.
    pub to: Vec<String>,
    pub from: String,
    pub smtp: Address,
    /// How the way to it is protected.
    pub tls: MailTls,
    /// Who says so; `Some` if and only if there is a password.
    pub user: Option<Value>,
    pub password: Option<Value>,
    /// A PEM file, absolute, trusted besides the system's own.
    pub ca_file: Option<PathBuf>,
}

impl Channel {
    /// Who gets a message each by themselves. Empty where a channel has one receiver.
    pub fn recipients(&self) -> &[String] {
        match &self.kind {
            ChannelKind::Email(email) => &email.to,
            ChannelKind::Web(_) | ChannelKind::Command(_) => &[],
        }
    }

    /// The values that it is given, secrets among them.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let mut values: Vec<&Value> = Vec::new();
        match &self.kind {
            ChannelKind::Web(web) => {
                values.extend(web.settings.iter().map(|(_, value)| value));
                values.extend(web.headers.iter().map(|(_, value)| value));
            }
            ChannelKind::Email(email) => values.extend(email.user.iter().chain(&email.password)),
            ChannelKind::Command(command) => values.extend(command.env.iter().map(|(_, value)| value)),
        }
        values.into_iter()
    }
}
