//! `healthchecks`: a dead man's switch, told of the start and the end of runs.
//!
//! Takes a message and the ping URL, gives a request: <https://healthchecks.io/docs/http_api/>. A run has the same `rid` at its
//! start and at its end, the run's id as a UUID, so that its duration is measured; the body is kept there as its log.
//! Other messages than those about runs are none of its business, and a probe only leaves a line in the log.
//! Pure. Invariant: only the end of a run that may be built upon is a success.

use super::request::{self, Redact, Request};
use super::text::{self, Room, plainly};
use super::url;
use crate::alert::message::{Kind, Message};
use crate::alert::sender::Delivery;
use crate::net::post::Posted;
use crate::run::State;
use secrecy::SecretString;
use ulid::Ulid;

/// What every server keeps of a body.
const ROOM: Room = Room {
    most: 10_000,
    size: char::len_utf8,
    write: plainly,
};

/// A ping; `None` for what is no news of a run.
pub fn request(message: &Message, url: &SecretString) -> Option<Request> {
    let url = match message.kind {
        Kind::RunStarted => url::below(url, "start"),
        Kind::RunFinished if message.state.is_some_and(State::opens) => url.clone(),
        Kind::RunFinished => url::below(url, "fail"),
        Kind::Probe => url::below(url, "log"),
        Kind::Trouble | Kind::Recovery | Kind::Flapping | Kind::Settled | Kind::Repeat | Kind::Digest => return None,
    };
    let url = match message.run.as_deref().and_then(rid) {
        Some(rid) => url::asking(&url, "rid", &rid),
        None => url,
    };
    Some(Request {
        url,
        headers: vec![("Content-Type".to_owned(), "text/plain; charset=utf-8".into())],
        body: text::whole(message, ROOM).into_bytes(),
    })
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

/// What an answer makes of it: some refusals come with status 200.
pub(super) fn verdict(posted: &Posted, redact: Redact<'_>) -> Delivery {
    let verdict = request::verdict(posted, redact);
    let said = String::from_utf8_lossy(&posted.body);
    match verdict {
        Delivery::Sent { answer } if said.trim() == "OK (not found)" => Delivery::Dead { why: answer },
        Delivery::Sent { answer } if said.trim() == "OK (rate limited)" => Delivery::Retry {
            after: posted.retry_after,
            why: answer,
        },
        verdict => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use secrecy::ExposeSecret as _;

    fn asked(kind: Kind, state: Option<State>, url: &str) -> Option<String> {
        let message = Message {
            kind,
            state,
            ..samples::trouble()
        };
        request(&message, &url.into()).map(|request| request.url.expose_secret().to_owned())
    }

    #[test]
    fn runs_start_succeed_and_fail() {
        let at = |kind, state| asked(kind, state, "https://hc-ping.com/uuid").unwrap();
        let rid = "rid=019caa8f-dc7b-0000-0000-000000000000";
        assert_eq!(
            at(Kind::RunStarted, None),
            format!("https://hc-ping.com/uuid/start?{rid}")
        );
        for state in [State::Ok, State::Nothing, State::Partial, State::Warning] {
            assert_eq!(
                at(Kind::RunFinished, Some(state)),
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
                at(Kind::RunFinished, state),
                format!("https://hc-ping.com/uuid/fail?{rid}")
            );
        }
        assert_eq!(at(Kind::Probe, None), format!("https://hc-ping.com/uuid/log?{rid}"));
        assert_eq!(
            asked(Kind::RunStarted, None, "https://hc.example/ping/key/slug?create=1").unwrap(),
            format!("https://hc.example/ping/key/slug/start?create=1&{rid}")
        );
        for kind in [Kind::Trouble, Kind::Recovery, Kind::Settled, Kind::Digest] {
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
