//! `opsrun plan`: shows what apply would do.
//!
//! Takes arguments, gives the plan on stdout as text, JSON or a graph; with `--next` what the schedules start next.
//! Touches nothing.
//! Invariant: the plan shown is made by the function that apply uses.

use super::args::{PlanArgs, PlanFormat};
use super::exit::{self, Exit, Failure};
use super::file;
use super::terminal::Terminal;
use crate::daemon::timetable::Timetable;
use crate::inspect::upcoming;
use crate::plan::Plan;
use crate::plan::document::document;
use crate::report::plan::graph::Graph;
use crate::report::plan::text::PlanText;
use crate::report::plan::text::plan_text;
use crate::report::shared::output;
use crate::{clock, launch};

pub fn run(args: &PlanArgs, terminal: &Terminal) -> Result<u8, Failure> {
    if args.files && matches!(args.format(), PlanFormat::Dot | PlanFormat::Mermaid) {
        return Err(Failure::new(
            Exit::Usage,
            "a graph shows steps: `--files` cannot be used with it",
            Some("leave --files out, or use --format text or json"),
        ));
    }
    if let Some(count) = args.next {
        return next(args, usize::from(count), terminal);
    }
    let model = file::model(&args.run.file, Some(&args.run.place), terminal)?;
    let at = args.at.map(|at| at.resolve(model.ops.timezone));
    let plan = launch::plan(&model, &args.run.request(), at, &exit::stop()?)?;
    let text = match args.format() {
        PlanFormat::Json => json(&document(&plan, args.files))?,
        PlanFormat::Dot => Graph::of_plan(&plan).dot(),
        PlanFormat::Mermaid => Graph::of_plan(&plan).mermaid(),
        PlanFormat::Text => {
            let how = PlanText {
                files: args.files,
                style: terminal.out,
                width: terminal.out_width,
            };
            plan_text(&plan, &how)
        }
    };
    output::to_stdout(&text)?;
    Ok(verdict(&plan, args.detailed_exitcode).into())
}

/// `--next`: no plan, but when the schedules start what.
fn next(args: &PlanArgs, count: usize, terminal: &Terminal) -> Result<u8, Failure> {
    let graph = matches!(args.format(), PlanFormat::Dot | PlanFormat::Mermaid);
    if graph {
        return Err(Failure::new(
            Exit::Usage,
            "a graph shows steps: `--next` cannot be used with it",
            Some("leave --next out, or use --format text or json"),
        ));
    }
    let model = file::model(&args.run.file, Some(&args.run.place), terminal)?;
    let zone = model.ops.timezone;
    let after = args.at.map_or_else(clock::now, |at| at.resolve(zone));
    let firings = upcoming::next(&Timetable::new(&model), after, count, zone);
    let text = if args.format() == PlanFormat::Json {
        json(&crate::report::schedule::upcoming::document(
            &model.ops.name,
            after,
            &firings,
        ))?
    } else {
        crate::report::schedule::upcoming::firings_text(&firings, count, terminal.out)
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done.into())
}

fn verdict(plan: &Plan, detailed: bool) -> Exit {
    if !detailed {
        Exit::Done
    } else if plan.refusals().next().is_some() {
        Exit::Refused
    } else if plan.deletions().0 > 0 {
        Exit::Pending
    } else {
        Exit::Done
    }
}

/// A document as indented JSON with a line end.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    match serde_json::to_string_pretty(value) {
        Ok(text) => Ok(text + "\n"),
        Err(error) => Err(Failure::of(Exit::Software.into(), &error, None)),
    }
}
