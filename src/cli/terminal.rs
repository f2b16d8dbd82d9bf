//! What kind of terminal this is, and how much is said on it.
//!
//! Takes the global flags, the environment and the three streams; gives styles, a width and the level of
//! detail. Asked once, at the start.
//! Invariant: a stream that is no terminal gets no colour (unless it was asked for), no bar and no wrapping.

use super::args::Global;
use crate::report::run::lines::Detail;
use crate::report::run::progress::Show;
use crate::report::shared::style::{Style, Wish};
use std::io::{IsTerminal, stderr, stdin, stdout};

/// Width of findings where there is no terminal.
const PAGE: usize = 100;

#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    pub out: Style,
    pub err: Style,
    /// Columns of stdout; `None` when it is no terminal.
    pub out_width: Option<usize>,
    /// Columns of stderr; `None` when it is no terminal.
    pub err_width: Option<usize>,
    pub ask: Ask,
    pub detail: Detail,
}

/// Who can be asked, and where. Whoever sits at stdin can answer, wherever stderr goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Nobody,
    Stderr,
    /// On the terminal itself, since stderr leads elsewhere.
    Terminal,
}

impl Ask {
    fn of(stdin: bool, stderr: bool) -> Self {
        match (stdin, stderr) {
            (false, _) => Self::Nobody,
            (true, true) => Self::Stderr,
            (true, false) => Self::Terminal,
        }
    }
}

impl Terminal {
    /// Looks at the streams and the environment.
    #[must_use]
    pub fn look(global: &Global) -> Self {
        let wish = Wish::from(global.color);
        let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let (no_color, term) = (variable("NO_COLOR"), variable("TERM"));
        let style = |terminal| Style::choose(wish, terminal, no_color.as_deref(), term.as_deref());
        let (out, err) = (stdout().is_terminal(), stderr().is_terminal());
        Self {
            out: style(out),
            err: style(err),
            out_width: columns(&stdout()),
            err_width: columns(&stderr()),
            ask: Ask::of(stdin().is_terminal(), err),
            detail: match (global.quiet, global.verbose) {
                (true, _) => Detail::Quiet,
                (false, 0) => Detail::Normal,
                (false, _) => Detail::Verbose,
            },
        }
    }

    #[must_use]
    pub fn progress(&self) -> Show {
        match (self.detail, self.err_width) {
            (Detail::Quiet, _) => Show::Nothing,
            (_, None) => Show::Lines,
            (_, Some(_)) => Show::Bar,
        }
    }

    #[must_use]
    pub fn out_page(&self) -> usize {
        self.out_width.unwrap_or(PAGE)
    }

    #[must_use]
    pub fn err_page(&self) -> usize {
        self.err_width.unwrap_or(PAGE)
    }
}

fn columns(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
    // Some terminals know no size, and in a sliver nothing can be read anyway.
    Some(if columns < 40 { 80 } else { columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sits_at_stdin_is_asked_wherever_stderr_goes() {
        assert_eq!(Ask::of(true, true), Ask::Stderr);
        assert_eq!(Ask::of(true, false), Ask::Terminal);
        assert_eq!(Ask::of(false, true), Ask::Nobody);
        assert_eq!(Ask::of(false, false), Ask::Nobody);
    }
}
