//! Child processes: the only place that starts any.
//!
//! Takes a [`Spawn`], gives how it ended and what it printed ([`CompletedProcess`]). Every child leads a process group of
//! its own, reads what it is given or nothing, and is reaped whatever happens; its output passes a [`Sift`] before any of it is kept.
//! - `start`: from a command to a process, or to a plain reason why there is none
//! - `child_user`: running as another user
//! - `group`: who is alive in a group, and how one is ended
//! - `capture`: what is kept of an output of any length
//! - `sink`: an output that goes elsewhere, whole
//! - [`line`]: a command as it is typed
//! - `orphans`: what process 1 of a container collects
//! - [`stat`]: what the kernel says of one process
//! - `trace`: what a child leaves about itself, and the group that is found again by it
//!
//! Knows nothing of jobs, retries or secrets. Invariant: after a timeout or a stop nothing of the group lives on,
//! or the result says so; after a child ended by itself, no signal is sent.

mod capture;
mod child_user;
mod group;
mod line;
mod orphans;
mod sink;
mod start;
pub mod stat;
#[cfg(test)]
mod tests;
mod trace;

pub use capture::{CaptureLimits, Captured, Sieve, Sift, Unsifted};
pub use child_user::ChildUserError;
pub use group::{Ending, Ladder};
pub use line::quoted;
pub use orphans::collect as collect_orphans;
pub use sink::SinkEnd;
pub use start::{Spawn, SpawnError, SpawnFailure, Streams};
pub use trace::GroupTrace;

use crate::clock::Stopwatch;
use crate::signal::Stop;
use capture::Capture;
use group::Leader;
use sink::{Consumer, LINGER, Linger, SinkThread, forward};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

#[derive(Debug)]
pub struct CompletedProcess {
    pub ending: Ending,
    pub took: Duration,
    /// Its standard output; with [`Streams::Merged`] the standard error too.
    pub stdout: Captured,
    /// Its standard error, unless merged.
    pub stderr: Captured,
    /// A process that it left behind held an output open; later output was not read.
    pub held_open: bool,
}

/// Runs it to its end. To be called within a runtime that has timers and input and output.
///
/// A dropped call kills the group at once.
pub async fn run(spawn: &Spawn, sift: &dyn Sift, stop: &Stop) -> Result<CompletedProcess, SpawnError> {
    let mut stdout = Capture::new(spawn.keep, sift.sieve());
    let done = run_to(spawn, sift, stop, Consumer::Capture(&mut stdout)).await?;
    Ok(CompletedProcess {
        stdout: stdout.finish(),
        ..done
    })
}

/// The same, but its standard output goes to `sink` as it is: no [`Sift`] sees it, and `stdout` of the result is empty. The
/// child is ended when the sink takes no more.
pub async fn run_into<S: Write + Send + 'static>(
    spawn: &Spawn,
    sift: &dyn Sift,
    stop: &Stop,
    sink: S,
) -> Result<(CompletedProcess, SinkEnd<S>), SpawnError> {
    let (pieces, writer) = SinkThread::begin(sink).map_err(|e| start::error(spawn, SpawnFailure::Other(e)))?;
    let whole = AtomicBool::new(false);
    let done = run_to(spawn, sift, stop, Consumer::Sink(pieces, &whole)).await;
    // The sender of the pieces is gone by now: the writer ends.
    let delivery = writer.end(whole.load(Ordering::Relaxed), stop).await;
    Ok((done?, delivery))
}

async fn run_to(
    spawn: &Spawn,
    sift: &dyn Sift,
    stop: &Stop,
    consumer: Consumer<'_>,
) -> Result<CompletedProcess, SpawnError> {
    let since = Stopwatch::set();
    let user = child_user::of(spawn.run_as.as_ref()).await;
    let user = user.map_err(|why| start::error(spawn, SpawnFailure::User(why)))?;
    let (mut leader, ends) = start::start(spawn, user.as_ref())?;
    let mut stderr = Capture::new(spawn.keep, sift.sieve());
    let to_sink = matches!(consumer, Consumer::Sink(..));
    let linger = Linger::default();
    let mut held_open = true;
    let mut ended = None;
    let took;
    {
        let mut writing = std::pin::pin!(give(ends.stdin, spawn.input.as_deref().unwrap_or_default()));
        let mut given = false;
        let mut reading = std::pin::pin!(async {
            let second = async {
                if let Some(end) = ends.stderr {
                    tokio::select! {
                        () = drain(end, &mut stderr) => {}
                        () = linger.over() => {}
                    }
                }
            };
            let first = async {
                match consumer {
                    Consumer::Capture(capture) => {
                        drain(ends.stdout, capture).await;
                        true
                    }
                    Consumer::Sink(pieces, whole) => {
                        let taken = forward(ends.stdout, pieces, whole, &linger).await;
                        if !taken {
                            // Its other output is not waited for.
                            linger.begin();
                        }
                        taken
                    }
                }
            };
            tokio::join!(first, second).0
        });
        let mut living = std::pin::pin!(live(&mut leader, spawn, stop));
        while ended.is_none() {
            tokio::select! {
                ending = &mut living => ended = Some(ending),
                taken = &mut reading, if held_open => {
                    held_open = false;
                    if !taken {
                        break;
                    }
                }
                () = &mut writing, if !given => given = true,
            }
        }
        took = since.elapsed();
        if held_open && !to_sink {
            held_open = tokio::time::timeout(LINGER, reading).await.is_err();
        } else if held_open && matches!(ended, Some(Ok(Ending::Exited(_)))) {
            // What it printed may still wait for the sink. It is complete only when the pipe was closed.
            linger.begin();
            held_open = tokio::select! {
                _ = reading => linger.was_held_open(),
                () = stop.wait() => true,
            };
        }
    }
    let ended = match ended {
        Some(ended) => ended,
        // The sink takes no more.
        None => Ok(Ending::Stopped(leader.end(spawn.kill_after).await)),
    };
    Ok(CompletedProcess {
        ending: ended.map_err(|error| start::error(spawn, SpawnFailure::Other(error)))?,
        took,
        stdout: Captured::default(),
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

/// Writes all of it and closes; a child may end or stop reading early.
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
