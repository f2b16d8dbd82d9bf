//! A build that lacks what a channel needs says so.

use super::{channel, dead, deliver, message};
use opsrun::model::channel::{ChannelKind, Email, MailTls};
use opsrun::model::check::Address;
use opsrun::model::command::Value;

#[test]
fn what_the_build_lacks_is_named() {
    let slack = ChannelKind::Slack {
        url: Value::Plain("http://127.0.0.1/".to_owned()),
        ca_file: None,
    };
    if !cfg!(feature = "http") {
        let reason = "this build of opsrun cannot tell by slack: use one with the feature `http`";
        dead(&deliver(&channel(slack), &message()), reason);
    }
    let email = ChannelKind::Email(Email {
        to: vec!["ops@example.com".to_owned()],
        from: "opsrun@example.com".to_owned(),
        smtp: Address {
            host: "127.0.0.1".to_owned(),
            port: 25,
        },
        tls: MailTls::None,
        user: None,
        password: None,
        ca_file: None,
    });
    if !cfg!(feature = "email") {
        let reason = "this build of opsrun cannot tell by email: use one with the feature `email`";
        dead(&deliver(&channel(email), &message()), reason);
    }
}
