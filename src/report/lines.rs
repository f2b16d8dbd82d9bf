//! Events as lines for people, and what they come to in the end.
//!
//! Takes events in order, gives the lines to print after each; keeps only sums. Where they go and whether a
//! progress bar is in the way is the caller's matter.
//! Invariant: one event, whole lines; in quiet mode only what somebody should look at.

use super::style::{Style, one_line};
use crate::kept::KeepReason;
use crate::run::{Event, Outcome, State, Status};
use crate::units::{plural, show_size};
use std::collections::BTreeMap;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// Only what somebody should look at.
    Quiet,
    /// What happened to each step.
    #[default]
    Normal,
    /// Every event.
    Verbose,
}

/// Turns events into lines.
#[derive(Debug, Default)]
pub struct Lines {
    style: Style,
    detail: Detail,
    status: Status,
    copies: u64,
    copied_bytes: u64,
    deleted: (u64, u64),
    kept: BTreeMap<KeepReason, u64>,
}

/// Width of the first word of a line.
const WORD: usize = 8;

impl Lines {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(style: Style, detail: Detail) -> Self {
        Self {
            style,
            detail,
            ..Self::default()
        }
    }

    /// The lines for `event`, each with its end; empty when it is of no interest.
    pub fn lines(&mut self, event: &Event) -> String {
        self.status.apply(event);
        match event {
            Event::RunStarted {
                run,
                ops,
                host,
                overrides,
                ..
            } => {
                let mut text = self.say(Detail::Normal, "run", &format!("{run}  {ops} on {host}"));
                if !overrides.is_empty() {
                    let flags = format!("guards switched off: {}", overrides.join(" "));
                    text += &self.say(Detail::Quiet, "note", &flags);
                }
                text
            }
            Event::Recovered {
                place,
                put_back,
                completed,
                cleared,
                stuck,
            } => self.recovered(place, [*put_back, *completed, *cleared], stuck),
            Event::StepStarted { step } => self.say(Detail::Verbose, "start", step),
            Event::CopyStarted {
                step,
                copy,
                destination,
            } => self.say(
                Detail::Verbose,
                "copy",
                &format!("{step}  begins {copy} in {destination}"),
            ),
            Event::CopyPublished {
                step,
                copy,
                destination,
                records,
                bytes,
                archive_bytes,
                complete,
                suspect,
            } => {
                self.copies += 1;
                self.copied_bytes += bytes;
                let mut text = self.say(
                    Detail::Verbose,
                    "copy",
                    &format!(
                        "{step}  {}, {} → {destination}/{copy} ({})",
                        plural(*records, "entry", "entries"),
                        show_size(*bytes),
                        show_size(*archive_bytes)
                    ),
                );
                if !complete {
                    text += &self.say(Detail::Quiet, "warning", &format!("{step}  {copy} is incomplete"));
                }
                if let Some(why) = suspect {
                    text += &self.say(Detail::Quiet, "warning", &format!("{step}  {copy} is suspect: {why}"));
                }
                text
            }
            Event::CopyProven { step, copy } => self.say(Detail::Verbose, "proven", &format!("{step}  {copy}")),
            Event::DeleteIntended {
                step,
                batch,
                files,
                bytes,
                first,
                last,
                ..
            } => self.say(
                Detail::Verbose,
                "delete",
                &format!(
                    "{step}  batch {batch}: {} ({}), {first} to {last}",
                    plural(*files, "file", "files"),
                    show_size(*bytes)
                ),
            ),
            Event::Deleted {
                step,
                batch,
                files,
                bytes,
                kept,
            } => {
                self.deleted.0 += files;
                self.deleted.1 += bytes;
                for (reason, n) in kept {
                    *self.kept.entry(*reason).or_default() += n;
                }
                self.say(
                    Detail::Verbose,
                    "gone",
                    &format!(
                        "{step}  batch {batch}: {} ({})",
                        plural(*files, "file", "files"),
                        show_size(*bytes)
                    ),
                )
            }
            Event::Attempted {
                step,
                attempt,
                ending,
                retry_in,
                ..
            } => match retry_in {
                Some(millis) => self.say(
                    Detail::Normal,
                    "again",
                    &format!("{step}  attempt {attempt}: {ending}; the next in {}", seconds(*millis)),
                ),
                None => self.say(
                    Detail::Verbose,
                    "attempt",
                    &format!("{step}  attempt {attempt}: {ending}"),
                ),
            },
            Event::Note { step, message } => self.say(Detail::Normal, "note", &format!("{step}  {message}")),
            Event::StepFinished { step, outcome } => self.finished(step, outcome),
            Event::RunFinished { exit, millis } => self.summary(*exit, *millis),
        }
    }

