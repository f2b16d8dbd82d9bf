//! Past runs, for `history`.
//!
//! One run is shown with the same lines as while it ran, and the output of its commands.
//! Invariant: output of commands is shown line by line after a bar, without control characters.

use crate::liveness::children::Orphan;
use crate::model::state::State;
use crate::report::run::lines::{Detail, EventLines};
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::{Left, Right};
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::run::{Event, Output};
use crate::store::{RunEnd, RunJob, RunSummary};
use crate::time_zone::Zone;
use crate::units::{plural, took};
use serde::Serialize;
use std::fmt::Write as _;

pub const FORMAT: u32 = 1;

/// Past runs.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "opsrun history, format 1"))]
pub struct HistoryDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// Newest first.
    pub runs: Vec<HistoryRun>,
}

/// A run and its jobs.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HistoryRun {
    #[serde(flatten)]
    pub run: RunSummary,
    /// The jobs that took part, in the order in which they began.
    pub jobs: Vec<RunJob>,
}

/// Columns for the jobs of a run; the first is always named.
const MAX_JOBS_WIDTH: usize = 40;

pub fn runs_text(runs: &[HistoryRun], zone: &Zone, style: Style) -> String {
    if runs.is_empty() {
        return "no runs yet\n".to_owned();
    }
    let rows: Vec<[Cell; 6]> = runs
        .iter()
        .map(|HistoryRun { run, jobs }| {
            let (took, end) = match run.end {
                RunEnd::Running => (String::new(), Cell::toned("running", Tone::Good)),
                RunEnd::Interrupted => (String::new(), Cell::toned("interrupted", Tone::Bad)),
                RunEnd::Finished { exit, millis } => (took(millis), Cell::toned(exit.to_string(), tone(exit))),
            };
            [
                one_line(&run.run).into(),
                times::local(run.begun_at.0, zone).into(),
                took.into(),
                end,
                jobs_text(jobs).into(),
                one_line(&run.command).into(),
            ]
        })
        .collect();
    let heading = ["run", &format!("when ({zone})"), "took", "exit", "jobs", "command"];
    table(heading, [Left, Left, Right, Left, Left, Left], &rows, style)
}

/// Those that went wrong first, as many as there is room for.
fn jobs_text(jobs: &[RunJob]) -> String {
    let is_bad = |job: &&RunJob| job.state.is_some_and(|state| !state.opens());
    let (bad, good): (Vec<&RunJob>, Vec<&RunJob>) = jobs.iter().partition(is_bad);
    let names = bad.into_iter().chain(good).map(|job| match job.state {
        Some(State::Ok | State::Nothing) | None => job.job.to_string(),
        Some(state) => format!("{} ({})", job.job, state.word()),
    });
    let (mut text, mut named) = (String::new(), 0);
    for name in names {
        if named > 0 && text.chars().count() + name.chars().count() + 2 > MAX_JOBS_WIDTH {
            break;
        }
        if named > 0 {
            text += ", ";
        }
        text += &name;
        named += 1;
    }
    match jobs.len() - named {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

fn tone(exit: u8) -> Tone {
    match exit {
        0 => Tone::Good,
        4 | 128.. => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// The events of one run and the output of its commands. In quiet mode warnings and errors only.
pub fn run_text(run: &RunSummary, events: &[Event], zone: &Zone, style: Style, detail: Detail) -> String {
    let mut text = String::new();
    if detail > Detail::Quiet {
        let when = times::with_zone(run.begun_at.0, zone);
        for (label, value) in [("started ", when), ("command ", one_line(&run.command))] {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}  {value}", style.dim(label));
        }
    }
    let mut lines = EventLines::new(style, detail, zone);
    for event in events {
        text += &lines.lines(event);
        if let Event::Attempted { output, .. } = event
            && detail > Detail::Quiet
        {
            text += &printed(output, style);
        }
    }
    match run.end {
        RunEnd::Running => text + &style.good("running") + ": these are the events so far\n",
        RunEnd::Interrupted => text + &style.bad("interrupted") + ": the run ended here without a result\n",
        RunEnd::Finished { .. } => text,
    }
}

/// What a run left at work when it was killed.
pub fn left_text(left: &[Orphan], style: Style) -> String {
    let line = |orphan: &Orphan| {
        let (step, processes) = (style.name(orphan.step.to_string()), orphan.processes());
        format!("{}: {step} ({processes})\n", style.warn("still at work"))
    };
    left.iter().map(line).collect()
}

fn printed(output: &Output, style: Style) -> String {
    let mut text = String::new();
    let bar = format!("          {} ", style.dim("│"));
    let mut add = |piece: &str| {
        for line in piece.lines() {
            // A tab overwrites nothing.
            let line: Vec<String> = line.split('\t').map(one_line).collect();
            text += [bar.as_str(), &line.join("\t")].concat().trim_end();
            text.push('\n');
        }
    };
    add(&output.head);
    if output.dropped > 0 {
        let bytes = plural(output.dropped, "byte", "bytes");
        add(&format!("… {bytes} dropped …"));
    }
    add(&output.tail);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_went_wrong_are_named_first_and_the_rest_is_counted() {
        let job = |name: &str, state| RunJob {
            job: name.parse().unwrap(),
            state,
        };
        assert_eq!(jobs_text(&[]), "");
        let mut jobs = vec![
            job("check:a", Some(State::Ok)),
            job("target:b", None),
            job("backup:c", Some(State::Partial)),
            job("target:d", Some(State::Failed)),
        ];
        assert_eq!(jobs_text(&jobs[..2]), "check:a, target:b");
        assert_eq!(jobs_text(&jobs), "target:d (failed), check:a, target:b and 1 more");
        for n in 0..10 {
            jobs.push(job(&format!("check:n{n}"), Some(State::Ok)));
        }
        assert_eq!(jobs_text(&jobs), "target:d (failed), check:a, target:b and 11 more");
        let long = "t".repeat(60);
        jobs.push(job(&format!("target:{long}"), Some(State::Critical)));
        jobs.swap(0, 14);
        let expected = format!("target:{long} (critical) and 14 more");
        assert_eq!(jobs_text(&jobs), expected);
    }

    #[test]
    fn output_of_commands_is_harmless() {
        let output = Output {
            head: "one\ttwo\r\n\x1b[2J\x07red\rover\n\nlast of the head".to_owned(),
            dropped: 12_345,
            tail: "tail\u{202e}\n".to_owned(),
        };
        assert_eq!(
            printed(&output, Style::PLAIN),
            "          │ one\ttwo\n          │ \\u{1b}[2J\\u{7}red\\u{d}over\n          │\n          │ last of the head\n\
             \u{20}         │ … 12,345 bytes dropped …\n          │ tail\\u{202e}\n"
        );
        assert_eq!(printed(&Output::default(), Style::PLAIN), "");
    }
}
