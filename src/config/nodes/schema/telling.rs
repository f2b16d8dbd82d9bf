//! The rows of `channel`: over which way somebody is told, and of what.
//!
//! Part of the table in `schema`: with types, examples and a line about each.
//! Invariant: that of the table. Every node of [`WAYS`] is a way, and no other node is.

use super::running::{CA_FILE, FROM_COMMAND, HEADER, SOURCES, WHERE};
use super::{Args, Spec, Type, needed, node, prop};
use crate::channel::{
    self,
    service::{Setting, SettingKind, WebServiceSpec},
};
use crate::model::channel::WebService;

/// A value that may be secret, or must be: a `ty` of [`Type::Secret`] is not written in the file.
const fn setting(
    name: &'static str,
    ty: Type,
    variable: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Spec {
    node(name, Args::Maybe(ty), doc, example)
        .with(SOURCES)
        .block(&[FROM_COMMAND])
        .variable(variable)
}

/// The row of a setting of a web service.
const fn row(of: &Setting) -> Spec {
    let ty = match of.kind {
        SettingKind::Url => Type::Url,
        SettingKind::SecretUrl | SettingKind::Secret => Type::Secret,
        SettingKind::Text => Type::Argument,
    };
    let mut row = setting(of.name, ty, of.variable, of.summary, of.example);
    row.required = of.required;
    if let Some(words) = of.default {
        row = row.otherwise(words);
    }
    row
}

/// The row of a web service, with its settings as children.
macro_rules! service {
    ($service:expr) => {{
        const SPEC: &WebServiceSpec = channel::spec($service);
        const COUNT: usize = SPEC.settings.len();
        const ROWS: &[Spec] = &{
            let mut rows = [CA_FILE; COUNT];
            let mut at = 0;
            while at < COUNT {
                rows[at] = row(&SPEC.settings[at]);
                at += 1;
            }
            rows
        };
        const OTHERS: &[Spec] = if SPEC.custom_headers {
            &[HEADER, CA_FILE]
        } else {
            &[CA_FILE]
        };
        node($service.word(), Args::None, SPEC.summary, SPEC.example).block(&[ROWS, OTHERS])
    }};
}

/// Every service that [`WAYS`] has.
pub(in crate::config) const WEB_SERVICES: &[WebService] = &[
    WebService::Webhook,
    WebService::Slack,
    WebService::Discord,
    WebService::Telegram,
    WebService::Ntfy,
    WebService::Pagerduty,
    WebService::Healthchecks,
];

/// The delivery methods; a channel has exactly one.
pub(in crate::config) const WAYS: &[Spec] = &[
    service!(WebService::Webhook),
    node(
        "email",
        Args::None,
        "an e-mail message",
        "email { to \"ops@example.com\"; from \"opsrun@example.com\"; smtp \"mail.example.com:587\"; }",
    )
    .block(&[&[
        node(
            "to",
            Args::Many(Type::Mail),
            "the recipients",
            "to \"ops@example.com\" \"boss@example.com\"",
        )
        .required(),
        node(
            "from",
            Args::One(Type::Mail),
            "the sender",
            "from \"opsrun@example.com\"",
        )
        .required(),
        node(
            "smtp",
            Args::One(Type::Address),
            "the mail server",
            "smtp \"mail.example.com:587\" tls=\"starttls\"",
        )
        .with(&[prop(
            "tls",
            Type::Word(&["starttls", "tls", "none"], &[]),
            "how the connection is encrypted",
        )
        .otherwise("`\"tls\"` on port 465, otherwise `\"starttls\"`")
        .example("\"starttls\"")])
        .required(),
        setting(
            "user",
            Type::Argument,
            "SMTP_USER",
            "the user name at the server",
            "user \"opsrun\"",
        )
        .rule("with `password`, or neither")
        .otherwise("no login"),
        setting(
            "password",
            Type::Secret,
            "SMTP_PASSWORD",
            "the password of the user",
            "password from-file=\"mail-password\"",
        )
        .otherwise("none"),
        CA_FILE,
    ]]),
    node(
        "command",
        Args::Then(Type::Program, Type::Argument),
        "a command that is given a JSON document on its standard input",
        "command \"bin/page\"",
    )
    .block(&[WHERE]),
    node(
        "shell",
        Args::One(Type::Argument),
        "the same for a line for /bin/sh",
        "shell \"bin/page | logger\"",
    )
    .block(&[WHERE]),
    service!(WebService::Slack),
    service!(WebService::Discord),
    service!(WebService::Telegram),
    service!(WebService::Ntfy),
    service!(WebService::Pagerduty),
    service!(WebService::Healthchecks),
];

pub(super) const CHANNEL: &[Spec] = &[
    node(
        "min-severity",
        Args::One(Type::Word(&["info", "warning", "critical"], &[])),
        "what is less is not told here",
        "min-severity \"critical\"",
    )
    .default("\"warning\""),
    node(
        "repeat",
        Args::One(Type::Duration),
        "how often what is still bad is told again",
        "repeat \"4h\"",
    )
    .otherwise("once"),
    node(
        "rate-limit",
        Args::One(Type::Integer(1, 100_000)),
        "how many messages at most; the rest comes as a digest",
        "rate-limit 10 per=\"1h\"",
    )
    .with(&[needed("per", Type::Duration, "in so long a time").example("\"1h\"")])
    .otherwise("no limit"),
    node(
        "timeout",
        Args::One(Type::Duration),
        "longest time for one delivery",
        "timeout \"10s\"",
    )
    .default("\"30s\""),
];
