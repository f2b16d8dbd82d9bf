//! How a step of a run ended.
//!
//! Shared by events, messages and reports.
//! Invariant: the serialized names are part of the JSON formats, and never change.

use serde::{Deserialize, Serialize};

/// How a step ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Done.
    Ok,
    /// There was nothing to do.
    Nothing,
    /// Done, but a copy is incomplete or a file that should have gone was kept.
    Partial,
    /// A check found something that needs attention; what depends on it goes on.
    Warning,
    /// A check found what must not be.
    Critical,
    /// A check could not find out.
    Unknown,
    /// A guard refused it.
    Refused,
    /// It could not be done.
    Failed,
    /// Its destination or the state cannot be written, or has too little space.
    NoSpace,
    /// Something it needs did not succeed.
    Blocked,
    /// A signal stopped it.
    Interrupted,
    /// Its job is paused.
    Paused,
}

impl State {
    /// True when what depends on the step may go on.
    pub fn opens(self) -> bool {
        matches!(self, Self::Ok | Self::Nothing | Self::Partial | Self::Warning)
    }

    /// After the name of a step: `is critical`, `failed`.
    pub fn predicate(self) -> String {
        match self {
            Self::Failed => "failed".to_owned(),
            Self::Refused => "was refused".to_owned(),
            Self::Interrupted => "was interrupted".to_owned(),
            Self::NoSpace => "cannot write".to_owned(),
            state => format!("is {}", state.word()),
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Nothing => "nothing to do",
            Self::Partial => "partial",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::NoSpace => "no space",
            Self::Blocked => "blocked",
            Self::Interrupted => "interrupted",
            Self::Paused => "paused",
        }
    }
}
