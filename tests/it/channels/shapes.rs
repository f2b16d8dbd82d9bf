//! What arrives, held against what the services document: method, path, headers, and the schema of the body.

use super::web::{PATH, at, news};
use super::{SECRET, channel, deliver, message, secret, sent};
use crate::support::stub::{self, Stub, answer};
use opsrun::channel::message::{DigestPart, Message, MessageKind};
use opsrun::model::Channel;
use opsrun::model::channel::{ChannelKind, Severity, WebChannel, WebService};
use opsrun::model::command::Value;
use opsrun::run::State;
use serde_json::json;

/// A request, taken apart.
struct Request {
    line: String,
    head: String,
    body: String,
}

impl Request {
    fn next(stub: &Stub) -> Self {
        let text = stub.received.try_recv().unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (line, head) = head.split_once("\r\n").unwrap();
        Self {
            line: line.to_owned(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The only value of that header.
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let named = self.head.split("\r\n").filter_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        });
        let values: Vec<&str> = named.collect();
        assert_eq!(values.len(), 1, "{name}: {values:?}");
        values[0]
    }

    /// The body, which this JSON Schema describes.
    #[track_caller]
    fn json(&self, schema: &serde_json::Value) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/json");
        let document = serde_json::from_str(&self.body).unwrap();
        let schema = jsonschema::validator_for(schema).unwrap();
        let wrong: Vec<String> = schema.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?} in {document:#}");
        document
    }
}

/// Sends to the kind with that number of `every`, which is answered so.
fn asked(kind: usize, message: Option<Message>, status: &str, body: &str) -> Request {
    let stub = stub::answers(answer(status, "", body));
    let channel: Channel = at(&stub).swap_remove(kind);
    let message = message.unwrap_or_else(|| news(&channel));
    sent(&deliver(&channel, &message), "status 2");
    let request = Request::next(&stub);
    assert!(request.header("user-agent").starts_with("opsrun/"));
    assert_eq!(request.header("host"), stub.address.to_string());
    assert_eq!(stub.received.try_iter().count(), 0);
    request
}

/// HMAC by its definition (RFC 2104), from the hash alone.
fn hmac(key: &[u8], body: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    assert!(key.len() <= 64);
    let padded = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(body).finalize();
    let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
    opsrun::units::hex(&outer)
}

#[test]
fn webhook() {
    let request = asked(0, None, "204 No Content", "");
    assert_eq!(request.line, format!("POST /{PATH} HTTP/1.1"));
    assert_eq!(serde_json::from_str::<Message>(&request.body).unwrap(), message());
    assert_eq!(request.header("idempotency-key"), message().id);
    assert_eq!(request.header("authorization"), SECRET);
    let signature = format!("sha256={}", hmac(SECRET.as_bytes(), request.body.as_bytes()));
    assert_eq!(request.header("x-opsrun-signature"), signature);
}

#[test]
fn slack() {
    let request = asked(1, None, "200 OK", "ok");
    assert_eq!(request.line, format!("POST /{PATH} HTTP/1.1"));
    let document = request.json(&json!({
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": { "type": "string", "minLength": 1, "maxLength": 40000 },
            "mrkdwn": { "type": "boolean" },
            "unfurl_links": { "type": "boolean" },
            "unfurl_media": { "type": "boolean" },
        },
        "additionalProperties": false,
    }));
    assert!(document["text"].as_str().unwrap().contains("check:broker is critical"));
}

#[test]
fn discord() {
    let request = asked(2, None, "200 OK", "{\"id\":\"1\"}");
    assert_eq!(request.line, format!("POST /{PATH}?wait=true HTTP/1.1"));
    request.json(&json!({
        "type": "object",
        "required": ["content", "allowed_mentions"],
        "properties": {
            "content": { "type": "string", "minLength": 1, "maxLength": 2000 },
            "allowed_mentions": {
                "type": "object",
                "properties": { "parse": { "type": "array", "maxItems": 0 } },
                "additionalProperties": false,
            },
            "flags": { "enum": [4] },
        },
        "additionalProperties": false,
    }));
}

