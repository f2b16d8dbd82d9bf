//! How long the certificate of a TLS server is still valid.
//!
//! Takes an address, how much time must be left and an extra CA file, or nothing to trust; gives an outcome.
//! Invariant: a certificate that cannot be trusted is critical, however long it is valid; one that was not verified is
//! called that.

#[cfg(not(feature = "http"))]
use super::answer::not_built;
use super::answer::unless_stopped;
use crate::model::check::{Address, Levels};
use crate::run::Outcome;
use crate::signal::Stop;
use std::path::Path;
use std::time::Duration;

/// Whether the chain of a certificate is verified.
#[derive(Debug, Clone, Copy)]
pub enum ChainTrust<'a> {
    /// With this CA file besides the system's.
    Verified(Option<&'a Path>),
    Unverified,
}

pub async fn probe(
    address: &Address,
    left: &Levels<Duration>,
    trust: ChainTrust<'_>,
    timeout: Duration,
    stop: &Stop,
) -> Outcome {
    unless_stopped(stop, ask(address, left, trust, timeout)).await
}

#[cfg(not(feature = "http"))]
fn ask(_: &Address, _: &Levels<Duration>, _: ChainTrust<'_>, _: Duration) -> std::future::Ready<Outcome> {
    std::future::ready(not_built("TLS"))
}

#[cfg(feature = "http")]
async fn ask(address: &Address, left: &Levels<Duration>, trust: ChainTrust<'_>, timeout: Duration) -> Outcome {
    let (ca_file, verified) = match trust {
        ChainTrust::Verified(ca_file) => (ca_file, true),
        ChainTrust::Unverified => (None, false),
    };
    match crate::net::tls::handshake(&address.host, address.port, ca_file, timeout).await {
        Ok(shown) => judge::judge(&shown, crate::clock::now(), left, verified),
        Err(error) => super::answer::unanswered(&error),
    }
}

#[cfg(feature = "http")]
mod judge {
    use super::super::measured;
    use crate::exec::action::outcome;
    use crate::model::check::Levels;
    use crate::net::error::Distrust;
    use crate::net::tls::ServerCertificate;
    use crate::run::{Outcome, State};
    use crate::units::show_duration;
    use chrono::{DateTime, Utc};
    use std::time::Duration;

    /// What the certificate makes of the check.
    pub(super) fn judge(
        shown: &ServerCertificate,
        now: DateTime<Utc>,
        left: &Levels<Duration>,
        verified: bool,
    ) -> Outcome {
        let until = shown.leaf.not_after;
        let day = until.format("%Y-%m-%d");
        let remaining = until.signed_duration_since(now);
        let Ok(remaining) = remaining.to_std() else {
            let since = measured::rounded((-remaining).to_std().unwrap_or_default());
            return outcome(
                State::Critical,
                format!("the certificate expired {since} ago, on {day}"),
            )
            .with_help(Distrust::Expired(None).help());
        };
        if let Some(distrust) = shown.distrust.as_ref().filter(|_| verified) {
            return outcome(State::Critical, format!("the certificate is not trusted: {distrust}"))
                .with_help(distrust.help());
        }
        let unverified = if verified { "" } else { " (not verified)" };
        let measured = format!("{} left, until {day}{unverified}", measured::rounded(remaining));
        let reaches = |threshold| remaining < threshold;
        let (state, summary) = measured::judged(measured, left, reaches, "below", show_duration);
        outcome(state, summary)
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::net::certificate::Leaf;
        use chrono::TimeDelta;

        fn judged_with(left: TimeDelta, distrust: Option<Distrust>, verified: bool) -> (State, String) {
            let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
            let shown = ServerCertificate {
                leaf: Leaf {
                    not_before: now - TimeDelta::days(300),
                    not_after: now + left,
                    names: Vec::new(),
                },
                distrust,
            };
            let levels = Levels {
                warn: Some(Duration::from_secs(21 * 86_400)),
                critical: Some(Duration::from_secs(7 * 86_400)),
            };
            let outcome = judge(&shown, now, &levels, verified);
            (outcome.state, outcome.summary)
        }

        fn judged(left: TimeDelta, distrust: Option<Distrust>) -> (State, String) {
            judged_with(left, distrust, true)
        }

        #[test]
        fn without_trust_the_dates_alone_count() {
            let of = |days| judged_with(TimeDelta::days(days), Some(Distrust::UnknownIssuer), false);
            assert_eq!(
                of(300),
                (State::Ok, "300d left, until 2024-09-09 (not verified)".to_owned())
            );
            assert_eq!(of(6).0, State::Critical);
            assert_eq!(of(-3).0, State::Critical);
        }

        #[test]
        fn what_is_left_is_held_against_the_levels() {
            let of = |days| judged(TimeDelta::days(days), None);
            assert_eq!(of(21), (State::Ok, "21d left, until 2023-12-05".to_owned()));
            assert_eq!(
                of(20),
                (
                    State::Warning,
                    "20d left, until 2023-12-04, warning below 21d".to_owned()
                )
            );
            assert_eq!(
                of(6),
                (
                    State::Critical,
                    "6d left, until 2023-11-20, critical below 7d".to_owned()
                )
            );
            assert_eq!(
                of(-3),
                (
                    State::Critical,
                    "the certificate expired 3d ago, on 2023-11-11".to_owned()
                )
            );
        }

        #[test]
        fn one_that_is_not_trusted_is_critical_however_long_it_lasts() {
            assert_eq!(
                judged(TimeDelta::days(300), Some(Distrust::UnknownIssuer)),
                (
                    State::Critical,
                    "the certificate is not trusted: unknown issuer".to_owned()
                )
            );
        }
    }
}
