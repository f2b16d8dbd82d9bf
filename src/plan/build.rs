//! Model + request + facts → plan.
//!
//! Takes what is declared, what was asked for and what was found; gives the steps, in file order, with the
//! reason for each and every guard that says no. Pure and deterministic.
//! Invariant: a guard that refuses a backup refuses, by the edges, all that relies on its copy.

use super::facts::{BackupFacts, Facts, Scan};
use super::graph::{BackupStep, Candidate, CleanupStep, Cover, Plan, Refusal, Remarks, VerifyStep};
use super::guards;
use super::summary::summarise;
use crate::entry::Kind;
use crate::model::pattern::Selector;
use crate::model::retention::Verdict;
use crate::model::{Backup, Contents, InUse, Model, Retention};
use globset::GlobMatcher;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Which jobs, and which guards the user switched off.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--only`: jobs and globs; empty is all.
    pub only: Vec<String>,
    /// `--except`.
    pub except: Vec<String>,
    /// `--accept-clock`.
    pub accept_clock: bool,
    /// `--accept-shrink`.
    pub accept_shrink: bool,
    /// `--accept-destination`.
    pub accept_destination: bool,
    /// `--over-budget retention:R`.
    pub over_budget: Vec<String>,
}

/// A name on the command line that selects no job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{flag} {pattern}` selects no job")]
pub struct UnknownJob {
    /// The flag.
    pub flag: &'static str,
    /// Its value.
    pub pattern: String,
    /// Every job there is.
    pub jobs: Vec<String>,
}

impl Request {
    /// The guards that were switched off, as flags.
    #[must_use]
    pub fn overrides(&self) -> Vec<String> {
        let mut flags = Vec::new();
        for (on, flag) in [
            (self.accept_clock, "--accept-clock"),
            (self.accept_shrink, "--accept-shrink"),
            (self.accept_destination, "--accept-destination"),
        ] {
            if on {
                flags.push(flag.to_owned());
            }
        }
        flags.extend(self.over_budget.iter().map(|job| format!("--over-budget {job}")));
        flags
    }

    /// Jobs that are paused, or whose backup is.
    #[must_use]
    pub fn paused(&self, model: &Model) -> Vec<String> {
        let asleep = |name: &str| model.backup(name).is_some_and(|b| b.paused);
        let backups = model
            .backups
            .iter()
            .filter(|b| b.paused)
            .map(|b| format!("backup:{}", b.name));
        let retentions = model.retentions.iter().filter(|r| r.paused || asleep(&r.backup));
        backups
            .chain(retentions.map(|r| format!("retention:{}", r.name)))
            .collect()
    }

    /// The jobs that a run of this request consists of.
    ///
    /// `--only` brings what a job depends on, `--except` also drops what depends on it; a paused job, and
    /// what depends on it, is left out.
    ///
    /// # Errors
    /// A pattern that selects nothing.
    pub fn jobs(&self, model: &Model) -> Result<BTreeSet<String>, UnknownJob> {
        let backups = model.backups.iter().map(|b| format!("backup:{}", b.name));
        let all: Vec<String> = backups
            .chain(model.retentions.iter().map(|r| format!("retention:{}", r.name)))
            .collect();
        let select = |flag: &'static str, patterns: &[String]| {
            let mut hit: BTreeSet<String> = BTreeSet::new();
            for pattern in patterns {
                let matcher = globset::Glob::new(pattern).ok().map(|glob| glob.compile_matcher());
                let matches = |job: &&String| {
                    matcher
                        .as_ref()
                        .is_some_and(|m: &GlobMatcher| m.is_match(Path::new(job)))
                };
                let before = hit.len();
                let found: Vec<String> = all.iter().filter(matches).cloned().collect();
                if found.is_empty() && before == hit.len() {
                    return Err(UnknownJob {
                        flag,
                        pattern: pattern.clone(),
                        jobs: all.clone(),
                    });
                }
                hit.extend(found);
            }
            Ok(hit)
        };
        select("--over-budget", &self.over_budget)?;
        let mut jobs: BTreeSet<String> = if self.only.is_empty() {
            all.iter().cloned().collect()
        } else {
            select("--only", &self.only)?
        };
        for retention in &model.retentions {
            if jobs.contains(&format!("retention:{}", retention.name)) {
                jobs.insert(format!("backup:{}", retention.backup));
            }
        }
        let mut dropped = select("--except", &self.except)?;
        dropped.extend(self.paused(model));
        for retention in &model.retentions {
            if dropped.contains(&format!("backup:{}", retention.backup)) {
                dropped.insert(format!("retention:{}", retention.name));
            }
        }
        jobs.retain(|job| !dropped.contains(job));
        Ok(jobs)
    }
}

