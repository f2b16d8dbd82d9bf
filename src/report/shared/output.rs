//! Writing to stdout and stderr that never panics.
//!
//! A closed pipe (`opsrun plan | head`) is not an error: it ends the output quietly.
//! Invariant: an error is returned only if requested data was lost.

use crate::report::shared::advice::advice;
use crate::report::shared::style::{Style, is_hidden, one_line};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, Write};

pub fn to_stdout(text: &str) -> io::Result<()> {
    bytes_to_stdout(text.as_bytes())
}

pub fn bytes_to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    quietly(out.write_all(bytes).and_then(|()| out.flush()))
}

/// An error here is ignored: it could only be reported on stderr.
pub fn to_stderr(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub fn failure(message: &str, help: Option<&str>, style: Style) {
    to_stderr(&failure_text(message, help, style));
}

pub fn failure_text(message: &str, help: Option<&str>, style: Style) -> String {
    let mut text = format!("{} {}\n", style.bad("error:"), one_line(message));
    if let Some(help) = help {
        text = text + "  " + &style.bold("help:") + " " + &one_line(&advice(help)) + "\n";
    }
    text
}

/// A document as indented JSON with a line end. People read it at terminals too: see `plain`.
pub fn json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(|text| plain(&text) + "\n")
}

/// The same on one line.
pub fn json_line(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(|text| plain(&text) + "\n")
}

/// JSON of the same value in which control characters and those that change the direction of writing are escapes. Outside of
/// strings, JSON has none but line ends.
fn plain(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_hidden(c) {
            // Writing to a string cannot fail. All of them are in the first plane.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn quietly(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn each_cause_of_an_error_is_shown_once() {
        let error = Outer(io::Error::other("inner\n"));
        assert_eq!(
            failure_text(&crate::error_chain::error_chain(&error), Some("do that"), Style::PLAIN),
            "error: outer: inner\\n\n  help: do that\n"
        );
    }

    #[test]
    fn json_does_not_control_the_terminal() {
        let value =
            serde_json::json!({ "a\u{202e}": ["gpj.\u{202e}exe", "\u{7f}\u{9b}2J", "\x1b\n", "é漢", "\u{2067}\\"] });
        for text in [json(&value).unwrap(), json_line(&value).unwrap()] {
            assert!(text.chars().all(|c| c == '\n' || !is_hidden(c)), "{text:?}");
            assert!(
                text.contains("gpj.\\u202eexe") && text.contains("\\u007f\\u009b2J"),
                "{text}"
            );
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn a_closed_pipe_is_quiet_and_a_full_disk_is_not() {
        assert!(quietly(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(quietly(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
