//! The channels that speak HTTP: from settings to requests, and through them.
//!
//! Takes a kind with its settings, fetches what is secret in them, sends one request after the other within the time, and
//! stops at the first that is not taken.
//! Invariant: that of the folder.

use super::request::{self, Request, Way};
use super::{Courier, discord, healthchecks, ntfy, pagerduty, slack, telegram, webhook};
use crate::alert::message::Message;
use crate::alert::sender::Delivery;
use crate::clock::Mark;
use crate::model::Value;
use crate::model::channel::ChannelKind;
use secrecy::SecretString;
use std::path::Path;
use std::time::Duration;

struct Errand<'a> {
    requests: Vec<Request>,
    /// Its host is not named in errors.
    secret: bool,
    ca_file: Option<&'a Path>,
}

impl Courier {
    pub(super) async fn post(
        &self,
        kind: &ChannelKind,
        message: &Message,
        timeout: Duration,
    ) -> Result<Delivery, Delivery> {
        let errand = self.errand(kind, message).await?;
        let (began, mut left) = (Mark::set(), timeout);
        let redact = |text: &str| self.vault.redact(text);
        let way = Way {
            secret: errand.secret,
            ca_file: errand.ca_file,
            redact: &redact,
        };
        let mut last = Delivery::Sent {
            answer: "nothing to tell there".to_owned(),
        };
        for request in &errand.requests {
            let posted = request::send(request, way, left).await?;
            last = match kind {
                ChannelKind::Telegram { .. } => telegram::verdict(&posted, &redact),
                ChannelKind::Healthchecks { .. } => healthchecks::verdict(&posted, &redact),
                _ => request::verdict(&posted, &redact),
            };
            if !matches!(last, Delivery::Sent { .. }) {
                break;
            }
            left = timeout.saturating_sub(began.elapsed());
        }
        Ok(last)
    }

    /// The pieces of a secret one are secrets, too: who is asked repeats parts of what it is asked.
    async fn address(&self, url: &Value) -> Result<SecretString, Delivery> {
        let revealed = self.reveal(url).await?;
        if matches!(url, Value::Secret(_)) {
            self.vault.remember_address(&revealed);
        }
        Ok(revealed)
    }

    async fn address_or(&self, url: Option<&Value>, usual: &str) -> Result<SecretString, Delivery> {
        match url {
            Some(url) => self.address(url).await,
            None => Ok(usual.into()),
        }
    }

    async fn errand<'a>(&self, kind: &'a ChannelKind, message: &Message) -> Result<Errand<'a>, Delivery> {
        let secret = |value: &Value| matches!(value, Value::Secret(_));
        Ok(match kind {
            ChannelKind::Webhook {
                url,
                hmac,
                headers,
                ca_file,
            } => {
                let key = self.maybe(hmac.as_ref()).await?;
                let mut given = Vec::with_capacity(headers.len());
                for (name, value) in headers {
                    given.push((name.clone(), self.reveal(value).await?));
                }
                Errand {
                    requests: vec![webhook::request(message, self.address(url).await?, key.as_ref(), given)],
                    secret: secret(url),
                    ca_file: ca_file.as_deref(),
                }
            }
            ChannelKind::Slack { url, ca_file } => Errand {
                requests: vec![slack::request(message, self.address(url).await?)],
                secret: secret(url),
                ca_file: ca_file.as_deref(),
            },
            ChannelKind::Discord { url, ca_file } => Errand {
                requests: vec![discord::request(message, &self.address(url).await?)],
                secret: secret(url),
                ca_file: ca_file.as_deref(),
            },
            ChannelKind::Telegram {
                token,
                chat,
                api_url,
                ca_file,
            } => {
                let token = self.reveal(token).await?;
                let chat = self.reveal(chat).await?;
                let api = self.address_or(api_url.as_ref(), telegram::API).await?;
                let request = telegram::request(message, &token, &chat, &api).ok_or_else(|| Delivery::Dead {
                    why: "the token is not one: it has digits, a colon, and letters, digits, `_` or `-`".to_owned(),
                })?;
                Errand {
                    requests: vec![request],
                    secret: api_url.as_ref().is_some_and(secret),
                    ca_file: ca_file.as_deref(),
                }
            }
            ChannelKind::Ntfy { url, token, ca_file } => {
                let token = self.maybe(token.as_ref()).await?;
                Errand {
                    requests: vec![ntfy::request(message, self.address(url).await?, token.as_ref())],
                    secret: secret(url),
                    ca_file: ca_file.as_deref(),
                }
            }
            ChannelKind::Pagerduty {
                routing_key,
                url,
                ca_file,
            } => {
                let key = self.reveal(routing_key).await?;
                let events = self.address_or(url.as_ref(), pagerduty::EVENTS).await?;
                Errand {
                    requests: pagerduty::requests(message, &key, &events),
                    secret: url.as_ref().is_some_and(secret),
                    ca_file: ca_file.as_deref(),
                }
            }
            ChannelKind::Healthchecks { url, ca_file } => Errand {
                requests: healthchecks::request(message, &self.address(url).await?)
                    .into_iter()
                    .collect(),
                secret: secret(url),
                ca_file: ca_file.as_deref(),
            },
            ChannelKind::Email(_) | ChannelKind::Command(_) => Errand {
                requests: Vec::new(),
                secret: false,
                ca_file: None,
            },
        })
    }
}
