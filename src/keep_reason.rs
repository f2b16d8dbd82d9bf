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
        self.row().0
    }

    pub fn meaning(self) -> &'static str {
        self.row().1
    }

    /// True when the file should have been deleted and people should know: the run ends with exit code 4.
    pub fn is_shortfall(self) -> bool {
        self.row().2
    }

    /// Word, meaning, and whether it is a shortfall.
    fn row(self) -> (&'static str, &'static str, bool) {
        match self {
            Self::NotCovered => ("not-covered", "the backup does not cover it", true),
            Self::Changed => ("changed", "changed since it was copied", true),
            Self::Torn => ("torn", "changed while it was copied", true),
            Self::TooFresh => ("too-fresh", "changed just before it was copied", true),
            Self::Unreadable => ("unreadable", "could not be read", true),
            Self::Vanished => ("vanished", "was already gone", false),
            Self::InUse => ("in-use", "a writer may have it open", true),
            Self::LeaseDenied => (
                "lease-denied",
                "owned by another user: run opsrun as its owner or with CAP_LEASE",
                true,
            ),
            Self::NotPermitted => ("not-permitted", "the system refused to remove it", true),
            Self::Future => ("future", "its time is in the future", false),
            Self::ImplausibleTime => ("implausible-time", "its time is before 1980", false),
            Self::Held => ("held", "restored lately and on hold", false),
            Self::Protected => ("protected", "belongs to opsrun itself", false),
            Self::Special => ("special", "not a regular file", false),
        }
    }
}
