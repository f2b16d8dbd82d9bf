//! Channels over HTTP: secrets are fetched, and requests sent one after the other.
//!
//! Takes a channel whose settings [`crate::channel`] describes. All requests share the time limit, and the first that is not
//! delivered ends the attempt.
//! Invariant: no text of a [`Delivery`] holds a secret.

use super::ChannelSender;
use crate::channel::answer::Delivery;
use crate::channel::line::short_line;
use crate::channel::message::Message;
use crate::channel::service::{Settings, WebServiceSpec};
use crate::channel::spec;
use crate::clock::Stopwatch;
use crate::model::Value;
use crate::model::channel::WebChannel;
use crate::net::error::{LocalError, NetError};
use crate::net::http::{HttpCall, post};
use std::time::Duration;

/// More of an answer is not read.
const MAX_ANSWER_BODY: usize = 4096;

impl ChannelSender {
    pub(super) async fn post(
        &self,
        channel: &WebChannel,
        message: &Message,
        timeout: Duration,
    ) -> Result<Delivery, Delivery> {
        let spec = spec(channel.service);
        let settings = self.settings(channel, spec).await?;
        let requests = (spec.requests)(message, &settings).map_err(Delivery::dead)?;
        let mut given = channel.settings.iter();
        let secret_url = given.any(|(name, value)| is_url(spec, name) && matches!(value, Value::Secret(_)));
        let (began, mut left) = (Stopwatch::set(), timeout);
        let mut last = Delivery::Sent {
            answer: "this channel does not receive such messages".to_owned(),
        };
        for request in &requests {
            let http = HttpCall {
                url: &request.url,
                secret: secret_url,
                headers: &request.headers,
                ca_file: channel.ca_file.as_deref(),
                max_body: MAX_ANSWER_BODY,
                limit: left,
            };
            let posted = post(http, &request.body).await;
            let posted = posted.map_err(|error| self.unsent(&error))?;
            last = (spec.verdict)(&posted, &|text| self.vault.redact(text));
            if !matches!(last, Delivery::Sent { .. }) {
                break;
            }
            left = timeout.saturating_sub(began.elapsed());
        }
        Ok(last)
    }

    async fn settings(&self, channel: &WebChannel, spec: &WebServiceSpec) -> Result<Settings, Delivery> {
        let mut settings = Settings::default();
        for (name, value) in &channel.settings {
            let revealed = self.reveal(value).await?;
            // A server repeats parts of the URL that it is asked for.
            if is_url(spec, name) {
                self.vault.remember_address(&revealed);
            }
            settings.values.push((name, revealed));
        }
        for (name, value) in &channel.headers {
            settings.headers.push((name.clone(), self.reveal(value).await?));
        }
        Ok(settings)
    }

    /// An invalid URL or header stays invalid; every other failure may pass.
    fn unsent(&self, error: &NetError) -> Delivery {
        let why = short_line(&self.vault.redact(&error.to_string()));
        match error {
            NetError::Here(LocalError::Url(_) | LocalError::Header { .. } | LocalError::Name(_)) => Delivery::dead(why),
            _ => Delivery::retry(why),
        }
    }
}

fn is_url(spec: &WebServiceSpec, name: &str) -> bool {
    let mut settings = spec.settings.iter();
    settings.any(|setting| setting.name == name && setting.kind.is_url())
}
