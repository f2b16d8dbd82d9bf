//! Model + request + facts → plan.
//!
//! Takes what is declared, what was asked for and what was found; gives the steps, each after all that it needs,
//! with the reason for each and every guard that says no. Pure and deterministic.
//! Invariant: a guard that refuses a backup refuses, by the edges, all that relies on its copy.

use super::facts::{BackupFacts, CopyFacts, Facts, Scan};
use super::graph::{
    Action, BackupStep, Candidate, ClassSummary, CleanupStep, Cover, Plan, Refusal, Remarks, Step, StepId, VerifyStep,
    VerifyToken,
};
use super::guards;
use super::select::{Request, UnknownJob, in_order};
use super::summary::summarise;
use crate::entry::{Identity, Kind};
use crate::model::pattern::Selector;
use crate::model::retention::{KeepReason, Verdict};
use crate::model::{Backup, Contents, InUse, Job, JobKind, JobName, Model, Retention};
use crate::path::RelPath;
use crate::units::joined;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The plan.
///
/// # Errors
/// A pattern of the request that selects nothing.
pub fn build(model: &Model, request: &Request, facts: &Facts) -> Result<Plan, UnknownJob> {
    let jobs = request.jobs(model)?;
    let mut plan = Plan::new(&model.ops, facts.host.clone(), facts.now);
    plan.paused = request.paused(model);
    plan.notes = request.left_out(model);
    let order = in_order(model, &jobs);
    let selected = Selected::new(model, jobs);
    // By job: the step whose success means that of the job.
    let mut last: HashMap<JobName, StepId> = HashMap::new();
    let mut proofs: HashMap<String, VerifyToken> = HashMap::new();
    let mut cleanups: HashMap<String, (CleanupParts<'_>, Option<Arc<Scan>>)> = HashMap::new();
    for placed in order {
        let name = placed.job.name();
        let wanted = placed.job.needs();
        let needs: Vec<StepId> = wanted.iter().filter_map(|job| last.get(job).copied()).collect();
        let plain = Remarks {
            because: selected.reason(&name),
            ..Remarks::default()
        };
        let step = match placed.job {
            Job::Check(check) => Some(plan.add_check(check.clone(), needs, plain)),
            Job::Target(target) => Some(plan.add_target(target.clone(), needs, plain)),
            Job::Backup(backup) => facts.backups.get(&backup.name).map(|found| {
                let chain = chain(model, &selected, request, facts, backup, found, placed.behind_change);
                let scan = chain.backup.scan.clone();
                let token = plan.add_backup(chain.backup, needs, chain.remarks);
                let verify = VerifyStep {
                    backup: token,
                    name: backup.name.clone(),
                    older: chain.older,
                };
                let proof = plan.add_verify(verify, chain.verify_remarks);
                proofs.insert(backup.name.clone(), proof);
                for parts in chain.cleanups {
                    cleanups.insert(parts.retention.name.clone(), (parts, scan.clone()));
                }
                proof.step()
            }),
            Job::Retention(retention) => proofs.get(&retention.backup).copied().and_then(|proof| {
                let (parts, scan) = cleanups.remove(&retention.name)?;
                let backup = model.backup(&retention.backup)?;
                let (step, remarks) = parts.step(proof, backup, scan);
                Some(plan.add_cleanup(step, needs, remarks))
            }),
        };
        if let Some(step) = step {
            last.insert(name, step);
        }
    }
    Ok(plan)
}

/// The steps of one backup and of the cleanups that rely on it, decided anew from `facts`: in place of those of
/// `plan`, under the same names and with the same edges. Nothing is deleted that `plan` does not list, or that
/// changed since.
#[must_use]
pub fn look_again(plan: &Plan, backup: StepId, model: &Model, request: &Request, facts: &Facts) -> Vec<Step> {
    let Some(Action::Backup(planned)) = plan.steps().get(backup).map(|step| &step.action) else {
        return Vec::new();
    };
    let name = &planned.backup.name;
    let (Some(job), Some(found)) = (model.backup(name), facts.backups.get(name)) else {
        return Vec::new();
    };
    let selected = Selected::new(model, plan.steps().iter().map(|step| step.name.job()).collect());
    let mut chain = chain(model, &selected, request, facts, job, found, planned.looked_at_again);
    let scan = chain.backup.scan.clone();
    let mut cleanups: HashMap<&str, CleanupParts<'_>> = HashMap::new();
    for parts in chain.cleanups.drain(..) {
        cleanups.insert(&parts.retention.name, parts);
    }
    let mut again = Vec::new();
    for step in plan.steps() {
        let (action, remarks) = match &step.action {
            Action::Backup(_) if step.id == backup => {
                (Action::Backup(Box::new(chain.backup.clone())), chain.remarks.clone())
            }
            Action::Verify(verify) if verify.backup.step() == backup => {
                let verify = VerifyStep {
                    older: chain.older.clone(),
                    ..(**verify).clone()
                };
                (Action::Verify(Box::new(verify)), chain.verify_remarks.clone())
            }
            Action::Cleanup(old) if plan.verify_of(old).is_some_and(|v| v.backup.step() == backup) => {
                let Some(parts) = cleanups.remove(old.retention.name.as_str()) else {
                    continue;
                };
                let (mut new, remarks) = parts.step(old.verify, job, scan.clone());
                keep_to(&mut new, old);
                (Action::Cleanup(Box::new(new)), remarks)
            }
            _ => continue,
        };
        again.push(step.with(action, remarks));
    }
    again
}

/// Leaves only candidates that were listed before, in the state in which they were listed: one that changed since
/// is kept, and said.
fn keep_to(new: &mut CleanupStep, old: &CleanupStep) {
    let entry = |step: &CleanupStep, at: usize| step.scan.as_ref().and_then(|scan| scan.entries.get(at)).cloned();
    let listed = old.candidates.iter().filter_map(|c| entry(old, c.entry));
    let listed: HashMap<RelPath, Identity> = listed.map(|entry| (entry.path, entry.identity)).collect();
    let mut left = Vec::new();
    for candidate in std::mem::take(&mut new.candidates) {
        let Some(entry) = entry(new, candidate.entry) else {
            continue;
        };
        match listed.get(&entry.path) {
            Some(before) if *before == entry.identity => left.push(candidate),
            Some(_) => new.kept.push((candidate.entry, KeepReason::Changed)),
            None => {}
        }
    }
    new.bytes = sum_bytes(new.scan.as_deref(), left.iter().map(|c| c.entry));
    new.candidates = left;
}

/// The jobs of a run, and who among them needs whom.
struct Selected {
    jobs: BTreeSet<JobName>,
    needed_by: HashMap<JobName, Vec<JobName>>,
}

impl Selected {
    fn new(model: &Model, jobs: BTreeSet<JobName>) -> Self {
        let mut needed_by: HashMap<JobName, Vec<JobName>> = HashMap::new();
        for job in model.jobs() {
            let name = job.name();
            if jobs.contains(&name) {
                for needed in job.needs() {
                    let needing = needed_by.entry(needed).or_default();
                    if needing.last() != Some(&name) {
                        needing.push(name.clone());
                    }
                }
            }
        }
        Self { jobs, needed_by }
    }

    /// Why a check, a target or a backup is in the plan.
    fn reason(&self, name: &JobName) -> String {
        match self.needed_by.get(name).map_or(&[][..], Vec::as_slice) {
            [] => "asked for".to_owned(),
            [one] => format!("{one} needs it"),
            many => format!("{} need it", joined(many)),
        }
    }
}

/// What becomes of one backup: its two steps and those that rely on them, not yet in a plan.
struct Chain<'a> {
    backup: BackupStep,
    remarks: Remarks,
    older: Vec<CopyFacts>,
    verify_remarks: Remarks,
    cleanups: Vec<CleanupParts<'a>>,
}

