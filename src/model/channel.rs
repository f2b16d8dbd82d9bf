//! Who is told of what, and over which way.
//!
//! Invariant: a secret is where it comes from, never what it is. The names of channels are unique, and none is [`LOG`].

use super::check::Address;
use super::command::{Command, Value};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The channel that always exists: what is told stands in the log in any case.
pub const LOG: &str = "log";

/// A `channel`: one way to tell somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Unique among channels, and not [`LOG`].
    pub name: String,
    pub kind: ChannelKind,
    /// What is less than this is not told here.
    pub min_severity: Severity,
    /// How often what is still bad is told again; `None` is never.
    pub repeat: Option<Duration>,
    /// How much is told at most; the rest comes as a digest.
    pub rate_limit: Option<RateLimit>,
    pub timeout: Duration,
}

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must look.
    Critical,
}

impl Severity {
    #[must_use]
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

/// Over which way somebody is told. Every `ca_file` is a PEM file, absolute, trusted besides the system's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// A JSON document by POST.
    Webhook {
        /// `http://` or `https://`.
        url: Value,
        /// The key that the body is signed with.
        hmac: Option<Value>,
        headers: Vec<(String, Value)>,
        /// See above.
        ca_file: Option<PathBuf>,
    },
    Email(Email),
    /// A JSON document on the standard input of a command.
    Command(Command),
    /// An incoming webhook of Slack, or of what understands the same.
    Slack {
        url: Value,
        /// See above.
        ca_file: Option<PathBuf>,
    },
    Discord {
        url: Value,
        /// See above.
        ca_file: Option<PathBuf>,
    },
    Telegram {
        token: Value,
        /// The chat, group or channel that it writes to.
        chat: Value,
        /// Of a server of one's own; `None` is that of Telegram.
        api_url: Option<Value>,
        /// See above.
        ca_file: Option<PathBuf>,
    },
    Ntfy {
        url: Value,
        /// For topics that not everybody may write to.
        token: Option<Value>,
        /// See above.
        ca_file: Option<PathBuf>,
    },
    /// A service of `PagerDuty`, by its Events API, version 2.
    Pagerduty {
        routing_key: Value,
        /// Of another region; `None` is the usual one.
        url: Option<Value>,
        /// See above.
        ca_file: Option<PathBuf>,
    },
    /// A dead man's switch: told of the start, the success and the failure of runs.
    Healthchecks {
        url: Value,
        /// See above.
        ca_file: Option<PathBuf>,
    },
}

impl ChannelKind {
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Email(_) => "email",
            Self::Command(_) => "command",
            Self::Slack { .. } => "slack",
            Self::Discord { .. } => "discord",
            Self::Telegram { .. } => "telegram",
            Self::Ntfy { .. } => "ntfy",
            Self::Pagerduty { .. } => "pagerduty",
            Self::Healthchecks { .. } => "healthchecks",
        }
    }
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

/// How the way to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// In clear first, then TLS; without it nothing is sent.
    StartTls,
    /// TLS from the beginning.
    Tls,
    /// Not at all.
    None,
}

impl Channel {
    /// The values that it is given, secrets among them.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let mut values: Vec<&Value> = Vec::new();
        match &self.kind {
            ChannelKind::Webhook { url, hmac, headers, .. } => {
                values.push(url);
                values.extend(hmac);
                values.extend(headers.iter().map(|(_, value)| value));
            }
            ChannelKind::Email(email) => values.extend(email.user.iter().chain(&email.password)),
            ChannelKind::Command(command) => values.extend(command.env.iter().map(|(_, value)| value)),
            ChannelKind::Slack { url, .. }
            | ChannelKind::Discord { url, .. }
            | ChannelKind::Healthchecks { url, .. } => values.push(url),
            ChannelKind::Telegram {
                token, chat, api_url, ..
            } => {
                values.extend([token, chat]);
                values.extend(api_url);
            }
            ChannelKind::Ntfy { url, token, .. } => {
                values.push(url);
                values.extend(token);
            }
            ChannelKind::Pagerduty { routing_key, url, .. } => {
                values.push(routing_key);
                values.extend(url);
            }
        }
        values.into_iter()
    }
}
