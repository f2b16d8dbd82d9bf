//! One POST of a channel, and what an answer makes of the delivery.
//!
//! Takes a [`Request`] that one of the kinds has made, sends it through `net`, and reads the status by the rules that all
//! of them share: 2xx is taken, what passes is tried again, everything else is for ever.
//! Invariant: nothing secret shows in `Debug`, and no text of an answer leaves without the redaction, which comes before
//! any cut.

use super::said;
use crate::alert::sender::Delivery;
use crate::net::error::{NetError, Obstacle};
use crate::net::post::{self, Post, Posted};
use secrecy::SecretString;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// More of an answer is not read.
const MOST_BODY: usize = 4096;

pub(super) type Redact<'a> = &'a (dyn Fn(&str) -> String + Sync);

pub struct Request {
    /// Where to; whoever knows it can often write there.
    pub url: SecretString,
    pub headers: Vec<(String, SecretString)>,
    /// JSON, or text.
    pub body: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Request")
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// A JSON document.
    pub(super) fn json(url: SecretString, document: &serde_json::Value) -> Self {
        Self {
            url,
            headers: vec![("Content-Type".to_owned(), "application/json".into())],
            body: document.to_string().into_bytes(),
        }
    }
}

/// Where a request goes, beside its URL.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    /// Not even the host of the URL may be named.
    pub(super) secret: bool,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) redact: Redact<'a>,
}

/// Sends it.
pub(super) async fn send(request: &Request, way: Way<'_>, limit: Duration) -> Result<Posted, Delivery> {
    let post = Post {
        url: &request.url,
        secret: way.secret,
        headers: &request.headers,
        body: &request.body,
        ca_file: way.ca_file,
        most_body: MOST_BODY,
        limit,
    };
    post::post(post).await.map_err(|error| unsent(&error, way.redact))
}

/// What a failure on the way makes of it. A URL or a header that is none stays none; everything else may pass.
fn unsent(error: &NetError, redact: Redact<'_>) -> Delivery {
    let why = said(redact(&error.to_string()));
    match error {
        NetError::Here(Obstacle::Url(_) | Obstacle::Header { .. } | Obstacle::Name(_)) => Delivery::Dead { why },
        _ => Delivery::Retry { after: None, why },
    }
}

pub(super) fn verdict(posted: &Posted, redact: Redact<'_>) -> Delivery {
    let status = posted.status;
    let said = answer(posted, redact);
    match status {
        200..=299 => Delivery::Sent { answer: said },
        408 | 425 | 429 | 500..=599 => Delivery::Retry {
            after: posted.retry_after,
            why: said,
        },
        302 | 303 | 307 => Delivery::Retry {
            after: posted.retry_after,
            why: format!("status {status}: it redirects, which is not followed"),
        },
        301 | 308 => Delivery::Dead {
            why: format!("status {status}: it has moved; write the address that it redirects to"),
        },
        _ => Delivery::Dead { why: said },
    }
}

/// The status, with the first line of the body where it is meant for people.
pub(super) fn answer(posted: &Posted, redact: Redact<'_>) -> String {
    // Without secrets first: half of one would not be found.
    let body = redact(&String::from_utf8_lossy(&posted.body));
    let line = body.lines().map(str::trim).find(|line| !line.is_empty());
    match line.filter(|line| !line.starts_with('<')) {
        Some(line) => said(format!("status {}: {line}", posted.status)),
        None => format!("status {}", posted.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(status: u16, body: &str) -> Posted {
        Posted {
            status,
            body: body.as_bytes().to_vec(),
            retry_after: Some(Duration::from_secs(7)),
        }
    }

    #[test]
    fn every_status_is_one_of_three() {
        let what = |status| match verdict(&posted(status, "\n why \n"), &str::to_owned) {
            Delivery::Sent { answer } => ("sent", answer),
            Delivery::Retry { after, why } => {
                assert_eq!(after, Some(Duration::from_secs(7)));
                ("retry", why)
            }
            Delivery::Dead { why } => ("dead", why),
        };
        for status in 0..=999 {
            let expected = match status {
                200..=299 => "sent",
                302 | 303 | 307 | 408 | 425 | 429 | 500..=599 => "retry",
                _ => "dead",
            };
            assert_eq!(what(status).0, expected, "{status}");
        }
        assert_eq!(what(204).1, "status 204: why");
        assert_eq!(what(404).1, "status 404: why");
        assert!(what(308).1.contains("write the address"));
    }

    #[test]
    fn an_answer_is_one_short_line_without_secrets() {
        let hide = |text: &str| text.replace("hunter2", "[secret]");
        let answer = |body: &str| answer(&posted(200, body), &hide);
        assert_eq!(answer(""), "status 200");
        assert_eq!(answer("<html>\nwelcome"), "status 200");
        assert_eq!(answer("hunter2\u{1b}[2Jno\nmore"), "status 200: [secret] [2Jno");
        let long = answer(&format!("{}hunter2", "x".repeat(185)));
        assert!(long.chars().count() <= 200 && !long.contains("hunt"), "{long}");
    }
}
