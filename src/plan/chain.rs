//! [`ChainPlanner`]: what happens to one backup: its two steps, and the cleanups that rely on its copy.
//!
//! Takes the backup with what was found at its source and destination; gives a [`Chain`] that is not yet in a plan.
//! Pure and deterministic.
//! Invariant: a file to delete is covered by this run's copy, or by an older copy that the verify step proves again.

use super::facts::{BackupFacts, CopyFacts, DestinationState, EmptiedFile, PlanFacts, Scan};
use super::graph::{BackupStep, Candidate, CleanupStep, Cover, Remarks, VerifyToken};
use super::guards::{self, Refusal};
use super::select::{RunRequest, Selected};
use super::summary::{ClassSummary, summarise};
use crate::archive::Incomplete;
use crate::entry::{Entry, EntryKind};
use crate::model::pattern::Selector;
use crate::model::retention::{KeepReason, Verdict};
use crate::model::{Backup, Contents, InUse, JobKind, JobName, Model, Retention, Strategy};
use crate::path::RelPath;
use crate::units::{joined, plural, show_size, total};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// How many unlisted paths the notes name; the rest is counted.
const MAX_NAMED_PROBLEMS: usize = 10;

/// The steps of one backup and of the cleanups that rely on it.
pub(super) struct Chain<'a> {
    pub(super) backup: BackupStep,
    pub(super) remarks: Remarks,
    pub(super) older: Vec<CopyFacts>,
    pub(super) verify_remarks: Remarks,
    pub(super) cleanups: Vec<PlannedCleanup<'a>>,
}

/// What will be kept because opsrun cannot know whether a program writes to it, a note for each file system.
fn unnoticed_writers(scan: &Scan, kept: &[(usize, KeepReason)]) -> Vec<String> {
    let mut files: BTreeMap<&str, u64> = BTreeMap::new();
    let in_use = kept.iter().filter(|(_, reason)| *reason == KeepReason::InUse);
    for entry in in_use.filter_map(|(at, _)| scan.entries.get(*at)) {
        if let Some(name) = scan.unreliable_leases.get(&entry.identity.dev) {
            *files.entry(name).or_default() += 1;
        }
    }
    let note = |(name, files)| {
        format!(
            "{} will be kept (in-use): on {name}, opsrun cannot see whether a program has a file mapped for writing; \
             `in-use \"ignore\"` deletes them without knowing",
            plural(files, "file", "files")
        )
    };
    files.into_iter().map(note).collect()
}

/// A cleanup that has no proof yet.
pub(super) struct PlannedCleanup<'a> {
    pub(super) retention: &'a Retention,
    candidates: Vec<Candidate>,
    bytes: u64,
    classes: Vec<ClassSummary>,
    kept: Vec<(usize, KeepReason)>,
    denied: u64,
    sources_below: BTreeSet<RelPath>,
    remarks: Remarks,
}

impl PlannedCleanup<'_> {
    pub(super) fn step(self, verify: VerifyToken, backup: &Backup, scan: Option<Arc<Scan>>) -> (CleanupStep, Remarks) {
        let step = CleanupStep {
            verify,
            retention: self.retention.clone(),
            source: backup.source.clone(),
            cross_mounts: backup.cross_mounts,
            scan,
            matched: self.classes.iter().map(|c| c.files).sum(),
            candidates: self.candidates,
            bytes: self.bytes,
            classes: self.classes,
            kept: self.kept,
            lease_denied: self.denied,
            sources_below: self.sources_below,
        };
        (step, self.remarks)
    }
}

pub(super) struct ChainPlanner<'a> {
    model: &'a Model,
    selected: &'a Selected,
    request: &'a RunRequest,
    facts: &'a PlanFacts,
    backup: &'a Backup,
    found: &'a BackupFacts,
    /// The retentions of this run that delete from the source.
    retentions: Vec<&'a Retention>,
}

