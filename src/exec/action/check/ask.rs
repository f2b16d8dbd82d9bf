//! From a check to its probe: what the probe needs is fetched, and the severity is kept.
//!
//! Takes a check, the vault and the history; gives an outcome. Secrets are fetched here, in their own time: the
//! check's timeout is for the answer.
//! Invariant: a secret that cannot be fetched leaves unknown, and nothing is asked without it.

use super::super::Ended;
use super::{Redact, capped, command, disk_space, file_age, http, interrupted, job, outcome, tcp, tls_expiry};
use crate::clock;
use crate::model::Value;
use crate::model::check::{Check, HttpProbe, Probe};
use crate::model::job::JobName;
use crate::run::{JobHistory, Outcome, RecordError, State};
use crate::secret::{SecretError, Vault};
use crate::signal::Stop;

/// Where a check gets what it cannot ask for itself.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Its secrets, and what must not be shown.
    pub vault: &'a Vault,
    pub stop: &'a Stop,
    /// What the history says of a job.
    pub history: &'a (dyn Fn(&JobName) -> Result<JobHistory, RecordError> + Sync),
}

pub async fn ask(check: &Check, from: Sources<'_>) -> Ended {
    let (stop, timeout) = (from.stop, check.timeout);
    let found = match &check.probe {
        Probe::FileAge { path, age } => file_age::probe(path, age, timeout, stop).await,
        Probe::DiskSpace { path, free } => disk_space::probe(path, free, timeout, stop).await,
        Probe::Command(asked) => command::probe(asked, timeout, check.kill_after, from.vault, stop).await,
        Probe::Tcp { address, latency } => tcp::probe(address, latency, timeout, stop).await,
        Probe::Http(probe) => asked_of_web(check, probe, from).await,
        Probe::TlsExpiry { address, left, ca_file } => {
            tls_expiry::probe(address, left, ca_file.as_deref(), timeout, stop).await
        }
        Probe::Job { job, age, duration } => job::probe((from.history)(job)?, age, duration, clock::now()),
    };
    Ok(capped(found, check.worst))
}

async fn asked_of_web(check: &Check, probe: &HttpProbe, from: Sources<'_>) -> Outcome {
    let (vault, stop) = (from.vault, from.stop);
    let fetched = async {
        let url = vault.reveal(&probe.url, stop).await?;
        if matches!(probe.url, Value::Secret(_)) {
            // A server that is asked repeats parts of what it is asked.
            vault.remember_address(&url);
        }
        let mut headers = Vec::with_capacity(probe.headers.len());
        for (name, value) in &probe.headers {
            headers.push((name.clone(), vault.reveal(value, stop).await?));
        }
        Ok::<_, SecretError>((url, headers))
    };
    let redact: Redact<'_> = &|text| vault.redact(text);
    match fetched.await {
        Ok((url, headers)) => http::probe(probe, &url, &headers, check.timeout, redact, stop).await,
        Err(error) if error.is_stop() => interrupted(stop),
        Err(error) => Outcome {
            help: Some(error.help().to_owned()),
            ..outcome(State::Unknown, redact(&error.to_string()))
        },
    }
}
