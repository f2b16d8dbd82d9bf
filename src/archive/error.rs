//! [`CopyError`]: a copy could not be written, read or proven.

use crate::tree::TreeError;
use crate::tree::publish::Draft;
use rustix::io::Errno;
use std::io::{self, Write};

#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// What is stored is not what was recorded.
    #[error("`{file}` is damaged: {what}")]
    Damaged { file: String, what: String },
    /// A later version wrote it, with something that this version does not know.
    #[error("`{file}` needs a newer version of opsrun: {needs}")]
    Newer { file: String, needs: String },
    /// The name no longer leads to the file that was proven.
    #[error("`{file}` was changed or replaced after it was proven")]
    Moved { file: String },
    #[error("stopped")]
    Stopped,
}

impl CopyError {
    /// The system's error number, if it was one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Tree(e) => e.errno(),
            _ => None,
        }
    }

    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Newer { .. } => Some("use the version of opsrun that wrote it, or a newer one"),
            Self::Moved { .. } => Some("another process changed the destination during the run; run again"),
            Self::Damaged { .. } | Self::Tree(_) | Self::Stopped => None,
        }
    }

    pub(super) fn damaged(file: &str, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            what: what.into(),
        }
    }

    pub(super) fn newer(file: &str, needs: impl Into<String>) -> Self {
        Self::Newer {
            file: file.to_owned(),
            needs: needs.into(),
        }
    }

    /// A read or write of `file` failed.
    pub(super) fn io(call: &'static str, file: &str, e: io::Error) -> Self {
        Self::Tree(TreeError {
            call,
            path: file.to_owned(),
            source: e,
        })
    }
}

pub(super) fn write_draft(draft: &mut Draft, bytes: &[u8]) -> Result<(), CopyError> {
    let written = draft.file().write_all(bytes);
    written.map_err(|e| CopyError::io("write", &draft.temp_name(), e))
}