impl<'a> ChainPlanner<'a> {
    pub(super) fn new(
        model: &'a Model,
        selected: &'a Selected,
        request: &'a RunRequest,
        facts: &'a PlanFacts,
        backup: &'a Backup,
        found: &'a BackupFacts,
    ) -> Self {
        let in_run = |r: &&Retention| selected.jobs.contains(&JobName::new(JobKind::Retention, &r.name));
        Self {
            model,
            selected,
            request,
            facts,
            backup,
            found,
            retentions: model.retentions_of(&backup.name).filter(in_run).collect(),
        }
    }

    pub(super) fn plan(&self, looked_at_again: bool) -> Chain<'a> {
        let mut older = Vec::new();
        let retentions = self.retentions.iter();
        let verdicts: Vec<Vec<Verdict>> = retentions.map(|r| self.leased_verdicts(r)).collect();
        let candidates: Vec<Vec<Candidate>> = verdicts.iter().map(|v| self.candidates(v, &mut older)).collect();
        let step = self.backup_step(looked_at_again);
        let budget = |(r, candidates): (&&Retention, &Vec<Candidate>)| {
            let bytes = sum_bytes(self.scan(), candidates.iter().map(|c| c.entry));
            guards::of_budget(self.request, r, self.verdicts(r), (candidates.len() as u64, bytes))
        };
        let budgets: Vec<Option<Refusal>> = self.retentions.iter().zip(&candidates).map(budget).collect();
        let refusals = guards::of_backup(self.facts, self.request, self.backup, self.found);
        let cleanups = self.retentions.iter().zip(&verdicts).zip(candidates).zip(budgets);
        let cleanups =
            cleanups.map(|(((r, verdicts), candidates), budget)| self.cleanup(r, verdicts, candidates, budget, &step));
        let copies = &self.found.destination.copies;
        let older: Vec<CopyFacts> = older.iter().filter_map(|at| copies.get(*at).cloned()).collect();
        Chain {
            remarks: Remarks {
                because: self.backup_reason(&step),
                refusals,
                notes: self.backup_notes(&step),
            },
            verify_remarks: Remarks {
                because: self.verify_reason(step.nothing, older.len() as u64),
                ..Remarks::default()
            },
            cleanups: cleanups.collect(),
            older,
            backup: step,
        }
    }

    fn scan(&self) -> Option<&'a Scan> {
        self.found.source.as_ref().ok().map(Arc::as_ref)
    }

    fn verdicts(&self, retention: &Retention) -> &'a [Verdict] {
        self.facts.verdicts.get(&retention.name).map_or(&[], Vec::as_slice)
    }

    /// The verdicts, but a file on which no lease can be had is kept: it is copied, and neither counted nor tried.
    fn leased_verdicts(&self, retention: &Retention) -> Vec<Verdict> {
        let verdicts = self.verdicts(retention);
        let Some(scan) = self.scan().filter(|_| retention.in_use == InUse::Keep) else {
            return verdicts.to_vec();
        };
        let reason = |entry: &Entry| {
            if scan.unreliable_leases.contains_key(&entry.identity.dev) {
                Some(KeepReason::InUse)
            } else {
                let denied = !self.facts.may_lease_all && entry.uid != self.facts.uid;
                denied.then_some(KeepReason::LeaseDenied)
            }
        };
        let entries = scan.entries.iter().zip(verdicts);
        entries
            .map(|(entry, verdict)| match *verdict {
                Verdict::Delete(class) => reason(entry).map_or(*verdict, |reason| Verdict::Kept(class, reason)),
                other => other,
            })
            .collect()
    }

    /// The files to delete. `older` are the copies that deletions rely on, in the order of their first use.
    fn candidates(&self, verdicts: &[Verdict], older: &mut Vec<usize>) -> Vec<Candidate> {
        let mut cover = |entry: usize| match self.found.located.get(&entry) {
            None => Cover::ThisRun,
            Some(copy) => Cover::Older(older.iter().position(|c| c == copy).unwrap_or_else(|| {
                older.push(*copy);
                older.len() - 1
            })),
        };
        let verdicts = verdicts.iter().enumerate();
        verdicts
            .filter_map(|(entry, verdict)| match verdict {
                Verdict::Delete(class) => Some(Candidate {
                    entry,
                    class: *class,
                    cover: cover(entry),
                }),
                Verdict::Stays(..) | Verdict::Kept(..) | Verdict::Unmatched | Verdict::Excluded => None,
            })
            .collect()
    }

    fn cleanup(
        &self,
        retention: &'a Retention,
        verdicts: &[Verdict],
        candidates: Vec<Candidate>,
        budget: Option<Refusal>,
        step: &BackupStep,
    ) -> PlannedCleanup<'a> {
        let scan = self.scan();
        let (classes, kept) = summarise(retention, verdicts, scan);
        let denied = kept.iter().filter(|(_, reason)| *reason == KeepReason::LeaseDenied);
        let denied = denied.count() as u64;
        let mut notes = Vec::new();
        if denied > 0 {
            notes.push(format!(
                "{} will be kept (lease-denied): only their owner or CAP_LEASE may check whether a writer has them open; add \
                 CAP_LEASE (`--cap-add LEASE` for a container), or accept the risk with `in-use \"ignore\"`",
                plural(denied, "file", "files")
            ));
        }
        notes.extend(scan.into_iter().flat_map(|scan| unnoticed_writers(scan, &kept)));
        let suspect = step.suspect.as_deref();
        let mut refusals = guards::of_cleanup(self.backup, self.found, suspect, !candidates.is_empty());
        refusals.extend(budget);
        PlannedCleanup {
            retention,
            bytes: sum_bytes(scan, candidates.iter().map(|c| c.entry)),
            candidates,
            classes,
            kept,
            denied,
            sources_below: self.sources_below(),
            remarks: Remarks {
                because: format!(
                    "retention:{} deletes only what verify:{} verified",
                    retention.name, self.backup.name
                ),
                refusals,
                notes,
            },
        }
    }

    fn sources_below(&self) -> BTreeSet<RelPath> {
        let sources = self.model.backups.iter().map(|other| &other.source);
        let below = sources.filter_map(|source| source.strip_prefix(&self.backup.source).ok());
        below
            .filter_map(|path| RelPath::new(path.as_os_str().as_bytes()))
            .collect()
    }

    fn backup_step(&self, looked_at_again: bool) -> BackupStep {
        let (backup, destination) = (self.backup, &self.found.destination);
        let shrunk = guards::shrink(self.facts, self.model, backup);
        let accepted_empty = self.request.accept_shrink && shrunk.as_ref().is_some_and(|shrunk| shrunk.empty);
        let suspect = shrunk.map(|shrunk| shrunk.why).filter(|_| !self.request.accept_shrink);
        let emptied = self.found.emptied.iter().filter(|_| suspect.is_none());
        let mut step = BackupStep {
            backup: backup.clone(),
            scan: self.found.source.as_ref().ok().map(Arc::clone),
            store: Vec::new(),
            files: 0,
            bytes: 0,
            allocated: 0,
            skipped: 0,
            left_out_before: destination.copies.first().and_then(|newest| newest.left_out.clone()),
            emptied: emptied.map(emptied_line).collect(),
            suspect,
            nothing: false,
            sequence: destination.highest_sequence.saturating_add(1),
            parent: None,
            shares_with: destination
                .copies
                .iter()
                .find(|copy| copy.shareable)
                .map(|copy| copy.name.clone()),
            last_ratio: None,
            free: destination.free,
            same_file_system: destination.same_file_system,
            first_beside_source: self.first_beside_source(),
            looked_at_again,
        };
        if let Some(newest) = destination.copies.first() {
            step.parent = Some(newest.name.clone());
            step.last_ratio = (newest.bytes > 0).then_some((newest.archive_bytes, newest.bytes));
        }
        if let Some(scan) = self.scan() {
            let mut wanted = self.wanted(scan);
            step.skipped = with_parents(scan, &mut wanted);
            let entries = scan.entries.iter().zip(&wanted).enumerate();
            for (at, (entry, _)) in entries.filter(|(_, (_, want))| **want) {
                step.store.push(at);
                step.files += u64::from(entry.kind != EntryKind::Dir);
                if entry.kind == EntryKind::File {
                    step.bytes = step.bytes.saturating_add(entry.identity.size);
                    step.allocated = step
                        .allocated
                        .saturating_add(entry.identity.size.min(entry.blocks.saturating_mul(512)));
                }
            }
        }
        // An empty source that was accepted is recorded by an empty copy: the next run is compared with it.
        step.nothing = backup.contents == Contents::Expired && step.store.is_empty() && !accepted_empty;
        step
    }

    /// By entry of the listing: whether the copy must hold it.
    fn wanted(&self, scan: &Scan) -> Vec<bool> {
        let mut wanted = vec![false; scan.entries.len()];
        match self.backup.contents {
            Contents::All => {
                let mut selector = Selector::new(&self.backup.select);
                for (want, entry) in wanted.iter_mut().zip(&scan.entries) {
                    *want = selector.standing(&entry.path).selected();
                }
            }
            // All that any retention on this backup may delete, whichever jobs this run selects.
            Contents::Expired => {
                for retention in self.model.retentions_of(&self.backup.name) {
                    for (at, verdict) in self.verdicts(retention).iter().enumerate() {
                        if matches!(verdict, Verdict::Delete(_))
                            && !self.found.located.contains_key(&at)
                            && let Some(want) = wanted.get_mut(at)
                        {
                            *want = true;
                        }
                    }
                }
            }
        }
        wanted
    }

    fn backup_reason(&self, step: &BackupStep) -> String {
        let names = self
            .retentions
            .iter()
            .map(|r| JobName::new(JobKind::Retention, &r.name));
        let names = joined(&names.collect::<Vec<_>>());
        match (self.backup.contents, step.nothing, names.is_empty()) {
            (Contents::Expired, false, _) if step.store.is_empty() => "records that the source is empty".to_owned(),
            (Contents::Expired, true, _) => "no expired file needs a new copy".to_owned(),
            (Contents::Expired, false, true) => "stores what retentions may delete".to_owned(),
            (Contents::Expired, false, false) => format!("stores what {names} may delete"),
            (Contents::All, _, true) => self.selected.reason(&JobName::new(JobKind::Backup, &self.backup.name)),
            (Contents::All, _, false) => format!("{names} needs its copy"),
        }
    }

    fn verify_reason(&self, nothing: bool, older: u64) -> String {
        let older_copies = plural(older, "older copy", "older copies");
        let name = &self.backup.name;
        let copy = format!("verifies the copy of backup:{name} before anything relies on it");
        match (nothing, older) {
            (true, 0) => "no new copy to verify".to_owned(),
            (true, _) => format!("verifies again {older_copies} that deletions rely on"),
            (false, 0) => copy,
            (false, _) => format!("{copy}, and again {older_copies} that deletions rely on"),
        }
    }

    /// The mount point of a disk that is not mounted looks like any directory, and after a lost state nothing is known of it.
    fn first_beside_source(&self) -> Option<String> {
        let destination = &self.found.destination;
        let first = matches!(
            destination.state,
            DestinationState::Missing | DestinationState::Unmarked
        );
        (first && destination.same_file_system && self.model.retentions_of(&self.backup.name).next().is_some()).then(|| {
            format!(
                "the first copy goes to `{}`, on the source's file system: if a disk should be mounted there, it is not, and \
                 `require-mount=#true` after `to` would refuse the run",
                crate::path::shown(&self.backup.to)
            )
        })
    }

    fn backup_notes(&self, step: &BackupStep) -> Vec<String> {
        let mut notes = Vec::new();
        if step.looked_at_again {
            let note = "planned again when it begins, since earlier steps may change files; only files that are listed \
                        here and do not change are deleted";
            notes.push(note.to_owned());
        }
        if let Some(suspect) = step
            .suspect
            .as_ref()
            .filter(|_| !step.nothing || step.is_source_empty())
        {
            notes.push(if step.nothing {
                format!("no copy will be made: {suspect}")
            } else {
                format!("the copy will be marked suspect: {suspect}")
            });
        }
        notes.extend(step.emptied.iter().cloned());
        if let Some(warning) = &step.first_beside_source {
            notes.push(warning.clone());
        } else if step.same_file_system {
            notes.push("the destination is on the source's file system: one failed disk loses both".to_owned());
        }
        if let Some(why) = &self.found.destination.unwritable {
            let to = crate::path::shown(&self.backup.to);
            notes.push(format!("the destination `{to}` cannot be written to: {why}"));
        }
        if let Some(abilities) = self.found.destination.abilities {
            let lacking = abilities.lacking().into_iter();
            notes.extend(lacking.map(|(what, follows)| format!("the destination has no {what}: {follows}")));
            let lost = abilities.lost_in_trees();
            if self.backup.strategy == Strategy::Copy && !lost.is_empty() {
                notes.push(format!("a tree in the destination does not keep {}", joined(&lost)));
            }
        }
        if step.skipped > 0 {
            let files = plural(step.skipped, "special file is", "special files are");
            notes.push(format!("{files} skipped: sockets, pipes and devices cannot be stored"));
        }
        if self.backup.keep.is_some() {
            notes.push("`keep` has no effect yet: this version of opsrun removes no copies".to_owned());
        }
        if let Some(scan) = self.scan() {
            scan_notes(scan, &mut notes);
        }
        for (name, why) in &self.found.destination.broken {
            notes.push(format!("copy `{name}` cannot be used: {why}"));
        }
        notes
    }
}

