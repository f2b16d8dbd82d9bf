//! `opsrun simulate`: what the schedules come to over a span of time.
//!
//! Takes an ops file and the span, gives totals and, on demand, every run as text or JSON on stdout. Touches nothing, the
//! state included.
//! Invariant: what is told is what the daemon would decide.

use super::args::SimulateArgs;
use super::exit::{Exit, Failure};
use super::file;
use super::plan::json;
use super::terminal::Terminal;
use crate::daemon::timetable::Timetable;
use crate::inspect::simulate::simulate;
use crate::report::schedule::simulation::{Down, document, simulation_text};
use crate::report::shared::output;
use crate::report::shared::times::whole;
use chrono::Datelike as _;
use std::ops::RangeInclusive;

/// Before and after these, lines of cron have no instants.
const YEARS: RangeInclusive<i32> = 1970..=2100;

pub fn run(args: &SimulateArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, None, terminal)?;
    let zone = model.ops.timezone;
    let usage = |message: String, help| Failure::new(Exit::Usage, message, Some(help));
    let (from, to) = (args.from.resolve(zone), args.to.resolve(zone));
    if to <= from {
        let message = format!(
            "`--to` is not after `--from`: {} and {}",
            whole(to, zone),
            whole(from, zone)
        );
        return Err(usage(message, "give the earlier moment as --from"));
    }
    if from.year() < *YEARS.start() || to.year() > *YEARS.end() {
        let message = format!(
            "schedules know the years {} to {}: the span is from {} to {}",
            YEARS.start(),
            YEARS.end(),
            whole(from, zone),
            whole(to, zone)
        );
        return Err(usage(message, "choose a span within them"));
    }
    let mut down = Vec::new();
    for (from, until) in &args.down {
        let (from, until) = (from.resolve(zone), until.resolve(zone));
        if until <= from {
            let message = format!(
                "`--down` ends before it begins: {} and {}",
                whole(from, zone),
                whole(until, zone)
            );
            return Err(usage(
                message,
                "give the earlier moment first, as in `--down 2026-12-24..2026-12-27`",
            ));
        }
        down.push(Down { from, until });
    }
    let told = simulate(&Timetable::new(&model), (from, to), &down, args.runs)
        .map_err(|many| usage(many.to_string(), "choose a shorter span"))?;
    let text = if args.json {
        json(&document(&model.ops.name, told, args.runs))?
    } else {
        simulation_text(&told, args.runs, zone, terminal.out)
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done.into())
}
