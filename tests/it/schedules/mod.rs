//! Schedules against oracles that share no code with them.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has failed")]

mod clocks;
mod decisions;
mod lines;
mod oracle;
mod runs;
mod zones;
