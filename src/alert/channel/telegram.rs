//! `telegram`: a message of a bot.
//!
//! Takes a message, the bot's token, the chat and the API's address; gives a request: `sendMessage` of
//! <https://core.telegram.org/bots/api#sendmessage>. There is no parse mode, so nothing in a text is a format. When it is
//! asked too often, Telegram says how long to wait in the body.
//! Pure. Invariant: never more than the 4096 characters that Telegram takes, and a token is one word of the address.

use super::line::{Room, plainly};
use super::request::{self, Redact, Request};
use super::text;
use super::url;
use crate::alert::message::Message;
use crate::alert::sender::Delivery;
use crate::model::channel::Severity;
use crate::net::post::Posted;
use crate::net::retry_after::LONGEST;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const API: &str = "https://api.telegram.org";

const ROOM: Room = Room {
    most: 4096,
    size: char::len_utf16,
    write: plainly,
};

/// A message in the chat; `None` when the token is none.
pub fn request(message: &Message, token: &SecretString, chat: &SecretString, api: &SecretString) -> Option<Request> {
    let token = token.expose_secret();
    // `123456:ABC-def`: anything else would lead elsewhere.
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    if token.is_empty() || !token.chars().all(fine) {
        return None;
    }
    let document = json!({
        "chat_id": chat.expose_secret(),
        "text": text::whole(message, ROOM),
        "disable_notification": message.severity == Severity::Info,
        "link_preview_options": { "is_disabled": true },
    });
    Some(Request::json(
        url::below(api, &format!("bot{token}/sendMessage")),
        &document,
    ))
}

pub(super) fn verdict(posted: &Posted, redact: Redact<'_>) -> Delivery {
    let body: Value = serde_json::from_slice(&posted.body).unwrap_or_default();
    let described = body.get("description").and_then(Value::as_str);
    let described = described.map(|text| super::said(redact(&format!("status {}: {text}", posted.status))));
    match request::verdict(posted, redact) {
        // What stands there otherwise is the message itself.
        Delivery::Sent { .. } => Delivery::Sent {
            answer: described.unwrap_or_else(|| format!("status {}", posted.status)),
        },
        Delivery::Dead { why } => Delivery::Dead {
            why: described.unwrap_or(why),
        },
        Delivery::Retry { after, why } => {
            let told = body.pointer("/parameters/retry_after").and_then(Value::as_u64);
            Delivery::Retry {
                after: told.map(|seconds| Duration::from_secs(seconds).min(LONGEST)).or(after),
                why: described.unwrap_or(why),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_message_of_a_bot() {
        let request = request(&samples::trouble(), &"12:A-b_c".into(), &"-100".into(), &API.into()).unwrap();
        assert_eq!(
            request.url.expose_secret(),
            "https://api.telegram.org/bot12:A-b_c/sendMessage"
        );
        let document: Value = serde_json::from_slice(&request.body).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }

    #[test]
    fn what_is_no_token_leads_nowhere() {
        for token in ["", "a/b", "..", "a?b", "a b", "a\n", "ä"] {
            let request = request(&samples::trouble(), &token.into(), &"1".into(), &API.into());
            assert!(request.is_none(), "{token:?}");
        }
    }

    #[test]
    fn it_is_short_enough() {
        let request = request(&samples::longest(), &"1:a".into(), &"1".into(), &API.into()).unwrap();
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
        let unknown = r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#;
        assert_eq!(
            verdict(400, unknown),
            Delivery::Dead {
                why: "status 400: Bad Request: chat not found".to_owned(),
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
