//! Tracks how far a call on the network is, so that a timeout can name what it waited for.
//!
//! Takes a time limit and a future, gives its result or [`Fault::TimedOut`].
//! Invariant: the limit holds for the whole call, not for its stages.

use super::error::{Fault, Stage};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The stage that a call has reached, shared with the code that makes the call.
#[derive(Debug, Clone)]
pub(super) struct StageTracker(Arc<Mutex<Stage>>);

impl StageTracker {
    pub(super) fn new(stage: Stage) -> Self {
        Self(Arc::new(Mutex::new(stage)))
    }

    pub(super) fn set(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    /// Goes on to `next` from one of these stages; stays in any other.
    #[cfg(feature = "http")]
    pub(super) fn advance(&self, from: &[Stage], next: Stage) {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if from.contains(&stage) {
            *stage = next;
        }
    }

    pub(super) fn get(&self) -> Stage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the call, not longer than `limit`.
    pub(super) async fn within<T>(&self, limit: Duration, call: impl Future<Output = T>) -> Result<T, Fault> {
        tokio::time::timeout(limit, call).await.map_err(|_| Fault::TimedOut {
            after: limit,
            stage: self.get(),
        })
    }
}
