//! Exit codes, and the failures that lead to them.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done; or plan made |
//! | 1 | a step failed or was blocked (others may have succeeded); `check`: findings at or above `--fail-on`; `verify`: damage found; `status`: a job that somebody has to look at |
//! | 2 | deletions pending, only with `--detailed-exitcode` |
//! | 3 | refused: deletion budget, safety guard |
//! | 4 | done, but a copy is incomplete or a file that should have gone was kept |
//! | 64 | the command line is wrong |
//! | 66 | an input file is missing or cannot be read |
//! | 70 | a fault of ours: says what to report |
//! | 73 | the state or a destination cannot be written, or has too little space |
//! | 75 | another run holds the lock |
//! | 78 | the ops file is invalid |
//! | 128+n | stopped by signal n |
//!
//! Takes errors of the rooms below, gives a [`Failure`] to print. Must not know what a command does.
//! Invariant: a failure names what it concerns and, where there is one, the next thing to try.

use crate::alert::AlertError;
use crate::config::LoadError;
use crate::error_chain::error_chain;
use crate::launch::LaunchError;
use crate::signal::Stop;
use std::error::Error;
use std::io;

/// The codes that this room gives itself; others come from a run's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// Something was found, or failed.
    Failed,
    Pending,
    /// A guard said no.
    Refused,
    /// Done, but not all of it.
    Partial,
    Usage,
    /// An input file is missing or cannot be read.
    NoInput,
    Software,
    /// Something cannot be written.
    CannotWrite,
    Config,
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Pending => 2,
            Exit::Refused => 3,
            Exit::Partial => 4,
            Exit::Usage => 64,
            Exit::NoInput => 66,
            Exit::Software => 70,
            Exit::CannotWrite => 73,
            Exit::Config => 78,
        }
    }
}

/// Why a command ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: u8,
    /// What went wrong, causes included.
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

    /// A failure that an error of a room below explains.
    pub fn of(exit: u8, error: &dyn Error, help: Option<String>) -> Self {
        Self {
            exit,
            message: error_chain(error),
            help,
        }
    }
}

/// Installs the handlers of signals; to be called before any other thread starts.
pub fn stop() -> Result<Stop, Failure> {
    Stop::install().map_err(|error| Failure::new(Exit::Software, format!("cannot handle signals: {error}"), None))
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let LoadError::Unreadable { source, .. } = &error;
        let help = match source.kind() {
            io::ErrorKind::NotFound => "name the ops file, or go to the directory that holds it",
            io::ErrorKind::IsADirectory => "name the ops file in it",
            io::ErrorKind::PermissionDenied => "run as a user who may read it",
            io::ErrorKind::InvalidInput => "name a file, or write `-` and give the text on stdin",
            _ => "check that it is a file that can be read",
        };
        Self::of(Exit::NoInput.into(), &error, Some(help.to_owned()))
    }
}

impl From<AlertError> for Failure {
    fn from(error: AlertError) -> Self {
        Self::of(error.exit_code(), &error, error.help())
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        Self::of(error.exit_code(), &error, error.help())
    }
}

/// Data that was asked for could not be written to stdout.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::CannotWrite, format!("cannot write the output: {error}"), None)
    }
}
