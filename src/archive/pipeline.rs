//! An ordered parallel map: work on many cores, results in the order of the input.
//!
//! Takes a source that one worker at a time reads, work that runs on all workers, and a sink. The worker that finds
//! the next result ready calls the sink, in the source's order. At most `window` items are in flight. With one thread
//! everything runs on the caller's, and the order of effects is always the same.
//! Invariant: the first error ends the run; a panic of one worker never leaves another waiting; a worker that cannot be
//! started is not needed.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

/// How many small entries one worker takes at a time.
pub const MAX_BATCH_ENTRIES: usize = 64;

/// Values that workers reuse, such as openers and buffers.
pub struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub fn take(&self) -> Option<T> {
        held(&self.0).pop()
    }

    pub fn put(&self, value: T) {
        held(&self.0).push(value);
    }
}

struct PipelineState<T, E> {
    fed: usize,
    drained: usize,
    ready: BTreeMap<usize, T>,
    feeding: bool,
    draining: bool,
    exhausted: bool,
    error: Option<E>,
    over: bool,
}

/// Runs until the source is exhausted and the sink has taken everything, or until the first error. When the system
/// refuses more threads, the existing ones do all the work, if need be the caller's alone.
pub fn run<T: Send, U: Send, E: Send>(
    threads: usize,
    window: usize,
    source: impl FnMut() -> Result<Option<T>, E> + Send,
    work: impl Fn(T) -> U + Sync,
    sink: impl FnMut(U) -> Result<(), E> + Send,
) -> Result<(), E> {
    run_by(Builder::new, threads, window, source, work, sink)
}

/// Like [`run`], with workers that `builder` starts.
fn run_by<T: Send, U: Send, E: Send>(
    builder: fn() -> Builder,
    threads: usize,
    window: usize,
    mut source: impl FnMut() -> Result<Option<T>, E> + Send,
    work: impl Fn(T) -> U + Sync,
    mut sink: impl FnMut(U) -> Result<(), E> + Send,
) -> Result<(), E> {
    if threads <= 1 {
        while let Some(item) = source()? {
            sink(work(item))?;
        }
        return Ok(());
    }
    let state = Mutex::new(PipelineState {
        fed: 0,
        drained: 0,
        ready: BTreeMap::new(),
        feeding: false,
        draining: false,
        exhausted: false,
        error: None,
        over: false,
    });
    let (state, changed) = (&state, &Condvar::new());
    let (source, sink, work) = (&Mutex::new(source), &Mutex::new(sink), &work);
    let window = window.max(threads);

    let worker = || {
        let _ender = Ender(state, changed);
        let mut now = held(state);
        loop {
            if now.over {
                return;
            }
            let head = now.drained;
            if !now.draining
                && let Some(item) = now.ready.remove(&head)
            {
                now.draining = true;
                drop(now);
                let result = held(sink)(item);
                now = held(state);
                now.draining = false;
                now.drained += 1;
                if let Err(error) = result {
                    now.over = true;
                    now.error.get_or_insert(error);
                }
                changed.notify_all();
            } else if now.exhausted && now.drained == now.fed {
                now.over = true;
                changed.notify_all();
            } else if !now.exhausted && !now.feeding && now.fed < now.drained + window {
                now.feeding = true;
                drop(now);
                let fed = held(source)();
                now = held(state);
                now.feeding = false;
                match fed {
                    Ok(Some(item)) => {
                        let place = now.fed;
                        now.fed += 1;
                        changed.notify_all();
                        drop(now);
                        let done = work(item);
                        now = held(state);
                        now.ready.insert(place, done);
                    }
                    Ok(None) => now.exhausted = true,
                    Err(error) => {
                        now.over = true;
                        now.error.get_or_insert(error);
                    }
                }
                changed.notify_all();
            } else {
                now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            if builder().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
    held(state).error.take().map_or(Ok(()), Err)
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the others when its worker panics.
struct Ender<'a, T, E>(&'a Mutex<PipelineState<T, E>>, &'a Condvar);

impl<T, E> Drop for Ender<'_, T, E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            held(self.0).over = true;
            self.1.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_the_order_and_loses_nothing(n in 0usize..200, threads in 1usize..6, window in 1usize..9) {
            let mut next = 0..n;
            let mut out = Vec::new();
            let result: Result<(), ()> =
                run(threads, window, || Ok(next.next()), |i| i * 2, |i| { out.push(i); Ok(()) });
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(out, (0..n).map(|i| i * 2).collect::<Vec<_>>());
        }

        #[test]
        fn the_first_error_ends_it(n in 1usize..100, threads in 1usize..5, at in 0usize..100) {
            let mut next = 0..n;
            let result = run(threads, 4, || Ok(next.next()), |i| i, |i| if i == at { Err(i) } else { Ok(()) });
            prop_assert_eq!(result, if at < n { Err(at) } else { Ok(()) });
        }
    }

    #[test]
    fn without_any_thread_the_caller_does_it_all() {
        // No address space holds such a stack.
        let greedy = || Builder::new().stack_size(1 << 60);
        assert!(greedy().spawn(|| ()).is_err());
        let caller = std::thread::current().id();
        let mut next = 0..100;
        let mut out = Vec::new();
        let result: Result<(), ()> = run_by(
            greedy,
            4,
            2,
            || Ok(next.next()),
            |i| (i, std::thread::current().id()),
            |(i, thread)| {
                out.push(i);
                if thread == caller { Ok(()) } else { Err(()) }
            },
        );
        assert_eq!(result, Ok(()));
        assert_eq!(out, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_ends_all() {
        let mut next = 0..1000;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run::<_, _, ()>(3, 4, || Ok(next.next()), |i| assert!(i < 50), |()| Ok(()))
        }));
        assert!(result.is_err());
    }
}
