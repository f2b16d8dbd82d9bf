//! A blocking call in a thread of its own, waited for without blocking.
//!
//! Takes a closure, gives what it returns. Knows nothing of what is called. A file system or a resolver that hangs
//! keeps its thread, and nothing else: the waiter may leave at any time, and neither the end of a runtime nor the
//! end of the process waits for the thread, as it would for one of the runtime's own.
//! Invariant: however many calls hang, there are never more than a fixed number of threads.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum BlockingError {
    /// The system gives no thread.
    #[error("cannot start a thread")]
    Thread(#[from] io::Error),
    /// Too many earlier calls have not come back.
    #[error("{0} earlier calls still hang")]
    Crowded(usize),
    /// The thread ended without a result.
    #[error("the call ended without a result")]
    Lost,
}

/// How many calls may be under way at once.
const MOST: usize = 64;

static CALLS: Calls = Calls::at_most(MOST);

/// Makes the call and waits for it. A waiter that goes away leaves the call behind.
pub async fn call<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> Result<T, BlockingError> {
    CALLS.make(what).await
}

/// The calls that are under way.
struct Calls {
    active: AtomicUsize,
    most: usize,
}

/// Counted as long as it lives: also when the call panics.
struct Counted(&'static Calls);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Calls {
    const fn at_most(most: usize) -> Self {
        Self {
            active: AtomicUsize::new(0),
            most,
        }
    }

    async fn make<T: Send + 'static>(
        &'static self,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        let before = self.active.fetch_add(1, Ordering::SeqCst);
        let counted = Counted(self);
        if before >= self.most {
            return Err(BlockingError::Crowded(before));
        }
        let (tell, told) = oneshot::channel();
        std::thread::Builder::new().spawn(move || {
            // In this order, so that after a panic too the call is no longer counted when its waiter hears of it.
            let (tell, counted) = (tell, counted);
            let result = what();
            drop(counted);
            // Nobody waits any more: the result is of no use.
            let _ = tell.send(result);
        })?;
        told.await.map_err(|_| BlockingError::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::sync::mpsc;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn gives_the_result_and_survives_a_panic() {
        static CALLS: Calls = Calls::at_most(1);
        assert_eq!(block_on(CALLS.make(|| 7)).unwrap(), 7);
        let lost = block_on(CALLS.make(|| panic!("as planned")));
        assert!(matches!(lost, Err(BlockingError::Lost)));
        assert_eq!(CALLS.active.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_call_that_hangs_is_left_behind_and_counted() {
        static CALLS: Calls = Calls::at_most(1);
        let (release, hang) = mpsc::channel::<()>();
        let (began, begins) = oneshot::channel();
        block_on(async {
            let hanging = CALLS.make(move || {
                let _ = began.send(());
                let _ = hang.recv();
            });
            tokio::select! {
                _ = hanging => panic!("it hangs"),
                _ = begins => {}
            }
            let crowded = CALLS.make(|| ()).await;
            assert!(matches!(crowded, Err(BlockingError::Crowded(1))));
        });
        // The runtime is gone and did not wait.
        drop(release);
    }
}
