//! [`StepProgress`]: whether the work of a step may go on, and how far it is.
//!
//! Invariant: asking is cheap; it may be called from any thread, per file.

use super::Deadline;
use crate::archive::progress::CopyProgress;
use crate::run::Progress;

/// Stops work on a copy at the deadline, and passes its progress on.
pub struct StepProgress<'a> {
    deadline: &'a Deadline<'a>,
    progress: &'a dyn Progress,
    step: usize,
}

impl<'a> StepProgress<'a> {
    pub fn new(deadline: &'a Deadline<'a>, progress: &'a dyn Progress, step: usize) -> Self {
        Self {
            deadline,
            progress,
            step,
        }
    }
}

impl CopyProgress for StepProgress<'_> {
    fn stop(&self) -> bool {
        self.deadline.reached()
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.progress.advance(self.step, files, bytes);
    }
}
