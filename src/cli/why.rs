//! `opsrun why`: why a job ran, or did not.
//!
//! Takes a job and an ops file, gives an answer as text or JSON on stdout. Touches nothing.
//! Invariant: what is told was recorded when it was decided; nothing is guessed afterwards.

use super::args::WhyArgs;
use super::exit::{Exit, Failure};
use super::file;
use super::plan::json;
use super::terminal::Terminal;
use crate::inspect::why::why;
use crate::report::schedule::why::why_text;
use crate::report::shared::output;

pub fn run(args: &WhyArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, Some(&args.place), terminal)?;
    let answer = why(&model, &args.job, args.limit, crate::clock::now())?;
    let text = if args.json {
        json(&answer)?
    } else {
        why_text(&answer, model.ops.timezone, terminal.out)
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done.into())
}