fn emptied_line(file: &EmptiedFile) -> String {
    let EmptiedFile {
        path,
        before,
        now,
        copy,
    } = file;
    let before = show_size(*before);
    match now {
        0 => format!("`{path}` is empty now; copy `{copy}` has it with {before}"),
        now => format!(
            "`{path}` has only {} now; copy `{copy}` has it with {before}",
            show_size(*now)
        ),
    }
}

/// Adds the directories above wanted entries, and drops special files; gives the number of dropped ones.
fn with_parents(scan: &Scan, wanted: &mut [bool]) -> u64 {
    let mut skipped = 0;
    // Backwards: everything below a directory comes before it.
    let mut needed: Option<&RelPath> = None;
    for (entry, want) in scan.entries.iter().zip(wanted).rev() {
        if entry.kind == EntryKind::Dir && needed.is_some_and(|below| below.is_within(&entry.path)) {
            *want = true;
        }
        if *want && matches!(entry.kind, EntryKind::Fifo | EntryKind::Socket | EntryKind::Device) {
            *want = false;
            skipped += 1;
        }
        if *want {
            needed = Some(&entry.path);
        }
    }
    skipped
}

fn scan_notes(scan: &Scan, notes: &mut Vec<String>) {
    let mount = |path| format!("`{path}` is a mount point and is skipped; `cross-mounts` would include it");
    notes.extend(scan.mounts.iter().map(mount));
    let quarantined = scan.ours.iter().filter(|path| !path.name().ends_with(b".part")).count() as u64;
    if quarantined > 0 {
        let leftovers = plural(quarantined, "leftover", "leftovers");
        notes.push(format!(
            "the source contains {leftovers} of an earlier run: apply first puts quarantined files back"
        ));
    }
    for Incomplete { path, why } in scan.problems.iter().take(MAX_NAMED_PROBLEMS) {
        let what = path
            .as_ref()
            .map_or_else(|| "the source".to_owned(), |path| format!("`{path}`"));
        notes.push(format!("the copy will be incomplete: {what} cannot be listed: {why}"));
    }
    let more = scan.problems.len().saturating_sub(MAX_NAMED_PROBLEMS) as u64;
    if more > 0 {
        notes.push(format!("{} cannot be listed", plural(more, "more path", "more paths")));
    }
}

pub(super) fn sum_bytes(scan: Option<&Scan>, entries: impl Iterator<Item = usize>) -> u64 {
    let entries = entries.filter_map(|at| scan?.entries.get(at));
    total(entries.map(|entry| entry.identity.size))
}
