//! `opsrun history`: past runs, or the details of one.
//!
//! Invariant: the events of a run are shown with the same lines, and the same JSON, as while it ran.

use super::args::HistoryArgs;
use super::exit::Failure;
use super::file;
use super::terminal::{Terminal, print};
use crate::launch::history::{self, RunRecord};
use crate::model::Model;
use crate::report::run::history::{FORMAT, HistoryDocument, HistoryRun, left_text, run_text, runs_text};
use crate::report::run::json_lines;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::store::{OutcomeFilter, RunFilter};

pub fn run(args: &HistoryArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let (model, other) = file::model_and_server(&args.file.path()?, Some(&args.state), terminal)?;
    match &args.run {
        None => all(args, &model, terminal)?,
        Some(run) => output::to_stdout(&one(run, args, &model, terminal)?)?,
    }
    Ok(file::exit(other.as_ref()).into())
}

fn all(args: &HistoryArgs, model: &Model, terminal: &Terminal) -> Result<(), Failure> {
    let filter = RunFilter {
        job: args.job.as_ref(),
        outcome: match args.outcome {
            Some(state) => Some(OutcomeFilter::State(state)),
            None => args.failed.then_some(OutcomeFilter::Failed),
        },
    };
    let runs = history::runs(model, filter, args.limit)?;
    let document = HistoryDocument {
        format: FORMAT,
        runs: runs.into_iter().map(|(run, jobs)| HistoryRun { run, jobs }).collect(),
    };
    let of_job = args.job.as_ref().map(|job| format!(" of {job}")).unwrap_or_default();
    print(&document, args.json, |document| match filter.outcome {
        _ if !document.runs.is_empty() => runs_text(&document.runs, &model.ops.timezone, terminal.out),
        Some(OutcomeFilter::State(state)) => format!("no runs{of_job} that ended as {}\n", state.word()),
        Some(OutcomeFilter::Failed) => format!("no runs{of_job} that failed\n"),
        None => format!("no runs{of_job} yet\n"),
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
        (Some(found), false) => {
            let RunRecord { run, events, .. } = &found;
            let quiet = terminal.detail == Detail::Quiet;
            let detail = if quiet { Detail::Quiet } else { Detail::Verbose };
            let text = run_text(run, events, &model.ops.timezone, terminal.out, detail);
            text + &left_text(&found.left_running, terminal.out)
        }
    })
}
