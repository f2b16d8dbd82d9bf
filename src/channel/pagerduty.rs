//! `pagerduty`: events of a service of `PagerDuty`.
//!
//! Events API, version 2: <https://developer.pagerduty.com/docs/send-alert-event>. A failure triggers, a recovery resolves;
//! both name the same alert by a key made of ops, host and the message's key, so that sending one again changes nothing.
//! A digest is an event for each of its parts: one event could not resolve what several triggered. A probe triggers and
//! resolves at once.
//! Pure. Invariant: no text is longer than PagerDuty takes.

use super::answer::verdict;
use super::message::{Message, MessageKind};
use super::request::HttpRequest;
use super::service::{MessageScope, ServiceSetting, SettingKind, Settings, WebServiceSpec};
use super::text;
use crate::model::state::State;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

pub const PAGERDUTY: WebServiceSpec = WebServiceSpec {
    summary: "a service of PagerDuty",
    example: "pagerduty { routing-key from-env=\"PAGERDUTY_KEY\"; }",
    settings: &[
        ServiceSetting {
            name: "routing-key",
            kind: SettingKind::Secret,
            variable: "PAGERDUTY_KEY",
            summary: "the integration key of the service",
            example: "routing-key from-env=\"PAGERDUTY_KEY\"",
            ..ServiceSetting::REQUIRED
        },
        ServiceSetting {
            name: "url",
            kind: SettingKind::Url,
            variable: "PAGERDUTY_URL",
            summary: "the URL of another service region",
            example: "url \"https://events.eu.pagerduty.com/v2/enqueue\"",
            default: Some("`\"https://events.pagerduty.com/v2/enqueue\"`"),
            ..ServiceSetting::OPTIONAL
        },
    ],
    custom_headers: false,
    scope: MessageScope::ChangesPerKey,
    requests,
    verdict,
};

const EVENTS_URL: &str = "https://events.pagerduty.com/v2/enqueue";

const MAX_SUMMARY: usize = 1024;
const MAX_KEY: usize = 255;

fn requests(message: &Message, settings: &Settings) -> Result<Vec<HttpRequest>, String> {
    let key = settings.required("routing-key")?;
    Ok(events(message, key, &settings.or("url", EVENTS_URL)))
}

/// The events, in order; none for messages that concern no one on call.
fn events(message: &Message, routing_key: &SecretString, url: &SecretString) -> Vec<HttpRequest> {
    let event = |message: &Message, action: &str| {
        let mut event = json!({
            "routing_key": routing_key.expose_secret(),
            "event_action": action,
            "dedup_key": key(message),
        });
        if action == "trigger"
            && let Some(event) = event.as_object_mut()
        {
            event.insert("client".to_owned(), "opsrun".into());
            event.insert("payload".to_owned(), payload(message));
        }
        HttpRequest::json(url.clone(), &event)
    };
    match message.kind {
        MessageKind::RunStarted | MessageKind::RunFinished => Vec::new(),
        MessageKind::Probe => ["trigger", "resolve"].map(|action| event(message, action)).into(),
        MessageKind::Digest => {
            let parts = message.parts.iter().map(|part| Message {
                kind: part.kind,
                severity: part.severity,
                key: part.key.clone(),
                job: part.job.clone(),
                run: part.run.clone(),
                state: part.state,
                previous: None,
                summary: part.summary.clone(),
                details: Vec::new(),
                at: part.at,
                count: None,
                parts: Vec::new(),
                ..message.clone()
            });
            // A digest of digests was made of their parts.
            let parts = parts.filter(|part| part.kind != MessageKind::Digest);
            parts.flat_map(|part| events(&part, routing_key, url)).collect()
        }
        MessageKind::Trouble
        | MessageKind::Recovery
        | MessageKind::Flapping
        | MessageKind::Settled
        | MessageKind::Repeat => {
            vec![event(message, if message.is_over() { "resolve" } else { "trigger" })]
        }
    }
}

