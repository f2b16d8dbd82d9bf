//! What a web server answers to GET: status, time, values in a JSON body.
//!
//! Takes the probe, its URL and header values as they were fetched, and the redaction; gives an outcome.
//! Invariant: every text of the outcome went through the redaction, and no more of an address that is a secret is
//! shown than that there is a server.

#[cfg(not(feature = "http"))]
use super::answer::not_built;
use super::answer::{Redaction, unless_stopped};
use crate::model::check::HttpProbe;
use crate::run::Outcome;
use crate::signal::Stop;
use secrecy::SecretString;
use std::time::Duration;

/// `url` and `headers` come from the probe, with their secrets.
pub async fn probe(
    probe: &HttpProbe,
    url: &SecretString,
    headers: &[(String, SecretString)],
    timeout: Duration,
    redact: Redaction<'_>,
    stop: &Stop,
) -> Outcome {
    let found = unless_stopped(stop, ask(probe, url, headers, timeout, redact)).await;
    Outcome {
        state: found.state,
        summary: redact(&found.summary),
        help: found.help.map(|help| redact(&help)),
        details: found.details.iter().map(|detail| redact(detail)).collect(),
    }
}

#[cfg(not(feature = "http"))]
fn ask(
    _: &HttpProbe,
    _: &SecretString,
    _: &[(String, SecretString)],
    _: Duration,
    _: Redaction<'_>,
) -> std::future::Ready<Outcome> {
    std::future::ready(not_built("HTTP"))
}

#[cfg(feature = "http")]
async fn ask(
    probe: &HttpProbe,
    url: &SecretString,
    headers: &[(String, SecretString)],
    timeout: Duration,
    redact: Redaction<'_>,
) -> Outcome {
    use crate::model::command::Value;
    let get = crate::net::http::HttpCall {
        url,
        secret: matches!(probe.url, Value::Secret(_)),
        headers,
        ca_file: probe.ca_file.as_deref(),
        max_body: judge::MAX_BODY,
        limit: timeout,
    };
    // Boxed: it is large, and every step of a run would be so large.
    match Box::pin(crate::net::http::get(get, &probe.status)).await {
        Ok(answer) => judge::judge(probe, &answer, redact),
        Err(error) => super::answer::unanswered(&error),
    }
}

#[cfg(feature = "http")]
mod judge {
    use super::super::answer::Redaction;
    use super::super::{json, measured};
    use crate::exec::action::outcome;
    use crate::model::check::HttpProbe;
    use crate::net::http::HttpAnswer;
    use crate::run::{Outcome, State};
    use crate::units::show_size;

    /// More of a body is not read.
    pub(super) const MAX_BODY: usize = 1 << 20;

    /// What the answer makes of the check: the first of status, body and time that is critical, else unknown, else a
    /// warning.
    pub(super) fn judge(probe: &HttpProbe, answer: &HttpAnswer, redact: Redaction<'_>) -> Outcome {
        let status = answer.status;
        let accepted = if probe.status.is_empty() {
            (200..300).contains(&status)
        } else {
            probe.status.contains(&status)
        };
        let (state, summary) = measured::from(answer.took, |took| format!("status {status} in {took}"), &probe.latency);
        if !accepted {
            let summary = format!("status {status}, expected {}", probe.expected_status());
            let withheld = "a redirect led to another server, which is not given the headers: name its URL itself";
            return Outcome {
                help: answer.withheld.then(|| withheld.to_owned()),
                ..outcome(State::Critical, summary)
            };
        }
        if !probe.json.is_empty() {
            if !answer.whole {
                let state = if state == State::Critical {
                    state
                } else {
                    State::Unknown
                };
                let summary = format!("{summary}; the body is larger than {}", show_size(MAX_BODY as u64));
                return outcome(state, summary).with_help("ask for a smaller document");
            }
            match json::mismatches(&answer.body, &probe.json, redact) {
                Err(reason) => {
                    return outcome(State::Critical, format!("{summary}; the body is not JSON: {reason}"));
                }
                Ok(wrong) if !wrong.is_empty() => return differing(&wrong),
                Ok(_) => {}
            }
        }
        let read = (!answer.whole).then(|| format!("; of the body only {} were read", show_size(MAX_BODY as u64)));
        outcome(state, summary + &read.unwrap_or_default())
    }

    /// The first in the summary, all of them in the details when there are more.
    fn differing(wrong: &[String]) -> Outcome {
        let first = wrong.first().cloned().unwrap_or_default();
        if wrong.len() < 2 {
            return outcome(State::Critical, first);
        }
        let summary = format!("{first}; and {} more", wrong.len() - 1);
        outcome(State::Critical, summary).with_details(wrong.to_vec())
    }
}