#[test]
fn telegram() {
    let request = asked(3, None, "200 OK", r#"{"ok":true,"result":{"message_id":1}}"#);
    assert_eq!(request.line, "POST /bot123:hunter2-hunter2/sendMessage HTTP/1.1");
    let document = request.json(&json!({
        "type": "object",
        "required": ["chat_id", "text"],
        "properties": {
            "chat_id": { "type": ["string", "integer"] },
            "text": { "type": "string", "minLength": 1, "maxLength": 4096 },
            "disable_notification": { "type": "boolean" },
            "link_preview_options": {
                "type": "object",
                "properties": { "is_disabled": { "type": "boolean" } },
                "additionalProperties": false,
            },
        },
        // Above all no `parse_mode`.
        "additionalProperties": false,
    }));
    assert_eq!(document["chat_id"], "-100");
}

#[test]
fn ntfy() {
    let request = asked(4, None, "200 OK", r#"{"id":"x","event":"message"}"#);
    assert_eq!(request.line, format!("POST /{PATH} HTTP/1.1"));
    assert_eq!(request.header("title"), "[shop] check:broker is critical");
    assert!(["min", "low", "default", "high", "max", "urgent"].contains(&request.header("priority")));
    assert!(request.header("tags").split(',').all(|tag| !tag.is_empty()));
    assert_eq!(request.header("authorization"), format!("Bearer {SECRET}"));
    assert!(request.body.contains("größer als erlaubt") && request.body.len() <= 4096);
}

/// <https://developer.pagerduty.com/docs/send-alert-event>
fn pagerduty_schema() -> serde_json::Value {
    json!({
        "type": "object",
        "required": ["routing_key", "event_action"],
        "properties": {
            "routing_key": { "type": "string" },
            "event_action": { "enum": ["trigger", "acknowledge", "resolve"] },
            "dedup_key": { "type": "string", "maxLength": 255 },
            "client": { "type": "string" },
            "payload": {
                "type": "object",
                "required": ["summary", "source", "severity"],
                "properties": {
                    "summary": { "type": "string", "maxLength": 1024 },
                    "source": { "type": "string" },
                    "severity": { "enum": ["critical", "warning", "error", "info"] },
                    "timestamp": { "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,}(Z|[+-][0-9:]{5})$" },
                    "component": { "type": "string" },
                    "group": { "type": "string" },
                    "class": { "type": "string" },
                    "custom_details": { "type": "object" },
                },
                "additionalProperties": false,
            },
        },
        "if": { "properties": { "event_action": { "const": "trigger" } } },
        "then": { "required": ["payload"] },
        "else": { "required": ["dedup_key"] },
        "additionalProperties": false,
    })
}

const EVENT_TAKEN: &str = r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#;

#[test]
fn pagerduty() {
    let trigger = asked(5, None, "202 Accepted", EVENT_TAKEN);
    assert_eq!(trigger.line, format!("POST /{PATH} HTTP/1.1"));
    let trigger = trigger.json(&pagerduty_schema());
    assert_eq!(trigger["routing_key"], SECRET);
    let recovery = Message {
        kind: MessageKind::Recovery,
        state: Some(State::Ok),
        ..message()
    };
    let resolve = asked(5, Some(recovery), "202 Accepted", EVENT_TAKEN).json(&pagerduty_schema());
    assert_eq!(
        (&trigger["event_action"], &resolve["event_action"]),
        (&json!("trigger"), &json!("resolve"))
    );
    assert_eq!(trigger["dedup_key"], resolve["dedup_key"]);
}

#[test]
fn pagerduty_is_told_of_each_part_of_a_digest_until_one_is_not_taken() {
    let part = |key: &str| DigestPart {
        job: None,
        run: None,
        key: key.to_owned(),
        kind: MessageKind::Trouble,
        severity: Severity::Critical,
        state: Some(State::Critical),
        summary: "so".to_owned(),
        at: message().at,
    };
    let digest = Message {
        kind: MessageKind::Digest,
        parts: ["check:a", "check:b", "check:c"].map(part).into(),
        ..message()
    };
    let stub = stub::answers(answer("202 Accepted", "", EVENT_TAKEN));
    sent(&deliver(&at(&stub)[5], &digest), "status 202");
    let keys = [(); 3].map(|()| Request::next(&stub).json(&pagerduty_schema())["dedup_key"].clone());
    assert_eq!(
        keys,
        ["check:a", "check:b", "check:c"].map(|key| json!(format!("opsrun/shop/web1/{key}")))
    );
    let busy = stub::http(|request, wire, _| {
        let status = if request.contains("check:b") {
            "429 Too Many Requests"
        } else {
            "202 Accepted"
        };
        let _ = wire.write_all(answer(status, "", "").as_bytes());
    });
    super::retry(&deliver(&at(&busy)[5], &digest), "status 429");
    assert_eq!(busy.received.try_iter().count(), 2);
}

#[test]
fn healthchecks() {
    let rid = "rid=019caa8f-dc7b-0000-0000-000000000000";
    let of = |kind, state| {
        let message = Message {
            kind,
            state,
            ..message()
        };
        asked(6, Some(message), "200 OK", "OK")
    };
    let started = of(MessageKind::RunStarted, None);
    assert_eq!(started.line, format!("POST /{PATH}/start?{rid} HTTP/1.1"));
    let fine = of(MessageKind::RunFinished, Some(State::Ok));
    assert_eq!(fine.line, format!("POST /{PATH}?{rid} HTTP/1.1"));
    let failed = of(MessageKind::RunFinished, Some(State::Failed));
    assert_eq!(failed.line, format!("POST /{PATH}/fail?{rid} HTTP/1.1"));
    assert!(failed.body.contains("größer als erlaubt") && failed.body.len() <= 10_000);
    // What is no news of a run is not asked about.
    let stub = stub::answers(answer("200 OK", "", "OK"));
    sent(
        &deliver(&at(&stub)[6], &message()),
        "this channel does not receive such messages",
    );
    assert_eq!(stub.received.try_iter().count(), 0);
    // Some refusals are friendly.
    let unknown = stub::answers(answer("200 OK", "", "OK (not found)"));
    super::dead(&deliver(&at(&unknown)[6], &news(&at(&unknown)[6])), "OK (not found)");
}

#[test]
fn an_address_may_be_plain_and_is_named_then() {
    let stub = stub::answers(answer("500 Oops", "", "no"));
    let url = Value::Plain(format!("http://{}/hook?a=b", stub.address));
    let plain = channel(ChannelKind::Web(WebChannel {
        service: WebService::Webhook,
        settings: vec![("url", url), ("hmac", secret(SECRET))],
        headers: vec![("content-type".to_owned(), Value::Plain("application/x-mine".to_owned()))],
        ca_file: None,
    }));
    super::retry(&deliver(&plain, &message()), "status 500: no");
    let request = Request::next(&stub);
    assert_eq!(request.line, "POST /hook?a=b HTTP/1.1");
    assert_eq!(request.header("content-type"), "application/x-mine");
}
