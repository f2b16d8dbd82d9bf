//! Why alerts cannot be sent or shown at all.
//!
//! An undelivered message is not an error: it waits, or is given up.

use crate::store::StoreError;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot start the event loop")]
    Runtime(#[source] io::Error),
    /// The command line names a message that cannot be sent again.
    #[error("{message}")]
    Usage { message: String, help: &'static str },
}

impl AlertError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(error) => error.exit_code(),
            Self::Runtime(_) => 70,
            Self::Usage { .. } => 64,
        }
    }

    pub fn help(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.help().map(str::to_owned),
            Self::Runtime(_) => None,
            Self::Usage { help, .. } => Some((*help).to_owned()),
        }
    }
}
