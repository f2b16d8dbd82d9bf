//! All nodes of the files that were read, decoded but not yet checked as a whole; and the model of them.
//!
//! Invariant: a field that is `None` was not written, or was wrong and has been reported; `damaged` is true when the latter
//! is possible.

use super::allow::Allow;
use super::assertion::AssertionNode;
use super::backup::BackupNode;
use super::channel::ChannelNode;
use super::check::CheckNode;
use super::job::{JobLinks, JobNode};
use super::ops::OpsNode;
use super::retention::RetentionNode;
use super::schedule::ScheduleNode;
use super::target::TargetNode;
use crate::config::source::Span;
use crate::model::schedule::Schedule;
use crate::model::{JobKind, Model, Ops};
use std::collections::HashSet;

#[derive(Debug, Default)]
pub struct Document {
    pub ops: Option<OpsNode>,
    pub schedules: Vec<ScheduleNode>,
    pub channels: Vec<ChannelNode>,
    pub checks: Vec<CheckNode>,
    pub targets: Vec<TargetNode>,
    pub backups: Vec<BackupNode>,
    pub retentions: Vec<RetentionNode>,
    pub assertions: Vec<AssertionNode>,
    /// Names of any kind in text that could not be read.
    pub hidden: HashSet<String>,
    /// A retention could not be read: which backup it names is not known.
    pub hidden_retention: bool,
    /// Text could not be read, and neither are the kinds and names in it known: what seems missing may be there.
    pub blind: bool,
}

impl Document {
    /// Every job: by kind, and within a kind in order of reading.
    pub fn jobs(&self) -> impl Iterator<Item = (JobKind, &JobNode)> {
        let checks = self.checks.iter().map(|node| (JobKind::Check, &node.job));
        let targets = self.targets.iter().map(|node| (JobKind::Target, &node.job));
        let backups = self.backups.iter().map(|node| (JobKind::Backup, &node.job));
        let retentions = self.retentions.iter().map(|node| (JobKind::Retention, &node.job));
        checks.chain(targets).chain(backups).chain(retentions)
    }

    /// No text is unknown that could declare a node.
    pub fn fully_read(&self) -> bool {
        !self.blind && self.hidden.is_empty()
    }

    /// No node of this name can be in text that could not be read.
    pub fn surely_lacks(&self, name: &str) -> bool {
        !self.blind && !self.hidden.contains(name)
    }

    /// Every node that takes `allow`: jobs first.
    pub fn allowing(&self) -> impl Iterator<Item = Allowing<'_>> {
        fn one(allows: &[Allow], extent: Span, damaged: bool) -> Allowing<'_> {
            Allowing {
                allows,
                extent,
                damaged,
            }
        }
        let jobs = self.jobs().map(|(_, job)| one(&job.allows, job.extent, job.damaged));
        let schedules = self.schedules.iter();
        let schedules = schedules.map(|node| one(&node.allows, node.extent, node.damaged));
        let channels = self.channels.iter();
        let channels = channels.map(|node| one(&node.allows, node.extent, node.damaged));
        jobs.chain(schedules).chain(channels)
    }

    /// The model, once no rule has found an error; `links` are in the order of [`Self::jobs`]. `None` cannot happen without
    /// an error: all that is missing was reported.
    pub fn lower(&self, ops: Ops, schedules: Vec<Schedule>, links: Vec<JobLinks>) -> Option<Model> {
        fn all<N, M>(nodes: &[N], lower: impl FnMut(&N) -> Option<M>) -> Option<Vec<M>> {
            nodes.iter().map(lower).collect()
        }
        let mut links = links.into_iter();
        let mut links = || links.next().unwrap_or_default();
        Some(Model {
            ops,
            schedules,
            channels: all(&self.channels, ChannelNode::lower)?,
            checks: all(&self.checks, |node| node.lower(links()))?,
            targets: all(&self.targets, |node| node.lower(links()))?,
            backups: all(&self.backups, |node| node.lower(links()))?,
            retentions: all(&self.retentions, |node| node.lower(links()))?,
        })
    }
}

/// A node that may silence warnings.
#[derive(Debug)]
pub struct Allowing<'a> {
    pub allows: &'a [Allow],
    pub extent: Span,
    /// A part of it could not be read.
    pub damaged: bool,
}
