//! The [`Document`] → the [`Model`], once no rule has found an error.
//!
//! Takes the nodes, and what the rules resolved between them. Checks nothing.

use super::channel::ChannelNode;
use super::document::Document;
use super::job::JobLinks;
use crate::model::schedule::Schedule;
use crate::model::{Model, Ops};

/// `links` are in the order of [`Document::jobs`]. `None` cannot happen without an error: all that is missing was reported.
pub fn lower(document: &Document, ops: Ops, schedules: Vec<Schedule>, links: Vec<JobLinks>) -> Option<Model> {
    let mut links = links.into_iter();
    let mut links = || links.next().unwrap_or_default();
    Some(Model {
        ops,
        schedules,
        channels: all(&document.channels, ChannelNode::lower)?,
        checks: all(&document.checks, |node| node.lower(links()))?,
        targets: all(&document.targets, |node| node.lower(links()))?,
        backups: all(&document.backups, |node| node.lower(links()))?,
        retentions: all(&document.retentions, |node| node.lower(links()))?,
    })
}

fn all<N, M>(nodes: &[N], lower: impl FnMut(&N) -> Option<M>) -> Option<Vec<M>> {
    nodes.iter().map(lower).collect()
}
