//! `opsrun why`: why a job ran or did not run.
//!
//! Takes a job and an ops file, gives an answer as text or JSON on stdout. Changes nothing.
//! Invariant: the reasons are those that were recorded with the decisions.

use super::args::WhyArgs;
use super::exit::{Exit, Failure};
use super::file;
use super::terminal::Terminal;
use crate::inspect::why::why;
use crate::report::schedule::why::why_text;
use crate::report::shared::output;

pub fn run(args: &WhyArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, Some(&args.state), terminal)?;
    let answer = why(&model, &args.job, args.limit, crate::clock::now())?;
    output::to_stdout(&if args.json {
        output::json(&answer)?
    } else {
        why_text(&answer, model.ops.timezone, terminal.out)
    })?;
    Ok(Exit::Done.into())
}
