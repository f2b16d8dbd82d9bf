//! The result of one attempt to deliver, and the reading of HTTP answers that most services share.
//!
//! 2xx is delivered, what may pass is tried again, everything else is final.
//! Invariant: no text of an answer leaves without redaction, which comes before any cut.

use super::line::short_line;
use crate::net::posted::Posted;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub type RedactFn<'a> = &'a (dyn Fn(&str) -> String + Sync);

/// The result of one attempt. No text in it contains a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Sent {
        /// What the receiver answered, in one line.
        answer: String,
    },
    Retry {
        /// Not before this, where the server asked for it.
        after: Option<Duration>,
        why: String,
    },
    /// Not every recipient got the message in this attempt. The others are asked again, but for those in `results`.
    Partial {
        results: RecipientResults,
        /// What became of the recipients that did not get it.
        why: String,
    },
    /// Final: another attempt would end in the same way.
    Dead { why: String },
}

/// The recipients of a message that are not asked again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecipientResults {
    /// They have it.
    pub taken: Vec<String>,
    /// Refused for good, each with the answer.
    pub refused: Vec<(String, String)>,
}

impl RecipientResults {
    pub fn includes(&self, address: &str) -> bool {
        self.taken.iter().any(|taken| taken == address) || self.refused.iter().any(|(refused, _)| refused == address)
    }

    pub fn extend(&mut self, more: Self) {
        self.taken.extend(more.taken);
        self.refused.extend(more.refused);
    }

    /// `refused for a@example.com: 550 unknown`; `None` if no recipient was refused.
    pub fn refusals(&self) -> Option<String> {
        let each = self.refused.iter();
        let each: Vec<String> = each.map(|(to, answer)| format!("refused for {to}: {answer}")).collect();
        (!each.is_empty()).then(|| each.join("; "))
    }
}

impl Delivery {
    pub fn retry(why: impl Into<String>) -> Self {
        Self::Retry {
            after: None,
            why: why.into(),
        }
    }

    pub fn dead(why: impl Into<String>) -> Self {
        Self::Dead { why: why.into() }
    }
}

pub fn verdict(posted: &Posted, redact: RedactFn<'_>) -> Delivery {
    let status = posted.status;
    let answer = first_line(posted, redact);
    match status {
        200..=299 => Delivery::Sent { answer },
        408 | 425 | 429 | 500..=599 => Delivery::Retry {
            after: posted.retry_after,
            why: answer,
        },
        302 | 303 | 307 => Delivery::Retry {
            after: posted.retry_after,
            why: format!("status {status}: the server redirects, and redirects of a POST are not followed"),
        },
        301 | 308 => Delivery::dead(format!(
            "status {status}: the URL has moved; write the URL that it redirects to"
        )),
        _ => Delivery::dead(answer),
    }
}

/// The status, and the first line of the body unless it is HTML.
fn first_line(posted: &Posted, redact: RedactFn<'_>) -> String {
    // Redact before cutting: half a secret would not be found.
    let body = redact(&String::from_utf8_lossy(&posted.body));
    let line = body.lines().map(str::trim).find(|line| !line.is_empty());
    match line.filter(|line| !line.starts_with('<')) {
        Some(line) => short_line(&format!("status {}: {line}", posted.status)),
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
    fn every_status_has_one_verdict() {
        let what = |status| match verdict(&posted(status, "\n why \n"), &str::to_owned) {
            Delivery::Sent { answer } => ("sent", answer),
            Delivery::Retry { after, why } => {
                assert_eq!(after, Some(Duration::from_secs(7)));
                ("retry", why)
            }
            Delivery::Dead { why } => ("dead", why),
            Delivery::Partial { why, .. } => ("partial", why),
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
        assert!(what(308).1.contains("write the URL"));
    }

    #[test]
    fn an_answer_is_one_short_line_without_secrets() {
        let hide = |text: &str| text.replace("hunter2", "[secret]");
        let answer = |body: &str| first_line(&posted(200, body), &hide);
        assert_eq!(answer(""), "status 200");
        assert_eq!(answer("<html>\nwelcome"), "status 200");
        assert_eq!(answer("hunter2\u{1b}[2Jno\nmore"), "status 200: [secret] [2Jno");
        let long = answer(&format!("{}hunter2", "x".repeat(185)));
        assert!(long.chars().count() <= 200 && !long.contains("hunt"), "{long}");
    }
}
