//! Events as lines for people, and a summary at the end.
//!
//! Takes events in order, gives the lines to print after each; keeps only sums. The caller decides where they go and
//! hides the progress bars.
//! Invariant: every event gives whole lines; in quiet mode warnings and errors only.

use crate::keep_reason::KeepReason;
use crate::model::{StepKind, StepName};
use crate::report::shared::advice::advice;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::times;
use crate::run::{Event, Occurrence, Outcome, State, Status};
use crate::time_zone::Zone;
use crate::units::{joined, plural, show_files, show_size, took};
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// Warnings and errors only.
    Quiet,
    /// Also the result of each step.
    #[default]
    Normal,
    Verbose,
}

#[derive(Debug)]
pub struct EventLines {
    style: Style,
    detail: Detail,
    zone: Zone,
    status: Status,
    copies: u64,
    copied_bytes: u64,
    deleted: (u64, u64),
    kept: BTreeMap<KeepReason, u64>,
    /// Blocked steps, each with the step that it needs and that did not succeed.
    blocked: BTreeMap<StepName, StepName>,
}

const WORD_WIDTH: usize = 8;

impl EventLines {
    /// Times of schedules are shown in `zone`.
    pub fn new(style: Style, detail: Detail, zone: &Zone) -> Self {
        Self {
            style,
            detail,
            zone: zone.clone(),
            status: Status::default(),
            copies: 0,
            copied_bytes: 0,
            deleted: (0, 0),
            kept: BTreeMap::new(),
            blocked: BTreeMap::new(),
        }
    }

