//! [`Tally`]: what a cleanup deleted, kept and could not put back, and the outcome of the step.

use super::evidence::ProvenFile;
use crate::archive::Deletion;
use crate::keep_reason::KeepReason;
use crate::path::RelPath;
use crate::plan::CleanupStep;
use crate::run::{Outcome, State};
use crate::units::{plural, show_size};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many kept paths an outcome names; the rest is counted.
const MAX_NAMED_KEPT: usize = 20;

#[derive(Default)]
pub(super) struct Tally {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) dirs: u64,
    /// By index of the copy that proved them.
    pub(super) deletions: BTreeMap<usize, Vec<Deletion>>,
    pub(super) kept: BTreeMap<KeepReason, u64>,
    named: Vec<String>,
    /// A signal or the timeout came before the last file.
    pub(super) cut_short: bool,
    pub(super) stuck: Vec<String>,
    /// What else is to be reported, each once.
    remarks: Vec<String>,
}

impl Tally {
    /// Starts with what the plan already decided to keep.
    pub(super) fn of_planned(step: &CleanupStep) -> Self {
        let mut tally = Self::default();
        for (entry, reason) in &step.kept {
            if let Some(entry) = step.scan.as_ref().and_then(|scan| scan.entries.get(*entry)) {
                tally.keep(&entry.path, *reason);
            }
        }
        tally
    }

    pub(super) fn keep(&mut self, path: &RelPath, reason: KeepReason) {
        *self.kept.entry(reason).or_default() += 1;
        if reason.is_shortfall() && self.named.len() < MAX_NAMED_KEPT {
            self.named
                .push(format!("`{path}` kept ({}): {}", reason.word(), reason.meaning()));
        }
    }

    /// False when it was reported before.
    pub(super) fn remark(&mut self, remark: &str) -> bool {
        let new = !self.remarks.iter().any(|known| known == remark);
        if new {
            self.remarks.push(remark.to_owned());
        }
        new
    }

    pub(super) fn deleted(&mut self, file: &ProvenFile<'_>) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(file.entry.identity.size);
        self.deletions.entry(file.copy).or_default().push(Deletion {
            path: file.entry.path.clone(),
            sha256: file.evidence.sha256,
        });
    }

    /// How many files were kept since `before`, by reason.
    pub(super) fn kept_since(&self, before: &BTreeMap<KeepReason, u64>) -> BTreeMap<KeepReason, u64> {
        self.kept
            .iter()
            .map(|(reason, n)| (*reason, n - before.get(reason).copied().unwrap_or(0)))
            .filter(|(_, n)| *n > 0)
            .collect()
    }

    pub(super) fn outcome(&self, problem: Option<Outcome>) -> Outcome {
        let files = plural(self.files, "file", "files");
        let mut summary = format!("{files} deleted ({})", show_size(self.bytes));
        if self.dirs > 0 {
            let dirs = plural(self.dirs, "empty directory", "empty directories");
            let _ = write!(summary, ", {dirs} removed");
        }
        for (reason, n) in &self.kept {
            let _ = write!(summary, ", {n} kept ({})", reason.word());
        }
        let mut details = self.named.clone();
        details.extend(self.remarks.iter().cloned());
        details.extend(self.stuck.iter().cloned());
        if !self.stuck.is_empty() {
            let stuck = plural(self.stuck.len() as u64, "file is stuck", "files are stuck");
            let help = "the next run puts it back; where another file has its name now, move that one away first";
            let failed = Outcome::new(State::Failed, format!("{summary}; {stuck} in quarantine"));
            return failed.with_help(help).with_details(details);
        }
        if let Some(problem) = problem {
            details.extend(problem.details);
            return Outcome {
                state: problem.state,
                summary: format!("{}; {summary}", problem.summary),
                help: problem.help,
                details,
            };
        }
        let short = self.kept.keys().any(|reason| reason.is_shortfall());
        Outcome::new(if short { State::Partial } else { State::Ok }, summary).with_details(details)
    }
}
