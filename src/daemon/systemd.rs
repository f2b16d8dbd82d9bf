//! Notifications for the service manager.
//!
//! They go to the socket in `NOTIFY_SOCKET`, if there is one.
//! Invariant: never blocks, and ignores whether a notification arrives.

use crate::clock::Stopwatch;
use sd_notify::NotifyState;
use std::time::Duration;

#[derive(Debug)]
pub struct ServiceManager {
    /// Interval of the watchdog notification: half of its timeout.
    beat: Option<Duration>,
    last: Stopwatch,
    status: String,
}

impl ServiceManager {
    pub fn find() -> Self {
        Self {
            beat: sd_notify::watchdog_enabled().map(|wait| wait / 2),
            last: Stopwatch::set(),
            status: String::new(),
        }
    }

    pub fn ready(&self) {
        send(&[NotifyState::Ready]);
    }

    /// [`Self::ready`] ends it.
    pub fn reloading(&self) {
        if let Ok(at) = NotifyState::monotonic_usec_now() {
            send(&[NotifyState::Reloading, at]);
        }
    }

    pub fn stopping(&self) {
        send(&[NotifyState::Stopping]);
    }

    /// How long to wait at most, so that the watchdog is notified in time.
    pub fn pause(&self, longest: Duration) -> Duration {
        self.beat.map_or(longest, |beat| longest.min(beat / 2))
    }

    /// Sends the status line if it changed.
    pub fn status(&mut self, status: String) {
        if status != self.status {
            send(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// Notifies the watchdog if it is time.
    pub fn alive(&mut self) {
        if self.beat.is_some_and(|beat| self.last.elapsed() * 2 >= beat) {
            send(&[NotifyState::Watchdog]);
            self.last = Stopwatch::set();
        }
    }
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        let error = &error as &dyn std::error::Error;
        tracing::debug!(error, "cannot notify the service manager");
    }
}
