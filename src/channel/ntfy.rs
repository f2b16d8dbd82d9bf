//! `ntfy`: a topic of ntfy.
//!
//! <https://docs.ntfy.sh/publish/>. Text that is not ASCII goes into a header in the encoding of RFC 2047, which ntfy
//! understands.
//! Pure. Invariant: never more than the 4096 bytes that ntfy takes as text; more would become a file.

use super::answer::verdict;
use super::line::{Room, plainly};
use super::message::Message;
use super::request::HttpRequest;
use super::service::{MessageScope, ServiceSetting, SettingKind, Settings, WebServiceSpec};
use super::text;
use crate::model::channel::Severity;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

pub const NTFY: WebServiceSpec = WebServiceSpec {
    summary: "a topic of ntfy",
    example: "ntfy { url \"https://ntfy.example.com/ops\"; }",
    settings: &[
        ServiceSetting {
            name: "url",
            kind: SettingKind::Url,
            variable: "NTFY_URL",
            summary: "the URL of the topic",
            example: "url \"https://ntfy.example.com/ops\"",
            path_names: Some("topic"),
            ..ServiceSetting::REQUIRED
        },
        ServiceSetting {
            name: "token",
            kind: SettingKind::Secret,
            variable: "NTFY_TOKEN",
            summary: "an access token, for a topic that is protected",
            example: "token from-env=\"NTFY_TOKEN\"",
            default: Some("none"),
            ..ServiceSetting::OPTIONAL
        },
    ],
    custom_headers: false,
    scope: MessageScope::Changes,
    requests,
    verdict,
};

const ROOM: Room = Room {
    most: 4000,
    size: char::len_utf8,
    write: plainly,
};

const MAX_TITLE: usize = 200;

fn requests(message: &Message, settings: &Settings) -> Result<Vec<HttpRequest>, String> {
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
        plain("Title", &encoded(&text::title(message, MAX_TITLE))),
        plain("Priority", priority),
        plain("Tags", tag),
    ];
    if let Some(token) = settings.get("token") {
        headers.push(plain("Authorization", &format!("Bearer {}", token.expose_secret())));
    }
    Ok(vec![HttpRequest {
        url: settings.required("url")?.clone(),
        headers,
        body: text::body(message, ROOM).into_bytes(),
    }])
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
    use super::super::tests as samples;
    use super::*;

    fn shown(request: &HttpRequest) -> String {
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.expose_secret()));
        headers.collect::<String>() + "\n" + &String::from_utf8_lossy(&request.body)
    }

    #[test]
    fn a_notification() {
        let settings = Settings::of([("url", "https://ntfy.sh/ops"), ("token", "tk_1")]);
        let request = requests(&samples::trouble(), &settings).unwrap().remove(0);
        insta::assert_snapshot!(shown(&request));
        assert!(!format!("{request:?}").contains("tk_1"), "{request:?}");
    }

    #[test]
    fn a_recovery_is_no_alarm_and_a_title_is_one_line() {
        let mut message = samples::recovery();
        message.ops = "büro\r\nX-Injected: yes".to_owned();
        let request = requests(&message, &Settings::of([("url", "https://ntfy.sh/ops")]))
            .unwrap()
            .remove(0);
        insta::assert_snapshot!(shown(&request));
    }

    #[test]
    fn it_is_short_enough() {
        let settings = Settings::of([("url", "https://a/b")]);
        let request = requests(&samples::longest(), &settings).unwrap().remove(0);
        assert!((3980..=4000).contains(&request.body.len()), "{}", request.body.len());
    }
}
