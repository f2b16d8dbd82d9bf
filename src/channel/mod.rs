//! Messages, and the web services that they are sent to: one file per service.
//!
//! Takes a message and the settings of a channel, gives the requests that deliver it, and what an answer means. `config`
//! reads the settings of each service from here; `alert` decides, fetches secrets and sends.
//! - [`message`]: an alert, in one form for all channels · `text`, `line`: an alert in words, as long as there is room
//! - [`service`]: what a service is · [`request`], [`answer`]: what is sent, and what became of it
//! - [`webhook`], [`slack`], [`discord`], [`telegram`], [`ntfy`], [`pagerduty`], [`healthchecks`]: the services
//!
//! A new service is one file here, its variant in [`WebService`], and a row in `config/nodes/channel`.
//! Pure. Invariant: a request holds nothing of a message that the service would read as a link, a mention or a header.

pub mod answer;
pub mod discord;
pub mod healthchecks;
pub mod line;
pub mod message;
pub mod ntfy;
pub mod pagerduty;
pub mod request;
pub mod service;
pub mod slack;
pub mod telegram;
pub mod text;
mod url;
pub mod webhook;

use crate::model::channel::{ChannelKind, WebService};
use service::{MessageScope, WebServiceSpec};

pub const fn spec(service: WebService) -> &'static WebServiceSpec {
    match service {
        WebService::Webhook => &webhook::WEBHOOK,
        WebService::Slack => &slack::SLACK,
        WebService::Discord => &discord::DISCORD,
        WebService::Telegram => &telegram::TELEGRAM,
        WebService::Ntfy => &ntfy::NTFY,
        WebService::Pagerduty => &pagerduty::PAGERDUTY,
        WebService::Healthchecks => &healthchecks::HEALTHCHECKS,
    }
}

/// Which messages a channel of this kind receives.
pub fn scope(kind: &ChannelKind) -> MessageScope {
    match kind {
        ChannelKind::Web(web) => spec(web.service).scope,
        ChannelKind::Email(_) | ChannelKind::Command(_) => MessageScope::Changes,
    }
}

#[cfg(test)]
pub(crate) mod tests;
