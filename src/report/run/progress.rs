//! How far steps are, on stderr: a bar each at a terminal, now and then a line elsewhere.
//!
//! Takes what [`crate::run::Progress`] is told, from any thread; gives nothing back. Lines that must not be torn
//! by a bar go through [`Bars::print`].
//! Invariant: without a terminal nothing but whole lines is written, none of them for what takes under half a
//! minute; nothing here can fail a run.

use crate::clock::Stopwatch;
use crate::report::shared::output;
use crate::run::Progress;
use crate::units::{plural, show_count, show_size};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two lines about the same thing.
const EVERY: Duration = Duration::from_secs(30);

/// Between two looks at what only takes time.
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Nowhere.
    Nothing,
    /// A line every half minute.
    Lines,
    Bar,
}

#[derive(Debug)]
pub struct Bars {
    show: Show,
    all: MultiProgress,
    now: Mutex<BTreeMap<usize, Work>>,
}

#[derive(Debug)]
struct Work {
    what: String,
    files: (u64, u64),
    bytes: (u64, u64),
    said: Stopwatch,
    bar: Option<ProgressBar>,
}

impl Bars {
    #[must_use]
    pub fn new(show: Show) -> Self {
        let target = match show {
            Show::Bar => ProgressDrawTarget::stderr_with_hz(10),
            Show::Nothing | Show::Lines => ProgressDrawTarget::hidden(),
        };
        Self {
            show,
            all: MultiProgress::with_draw_target(target),
            now: Mutex::new(BTreeMap::new()),
        }
    }

    /// Prints whole lines on stderr, above bars when there are any.
    pub fn print(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.hidden(|| output::to_stderr(text));
    }

    /// Does `work` while bars, when there are any, are out of the way.
    pub fn hidden<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.show == Show::Bar {
            self.all.suspend(work)
        } else {
            work()
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Work>> {
        // A panic elsewhere leaves sums that are at worst old.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bars {
    fn begin(&self, step: usize, what: &str, files: u64, bytes: u64) {
        if self.show == Show::Nothing {
            return;
        }
        let made = || match (files, bytes) {
            (0, 0) => spinner(what),
            _ => bar(what, bytes),
        };
        let bar = (self.show == Show::Bar).then(|| self.all.add(made()));
        if let Some(bar) = bar.as_ref().filter(|_| (files, bytes) == (0, 0)) {
            bar.enable_steady_tick(SECOND);
        }
        let work = Work {
            what: what.to_owned(),
            files: (0, files),
            bytes: (0, bytes),
            said: Stopwatch::set(),
            bar,
        };
        self.lock().insert(step, work);
    }

    fn advance(&self, step: usize, files: u64, bytes: u64) {
        if self.show == Show::Nothing {
            return;
        }
        let mut now = self.lock();
        let Some(work) = now.get_mut(&step) else { return };
        // What is read twice is not twice as much.
        work.files.0 = work.files.1.min(work.files.0 + files);
        work.bytes.0 = work.bytes.1.min(work.bytes.0 + bytes);
        if let Some(bar) = &work.bar {
            bar.set_message(format!(
                "{} of {}",
                show_count(work.files.0),
                plural(work.files.1, "file", "files")
            ));
            bar.set_position(work.bytes.0);
        } else if work.said.elapsed() >= EVERY {
            work.said = Stopwatch::set();
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

impl Work {
    fn line(&self) -> String {
        format!(
            "working   {}  {} of {}, {} of {}\n",
            self.what,
            show_count(self.files.0),
            plural(self.files.1, "file", "files"),
            show_size(self.bytes.0),
            show_size(self.bytes.1)
        )
    }
}

/// Of what nobody knows the end: how long it has been going on.
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
        let bars = Bars::new(Show::Lines);
        bars.advance(7, 1, 1);
        bars.begin(7, "verify:b", 3, 3 << 20);
        bars.begin(8, "verify:c", 1, 1 << 20);
        let line = || bars.lock().get(&7).map(Work::line);
        bars.advance(7, 1, 1 << 20);
        assert_eq!(
            line().as_deref(),
            Some("working   verify:b  1 of 3 files, 1.0 MiB of 3.0 MiB\n")
        );
        bars.advance(7, 9, 9 << 20);
        assert_eq!(
            line().as_deref(),
            Some("working   verify:b  3 of 3 files, 3.0 MiB of 3.0 MiB\n")
        );
        bars.end(7);
        assert_eq!(bars.lock().len(), 1);
    }
}
