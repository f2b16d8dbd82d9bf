//! What opsrun knows about a web service: its settings, its requests, and the reading of its answers.
//!
//! Each service of this room is one [`WebServiceSpec`]: `config` turns its settings into rows of the language, `alert`
//! sends its requests.
//! Invariant: a setting has one name, which is the name in the ops file.

use super::answer::{Delivery, RedactFn};
use super::message::Message;
use super::request::HttpRequest;
use crate::net::posted::Posted;
use secrecy::SecretString;

#[derive(Debug, Clone, Copy)]
pub struct WebServiceSpec {
    /// In one line, for the reference.
    pub summary: &'static str,
    /// A short use of it in an ops file.
    pub example: &'static str,
    /// In the order of the reference.
    pub settings: &'static [ServiceSetting],
    /// Whether an ops file may add request headers.
    pub custom_headers: bool,
    pub scope: MessageScope,
    /// The requests that deliver a message, in order; none when the service has no use for it. An error is final.
    pub requests: fn(&Message, &Settings) -> Result<Vec<HttpRequest>, String>,
    pub verdict: fn(&Posted, RedactFn<'_>) -> Delivery,
}

/// Which messages a service receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageScope {
    /// Changes of jobs; several of them may be joined into a digest.
    Changes,
    /// Changes of jobs, each key by itself: the service tracks an incident per key.
    ChangesPerKey,
    /// The start and the end of runs, and nothing else.
    Runs,
}

/// One setting of a web service.
#[derive(Debug, Clone, Copy)]
pub struct ServiceSetting {
    pub name: &'static str,
    pub kind: SettingKind,
    pub summary: &'static str,
    pub example: &'static str,
    /// The environment variable that usually holds it.
    pub variable: &'static str,
    pub required: bool,
    /// What holds without it, in words.
    pub default: Option<&'static str>,
    /// What the path of a URL names, where a URL without a path is a mistake.
    pub path_names: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    Url,
    /// A URL that gives access by itself: it must not be written in the ops file.
    SecretUrl,
    /// Must not be written in the ops file.
    Secret,
    Text,
    /// The jobs whose runs the service receives.
    Jobs,
}

impl SettingKind {
    pub const fn is_url(self) -> bool {
        matches!(self, Self::Url | Self::SecretUrl)
    }
}

impl ServiceSetting {
    pub(super) const OPTIONAL: Self = Self {
        name: "",
        kind: SettingKind::Text,
        summary: "",
        example: "",
        variable: "",
        required: false,
        default: None,
        path_names: None,
    };
    pub(super) const REQUIRED: Self = Self {
        required: true,
        ..Self::OPTIONAL
    };
}

/// The settings of one channel, secrets fetched.
#[derive(Debug, Default)]
pub struct Settings {
    pub values: Vec<(&'static str, SecretString)>,
    pub headers: Vec<(String, SecretString)>,
}

impl Settings {
    pub(super) fn get(&self, name: &str) -> Option<&SecretString> {
        let mut values = self.values.iter();
        values.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(super) fn required(&self, name: &str) -> Result<&SecretString, String> {
        self.get(name).ok_or_else(|| format!("the setting `{name}` is missing"))
    }

    pub(super) fn or(&self, name: &str, default: &str) -> SecretString {
        self.get(name).cloned().unwrap_or_else(|| default.into())
    }
}
