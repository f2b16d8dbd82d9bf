//! `opsrun verify`: reads copies back and compares them with what was recorded.
//!
//! Takes an ops file or a destination and which copies; prints as it goes. Changes nothing but the store.
//! Invariant: damage ends with 1, whatever else was fine.

use super::args::VerifyArgs;
use super::exit::{Exit, Failure};
use super::file::Copies;
use super::terminal::Terminal;
use crate::report::Bars;

/// Runs it.
pub fn run(args: &VerifyArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let place = Copies::find(&args.file, args.copies.from.as_deref(), Some(&args.place), terminal)?;
    launch(&place, args, terminal, &Bars::new(terminal.progress()))
}

/// The seam to `launch::verify`.
fn launch(_place: &Copies, _args: &VerifyArgs, _terminal: &Terminal, _bars: &Bars) -> Result<u8, Failure> {
    Err(Failure::new(Exit::Software, "this build cannot verify", None))
}
