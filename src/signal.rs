//! Signals: how a run is told to stop, and which signals must not end the process.
//!
//! Takes nothing, gives a [`Stop`] that says whether SIGINT or SIGTERM (or SIGHUP) arrived. SIGIO announces the break of a
//! lease and SIGXFSZ a file size limit: both end a process that does not handle them, both are answered by an
//! error where they matter. Handlers, unlike masks, are not inherited by children.
//! Invariant: installed before any other thread starts.

use signal_hook::consts::{SIGHUP, SIGINT, SIGIO, SIGTERM, SIGXFSZ};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Whether, and by which signal, the process was told to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Installs the handlers. The first signal asks to stop in good order; a second SIGINT ends the process
    /// at once, which loses no data either.
    pub fn install() -> io::Result<Self> {
        let stop = Self::default();
        let asked = Arc::new(AtomicBool::new(false));
        // Order matters: the shutdown sees the flag as the signal before left it.
        signal_hook::flag::register_conditional_shutdown(SIGINT, 128 + SIGINT, Arc::clone(&asked))?;
        signal_hook::flag::register(SIGINT, asked)?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register_usize(signal, Arc::clone(&stop.0), usize::try_from(signal).unwrap_or(1))?;
        }
        for signal in [SIGIO, SIGXFSZ] {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        Ok(stop)
    }

    /// The number of the signal that asked to stop.
    #[must_use]
    pub fn signal(&self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            n => u8::try_from(n).ok(),
        }
    }

    /// True once a signal asked to stop.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.signal().is_some()
    }
}
