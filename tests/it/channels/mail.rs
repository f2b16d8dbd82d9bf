//! Mails that arrive: over every kind of way, with every kind of login, as they were meant.

use super::smtp::{Instead, Rules, Server};
use super::{SECRET, channel, dead, deliver, message, secret, sent};
use crate::support::ca::Ca;
use opsrun::channel::answer::Delivery;
use opsrun::model::Channel;
use opsrun::model::channel::{ChannelKind, Email, MailTls};
use opsrun::model::check::Address;
use opsrun::model::command::Value;
use std::path::PathBuf;
use std::time::Duration;

/// To a server, from and to addresses that it takes.
pub struct Letter(pub Email, pub Duration);

impl Letter {
    pub fn to(server: &Server, tls: MailTls) -> Self {
        let email = Email {
            to: vec!["ops@example.com".to_owned(), "boss@example.com".to_owned()],
            from: "opsrun@example.com".to_owned(),
            smtp: Address {
                host: "127.0.0.1".to_owned(),
                port: server.address.port(),
            },
            tls,
            user: None,
            password: None,
            ca_file: None,
        };
        Self(email, super::LONG)
    }

    pub fn trusting(mut self, ca: &Ca) -> Self {
        self.0.ca_file = Some(ca.file());
        self
    }

    pub fn ca_file(mut self, file: PathBuf) -> Self {
        self.0.ca_file = Some(file);
        self
    }

    pub fn by(mut self, user: &str, password: Value) -> Self {
        self.0.user = Some(Value::Plain(user.to_owned()));
        self.0.password = Some(password);
        self
    }

    pub fn within(mut self, limit: Duration) -> Self {
        self.1 = limit;
        self
    }

    pub fn send(self) -> Delivery {
        let channel = Channel {
            timeout: self.1,
            ..channel(ChannelKind::Email(self.0))
        };
        deliver(&channel, &message())
    }
}

