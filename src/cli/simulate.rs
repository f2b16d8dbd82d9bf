//! `opsrun simulate`: the runs of all schedules in a span of time.
//!
//! Invariant: makes the same decisions as the daemon.

use super::args::SimulateArgs;
use super::exit::{Exit, Failure};
use super::file;
use super::terminal::{Terminal, print};
use crate::daemon::timetable::Timetable;
use crate::inspect::simulate::simulate;
use crate::report::schedule::simulation::{DownDocument, simulation_text};
use crate::report::shared::times::with_zone;
use chrono::Datelike as _;
use std::ops::RangeInclusive;

/// A cron schedule has instants in these years only.
const YEARS: RangeInclusive<i32> = 1970..=2100;

pub fn run(args: &SimulateArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file.path()?, None, terminal)?;
    let zone = &model.ops.timezone;
    let usage = |message: String, help| Failure::new(Exit::Usage, message, Some(help));
    let (from, to) = (args.from.resolve(zone), args.to.resolve(zone));
    if to <= from {
        let (to, from) = (with_zone(to, zone), with_zone(from, zone));
        let message = format!("`--to` must be later than `--from`: {to} is not later than {from}");
        return Err(usage(message, "swap the two times"));
    }
    if from.year() < *YEARS.start() || to.year() > *YEARS.end() {
        let (from, to, first, last) = (with_zone(from, zone), with_zone(to, zone), YEARS.start(), YEARS.end());
        let message = format!("schedules are defined for the years {first} to {last} only; the span is {from} to {to}");
        return Err(usage(message, "choose a span within these years"));
    }
    let mut down = Vec::new();
    for (from, until) in &args.down {
        let (from, until) = (from.resolve(zone), until.resolve(zone));
        if until <= from {
            let (until, from) = (with_zone(until, zone), with_zone(from, zone));
            let message = format!("`--down` ends before it starts: {until} is not later than {from}");
            let help = "put the earlier time first, as in `--down 2026-12-24..2026-12-27`";
            return Err(usage(message, help));
        }
        down.push(DownDocument { from, until });
    }
    let simulation = simulate(&Timetable::new(&model), (from, to), &down, args.runs)
        .map_err(|many| usage(many.to_string(), "choose a shorter span"))?;
    print(&simulation, args.json, |simulation| {
        simulation_text(simulation, zone, terminal.out)
    })?;
    Ok(Exit::Done.into())
}
