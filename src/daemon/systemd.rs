//! What the service manager is told, where one started us and listens.
//!
//! Takes states, sends them to the socket that `NOTIFY_SOCKET` names. Without one nothing happens.
//! Invariant: nobody waits for the manager, and nothing depends on whether it hears.

use crate::clock::Stopwatch;
use sd_notify::NotifyState;
use std::time::Duration;

#[derive(Debug)]
pub struct Manager {
    /// How often it wants to hear that we are alive: half of what it waits.
    pub beat: Option<Duration>,
    last: Stopwatch,
    status: String,
}

impl Manager {
    /// Finds out whether there is one that wants to hear.
    #[must_use]
    pub fn find() -> Self {
        Self {
            beat: sd_notify::watchdog_enabled().map(|wait| wait / 2),
            last: Stopwatch::set(),
            status: String::new(),
        }
    }

    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// The file is read again; [`Self::ready`] ends it.
    pub fn reloading(&self) {
        if let Ok(at) = NotifyState::monotonic_usec_now() {
            tell(&[NotifyState::Reloading, at]);
        }
    }

    /// Nothing begins any more.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// What is going on, in one line; told when it is another line than before.
    pub fn status(&mut self, status: String) {
        if status != self.status {
            tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// We are alive. Told as often as it is wanted.
    pub fn alive(&mut self) {
        if self.beat.is_some_and(|beat| self.last.elapsed() * 2 >= beat) {
            tell(&[NotifyState::Watchdog]);
            self.last = Stopwatch::set();
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "the service manager cannot be told"
        );
    }
}
