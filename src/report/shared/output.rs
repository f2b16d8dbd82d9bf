//! Writing to stdout and stderr that never panics.
//!
//! A closed pipe (`opsrun plan | head`) is not an error: it ends the output quietly.
//! Invariant: an error is returned only if requested data was lost.

use crate::report::shared::style::{Style, one_line};
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
        text = text + "  " + &style.bold("help:") + " " + &one_line(help) + "\n";
    }
    text
}

/// A document as indented JSON with a line end.
pub fn json(value: &impl serde::Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n")
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
    fn a_closed_pipe_is_quiet_and_a_full_disk_is_not() {
        assert!(quietly(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(quietly(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
