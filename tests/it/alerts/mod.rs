//! Who is told what, and whether it arrives.
//!
//! - [`decisions`]: random results against an oracle that knows nothing of how it is decided
//! - [`sending`]: the sender with the real store, a clock that is set by hand, and a scripted other side
//! - [`delivery`]: random messages, outages, refusals and restarts, and what must hold whatever they are
//! - [`outages`]: the program against servers that are away, busy, or refuse one recipient
//! - [`runs`]: whole runs through the program
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: it stops at what it did not expect"
)]

mod decisions;
mod delivery;
#[cfg(all(feature = "http", feature = "email"))]
mod outages;
mod runs;
mod sending;
