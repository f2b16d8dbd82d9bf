//! `Retry-After`: when a busy server wants to be asked again.
//!
//! Takes the header in either form (RFC 9110, section 10.2.3), the date by the clock of the server, and ours; gives a time to
//! wait. A date is compared with the clock of the server where it is known, since the two clocks may differ.
//! Pure. Invariant: no wait is longer than [`MAX_RETRY_AFTER`].

use super::posted::MAX_RETRY_AFTER;
use chrono::{DateTime, Utc};
use httpdate::parse_http_date;
use std::time::{Duration, SystemTime};

/// `None` for text that is neither a number of seconds nor a date.
pub(super) fn read(text: &str, server: Option<&str>, now_here: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    }
    let until = parse_http_date(text).ok()?;
    let now = server.and_then(|text| parse_http_date(text.trim()).ok());
    let now = now.unwrap_or_else(|| SystemTime::from(now_here));
    // A date in the past means now.
    Some(until.duration_since(now).unwrap_or_default().min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn seconds(text: &str) -> Option<u64> {
        read(text, None, at("1994-11-06T08:49:37Z")).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_in_three_forms() {
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        for date in [
            "Sun, 06 Nov 1994 08:50:37 GMT",
            "Sunday, 06-Nov-94 08:50:37 GMT",
            "Sun Nov  6 08:50:37 1994",
        ] {
            assert_eq!(seconds(date), Some(60), "{date}");
        }
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
    }

    #[test]
    fn no_wait_is_longer_than_a_day() {
        let day = Some(86_400);
        assert_eq!(seconds("86401"), day);
        assert_eq!(seconds("99999999999999999999999999"), day);
        assert_eq!(seconds("Fri, 31 Dec 9999 23:59:59 GMT"), day);
    }

    #[test]
    fn other_text_is_ignored() {
        for text in [
            "",
            "soon",
            "-1",
            "1.5",
            "120 seconds",
            "Mon, 32 Nov 1994 08:50:37 GMT",
            "٣",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_clock_of_the_server() {
        let wait = |server| read("Sun, 06 Nov 1994 08:50:37 GMT", server, at("2026-01-01T00:00:00Z"));
        assert_eq!(
            wait(Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            Some(Duration::from_secs(60))
        );
        assert_eq!(wait(Some("no time")), Some(Duration::ZERO));
        assert_eq!(wait(None), Some(Duration::ZERO));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,40}", server in prop::option::of("\\PC{0,40}")) {
            let wait = read(&text, server.as_deref(), at("2026-01-01T00:00:00Z"));
            prop_assert!(wait.is_none_or(|wait| wait <= MAX_RETRY_AFTER));
        }

        #[test]
        fn a_date_is_as_far_as_it_is(ahead in 0_i64..100_000) {
            let now = at("2026-03-29T00:59:30Z");
            let then = now + chrono::TimeDelta::seconds(ahead);
            let text = then.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let expected = u64::try_from(ahead.min(86_400)).unwrap();
            prop_assert_eq!(read(&text, None, now), Some(Duration::from_secs(expected)));
        }
    }
}