    /// One line, when at least so much is to be said.
    fn say(&self, from: Detail, word: &str, text: &str) -> String {
        if self.detail < from {
            return String::new();
        }
        let word = format!("{word:<WORD$}");
        let painted = match word.trim_end() {
            "ok" => self.style.good(&word),
            "error" | "failed" | "critical" | "unknown" | "refused" | "cannot write" | "stuck" => self.style.bad(&word),
            "warning" | "note" | "partial" | "blocked" | "stopped" => self.style.warn(&word),
            _ => self.style.dim(&word),
        };
        format!("{painted}  {}\n", one_line(text))
    }

    fn recovered(&self, place: &str, [put_back, completed, cleared]: [u64; 3], stuck: &[String]) -> String {
        let mut deeds = Vec::new();
        for (n, one, many) in [
            (put_back, "file put back", "files put back"),
            (completed, "deletion completed", "deletions completed"),
            (cleared, "leftover cleared", "leftovers cleared"),
        ] {
            if n > 0 {
                deeds.push(plural(n, one, many));
            }
        }
        let mut text = String::new();
        if !deeds.is_empty() {
            let deeds = deeds.join(", ");
            text += &self.say(
                Detail::Normal,
                "mended",
                &format!("{place}  after an earlier run: {deeds}"),
            );
        }
        for file in stuck {
            text += &self.say(Detail::Quiet, "stuck", &format!("{place}  {file}"));
        }
        text
    }

    fn finished(&self, step: &str, outcome: &Outcome) -> String {
        let from = match outcome.state {
            State::Ok | State::Nothing | State::Paused => Detail::Normal,
            _ => Detail::Quiet,
        };
        if self.detail < from {
            return String::new();
        }
        let word = match outcome.state {
            State::Nothing => "nothing",
            State::Interrupted => "stopped",
            // Too little space is one reason of several.
            State::NoSpace => "cannot write",
            other => other.word(),
        };
        let mut text = self.say(from, word, &format!("{step}  {}", outcome.summary));
        let margin = " ".repeat(WORD + 2);
        for detail in &outcome.details {
            text += &[&margin, "  ", &one_line(detail), "\n"].concat();
        }
        if let Some(help) = &outcome.help {
            text += &[&margin, &self.style.bold("help:"), " ", &one_line(help), "\n"].concat();
        }
        text
    }

    fn summary(&self, exit: u8, millis: u64) -> String {
        let verdict = match exit {
            0 => self.style.good("done"),
            4 => self.style.warn("done, not all of it"),
            3 => self.style.bad("refused"),
            73 => self.style.bad("cannot write"),
            128.. => self.style.warn("stopped"),
            _ => self.style.bad("failed"),
        };
        let mut parts = Vec::new();
        if self.copies > 0 {
            parts.push(format!(
                "{} ({})",
                plural(self.copies, "copy", "copies"),
                show_size(self.copied_bytes)
            ));
        }
        if self.deleted.0 > 0 {
            let files = plural(self.deleted.0, "file", "files");
            parts.push(format!("{files} deleted ({})", show_size(self.deleted.1)));
        }
        if !self.kept.is_empty() {
            let files = plural(self.kept.values().sum(), "file", "files");
            let reasons: Vec<String> = self.kept.iter().map(|(why, n)| format!("{n} {}", why.word())).collect();
            parts.push(format!("{files} kept ({})", reasons.join(", ")));
        }
        let bad: Vec<&str> = self
            .status
            .steps
            .iter()
            .filter(|(_, state)| !state.is_some_and(|state| state.opens() || state == State::Paused))
            .map(|(step, _)| step.as_str())
            .collect();
        if !bad.is_empty() {
            parts.push(format!("not done: {}", bad.join(", ")));
        }
        if parts.is_empty() {
            let none = self.status.steps.is_empty();
            parts.push(if none { "nothing was done" } else { "nothing to do" }.to_owned());
        }
        if self.detail == Detail::Quiet && exit == 0 {
            return String::new();
        }
        format!("{verdict} in {}: {}\n", seconds(millis), one_line(&parts.join("; ")))
    }
}

