//! The schedules of an ops file, run until somebody says stop.
//!
//! - [`book`]: when the jobs of a model run · [`round`]: one look at the clock, as a pure decision
//!
//! Invariant: nothing is begun that is not claimed in the store, in the same transaction.

pub mod book;
pub mod round;
