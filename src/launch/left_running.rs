//! What an opsrun that was killed left running: its jobs count as at work as long as that lives.
//!
//! Takes the jobs whose locks are held, waits as for a lock, or ends what is left where the job replaces its earlier run.
//! Asked after the locks: while another opsrun holds one, its commands are its own.
//! Invariant: a job that excludes itself never begins beside its own processes.

use super::LaunchError;
use crate::clock::Stopwatch;
use crate::liveness::children::{self, Orphan};
use crate::model::{JobKind, JobName, Model, Overlap, Target};
use crate::run::{Event, NoteSubject};
use crate::tree::lock::Patience;
use std::collections::BTreeSet;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(200);

/// Returns when nothing of these jobs is left. With `replace`, what is left of a job with `overlap "replace"` is ended;
/// the events say so.
pub(super) fn settle(
    model: &Model,
    jobs: &BTreeSet<JobName>,
    replace: bool,
    patience: Patience<'_>,
) -> Result<Vec<Event>, LaunchError> {
    children::clear(&model.ops.state_dir);
    let since = Stopwatch::set();
    let (mut ended, mut tried) = (Vec::new(), BTreeSet::new());
    loop {
        let mut left = children::orphans(&model.ops.state_dir);
        left.retain(|orphan| jobs.contains(&orphan.job()));
        if left.is_empty() {
            return Ok(ended);
        }
        let before = tried.len();
        for orphan in left.iter().filter(|_| replace) {
            if let Some(target) = replacing(model, orphan)
                && tried.insert(orphan.group())
            {
                let ladder = orphan.end(target.kill_after, patience.stop);
                ended.push(Event::Note {
                    step: NoteSubject::Step(orphan.step.clone()),
                    message: format!("{orphan}; {ladder}, since this run replaces it"),
                });
            }
        }
        if tried.len() > before {
            continue;
        }
        if since.elapsed() >= patience.wait || (patience.stop)() {
            return Err(LaunchError::LeftRunning(left));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The target, if a new run of it replaces an earlier one.
fn replacing<'a>(model: &'a Model, orphan: &Orphan) -> Option<&'a Target> {
    let job = orphan.job();
    let mut targets = model.targets.iter();
    targets.find(|target| job.kind == JobKind::Target && target.name == job.name && target.overlap == Overlap::Replace)
}
