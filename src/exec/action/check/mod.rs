//! The probes of checks: each asks one question and gives an outcome.
//!
//! Takes plain values of the model, thresholds and a time limit; gives ok, warning, critical or unknown with the
//! measured value in the summary.
//! - [`file_age`], [`disk_space`]: what a file system says
//! - [`tcp`], [`http`], [`tls_expiry`]: what a server says
//! - [`command`]: what a command says, in the way of Nagios
//! - [`job`]: what the history says
//! - [`ask`]: which of them a check asks
//!
//! Invariant: what could not be found out is unknown, never ok; and a probe ends within its time limit, or at once
//! when the run is told to stop.

pub mod ask;
pub mod command;
pub mod disk_space;
pub mod file_age;
mod file_system;
pub mod http;
pub mod job;
#[cfg(feature = "http")]
mod json;
mod measured;
pub mod tcp;
pub mod tls_expiry;

use super::{Context, Ended, outcome};
use crate::model::check::{Check, Worst};
use crate::net::NetError;
use crate::run::{Outcome, State};
use crate::signal::Stop;
use ask::Sources;

pub async fn run(context: &Context<'_>, check: &Check) -> Ended {
    let from = Sources {
        vault: context.secrets,
        stop: &context.how.stop,
        history: &|job| context.history_of(job),
    };
    ask::ask(check, from).await
}

pub type Redact<'a> = &'a (dyn Fn(&str) -> String + Sync);

/// `severity "warning"`: critical is turned into a warning, and nothing else.
#[must_use]
pub fn capped(mut outcome: Outcome, worst: Worst) -> Outcome {
    if worst == Worst::Warning && outcome.state == State::Critical {
        outcome.state = State::Warning;
    }
    outcome
}

/// Waits for a probe, or for the request to stop.
async fn unless_stopped(stop: &Stop, probe: impl Future<Output = Outcome>) -> Outcome {
    tokio::select! {
        biased;
        () = stop.wait() => interrupted(stop),
        outcome = probe => outcome,
    }
}

fn interrupted(stop: &Stop) -> Outcome {
    stop.signal()
        .map_or_else(|| outcome(State::Interrupted, "stopped"), super::interrupted)
}

/// What a failure on the network makes of a check: a server that does not answer as it should is critical, a
/// question that could not be asked leaves unknown.
fn unanswered(error: &NetError) -> Outcome {
    let state = if error.is_ours() {
        State::Unknown
    } else {
        State::Critical
    };
    Outcome {
        help: error.help().map(str::to_owned),
        ..outcome(state, error.to_string())
    }
}

/// The probe needs what this program was built without.
#[cfg(not(feature = "http"))]
fn not_built(what: &str) -> Outcome {
    Outcome {
        help: Some("use a build with the feature `http`".to_owned()),
        ..outcome(State::Unknown, format!("this build of opsrun cannot ask over {what}"))
    }
}
