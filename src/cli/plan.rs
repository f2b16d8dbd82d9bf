//! `opsrun plan`: shows what apply would do.
//!
//! With `--next`, the next scheduled runs. Changes nothing.
//! Invariant: the plan is made by the same function as for apply.

use super::args::{PlanArgs, PlanFormat};
use super::exit::{self, Exit, Failure};
use super::file;
use super::terminal::{Terminal, print};
use crate::daemon::timetable::Timetable;
use crate::inspect::upcoming::upcoming;
use crate::launch::LaunchError;
use crate::plan::Plan;
use crate::plan::document::document;
use crate::report::plan::graph::Graph;
use crate::report::plan::text::{PlanTextOptions, plan_text};
use crate::report::schedule::upcoming::upcoming_text;
use crate::report::shared::output;
use crate::store::Store;
use crate::store::schedules::Agenda;
use crate::{clock, launch};

pub fn run(args: &PlanArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let conflict = match args.next {
        Some(_) => Some("--next"),
        None => args.files.then_some("--files"),
    };
    if let Some(flag) = conflict.filter(|_| args.is_graph()) {
        let message = format!("`{flag}` cannot be used with a graph format");
        let help = format!("remove {flag}, or use --format text or json");
        return Err(Failure::new(Exit::Usage, message, Some(&help)));
    }
    let model = file::model(&args.run.file.path()?, Some(&args.run.state), terminal)?;
    let zone = &model.ops.timezone;
    let at = args.at.map(|at| at.resolve(zone));
    if let Some(count) = args.next {
        let count = usize::from(count);
        // What was handled counts for the present, not for a time that is asked about.
        let agenda = match at {
            None => Store::open_or_empty(&model.ops.state_dir).and_then(|store| store.agenda()),
            Some(_) => Ok(Agenda::default()),
        };
        let agenda = agenda.map_err(LaunchError::from)?;
        let next = upcoming(
            &Timetable::new(&model),
            &agenda,
            at.unwrap_or_else(clock::now),
            count,
            &model.ops,
        );
        let json = args.format() == PlanFormat::Json;
        print(&next, json, |next| upcoming_text(next, count, terminal.out))?;
        return Ok(Exit::Done.into());
    }
    let plan = launch::plan(&model, &args.run.request(), at, &exit::stop()?)?;
    output::to_stdout(&match args.format() {
        PlanFormat::Json => output::json(&document(&plan, args.files))?,
        PlanFormat::Dot => Graph::of_plan(&plan).dot(),
        PlanFormat::Mermaid => Graph::of_plan(&plan).mermaid(),
        PlanFormat::Text => {
            let options = PlanTextOptions {
                files: args.files,
                style: terminal.out,
                width: terminal.out_width,
            };
            plan_text(&plan, &options)
        }
    })?;
    Ok(exit_code(&plan, args.detailed_exitcode).into())
}

fn exit_code(plan: &Plan, detailed: bool) -> Exit {
    match (plan.refusals().next(), plan.deletions().0) {
        (Some(_), _) if detailed => Exit::Refused,
        (None, 1..) if detailed => Exit::Pending,
        _ => Exit::Done,
    }
}
