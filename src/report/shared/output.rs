//! Writing to stdout and stderr that never panics.
//!
//! Takes whole pieces of text, writes and flushes them. A reader that went away (`opsrun plan | head`) is no
//! error of ours: it ends the output quietly.
//! Invariant: the only errors that come back are those that lost data somebody asked for.

use crate::report::shared::style::{Style, one_line};
use std::io::{self, Write};

/// Writes data for a program or a person.
pub fn to_stdout(text: &str) -> io::Result<()> {
    bytes_to_stdout(text.as_bytes())
}

/// The same for what may be no text.
pub fn bytes_to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    quietly(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Writes prose. There is nobody to tell when it cannot be written, so it is not told.
pub fn to_stderr(text: &str) {
    let mut out = io::stderr().lock();
    // Nothing is left to say it with.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// An error with its causes and what to try next, on stderr.
pub fn failure(message: &str, help: Option<&str>, style: Style) {
    to_stderr(&failure_text(message, help, style));
}

#[must_use]
pub fn failure_text(message: &str, help: Option<&str>, style: Style) -> String {
    let mut text = format!("{} {}\n", style.bad("error:"), one_line(message));
    if let Some(help) = help {
        text = text + "  " + &style.bold("help:") + " " + &one_line(help) + "\n";
    }
    text
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
    fn an_error_tells_its_causes_once() {
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
