//! A cleanup in the text of a plan: the files of each class, which of them are deleted and covered by which copy, and which
//! are kept and why. Decides nothing.

use super::text::PlanPage;
use crate::clock::from_nanos;
use crate::entry::Entry;
use crate::keep_reason::KeepReason::{Future, ImplausibleTime};
use crate::model::retention::Stays;
use crate::model::{Budget, Keep};
use crate::plan::graph::Candidate;
use crate::plan::{ClassSummary, CleanupStep, Cover};
use crate::report::shared::times::local_minute;
use crate::units::{listed, plural, show_count, show_duration, show_files, show_size};

/// Kept files listed without `--files`.
const MAX_KEPT_FILES: usize = 10;

/// Path components listed per class.
const MAX_COMPONENTS: usize = 8;

impl PlanPage<'_> {
    pub(super) fn cleanup(&mut self, step: &CleanupStep, indent: &str) {
        if let Some(budget) = budget(step.retention.max_delete) {
            self.prose(indent, "limit", &budget);
        }
        for (at, class) in step.classes.iter().enumerate() {
            self.class(class, indent);
            self.deletions(step, at, class, &format!("{indent}  "));
        }
        self.kept(step, indent);
    }

    /// What a class holds, and what stays of it.
    fn class(&mut self, class: &ClassSummary, indent: &str) {
        let keep = match class.keep {
            Keep::Forever => "forever".to_owned(),
            Keep::For(age) => show_duration(age),
        };
        let newest = match class.keep_newest {
            0 => String::new(),
            n => format!(", and the newest {}", show_count(n.into())),
        };
        let content = match class.oldest.zip(class.newest) {
            None => "no file".to_owned(),
            Some((oldest, newest)) => {
                let files = show_files(class.files, class.bytes);
                format!("{files}, {} to {}", self.file_time(oldest), self.file_time(newest))
            }
        };
        let name = self.how.style.bold(&class.name);
        self.field(indent, "class", format!("{name} keeps {keep}{newest}: {content}"));
        let inner = format!("{indent}  ");
        if !class.components.is_empty() {
            let all = class.components.iter();
            let mut words: Vec<String> = all.map(|(word, n)| format!("{word} ({})", files(*n))).collect();
            let more = words.len().saturating_sub(MAX_COMPONENTS);
            words.truncate(MAX_COMPONENTS);
            words.extend((more > 0).then(|| format!("and {more} more")));
            self.prose(&inner, "keyword", &format!("in {}", words.join(", ")));
        }
        for (other, n) in &class.also {
            let also = format!("{} that class {other} matches too: the longer keep applies", files(*n));
            self.prose(&inner, "also", &also);
        }
        for (why, n) in &class.stays {
            let why = match why {
                Stays::Young => format!("younger than {keep}"),
                Stays::Forever => "kept forever".to_owned(),
                Stays::OtherRetention => "another retention keeps them longer".to_owned(),
                Stays::Newest => format!("among the newest {}", class.keep_newest),
            };
            self.prose(&inner, "keep", &format!("{}: {why}", files(*n)));
        }
        for (why, n) in &class.kept {
            self.prose(
                &inner,
                "kept",
                &format!("{}: {}, {}", files(*n), why.word(), why.meaning()),
            );
        }
    }

    /// The files of a class that are deleted: all with `--files`, else samples.
    fn deletions(&mut self, step: &CleanupStep, at: usize, class: &ClassSummary, indent: &str) {
        if class.delete_files == 0 {
            return;
        }
        let total = show_files(class.delete_files, class.delete_bytes);
        self.field(indent, "delete", total);
        let listed: Vec<&Candidate> = if self.how.files {
            step.candidates.iter().filter(|c| c.class == at).collect()
        } else {
            let find = |sample: &usize| step.candidates.iter().find(|c| c.entry == *sample);
            class.samples.iter().filter_map(find).collect()
        };
        let rest = class.delete_files.saturating_sub(listed.len() as u64);
        for candidate in listed {
            self.candidate(step, *candidate, indent);
        }
        self.more(rest, indent);
    }

    fn candidate(&mut self, step: &CleanupStep, candidate: Candidate, indent: &str) {
        let Some(entry) = entry(step, candidate.entry) else {
            return;
        };
        let copy = |at: usize| Some(self.plan.verify_of(step)?.older.get(at)?.name.clone());
        let cover = match candidate.cover {
            Cover::ThisRun => format!("the copy of backup:{} in this run", step.retention.backup),
            Cover::Older(at) => copy(at).unwrap_or_else(|| "an older copy".to_owned()),
        };
        let (time, size) = (self.file_time(entry.identity.mtime_ns), show_size(entry.identity.size));
        self.field(indent, "", format!("{}  {time}, {size}, in {cover}", entry.path));
    }

    /// Kept files by name: all with `--files`, otherwise those with invalid times, since only a person can fix those.
    fn kept(&mut self, step: &CleanupStep, indent: &str) {
        let all = self.how.files;
        let wanted = step.kept.iter();
        let wanted: Vec<_> = wanted
            .filter(|(_, why)| all || matches!(why, Future | ImplausibleTime))
            .collect();
        let limit = if all { usize::MAX } else { MAX_KEPT_FILES };
        for (at, why) in wanted.iter().take(limit) {
            if let Some(entry) = entry(step, *at) {
                let time = self.file_time(entry.identity.mtime_ns);
                self.field(indent, "keep", format!("{}  {time}, {}", entry.path, why.word()));
            }
        }
        self.more(wanted.len().saturating_sub(limit) as u64, indent);
    }

    fn more(&mut self, files: u64, indent: &str) {
        if files > 0 {
            let more = format!("and {} more (--files lists them)", show_count(files));
            self.field(indent, "", more);
        }
    }

    fn file_time(&self, ns: i128) -> String {
        from_nanos(ns).map_or_else(
            || "at an invalid time".to_owned(),
            |at| local_minute(at, &self.plan.timezone),
        )
    }
}

fn files(n: u64) -> String {
    plural(n, "file", "files")
}

fn entry(step: &CleanupStep, at: usize) -> Option<&Entry> {
    step.scan.as_ref()?.entries.get(at)
}

fn budget(budget: Budget) -> Option<String> {
    let share = |n| format!("{n}% of the files in its classes");
    let parts = [
        budget.files.map(files),
        budget.bytes.map(show_size),
        budget.share.map(share),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("per run at most {}", listed(&parts)))
}
