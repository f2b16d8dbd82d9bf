//! Past runs, for `history`.
//!
//! Takes one [`RunRow`] a run, gives a table for people and a document for programs (its JSON Schema is
//! `schemas/history.schema.json`, and a test compares the two); takes the events of one run, gives the lines that
//! people saw then and what its commands printed. Knows nothing of the store.
//! Invariant: what a command printed stands line by line behind a bar, without control characters.

use crate::report::run::lines::{Detail, Lines};
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::{Left, Right};
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::run::{Event, Output};
use crate::units::plural;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

/// The number of the JSON format.
pub const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    pub run: String,
    pub begun_at: DateTime<Utc>,
    pub end: End,
    pub command: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum End {
    /// It is going on.
    Running,
    /// It was cut short.
    Interrupted,
    /// By itself.
    Finished {
        /// Exit code.
        exit: u8,
        /// Milliseconds.
        millis: u64,
    },
}

/// The runs that a store remembers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun history, format 1"))]
pub struct HistoryDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// Newest first.
    pub runs: Vec<RunDocument>,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunDocument {
    /// Its id, a ULID.
    pub run: String,
    /// When it was begun: RFC 3339, UTC.
    pub begun_at: String,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
    /// The command line.
    pub command: String,
}

#[must_use]
pub fn document(runs: &[RunRow]) -> HistoryDocument {
    let one = |row: &RunRow| RunDocument {
        run: row.run.clone(),
        begun_at: row.begun_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        end: row.end,
        command: row.command.clone(),
    };
    HistoryDocument {
        format: FORMAT,
        runs: runs.iter().map(one).collect(),
    }
}

#[must_use]
pub fn runs_text(runs: &[RunRow], zone: chrono_tz::Tz, style: Style) -> String {
    if runs.is_empty() {
        return "no runs yet\n".to_owned();
    }
    let rows: Vec<[Cell; 5]> = runs
        .iter()
        .map(|row| {
            let (took, end) = match row.end {
                End::Running => (String::new(), Cell::toned("running", Tone::Good)),
                End::Interrupted => (String::new(), Cell::toned("interrupted", Tone::Bad)),
                End::Finished { exit, millis } => (times::took(millis), Cell::toned(exit.to_string(), tone(exit))),
            };
            [
                one_line(&row.run).into(),
                times::local(row.begun_at, zone).into(),
                took.into(),
                end,
                one_line(&row.command).into(),
            ]
        })
        .collect();
    let heading = ["run", &format!("when ({zone})"), "took", "exit", "what"];
    table(heading, [Left, Left, Right, Left, Left], &rows, style)
}

fn tone(exit: u8) -> Tone {
    match exit {
        0 => Tone::Good,
        4 | 128.. => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// One run for people: what it was, what happened, what its commands printed. In quiet mode only what somebody should
/// look at.
#[must_use]
pub fn run_text(row: &RunRow, events: &[Event], zone: chrono_tz::Tz, style: Style, detail: Detail) -> String {
    let mut text = String::new();
    if detail > Detail::Quiet {
        let label = |name: &str| style.dim(format!("{name:<8}"));
        let when = times::whole(row.begun_at, zone);
        text += &[&label("begun"), "  ", &when, "\n"].concat();
        text += &[&label("command"), "  ", &one_line(&row.command), "\n"].concat();
    }
    let mut lines = Lines::new(style, detail);
    for event in events {
        text += &lines.lines(event);
        if let Event::Attempted { output, .. } = event
            && detail > Detail::Quiet
        {
            text += &printed(output, style);
        }
    }
    match row.end {
        End::Running => text + &style.good("running") + ": this is what happened so far\n",
        End::Interrupted => text + &style.bad("interrupted") + ": the run was cut short here\n",
        End::Finished { .. } => text,
    }
}

/// What a command printed, line by line.
fn printed(output: &Output, style: Style) -> String {
    let mut text = String::new();
    let bar = format!("          {} ", style.dim("│"));
    let mut add = |piece: &str| {
        for line in piece.lines() {
            // A tab moves nothing that was there before.
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
    fn what_was_printed_is_harmless() {
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
