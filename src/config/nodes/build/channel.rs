//! A judged [`ChannelNode`] → a [`Channel`].
//!
//! Takes nodes in which nothing is wrong, gives what they mean. A part of `build`.
//! Invariant: that of `build`: paths are absolute, defaults are filled in.

use super::Builder;
use crate::config::nodes::document::{ChannelNode, TextNode, WayNode, WebNode};
use crate::model::Channel;
use crate::model::channel::{ChannelKind, Email, WebChannel};
use std::time::Duration;

/// How long one delivery may take, when the file names no time.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(30);

impl Builder<'_> {
    pub(super) fn channel(&self, node: &ChannelNode) -> Option<Channel> {
        Some(Channel {
            name: node.name.as_ref()?.value.clone(),
            kind: match node.way.as_ref()? {
                WayNode::Command(command) => ChannelKind::Command(self.command(command)?),
                WayNode::Email(email) => {
                    let value = |node: &Option<TextNode>| match node {
                        Some(node) => self.value(node).map(Some),
                        None => Some(None),
                    };
                    ChannelKind::Email(Email {
                        to: email.to.clone(),
                        from: email.from.clone(),
                        smtp: email.smtp.clone(),
                        tls: email.tls,
                        user: value(&email.user)?,
                        password: value(&email.password)?,
                        ca_file: email.ca_file.as_ref().map(|path| self.path(path)),
                    })
                }
                WayNode::Web(web) => self.web(web)?,
            },
            min_severity: node.min_severity,
            repeat: node.repeat,
            rate_limit: node.rate_limit,
            timeout: node.timeout.unwrap_or(CHANNEL_TIMEOUT),
        })
    }

    fn web(&self, node: &WebNode) -> Option<ChannelKind> {
        let mut settings = Vec::new();
        for (name, value) in &node.settings {
            settings.push((*name, self.value(value)?));
        }
        Some(ChannelKind::Web(WebChannel {
            service: node.service,
            settings,
            headers: self.values(&node.headers)?,
            ca_file: node.ca_file.as_ref().map(|path| self.path(path)),
        }))
    }
}
