//! Mails that do not arrive: refusals, certificates, stalls, and what is no mail server.

use super::mail::Letter;
use super::smtp::{Instead, Rules, Server};
use super::{SECRET, at_once, dead, retry, secret, stalls};
use crate::support::ca::Ca;
use crate::support::stub;
use opsrun::channel::answer::Delivery;
use opsrun::model::channel::MailTls;
use opsrun::model::command::{SecretSource, Value};
use std::io::Write as _;

fn clear(rules: Rules) -> (Server, Delivery) {
    let server = rules.serve();
    let delivery = Letter::to(&server, MailTls::None).send();
    (server, delivery)
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_dead() {
    let stages = [
        ("MAIL", "the sender"),
        ("RCPT", "every recipient"),
        ("DATA", "the message"),
        ("content", "the message"),
    ];
    for (command, what) in stages {
        let (server, delivery) = clear(Rules::in_clear().says(command, "451 4.7.1 greylisted"));
        retry(&delivery, &format!("the server refused {what}: 451 4.7.1 greylisted"));
        server.nothing();
        let (server, delivery) = clear(Rules::in_clear().says(command, "550-5.7.1 we do\r\n550 not"));
        dead(&delivery, &format!("the server refused {what}: 550 5.7.1 we do not"));
        server.nothing();
    }
    // Whoever does not talk says nothing about the message.
    for command in ["greeting", "EHLO"] {
        let (_, delivery) = clear(Rules::in_clear().says(command, "554 no service"));
        retry(&delivery, "the server refused the connection: 554 no service");
    }
    // One that may be taken later is worth coming again.
    let rules = Rules::in_clear()
        .says("RCPT TO:<ops@", "550 never")
        .says("RCPT TO:<boss@", "450 later");
    let Delivery::Partial { results, why } = clear(rules).1 else {
        panic!("not in part")
    };
    assert!(why.contains("the server refused every recipient: 450 later"), "{why}");
    let never = ("ops@example.com".to_owned(), "550 never".to_owned());
    assert_eq!((results.taken, results.refused), (Vec::new(), vec![never]));
}

#[test]
fn a_wrong_password_is_dead_and_not_repeated() {
    let ca = Ca::new();
    for mechanisms in ["AUTH PLAIN", "AUTH LOGIN"] {
        let server = Rules::starttls(&ca).login("me", "another", mechanisms).serve();
        let letter = Letter::to(&server, MailTls::StartTls)
            .trusting(&ca)
            .by("me", secret(SECRET));
        dead(&letter.send(), "the server refused the login: 535 5.7.8 wrong: ");
        server.nothing();
    }
    let server = Rules::starttls(&ca).login("me", SECRET, "AUTH GSSAPI").serve();
    let letter = Letter::to(&server, MailTls::StartTls)
        .trusting(&ca)
        .by("me", secret(SECRET));
    dead(&letter.send(), "the server does not offer a login by PLAIN or LOGIN");
    server.nothing();
}

#[test]
fn nothing_is_sent_without_the_protection_that_was_asked_for() {
    // No STARTTLS is offered, as when somebody in between took it away.
    let server = Rules::in_clear().login("me", SECRET, "AUTH PLAIN").serve();
    let letter = Letter::to(&server, MailTls::StartTls).by("me", secret(SECRET));
    retry(&letter.send(), "the server does not offer STARTTLS");
    server.nothing();
    let ca = Ca::new();
    let server = Rules::starttls(&ca).says("STARTTLS", "454 not now").serve();
    retry(
        &Letter::to(&server, MailTls::StartTls).trusting(&ca).send(),
        "the server refused STARTTLS: 454 not now",
    );
    server.nothing();
    // What is said before TLS is no answer behind it.
    let injected = Instead::Say("220 go\r\n250-mail\r\n250 AUTH PLAIN\r\n".to_owned());
    let server = Rules::starttls(&ca).instead("STARTTLS", injected).serve();
    let letter = Letter::to(&server, MailTls::StartTls).trusting(&ca);
    retry(&letter.send(), "the server sent more than one reply before TLS");
    server.nothing();
}

#[test]
fn a_certificate_that_proves_nothing_is_named() {
    let (ca, other) = (Ca::new(), Ca::named("another"));
    for implicit in [false, true] {
        let tls = if implicit { MailTls::Tls } else { MailTls::StartTls };
        let serve = |names: &[&str], from, to| {
            let (leaf, key) = ca.issue(names, from, to);
            let mut rules = Rules::starttls(&ca);
            rules.tls = Some(std::sync::Arc::new(crate::support::ca::configured(leaf, key)));
            rules.implicit = implicit;
            rules.serve()
        };
        let server = serve(&["127.0.0.1"], -1, 90);
        let not_trusted = "its certificate is not trusted: ";
        for letter in [Letter::to(&server, tls), Letter::to(&server, tls).trusting(&other)] {
            retry(&letter.send(), &format!("{not_trusted}unknown issuer"));
        }
        server.nothing();
        let server = serve(&["a.example"], -1, 90);
        retry(
            &Letter::to(&server, tls).trusting(&ca).send(),
            &format!("{not_trusted}wrong name"),
        );
        let server = serve(&["127.0.0.1"], -90, -3);
        retry(
            &Letter::to(&server, tls).trusting(&ca).send(),
            &format!("{not_trusted}it expired on 2"),
        );
        server.nothing();
        let missing = Letter::to(&server, tls).ca_file("/no/such/ca.pem".into());
        retry(&missing.send(), "the CA file `/no/such/ca.pem` cannot be read");
    }
}

#[test]
fn every_stall_ends_in_time() {
    let commands = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "content"];
    let beginnings = ["", "2", "250-a\r\n250-b\r\n"];
    let all = commands.map(|command| beginnings.map(|beginning| (command, beginning)));
    at_once(all.into_iter().flatten().collect(), |(command, beginning)| {
        let server = Rules::in_clear().instead(command, Instead::Stall(beginning)).serve();
        let what = format!("127.0.0.1:{}: no answer", server.address.port());
        stalls(&what, |limit| Letter::to(&server, MailTls::None).within(limit).send());
        server.nothing();
    });
    // In the handshake.
    let ca = Ca::new();
    let server = Rules::starttls(&ca)
        .instead("STARTTLS", Instead::Stall("220 go\r\n"))
        .serve();
    stalls("no TLS handshake", |limit| {
        Letter::to(&server, MailTls::StartTls)
            .trusting(&ca)
            .within(limit)
            .send()
    });
}