fn seconds(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(state: State, summary: &str) -> Outcome {
        Outcome {
            state,
            summary: summary.to_owned(),
            help: None,
            details: Vec::new(),
        }
    }

    fn story() -> Vec<Event> {
        let finished = |step: &str, outcome| Event::StepFinished {
            step: step.to_owned(),
            outcome,
        };
        let step = || "cleanup:observer".to_owned();
        let copy = || "observer-20261123T210000Z-01JD".to_owned();
        vec![
            Event::RunStarted {
                run: "01JD".into(),
                ops: "observer".into(),
                host: "box".into(),
                digest: "00".into(),
                overrides: vec!["--accept-clock".into()],
            },
            Event::Recovered {
                place: "/srv/data".into(),
                put_back: 2,
                completed: 1,
                cleared: 0,
                stuck: vec!["a\nb: its name is taken".into()],
            },
            Event::StepStarted {
                step: "backup:observer".into(),
            },
            Event::CopyStarted {
                step: "backup:observer".into(),
                copy: copy(),
                destination: "/backup".into(),
            },
            finished(
                "backup:observer",
                outcome(
                    State::Ok,
                    "120 files, 3.2 MiB → observer-20261123T210000Z-01JD.tar.gz (0.4 MiB)",
                ),
            ),
            Event::CopyPublished {
                step: "verify:observer".into(),
                copy: copy(),
                destination: "/backup".into(),
                records: 120,
                bytes: 3_355_443,
                archive_bytes: 419_430,
                complete: false,
                suspect: None,
            },
            Event::CopyProven {
                step: "verify:observer".into(),
                copy: copy(),
            },
            finished("verify:observer", outcome(State::Ok, "120 entries read back and equal")),
            Event::DeleteIntended {
                step: step(),
                batch: 0,
                copies: vec![copy()],
                files: 80,
                bytes: 2_202_009,
                first: "raw/a".into(),
                last: "raw/z".into(),
            },
            Event::Deleted {
                step: step(),
                batch: 0,
                files: 78,
                bytes: 2_100_000,
                kept: BTreeMap::from([(KeepReason::InUse, 1), (KeepReason::Changed, 1)]),
            },
            Event::Note {
                step: step(),
                message: "a note".into(),
            },
            finished(
                "cleanup:observer",
                Outcome {
                    state: State::Partial,
                    summary: "78 of 80 files deleted".into(),
                    help: Some("run again when the writers are done".into()),
                    details: vec!["raw/x: in-use".into(), "raw/y: changed".into()],
                },
            ),
            finished(
                "backup:other",
                outcome(State::Failed, "cannot open `/gone`: no such file or directory"),
            ),
            finished("verify:other", outcome(State::Blocked, "backup:other did not succeed")),
            finished("backup:third", outcome(State::Paused, "paused in the ops file")),
            Event::RunFinished {
                exit: 1,
                millis: 61_234,
            },
        ]
    }

    fn told(detail: Detail, style: Style) -> String {
        let mut lines = Lines::new(style, detail);
        story().iter().map(|event| lines.lines(event)).collect()
    }

    #[test]
    fn a_run_as_people_see_it() {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!("lines", told(Detail::Normal, Style::PLAIN));
            insta::assert_snapshot!("lines_quiet", told(Detail::Quiet, Style::PLAIN));
            insta::assert_snapshot!("lines_verbose", told(Detail::Verbose, Style::PLAIN));
        });
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let colored = told(Detail::Verbose, Style::COLOR);
        let mut plain = String::new();
        for (at, piece) in colored.split("\x1b[").enumerate() {
            plain += if at == 0 {
                piece
            } else {
                piece.split_once('m').unwrap().1
            };
        }
        assert_eq!(plain, told(Detail::Verbose, Style::PLAIN));
    }

    #[test]
    fn a_quiet_run_that_went_well_says_nothing() {
        let mut lines = Lines::new(Style::PLAIN, Detail::Quiet);
        let ok = Event::StepFinished {
            step: "backup:b".into(),
            outcome: outcome(State::Ok, "fine"),
        };
        assert_eq!(lines.lines(&ok), "");
        assert_eq!(lines.lines(&Event::RunFinished { exit: 0, millis: 1 }), "");
    }
}
