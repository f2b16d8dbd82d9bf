//! Why a run, or a look at copies, could not be done at all.
//!
//! A failed step is no error but an outcome; this is what keeps us from doing our own work. Each error knows
//! its exit code and what to try next.

use crate::alert::sender::OutboxError;
use crate::archive::CopyError;
use crate::plan::UnknownJob;
use crate::run::RecordError;
use crate::store::StoreError;
use crate::tree::TreeError;
use crate::tree::lock::LockError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// `--only`, `--except` or `--over-budget` select nothing.
    #[error(transparent)]
    Job(#[from] UnknownJob),
    /// The state.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file system.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A copy.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// An event could not be recorded: the run ended there.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The outbox.
    #[error(transparent)]
    Outbox(OutboxError),
    /// Nothing can be waited for.
    #[error("cannot start the event loop")]
    Runtime(#[source] std::io::Error),
    /// Something that was asked for does not exist.
    #[error("{message}")]
    Missing {
        /// What.
        message: String,
        /// What there is instead.
        help: String,
    },
    /// What was asked for cannot be done so: the command line is wrong.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to write instead.
        help: String,
    },
    /// Stopped by a signal.
    #[error("stopped by signal {0}")]
    Signal(u8),
}

impl LaunchError {
    /// The exit code that says so.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let no_room = |errno: Option<rustix::io::Errno>| {
            use rustix::io::Errno;
            matches!(
                errno,
                Some(Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::ACCESS | Errno::PERM | Errno::FBIG)
            )
        };
        match self {
            Self::Job(_) | Self::Usage { .. } => 64,
            Self::Lock(LockError::Held { .. }) => 75,
            Self::Store(e) if e.is_busy() => 75,
            Self::Store(e) if e.is_cannot_write() => 73,
            Self::Record(_) | Self::Outbox(_) => 73,
            Self::Runtime(_) => 70,
            Self::Lock(LockError::Tree(e)) | Self::Tree(e) if no_room(e.errno()) => 73,
            Self::Copy(e) if no_room(e.errno()) => 73,
            Self::Missing { .. } | Self::Store(_) | Self::Lock(_) | Self::Tree(_) | Self::Copy(_) => 1,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// What to try next.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Job(e) => Some(format!("jobs are: {}", e.jobs.join(", "))),
            Self::Lock(LockError::Held { .. }) => Some("wait for it to end, or use --lock-wait".to_owned()),
            Self::Store(e) => e.help(),
            Self::Record(_) => {
                Some("make the state directory writable; what was done is put in order by the next run".to_owned())
            }
            Self::Missing { help, .. } | Self::Usage { help, .. } => Some(help.clone()),
            Self::Copy(e) => e.help().map(str::to_owned),
            Self::Tree(_) | Self::Lock(_) | Self::Signal(_) | Self::Outbox(_) | Self::Runtime(_) => None,
        }
    }
}
