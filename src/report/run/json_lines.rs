//! A run as JSON, one object per line, for programs that follow it.
//!
//! The first line names the format.
//! Invariant: a line is the event that the store holds, with the same names.

use crate::report::shared::output;
use crate::run::Event;
use serde::Serialize;

pub const FORMAT: u32 = 1;

/// A line.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(title = "opsrun events, format 1: one line")
)]
#[serde(untagged)]
pub enum JsonLine {
    /// The first line.
    Head {
        /// Number of this format: 1.
        format: u32,
        /// Version of opsrun.
        opsrun: String,
    },
    /// Every other line.
    Event {
        /// The run, where several may be active at once.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<String>,
        /// The event.
        #[serde(flatten)]
        event: Event,
    },
}

pub fn head() -> String {
    text(&JsonLine::Head {
        format: FORMAT,
        opsrun: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

pub fn line(event: &Event) -> String {
    text(&JsonLine::Event {
        run: None,
        event: event.clone(),
    })
}

/// An event of one of several runs.
pub fn line_of_run(run: &str, event: &Event) -> String {
    // The first event of a run names it by itself.
    let named = matches!(event, Event::RunStarted { .. });
    text(&JsonLine::Event {
        run: (!named).then(|| run.to_owned()),
        event: event.clone(),
    })
}

fn text(line: &JsonLine) -> String {
    // Strings, numbers and maps with string keys always serialise; a lost line is better than a lost run.
    output::json_line(line).unwrap_or_default()
}
