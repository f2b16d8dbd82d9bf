//! `opsrun history`: past runs, or the details of one.
//!
//! Invariant: the events of a run are shown with the same lines, and the same JSON, as while it ran.

use super::args::HistoryArgs;
use super::exit::Failure;
use super::file;
use super::terminal::{Terminal, print};
use crate::launch::history::{self, RunRecord};
use crate::model::Model;
use crate::report::run::history::{FORMAT, HistoryDocument, run_text, runs_text};
use crate::report::run::json_lines;
use crate::report::run::lines::Detail;
use crate::report::shared::output;

pub fn run(args: &HistoryArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let (model, other) = file::model_and_server(&args.file.path()?, Some(&args.state), terminal)?;
    match &args.run {
        None => all(args, &model, terminal)?,
        Some(run) => output::to_stdout(&one(run, args, &model, terminal)?)?,
    }
    Ok(file::exit(other.as_ref()).into())
}

fn all(args: &HistoryArgs, model: &Model, terminal: &Terminal) -> Result<(), Failure> {
    let document = HistoryDocument {
        format: FORMAT,
        runs: history::runs(model, args.job.as_ref(), args.limit)?,
    };
    print(&document, args.json, |document| match &args.job {
        Some(job) if document.runs.is_empty() => format!("no runs of {job} yet\n"),
        _ => runs_text(&document.runs, &model.ops.timezone, terminal.out),
    })
}

fn one(run: &str, args: &HistoryArgs, model: &Model, terminal: &Terminal) -> Result<String, Failure> {
    let found = history::run(model, run)?;
    Ok(match (found, args.json) {
        (found, true) => {
            let events = found.map(|found| found.events).unwrap_or_default();
            json_lines::head() + &events.iter().map(json_lines::line).collect::<String>()
        }
        (None, false) => runs_text(&[], &model.ops.timezone, terminal.out),
        (Some(RunRecord { run, events }), false) => {
            let quiet = terminal.detail == Detail::Quiet;
            let detail = if quiet { Detail::Quiet } else { Detail::Verbose };
            run_text(&run, &events, &model.ops.timezone, terminal.out, detail)
        }
    })
}
