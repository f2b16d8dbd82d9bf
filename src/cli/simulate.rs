//! `opsrun simulate`: the runs of all schedules in a span of time.
//!
//! Takes an ops file and the span, gives totals and, on request, every run as text or JSON on stdout. Reads no state.
//! Invariant: makes the same decisions as the daemon.

use super::args::SimulateArgs;
use super::exit::{Exit, Failure};
use super::file;
use super::terminal::Terminal;
use crate::daemon::timetable::Timetable;
use crate::inspect::simulate::simulate;
use crate::report::schedule::simulation::{DownDocument, simulation_text};
use crate::report::shared::output;
use crate::report::shared::times::with_zone;
use chrono::Datelike as _;
use std::ops::RangeInclusive;

/// A cron schedule has instants in these years only.
const YEARS: RangeInclusive<i32> = 1970..=2100;

pub fn run(args: &SimulateArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, None, terminal)?;
    let zone = model.ops.timezone;
    let usage = |message: String, help| Failure::new(Exit::Usage, message, Some(help));
    let (from, to) = (args.from.resolve(zone), args.to.resolve(zone));
    if to <= from {
        let message = format!(
            "`--to` must be later than `--from`: {} is not later than {}",
            with_zone(to, zone),
            with_zone(from, zone)
        );
        return Err(usage(message, "swap the two times"));
    }
    if from.year() < *YEARS.start() || to.year() > *YEARS.end() {
        let message = format!(
            "schedules are defined for the years {} to {} only; the span is {} to {}",
            YEARS.start(),
            YEARS.end(),
            with_zone(from, zone),
            with_zone(to, zone)
        );
        return Err(usage(message, "choose a span within these years"));
    }
    let mut down = Vec::new();
    for (from, until) in &args.down {
        let (from, until) = (from.resolve(zone), until.resolve(zone));
        if until <= from {
            let message = format!(
                "`--down` ends before it starts: {} is not later than {}",
                with_zone(until, zone),
                with_zone(from, zone)
            );
            return Err(usage(
                message,
                "put the earlier time first, as in `--down 2026-12-24..2026-12-27`",
            ));
        }
        down.push(DownDocument { from, until });
    }
    let simulation = simulate(&Timetable::new(&model), (from, to), &down, args.runs)
        .map_err(|many| usage(many.to_string(), "choose a shorter span"))?;
    let text = if args.json {
        output::json(&simulation)?
    } else {
        simulation_text(&simulation, zone, terminal.out)
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done.into())
}
