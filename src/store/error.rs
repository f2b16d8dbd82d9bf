//! What can go wrong with the store.
//!
//! Takes causes from SQLite and the system; gives errors that name the file, with an exit code and what to do next.
//! Invariant: no message repeats its cause, which the chain of sources shows.

use crate::limits;
use crate::own_process;
use rusqlite::ErrorCode;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot make the state in `{}`", crate::path::shown(.0))]
    Make(PathBuf, #[source] io::Error),
    #[error("cannot reach the state in `{}`", crate::path::shown(.0))]
    Reach(PathBuf, #[source] io::Error),
    #[error("cannot open the state in `{}`", crate::path::shown(.0))]
    Open(PathBuf, #[source] rusqlite::Error),
    #[error("cannot read the state in `{}`", crate::path::shown(.0))]
    Read(PathBuf, #[source] rusqlite::Error),
    #[error("cannot write the state in `{}`", crate::path::shown(.0))]
    Write(PathBuf, #[source] rusqlite::Error),
    #[error("the state in `{}` has schema {found}, this opsrun knows up to {known}", crate::path::shown(.path))]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the state in `{}` may only be read by its owner and the group `{group}`", crate::path::shown(.path))]
    Denied { path: PathBuf, group: String },
    #[error("the state in `{}` is not a regular file", crate::path::shown(.0))]
    NotAFile(PathBuf),
    #[error("the state in `{}` lacks the table `{table}`", crate::path::shown(.path))]
    Incomplete { path: PathBuf, table: &'static str },
    #[error("`{}` is a database of another program", crate::path::shown(.0))]
    Foreign(PathBuf),
    #[error("the state in `{}` was moved or removed while it was in use", crate::path::shown(.0))]
    Gone(PathBuf),
    #[error("the state in `{}` contains an event that cannot be read: number {seq}", crate::path::shown(.path))]
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
            Self::Make(..) | Self::Gone(_) => true,
            Self::Denied { .. }
            | Self::NotAFile(_)
            | Self::Incomplete { .. }
            | Self::Reach(..)
            | Self::Read(..)
            | Self::Newer { .. }
            | Self::Foreign(_)
            | Self::Event { .. } => false,
            Self::Open(..) | Self::Write(..) => {
                use ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
                let code = self.sqlite_code();
                matches!(
                    code,
                    Some(DiskFull | ReadOnly | CannotOpen | PermissionDenied | SystemIoFailure)
                )
            }
        }
    }

    /// True when another process kept it locked for too long.
    pub fn is_busy(&self) -> bool {
        matches!(
            self.sqlite_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    }

    fn sqlite_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Open(_, source) | Self::Read(_, source) | Self::Write(_, source) => source.sqlite_error_code(),
            _ => None,
        }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            _ if self.is_busy() => 75,
            _ if self.is_cannot_write() => 73,
            _ => 1,
        }
    }

    pub fn help(&self) -> Option<&'static str> {
        if let Some(help) = self.help_about_limits() {
            return Some(help);
        }
        Some(match self {
            Self::Newer { .. } => "use the opsrun that made it, or a later one",
            Self::Foreign(_) | Self::Make(..) | Self::Reach(..) => {
                "name another place with `--state-dir` or `state-dir` in the ops file"
            }
            Self::Denied { .. } => {
                "run this as its owner, or join that group; the group needs mode 0750 on the directory and 0640 on the file"
            }
            Self::NotAFile(_) => "remove it, or name another place with `--state-dir` or `state-dir` in the ops file",
            Self::Incomplete { .. } => {
                "move the file away and run again: copies are found by their manifests, but holds, known destinations and \
                 history are lost"
            }
            Self::Gone(_) => "start again: the next run puts in order what this one left",
            Self::Event { .. } => "a later opsrun may have written it: use that one",
            Self::Open(..) | Self::Read(..) | Self::Write(..) => match self.sqlite_code()? {
                ErrorCode::DiskFull => "make space on the file system that contains it",
                ErrorCode::SystemIoFailure => {
                    "look whether the file system that contains it is full (`df`) or fails (`dmesg`), or name another \
                     place with `--state-dir`"
                }
                ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                    "check that the directory and its files may be written, or name another place with `--state-dir`"
                }
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    "another process is writing it: try again when that is done"
                }
                ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => {
                    "move the file away and run again: copies are found by their manifests, but holds, known \
                     destinations and history are lost"
                }
                _ => return None,
            },
        })
    }

    /// SQLite does not say why a file cannot be opened or written.
    fn help_about_limits(&self) -> Option<&'static str> {
        let errno = match self {
            Self::Make(_, cause) | Self::Reach(_, cause) => cause.raw_os_error(),
            _ => None,
        };
        let out_of_files = || errno == Some(libc::EMFILE) || limits::is_out_of_files();
        match (errno, self.sqlite_code()) {
            (Some(libc::EMFILE), _) | (_, Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure))
                if out_of_files() =>
            {
                Some("raise the limit of open files (`ulimit -n`, `LimitNOFILE=` in a systemd unit)")
            }
            (_, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)) if limits::has_file_size() => {
                Some("raise the limit of file sizes (`ulimit -f`, `LimitFSIZE=` in a systemd unit), or make space")
            }
            (_, Some(ErrorCode::SystemIoFailure)) if own_process::is_sandboxed() => Some(
                "look whether the file system that contains it is full (`df`) or fails (`dmesg`), or whether a sandbox blocks \
                 this system call: seccomp, as set by `SystemCallFilter=` of a systemd unit, or by the profile of a container",
            ),
            _ => None,
        }
    }
}