/// The plan.
///
/// # Errors
/// A pattern of the request that selects nothing.
pub fn build(model: &Model, request: &Request, facts: &Facts) -> Result<Plan, UnknownJob> {
    let jobs = request.jobs(model)?;
    let mut plan = Plan::new(&model.ops, facts.host.clone(), facts.now);
    plan.paused = request.paused(model);
    let mut cleanups = Vec::new();
    for backup in &model.backups {
        if !jobs.contains(&format!("backup:{}", backup.name)) {
            continue;
        }
        let Some(found) = facts.backups.get(&backup.name) else {
            continue;
        };
        let retentions: Vec<&Retention> = model
            .retentions_of(&backup.name)
            .filter(|r| jobs.contains(&format!("retention:{}", r.name)))
            .collect();
        cleanups.extend(chain(&mut plan, model, request, facts, backup, found, &retentions));
    }
    for (step, remarks) in cleanups {
        plan.add_cleanup(step, remarks);
    }
    Ok(plan)
}

/// Adds the steps of one backup; gives those of the retentions that rely on it, to be added after every copy.
fn chain(
    plan: &mut Plan,
    model: &Model,
    request: &Request,
    facts: &Facts,
    backup: &Backup,
    found: &BackupFacts,
    retentions: &[&Retention],
) -> Vec<(CleanupStep, Remarks)> {
    let scan = found.source.as_ref().ok().map(Arc::clone);
    let empty: Vec<Verdict> = Vec::new();
    let verdicts = |r: &Retention| facts.verdicts.get(&r.name).unwrap_or(&empty);

    // The older copies that deletions of this plan will rely on, in the order of their first use.
    let mut older: Vec<usize> = Vec::new();
    let backup_ref = |older: &mut Vec<usize>, entry: usize| match found.located.get(&entry) {
        None => Cover::ThisRun,
        Some(copy) => Cover::Older(older.iter().position(|c| c == copy).unwrap_or_else(|| {
            older.push(*copy);
            older.len() - 1
        })),
    };
    let mut candidates_of: Vec<Vec<Candidate>> = Vec::new();
    for retention in retentions {
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
                cover: backup_ref(&mut older, entry),
            })
            .collect();
        candidates_of.push(list);
    }

    let step = backup_step(model, facts, backup, found, scan.as_deref(), &verdicts, request);
    let mut remarks = Remarks {
        because: backup_reason(&step, retentions),
        refusals: guards::of_backup(facts, request, backup, found, retentions),
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
    let backup_token = plan.add_backup(
        BackupStep {
            scan: scan.clone(),
            ..step
        },
        remarks,
    );

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
    let verify_token = plan.add_verify(
        VerifyStep {
            backup: backup_token,
            name: backup.name.clone(),
            older,
        },
        Remarks {
            because,
            ..Remarks::default()
        },
    );

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
        let step = CleanupStep {
            verify: verify_token,
            retention: (*retention).clone(),
            source: backup.source.clone(),
            cross_mounts: backup.cross_mounts,
            scan: scan.clone(),
            matched: classes.iter().map(|c| c.files).sum(),
            candidates,
            bytes,
            classes,
            kept,
            lease_denied: denied,
        };
        let remarks = Remarks {
            because,
            refusals,
            notes,
        };
        cleanups.push((step, remarks));
    }
    cleanups
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
    }
}

fn backup_reason(step: &BackupStep, retentions: &[&Retention]) -> String {
    let names: Vec<String> = retentions.iter().map(|r| format!("retention:{}", r.name)).collect();
    match (step.backup.contents, step.nothing, names.is_empty()) {
        (Contents::Expired, true, _) => "no expired file needs a new copy".to_owned(),
        (Contents::Expired, false, true) => "stores what retentions may delete".to_owned(),
        (Contents::Expired, false, false) => format!("stores what {} may delete", names.join(", ")),
        (Contents::All, _, true) => "asked for".to_owned(),
        (Contents::All, _, false) => format!("{} needs its copy", names.join(", ")),
    }
}

fn backup_notes(backup: &Backup, found: &BackupFacts, step: &BackupStep) -> Vec<String> {
    let plural = crate::units::plural;
    let mut notes = Vec::new();
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
