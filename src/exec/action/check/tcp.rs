//! Whether a connection can be made, and how long it takes.
//!
//! Takes an address and latencies, gives an outcome. The connection is closed at once.
//! Invariant: resolving the name counts, as it does for every client.

use super::answer::{unanswered, unless_stopped};
use super::measured;
use crate::clock::Stopwatch;
use crate::exec::action::outcome;
use crate::model::check::{Address, Levels};
use crate::net;
use crate::run::Outcome;
use crate::signal::Stop;
use std::time::Duration;

pub async fn probe(address: &Address, latency: &Levels<Duration>, timeout: Duration, stop: &Stop) -> Outcome {
    unless_stopped(stop, async {
        let asked = Stopwatch::set();
        match net::tcp::connect(&address.host, address.port, timeout).await {
            Ok(_) => {
                let (state, summary) = measured::from(asked.elapsed(), |took| format!("connected in {took}"), latency);
                outcome(state, summary)
            }
            Err(error) => unanswered(&error),
        }
    })
    .await
}
