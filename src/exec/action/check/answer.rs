//! What probes have in common: outcomes of failures, and the end of a check when the run must stop.

use crate::exec::action::outcome;
use crate::model::check::Worst;
use crate::net::NetError;
use crate::run::{Outcome, State};
use crate::signal::Stop;

pub type Redaction<'a> = &'a (dyn Fn(&str) -> String + Sync);

/// `severity "warning"`: critical is turned into a warning, and nothing else.
pub fn capped(mut outcome: Outcome, worst: Worst) -> Outcome {
    if worst == Worst::Warning && outcome.state == State::Critical {
        outcome.state = State::Warning;
    }
    outcome
}

/// Waits for a probe, or for the request to stop.
pub(super) async fn unless_stopped(stop: &Stop, probe: impl Future<Output = Outcome>) -> Outcome {
    tokio::select! {
        biased;
        () = stop.wait() => interrupted(stop),
        outcome = probe => outcome,
    }
}

pub(super) fn interrupted(stop: &Stop) -> Outcome {
    stop.signal().map_or_else(
        || outcome(State::Interrupted, "stopped"),
        crate::exec::action::interrupted,
    )
}

/// What a failure on the network makes of a check: a server that does not answer as it should is critical, a
/// question that could not be asked leaves unknown.
pub(super) fn unanswered(error: &NetError) -> Outcome {
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

/// This build lacks what the probe needs.
#[cfg(not(feature = "http"))]
pub(super) fn not_built(what: &str) -> Outcome {
    outcome(State::Unknown, format!("this build of opsrun cannot ask over {what}"))
        .with_help("use a build with the feature `http`")
}
