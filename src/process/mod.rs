//! Child processes: the only place that starts any.
//!
//! Takes a [`Spawn`], gives how it ended and what it printed ([`Finished`]). Every child leads a process group of
//! its own, reads what it is given or nothing, and is reaped whatever happens; its output passes a [`Sift`] before any of it is kept.
//! - `start`: from a command to a process, or to a plain reason why there is none
//! - `group`: who is alive in a group, and how one is ended
//! - `capture`: what is kept of an output of any length
//! - [`line`]: a command as it is typed
//!
//! Knows nothing of jobs, retries or secrets. Invariant: after a timeout or a stop nothing of the group lives on,
//! or the result says so; after an end by itself nobody is signalled.

mod capture;
mod group;
mod line;
mod start;
#[cfg(test)]
mod tests;

pub use crate::path::shell_quoted as quoted;
pub use capture::{Captured, Keep, Sieve, Sift, Unsifted};
pub use group::Ladder;
pub use start::{SpawnError, Why};

use crate::clock::Mark;
use crate::signal::Stop;
use crate::units::show_duration;
use capture::Capture;
use group::Leader;
use secrecy::SecretString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

/// How long an output is read on when the child is gone and somebody else still holds it open.
const LINGER: Duration = Duration::from_millis(500);

#[derive(Debug, Clone)]
pub struct Spawn {
    /// A path, or a name to be found in `PATH`.
    pub program: String,
    pub arguments: Vec<String>,
    /// Where it runs: absolute.
    pub cwd: PathBuf,
    /// Variables on top of what opsrun itself was given.
    pub env: Vec<(String, SecretString)>,
    /// What it can read on its standard input; `None` is nothing.
    pub input: Option<Vec<u8>>,
    pub timeout: Option<Duration>,
    pub kill_after: Duration,
    pub streams: Streams,
    /// How much of each output is kept.
    pub keep: Keep,
}

impl Spawn {
    /// What was asked to run: the program with its arguments, in one line, as it is typed.
    #[must_use]
    pub fn line(&self) -> String {
        line::one_line(std::iter::once(&self.program).chain(&self.arguments))
    }
}

/// Where the output of a child goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Standard output and error into one, in the order in which they were written.
    Merged,
    Separate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(u8),
    /// By a signal that did not come from here.
    Signalled(i32),
    TimedOut(Duration, Ladder),
    Stopped(Ladder),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signalled(number) => match group::name(*number) {
                Some(name) => write!(f, "killed by signal {number} ({name})"),
                None => write!(f, "killed by signal {number}"),
            },
            Self::TimedOut(after, ladder) => write!(f, "timeout after {}; {ladder}", show_duration(*after)),
            Self::Stopped(ladder) => write!(f, "told to stop; {ladder}"),
        }
    }
}

#[derive(Debug)]
pub struct Finished {
    pub ending: Ending,
    pub took: Duration,
    /// Its standard output; with [`Streams::Merged`] the standard error too.
    pub stdout: Captured,
    /// Its standard error, unless merged.
    pub stderr: Captured,
    /// Somebody that it left behind still held an output open; what came later was not read.
    pub held_open: bool,
}

/// Runs it to its end. To be called within a runtime that has timers and input and output.
///
/// A dropped call kills the group at once.
pub async fn run(spawn: &Spawn, sift: &dyn Sift, stop: &Stop) -> Result<Finished, SpawnError> {
    let since = Mark::set();
    let (mut leader, ends) = start::start(spawn)?;
    let mut stdout = Capture::new(spawn.keep, sift.sieve());
    let mut stderr = Capture::new(spawn.keep, sift.sieve());
    let mut held_open = true;
    let ending;
    let took;
    {
        let mut writing = std::pin::pin!(give(ends.stdin, spawn.input.as_deref().unwrap_or_default()));
        let mut given = false;
        let mut reading = std::pin::pin!(async {
            let second = async {
                if let Some(end) = ends.stderr {
                    drain(end, &mut stderr).await;
                }
            };
            tokio::join!(drain(ends.stdout, &mut stdout), second);
        });
        let mut living = std::pin::pin!(live(&mut leader, spawn, stop));
        ending = loop {
            tokio::select! {
                ending = &mut living => break ending,
                () = &mut reading, if held_open => held_open = false,
                () = &mut writing, if !given => given = true,
            }
        };
        took = since.elapsed();
        if held_open {
            held_open = tokio::time::timeout(LINGER, reading).await.is_err();
        }
    }
    Ok(Finished {
        ending: ending.map_err(|error| start::error(spawn, Why::Other(error)))?,
        took,
        stdout: stdout.finish(),
        stderr: stderr.finish(),
        held_open,
    })
}

/// From the start to the end of the child, by itself or not.
async fn live(leader: &mut Leader, spawn: &Spawn, stop: &Stop) -> io::Result<Ending> {
    let late = async {
        match spawn.timeout {
            Some(most) => {
                tokio::time::sleep(most).await;
                most
            }
            None => std::future::pending().await,
        }
    };
    // In this order: an end by itself is one, also when it comes with the timeout.
    let late = tokio::select! {
        biased;
        ended = leader.ended() => {
            ended?;
            return leader.reap();
        }
        () = stop.wait() => None,
        most = late => Some(most),
    };
    let ladder = leader.end(spawn.kill_after).await;
    Ok(late.map_or(Ending::Stopped(ladder), |most| Ending::TimedOut(most, ladder)))
}

/// Writes all of it and closes; whoever reads no more, or ends, does not want the rest.
async fn give(end: Option<Sender>, input: &[u8]) {
    if let Some(mut end) = end {
        let _ = end.write_all(input).await;
    }
}

/// Reads to the end, or until a failure, which is one as well.
async fn drain(mut end: Receiver, capture: &mut Capture) {
    let mut buffer = vec![0; 64 * 1024];
    let mut reads = 0_u32;
    while let Ok(n @ 1..) = end.read(&mut buffer).await {
        capture.feed(buffer.get(..n).unwrap_or_default());
        reads = reads.wrapping_add(1);
        // A flood is always readable: timers and everybody else get their turn all the same.
        if reads.is_multiple_of(16) {
            tokio::task::yield_now().await;
        }
    }
}