/// A cleanup that has no proof yet.
struct CleanupParts<'a> {
    retention: &'a Retention,
    candidates: Vec<Candidate>,
    bytes: u64,
    classes: Vec<ClassSummary>,
    kept: Vec<(usize, KeepReason)>,
    denied: u64,
    remarks: Remarks,
}

impl CleanupParts<'_> {
    fn step(self, verify: VerifyToken, backup: &Backup, scan: Option<Arc<Scan>>) -> (CleanupStep, Remarks) {
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
        };
        (step, self.remarks)
    }
}

/// Decides what becomes of one backup.
fn chain<'a>(
    model: &'a Model,
    selected: &Selected,
    request: &Request,
    facts: &Facts,
    backup: &'a Backup,
    found: &BackupFacts,
    looked_at_again: bool,
) -> Chain<'a> {
    let retentions: Vec<&Retention> = model
        .retentions_of(&backup.name)
        .filter(|r| selected.jobs.contains(&JobName::new(JobKind::Retention, &r.name)))
        .collect();
    let scan = found.source.as_ref().ok().map(Arc::clone);
    let empty: Vec<Verdict> = Vec::new();
    let verdicts = |r: &Retention| facts.verdicts.get(&r.name).unwrap_or(&empty);

    // The older copies that deletions of this plan will rely on, in the order of their first use.
    let mut older: Vec<usize> = Vec::new();
    let cover = |older: &mut Vec<usize>, entry: usize| match found.located.get(&entry) {
        None => Cover::ThisRun,
        Some(copy) => Cover::Older(older.iter().position(|c| c == copy).unwrap_or_else(|| {
            older.push(*copy);
            older.len() - 1
        })),
    };
    let mut candidates_of: Vec<Vec<Candidate>> = Vec::new();
    for retention in &retentions {
        let candidates = verdicts(retention)
            .iter()
            .enumerate()
            .filter_map(|(entry, verdict)| match verdict {
                Verdict::Delete(class) => Some((entry, *class)),
                _ => None,
            });
        let list: Vec<Candidate> = candidates
            .map(|(entry, class)| Candidate {
                entry,
                class,
                cover: cover(&mut older, entry),
            })
            .collect();
        candidates_of.push(list);
    }

    let mut step = backup_step(model, facts, backup, found, scan.as_deref(), &verdicts, request);
    step.looked_at_again = looked_at_again;
    let mut remarks = Remarks {
        because: backup_reason(selected, &step, &retentions),
        refusals: guards::of_backup(facts, request, backup, found, &retentions),
        notes: backup_notes(backup, found, &step),
    };
    let budgets: Vec<Option<Refusal>> = retentions
        .iter()
        .zip(&candidates_of)
        .map(|(retention, candidates)| {
            guards::of_budget(request, retention, verdicts(retention), candidates, scan.as_deref())
        })
        .collect();
    remarks.refusals.extend(budgets.iter().flatten().cloned());
    let suspect = step.suspect.clone();
    let nothing = step.nothing;
    step.scan.clone_from(&scan);

    let older: Vec<_> = older
        .iter()
        .filter_map(|at| found.destination.copies.get(*at).cloned())
        .collect();
    let because = match (nothing, older.len()) {
        (true, 0) => "no new copy to prove".to_owned(),
        (true, n) => format!(
            "proves again {} that deletions rely on",
            crate::units::plural(n as u64, "older copy", "older copies")
        ),
        (false, 0) => format!("reads the copy of backup:{} back before it counts", backup.name),
        (false, n) => format!(
            "reads the copy of backup:{} back before it counts, and proves again {} that deletions rely on",
            backup.name,
            crate::units::plural(n as u64, "older copy", "older copies")
        ),
    };
    let verify_remarks = Remarks {
        because,
        ..Remarks::default()
    };

    let mut cleanups = Vec::new();
    for ((retention, candidates), budget) in retentions.iter().zip(candidates_of).zip(budgets) {
        let bytes = sum_bytes(scan.as_deref(), candidates.iter().map(|c| c.entry));
        let (classes, kept) = summarise(retention, verdicts(retention), scan.as_deref());
        let denied = candidates
            .iter()
            .filter_map(|c| scan.as_ref().and_then(|s| s.entries.get(c.entry)))
            .filter(|e| retention.in_use == InUse::Keep && !facts.may_lease_all && e.uid != facts.uid)
            .count() as u64;
        let mut notes = Vec::new();
        if denied > 0 {
            notes.push(format!(
                "{} will be kept (lease-denied): only their owner, or who has CAP_LEASE, can ask whether a writer has them open",
                crate::units::plural(denied, "file", "files")
            ));
        }
        let because = format!(
            "retention:{} deletes only what verify:{} proved",
            retention.name, backup.name
        );
        let mut refusals = guards::of_cleanup(backup, found, suspect.as_deref(), !candidates.is_empty());
        refusals.extend(budget);
        cleanups.push(CleanupParts {
            retention,
            candidates,
            bytes,
            classes,
            kept,
            denied,
            remarks: Remarks {
                because,
                refusals,
                notes,
            },
        });
    }
    Chain {
        backup: step,
        remarks,
        older,
        verify_remarks,
        cleanups,
    }
}

