//! Exit codes, and the failures that lead to them.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done; or plan made |
//! | 1 | a step failed or was blocked (others may have succeeded); `check`: findings at or above `--fail-on`; `verify`: damage found; `status`: a job needs attention |
//! | 2 | deletions pending, only with `--detailed-exitcode` |
//! | 3 | refused: deletion budget, safety guard |
//! | 4 | done, but a copy is incomplete or a file was kept that should have been deleted |
//! | 64 | invalid command line |
//! | 66 | an input file is missing or cannot be read |
//! | 70 | internal error |
//! | 73 | the state or a destination cannot be written, or lacks space |
//! | 75 | another run holds the lock, or serves the file with another state |
//! | 78 | the ops file is invalid |
//! | 128+n | stopped by signal n |
//!
//! Takes errors of the rooms below, gives a [`Failure`] to print.
//! Invariant: a failure names its subject and, if possible, what to try next.

use crate::alert::AlertError;
use crate::config::LoadError;
use crate::error_chain::{error_chain, with_reason};
use crate::launch::{LaunchError, RewriteError};
use crate::limits;
use crate::process::collect_orphans;
use crate::report::shared::output;
use crate::report::shared::style::Style;
use crate::signal::{self, Signals, Stop};
use std::error::Error;
use std::io;

/// The codes of this room; others come from the outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Pending = 2,
    Refused = 3,
    Partial = 4,
    Usage = 64,
    NoInput = 66,
    Software = 70,
    CannotWrite = 73,
    Busy = 75,
    Config = 78,
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit as Self
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: u8,
    /// Includes the causes.
    pub message: String,
    pub help: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>, help: Option<&str>) -> Self {
        Self {
            exit: exit.into(),
            message: message.into(),
            help: help.map(str::to_owned),
        }
    }

    pub fn of(exit: u8, error: &dyn Error, help: Option<String>) -> Self {
        Self {
            exit,
            message: error_chain(error),
            help,
        }
    }

    pub fn text(&self, style: Style) -> String {
        output::failure_text(&self.message, self.help.as_deref(), style)
    }

    pub fn print(&self, style: Style) {
        output::to_stderr(&self.text(style));
    }
}

/// What every command does first.
pub fn at_start() -> Result<(), Failure> {
    signal::at_start().map_err(|error| no_signals(&error))
}

/// Installs the signal handlers, and what else a run needs of the system. Call it before any other thread starts.
pub fn stop() -> Result<Stop, Failure> {
    resources()?;
    let stop = Stop::install().map_err(|error| no_signals(&error))?;
    orphans()?;
    Ok(stop)
}

/// The same for a process that stays.
pub fn signals() -> Result<Signals, Failure> {
    resources()?;
    let signals = Signals::install().map_err(|error| no_signals(&error))?;
    orphans()?;
    Ok(signals)
}

fn resources() -> Result<(), Failure> {
    limits::raise_open_files(limits::FILES_OF_A_RUN);
    limits::too_few_files().map_or(Ok(()), |message| {
        Err(Failure::new(
            Exit::Failed,
            message,
            Some("raise the limit; nothing was done"),
        ))
    })
}

fn orphans() -> Result<(), Failure> {
    collect_orphans().map_err(|error| {
        let message = format!("cannot collect ended processes: {}", limits::no_thread(&error));
        Failure::new(Exit::Failed, message, None)
    })
}

fn no_signals(error: &io::Error) -> Failure {
    let message = format!("cannot handle signals: {}", with_reason(error));
    Failure::new(Exit::Failed, message, None)
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let LoadError::Unreadable { source, .. } = &error;
        let help = match source.kind() {
            io::ErrorKind::NotFound => "give the path of the ops file with `-f FILE`",
            io::ErrorKind::IsADirectory => "give the path of the ops file in it",
            io::ErrorKind::PermissionDenied => "run opsrun as a user who can read it",
            io::ErrorKind::InvalidInput => "give the path of a file, or `-` for stdin",
            _ => "check that it is a readable file",
        };
        Self::of(Exit::NoInput.into(), &error, Some(help.to_owned()))
    }
}

impl From<AlertError> for Failure {
    fn from(error: AlertError) -> Self {
        Self::of(error.exit_code(), &error, error.help())
    }
}

impl From<RewriteError> for Failure {
    fn from(error: RewriteError) -> Self {
        Self::of(Exit::CannotWrite.into(), &error, error.help().map(str::to_owned))
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        Self::of(error.exit_code(), &error, error.help())
    }
}

/// Requested data could not be written to stdout.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::CannotWrite, format!("cannot write the output: {error}"), None)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::of(Exit::Software.into(), &error, None)
    }
}
