//! The properties of the terminal, and the level of detail.
//!
//! Detected once, at the start.
//! Invariant: a stream that is not a terminal gets no colour (unless requested), no bar and no wrapping.

use super::args::Global;
use super::exit::Failure;
use crate::report::run::lines::Detail;
use crate::report::run::progress::ProgressMode;
use crate::report::shared::output;
use crate::report::shared::style::Style;
use serde::Serialize;
use std::io::{IsTerminal, stderr, stdin, stdout};

/// Width of findings without a terminal.
pub(super) const DEFAULT_WIDTH: usize = 100;

#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    pub out: Style,
    pub err: Style,
    /// Columns of stdout; `None` if it is not a terminal.
    pub out_width: Option<usize>,
    /// Columns of stderr; `None` if it is not a terminal.
    pub err_width: Option<usize>,
    pub prompt: Prompt,
    pub detail: Detail,
}

/// Where to ask. Only a terminal at stdin can answer, wherever stderr goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    None,
    Stderr,
    /// On `/dev/tty`, since stderr is redirected.
    Tty,
}

impl Prompt {
    fn of(stdin: bool, stderr: bool) -> Self {
        match (stdin, stderr) {
            (false, _) => Self::None,
            (true, true) => Self::Stderr,
            (true, false) => Self::Tty,
        }
    }
}

impl Terminal {
    pub fn detect(global: &Global) -> Self {
        let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let (no_color, term) = (variable("NO_COLOR"), variable("TERM"));
        let style = |terminal| Style::new(global.color.is_on(terminal, no_color.as_deref(), term.as_deref()));
        let (out, err) = (stdout().is_terminal(), stderr().is_terminal());
        Self {
            out: style(out),
            err: style(err),
            out_width: columns(&stdout()),
            err_width: columns(&stderr()),
            prompt: Prompt::of(stdin().is_terminal(), err),
            detail: match (global.quiet, global.verbose) {
                (true, _) => Detail::Quiet,
                (false, 0) => Detail::Normal,
                (false, _) => Detail::Verbose,
            },
        }
    }

    pub fn progress(&self) -> ProgressMode {
        match (self.detail, self.err_width) {
            (Detail::Quiet, _) => ProgressMode::Off,
            (_, None) => ProgressMode::Lines,
            (_, Some(_)) => ProgressMode::Bars,
        }
    }

    pub fn out_page(&self) -> usize {
        self.out_width.unwrap_or(DEFAULT_WIDTH)
    }

    pub fn err_page(&self) -> usize {
        self.err_width.unwrap_or(DEFAULT_WIDTH)
    }
}

/// Prints a document on stdout, as JSON or as text.
pub fn print<T: Serialize>(document: &T, json: bool, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
    let text = if json { output::json(document)? } else { text(document) };
    Ok(output::to_stdout(&text)?)
}

fn columns(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
    // Some terminals report no size, and a very narrow one is unreadable anyway.
    Some(if columns < 40 { 80 } else { columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_at_stdin_is_asked_wherever_stderr_goes() {
        assert_eq!(Prompt::of(true, true), Prompt::Stderr);
        assert_eq!(Prompt::of(true, false), Prompt::Tty);
        assert_eq!(Prompt::of(false, true), Prompt::None);
        assert_eq!(Prompt::of(false, false), Prompt::None);
    }
}
