//! `opsrun status`: the last result and the next run of every job.
//!
//! Invariant: exits with 1 if a job needs attention.

use super::args::StatusArgs;
use super::exit::{Exit, Failure};
use super::file;
use super::terminal::{Terminal, print};
use crate::alert::outbox;
use crate::clock;
use crate::inspect::status::status;
use crate::report::alerts::undelivered_text;
use crate::report::schedule::status::status_text;

pub fn run(args: &StatusArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let (model, other) = file::model_and_server(&args.file.path()?, Some(&args.state), terminal)?;
    let now = clock::now();
    let status = status(&model, outbox::undelivered(&model)?, now)?;
    print(&status, args.json, |status| {
        let jobs = status_text(status, &model.ops.timezone, terminal.out);
        jobs + &undelivered_text(&status.undelivered, now, terminal.out)
    })?;
    Ok(if status.well {
        file::exit(other.as_ref())
    } else {
        Exit::Failed
    }
    .into())
}
