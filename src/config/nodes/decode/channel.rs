//! `channel`: a reading becomes a [`ChannelNode`] with its one way.
//!
//! Takes a checked reading, gives the node; reports a channel with no way or several, one that is called like the one
//! that always exists, secrets without a source, and a password that would be sent in clear.
//! Invariant: a reading's every value is used here.

use super::command::{command, headers, suggested_variable, value};
use super::{allows, arg, duration, hurt, path, small, text};
use crate::channel;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::{ChannelNode, EmailNode, TextNode, WayNode, WebNode};
use crate::config::nodes::reader::{Datum, Reading};
use crate::config::nodes::schema::{Spec, WAYS, WEB_SERVICES};
use crate::config::source::{Span, Spanned};
use crate::model::channel::{LOG, MailTls, RateLimit, Severity, WebService};
use crate::model::check::Address;
use std::collections::HashMap;

/// Where TLS begins at once.
const TLS_PORT: u16 = 465;

pub(in crate::config) fn channel(reading: &Reading, findings: &mut Vec<Finding>) -> ChannelNode {
    let ways: Vec<&Reading> = reading
        .children
        .iter()
        .filter(|child| WAYS.iter().any(|spec| spec.name == child.spec_name))
        .collect();
    let mut read: Vec<Option<WayNode>> = ways.iter().map(|node| way(node, findings)).collect();
    let name = reading.args.first().and_then(text);
    let shown = name.as_ref().map_or("…", |name| name.value.as_str());
    match ways.as_slice() {
        [] if reading.damaged || reading.lost => {}
        [] => findings.push(
            Finding::new(
                Code::Missing,
                reading.head,
                format!("the channel `{}` leads nowhere", excerpt(shown)),
                "needs exactly one way",
            )
            .help(format!(
                "add one of: {}; for example `email {{ to \"ops@example.com\"; from \"opsrun@example.com\"; smtp \"mail.example.com:587\"; }}`",
                WAYS.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", ")
            )),
        ),
        [_] => {}
        [first, others @ ..] => {
            let mut finding = Finding::new(
                Code::Repeated,
                others.first().map_or(first.head, |other| other.head),
                format!("the channel `{}` has {} ways", excerpt(shown), ways.len()),
                "a second one",
            )
            .also(first.head, "the first");
            for other in others.iter().skip(1) {
                finding = finding.also(other.head, "another one");
            }
            findings.push(finding.help(format!(
                "make a channel of each, such as `channel \"{}-2\" {{ … }}`: without `notify` a job tells all of them",
                excerpt(shown)
            )));
        }
    }
    if let Some(name) = name.as_ref().filter(|name| name.value == LOG) {
        findings.push(
            Finding::new(
                Code::BadValue,
                name.span,
                format!("the channel `{LOG}` always exists"),
                "this name is taken",
            )
            .help("give this one another name, such as \"ops\""),
        );
    }
    let min_severity = arg(reading, "min-severity").and_then(text);
    ChannelNode {
        name,
        extent: reading.extent,
        way: if read.len() == 1 { read.pop().flatten() } else { None },
        min_severity: match min_severity.as_ref().map(|word| word.value.as_str()) {
            Some("info") => Severity::Info,
            Some("critical") => Severity::Critical,
            _ => Severity::Warning,
        },
        repeat: arg(reading, "repeat").and_then(duration),
        rate_limit: reading.child("rate-limit").and_then(|node| {
            Some(RateLimit {
                count: node.args.first().and_then(small)?,
                per: node.prop("per").and_then(duration)?,
            })
        }),
        timeout: arg(reading, "timeout").and_then(duration),
        allows: allows(reading),
        damaged: hurt(reading),
    }
}

/// One delivery method; `None` when something in it is wrong, and reported.
fn way(node: &Reading, findings: &mut Vec<Finding>) -> Option<WayNode> {
    let mut needs = |feature: &str, built: bool| {
        if !built {
            findings.push(
                Finding::new(
                    Code::BadValue,
                    node.head,
                    format!("this build of opsrun cannot send by `{}`", node.spec_name),
                    format!("needs the feature `{feature}`"),
                )
                .help("use a build with that feature, or a `command`"),
            );
        }
    };
    if let Some(service) = WEB_SERVICES.iter().find(|service| service.word() == node.spec_name) {
        needs("http", cfg!(feature = "http"));
        return web(*service, node, findings).map(WayNode::Web);
    }
    if node.spec_name == "email" {
        needs("email", cfg!(feature = "email"));
        return email(node, findings).map(|email| WayNode::Email(Box::new(email)));
    }
    command(node, node, findings).map(WayNode::Command)
}

fn spec_of(kind: &str, setting: &str) -> Option<&'static Spec> {
    WAYS.iter().find(|spec| spec.name == kind)?.child(setting)
}

/// The environment variable that usually holds a setting of a channel.
pub(in crate::config) fn usual_variable(kind: &str, setting: &str) -> String {
    let known = spec_of(kind, setting).and_then(|spec| spec.variable);
    known.map_or_else(|| suggested_variable(setting), str::to_owned)
}

