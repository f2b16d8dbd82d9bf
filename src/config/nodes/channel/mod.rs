//! `channel`: a destination for alerts, with one delivery method.
//!
//! The web services are described in [`crate::channel`], `email` and `command` in files here; [`METHODS`] is the only list of
//! them. Reports a channel without a method or with several, and one with the name that is reserved.

mod command;
mod email;
mod method;
mod web;

use super::allow::{ALLOW, Allow, allows};
use super::checked_node::{CheckedNode, one_of};
use super::decoder::{Decoder, HostReference};
use super::exactly_one::{KindRow, Kinds, exactly_one, specs};
use super::text_or_secret::suggested_variable;
use crate::channel::scope;
use crate::channel::service::MessageScope;
use crate::config::findings::{Code, Finding};
use crate::config::language::spec::{Args, Spec, node, required_prop, words};
use crate::config::language::types::Type;
use crate::config::source::{Span, Spanned};
use crate::config::values::Datum;
use crate::model::channel::{ChannelKind, LOG, RateLimit, Severity, WebService};
use crate::model::{Channel, JobName};
use std::time::Duration;
use web::{FollowedJobs, followed, web_service};

/// Every delivery method; a channel has exactly one.
const METHODS: [KindRow<ChannelKind>; 10] = [
    web_service!(WebService::Webhook),
    email::EMAIL,
    command::COMMAND,
    command::SHELL,
    web_service!(WebService::Slack),
    web_service!(WebService::Discord),
    web_service!(WebService::Telegram),
    web_service!(WebService::Ntfy),
    web_service!(WebService::Pagerduty),
    web_service!(WebService::Healthchecks),
];

/// The rows of [`METHODS`].
pub const METHOD_SPECS: &[Spec] = &specs(&METHODS);

const KINDS: Kinds<ChannelKind> = Kinds {
    rows: &METHODS,
    noun: "delivery method",
    needed: "needs exactly one",
    missing: Code::Missing,
    several: Code::Repeated,
    example: email::EMAIL.spec.example,
    split: |name| {
        format!(
            "write one channel for each, such as `channel \"{name}-2\" {{ … }}`: \
             a job without `notify` notifies all of them"
        )
    },
};

const SEVERITIES: [(&str, Severity); 3] = [
    ("info", Severity::Info),
    ("warning", Severity::Warning),
    ("critical", Severity::Critical),
];

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

const DEFAULT_RATE_LIMIT: RateLimit = RateLimit {
    count: 30,
    per: Duration::from_secs(600),
};

pub const CHANNEL: Spec = node("channel", Args::One(Type::Name))
    .doc("a destination for alerts")
    .example("channel \"ops\" { webhook { url from-env=\"OPS_WEBHOOK\"; }; min-severity \"warning\"; }")
    .block(&[
        METHOD_SPECS,
        &[
            node("min-severity", Args::One(Type::Word(&words(&SEVERITIES), &[])))
                .doc("the lowest severity that this channel receives")
                .example("min-severity \"critical\"")
                .default("\"warning\""),
            node("repeat", Args::One(Type::Duration))
                .doc("how often an alert is repeated while the state is still bad")
                .example("repeat \"4h\"")
                .otherwise("once"),
            node("rate-limit", Args::One(Type::Integer(1, 100_000)))
                .doc("the maximum number of messages; further ones are joined into a digest")
                .example("rate-limit 10 per=\"1h\"")
                .with(&[required_prop("per", Type::Duration, "the period in which they are counted").example("\"1h\"")])
                .otherwise("30 in 10 minutes; no limit for `pagerduty` and `healthchecks`, which count by themselves"),
            node("unlimited", Args::Flag)
                .doc("sends every message by itself, however many there are")
                .example("unlimited")
                .rule("not with `rate-limit`")
                .default("#false"),
            node("fallback", Args::One(Type::Text))
                .doc("the channel that receives what this one gives up")
                .example("fallback \"mail\"")
                .otherwise("what is given up is only logged"),
            node("timeout", Args::One(Type::Duration))
                .doc("the time limit for one delivery")
                .example("timeout \"10s\"")
                .default("\"30s\""),
        ],
        &[ALLOW],
    ])
    .rule("exactly one delivery method")
    .repeats();

