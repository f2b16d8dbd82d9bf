//! `opsrun restore`: brings files back from copies.
//!
//! Takes paths or globs, an ops file or a destination, a moment and a target; prints as it goes.
//! Knows nothing of how a copy is read.
//! Invariant: without `--force` nothing that exists is replaced.

use super::args::{DEFAULT_FILE, RestoreArgs};
use super::exit::{Exit, Failure};
use super::file::Copies;
use super::terminal::Terminal;
use crate::report::Bars;
use chrono::{DateTime, Utc};
use std::path::Path;

/// Runs it.
pub fn run(args: &RestoreArgs, terminal: &Terminal) -> Result<u8, Failure> {
    // With both, the ops file says where the state is and which source is meant.
    let from = args.copies.from.as_deref().filter(|_| args.file.is_none());
    let file = args.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
    let place = Copies::find(file, from, Some(&args.place), terminal)?;
    let at = args.at.map(|at| at.resolve(place.zone()));
    launch(&place, args, at, terminal, &Bars::new(terminal.progress()))
}

/// The seam to `launch::restore`.
fn launch(
    _place: &Copies,
    _args: &RestoreArgs,
    _at: Option<DateTime<Utc>>,
    _terminal: &Terminal,
    _bars: &Bars,
) -> Result<u8, Failure> {
    Err(Failure::new(Exit::Software, "this build cannot restore", None))
}