fn backup_step<'v>(
    model: &Model,
    facts: &Facts,
    backup: &Backup,
    found: &BackupFacts,
    scan: Option<&Scan>,
    verdicts: &dyn Fn(&Retention) -> &'v Vec<Verdict>,
    request: &Request,
) -> BackupStep {
    let mut store: Vec<usize> = Vec::new();
    let (mut files, mut bytes, mut allocated, mut skipped) = (0, 0, 0, 0);
    if let Some(scan) = scan {
        let mut wanted = vec![false; scan.entries.len()];
        match backup.contents {
            Contents::All => {
                let mut selector = Selector::new(&backup.select);
                for (want, entry) in wanted.iter_mut().zip(&scan.entries) {
                    *want = selector.standing(&entry.path).selected();
                }
            }
            // Whatever the run selects: the union of what all retentions on this backup may delete.
            Contents::Expired => {
                for retention in model.retentions_of(&backup.name) {
                    for (at, verdict) in verdicts(retention).iter().enumerate() {
                        if matches!(verdict, Verdict::Delete(_))
                            && !found.located.contains_key(&at)
                            && let Some(want) = wanted.get_mut(at)
                        {
                            *want = true;
                        }
                    }
                }
            }
        }
        // A directory is stored when it is wanted itself or holds something that is. Going backwards, all
        // below a directory has been seen before the directory.
        let mut needed: Option<&crate::path::RelPath> = None;
        for (entry, want) in scan.entries.iter().zip(wanted.iter_mut()).rev() {
            if entry.kind == Kind::Dir && needed.is_some_and(|below| below.is_within(&entry.path)) {
                *want = true;
            }
            if *want && matches!(entry.kind, Kind::Fifo | Kind::Socket | Kind::Device) {
                *want = false;
                skipped += 1;
            }
            if *want {
                needed = Some(&entry.path);
            }
        }
        for (at, (entry, want)) in scan.entries.iter().zip(&wanted).enumerate() {
            if *want {
                store.push(at);
                if entry.kind != Kind::Dir {
                    files += 1;
                    if entry.kind == Kind::File {
                        bytes += entry.identity.size;
                        allocated += entry.identity.size.min(entry.blocks.saturating_mul(512));
                    }
                }
            }
        }
    }
    let newest = found.destination.copies.first();
    BackupStep {
        backup: backup.clone(),
        scan: None,
        nothing: backup.contents == Contents::Expired && store.is_empty(),
        store,
        files,
        bytes,
        allocated,
        skipped,
        suspect: guards::shrink(facts, model, request, backup),
        sequence: newest.map_or(1, |copy| copy.sequence.saturating_add(1)),
        parent: newest.map(|copy| copy.name.clone()),
        last_ratio: newest
            .filter(|copy| copy.bytes > 0)
            .map(|copy| (copy.archive_bytes, copy.bytes)),
        free: found.destination.free,
        same_file_system: found.destination.same_file_system,
        looked_at_again: false,
    }
}

