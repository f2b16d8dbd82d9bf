//! Progress of steps, on stderr: a bar each at a terminal, occasional lines elsewhere.
//!
//! Takes calls of [`crate::run::Progress`] from any thread, gives nothing back. Lines that must not be mixed with a bar
//! go through [`ProgressBars::print`].
//! Invariant: without a terminal only whole lines are written, and none for work of less than half a minute; nothing
//! here can fail a run.

use crate::clock::Stopwatch;
use crate::report::shared::output;
use crate::run::Progress;
use crate::units::{plural, show_count, show_size};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const LINE_INTERVAL: Duration = Duration::from_secs(30);

const SPINNER_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressMode {
    Off,
    /// A line every half minute.
    Lines,
    Bars,
}

#[derive(Debug)]
pub struct ProgressBars {
    mode: ProgressMode,
    all: MultiProgress,
    now: Mutex<BTreeMap<usize, StepProgress>>,
}

#[derive(Debug)]
struct StepProgress {
    what: String,
    files: (u64, u64),
    bytes: (u64, u64),
    last_line: Stopwatch,
    bar: Option<ProgressBar>,
}

impl ProgressBars {
    pub fn new(mode: ProgressMode) -> Self {
        let target = match mode {
            ProgressMode::Bars => ProgressDrawTarget::stderr_with_hz(10),
            ProgressMode::Off | ProgressMode::Lines => ProgressDrawTarget::hidden(),
        };
        Self {
            mode,
            all: MultiProgress::with_draw_target(target),
            now: Mutex::new(BTreeMap::new()),
        }
    }

    /// Prints whole lines on stderr, above the bars if there are any.
    pub fn print(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.hidden(|| output::to_stderr(text));
    }

    /// Does `work` while the bars, if there are any, are hidden.
    pub fn hidden<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.mode == ProgressMode::Bars {
            self.all.suspend(work)
        } else {
            work()
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, StepProgress>> {
        // A panic elsewhere leaves sums that are at worst outdated.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for ProgressBars {
    fn begin(&self, step: usize, what: &str, files: u64, bytes: u64) {
        if self.mode == ProgressMode::Off {
            return;
        }
        let unknown = (files, bytes) == (0, 0);
        let made = || if unknown { spinner(what) } else { bar(what, bytes) };
        let bar = (self.mode == ProgressMode::Bars).then(|| self.all.add(made()));
        if let Some(bar) = bar.as_ref().filter(|_| unknown && can_start_thread()) {
            bar.enable_steady_tick(SPINNER_INTERVAL);
        }
        let work = StepProgress {
            what: what.to_owned(),
            files: (0, files),
            bytes: (0, bytes),
            last_line: Stopwatch::set(),
            bar,
        };
        self.lock().insert(step, work);
    }

    fn advance(&self, step: usize, files: u64, bytes: u64) {
        if self.mode == ProgressMode::Off {
            return;
        }
        let mut now = self.lock();
        let Some(work) = now.get_mut(&step) else { return };
        // What is read twice counts once.
        work.files.0 = work.files.1.min(work.files.0 + files);
        work.bytes.0 = work.bytes.1.min(work.bytes.0 + bytes);
        if let Some(bar) = &work.bar {
            bar.set_message(work.files());
            bar.set_position(work.bytes.0);
        } else if work.last_line.elapsed() >= LINE_INTERVAL {
            work.last_line = Stopwatch::set();
            output::to_stderr(&work.line());
        }
    }

    fn end(&self, step: usize) {
        let ended = self.lock().remove(&step);
        if let Some(bar) = ended.and_then(|work| work.bar) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }
}

impl StepProgress {
    fn files(&self) -> String {
        format!(
            "{} of {}",
            show_count(self.files.0),
            plural(self.files.1, "file", "files")
        )
    }

    fn line(&self) -> String {
        let (done, all) = (show_size(self.bytes.0), show_size(self.bytes.1));
        format!("running   {}  {}, {done} of {all}\n", self.what, self.files())
    }
}

/// A bar that moves by itself has a thread, and starting one where there can be none would end opsrun.
fn can_start_thread() -> bool {
    std::thread::Builder::new().spawn(|| ()).is_ok()
}

/// For work of unknown size: the time since its start.
fn spinner(what: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{prefix}  running for {elapsed}");
    spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    spinner.set_prefix(what.to_owned());
    spinner
}

fn bar(what: &str, bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let template = "{prefix}  {bar:24} {percent:>3}%  {msg}  {binary_bytes_per_sec}  {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("━╸ "));
    bar.set_prefix(what.to_owned());
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_without_showing() {
        let bars = ProgressBars::new(ProgressMode::Lines);
        bars.advance(7, 1, 1);
        bars.begin(7, "verify:b", 3, 3 << 20);
        bars.begin(8, "verify:c", 1, 1 << 20);
        let line = || bars.lock().get(&7).map(StepProgress::line);
        bars.advance(7, 1, 1 << 20);
        assert_eq!(
            line().as_deref(),
            Some("running   verify:b  1 of 3 files, 1.0 MiB of 3.0 MiB\n")
        );
        bars.advance(7, 9, 9 << 20);
        assert_eq!(
            line().as_deref(),
            Some("running   verify:b  3 of 3 files, 3.0 MiB of 3.0 MiB\n")
        );
        bars.end(7);
        assert_eq!(bars.lock().len(), 1);
    }
}
