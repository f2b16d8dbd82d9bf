//! What all jobs share: `needs`, `timeout`, `notify`, `paused`, `allow`, and when they run.

use super::allow::{ALLOW, Allow, allows};
use super::checked_node::{CheckedNode, text};
use super::decoder::{Decoder, HostReference};
use super::schedule::{JobScheduleNode, job_schedule};
use crate::config::language::spec::{Args, Spec, node};
use crate::config::language::types::Type;
use crate::config::source::{Span, Spanned};
use crate::config::values::Datum;
use crate::model::{JobKind, JobName, JobSettings};
use std::time::Duration;

pub const JOB: &[Spec] = &[
    node("notify", Args::Many(Type::Text))
        .doc("the channels to notify; `\"log\"` alone notifies no one")
        .example("notify \"ops\" \"mail\"")
        .otherwise("all channels, by severity"),
    node("needs", Args::Many(Type::Job))
        .doc("jobs that must have succeeded earlier in the run")
        .example("needs \"check:disk\" \"backup:data\"")
        .otherwise("nothing; a retention always needs its backup"),
    node("paused", Args::Flag)
        .doc("excludes the job from every run, and all jobs that need it")
        .example("paused")
        .default("#false"),
    ALLOW,
];

/// The time limit of a job that starts no programs.
pub const TIMEOUT: &[Spec] = &[node("timeout", Args::One(Type::Duration))
    .doc("the time limit for each of the job's steps")
    .example("timeout \"4h\"")
    .otherwise("none")];

/// Properties that the language has and these nodes do not: node, property, what to do instead.
pub const ABSENT_PROPS: &[(&str, &str, &str)] = &[(
    "timeout",
    "kill-after",
    "backups and retentions start no programs that have to be killed: delete it",
)];

#[derive(Debug)]
pub struct JobNode {
    /// Missing or wrong, and reported, when `None`.
    pub name: Option<Spanned<String>>,
    pub head: Span,
    pub extent: Span,
    /// As written.
    pub needs: Vec<Spanned<String>>,
    pub timeout: Option<Spanned<Duration>>,
    pub paused: bool,
    pub when: JobScheduleNode,
    pub notify: Option<NotifyNode>,
    pub allows: Vec<Allow>,
    /// What its commands, secrets and certificates need on the host.
    pub host_references: Vec<HostReference>,
    /// A part of it could not be read.
    pub damaged: bool,
}

#[derive(Debug)]
pub struct NotifyNode {
    pub span: Span,
    /// As written.
    pub channels: Vec<Spanned<String>>,
    /// One of them was wrong, and reported.
    pub damaged: bool,
}

/// What a job needs, and the schedule that it runs by, as the rules resolved them.
#[derive(Debug, Default)]
pub struct JobLinks {
    pub needs: Vec<JobName>,
    pub schedule: Option<String>,
    /// The longest time between two runs.
    pub longest_gap: Option<Duration>,
}

/// Decoded last: takes the host references that were collected.
pub fn job(node: &CheckedNode, decoder: &mut Decoder<'_>) -> JobNode {
    JobNode {
        name: node.text(),
        head: node.head,
        extent: node.extent,
        needs: node
            .child("needs")
            .map(|node| node.args.iter().filter_map(text).collect())
            .unwrap_or_default(),
        timeout: node.value("timeout", Datum::duration),
        paused: node.flag("paused"),
        when: job_schedule(node, decoder.findings),
        notify: node.child("notify").map(notify),
        allows: allows(node),
        host_references: std::mem::take(&mut decoder.host_references),
        damaged: node.damaged,
    }
}

fn notify(node: &CheckedNode) -> NotifyNode {
    let channels: Vec<Spanned<String>> = node.args.iter().filter_map(text).collect();
    NotifyNode {
        span: node.head,
        damaged: channels.is_empty() || channels.len() < node.args.len() || node.damaged,
        channels,
    }
}

impl JobNode {
    /// Empty without a name.
    pub fn name_text(&self) -> &str {
        self.name.as_ref().map_or("", |name| name.value.as_str())
    }

    pub fn full_name(&self, kind: JobKind) -> Option<JobName> {
        Some(JobName::new(kind, &self.name.as_ref()?.value))
    }

    /// The line without a name.
    pub fn name_span(&self) -> Span {
        self.name.as_ref().map_or(self.head, |name| name.span)
    }

    pub fn lower_name(&self) -> Option<String> {
        Some(self.name.as_ref()?.value.clone())
    }

    pub fn lower_timeout(&self) -> Option<Duration> {
        self.timeout.as_ref().map(|timeout| timeout.value)
    }

    pub fn lower(&self, links: JobLinks) -> JobSettings {
        let notify = self.notify.as_ref();
        JobSettings {
            needs: links.needs,
            schedule: links.schedule,
            notify: notify.map(|notify| notify.channels.iter().map(|name| name.value.clone()).collect()),
            paused: self.paused,
        }
    }
}
