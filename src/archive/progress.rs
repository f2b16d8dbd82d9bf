//! [`CopyProgress`]: how work on a copy reports its progress, and how it learns that it must stop.

/// Called from any thread, often.
pub trait CopyProgress: Sync {
    /// True ends the work early.
    fn stop(&self) -> bool;
    /// Adds entries and bytes to what is done.
    fn advance(&self, files: u64, bytes: u64);
}
