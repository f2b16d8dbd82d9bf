//! Run a command, again when it failed and may be repeated.
//!
//! Takes a target, gives what became of it; every attempt is recorded before anything comes after it.
//! A command is marked while it works ([`crate::liveness::children`]): should opsrun be killed, a later one finds what is left.
//! Checks are not: they change nothing, and several of one may work at once.
//! Invariant: nothing that is recorded or shown holds a secret that was fetched in this run. When the run must
//! stop, no attempt begins.

use super::child;
use super::{Context, Ended, outcome};
use crate::error_chain::error_chain;
use crate::exec::recorder::Recorder;
use crate::liveness::children::Children;
use crate::model::{StepName, Target};
use crate::process::{self, Captured, CompletedProcess, Ending, Ladder, Spawn, SpawnError, SpawnFailure, Streams};
use crate::run::{Event, Outcome, Output, State};
use crate::secret::{ChildLimits, Vault};
use crate::signal::Stop;
use crate::units::{millis, took};
use std::io;
use std::time::Duration;

/// Lines of output that an outcome shows.
const DETAILS: usize = 10;

pub async fn run(context: &Context<'_>, target: &Target) -> Ended {
    let attempts = Attempts {
        target,
        step: &context.step.name,
        vault: context.secrets,
        stop: &context.how.stop,
        recorder: context.recorder,
        children: &context.how.children,
    };
    attempts.run().await
}

struct Attempts<'a> {
    target: &'a Target,
    step: &'a StepName,
    vault: &'a Vault,
    stop: &'a Stop,
    recorder: &'a dyn Recorder,
    children: &'a Children,
}

/// One attempt, over or never begun.
type Attempt = Result<CompletedProcess, SpawnError>;

impl Attempts<'_> {
    async fn run(&self) -> Ended {
        let terms = ChildLimits {
            timeout: self.target.timeout,
            kill_after: self.target.kill_after,
            streams: Streams::Merged,
        };
        let spawn = match self.vault.ready(&self.target.command, terms, self.stop).await {
            Ok(spawn) => spawn,
            Err(error) => return Ok(child::without_secret(&error, State::Failed, self.stop)),
        };
        let mut number = 1;
        loop {
            if self.stop.asked() {
                let before = later(number, |number| format!("before attempt {number}"));
                return Ok(child::stopped(self.stop, &before));
            }
            let attempt = self.attempt(&spawn).await;
            let wait = self.wait(&attempt, number);
            let event = self.attempted(number, &attempt, wait);
            let Some(wait) = wait else {
                // With the end of the step, which comes at once: every write waits for the disk.
                self.recorder.record_soon(event);
                return Ok(self.ended(&spawn, number, attempt));
            };
            self.recorder.record(&event)?;
            tokio::select! {
                biased;
                () = self.stop.wait() => {}
                () = tokio::time::sleep(wait) => {}
            }
            number += 1;
        }
    }

    /// Runs it, marked from before its start until nothing of its group is left that it did not leave on purpose.
    async fn attempt(&self, spawn: &Spawn) -> Attempt {
        let mark = self.children.mark(self.step).map_err(|error| SpawnError {
            program: spawn.program.clone(),
            cwd: spawn.cwd.clone(),
            run_as: spawn.run_as.clone(),
            why: SpawnFailure::Other(io::Error::other(error_chain(&error))),
        })?;
        let spawn = Spawn {
            trace: Some(mark.file()),
            ..spawn.clone()
        };
        let attempt = process::run(&spawn, self.vault, self.stop).await;
        let survivors = |done: &CompletedProcess| {
            matches!(
                done.ending,
                Ending::TimedOut(_, Ladder::Survived) | Ending::Stopped(Ladder::Survived)
            )
        };
        if !attempt.as_ref().is_ok_and(survivors) {
            mark.ended();
        }
        attempt
    }

    /// How long until the next attempt; `None` when this was the last.
    fn wait(&self, attempt: &Attempt, number: u32) -> Option<Duration> {
        let retry = self.target.retry.filter(|retry| number <= retry.max)?;
        let again = match attempt {
            Ok(done) => match done.ending {
                Ending::Exited(code) => !self.target.ok_codes.contains(&code),
                Ending::Signalled(_) | Ending::TimedOut(..) => true,
                Ending::Stopped(_) => false,
            },
            // What is not there will not be there in a moment; room for another process may.
            Err(error) => matches!(error.why, SpawnFailure::TooMany | SpawnFailure::Other(_)),
        };
        (again && !self.stop.asked()).then(|| retry.wait_before(number))
    }

    fn attempted(&self, number: u32, attempt: &Attempt, wait: Option<Duration>) -> Event {
        let (ending, code, took, output) = match attempt {
            Ok(done) => {
                let code = match done.ending {
                    Ending::Exited(code) => Some(code),
                    _ => None,
                };
                (done.ending.to_string(), code, done.took, output(&done.stdout))
            }
            Err(error) => {
                let ending = self.vault.redact(&error.to_string());
                (ending, None, Duration::ZERO, Output::default())
            }
        };
        Event::Attempted {
            step: self.step.clone(),
            attempt: number,
            ending,
            code,
            millis: millis(took),
            output,
            retry_in: wait.map(millis),
        }
    }

    /// What the last attempt makes of the step.
    fn ended(&self, spawn: &Spawn, number: u32, attempt: Attempt) -> Outcome {
        let which = later(number, |number| format!(", attempt {number}"));
        let done = match attempt {
            Ok(done) => done,
            Err(error) => {
                let summary = self.vault.redact(&format!("{error}{which}"));
                return outcome(State::Failed, summary).with_help(error.help());
            }
        };
        let ok = matches!(done.ending, Ending::Exited(code) if self.target.ok_codes.contains(&code));
        let mut details = Vec::new();
        if done.held_open {
            details.push(format!(
                "a process that `{}` left behind keeps its output open; what it prints from now on is not read",
                self.vault.redact(&spawn.program)
            ));
        }
        if ok {
            let summary = format!("{} in {}{which}", done.ending, took(millis(done.took)));
            return outcome(State::Ok, summary).with_details(details);
        }
        details.extend(child::last_lines(&done.stdout, DETAILS));
        let more_were_due = self.target.retry.is_some_and(|retry| number <= retry.max);
        let ended = match done.ending {
            Ending::Stopped(ladder) => child::stopped(self.stop, &format!("{ladder}{which}")),
            ending if self.stop.asked() && more_were_due => child::stopped(self.stop, &format!("{ending}{which}")),
            ending => outcome(State::Failed, format!("{ending}{which}")),
        };
        let shell = self.target.command.program.is_shell();
        ended.with_help(child::advice(done.ending, shell)).with_details(details)
    }
}

/// Words about an attempt that is not the first.
fn later(attempt: u32, words: impl Fn(u32) -> String) -> String {
    if attempt > 1 { words(attempt) } else { String::new() }
}

/// As text; bytes that are none are replaced.
fn output(captured: &Captured) -> Output {
    Output {
        head: String::from_utf8_lossy(&captured.head).into_owned(),
        dropped: captured.dropped,
        tail: String::from_utf8_lossy(&captured.tail).into_owned(),
    }
}

#[cfg(test)]
mod tests;
