//! `email`: a message by SMTP.
//!
//! Reports recipients given twice, a user without a password or the reverse, and a password that would be sent unencrypted.

use super::method::{method_setting, missing_feature};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::language::spec::{Args, node, prop, words};
use crate::config::language::types::Type;
use crate::config::nodes::checked_node::{CheckedNode, EachOnce, one_of, text};
use crate::config::nodes::decoder::Decoder;
use crate::config::nodes::exactly_one::KindRow;
use crate::config::nodes::text_or_secret::{CA_FILE, setting};
use crate::config::source::Spanned;
use crate::config::values::Datum;
use crate::model::channel::{ChannelKind, Email, MailTls};
use crate::model::check::Address;

/// On this port TLS begins at once.
const TLS_PORT: u16 = 465;

const TLS: [(&str, MailTls); 3] = [
    ("starttls", MailTls::StartTls),
    ("tls", MailTls::Tls),
    ("none", MailTls::None),
];

const USER_VARIABLE: &str = "SMTP_USER";
const PASSWORD_VARIABLE: &str = "SMTP_PASSWORD";

pub const EMAIL: KindRow<ChannelKind> = KindRow {
    spec: node("email", Args::None)
        .doc("an e-mail message")
        .example("email { to \"ops@example.com\"; from \"opsrun@example.com\"; smtp \"mail.example.com:587\"; }")
        .block(&[&[
            node("to", Args::Many(Type::Mail))
                .doc("the recipients")
                .example("to \"ops@example.com\" \"boss@example.com\"")
                .required(),
            node("from", Args::One(Type::Mail))
                .doc("the sender")
                .example("from \"opsrun@example.com\"")
                .required(),
            node("smtp", Args::One(Type::Address))
                .doc("the mail server")
                .example("smtp \"mail.example.com:587\" tls=\"starttls\"")
                .with(&[
                    prop("tls", Type::Word(&words(&TLS), &[]), "how the connection is encrypted")
                        .otherwise("`\"tls\"` on port 465, otherwise `\"starttls\"`")
                        .example("\"starttls\""),
                ])
                .required(),
            setting("user", Type::Argument, USER_VARIABLE)
                .doc("the user name at the server")
                .example("user \"opsrun\"")
                .rule("with `password`, or neither")
                .otherwise("no login"),
            setting("password", Type::Secret, PASSWORD_VARIABLE)
                .doc("the password of the user")
                .example("password from-file=\"mail-password\"")
                .otherwise("none"),
            CA_FILE,
        ]]),
    decode,
};

fn decode(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<ChannelKind> {
    missing_feature(node, "email", cfg!(feature = "email"), decoder);
    let to = recipients(node, decoder.findings);
    let from = node.value("from", Datum::string);
    let address = node.get("smtp", |value| value.address().cloned());
    let given = node.child("smtp").and_then(|smtp| smtp.prop_value("tls", one_of(&TLS)));
    let tls = match &given {
        Some(given) => given.value,
        None if address.as_ref().is_some_and(|address| address.port == TLS_PORT) => MailTls::Tls,
        None => MailTls::StartTls,
    };
    let user = method_setting(node, "user", USER_VARIABLE, false, decoder);
    let password = method_setting(node, "password", PASSWORD_VARIABLE, true, decoder);
    both_or_neither(node, decoder.findings);
    if let (Some(given), Some(address), Some(secret)) = (given, &address, node.child("password"))
        && tls == MailTls::None
        && !is_local(address)
    {
        decoder.report(
            Finding::new(
                Code::BadValue,
                given.span,
                "the password would be sent unencrypted",
                "no encryption",
            )
            .also(secret.head, "the password")
            .help("write `tls=\"starttls\"` or `tls=\"tls\"`, or leave out `user` and `password`"),
        );
    }
    let ca_file = decoder.file_of(node, "ca-file");
    Some(ChannelKind::Email(Email {
        to: to?,
        from: from?.value,
        smtp: address?,
        tls,
        user: user?,
        password: password?,
        ca_file,
    }))
}

fn is_local(address: &Address) -> bool {
    let ip = address.host.parse::<std::net::IpAddr>();
    address.host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Each once.
fn recipients(node: &CheckedNode, findings: &mut Vec<Finding>) -> Option<Vec<String>> {
    let given = node.child("to")?;
    let mut once = EachOnce::default();
    let mut all = Vec::new();
    for value in &given.args {
        let Spanned { value: address, span } = text(value)?;
        let shown = || format!("recipient `{}`", excerpt(&address));
        match once.again(address.to_ascii_lowercase(), span, shown) {
            Some(finding) => findings.push(finding),
            None => all.push(address),
        }
    }
    (!all.is_empty()).then_some(all)
}

fn both_or_neither(node: &CheckedNode, findings: &mut Vec<Finding>) {
    let (given, label, help) = match (node.child("user"), node.child("password")) {
        (Some(user), None) => (
            user,
            "`password` is missing",
            "add `password from-env=\"SMTP_PASSWORD\"`, or delete `user`",
        ),
        (None, Some(password)) => (password, "`user` is missing", "add `user \"…\"`, or delete `password`"),
        (Some(_), Some(_)) | (None, None) => return,
    };
    if !node.damaged && !node.lost {
        let message = "`user` and `password` belong together";
        findings.push(Finding::new(Code::Missing, given.head, message, label).help(help));
    }
}
