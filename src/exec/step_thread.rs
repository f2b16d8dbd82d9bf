//! Work of a step that blocks, in a thread of its own.
//!
//! Takes a closure, gives what it returns. Work that panics fails its step and nothing else: what waits for the step is
//! blocked, and the run has its end.

use super::action::{self, StepAbort};
use crate::limits;
use crate::run::State;
use std::panic::{self, AssertUnwindSafe};
use std::thread::Scope;
use tokio::sync::oneshot;

/// Does the work, and waits for it without blocking.
pub(super) async fn in_thread<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    work: impl FnOnce() -> T + Send + 's,
) -> Result<T, StepAbort> {
    let (tell, told) = oneshot::channel();
    let thread = std::thread::Builder::new().spawn_scoped(scope, move || {
        // Nothing is relied on that was half done: its locks are taken by who knows that, and its step has failed.
        let done = panic::catch_unwind(AssertUnwindSafe(work));
        // The receiver waits until the work is done.
        let _ = tell.send(done);
    });
    if let Err(error) = thread {
        return Err(action::outcome(State::Failed, limits::no_thread(&error)).into());
    }
    // The panic's own words were written by its hook.
    told.await.ok().and_then(Result::ok).ok_or_else(|| {
        let failed = action::outcome(State::Failed, "internal error");
        StepAbort::Outcome(failed.with_help("please report this with the output of `opsrun --version`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_panics_fails_its_step_and_nothing_else() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (panics, works) = std::thread::scope(|scope| {
            runtime.block_on(async {
                let panics = in_thread(scope, || panic!("as planned"));
                tokio::join!(panics, in_thread(scope, || 7))
            })
        });
        let Err(StepAbort::Outcome(outcome)) = panics else {
            panic!("it did not fail")
        };
        assert_eq!((outcome.state, &*outcome.summary), (State::Failed, "internal error"));
        assert!(outcome.help.is_some_and(|help| help.contains("opsrun --version")));
        assert!(matches!(works, Ok(7)));
    }
}
