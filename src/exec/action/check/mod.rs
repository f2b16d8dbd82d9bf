//! The probes of checks: each asks one question and gives an outcome.
//!
//! - [`command`]: what a command says, in the way of Nagios
//!
//! Invariant: what could not be found out is unknown, never ok.

pub mod command;
