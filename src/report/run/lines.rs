//! Events as lines for people, and what they come to in the end.
//!
//! Takes events in order, gives the lines to print after each; keeps only sums. Where they go and whether a
//! progress bar is in the way is the caller's matter.
//! Invariant: one event, whole lines; in quiet mode only what somebody should look at.

use crate::kept::KeepReason;
use crate::model::{StepKind, StepName};
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::times::took;
use crate::run::{Event, Outcome, State, Status};
use crate::units::{joined, plural, show_size};
use chrono::{DateTime, SecondsFormat, Utc};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// Only what somebody should look at.
    Quiet,
    /// What happened to each step.
    #[default]
    Normal,
    Verbose,
}

#[derive(Debug, Default)]
pub struct Lines {
    style: Style,
    detail: Detail,
    status: Status,
    copies: u64,
    copied_bytes: u64,
    deleted: (u64, u64),
    kept: BTreeMap<KeepReason, u64>,
    /// Blocked steps, and the step that each of them needs and that did not succeed.
    blocked: BTreeMap<StepName, StepName>,
}

/// Width of the first word of a line.
const WORD: usize = 8;

impl Lines {
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
                occurrences,
                ..
            } => {
                let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                let due = occurrences.iter();
                let due: Vec<String> = due
                    .map(|due| format!("{} {}", due.schedule, instant(due.instant)))
                    .collect();
                let by = if due.is_empty() {
                    String::new()
                } else {
                    format!("  by {}", due.join(", "))
                };
                let mut text = self.say(Detail::Normal, "run", &format!("{run}  {ops} on {host}{by}"));
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
            Event::StepStarted { step } => self.say(Detail::Verbose, "start", &step.to_string()),
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
                    &format!("{step}  attempt {attempt}: {ending}; the next in {}", took(*millis)),
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

    fn finished(&mut self, step: &StepName, outcome: &Outcome) -> String {
        if outcome.state == State::Blocked
            && let Some(cause) = self.cause(step, &outcome.summary)
        {
            self.blocked.insert(step.clone(), cause);
        }
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
        let summary = match outcome.state {
            State::Blocked => self.chain(step),
            _ => None,
        };
        let summary = summary.as_ref().unwrap_or(&outcome.summary);
        let mut text = self.say(from, word, &format!("{step}  {summary}"));
        let margin = " ".repeat(WORD + 2);
        for detail in &outcome.details {
            text += &[&margin, "  ", &one_line(detail), "\n"].concat();
        }
        if let Some(help) = &outcome.help {
            text += &[&margin, &self.style.bold("help:"), " ", &one_line(help), "\n"].concat();
        }
        text
    }

    /// The step that a blocked one waited for in vain: the one of this run that its summary names.
    fn cause(&self, step: &StepName, summary: &str) -> Option<StepName> {
        let named = |name: &StepName| {
            let state = self.status.steps.get(name).copied().flatten();
            name != step && state.is_some_and(|state| !state.opens())
        };
        let words = summary.split(|c: char| c.is_whitespace() || "`,;()".contains(c));
        words.filter_map(|word| word.parse().ok()).find(named)
    }

    /// Why a step is blocked, from the root to what it needs itself: `check:disk is critical → backup:b → verify:b`.
    fn chain(&self, step: &StepName) -> Option<String> {
        let mut root = self.blocked.get(step)?;
        let mut between = Vec::new();
        while let Some(deeper) = self.blocked.get(root) {
            // What events say is believed, but not for ever.
            if between.contains(&root) {
                break;
            }
            between.push(root);
            root = deeper;
        }
        let state = self.status.steps.get(root).copied().flatten()?;
        let verb = match state {
            State::Critical | State::Unknown | State::Blocked | State::Paused => format!("is {}", state.word()),
            State::Refused => "was refused".to_owned(),
            State::Interrupted => "was stopped".to_owned(),
            State::NoSpace => "cannot write".to_owned(),
            _ => state.word().to_owned(),
        };
        let chain = between.into_iter().rev().map(|step| format!(" → {step}"));
        Some(format!("{root} {verb}{}", chain.collect::<String>()))
    }

    /// `3 checks (1 critical)`; nothing when there was none.
    fn count(&self, kind: StepKind, one: &str, many: &str) -> Option<String> {
        let steps = self.status.steps.iter().filter(|(name, _)| name.kind == kind);
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for state in steps
            .filter_map(|(_, state)| *state)
            .filter(|state| *state != State::Paused)
        {
            *states.entry(state.word()).or_default() += 1;
        }
        let total = states.values().sum();
        let odd = states.iter().filter(|(word, _)| **word != State::Ok.word());
        let odd: Vec<String> = odd.map(|(word, n)| format!("{n} {word}")).collect();
        let odd = if odd.is_empty() {
            String::new()
        } else {
            format!(" ({})", odd.join(", "))
        };
        (total > 0).then(|| plural(total, one, many) + &odd)
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
        parts.extend(self.count(StepKind::Check, "check", "checks"));
        parts.extend(self.count(StepKind::Target, "target", "targets"));
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
        let bad: Vec<&StepName> = self
            .status
            .steps
            .iter()
            .filter(|(_, state)| !state.is_some_and(|state| state.opens() || state == State::Paused))
            .map(|(step, _)| step)
            .collect();
        if !bad.is_empty() {
            parts.push(format!("not done: {}", joined(&bad)));
        }
        if parts.is_empty() {
            let none = self.status.steps.is_empty();
            parts.push(if none { "nothing was done" } else { "nothing to do" }.to_owned());
        }
        if self.detail == Detail::Quiet && exit == 0 {
            return String::new();
        }
        format!("{verdict} in {}: {}\n", took(millis), one_line(&parts.join("; ")))
    }
}

#[cfg(test)]
mod tests;
