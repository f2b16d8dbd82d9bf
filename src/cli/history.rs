//! `opsrun history`: past runs, or the details of one.
//!
//! Takes arguments, gives a table, the lines of a run, or JSON on stdout. Changes nothing.
//! Invariant: the events of a run are shown with the same lines, and the same JSON, as while it ran.

use super::args::HistoryArgs;
use super::exit::{Exit, Failure};
use super::file;
use super::terminal::Terminal;
use crate::launch::history::{self, RunRecord};
use crate::model::Model;
use crate::report::run::history::{FORMAT, HistoryDocument, run_text, runs_text};
use crate::report::run::json_lines;
use crate::report::run::lines::Detail;
use crate::report::shared::output;

pub fn run(args: &HistoryArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, Some(&args.state), terminal)?;
    let text = match &args.run {
        None => all(args, &model, terminal)?,
        Some(run) => one(run, args, &model, terminal)?,
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done.into())
}

fn all(args: &HistoryArgs, model: &Model, terminal: &Terminal) -> Result<String, Failure> {
    let runs = history::runs(model, args.job.as_ref(), args.limit)?;
    let document = HistoryDocument {
        format: FORMAT,
        runs: runs.into_iter().map(Into::into).collect(),
    };
    if args.json {
        return Ok(output::json(&document)?);
    }
    Ok(match &args.job {
        Some(job) if document.runs.is_empty() => format!("no runs of {job} yet\n"),
        _ => runs_text(&document.runs, model.ops.timezone, terminal.out),
    })
}

fn one(run: &str, args: &HistoryArgs, model: &Model, terminal: &Terminal) -> Result<String, Failure> {
    let found = history::run(model, run)?;
    Ok(match (found, args.json) {
        (found, true) => {
            let events = found.map(|found| found.events).unwrap_or_default();
            json_lines::head() + &events.iter().map(json_lines::line).collect::<String>()
        }
        (None, false) => runs_text(&[], model.ops.timezone, terminal.out),
        (Some(RunRecord { run, events }), false) => {
            let detail = match terminal.detail {
                Detail::Quiet => Detail::Quiet,
                Detail::Normal | Detail::Verbose => Detail::Verbose,
            };
            run_text(&run.into(), &events, model.ops.timezone, terminal.out, detail)
        }
    })
}
