//! What can go wrong with a copy.

use crate::tree::TreeError;
use rustix::io::Errno;
use std::io;

/// A copy could not be written, read or believed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// What is stored is not what was recorded.
    #[error("`{file}` is damaged: {what}")]
    Damaged {
        file: String,
        /// What is wrong with it.
        what: String,
    },
    #[error("`{file}` has format {found}; this build reads up to {known}")]
    Newer { file: String, found: u32, known: u32 },
    /// The copy is no longer where it was proven.
    #[error("`{file}` is not the file that was proven any more")]
    Moved { file: String },
    #[error("stopped")]
    Stopped,
}

impl CopyError {
    /// The system's error number, if it was one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Tree(e) => e.errno(),
            _ => None,
        }
    }

    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Newer { .. } => Some("use the opsrun that made it, or a newer one"),
            Self::Moved { .. } => Some("somebody changed the destination during the run; run again"),
            Self::Damaged { .. } | Self::Tree(_) | Self::Stopped => None,
        }
    }

    pub(super) fn damaged(file: &str, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            what: what.into(),
        }
    }

    pub(super) fn io(call: &'static str, file: &str, e: io::Error) -> Self {
        Self::Tree(TreeError {
            call,
            path: file.to_owned(),
            source: e,
        })
    }
}
