//! Checks: each probe asks one question and gives an outcome.
//!
//! Takes plain values of the model, thresholds and a time limit; gives ok, warning, critical or unknown with the
//! measured value in the summary. Secrets are fetched first, and not within the check's timeout.
//! - [`file_age`], [`file_size`], [`disk_space`]: ask a file system · [`tcp`], [`http`], [`tls_expiry`]: ask a server
//! - [`command`]: asks a command, like Nagios · [`job`]: asks the history, or the copies · [`answer`]: what they have in common
//!
//! Invariant: what could not be found out is unknown, never ok. A probe ends within its time limit, or at once when the
//! run must stop.

pub mod answer;
pub mod command;
pub mod disk_space;
pub mod file_age;
pub mod file_size;
mod file_system;
pub mod http;
pub mod job;
#[cfg(feature = "http")]
mod json;
mod measured;
pub mod tcp;
pub mod tls_expiry;

use super::{Context, Ended, outcome};
use crate::blocking;
use crate::clock;
use crate::exec::own_copies::{NewestCopy, OwnCopies};
use crate::exec::recorder::Recorder;
use crate::model::check::{Check, HttpProbe, Probe, Worst};
use crate::model::{JobKind, JobName};
use crate::run::{Outcome, State};
use crate::secret::{SecretError, Vault};
use crate::signal::Stop;
use crate::units::show_duration;
use answer::{Redaction, capped, interrupted};
use file_size::FileSizeCheck;
use std::sync::Arc;
use tls_expiry::ChainTrust;

pub async fn run(context: &Context<'_>, check: &Check) -> Ended {
    let from = CheckSources {
        vault: context.secrets,
        stop: &context.how.stop,
        memory: context.recorder,
        copies: &context.how.copies,
    };
    ask(check, from).await
}

/// What probes ask besides the system.
#[derive(Clone, Copy)]
pub struct CheckSources<'a> {
    pub vault: &'a Vault,
    pub stop: &'a Stop,
    pub memory: &'a dyn Recorder,
    pub copies: &'a Arc<OwnCopies>,
}

pub async fn ask(check: &Check, from: CheckSources<'_>) -> Ended {
    let (stop, timeout) = (from.stop, check.timeout);
    let found = match &check.probe {
        Probe::FileAge { path, age } => file_age::probe(path, age, timeout, stop).await,
        Probe::FileSize { path, limits } => {
            let asked = FileSizeCheck {
                name: &check.name,
                path,
                limits: *limits,
            };
            file_size::probe(asked, timeout, from.memory, stop).await?
        }
        Probe::DiskSpace { path, free } => disk_space::probe(path, free, timeout, stop).await,
        Probe::Command { command: asked } => command::probe(asked, timeout, check.kill_after, from.vault, stop).await,
        Probe::Tcp { address, latency } => tcp::probe(address, latency, timeout, stop).await,
        Probe::Http(probe) => asked_of_web(check, probe, from).await,
        Probe::TlsExpiry {
            address,
            left,
            ca_file,
            verified,
        } => {
            let trust = if *verified {
                ChainTrust::Verified(ca_file.as_deref())
            } else {
                ChainTrust::Unverified
            };
            tls_expiry::probe(address, left, trust, timeout, stop).await
        }
        Probe::Job { job, age, duration } => {
            let history = from.memory.history_of(job)?;
            let lost = history.succeeded_at.is_none() && job.kind == JobKind::Backup;
            let mut copy = None;
            if lost {
                copy = Some(newest_copy(check, job, from).await);
            }
            job::probe(job, history, copy.as_ref(), age, duration, clock::now())
        }
    };
    Ok(capped(found, check.worst))
}

/// The newest copy of a backup whose success the history does not know.
async fn newest_copy(check: &Check, job: &JobName, from: CheckSources<'_>) -> NewestCopy {
    let (copies, name) = (Arc::clone(from.copies), job.name.clone());
    let about = format!("the copies of {job}");
    let read = blocking::call(&about, move || copies.newest(&name));
    let found = tokio::select! {
        biased;
        () = from.stop.wait() => NewestCopy::Unreachable("opsrun was asked to stop".to_owned()),
        read = tokio::time::timeout(check.timeout, read) => match read {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => NewestCopy::Unreachable(error.to_string()),
            Err(_) => NewestCopy::Unreachable(format!("no answer within {}", show_duration(check.timeout))),
        },
    };
    match found {
        // A gate that never gets worse than a warning lets the first run through, which makes the destination.
        NewestCopy::Absent(_) if check.worst == Worst::Warning => NewestCopy::Nothing,
        found => found,
    }
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
