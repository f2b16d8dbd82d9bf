//! `opsrun list`: which copies are there.
//!
//! Takes an ops file or a destination, gives a table or JSON on stdout. Touches nothing.
//! Invariant: a copy that cannot be read is listed with the reason.

use super::args::ListArgs;
use super::exit::{Exit, Failure};
use super::file::Copies;
use super::plan::json;
use super::terminal::Terminal;
use crate::report::copies::{CopyLine, copies_text, document};
use crate::report::output;

/// Runs it.
pub fn run(args: &ListArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let place = Copies::find(&args.file, args.copies.from.as_deref(), None, terminal)?;
    let copies = launch(&place, args.copies.backup.as_deref())?;
    let text = if args.json {
        json(&document(&copies))?
    } else {
        copies_text(&copies, place.zone(), terminal.out)
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done.into())
}

/// The seam to `launch::list`.
fn launch(_place: &Copies, _backup: Option<&str>) -> Result<Vec<CopyLine>, Failure> {
    Err(Failure::new(Exit::Software, "this build cannot list", None))
}
