//! Jobs that run, through the binary: what commands may do to the promise, what becomes of secrets, and how a run is
//! stopped.
//!
//! - [`again`]: a command in the run changes what is to be copied and deleted
//! - [`channel_secrets`]: nor those by which somebody is told, while the schedules run, too
//! - [`gates`]: what a closed gate leaves alone; one order with one thread; signals
//! - [`lost_state`]: what the copies say without it
//! - [`limits`]: few open files, small files
//! - [`random_secrets`]: any secret, in any place, in any form
//! - [`sandboxed`]: without a system call
//! - [`secrets`]: none appears anywhere
//! - [`surroundings`]: what opsrun inherits and passes on
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, and plays the part of other programs"
)]

mod again;
mod channel_secrets;
mod gates;
mod limits;
mod lost_state;
mod random_secrets;
mod sandboxed;
mod secrets;
mod stdout;
mod surroundings;
