//! `opsrun history`: past runs, and what happened in one.
//!
//! Takes arguments, gives a table, the lines of a run, or JSON on stdout. Touches nothing.
//! Invariant: what is told of a run goes through the same lines, and the same JSON, as when it happened.

use super::args::HistoryArgs;
use super::exit::{Exit, Failure};
use super::file;
use super::plan::json;
use super::terminal::Terminal;
use crate::launch::history::{self, RunRecord};
use crate::model::Model;
use crate::report::run::history::{End, RunRow, document, run_text, runs_text};
use crate::report::run::json_lines;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::store::{RunEnd, RunSummary};

pub fn run(args: &HistoryArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, Some(&args.place), terminal)?;
    let text = match &args.run {
        None => all(args, &model, terminal)?,
        Some(text) => one(text, args, &model, terminal)?,
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done.into())
}

fn all(args: &HistoryArgs, model: &Model, terminal: &Terminal) -> Result<String, Failure> {
    let runs = history::runs(model, args.job.as_ref(), args.limit)?;
    let rows: Vec<RunRow> = runs.into_iter().map(row).collect();
    if args.json {
        return json(&document(&rows));
    }
    Ok(match &args.job {
        Some(job) if rows.is_empty() => format!("no runs of {job} yet\n"),
        _ => runs_text(&rows, model.ops.timezone, terminal.out),
    })
}

fn one(text: &str, args: &HistoryArgs, model: &Model, terminal: &Terminal) -> Result<String, Failure> {
    let told = history::run(model, text)?;
    Ok(match (told, args.json) {
        (told, true) => {
            let events = told.map(|told| told.events).unwrap_or_default();
            json_lines::head() + &events.iter().map(json_lines::line).collect::<String>()
        }
        (None, false) => runs_text(&[], model.ops.timezone, terminal.out),
        (Some(RunRecord { run, events }), false) => {
            let detail = match terminal.detail {
                Detail::Quiet => Detail::Quiet,
                Detail::Normal | Detail::Verbose => Detail::Verbose,
            };
            run_text(&row(run), &events, model.ops.timezone, terminal.out, detail)
        }
    })
}

fn row(line: RunSummary) -> RunRow {
    RunRow {
        run: line.run,
        begun_at: line.begun_at,
        end: match line.end {
            RunEnd::GoingOn => End::Running,
            RunEnd::Interrupted => End::Interrupted,
            RunEnd::Exit { code, millis } => End::Finished { exit: code, millis },
        },
        command: line.command,
    }
}
