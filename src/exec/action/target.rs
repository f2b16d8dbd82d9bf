//! Run a command, again when it failed and may be repeated.
//!
//! Takes a target, gives what became of it; every attempt is recorded before anything comes after it.
//! A command is marked while it works ([`crate::liveness::children`]): should opsrun be killed, a later one finds what is left.
//! Checks are not: they change nothing, and several of one may work at once.
//! Invariant: nothing that is recorded or shown holds a secret that was fetched in this run. When the run must
//! stop, no attempt begins.

use super::child;
use super::stdout_writer::{StdoutError, StdoutWriter, write_error};
use super::{Context, Ended, outcome};
use crate::clock;
use crate::error_chain::error_chain;
use crate::exec::recorder::Recorder;
use crate::liveness::children::Children;
use crate::model::{StepName, Target};
use crate::path::shown;
use crate::process::{
    self, Captured, CompletedProcess, Ending, Ladder, SinkEnd, Spawn, SpawnError, SpawnFailure, Streams,
};
use crate::run::{Event, Outcome, Output, State, WrittenFile};
use crate::secret::{ChildLimits, Vault};
use crate::signal::Stop;
use crate::units::{millis, show_size, took};
use std::io;
use std::path::PathBuf;
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
        path: target
            .stdout
            .as_ref()
            .map(|file| file.at(clock::now(), &context.plan.timezone, &context.how.run)),
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
    /// Where its standard output goes in this run.
    path: Option<PathBuf>,
    children: &'a Children,
}

/// One attempt, over or never begun.
type Attempt = Result<EndedAttempt, NotBegun>;

struct EndedAttempt {
    process: CompletedProcess,
    /// `None` when its output is not a file, or when the command itself failed.
    file: Option<Result<WrittenFile, StdoutError>>,
}

enum NotBegun {
    Spawn(SpawnError),
    File(StdoutError),
}

