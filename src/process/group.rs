//! The process group of a child: which processes are alive, and how they are ended.
//!
//! Takes a child that leads its group, gives its end. The child is watched by a descriptor and stays a zombie until
//! nothing is left to do: as long as it is one, the group's number cannot be another group's, and no signal can reach
//! anybody else. Knows nothing of output.
//! Invariant: dropped before its end, the whole group is killed, and the child reaped.

use super::{orphans, stat};
use crate::clock::Stopwatch;
use crate::signal::{self, Ward};
use crate::units::show_duration;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How long a killed process may take to be gone. Only one that waits for a device or a server takes any time.
pub(super) const KILLED: Duration = Duration::from_secs(10);
/// Between two looks at who is left: from, to.
pub(super) const LOOKS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ladder {
    Term,
    Kill,
    /// Some of it could not even be killed.
    Survived,
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Term => "the group was ended with TERM",
            Self::Kill => "the group was ended with KILL",
            Self::Survived => "some of the group could not be ended, not even with KILL",
        })
    }
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
            Self::Signalled(number) => match name(*number) {
                Some(name) => write!(f, "killed by signal {number} ({name})"),
                None => write!(f, "killed by signal {number}"),
            },
            Self::TimedOut(after, ladder) => write!(f, "timeout after {}; {ladder}", show_duration(*after)),
            Self::Stopped(ladder) => write!(f, "stopped; {ladder}"),
        }
    }
}

pub(super) struct Leader {
    /// `None` once it was reaped.
    child: Option<Child>,
    group: Pid,
    /// Has the group killed by who is in a hurry. Until the child is reaped: then the number may become another's.
    ward: Option<Ward>,
    /// Readable when it has ended.
    watch: Option<AsyncFd<OwnedFd>>,
}

impl Leader {
    pub(super) fn new(child: Child) -> io::Result<Self> {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let group = group.ok_or_else(|| io::Error::other("the system gave a process no number"))?;
        let mut leader = Self {
            child: Some(child),
            group,
            ward: Some(signal::ward(group)),
            watch: None,
        };
        // A failure from here on ends the child by dropping it.
        let watch = pidfd_open(group, PidfdFlags::NONBLOCK)?;
        leader.watch = Some(watched(watch)?);
        Ok(leader)
    }

    /// Waits until it has ended by itself, or by others. It is not reaped then.
    pub(super) async fn ended(&self) -> io::Result<()> {
        match &self.watch {
            Some(watch) => watch.readable().await.map(|_| ()),
            None => Err(io::Error::other("the process is not watched")),
        }
    }

    pub(super) fn reap(&mut self) -> io::Result<Ending> {
        let Some(mut child) = self.child.take() else {
            return Err(io::Error::other("the process was waited for already"));
        };
        self.ward = None;
        let status = wait(&mut child)?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        let signal = status.signal();
        code.map(Ending::Exited)
            .or_else(|| signal.map(Ending::Signalled))
            .ok_or_else(|| io::Error::other("the process ended in no known way"))
    }

    /// Ends the whole group: TERM, and KILL for those that are still there after `kill_after`. Everybody has this
    /// time, not the child alone: what it started may have more to put in order than itself.
    pub(super) async fn end(&mut self, kill_after: Duration) -> Ladder {
        self.send(Signal::TERM);
        // A stopped process would only receive TERM once it is continued.
        self.send(Signal::CONT);
        let ladder = if self.gone(kill_after).await {
            Ladder::Term
        } else {
            self.send(Signal::KILL);
            if self.gone(KILLED).await {
                Ladder::Kill
            } else {
                Ladder::Survived
            }
        };
        if ladder != Ladder::Survived {
            // For processes that began or were hidden between two looks; until the next line the number is this group's.
            self.send(Signal::KILL);
            let _ = self.reap();
        }
        ladder
    }

    fn send(&self, signal: Signal) {
        // No process is left, or none may be signalled: the survivors are counted later.
        let _ = kill_process_group(self.group, signal);
    }

    /// Waits until no process of the group is alive, at most for this time.
    async fn gone(&self, within: Duration) -> bool {
        let since = Stopwatch::set();
        if !matches!(tokio::time::timeout(within, self.ended()).await, Ok(Ok(()))) {
            return false;
        }
        let (mut pause, longest) = LOOKS;
        while anybody(self.group) {
            let left = within.saturating_sub(since.elapsed());
            if left.is_zero() {
                return false;
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(longest);
        }
        true
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            self.send(Signal::KILL);
            self.ward = None;
            // It may take long, and this caller cannot wait.
            let _ = std::thread::Builder::new().spawn(move || wait(&mut child));
        }
    }
}

fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let status = child.wait();
    orphans::forget(child);
    status
}

#[expect(
    unsafe_code,
    reason = "the safe way to register a descriptor is deprecated, as it also accepts numbers that are not descriptors"
)]
fn watched(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is an open descriptor, always the same, and the `AsyncFd` owns it as long as it lives.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?)
}

/// True when a process of the group is alive.
fn anybody(group: Pid) -> bool {
    let wanted = group.as_raw_nonzero().get();
    let Some(mut all) = stat::all() else {
        return true;
    };
    all.any(|(_, found)| found.group == wanted && found.is_alive())
}

/// What people call a signal.
pub(super) fn name(signal: i32) -> Option<&'static str> {
    const NAMES: [(Signal, &str); 19] = [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::ILL, "ILL"),
        (Signal::TRAP, "TRAP"),
        (Signal::ABORT, "ABRT"),
        (Signal::BUS, "BUS"),
        (Signal::FPE, "FPE"),
        (Signal::KILL, "KILL"),
        (Signal::USR1, "USR1"),
        (Signal::SEGV, "SEGV"),
        (Signal::USR2, "USR2"),
        (Signal::PIPE, "PIPE"),
        (Signal::ALARM, "ALRM"),
        (Signal::TERM, "TERM"),
        (Signal::XCPU, "XCPU"),
        (Signal::XFSZ, "XFSZ"),
        (Signal::IO, "IO"),
        (Signal::SYS, "SYS"),
    ];
    let found = NAMES.iter().find(|(known, _)| known.as_raw() == signal);
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names() {
        assert_eq!(name(9), Some("KILL"));
        assert_eq!(name(15), Some("TERM"));
        assert_eq!(name(63), None);
    }
}