fn key(message: &Message) -> String {
    let key = format!("opsrun/{}/{}/{}", message.ops, message.host, message.key);
    key.chars().take(MAX_KEY).collect()
}

fn payload(message: &Message) -> Value {
    let summary = format!("{}: {}", text::title(message, MAX_SUMMARY / 2), message.summary);
    json!({
        "summary": summary.chars().take(MAX_SUMMARY).collect::<String>(),
        "source": message.host,
        "severity": message.severity.word(),
        "timestamp": message.at.to_rfc3339(),
        "component": message.key,
        "group": message.ops,
        "class": message.state.map_or(message.kind.word(), State::word),
        "custom_details": {
            "details": message.details,
            "help": message.help,
            "run": message.run,
            "show": message.show,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests as samples;
    use super::*;
    use crate::channel::message::DigestPart;
    use crate::model::channel::Severity;

    fn sent(message: &Message) -> Vec<Value> {
        let requests = requests(message, &Settings::of([("routing-key", "key")])).unwrap();
        requests
            .iter()
            .map(|r| serde_json::from_slice(&r.body).unwrap())
            .collect()
    }

    fn actions(message: &Message) -> Vec<(String, String)> {
        let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
        let all = sent(message);
        all.iter()
            .map(|event| (text(event, "event_action"), text(event, "dedup_key")))
            .collect()
    }

    #[test]
    fn trouble_triggers_and_recovery_resolves_the_same() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&sent(&samples::trouble())).unwrap());
        insta::assert_snapshot!(serde_json::to_string_pretty(&sent(&samples::recovery())).unwrap());
    }

    #[test]
    fn every_kind_has_its_events() {
        let of = |kind, state| {
            let message = Message {
                kind,
                state: Some(state),
                ..samples::trouble()
            };
            actions(&message)
                .into_iter()
                .map(|(action, _)| action)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(MessageKind::Repeat, State::Critical), ["trigger"]);
        assert_eq!(of(MessageKind::Flapping, State::Critical), ["trigger"]);
        assert_eq!(of(MessageKind::Settled, State::Critical), ["trigger"]);
        assert_eq!(of(MessageKind::Settled, State::Ok), ["resolve"]);
        assert_eq!(of(MessageKind::Probe, State::Ok), ["trigger", "resolve"]);
        assert_eq!(of(MessageKind::RunStarted, State::Ok), Vec::<String>::new());
        assert_eq!(of(MessageKind::RunFinished, State::Failed), Vec::<String>::new());
        assert_eq!(of(MessageKind::Digest, State::Critical), Vec::<String>::new());
    }

    #[test]
    fn a_digest_is_an_event_for_each_part() {
        let part = |key: &str, kind, state| DigestPart {
            key: key.to_owned(),
            job: None,
            kind,
            severity: Severity::Critical,
            state: Some(state),
            summary: "so".to_owned(),
            run: None,
            at: samples::trouble().at,
        };
        let digest = Message {
            kind: MessageKind::Digest,
            parts: vec![
                part("check:a", MessageKind::Trouble, State::Critical),
                part("check:b", MessageKind::Recovery, State::Ok),
                part("digest", MessageKind::Digest, State::Ok),
            ],
            ..samples::trouble()
        };
        let expected = [
            ("trigger", "opsrun/shop/web1/check:a"),
            ("resolve", "opsrun/shop/web1/check:b"),
        ];
        assert_eq!(
            actions(&digest),
            expected.map(|(action, key)| (action.to_owned(), key.to_owned()))
        );
    }

    #[test]
    fn texts_are_short_enough() {
        let mut long = samples::longest();
        long.key = "ä".repeat(400);
        let event = &sent(&long)[0];
        assert_eq!(event["payload"]["summary"].as_str().unwrap().chars().count(), 1024);
        assert_eq!(event["dedup_key"].as_str().unwrap().chars().count(), 255);
    }
}
