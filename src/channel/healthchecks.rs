//! `healthchecks`: a dead man's switch, pinged at the start and the end of the runs of one job, or of a few.
//!
//! <https://healthchecks.io/docs/http_api/>. A run has the same `rid` at its start and at its end, the run's id as a UUID,
//! so that its duration is measured; the body is kept there as its log. Messages that are not about runs are not sent, and
//! a probe only leaves a line in the log.
//! Pure. Invariant: only a run that ended well is a success.

use super::answer::{self, Delivery, RedactFn};
use super::line::{Room, plainly};
use super::message::{Message, MessageKind};
use super::request::HttpRequest;
use super::service::{MessageScope, ServiceSetting, SettingKind, Settings, WebServiceSpec};
use super::text;
use super::url;
use crate::model::state::State;
use crate::net::posted::Posted;
use ulid::Ulid;

pub const HEALTHCHECKS: WebServiceSpec = WebServiceSpec {
    summary: "a dead man's switch: pinged at the start, the success and the failure of the runs of a job",
    example: "healthchecks { url from-env=\"HC_URL\"; job \"backup:data\"; }",
    settings: &[
        ServiceSetting {
            name: "url",
            kind: SettingKind::Url,
            variable: "HC_URL",
            summary: "the ping URL of the check",
            example: "url from-env=\"HC_URL\"",
            ..ServiceSetting::REQUIRED
        },
        ServiceSetting {
            name: "job",
            kind: SettingKind::Jobs,
            summary: "the job whose runs it receives; several of one schedule are possible",
            example: "job \"backup:data\"",
            default: Some("the jobs that notify it and have a schedule, but no checks"),
            ..ServiceSetting::OPTIONAL
        },
    ],
    custom_headers: false,
    scope: MessageScope::Runs,
    requests,
    verdict,
};

/// Every server keeps this much of a body.
const ROOM: Room = Room {
    most: 10_000,
    size: char::len_utf8,
    write: plainly,
};

fn requests(message: &Message, settings: &Settings) -> Result<Vec<HttpRequest>, String> {
    let ping = settings.required("url")?;
    let url = match message.kind {
        MessageKind::RunStarted => url::below(ping, "start"),
        MessageKind::RunFinished if message.state.is_some_and(State::opens) => ping.clone(),
        MessageKind::RunFinished => url::below(ping, "fail"),
        MessageKind::Probe => url::below(ping, "log"),
        MessageKind::Trouble
        | MessageKind::Recovery
        | MessageKind::Flapping
        | MessageKind::Settled
        | MessageKind::Repeat
        | MessageKind::Digest => {
            return Ok(Vec::new());
        }
    };
    let url = match message.run.as_deref().and_then(rid) {
        Some(rid) => url::asking(&url, "rid", &rid),
        None => url,
    };
    Ok(vec![HttpRequest {
        url,
        headers: vec![("Content-Type".to_owned(), "text/plain; charset=utf-8".into())],
        body: text::whole(message, ROOM).into_bytes(),
    }])
}

/// The 128 bits of a run's id, written as a UUID.
fn rid(run: &str) -> Option<String> {
    let bits = format!("{:032x}", u128::from(Ulid::from_string(run).ok()?));
    let part = |from, to| bits.get(from..to).unwrap_or_default();
    Some(format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    ))
}

/// Some refusals come with status 200.
fn verdict(posted: &Posted, redact: RedactFn<'_>) -> Delivery {
    let verdict = answer::verdict(posted, redact);
    let body = String::from_utf8_lossy(&posted.body);
    match verdict {
        Delivery::Sent { answer } if body.trim() == "OK (not found)" => Delivery::dead(answer),
        Delivery::Sent { answer } if body.trim() == "OK (rate limited)" => Delivery::Retry {
            after: posted.retry_after,
            why: answer,
        },
        verdict => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests as samples;
    use super::*;
    use secrecy::ExposeSecret as _;

    fn asked(kind: MessageKind, state: Option<State>, url: &str) -> Option<String> {
        let message = Message {
            kind,
            state,
            ..samples::trouble()
        };
        let mut requests = requests(&message, &Settings::of([("url", url)])).unwrap();
        requests.pop().map(|request| request.url.expose_secret().to_owned())
    }

    #[test]
    fn runs_start_succeed_and_fail() {
        let at = |kind, state| asked(kind, state, "https://hc-ping.com/uuid").unwrap();
        let rid = "rid=019caa8f-dc7b-0000-0000-000000000000";
        assert_eq!(
            at(MessageKind::RunStarted, None),
            format!("https://hc-ping.com/uuid/start?{rid}")
        );
        for state in [State::Ok, State::Nothing, State::Partial, State::Warning] {
            assert_eq!(
                at(MessageKind::RunFinished, Some(state)),
                format!("https://hc-ping.com/uuid?{rid}")
            );
        }
        for state in [
            Some(State::Failed),
            Some(State::Interrupted),
            Some(State::Refused),
            None,
        ] {
            assert_eq!(
                at(MessageKind::RunFinished, state),
                format!("https://hc-ping.com/uuid/fail?{rid}")
            );
        }
        assert_eq!(
            at(MessageKind::Probe, None),
            format!("https://hc-ping.com/uuid/log?{rid}")
        );
        assert_eq!(
            asked(
                MessageKind::RunStarted,
                None,
                "https://hc.example/ping/key/slug?create=1"
            )
            .unwrap(),
            format!("https://hc.example/ping/key/slug/start?create=1&{rid}")
        );
        for kind in [
            MessageKind::Trouble,
            MessageKind::Recovery,
            MessageKind::Settled,
            MessageKind::Digest,
        ] {
            assert_eq!(asked(kind, Some(State::Failed), "https://hc-ping.com/uuid"), None);
        }
    }

    #[test]
    fn the_id_of_a_run_is_a_uuid() {
        assert_eq!(
            rid("7ZZZZZZZZZZZZZZZZZZZZZZZZZ").as_deref(),
            Some("ffffffff-ffff-ffff-ffff-ffffffffffff")
        );
        assert_eq!(rid("last"), None);
    }

    #[test]
    fn a_friendly_no_is_a_no() {
        let verdict = |status, body: &str| {
            let posted = Posted {
                status,
                body: body.as_bytes().to_vec(),
                retry_after: None,
            };
            verdict(&posted, &str::to_owned)
        };
        assert!(matches!(verdict(200, "OK"), Delivery::Sent { .. }));
        assert!(matches!(verdict(200, "OK (not found)\n"), Delivery::Dead { .. }));
        assert!(matches!(verdict(200, "OK (rate limited)"), Delivery::Retry { .. }));
        assert!(matches!(verdict(404, "(not found)"), Delivery::Dead { .. }));
    }
}
