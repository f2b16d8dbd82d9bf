//! [`KeepReason`]: why a file that should have gone is kept.
//!
//! The closed vocabulary that the decision (`model::retention`), the removal (`tree::quarantine`) and the
//! reports share. Knows nothing of any of them.
//! Invariant: words never change meaning; programs match on them.

use serde::{Deserialize, Serialize};

/// Why a file that a class matches, and that should have gone, is kept. A closed set: programs may match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum KeepReason {
    /// The backup does not include it, or no proven copy holds it.
    NotCovered,
    /// It changed since it was copied.
    Changed,
    /// It changed while it was being copied.
    Torn,
    /// It changed so shortly before it was read that its times cannot prove it unchanged.
    TooFresh,
    /// It could not be read.
    Unreadable,
    /// It was gone already.
    Vanished,
    /// A writer may have it open.
    InUse,
    /// We may not ask whether a writer has it open: that needs its owner or CAP_LEASE.
    LeaseDenied,
    /// The system refused.
    NotPermitted,
    /// Its time lies in the future.
    Future,
    /// Its time lies before 1980.
    ImplausibleTime,
    /// It was restored lately.
    Held,
    /// It belongs to opsrun: an ops file, the state.
    Protected,
    /// It is not a regular file.
    Special,
}

impl KeepReason {
    pub const ALL: [Self; 14] = [
        Self::NotCovered,
        Self::Changed,
        Self::Torn,
        Self::TooFresh,
        Self::Unreadable,
        Self::Vanished,
        Self::InUse,
        Self::LeaseDenied,
        Self::NotPermitted,
        Self::Future,
        Self::ImplausibleTime,
        Self::Held,
        Self::Protected,
        Self::Special,
    ];

    /// The word in JSON and in text.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotCovered => "not-covered",
            Self::Changed => "changed",
            Self::Torn => "torn",
            Self::TooFresh => "too-fresh",
            Self::Unreadable => "unreadable",
            Self::Vanished => "vanished",
            Self::InUse => "in-use",
            Self::LeaseDenied => "lease-denied",
            Self::NotPermitted => "not-permitted",
            Self::Future => "future",
            Self::ImplausibleTime => "implausible-time",
            Self::Held => "held",
            Self::Protected => "protected",
            Self::Special => "special",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Self::NotCovered => "the backup does not cover it",
            Self::Changed => "changed since it was copied",
            Self::Torn => "changed while it was copied",
            Self::TooFresh => "changed just before it was copied",
            Self::Unreadable => "could not be read",
            Self::Vanished => "was already gone",
            Self::InUse => "a writer may have it open",
            Self::LeaseDenied => "owned by another user: run opsrun as its owner or with CAP_LEASE",
            Self::NotPermitted => "the system refused to remove it",
            Self::Future => "its time is in the future",
            Self::ImplausibleTime => "its time is before 1980",
            Self::Held => "restored lately and on hold",
            Self::Protected => "belongs to opsrun itself",
            Self::Special => "not a regular file",
        }
    }

    /// True when the file should have been deleted and people should know: the run ends with exit code 4.
    pub fn is_shortfall(self) -> bool {
        match self {
            Self::NotCovered
            | Self::Changed
            | Self::Torn
            | Self::TooFresh
            | Self::Unreadable
            | Self::InUse
            | Self::LeaseDenied
            | Self::NotPermitted => true,
            Self::Vanished | Self::Future | Self::ImplausibleTime | Self::Held | Self::Protected | Self::Special => {
                false
            }
        }
    }
}
