//! A build that lacks what a channel needs says so.

use super::{channel, dead, deliver, message, web};
use opsrun::model::channel::{ChannelKind, Email, MailTls, WebService};
use opsrun::model::check::Address;
use opsrun::model::command::Value;

#[test]
fn what_the_build_lacks_is_named() {
    let slack = web(
        WebService::Slack,
        [("url", Value::Plain("http://127.0.0.1/".to_owned()))],
    );
    if !cfg!(feature = "http") {
        let reason = "this opsrun was built without the feature `http`, which slack needs";
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
        let reason = "this opsrun was built without the feature `email`, which email needs";
        dead(&deliver(&channel(email), &message()), reason);
    }
}

#[test]
fn a_file_that_names_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ops.kdl");
    let text = r#"
ops version=1
channel "one" { slack { url from-env="SLACK_URL"; }; }
channel "two" { email { to "a@example.com"; from "b@example.com"; smtp "mail.example.com:587"; }; }
channel "three" { command "bin/page"; }
target "list" { command "/bin/ls"; }
"#;
    std::fs::write(&file, text).unwrap();
    let loaded = opsrun::config::load(&file).unwrap();
    let shown = loaded.render(false, 100);
    for (kind, built) in [("slack", cfg!(feature = "http")), ("email", cfg!(feature = "email"))] {
        let message = format!("this build of opsrun cannot send by `{kind}`");
        assert_eq!(shown.contains(&message), !built, "{shown}");
    }
    let lacking = usize::from(!cfg!(feature = "http")) + usize::from(!cfg!(feature = "email"));
    assert_eq!(loaded.errors(), lacking, "{shown}");
}
