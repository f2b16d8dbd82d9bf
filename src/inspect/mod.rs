//! Answers about jobs and schedules: what happened, why, and what comes next.
//!
//! Takes a model and a moment, reads the state where there is one; gives the values that `report` shows. Asks the same
//! pure decisions as the daemon ([`crate::daemon::tick`]), so that an answer and the daemon never disagree.
//! - [`status`]: the state of every job · [`why`]: one job in detail · [`outlook`]: its next run, back-off, overdue
//! - [`waiting`]: what a due job waits for
//! - [`upcoming`]: the next runs of all schedules · [`simulate`]: the runs in a span of time
//! - [`virtual_clock`]: the ticks of the daemon on a clock that runs ahead
//!
//! Invariant: creates no state and changes none.

mod lost_history;
pub mod outlook;
pub mod simulate;
pub mod status;
pub mod upcoming;
pub mod virtual_clock;
pub mod waiting;
pub mod why;