/// `None` in the outer place: wrong, and reported; in the inner one: not given.
#[expect(clippy::option_option, reason = "not given and wrong are two things")]
fn setting(node: &Reading, name: &'static str, findings: &mut Vec<Finding>) -> Option<Option<TextNode>> {
    let Some(child) = node.child(name) else {
        return Some(None);
    };
    let variable = usual_variable(node.spec_name, name);
    let secret = spec_of(node.spec_name, name).is_some_and(Spec::is_secret);
    let empty = child.args.is_empty() && child.props.is_empty() && child.children.is_empty();
    if secret && empty && !child.damaged && !child.lost {
        findings.push(
            Finding::new(
                Code::Missing,
                child.head,
                format!("`{name}` has no source"),
                "a secret, which is not written in the file",
            )
            .help(format!(
                "write `{name} from-env=\"{variable}\"`, `from-file=\"…\"` or `{{ from-command \"…\"; }}`"
            )),
        );
        return None;
    }
    value(child, &variable, 0, findings).map(Some)
}

fn web(service: WebService, node: &Reading, findings: &mut Vec<Finding>) -> Option<WebNode> {
    let mut fine = true;
    let mut settings = Vec::new();
    for spec in channel::spec(service).settings {
        match setting(node, spec.name, findings) {
            Some(Some(value)) => {
                if let (Some(what), TextNode::Plain(url)) = (spec.path_names, &value) {
                    without_path(node, spec.name, what, url, findings);
                }
                settings.push((spec.name, value));
            }
            Some(None) => {}
            None => fine = false,
        }
    }
    let headers = headers(node, findings);
    fine.then(|| WebNode {
        service,
        settings,
        headers,
        ca_file: path(node, "ca-file"),
    })
}

/// A URL that ends with the server, where the path names something.
fn without_path(node: &Reading, setting: &str, what: &str, url: &str, findings: &mut Vec<Finding>) {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    let given = path.is_some_and(|(_, path)| !path.split(['?', '#']).next().unwrap_or_default().is_empty());
    if let Some(value) = arg(node, setting).filter(|_| !given) {
        findings.push(
            Finding::new(
                Code::BadValue,
                value.span,
                format!("the URL names no {what}"),
                "ends with the server",
            )
            .help(format!(
                "add the {what}: `{setting} \"{}/ops\"`",
                excerpt(url.trim_end_matches('/'))
            )),
        );
    }
}

fn email(node: &Reading, findings: &mut Vec<Finding>) -> Option<EmailNode> {
    let to = recipients(node, findings);
    let from = arg(node, "from").and_then(text);
    let smtp = node.child("smtp");
    let address = smtp.and_then(|smtp| match smtp.args.first().map(|value| &value.value) {
        Some(Datum::Address(address)) => Some(address.clone()),
        _ => None,
    });
    let given = smtp.and_then(|smtp| smtp.prop("tls"));
    let tls = match given.and_then(text).as_ref().map(|word| word.value.as_str()) {
        Some("none") => MailTls::None,
        Some("tls") => MailTls::Tls,
        Some("starttls") => MailTls::StartTls,
        _ if address.as_ref().is_some_and(|address| address.port == TLS_PORT) => MailTls::Tls,
        _ => MailTls::StartTls,
    };
    let user = setting(node, "user", findings);
    let password = setting(node, "password", findings);
    both_or_neither(node, findings);
    if let (Some(given), Some(address), Some(secret)) = (given, &address, node.child("password"))
        && tls == MailTls::None
        && !is_local(address)
    {
        findings.push(
            Finding::new(
                Code::BadValue,
                given.span,
                "the password would cross the network in clear",
                "nothing protects the way",
            )
            .also(secret.head, "the password")
            .help("write `tls=\"starttls\"` or `tls=\"tls\"`, or leave out `user` and `password`"),
        );
    }
    Some(EmailNode {
        to: to?,
        from: from?.value,
        smtp: address?,
        tls,
        user: user?,
        password: password?,
        ca_file: path(node, "ca-file"),
    })
}

fn is_local(address: &Address) -> bool {
    let ip = address.host.parse::<std::net::IpAddr>();
    address.host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Each once.
fn recipients(node: &Reading, findings: &mut Vec<Finding>) -> Option<Vec<String>> {
    let given = node.child("to")?;
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut all = Vec::new();
    for value in &given.args {
        let Spanned { value: address, span } = text(value)?;
        if let Some(first) = seen.insert(address.to_ascii_lowercase(), span) {
            findings.push(
                Finding::new(
                    Code::Repeated,
                    span,
                    format!("`{}` gets it twice", excerpt(&address)),
                    "again here",
                )
                .also(first, "first here")
                .help("delete one of them"),
            );
            continue;
        }
        all.push(address);
    }
    (!all.is_empty()).then_some(all)
}

/// A name without a password, or the reverse, opens no door.
fn both_or_neither(node: &Reading, findings: &mut Vec<Finding>) {
    let (given, label, help) = match (node.child("user"), node.child("password")) {
        (Some(user), None) => (
            user,
            "`password` is missing",
            "add `password from-env=\"SMTP_PASSWORD\"`, or delete `user`",
        ),
        (None, Some(password)) => (
            password,
            "`user` is missing",
            "add `user \"…\"`, the name that the password belongs to, or delete `password`",
        ),
        _ => return,
    };
    if node.damaged || node.lost {
        return;
    }
    findings.push(
        Finding::new(
            Code::Missing,
            given.head,
            "`user` and `password` belong together",
            label,
        )
        .help(help),
    );
}