fn backup_reason(selected: &Selected, step: &BackupStep, retentions: &[&Retention]) -> String {
    let names = retentions.iter().map(|r| JobName::new(JobKind::Retention, &r.name));
    let names = joined(&names.collect::<Vec<_>>());
    match (step.backup.contents, step.nothing, names.is_empty()) {
        (Contents::Expired, true, _) => "no expired file needs a new copy".to_owned(),
        (Contents::Expired, false, true) => "stores what retentions may delete".to_owned(),
        (Contents::Expired, false, false) => format!("stores what {names} may delete"),
        (Contents::All, _, true) => selected.reason(&JobName::new(JobKind::Backup, &step.backup.name)),
        (Contents::All, _, false) => format!("{names} needs its copy"),
    }
}

fn backup_notes(backup: &Backup, found: &BackupFacts, step: &BackupStep) -> Vec<String> {
    let plural = crate::units::plural;
    let mut notes = Vec::new();
    if step.looked_at_again {
        notes.push(
            "looked at again when it begins, since what runs before it may change files: no file is deleted that is not listed here, or that changes until then"
                .to_owned(),
        );
    }
    if let Some(suspect) = &step.suspect {
        notes.push(format!("the copy will be marked suspect: {suspect}"));
    }
    if found.destination.same_file_system {
        notes.push("the destination lies on the source's file system: one failed disk loses both".to_owned());
    }
    if step.skipped > 0 {
        notes.push(format!(
            "{} skipped: sockets, pipes and devices cannot be stored",
            plural(step.skipped, "special file is", "special files are")
        ));
    }
    if backup.keep.is_some() {
        notes.push("`keep` is checked but not carried out: this build removes no copies".to_owned());
    }
    if let Ok(scan) = &found.source {
        for mount in &scan.mounts {
            notes.push(format!(
                "`{mount}` is a mount point and not entered (`cross-mounts` would)"
            ));
        }
        let quarantined = scan.ours.iter().filter(|path| !path.name().ends_with(b".part")).count() as u64;
        if quarantined > 0 {
            notes.push(format!(
                "{} of an earlier run in the source: apply puts what was quarantined back first",
                plural(quarantined, "leftover", "leftovers")
            ));
        }
        for (path, why) in scan.problems.iter().take(10) {
            notes.push(match path {
                Some(path) => format!("cannot be listed, so the copy will be incomplete: `{path}`: {why}"),
                None => format!("cannot be listed, so the copy will be incomplete: {why}"),
            });
        }
        if scan.problems.len() > 10 {
            notes.push(format!("{} more that cannot be listed", scan.problems.len() - 10));
        }
    }
    for (name, why) in &found.destination.broken {
        notes.push(format!("copy `{name}` cannot be used: {why}"));
    }
    notes
}

fn sum_bytes(scan: Option<&Scan>, entries: impl Iterator<Item = usize>) -> u64 {
    scan.map_or(0, |scan| {
        entries
            .filter_map(|at| scan.entries.get(at))
            .map(|e| e.identity.size)
            .sum()
    })
}
