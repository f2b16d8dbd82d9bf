//! `opsrun why`: why a job ran or did not run.
//!
//! Invariant: the reasons are those that were recorded with the decisions.

use super::args::WhyArgs;
use super::exit::Failure;
use super::file;
use super::terminal::{Terminal, print};
use crate::inspect::why::why;
use crate::report::schedule::why::why_text;

pub fn run(args: &WhyArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let (model, other) = file::model_and_server(&args.file.path()?, Some(&args.state), terminal)?;
    let answer = why(&model, &args.job, args.limit, crate::clock::now())?;
    print(&answer, args.json, |answer| {
        why_text(answer, &model.ops.timezone, terminal.out)
    })?;
    Ok(file::exit(other.as_ref()).into())
}
