//! The schedules of an ops file, run until somebody says stop.
//!
//! - [`book`]: when the jobs of a model run · [`round`]: one look at the clock, as a pure decision
//! - [`ahead`]: how a job stands in time, as a pure decision · [`answers`]: how all of them stand · [`why`]: one of them, at length
//! - [`looks`]: the clock made to run ahead · [`firings`]: what fires next · [`simulation`]: what became of a span of time
//!
//! Invariant: nothing is begun that is not claimed in the store, in the same transaction.

pub mod ahead;
pub mod answers;
pub mod book;
pub mod firings;
pub mod looks;
pub mod round;
pub mod simulation;
pub mod why;
