//! `ntfy`: a topic of ntfy.
//!
//! Takes a message, the URL with the topic and a token; gives a request: <https://docs.ntfy.sh/publish/>. What is no ASCII
//! goes into a header encoded by RFC 2047, which ntfy understands.
//! Pure. Invariant: never more than the 4096 bytes that ntfy takes as a text; more would become a file.

use super::line::{Room, plainly};
use super::request::Request;
use super::text;
use crate::alert::message::Message;
use crate::model::channel::Severity;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

const ROOM: Room = Room {
    most: 4000,
    size: char::len_utf8,
    write: plainly,
};

const TITLE: usize = 200;

pub fn request(message: &Message, url: SecretString, token: Option<&SecretString>) -> Request {
    // Tags that ntfy shows as pictures.
    let (priority, tag) = match message.severity {
        _ if message.is_over() => ("default", "white_check_mark"),
        Severity::Critical => ("urgent", "rotating_light"),
        Severity::Warning => ("high", "warning"),
        Severity::Info => ("default", "information_source"),
    };
    let plain = |name: &str, value: &str| (name.to_owned(), SecretString::from(value));
    let mut headers = vec![
        plain("Content-Type", "text/plain; charset=utf-8"),
        plain("Title", &encoded(&text::title(message, TITLE))),
        plain("Priority", priority),
        plain("Tags", tag),
    ];
    if let Some(token) = token {
        headers.push(plain("Authorization", &format!("Bearer {}", token.expose_secret())));
    }
    Request {
        url,
        headers,
        body: text::body(message, ROOM).into_bytes(),
    }
}

fn encoded(text: &str) -> String {
    if text.is_ascii() {
        text.to_owned()
    } else {
        format!("=?UTF-8?B?{}?=", STANDARD.encode(text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn shown(request: &Request) -> String {
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.expose_secret()));
        headers.collect::<String>() + "\n" + &String::from_utf8_lossy(&request.body)
    }

    #[test]
    fn a_notification() {
        let token = "tk_1".into();
        let request = request(&samples::trouble(), "https://ntfy.sh/ops".into(), Some(&token));
        insta::assert_snapshot!(shown(&request));
        assert!(!format!("{request:?}").contains("tk_1"), "{request:?}");
    }

    #[test]
    fn a_recovery_is_no_alarm_and_a_title_is_one_line() {
        let mut message = samples::recovery();
        message.ops = "büro\r\nX-Injected: yes".to_owned();
        let request = request(&message, "https://ntfy.sh/ops".into(), None);
        insta::assert_snapshot!(shown(&request));
    }

    #[test]
    fn it_is_short_enough() {
        let request = request(&samples::longest(), "https://a/b".into(), None);
        assert!((3980..=4000).contains(&request.body.len()), "{}", request.body.len());
    }
}
