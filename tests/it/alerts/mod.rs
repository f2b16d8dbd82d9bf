//! Who is told what, and whether it arrives.
//!
//! - [`decisions`]: random results against an oracle that knows nothing of how it is decided
//! - [`sending`]: the sender with the real store, a clock that is set by hand, and a scripted other side
//! - [`runs`]: whole runs through the program
#![expect(clippy::unwrap_used, reason = "a test: it stops at what it did not expect")]

mod decisions;
mod runs;
mod sending;
