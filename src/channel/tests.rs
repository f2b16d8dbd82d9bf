//! Messages for the tests of all channels.

use super::message::{Message, MessageKind, MessageOrigin};
use super::service::Settings;
use crate::model::channel::Severity;
use crate::model::state::State;

fn message(kind: MessageKind, severity: Severity, summary: &str) -> Message {
    let origin = MessageOrigin {
        ops: "shop".to_owned(),
        host: "web1".to_owned(),
    };
    let at = "2026-03-01T12:00:00Z".parse().unwrap();
    Message {
        id: "01KJN8ZQ3V0000000000000001".to_owned(),
        ..Message::new(&origin, "check:broker", kind, severity, summary, at)
    }
}

pub(crate) fn trouble() -> Message {
    Message {
        job: Some("check:broker".to_owned()),
        state: Some(State::Critical),
        previous: Some(State::Ok),
        help: Some("nothing listens there: check host and port".to_owned()),
        details: vec!["3 of 3 attempts".to_owned()],
        run: Some("01KJN8ZQ3V0000000000000000".to_owned()),
        show: Some("opsrun history 01KJN8ZQ3V0000000000000000".to_owned()),
        ..message(
            MessageKind::Trouble,
            Severity::Critical,
            "127.0.0.1:5672: connection refused",
        )
    }
}

pub(crate) fn recovery() -> Message {
    Message {
        job: Some("check:broker".to_owned()),
        state: Some(State::Ok),
        previous: Some(State::Critical),
        run: Some("01KJN8ZQ3V0000000000000000".to_owned()),
        show: Some("opsrun history 01KJN8ZQ3V0000000000000000".to_owned()),
        ..message(MessageKind::Recovery, Severity::Critical, "connected in 2 ms")
    }
}

pub(crate) fn probe() -> Message {
    message(MessageKind::Probe, Severity::Info, "this is a test: nothing is wrong")
}

/// More text than any kind has room for.
pub(crate) fn longest() -> Message {
    Message {
        summary: "s".repeat(1024),
        help: Some("h".repeat(1024)),
        details: vec!["d".repeat(1024); 10],
        ..trouble()
    }
}

impl Settings {
    pub(super) fn of<const N: usize>(values: [(&'static str, &str); N]) -> Self {
        Self {
            values: values.map(|(name, value)| (name, value.into())).into(),
            headers: Vec::new(),
        }
    }
}
