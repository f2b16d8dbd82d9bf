//! One attempt to deliver a message over a channel.
//!
//! Takes a channel and a message, gives what became of the attempt. Secrets are fetched here, from a [`Vault`], and only for
//! the attempt.
//! - `web`: by HTTP, the requests that [`crate::channel`] makes
//! - [`email`]: over SMTP · [`command`]: to a child process · [`log`]: the line that is written in any case
//!
//! Knows nothing of the outbox. Invariant: no text of a [`Delivery`] holds a secret, in whatever form the other side
//! repeats it.

pub mod command;
#[cfg(feature = "email")]
pub mod email;
pub mod log;
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
use std::sync::Arc;
use std::time::Duration;

/// Between TERM and KILL, when a command takes too long.
const KILL_AFTER: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Courier {
    vault: Arc<Vault>,
    stop: Stop,
}

impl Courier {
    /// One that fetches secrets from there, and gives up what it does when it is told to stop.
    #[must_use]
    pub fn new(vault: Arc<Vault>, stop: Stop) -> Self {
        Self { vault, stop }
    }

    async fn told(&self, channel: &Channel, message: &Message) -> Result<Delivery, Delivery> {
        match &channel.kind {
            ChannelKind::Command(command) => self.run(command, message, channel.timeout).await,
            ChannelKind::Email(email) => self.mail(email, message, channel.timeout).await,
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
        let mut spawn = spawn.map_err(|error| self.without(&error))?;
        spawn.input = Some(message.to_json());
        Ok(command::run(&spawn, &self.vault, &self.stop).await)
    }

    #[cfg(feature = "email")]
    async fn mail(&self, email: &Email, message: &Message, timeout: Duration) -> Result<Delivery, Delivery> {
        let user = self.maybe(email.user.as_ref()).await?;
        let password = self.maybe(email.password.as_ref()).await?;
        let login = user.as_ref().zip(password.as_ref());
        Ok(email::send(message, email, login, timeout, &|text| self.vault.redact(text)).await)
    }

    #[cfg(not(feature = "email"))]
    #[expect(clippy::unused_async, reason = "as the one that sends")]
    async fn mail(&self, _: &Email, _: &Message, _: Duration) -> Result<Delivery, Delivery> {
        Err(not_built("email", "email"))
    }

    #[cfg(not(feature = "http"))]
    #[expect(clippy::unused_async, reason = "as the one that sends")]
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
        revealed.map_err(|error| self.without(&error))
    }

    #[cfg(any(feature = "http", feature = "email"))]
    async fn maybe(&self, value: Option<&Value>) -> Result<Option<SecretString>, Delivery> {
        match value {
            Some(value) => self.reveal(value).await.map(Some),
            None => Ok(None),
        }
    }

    /// Without its secret nothing is sent: it may be there the next time.
    fn without(&self, error: &SecretError) -> Delivery {
        Delivery::Retry {
            after: None,
            why: short_line(&self.vault.redact(&error.to_string())),
        }
    }
}

impl Deliver for Courier {
    async fn deliver(&self, channel: &Channel, message: &Message) -> Delivery {
        tokio::select! {
            biased;
            delivery = self.told(channel, message) => delivery.unwrap_or_else(|undelivered| undelivered),
            () = self.stop.wait() => Delivery::Retry { after: None, why: "opsrun was told to stop".to_owned() },
        }
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").finish_non_exhaustive()
    }
}

#[cfg(not(all(feature = "http", feature = "email")))]
fn not_built(kind: &str, feature: &str) -> Delivery {
    Delivery::Dead {
        why: format!("this build of opsrun cannot send by {kind}: use one with the feature `{feature}`"),
    }
}
