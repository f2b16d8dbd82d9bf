//! How far a step is, on stderr: a bar at a terminal, now and then a line elsewhere.
//!
//! Takes what [`crate::run::Progress`] is told, from any thread; gives nothing back. Lines that must not be torn
//! by a bar go through [`Bars::print`].
//! Invariant: without a terminal nothing but whole lines is written, none of them for what takes under half a
//! minute; nothing here can fail a run.

use super::output;
use crate::clock::Mark;
use crate::run::Progress;
use crate::units::{plural, show_count, show_size};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two lines about the same thing.
const EVERY: Duration = Duration::from_secs(30);

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Nowhere.
    Nothing,
    /// A line every half minute.
    Lines,
    /// A bar.
    Bar,
}

/// Shows how far a step is.
#[derive(Debug)]
pub struct Bars {
    show: Show,
    now: Mutex<Option<Work>>,
}

#[derive(Debug)]
struct Work {
    what: String,
    files: (u64, u64),
    bytes: (u64, u64),
    said: Mark,
    bar: Option<ProgressBar>,
}

impl Bars {
    /// Nothing is under way.
    #[must_use]
    pub fn new(show: Show) -> Self {
        Self {
            show,
            now: Mutex::new(None),
        }
    }

    /// Prints whole lines on stderr, above a bar when there is one.
    pub fn print(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.hidden(|| output::to_stderr(text));
    }

    /// Does `work` while the bar, when there is one, is out of the way.
    pub fn hidden<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.lock().as_ref().and_then(|now| now.bar.as_ref()) {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Work>> {
        // A panic elsewhere leaves sums that are at worst old.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bars {
    fn begin(&self, what: &str, files: u64, bytes: u64) {
        if self.show == Show::Nothing {
            return;
        }
        let bar = (self.show == Show::Bar).then(|| bar(what, bytes));
        *self.lock() = Some(Work {
            what: what.to_owned(),
            files: (0, files),
            bytes: (0, bytes),
            said: Mark::set(),
            bar,
        });
    }

    fn advance(&self, files: u64, bytes: u64) {
        if self.show == Show::Nothing {
            return;
        }
        let mut now = self.lock();
        let Some(work) = now.as_mut() else { return };
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
            work.said = Mark::set();
            output::to_stderr(&work.line());
        }
    }

    fn end(&self) {
        if let Some(bar) = self.lock().take().and_then(|work| work.bar) {
            bar.finish_and_clear();
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

fn bar(what: &str, bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10));
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
        bars.advance(1, 1);
        bars.begin("verify:b", 3, 3 << 20);
        bars.advance(1, 1 << 20);
        let line = bars.lock().as_ref().map(Work::line);
        assert_eq!(
            line.as_deref(),
            Some("working   verify:b  1 of 3 files, 1.0 MiB of 3.0 MiB\n")
        );
        bars.advance(9, 9 << 20);
        let line = bars.lock().as_ref().map(Work::line);
        assert_eq!(
            line.as_deref(),
            Some("working   verify:b  3 of 3 files, 3.0 MiB of 3.0 MiB\n")
        );
        bars.end();
        assert!(bars.lock().is_none());
    }
}
