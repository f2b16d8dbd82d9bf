//! What can go wrong with the store.
//!
//! Takes causes from SQLite and the system; gives errors that name the file, with an exit code and what to do next.
//! Invariant: no message repeats its cause, which the chain of sources shows.

use rusqlite::ErrorCode;
use std::io;
use std::path::PathBuf;

/// The store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or the file could not be made.
    #[error("cannot make the state in `{}`", crate::path::shown(.path))]
    Make { path: PathBuf, source: io::Error },
    /// The file could not be looked at.
    #[error("cannot reach the state in `{}`", crate::path::shown(.path))]
    Reach { path: PathBuf, source: io::Error },
    /// The file could not be opened as a database.
    #[error("cannot open the state in `{}`", crate::path::shown(.path))]
    Open { path: PathBuf, source: rusqlite::Error },
    /// Something could not be read from it.
    #[error("cannot read the state in `{}`", crate::path::shown(.path))]
    Read { path: PathBuf, source: rusqlite::Error },
    /// Something could not be written to it.
    #[error("cannot write the state in `{}`", crate::path::shown(.path))]
    Write { path: PathBuf, source: rusqlite::Error },
    #[error("the state in `{}` has schema {found}, this opsrun knows up to {known}", crate::path::shown(.path))]
    Newer { path: PathBuf, found: i64, known: i64 },
    /// It is a database of another program.
    #[error("`{}` is a database of another program", crate::path::shown(.path))]
    Foreign { path: PathBuf },
    /// It was moved or removed while it was open.
    #[error("the state in `{}` was moved or removed while it was in use", crate::path::shown(.path))]
    Gone { path: PathBuf },
    /// It holds an event that this opsrun cannot read.
    #[error("the state in `{}` holds an event that cannot be read: number {seq}", crate::path::shown(.path))]
    Event {
        path: PathBuf,
        seq: i64,
        source: serde_json::Error,
    },
}

impl StoreError {
    /// True when the state cannot be written: no space, read-only, no permission, gone, an I/O error.
    pub fn is_cannot_write(&self) -> bool {
        match self {
            Self::Make { .. } | Self::Gone { .. } => true,
            Self::Reach { .. } | Self::Read { .. } | Self::Newer { .. } | Self::Foreign { .. } | Self::Event { .. } => {
                false
            }
            Self::Open { source, .. } | Self::Write { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::ReadOnly
                        | ErrorCode::CannotOpen
                        | ErrorCode::PermissionDenied
                        | ErrorCode::SystemIoFailure
                )
            ),
        }
    }

    /// True when another process kept it locked for too long.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } | Self::Write { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            ),
            _ => false,
        }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            _ if self.is_busy() => 75,
            _ if self.is_cannot_write() => 73,
            _ => 1,
        }
    }

    pub fn help(&self) -> Option<String> {
        let code = match self {
            Self::Open { source, .. } | Self::Read { source, .. } | Self::Write { source, .. } => {
                source.sqlite_error_code()
            }
            Self::Newer { .. } => return Some("use the opsrun that made it, or a later one".to_owned()),
            Self::Foreign { .. } | Self::Make { .. } | Self::Reach { .. } => {
                return Some("name another place with `--state-dir` or `state-dir` in the ops file".to_owned());
            }
            Self::Gone { .. } => return Some("start again: the next run puts in order what this one left".to_owned()),
            Self::Event { .. } => return Some("a later opsrun may have written it: use that one".to_owned()),
        };
        match code {
            Some(ErrorCode::DiskFull) => Some("make space on the file system that holds it".to_owned()),
            Some(ErrorCode::SystemIoFailure) => Some(
                "look whether the file system that holds it is full (`df`) or fails (`dmesg`), or name another place \
                 with `--state-dir`"
                    .to_owned(),
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Some(
                "check that the directory and its files may be written, or name another place with `--state-dir`"
                    .to_owned(),
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Some("another process is writing it: try again when that is done".to_owned())
            }
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Some(
                "move the file away and run again: copies are found by their manifests, but holds, known \
                 destinations and history are lost"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
