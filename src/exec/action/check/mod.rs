//! Checks: each probe asks one question and gives an outcome.
//!
//! Takes plain values of the model, thresholds and a time limit; gives ok, warning, critical or unknown with the
//! measured value in the summary. Secrets are fetched first, and not within the check's timeout.
//! - [`file_age`], [`disk_space`]: ask a file system · [`tcp`], [`http`], [`tls_expiry`]: ask a server
//! - [`command`]: asks a command, like Nagios · [`job`]: asks the history · [`answer`]: what they have in common
//!
//! Invariant: what could not be found out is unknown, never ok. A probe ends within its time limit, or at once when the
//! run must stop.

pub mod answer;
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
use crate::clock;
use crate::model::JobName;
use crate::model::check::{Check, HttpProbe, Probe};
use crate::run::{JobHistory, Outcome, RecordError, State};
use crate::secret::{SecretError, Vault};
use crate::signal::Stop;
use answer::{Redaction, capped, interrupted};

pub async fn run(context: &Context<'_>, check: &Check) -> Ended {
    let from = CheckSources {
        vault: context.secrets,
        stop: &context.how.stop,
        history: &|job| context.history_of(job),
    };
    ask(check, from).await
}

/// What probes ask besides the system.
#[derive(Clone, Copy)]
pub struct CheckSources<'a> {
    pub vault: &'a Vault,
    pub stop: &'a Stop,
    pub history: &'a (dyn Fn(&JobName) -> Result<JobHistory, RecordError> + Sync),
}

pub async fn ask(check: &Check, from: CheckSources<'_>) -> Ended {
    let (stop, timeout) = (from.stop, check.timeout);
    let found = match &check.probe {
        Probe::FileAge { path, age } => file_age::probe(path, age, timeout, stop).await,
        Probe::DiskSpace { path, free } => disk_space::probe(path, free, timeout, stop).await,
        Probe::Command { command: asked } => command::probe(asked, timeout, check.kill_after, from.vault, stop).await,
        Probe::Tcp { address, latency } => tcp::probe(address, latency, timeout, stop).await,
        Probe::Http(probe) => asked_of_web(check, probe, from).await,
        Probe::TlsExpiry { address, left, ca_file } => {
            tls_expiry::probe(address, left, ca_file.as_deref(), timeout, stop).await
        }
        Probe::Job { job, age, duration } => job::probe(job, (from.history)(job)?, age, duration, clock::now()),
    };
    Ok(capped(found, check.worst))
}

async fn asked_of_web(check: &Check, probe: &HttpProbe, from: CheckSources<'_>) -> Outcome {
    let (vault, stop) = (from.vault, from.stop);
    let fetched = async {
        let url = vault.reveal(&probe.url, stop).await?;
        // A server that is asked repeats parts of what it is asked.
        vault.remember_address(&url);
        let mut headers = Vec::with_capacity(probe.headers.len());
        for (name, value) in &probe.headers {
            headers.push((name.clone(), vault.reveal(value, stop).await?));
        }
        Ok::<_, SecretError>((url, headers))
    };
    let redact: Redaction<'_> = &|text| vault.redact(text);
    match fetched.await {
        Ok((url, headers)) => http::probe(probe, &url, &headers, check.timeout, redact, stop).await,
        Err(error) if error.is_stop() => interrupted(stop),
        Err(error) => outcome(State::Unknown, redact(&error.to_string())).with_help(error.help()),
    }
}
