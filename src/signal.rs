//! Signals: how a run is asked to stop, and which signals must not end the process.
//!
//! Takes nothing, gives a [`Stop`] that says whether SIGINT or SIGTERM (or SIGHUP) arrived. SIGIO announces the break of a
//! lease and SIGXFSZ a file size limit: both end a process that does not handle them, both are answered by an
//! error where they matter. SIGCHLD is handled since, ignored, it takes the exit code of every child away. Handlers, unlike
//! masks, are not inherited by children.
//! Process 1 of a container ignores every signal that it does not handle: [`at_start`] has it end all the same.
//! Async tasks wait for it ([`Stop::wait`]); threads ask now and then.
//! A second Ctrl-C kills the groups of all children ([`ward`]) and ends the process.
//! Invariant: installed before any other thread starts.

use crate::own_process;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use rustix::process::getpid;
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGTERM, SIGXFSZ};
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

/// Whether, and by which signal, the process was asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicUsize>,
    /// Becomes readable when a stop is requested, and stays so; and its other end. Waiting needs it.
    bell: Option<Arc<(UnixStream, UnixStream)>>,
}

/// The process groups of children, by number; 0 is free. A signal handler may neither lock nor allocate: their count is
/// fixed, far above what anybody runs at once. A group beyond it is not killed by a second SIGINT.
static WARDS: [AtomicI32; 4096] = [const { AtomicI32::new(0) }; 4096];

/// A process group that a second SIGINT kills, until this is dropped.
#[derive(Debug)]
pub struct Ward(Option<&'static AtomicI32>);

/// Has a group killed by a second SIGINT. To be dropped before its leader is reaped: the number is its own until then.
pub fn ward(group: Pid) -> Ward {
    let number = group.as_raw_nonzero().get();
    Ward(WARDS.iter().find(|place| {
        place
            .compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }))
}

impl Drop for Ward {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.store(0, Ordering::SeqCst);
        }
    }
}