#[derive(Debug)]
pub struct ChannelNode {
    /// Missing or wrong, and reported, when `None`.
    pub name: Option<Spanned<String>>,
    pub extent: Span,
    pub kind: Option<ChannelKind>,
    pub min_severity: Severity,
    pub repeat: Option<Duration>,
    pub rate_limit: Option<RateLimit>,
    pub unlimited: bool,
    /// As written.
    pub fallback: Option<Spanned<String>>,
    pub follows: Option<FollowedJobs>,
    pub timeout: Duration,
    pub allows: Vec<Allow>,
    /// What its command, secrets and certificates need on the host.
    pub host_references: Vec<HostReference>,
    /// A part of it could not be read.
    pub damaged: bool,
}

impl ChannelNode {
    pub fn lower(&self) -> Option<Channel> {
        Some(Channel {
            name: self.name.as_ref()?.value.clone(),
            kind: self.kind.clone()?,
            min_severity: self.min_severity,
            repeat: self.repeat,
            rate_limit: self.limit(),
            fallback: self.fallback.as_ref().map(|name| name.value.clone()),
            follows: match &self.follows {
                Some(follows) => {
                    let names = follows.jobs.iter().map(|job| job.value.parse().ok());
                    Some(names.collect::<Option<Vec<JobName>>>()?)
                }
                None => None,
            },
            timeout: self.timeout,
        })
    }

    /// Messages to people are limited; services that track each subject or each run are not.
    fn limit(&self) -> Option<RateLimit> {
        let for_people = self.scope() == Some(MessageScope::Changes);
        self.rate_limit
            .or((for_people && !self.unlimited).then_some(DEFAULT_RATE_LIMIT))
    }

    /// Unknown while the delivery method is.
    pub fn scope(&self) -> Option<MessageScope> {
        self.kind.as_ref().map(scope)
    }
}

/// The environment variable that usually holds a setting of a delivery method.
pub fn usual_variable(method: &str, setting: &str) -> String {
    let spec = METHOD_SPECS.iter().find(|spec| spec.name == method);
    let known = spec.and_then(|spec| spec.child(setting)?.variable);
    known.map_or_else(|| suggested_variable(setting), str::to_owned)
}

pub fn channel(node: &CheckedNode, decoder: &mut Decoder<'_>) -> ChannelNode {
    let method = exactly_one(node, &KINDS, decoder);
    let name = node.text();
    if let Some(name) = name.as_ref().filter(|name| name.value == LOG) {
        decoder.report(
            Finding::new(
                Code::BadValue,
                name.span,
                format!("the channel name `{LOG}` is reserved"),
                "always exists",
            )
            .help("use another name, such as \"ops\""),
        );
    }
    if let (true, Some(limit), Some(unlimited)) = (
        node.flag("unlimited"),
        node.child("rate-limit"),
        node.child("unlimited"),
    ) {
        decoder.report(
            Finding::new(
                Code::BadValue,
                unlimited.head,
                "`unlimited` and `rate-limit` contradict each other",
                "no limit",
            )
            .also(limit.head, "a limit")
            .help("delete one of them"),
        );
    }
    let follows = method.as_ref().and_then(|(node, kind)| followed(kind.as_ref()?, node));
    ChannelNode {
        name,
        extent: node.extent,
        kind: method.and_then(|(_, kind)| kind),
        min_severity: node
            .get("min-severity", one_of(&SEVERITIES))
            .unwrap_or(Severity::Warning),
        repeat: node.get("repeat", Datum::duration),
        rate_limit: node.child("rate-limit").and_then(rate_limit),
        unlimited: node.flag("unlimited"),
        fallback: node.child("fallback").and_then(CheckedNode::text),
        follows,
        timeout: node.get("timeout", Datum::duration).unwrap_or(DEFAULT_TIMEOUT),
        allows: allows(node),
        host_references: std::mem::take(&mut decoder.host_references),
        damaged: node.is_incomplete(),
    }
}

fn rate_limit(node: &CheckedNode) -> Option<RateLimit> {
    Some(RateLimit {
        count: node.args.first()?.value.small()?,
        per: node.get_prop("per", Datum::duration)?,
    })
}