impl Attempts<'_> {
    async fn run(&self) -> Ended {
        let terms = ChildLimits {
            timeout: self.target.timeout,
            kill_after: self.target.kill_after,
            streams: if self.path.is_some() {
                Streams::Separate
            } else {
                Streams::Merged
            },
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
        let mark = self.children.mark(self.step).map_err(|error| {
            NotBegun::Spawn(SpawnError {
                program: spawn.program.clone(),
                cwd: spawn.cwd.clone(),
                run_as: spawn.run_as.clone().map(Box::new),
                why: SpawnFailure::Other(io::Error::other(error_chain(&error))),
            })
        })?;
        let spawn = Spawn {
            trace: Some(mark.file()),
            ..spawn.clone()
        };
        let attempt = self.marked_attempt(&spawn).await;
        let survivors = |done: &EndedAttempt| {
            matches!(
                done.process.ending,
                Ending::TimedOut(_, Ladder::Survived) | Ending::Stopped(Ladder::Survived)
            )
        };
        if !attempt.as_ref().is_ok_and(survivors) {
            mark.ended();
        }
        attempt
    }

    async fn marked_attempt(&self, spawn: &Spawn) -> Attempt {
        let (Some(settings), Some(path)) = (&self.target.stdout, &self.path) else {
            let process = process::run(spawn, self.vault, self.stop).await;
            let process = process.map_err(NotBegun::Spawn)?;
            return Ok(EndedAttempt { process, file: None });
        };
        let writer = StdoutWriter::create(settings, path).await.map_err(NotBegun::File)?;
        let run = process::run_into(spawn, self.vault, self.stop, writer).await;
        let (process, delivery) = run.map_err(NotBegun::Spawn)?;
        let shown = || shown(path).to_string();
        let file = match delivery {
            // What goes wrong with the file comes first: it ends the command.
            SinkEnd::Refused(error) => Some(Err(write_error(path, error))),
            SinkEnd::Hangs if !self.stop.asked() => Some(Err(StdoutError::Hangs(shown()))),
            _ if !self.succeeded(&process) => None,
            SinkEnd::Whole(writer) => Some(writer.publish().await),
            SinkEnd::Cut | SinkEnd::Hangs => Some(Err(StdoutError::HeldOpen(shown()))),
        };
        Ok(EndedAttempt { process, file })
    }

    fn succeeded(&self, process: &CompletedProcess) -> bool {
        matches!(process.ending, Ending::Exited(code) if self.target.ok_codes.contains(&code))
    }

    /// What it printed for people.
    fn printed<'d>(&self, process: &'d CompletedProcess) -> &'d Captured {
        if self.path.is_some() {
            &process.stderr
        } else {
            &process.stdout
        }
    }

    /// How long until the next attempt; `None` when this was the last.
    fn wait(&self, attempt: &Attempt, number: u32) -> Option<Duration> {
        let retry = self.target.retry.filter(|retry| number <= retry.max)?;
        let again = match attempt {
            Ok(EndedAttempt {
                file: Some(Err(error)), ..
            })
            | Err(NotBegun::File(error)) => error.may_pass(),
            Ok(done) => match done.process.ending {
                Ending::Exited(_) => !self.succeeded(&done.process),
                Ending::Signalled(_) | Ending::TimedOut(..) => true,
                Ending::Stopped(_) => false,
            },
            // What is not there will not be there in a moment; room for another process may.
            Err(NotBegun::Spawn(error)) => matches!(error.why, SpawnFailure::TooMany | SpawnFailure::Other(_)),
        };
        (again && !self.stop.asked()).then(|| retry.wait_before(number))
    }

    fn attempted(&self, number: u32, attempt: &Attempt, wait: Option<Duration>) -> Event {
        let (mut code, mut took, mut printed, mut file) = (None, Duration::ZERO, Output::default(), None);
        let ending = match attempt {
            Ok(done) => {
                if let Ending::Exited(exited) = done.process.ending {
                    code = Some(exited);
                }
                took = done.process.took;
                printed = output(self.printed(&done.process));
                match &done.file {
                    Some(Err(error)) => self.file_failed(&done.process, error),
                    Some(Ok(written)) => {
                        file = Some(written.clone());
                        done.process.ending.to_string()
                    }
                    None => done.process.ending.to_string(),
                }
            }
            Err(NotBegun::Spawn(error)) => self.vault.redact(&error.to_string()),
            Err(NotBegun::File(error)) => self.vault.redact(&error.to_string()),
        };
        Event::Attempted {
            step: self.step.clone(),
            attempt: number,
            ending,
            code,
            millis: millis(took),
            output: printed,
            retry_in: wait.map(millis),
            file,
        }
    }

    /// What the last attempt makes of the step.
    fn ended(&self, spawn: &Spawn, number: u32, attempt: Attempt) -> Outcome {
        let which = later(number, |number| format!(", attempt {number}"));
        let EndedAttempt { process: done, file } = match attempt {
            Ok(done) => done,
            Err(NotBegun::Spawn(error)) => {
                let summary = self.vault.redact(&format!("{error}{which}"));
                return outcome(State::Failed, summary).with_help(error.help());
            }
            Err(NotBegun::File(error)) => {
                let summary = format!("{}{which}", self.vault.redact(&error.to_string()));
                return outcome(error.state(), summary).with_help(error.help());
            }
        };
        let mut details = Vec::new();
        if done.held_open && self.path.is_none() {
            details.push(format!(
                "a process that `{}` left behind keeps its output open; what it prints from now on is not read",
                self.vault.redact(&spawn.program)
            ));
        }
        let file = match file.transpose() {
            Ok(file) => file,
            Err(error) => {
                details.extend(child::last_lines(self.printed(&done), DETAILS));
                let summary = format!("{}{which}", self.file_failed(&done, &error));
                return outcome(error.state(), summary)
                    .with_help(error.help())
                    .with_details(details);
            }
        };
        if self.succeeded(&done) {
            let summary = format!("{} in {}{which}", done.ending, took(millis(done.took)));
            let summary = match file {
                Some(file) => format!("{summary}; wrote {}", written(&file)),
                None => summary,
            };
            return outcome(State::Ok, summary).with_details(details);
        }
        details.extend(child::last_lines(self.printed(&done), DETAILS));
        let more_were_due = self.target.retry.is_some_and(|retry| number <= retry.max);
        let ended = match done.ending {
            Ending::Stopped(ladder) => child::stopped(self.stop, &format!("{ladder}{which}")),
            ending if self.stop.asked() && more_were_due => child::stopped(self.stop, &format!("{ending}{which}")),
            ending => outcome(State::Failed, format!("{ending}{which}")),
        };
        let shell = self.target.command.program.is_shell();
        ended.with_help(child::advice(done.ending, shell)).with_details(details)
    }

    /// How an attempt ended whose file was not written. A command that was ended for it has nothing more to say.
    fn file_failed(&self, process: &CompletedProcess, error: &StdoutError) -> String {
        let error = self.vault.redact(&error.to_string());
        match process.ending {
            Ending::Stopped(_) => error,
            ending => format!("{ending}, but {error}"),
        }
    }
}

/// A file, for people.
fn written(file: &WrittenFile) -> String {
    let WrittenFile { path, bytes, printed } = file;
    if bytes == printed {
        return format!("`{path}`, {}", show_size(*bytes));
    }
    format!(
        "`{path}`, {}, {} before compression",
        show_size(*bytes),
        show_size(*printed)
    )
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
