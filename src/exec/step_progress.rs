//! [`StepProgress`]: whether the work of a step may go on, and how far it is; [`ShownStep`]: a step under way.
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

/// A step that is shown as under way, until it is dropped.
pub struct ShownStep<'a> {
    progress: &'a dyn Progress,
    step: usize,
}

impl<'a> ShownStep<'a> {
    pub fn begin(progress: &'a dyn Progress, step: usize, what: &str, files: u64, bytes: u64) -> Self {
        progress.begin(step, what, files, bytes);
        Self { progress, step }
    }
}

impl Drop for ShownStep<'_> {
    fn drop(&mut self) {
        self.progress.end(self.step);
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
