//! A command of the model, ready to run.
//!
//! Takes a command and its terms, fetches what is secret in its environment, gives what `process` can start.
//! Invariant: a command whose secrets are not all there is not given.

use super::{SecretError, Vault};
use crate::model::{Command, Program};
use crate::process::{CaptureLimits, Spawn, Streams};
use crate::signal::Stop;
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct ChildLimits {
    pub timeout: Option<Duration>,
    pub kill_after: Duration,
    pub streams: Streams,
}

impl Vault {
    /// The command with its secrets.
    pub async fn ready(&self, command: &Command, terms: ChildLimits, stop: &Stop) -> Result<Spawn, SecretError> {
        let mut env = Vec::with_capacity(command.env.len());
        for (name, value) in &command.env {
            env.push((name.clone(), self.reveal(value, stop).await?));
        }
        let (program, arguments) = match &command.program {
            Program::Argv(words) => words
                .split_first()
                .map_or_else(Default::default, |(program, rest)| (program.clone(), rest.to_vec())),
            Program::Shell(line) => ("/bin/sh".to_owned(), vec!["-c".to_owned(), line.clone()]),
            Program::Pipefail(line) => {
                let arguments = ["-o", "pipefail", "-c", line].map(str::to_owned);
                ("bash".to_owned(), arguments.to_vec())
            }
        };
        Ok(Spawn {
            program,
            arguments,
            cwd: command.cwd.clone(),
            env,
            run_as: command.run_as.clone(),
            input: None,
            timeout: terms.timeout,
            kill_after: terms.kill_after,
            streams: terms.streams,
            keep: CaptureLimits::default(),
            trace: None,
        })
    }
}
