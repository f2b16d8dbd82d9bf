//! The rows of `channel`: over which way somebody is told, and of what.
//!
//! Part of the table in `schema`: with types, examples and a line about each.
//! Invariant: that of the table. Every node of [`WAYS`] is a way, and no other node is.

use super::running::{CA_FILE, FROM_COMMAND, HEADER, SOURCES, WHERE};
use super::{Args, Spec, Type, needed, node, prop};

/// A setting that stands in the file nowhere, only where it comes from.
const fn secret(name: &'static str, doc: &'static str, example: &'static str) -> Spec {
    node(name, Args::Maybe(Type::Secret), doc, example)
        .with(SOURCES)
        .block(&[FROM_COMMAND])
}

const fn open(name: &'static str, ty: Type, doc: &'static str, example: &'static str) -> Spec {
    node(name, Args::Maybe(ty), doc, example)
        .with(SOURCES)
        .block(&[FROM_COMMAND])
}

/// The ways; a channel has exactly one.
pub(in crate::config) const WAYS: &[Spec] = &[
    node(
        "webhook",
        Args::None,
        "a JSON document by POST",
        "webhook { url from-env=\"OPS_WEBHOOK\"; }",
    )
    .block(&[&[
        open(
            "url",
            Type::Url,
            "where to",
            "url \"https://alerts.example.com/opsrun\"",
        )
        .required(),
        secret(
            "hmac",
            "the key that the document is signed with",
            "hmac from-env=\"OPS_WEBHOOK_KEY\"",
        )
        .otherwise("not signed"),
        HEADER,
        CA_FILE,
    ]]),
    node(
        "email",
        Args::None,
        "a message to people",
        "email { to \"ops@example.com\"; from \"opsrun@example.com\"; smtp \"mail.example.com:587\"; }",
    )
    .block(&[&[
        node(
            "to",
            Args::Many(Type::Mail),
            "who gets it",
            "to \"ops@example.com\" \"boss@example.com\"",
        )
        .required(),
        node(
            "from",
            Args::One(Type::Mail),
            "who it is from",
            "from \"opsrun@example.com\"",
        )
        .required(),
        node(
            "smtp",
            Args::One(Type::Address),
            "the server that takes it",
            "smtp \"mail.example.com:587\" tls=\"starttls\"",
        )
        .with(&[prop(
            "tls",
            Type::Word(&["starttls", "tls", "none"], &[]),
            "how the way is protected",
        )
        .otherwise("`\"tls\"` on port 465, otherwise `\"starttls\"`")
        .example("\"starttls\"")])
        .required(),
        open("user", Type::Argument, "who says so to the server", "user \"opsrun\"")
            .rule("with `password`, or neither")
            .otherwise("nobody"),
        secret("password", "of the user", "password from-file=\"mail-password\"").otherwise("none"),
        CA_FILE,
    ]]),
    node(
        "command",
        Args::Then(Type::Program, Type::Argument),
        "a command that gets a JSON document on its standard input",
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
    node(
        "slack",
        Args::None,
        "an incoming webhook of Slack, or of what understands the same",
        "slack { url from-env=\"SLACK_URL\"; }",
    )
    .block(&[&[
        secret("url", "whoever knows it can write", "url from-env=\"SLACK_URL\"").required(),
        CA_FILE,
    ]]),
    node(
        "discord",
        Args::None,
        "a webhook of Discord",
        "discord { url from-env=\"DISCORD_URL\"; }",
    )
    .block(&[&[
        secret("url", "whoever knows it can write", "url from-env=\"DISCORD_URL\"").required(),
        CA_FILE,
    ]]),
    node(
        "telegram",
        Args::None,
        "a bot of Telegram",
        "telegram { token from-env=\"TELEGRAM_TOKEN\"; chat \"-100123\"; }",
    )
    .block(&[&[
        secret("token", "of the bot", "token from-env=\"TELEGRAM_TOKEN\"").required(),
        open("chat", Type::Argument, "the chat that it writes to", "chat \"-100123\"").required(),
        open(
            "api-url",
            Type::Url,
            "of a server of one's own",
            "api-url \"http://127.0.0.1:8081\"",
        )
        .otherwise("that of Telegram"),
        CA_FILE,
    ]]),
    node(
        "ntfy",
        Args::None,
        "a topic of ntfy",
        "ntfy { url \"https://ntfy.example.com/ops\"; }",
    )
    .block(&[&[
        open(
            "url",
            Type::Url,
            "with the topic",
            "url \"https://ntfy.example.com/ops\"",
        )
        .required(),
        secret(
            "token",
            "for topics that not everybody may write to",
            "token from-env=\"NTFY_TOKEN\"",
        )
        .otherwise("none"),
        CA_FILE,
    ]]),
    node(
        "pagerduty",
        Args::None,
        "a service of PagerDuty",
        "pagerduty { routing-key from-env=\"PAGERDUTY_KEY\"; }",
    )
    .block(&[&[
        secret(
            "routing-key",
            "of the integration",
            "routing-key from-env=\"PAGERDUTY_KEY\"",
        )
        .required(),
        open(
            "url",
            Type::Url,
            "of another region",
            "url \"https://events.eu.pagerduty.com/v2/enqueue\"",
        )
        .otherwise("`\"https://events.pagerduty.com/v2/enqueue\"`"),
        CA_FILE,
    ]]),
    node(
        "healthchecks",
        Args::None,
        "a dead man's switch: told of the start, the success and the failure of runs",
        "healthchecks { url from-env=\"HC_URL\"; }",
    )
    .block(&[&[
        open("url", Type::Url, "of the check there", "url from-env=\"HC_URL\"").required(),
        CA_FILE,
    ]]),
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
