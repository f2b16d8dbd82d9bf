//! `email`: a message to people.
//!
//! Makes a mail (RFC 5322) in plain UTF-8 text, with lines that every server accepts. Its `Message-ID` comes from the id of
//! the message, so that a message that is sent again is the same mail. `Auto-Submitted` (RFC 3834) keeps absence notices
//! from answering.
//! Invariant: nothing in a message can end a header, and no error holds the password.

use crate::channel::answer::{Delivery, RecipientResults};
use crate::channel::line::{self, Room, plainly, short_line};
use crate::channel::message::Message;
use crate::channel::text;
use crate::model::channel::Email;
use crate::net::smtp::{self, Mail, MailAttempt, Reply};
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use secrecy::SecretString;
use std::error::Error;
use std::time::Duration;

const ROOM: Room = Room {
    most: 50_000,
    size: char::len_utf8,
    write: plainly,
};

const MAX_SUBJECT_CHARS: usize = 200;

#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The headers and the body; an error for an invalid address.
pub fn mail(message: &Message, email: &Email) -> Result<Vec<u8>, String> {
    let mailbox = |address: &String, name: Option<&str>| {
        let invalid = |_| {
            format!(
                "`{}` is not a valid e-mail address",
                line::line(address, MAX_SUBJECT_CHARS)
            )
        };
        Ok::<_, String>(Mailbox::new(name.map(str::to_owned), address.parse().map_err(invalid)?))
    };
    let mut builder = lettre::Message::builder()
        .from(mailbox(&email.from, Some("opsrun"))?)
        .subject(text::title(message, MAX_SUBJECT_CHARS))
        .date(message.at.into())
        .message_id(Some(message_id(message, &email.from)))
        .header(AutoSubmitted);
    for address in &email.to {
        builder = builder.to(mailbox(address, None)?);
    }
    let body = text::body(message, ROOM).replace('\n', "\r\n");
    let part = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body);
    let built = builder.singlepart(part).map_err(|error| error.to_string())?;
    Ok(built.formatted())
}

/// `<id@domain of the sender>`, with allowed characters only.
fn message_id(message: &Message, from: &str) -> String {
    let id: String = message.id.chars().filter(char::is_ascii_alphanumeric).collect();
    let domain = from.rsplit('@').next().unwrap_or_default();
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let valid = !domain.is_empty() && domain.chars().all(fine);
    let domain = if valid { domain } else { "opsrun.invalid" };
    format!("<opsrun.{id}@{domain}>")
}

/// One attempt, for these recipients of the channel.
pub(super) async fn send(
    message: &Message,
    email: &Email,
    to: &[String],
    login: Option<(&SecretString, &SecretString)>,
    limit: Duration,
    redact: &(dyn Fn(&str) -> String + Sync),
) -> Delivery {
    let mail = match mail(message, email) {
        Ok(mail) => mail,
        Err(why) => return Delivery::dead(why),
    };
    let sent = smtp::send(Mail {
        host: &email.smtp.host,
        port: email.smtp.port,
        tls: email.tls,
        ca_file: email.ca_file.as_deref(),
        login,
        from: &email.from,
        to,
        message: &mail,
        limit,
    });
    verdict(sent.await, to, redact)
}

fn verdict(attempt: MailAttempt, to: &[String], redact: &(dyn Fn(&str) -> String + Sync)) -> Delivery {
    let shown = |reply: Reply| short_line(&reply.redacted(redact).to_string());
    let (refused, later): (Vec<_>, Vec<_>) = attempt.refused.into_iter().partition(|(_, reply)| reply.is_final());
    let refused = refused.into_iter().map(|(address, reply)| (address, shown(reply)));
    let mut results = RecipientResults {
        taken: Vec::new(),
        refused: refused.collect(),
    };
    let why = match attempt.result {
        Ok(reply) => {
            let missing = |address: &String| later.iter().any(|(known, _)| known == address);
            let taken = to
                .iter()
                .filter(|address| !results.includes(address) && !missing(address));
            results.taken = taken.cloned().collect();
            if results.taken.len() == to.len() {
                return Delivery::Sent { answer: shown(reply) };
            }
            shown(reply)
        }
        Err(error) => {
            let error = error.redacted(redact);
            let why = redact(&error.to_string());
            if error.is_final() {
                return Delivery::dead(short_line(&why));
            }
            if results.refused.is_empty() {
                return Delivery::retry(short_line(&why));
            }
            why
        }
    };
    let later = later.into_iter();
    let later = later.map(|(address, reply)| format!("not yet taken for {address}: {}", shown(reply)));
    let parts: Vec<String> = std::iter::once(why).chain(later).chain(results.refusals()).collect();
    Delivery::Partial {
        results,
        why: short_line(&parts.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests as samples;
    use crate::model::channel::MailTls;
    use crate::model::check::Address;
    use proptest::prelude::*;

    fn email() -> Email {
        Email {
            to: ["ops@example.com", "boss@example.com"].map(str::to_owned).into(),
            from: "opsrun@example.com".to_owned(),
            smtp: Address {
                host: "mail.example.com".to_owned(),
                port: 587,
            },
            tls: MailTls::StartTls,
            user: None,
            password: None,
            ca_file: None,
        }
    }

    fn shown(message: &Message) -> String {
        String::from_utf8(mail(message, &email()).unwrap())
            .unwrap()
            .replace('\r', "")
    }

    #[test]
    fn a_mail() {
        insta::assert_snapshot!(shown(&samples::trouble()));
    }

    #[test]
    fn nothing_ends_a_header() {
        let mut message = samples::recovery();
        message.ops = "büro\r\nBcc: eve@example.com\r\n\r\nhello".to_owned();
        message.id = "01\r\nBcc: eve@example.com".to_owned();
        message.summary = "one\r\n.\r\nQUIT".to_owned();
        insta::assert_snapshot!(shown(&message));
    }

    #[test]
    fn it_is_the_same_mail_each_time() {
        assert_eq!(mail(&samples::trouble(), &email()), mail(&samples::trouble(), &email()));
    }

    #[test]
    fn what_is_no_address_is_said() {
        let wrong = Email {
            to: vec!["ops\r\n@example.com".to_owned()],
            ..email()
        };
        assert_eq!(
            mail(&samples::trouble(), &wrong),
            Err("`ops  @example.com` is not a valid e-mail address".to_owned())
        );
        let idn = Email {
            from: "opsrun@büro.example".to_owned(),
            ..email()
        };
        let text = String::from_utf8(mail(&samples::trouble(), &idn).unwrap()).unwrap();
        assert!(text.contains("@opsrun.invalid>\r\n"), "{text}");
    }

    proptest! {
        #[test]
        fn headers_are_those_that_we_write(ops in "(?s).{0,300}", summary in "(?s).{0,3000}") {
            let message = Message { ops, summary, ..samples::trouble() };
            let mail = String::from_utf8(mail(&message, &email()).unwrap()).unwrap();
            let (head, body) = mail.split_once("\r\n\r\n").unwrap();
            let names: Vec<&str> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap())
                .collect();
            let expected = [
                "From", "Subject", "Date", "Message-ID", "Auto-Submitted", "To", "MIME-Version", "Content-Type",
                "Content-Transfer-Encoding",
            ];
            prop_assert_eq!(names, expected);
            prop_assert!(mail.is_ascii());
            prop_assert!(!mail.replace("\r\n", "").contains(['\r', '\n']));
            prop_assert!(head.split("\r\n").chain(body.split("\r\n")).all(|line| line.len() <= 998));
        }
    }
}