    /// The lines for `event`, each with its line end; may be empty.
    pub fn lines(&mut self, event: &Event) -> String {
        self.status.apply(event);
        match event {
            Event::RunStarted {
                run,
                ops,
                host,
                overrides,
                occurrences,
                zone_data,
                ..
            } => {
                let due = |due: &Occurrence| {
                    let at = times::local_exact(due.instant, &self.zone);
                    format!("{} {at}", due.schedule)
                };
                let due: Vec<String> = occurrences.iter().map(due).collect();
                let due = if due.is_empty() {
                    String::new()
                } else {
                    format!("  for {}", due.join(", "))
                };
                let mut text = self.line(Detail::Normal, "run", &format!("{run}  {ops} on {host}{due}"));
                if !zone_data.is_empty() {
                    text += &self.line(Detail::Verbose, "note", &format!("time zones {zone_data}"));
                }
                if !overrides.is_empty() {
                    let flags = format!("guards switched off: {}", overrides.join(" "));
                    text += &self.line(Detail::Quiet, "note", &flags);
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
            Event::StepStarted { step } => self.line(Detail::Verbose, "start", &step.to_string()),
            Event::CopyStarted {
                step,
                copy,
                destination,
            } => {
                let text = format!("{step}  writes {copy} to {destination}");
                self.line(Detail::Verbose, "copy", &text)
            }
            Event::CopyPublished {
                step,
                copy,
                destination,
                records,
                bytes,
                archive_bytes,
                complete,
                suspect,
                ..
            } => {
                self.copies += 1;
                self.copied_bytes = self.copied_bytes.saturating_add(*bytes);
                let entries = format!("{}, {}", plural(*records, "entry", "entries"), show_size(*bytes));
                let text = format!(
                    "{step}  {entries} → {destination}/{copy} ({})",
                    show_size(*archive_bytes)
                );
                let mut text = self.line(Detail::Verbose, "copy", &text);
                if !complete {
                    text += &self.line(Detail::Quiet, "warning", &format!("{step}  {copy} is incomplete"));
                }
                if let Some(why) = suspect {
                    text += &self.line(Detail::Quiet, "warning", &format!("{step}  {copy} is suspect: {why}"));
                }
                text
            }
            Event::CopyProven { step, copy } => self.line(Detail::Verbose, "verified", &format!("{step}  {copy}")),
            Event::DeleteIntended {
                step,
                batch,
                files,
                bytes,
                first,
                last,
                ..
            } => {
                let files = show_files(*files, *bytes);
                let text = format!("{step}  batch {batch}: {files}, {first} to {last}");
                self.line(Detail::Verbose, "delete", &text)
            }
            Event::Deleted {
                step,
                batch,
                files,
                bytes,
                kept,
            } => {
                self.deleted.0 += files;
                self.deleted.1 = self.deleted.1.saturating_add(*bytes);
                for (reason, n) in kept {
                    *self.kept.entry(*reason).or_default() += n;
                }
                let text = format!("{step}  batch {batch}: {}", show_files(*files, *bytes));
                self.line(Detail::Verbose, "deleted", &text)
            }
            Event::Attempted {
                step,
                attempt,
                ending,
                retry_in,
                ..
            } => {
                let text = format!("{step}  attempt {attempt}: {ending}");
                match retry_in.map(took) {
                    Some(wait) => self.line(Detail::Normal, "retry", &format!("{text}; next attempt in {wait}")),
                    None => self.line(Detail::Verbose, "attempt", &text),
                }
            }
            Event::Note { step, message } => self.line(Detail::Normal, "note", &format!("{step}  {message}")),
            Event::StepFinished { step, outcome } => self.finished(step, outcome),
            Event::RunFinished { exit, millis } => self.summary(*exit, *millis),
        }
    }

    /// One line, from this level of detail on.
    fn line(&self, from: Detail, word: &str, text: &str) -> String {
        if self.detail < from {
            return String::new();
        }
        let word = format!("{word:<WORD_WIDTH$}");
        let painted = match word.trim_end() {
            "ok" => self.style.good(&word),
            "error" | "failed" | "critical" | "unknown" | "refused" | "cannot write" | "stuck" => self.style.bad(&word),
            "warning" | "note" | "partial" | "blocked" | "stopped" => self.style.warn(&word),
            _ => self.style.dim(&word),
        };
        format!("{painted}  {}\n", one_line(text))
    }

    fn recovered(&self, place: &str, [put_back, completed, cleared]: [u64; 3], stuck: &[String]) -> String {
        let parts = [
            (put_back, "file put back", "files put back"),
            (completed, "deletion completed", "deletions completed"),
            (cleared, "leftover removed", "leftovers removed"),
        ];
        let parts = parts.into_iter().filter(|(n, ..)| *n > 0);
        let parts: Vec<String> = parts.map(|(n, one, many)| plural(n, one, many)).collect();
        let mut text = String::new();
        if !parts.is_empty() {
            let repaired = format!("{place}  after an interrupted run: {}", parts.join(", "));
            text += &self.line(Detail::Normal, "repaired", &repaired);
        }
        for file in stuck {
            text += &self.line(Detail::Quiet, "stuck", &format!("{place}  {file}"));
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
            // Lack of space is one of several reasons.
            State::NoSpace => "cannot write",
            other => other.word(),
        };
        let chain = self.chain(step).filter(|_| outcome.state == State::Blocked);
        let summary = chain.as_ref().unwrap_or(&outcome.summary);
        let mut text = self.line(from, word, &format!("{step}  {summary}"));
        let margin = " ".repeat(WORD_WIDTH + 2);
        for detail in &outcome.details {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{margin}  {}", one_line(detail));
        }
        if let Some(help) = &outcome.help {
            let _ = writeln!(text, "{margin}{} {}", self.style.bold("help:"), one_line(&advice(help)));
        }
        text
    }

    /// The step that blocked another one: the summary of the blocked step names it.
    fn cause(&self, step: &StepName, summary: &str) -> Option<StepName> {
        let named = |name: &StepName| {
            let state = self.status.steps.get(name).copied().flatten();
            name != step && state.is_some_and(|state| !state.opens())
        };
        let words = summary.split(|c: char| c.is_whitespace() || "`,;()".contains(c));
        words.filter_map(|word| word.parse().ok()).find(named)
    }

    /// Why a step is blocked, from the root cause to the step that it needs itself: `check:disk is critical → backup:b → verify:b`.
    fn chain(&self, step: &StepName) -> Option<String> {
        let mut root = self.blocked.get(step)?;
        let mut between = Vec::new();
        while let Some(deeper) = self.blocked.get(root) {
            // Events that name each other in a circle do not loop forever.
            if between.contains(&root) {
                break;
            }
            between.push(root);
            root = deeper;
        }
        let state = self.status.steps.get(root).copied().flatten()?;
        let chain = between.into_iter().rev().map(|step| format!(" → {step}"));
        Some(format!("{root} {}{}", state.predicate(), chain.collect::<String>()))
    }

    /// `3 checks (1 critical)`; none if there were no such steps.
    fn count(&self, kind: StepKind, one: &str, many: &str) -> Option<String> {
        let steps = self.status.steps.iter().filter(|(name, _)| name.kind == kind);
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for state in steps.filter_map(|(_, state)| state.filter(|state| *state != State::Paused)) {
            *states.entry(state.word()).or_default() += 1;
        }
        let total = states.values().sum();
        states.remove(State::Ok.word());
        let odd: Vec<String> = states.iter().map(|(word, n)| format!("{n} {word}")).collect();
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
            4 => self.style.warn("done, but not completely"),
            3 => self.style.bad("refused"),
            73 => self.style.bad("cannot write"),
            128.. => self.style.warn("stopped"),
            _ => self.style.bad("failed"),
        };
        let mut parts = Vec::new();
        parts.extend(self.count(StepKind::Check, "check", "checks"));
        parts.extend(self.count(StepKind::Target, "target", "targets"));
        if self.copies > 0 {
            let copies = plural(self.copies, "copy", "copies");
            parts.push(format!("{copies} ({})", show_size(self.copied_bytes)));
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
        let done = |state: &Option<State>| state.is_some_and(|state| state.opens() || state == State::Paused);
        let bad = self.status.steps.iter().filter(|(_, state)| !done(state));
        let bad: Vec<&StepName> = bad.map(|(step, _)| step).collect();
        if !bad.is_empty() {
            parts.push(format!("not successful: {}", joined(&bad)));
        }
        if parts.is_empty() {
            let none = self.status.steps.is_empty();
            parts.push(if none { "no steps ran" } else { "nothing to do" }.to_owned());
        }
        if self.detail == Detail::Quiet && exit == 0 {
            return String::new();
        }
        format!("{verdict} in {}: {}\n", took(millis), one_line(&parts.join("; ")))
    }
}

#[cfg(test)]
mod tests;
