//! `telegram`: a message from a bot.
//!
//! `sendMessage` of <https://core.telegram.org/bots/api#sendmessage>. There is no parse mode, so nothing in a text is a
//! format. A server that is asked too often says in the body how long to wait.
//! Pure. Invariant: never more than the 4096 characters that Telegram takes, and a token is one segment of the URL.

use super::answer::{self, Delivery, RedactFn};
use super::line::{Room, plainly, short_line};
use super::message::Message;
use super::request::HttpRequest;
use super::service::{MessageScope, ServiceSetting, SettingKind, Settings, WebServiceSpec};
use super::text;
use super::url;
use crate::model::channel::Severity;
use crate::net::posted::{MAX_RETRY_AFTER, Posted};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::time::Duration;

pub const TELEGRAM: WebServiceSpec = WebServiceSpec {
    summary: "a Telegram bot",
    example: "telegram { token from-env=\"TELEGRAM_TOKEN\"; chat \"-100123\"; }",
    settings: &[
        ServiceSetting {
            name: "token",
            kind: SettingKind::Secret,
            variable: "TELEGRAM_TOKEN",
            summary: "the bot's token",
            example: "token from-env=\"TELEGRAM_TOKEN\"",
            ..ServiceSetting::REQUIRED
        },
        ServiceSetting {
            name: "chat",
            kind: SettingKind::Text,
            variable: "TELEGRAM_CHAT",
            summary: "the id of the chat that the bot writes to",
            example: "chat \"-100123\"",
            ..ServiceSetting::REQUIRED
        },
        ServiceSetting {
            name: "api-url",
            kind: SettingKind::Url,
            variable: "TELEGRAM_API_URL",
            summary: "the URL of a Bot API server of your own",
            example: "api-url \"http://127.0.0.1:8081\"",
            default: Some("Telegram's own server"),
            ..ServiceSetting::OPTIONAL
        },
    ],
    custom_headers: false,
    scope: MessageScope::Changes,
    requests,
    verdict,
};

const API_URL: &str = "https://api.telegram.org";

const ROOM: Room = Room {
    most: 4096,
    size: char::len_utf16,
    write: plainly,
};

fn requests(message: &Message, settings: &Settings) -> Result<Vec<HttpRequest>, String> {
    let token = settings.required("token")?.expose_secret();
    // `123456:ABC-def`: anything else would change the URL.
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    if token.is_empty() || !token.chars().all(fine) {
        return Err("the token is not valid: it has digits, a colon, and letters, digits, `_` or `-`".to_owned());
    }
    let document = json!({
        "chat_id": settings.required("chat")?.expose_secret(),
        "text": text::whole(message, ROOM),
        "disable_notification": message.severity == Severity::Info,
        "link_preview_options": { "is_disabled": true },
    });
    let url = url::below(&settings.or("api-url", API_URL), &format!("bot{token}/sendMessage"));
    Ok(vec![HttpRequest::json(url, &document)])
}

fn verdict(posted: &Posted, redact: RedactFn<'_>) -> Delivery {
    let body: Value = serde_json::from_slice(&posted.body).unwrap_or_default();
    let described = body.get("description").and_then(Value::as_str);
    let described = described.map(|text| short_line(&redact(&format!("status {}: {text}", posted.status))));
    match answer::verdict(posted, redact) {
        // Otherwise the body repeats the message.
        Delivery::Sent { .. } => Delivery::Sent {
            answer: described.unwrap_or_else(|| format!("status {}", posted.status)),
        },
        Delivery::Dead { why } => Delivery::dead(described.unwrap_or(why)),
        Delivery::Retry { after, why } => {
            let seconds = body.pointer("/parameters/retry_after").and_then(Value::as_u64);
            let requested = seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
            Delivery::Retry {
                after: requested.or(after),
                why: described.unwrap_or(why),
            }
        }
        partial @ Delivery::Partial { .. } => partial,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests as samples;
    use super::*;

    #[test]
    fn a_message_of_a_bot() {
        let settings = Settings::of([("token", "12:A-b_c"), ("chat", "-100")]);
        let request = requests(&samples::trouble(), &settings).unwrap().remove(0);
        assert_eq!(
            request.url.expose_secret(),
            "https://api.telegram.org/bot12:A-b_c/sendMessage"
        );
        let document: Value = serde_json::from_slice(&request.body).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }

    #[test]
    fn an_invalid_token_is_refused() {
        for token in ["", "a/b", "..", "a?b", "a b", "a\n", "ä"] {
            let settings = Settings::of([("token", token), ("chat", "1")]);
            assert!(requests(&samples::trouble(), &settings).is_err(), "{token:?}");
        }
    }

    #[test]
    fn it_is_short_enough() {
        let settings = Settings::of([("token", "1:a"), ("chat", "1")]);
        let request = requests(&samples::longest(), &settings).unwrap().remove(0);
        let document: Value = serde_json::from_slice(&request.body).unwrap();
        let units = document["text"].as_str().unwrap().encode_utf16().count();
        assert!((4086..=4096).contains(&units), "{units}");
    }

    #[test]
    fn answers_are_read() {
        let verdict = |status, body: &str| {
            let body = body.as_bytes().to_vec();
            let posted = Posted {
                status,
                body,
                retry_after: None,
            };
            verdict(&posted, &str::to_owned)
        };
        let busy = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}"#;
        assert_eq!(
            verdict(429, busy),
            Delivery::Retry {
                after: Some(Duration::from_secs(5)),
                why: "status 429: Too Many Requests: retry after 5".to_owned(),
            }
        );
        let unknown = r#"{"ok":false,"error_code":400,"description":"Bad HttpRequest: chat not found"}"#;
        assert_eq!(
            verdict(400, unknown),
            Delivery::Dead {
                why: "status 400: Bad HttpRequest: chat not found".to_owned(),
            }
        );
        let fine = r#"{"ok":true,"result":{"message_id":7,"text":"hello"}}"#;
        assert_eq!(
            verdict(200, fine),
            Delivery::Sent {
                answer: "status 200".to_owned(),
            }
        );
    }
}