#[test]
fn every_break_is_one_that_passes() {
    for command in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "content"] {
        let (server, delivery) = clear(Rules::in_clear().instead(command, Instead::HangUp));
        retry(&delivery, "the connection");
        server.nothing();
    }
}

#[test]
fn what_is_no_mail_server_is_told_apart() {
    for (garbage, reason) in [
        ("SSH-2.0-OpenSSH_9.9\r\n", "the server does not speak SMTP"),
        ("\0\u{1}\u{2}\r\n", "the server does not speak SMTP"),
        ("220-mail\r\n221 mail\r\n", "the lines of a reply have different codes"),
    ] {
        let server = Rules::in_clear()
            .instead("greeting", Instead::Say(garbage.to_owned()))
            .serve();
        retry(&Letter::to(&server, MailTls::None).send(), reason);
    }
    for line in ["250-x\r\n", "x"] {
        let server = Rules::in_clear().instead("EHLO", Instead::Endless(line)).serve();
        let delivery = Letter::to(&server, MailTls::None).send();
        retry(
            &delivery,
            if line == "x" {
                "127.0.0.1"
            } else {
                "the reply does not end"
            },
        );
        server.nothing();
    }
    // TLS where none was meant, and the reverse.
    let plain = stub::serve(|mut stream, _| {
        let _ = stream.write_all(b"220 mail.example.com ESMTP\r\n");
        stub::stall(&mut stream);
    });
    let server = Server {
        address: plain.address,
        told: std::sync::mpsc::channel().1,
    };
    retry(
        &Letter::to(&server, MailTls::Tls).send(),
        "the server does not speak TLS",
    );
}

#[test]
fn nobody_there_is_one_that_passes() {
    let mut server = Rules::in_clear().serve();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.address = free.local_addr().unwrap();
    drop(free);
    retry(&Letter::to(&server, MailTls::None).send(), "connection refused");
    let mut letter = Letter::to(&server, MailTls::None);
    letter.0.smtp.host = "no-such-host.invalid".to_owned();
    retry(&letter.send(), "no-such-host.invalid");
}

#[test]
fn without_its_password_nothing_is_asked() {
    let server = Rules::in_clear().login("me", SECRET, "AUTH PLAIN").serve();
    let unset = Value::Secret(SecretSource::Env("OPS_NO_SUCH_VARIABLE".to_owned()));
    let letter = Letter::to(&server, MailTls::None).by("me", unset);
    retry(
        &letter.send(),
        "cannot fetch the secret from the variable `OPS_NO_SUCH_VARIABLE`: it is not set",
    );
    server.nothing();
}

#[test]
fn a_connection_that_ends_names_what_was_awaited() {
    let stages = [
        ("greeting", "the server's greeting"),
        ("EHLO", "the reply to EHLO"),
        ("MAIL", "the reply to the sender"),
        ("RCPT", "the reply to a recipient"),
        ("DATA", "the reply to the message"),
        ("content", "the reply to the message"),
    ];
    for (command, what) in stages {
        let (_, delivery) = clear(Rules::in_clear().instead(command, Instead::HangUp));
        retry(&delivery, &format!("the connection was closed before {what}"));
    }
}