/// Kills the groups of all children. Calls nothing that a signal handler may not.
fn kill_wards() {
    for place in &WARDS {
        if let Some(group) = Pid::from_raw(place.load(Ordering::SeqCst)) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Asked to stop, but by no signal.
const WITHOUT_SIGNAL: usize = usize::MAX;

impl Stop {
    /// Installs the handlers. The first signal asks to stop in good order; a second SIGINT kills the children and
    /// ends the process at once, which loses no data either.
    pub fn install() -> io::Result<Self> {
        Self::install_for(&not_ignored(&[SIGINT, SIGTERM, SIGHUP]))
    }

    fn install_for(signals: &[i32]) -> io::Result<Self> {
        let stop = Self::new()?;
        if signals.contains(&SIGINT) {
            hurry()?;
        }
        for &signal in signals {
            signal_hook::flag::register_usize(signal, Arc::clone(&stop.asked), usize::try_from(signal).unwrap_or(1))?;
        }
        // After the number, so that waiters find it.
        if let Some(bell) = &stop.bell {
            for &signal in signals {
                signal_hook::low_level::pipe::register(signal, bell.1.try_clone()?)?;
            }
        }
        for signal in [SIGIO, SIGCHLD] {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        CAN_STOP.store(true, Ordering::SeqCst);
        Ok(stop)
    }

    /// Without signals: stops when [`Self::ask`] says so.
    pub fn new() -> io::Result<Self> {
        let bell = UnixStream::pair()?;
        bell.0.set_nonblocking(true)?;
        bell.1.set_nonblocking(true)?;
        Ok(Self {
            asked: Arc::default(),
            bell: Some(Arc::new(bell)),
        })
    }

    /// Asks to stop, as a signal would, though by none.
    pub fn ask(&self) {
        self.ask_as(WITHOUT_SIGNAL);
    }

    /// Passes on a signal that another handler received.
    pub fn pass_on(&self, signal: u8) {
        self.ask_as(usize::from(signal));
    }

    fn ask_as(&self, what: usize) {
        let _ = self.asked.compare_exchange(0, what, Ordering::SeqCst, Ordering::SeqCst);
        if let Some(bell) = &self.bell {
            // Full means that it rings already.
            let _ = (&bell.1).write(&[0]);
        }
    }

    /// The number of the signal that asked to stop; `None` also when something else did.
    pub fn signal(&self) -> Option<u8> {
        match self.asked.load(Ordering::SeqCst) {
            0 => None,
            n => u8::try_from(n).ok(),
        }
    }

    /// True once it was asked to stop.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst) != 0
    }

    /// Waits until it is asked to stop; any number may wait, each at once when it was asked already. Within a
    /// runtime only. Waits forever when there is no bell, or none that can be watched.
    pub async fn wait(&self) {
        let end = self.bell.as_ref().and_then(|bell| bell.0.try_clone().ok());
        let watched = end.and_then(|end| tokio::net::UnixStream::from_std(end).ok());
        // Never read from: it stays readable for everybody.
        if let Some(end) = watched
            && (self.asked() || end.readable().await.is_ok())
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Those that stop opsrun. What was ignored at the start stays ignored: after `nohup`, a hangup stops nothing, nor does Ctrl-C
/// what a shell put into the background. SIGTERM always stops: children inherit what is ignored, and are ended by it.
fn not_ignored(signals: &[i32]) -> Vec<i32> {
    let stops = |signal: &i32| *signal == SIGTERM || !own_process::ignores(*signal);
    signals.iter().copied().filter(stops).collect()
}

/// True once a [`Stop`] receives the signals.
static CAN_STOP: AtomicBool = AtomicBool::new(false);

/// What holds for every command, whether it can be asked to stop or not. Call it first.
pub fn at_start() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    if getpid().is_init() {
        for signal in not_ignored(&[SIGINT, SIGTERM, SIGHUP]) {
            end_unless_stoppable(signal)?;
        }
    }
    Ok(())
}

/// Has a signal end the process, until something can be asked to stop.
#[expect(unsafe_code, reason = "a signal handler cannot safely do more than set a flag")]
fn end_unless_stoppable(signal: i32) -> io::Result<()> {
    let act = move || {
        if !CAN_STOP.load(Ordering::SeqCst) {
            signal_hook::low_level::exit(128 + signal);
        }
    };
    // SAFETY: `act` reads an atomic and calls `_exit`: a signal handler may do that.
    unsafe { signal_hook::low_level::register(signal, act) }?;
    Ok(())
}

/// Rings when a child has ended, also one that opsrun did not start.
#[derive(Debug)]
pub struct ChildBell(UnixStream);

impl ChildBell {
    pub fn install() -> io::Result<Self> {
        let (bell, ring) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ring.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCHLD, ring)?;
        Ok(Self(bell))
    }

    pub fn wait(&self) {
        wait_and_drain(&self.0, None);
    }
}

/// Waits until the bell rings or the time is over, and silences it.
fn wait_and_drain(mut bell: &UnixStream, time: Option<Duration>) {
    // What keeps us from waiting ends the wait: the caller looks around and waits again.
    let mut fds = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
    let _ = ppoll(&mut fds, time.map(TimeSpec::from_duration), None);
    let mut rung = [0; 64];
    while matches!(bell.read(&mut rung), Ok(n) if n > 0) {}
}

/// Signals of a process that stays: SIGHUP means to read files again, not to stop.
#[derive(Debug)]
pub struct Signals {
    pub stop: Stop,
    hung_up: Arc<AtomicBool>,
    bell: UnixStream,
    ring: Ring,
}

/// Wakes the waiters of [`Signals::wait`].
#[derive(Debug, Clone)]
pub struct Ring(Arc<UnixStream>);

impl Ring {
    pub fn ring(&self) {
        // Full means that it rings already.
        let _ = (&*self.0).write(&[0]);
    }
}

impl Signals {
    pub fn install() -> io::Result<Self> {
        let stops = not_ignored(&[SIGINT, SIGTERM]);
        let stop = Stop::install_for(&stops)?;
        let (bell, ring) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ring.set_nonblocking(true)?;
        let hung_up = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGHUP, Arc::clone(&hung_up))?;
        // After the flags, so that waiters find them. SIGHUP is handled here even if it was ignored: it stops nothing.
        for signal in stops.into_iter().chain([SIGHUP]) {
            signal_hook::low_level::pipe::register(signal, ring.try_clone()?)?;
        }
        Ok(Self {
            stop,
            hung_up,
            bell,
            ring: Ring(Arc::new(ring)),
        })
    }

    /// True once after a SIGHUP, or several.
    pub fn hung_up(&self) -> bool {
        self.hung_up.swap(false, Ordering::SeqCst)
    }

    /// For other threads, to wake the waiters.
    pub fn ring(&self) -> Ring {
        self.ring.clone()
    }

    /// Waits for a signal, a ring, or the end of the time.
    pub fn wait(&self, time: Duration) {
        wait_and_drain(&self.bell, Some(time));
    }
}

/// What a second SIGINT does.
#[expect(unsafe_code, reason = "a signal handler cannot safely do more than set a flag")]
fn hurry() -> io::Result<()> {
    let asked = AtomicBool::new(false);
    let act = move || {
        if asked.swap(true, Ordering::SeqCst) {
            kill_wards();
            signal_hook::low_level::exit(128 + SIGINT);
        }
    };
    // SAFETY: `act` reads and writes atomics, and calls `kill` and `_exit`: a signal handler may do all of that. It
    // neither allocates, nor locks, nor panics.
    unsafe { signal_hook::low_level::register(SIGINT, act) }?;
    Ok(())
}
