//! A blocking call in a thread of its own, waited for without blocking.
//!
//! Takes a closure and what it asks about, gives what it returns. Knows nothing of what is called. A file system or
//! a resolver that hangs keeps its thread, and nothing else: the waiter may leave at any time, and neither the end
//! of a runtime nor the end of the process waits for the thread.
//! Invariant: whatever hangs keeps no more than a fixed number of threads, and none that others need.

use std::collections::HashMap;
use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

#[derive(Debug, thiserror::Error)]
pub enum BlockingError {
    #[error("{}", crate::limits::no_thread(.0))]
    Thread(#[from] io::Error),
    /// Too many earlier calls about the same have not come back.
    #[error("{0} earlier calls still hang")]
    Crowded(usize),
    #[error("the call ended without a result")]
    Lost,
}

/// How many calls about one thing may be under way at once.
const MAX_CALLS: usize = 16;

static CALLS: LazyLock<Calls> = LazyLock::new(|| Calls::at_most(MAX_CALLS));

/// Makes the call and waits for it; `about` names what may hang: a path, a host. A waiter that goes away leaves the
/// call behind.
pub async fn call<T: Send + 'static>(
    about: &str,
    what: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingError> {
    CALLS.make(about, what).await
}

/// The calls that are under way, by what they ask about.
struct Calls {
    active: Mutex<HashMap<String, usize>>,
    most: usize,
}

/// Counted as long as it lives: also when the call panics.
struct Counted(&'static Calls, String);

impl Drop for Counted {
    fn drop(&mut self) {
        let mut active = self.0.active();
        if let Some(calls) = active.get_mut(&self.1) {
            *calls -= 1;
            if *calls == 0 {
                active.remove(&self.1);
            }
        }
    }
}

impl Calls {
    fn at_most(most: usize) -> Self {
        let active = Mutex::default();
        Self { active, most }
    }

    /// Nothing that is done under the lock can leave it half done.
    fn active(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&'static self, about: &str) -> Result<Counted, BlockingError> {
        let mut active = self.active();
        let calls = active.entry(about.to_owned()).or_default();
        if *calls >= self.most {
            return Err(BlockingError::Crowded(*calls));
        }
        *calls += 1;
        Ok(Counted(self, about.to_owned()))
    }

    async fn make<T: Send + 'static>(
        &'static self,
        about: &str,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        let counted = self.count(about)?;
        let (sender, receiver) = oneshot::channel();
        std::thread::Builder::new().spawn(move || {
            // In this order, so that after a panic too the call is uncounted before its waiter continues.
            let (sender, counted) = (sender, counted);
            let result = what();
            drop(counted);
            // The waiter may have left: then the result is not needed.
            let _ = sender.send(result);
        })?;
        receiver.await.map_err(|_| BlockingError::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn gives_the_result_and_survives_a_panic() {
        static CALLS: LazyLock<Calls> = LazyLock::new(|| Calls::at_most(1));
        assert_eq!(block_on(CALLS.make("a", || 7)).unwrap(), 7);
        let lost = block_on(CALLS.make("a", || panic!("as planned")));
        assert!(matches!(lost, Err(BlockingError::Lost)));
        assert!(CALLS.active().is_empty());
    }

    #[test]
    fn a_call_that_hangs_is_left_behind_and_keeps_only_its_like_waiting() {
        static CALLS: LazyLock<Calls> = LazyLock::new(|| Calls::at_most(1));
        let (release, hang) = mpsc::channel::<()>();
        let (began, begins) = oneshot::channel();
        block_on(async {
            let hanging = CALLS.make("a", move || {
                let _ = began.send(());
                let _ = hang.recv();
            });
            tokio::select! {
                _ = hanging => panic!("it hangs"),
                _ = begins => {}
            }
            let crowded = CALLS.make("a", || ()).await;
            assert!(matches!(crowded, Err(BlockingError::Crowded(1))));
            assert_eq!(CALLS.make("b", || 7).await.unwrap(), 7);
        });
        // The runtime is gone and did not wait.
        drop(release);
    }
}
