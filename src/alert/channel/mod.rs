//! One attempt to deliver a message over a channel.
//!
//! Takes a channel and a message, gives the result. Secrets are fetched here, from a [`Vault`], for this attempt only.
//! - `web`: by HTTP, the requests that [`crate::channel`] makes
//! - [`email`]: over SMTP · [`command`]: to a child process
//!
//! Invariant: no text of a [`Delivery`] holds a secret, in whatever form the other side
//! repeats it.

pub mod command;
#[cfg(feature = "email")]
pub mod email;
#[cfg(feature = "http")]
mod web;

use super::sender::Deliver;
use crate::channel::answer::Delivery;
use crate::channel::line::short_line;
use crate::channel::message::Message;
use crate::model::Command;
#[cfg(any(feature = "http", feature = "email"))]
use crate::model::Value;
use crate::model::channel::{Channel, ChannelKind, Email};
use crate::process::Streams;
use crate::secret::{ChildLimits, SecretError, Vault};
use crate::signal::Stop;
#[cfg(any(feature = "http", feature = "email"))]
use secrecy::SecretString;
use std::fmt;
use std::time::Duration;

/// Between TERM and KILL, when a command takes too long.
const KILL_AFTER: Duration = Duration::from_secs(5);

pub struct ChannelSender {
    pub(super) vault: Vault,
    stop: Stop,
}

impl ChannelSender {
    /// `stop` ends attempts.
    pub fn new(vault: Vault, stop: Stop) -> Self {
        Self { vault, stop }
    }

    async fn attempt(&self, channel: &Channel, message: &Message, to: &[String]) -> Result<Delivery, Delivery> {
        match &channel.kind {
            ChannelKind::Command(command) => self.run(command, message, channel.timeout).await,
            ChannelKind::Email(email) => self.mail(email, message, to, channel.timeout).await,
            ChannelKind::Web(web) => self.post(web, message, channel.timeout).await,
        }
    }

    async fn run(&self, command: &Command, message: &Message, timeout: Duration) -> Result<Delivery, Delivery> {
        let terms = ChildLimits {
            timeout: Some(timeout),
            kill_after: KILL_AFTER,
            streams: Streams::Separate,
        };
        let spawn = self.vault.ready(command, terms, &self.stop).await;
        let mut spawn = spawn.map_err(|error| self.missing_secret(&error))?;
        spawn.input = Some(message.to_json());
        Ok(command::run(&spawn, &self.vault, &self.stop).await)
    }

    #[cfg(feature = "email")]
    async fn mail(
        &self,
        email: &Email,
        message: &Message,
        to: &[String],
        timeout: Duration,
    ) -> Result<Delivery, Delivery> {
        let user = self.reveal_some(email.user.as_ref()).await?;
        let password = self.reveal_some(email.password.as_ref()).await?;
        let login = user.as_ref().zip(password.as_ref());
        Ok(email::send(message, email, to, login, timeout, &|text| self.vault.redact(text)).await)
    }

    #[cfg(not(feature = "email"))]
    #[expect(clippy::unused_async, reason = "the other build waits here")]
    async fn mail(&self, _: &Email, _: &Message, _: &[String], _: Duration) -> Result<Delivery, Delivery> {
        Err(not_built("email", "email"))
    }

    #[cfg(not(feature = "http"))]
    #[expect(clippy::unused_async, reason = "the other build waits here")]
    async fn post(
        &self,
        channel: &crate::model::channel::WebChannel,
        _: &Message,
        _: Duration,
    ) -> Result<Delivery, Delivery> {
        Err(not_built(channel.service.word(), "http"))
    }

    #[cfg(any(feature = "http", feature = "email"))]
    async fn reveal(&self, value: &Value) -> Result<SecretString, Delivery> {
        let revealed = self.vault.reveal(value, &self.stop).await;
        revealed.map_err(|error| self.missing_secret(&error))
    }

    #[cfg(any(feature = "http", feature = "email"))]
    async fn reveal_some(&self, value: Option<&Value>) -> Result<Option<SecretString>, Delivery> {
        match value {
            Some(value) => self.reveal(value).await.map(Some),
            None => Ok(None),
        }
    }

    /// Says of secrets that are hardly any, beside what the receiver answered.
    fn with_doubts(&self, mut delivery: Delivery) -> Delivery {
        let (Delivery::Sent { answer: text }
        | Delivery::Partial { why: text, .. }
        | Delivery::Retry { why: text, .. }
        | Delivery::Dead { why: text }) = &mut delivery;
        for doubt in self.vault.take_doubts() {
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(&doubt);
        }
        delivery
    }

    /// Without its secret nothing is sent; the secret may be there next time.
    fn missing_secret(&self, error: &SecretError) -> Delivery {
        Delivery::retry(short_line(&self.vault.redact(&error.to_string())))
    }
}

impl Deliver for ChannelSender {
    async fn deliver(&self, channel: &Channel, message: &Message, to: &[String]) -> Delivery {
        tokio::select! {
            biased;
            delivery = self.attempt(channel, message, to) => {
                self.with_doubts(delivery.unwrap_or_else(|undelivered| undelivered))
            }
            () = self.stop.wait() => Delivery::retry("opsrun was stopped"),
        }
    }
}

impl fmt::Debug for ChannelSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSender").finish_non_exhaustive()
    }
}

#[cfg(not(all(feature = "http", feature = "email")))]
fn not_built(kind: &str, feature: &str) -> Delivery {
    Delivery::dead(format!(
        "this opsrun was built without the feature `{feature}`, which {kind} needs"
    ))
}