/// RFC 2045, section 6.7.
fn from_quoted_printable(text: &str) -> String {
    let text = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'=' {
            let digits = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_mail_arrives_behind_starttls_with_a_login() {
    let ca = Ca::new();
    let server = Rules::starttls(&ca)
        .login("me", SECRET, "AUTH CRAM-MD5 PLAIN LOGIN")
        .serve();
    let letter = Letter::to(&server, MailTls::StartTls)
        .trusting(&ca)
        .by("me", secret(SECRET));
    sent(&letter.send(), "250 2.0.0 queued as 4711");
    let mail = server.mail();
    assert!(mail.secured);
    assert_eq!(mail.user.as_deref(), Some("me"));
    assert_eq!(mail.from, "opsrun@example.com");
    assert_eq!(mail.to, ["ops@example.com", "boss@example.com"]);
    let (head, body) = mail.content.split_once("\r\n\r\n").unwrap();
    for line in [
        "From: opsrun <opsrun@example.com>",
        "To: ops@example.com, boss@example.com",
        "Subject: [shop] check:broker is critical",
        "Message-ID: <opsrun.01KJN8ZQ3V0000000000000001@example.com>",
        "Content-Type: text/plain; charset=utf-8",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(head.split("\r\n").any(|stands| stands == line), "{line} in {head}");
    }
    assert!(head.contains("Content-Transfer-Encoding: quoted-printable"), "{head}");
    assert_eq!(
        from_quoted_printable(body),
        "127.0.0.1:5672: connection refused; größer als erlaubt\r\n\
         • .\r\n\
         • 3 of 3 attempts\r\n\
         → check host and port\r\n\
         web1 · 2026-03-01 12:00:00 UTC · run 01KJN8ZQ3V0000000000000000\r\n"
    );
}

#[test]
fn a_mail_arrives_under_tls_from_the_beginning() {
    let ca = Ca::new();
    let mut rules = Rules::starttls(&ca).login("me", SECRET, "AUTH LOGIN");
    rules.implicit = true;
    let server = rules.serve();
    let letter = Letter::to(&server, MailTls::Tls).trusting(&ca).by("me", secret(SECRET));
    sent(&letter.send(), "queued");
    let mail = server.mail();
    assert!(mail.secured && mail.user.is_some());
}

#[test]
fn a_mail_arrives_in_clear_where_that_is_meant() {
    let server = Rules::in_clear().serve();
    sent(&Letter::to(&server, MailTls::None).send(), "queued");
    let mail = server.mail();
    assert!(!mail.secured && mail.user.is_none());
    // With a login, too; the file must say so.
    let server = Rules::in_clear().login("me", SECRET, "AUTH PLAIN").serve();
    sent(
        &Letter::to(&server, MailTls::None).by("me", secret(SECRET)).send(),
        "queued",
    );
    assert!(server.mail().user.is_some());
}

#[test]
fn the_same_message_is_the_same_mail() {
    let server = Rules::in_clear().serve();
    let mails = [(); 2].map(|()| {
        sent(&Letter::to(&server, MailTls::None).send(), "queued");
        server.mail().content
    });
    assert_eq!(mails[0], mails[1]);
}

#[test]
fn who_is_refused_is_named_and_the_others_get_it() {
    for code in [
        "550 5.1.1 no such user",
        "421 4.3.2 not now",
        "450 4.2.0 later",
        "451 4.7.1 grey",
        "452 mailbox full",
    ] {
        let server = Rules::in_clear().says("RCPT TO:<boss@", code).serve();
        let Delivery::Partial { results, why } = Letter::to(&server, MailTls::None).send() else {
            panic!("{code}")
        };
        assert_eq!(server.mail().to, ["ops@example.com"]);
        assert_eq!(results.taken, ["ops@example.com"]);
        let refused = ("boss@example.com".to_owned(), code.to_owned());
        let (word, expected) = if code.starts_with('5') {
            ("refused", vec![refused])
        } else {
            ("not yet taken", Vec::new())
        };
        assert_eq!(results.refused, expected);
        assert!(
            why.contains(&format!("queued as 4711; {word} for boss@example.com: {code}")),
            "{why}"
        );
    }
}

#[test]
fn a_server_that_hangs_up_because_of_one_recipient_gets_the_mail_for_the_others() {
    let server = Rules::in_clear()
        .instead("RCPT TO:<boss@", Instead::SayAndHangUp("421 4.7.0 too fast\r\n"))
        .serve();
    let mut letter = Letter::to(&server, MailTls::None);
    letter.0.to = ["boss", "ops", "team"].map(|name| format!("{name}@example.com")).into();
    let Delivery::Partial { results, why } = letter.send() else {
        panic!("not in part")
    };
    assert_eq!(results.taken, ["ops@example.com", "team@example.com"]);
    assert!(
        why.contains("not yet taken for boss@example.com: 421 4.7.0 too fast"),
        "{why}"
    );
    assert_eq!(server.mail().to, ["ops@example.com", "team@example.com"]);
}

#[test]
fn a_server_that_has_the_mail_has_it_however_it_ends() {
    for end in [Instead::Stall("22"), Instead::HangUp, Instead::Endless("221-x\r\n")] {
        let server = Rules::in_clear().instead("QUIT", end).serve();
        sent(&Letter::to(&server, MailTls::None).send(), "queued");
        server.mail();
    }
    // Also when there is less time left than a farewell may take: with the first limit that is enough for the rest.
    let server = Rules::in_clear().instead("QUIT", Instead::Stall("")).serve();
    let mut limit = Duration::from_millis(100);
    while let Delivery::Retry { why, .. } = Letter::to(&server, MailTls::None).within(limit).send() {
        limit *= 2;
        assert!(limit < super::LONG, "{why}");
    }
    assert!(server.told.try_iter().all(|told| told.is_ok()));
}

#[test]
fn addresses_beyond_ascii_need_a_server_that_takes_them() {
    let letter = |server: &Server| {
        let mut letter = Letter::to(server, MailTls::None);
        letter.0.to = vec!["büro@example.com".to_owned()];
        letter
    };
    let without = Rules::in_clear().serve();
    dead(&letter(&without).send(), "the server does not offer SMTPUTF8");
    without.nothing();
    let mut rules = Rules::in_clear();
    rules.offers.push("SMTPUTF8");
    let with = rules.serve();
    sent(&letter(&with).send(), "queued");
    let mail = with.mail();
    assert_eq!(mail.to, ["büro@example.com"]);
    assert!(
        mail.content.contains("\r\nTo: büro@example.com\r\n"),
        "{}",
        mail.content
    );
}

#[test]
fn what_is_no_address_is_not_sent() {
    let server = Rules::in_clear().serve();
    for bad in [
        "",
        "ops",
        "ops@example.com>\r\nRCPT TO:<eve@example.com",
        "ops@example.com\r\nBcc: eve@example.com",
    ] {
        let mut letter = Letter::to(&server, MailTls::None);
        letter.0.to = vec![bad.to_owned()];
        dead(&letter.send(), "is not a valid e-mail address");
        let mut letter = Letter::to(&server, MailTls::None);
        letter.0.from = bad.to_owned();
        dead(&letter.send(), "is not a valid e-mail address");
    }
    server.nothing();
}
