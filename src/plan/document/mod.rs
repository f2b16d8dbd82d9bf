//! The plan as JSON, for programs.
//! - `jobs`: targets and checks
//!
//! Takes a [`Plan`], gives a [`PlanDocument`] that serialises in a stable order; its JSON Schema is
//! `schemas/plan.schema.json`, and a test compares the two. Knows nothing of how people are shown a plan.
//! Invariant: fields are added within a format number, never renamed, removed or given another meaning.

mod absolute_path;
mod jobs;

pub use absolute_path::AbsolutePath;
pub use jobs::{
    CheckDocument, CommandDocument, LevelsDocument, NameDocument, PointerDocument, ProbeDocument, ProgramDocument,
    RetryDocument, SecretDocument, SpaceDocument, TargetDocument, ValueDocument,
};

use super::facts::Scan;
use super::graph::{Action, BackupStep, ClassSummary, CleanupStep, Cover, Plan, Refusal, VerifyStep};
use crate::keep_reason::KeepReason;
use crate::model::retention::Stays;
use crate::model::{JobName, Keep, StepName};
use crate::path::RelPath;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

pub const FORMAT: u32 = 1;

/// What apply would do.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "opsrun plan, format 1"))]
pub struct PlanDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// The `ops` name.
    pub ops: String,
    /// The root ops file.
    pub file: AbsolutePath,
    /// SHA-256 of the ops files, in hexadecimal.
    pub digest: String,
    /// The machine it was made on.
    pub host: String,
    /// The moment by which ages are counted: RFC 3339, UTC.
    pub at: String,
    /// The IANA time zone of the ops file.
    pub timezone: String,
    /// Jobs that are left out because they, or what they depend on, are paused.
    pub paused: Vec<String>,
    /// What was asked for with `--only` and is left out, and why: a sentence each.
    pub notes: Vec<String>,
    /// What the steps that will run come to.
    pub totals: PlanTotals,
    /// In an order in which every step comes after all that it needs, and cleanups after every copy.
    pub steps: Vec<StepDocument>,
}

/// What the steps that will run come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Totals"))]
pub struct PlanTotals {
    /// Checks to make.
    pub checks: u64,
    /// Targets to run.
    pub targets: u64,
    /// Files to copy.
    pub copy_files: u64,
    /// Their bytes.
    pub copy_bytes: u64,
    /// Files to delete from sources.
    pub delete_files: u64,
    /// Their bytes.
    pub delete_bytes: u64,
    /// Guards that say no.
    pub refusals: u64,
    /// Of these those that say no as things are now, and are asked again when the step's turn comes.
    pub refusals_for_now: u64,
}

/// A step.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepDocument {
    /// `backup:observer`, `verify:observer`, `cleanup:observer`.
    pub name: StepName,
    /// The job it is part of: `backup:observer`, `retention:observer`.
    pub job: String,
    /// Names of the steps that must have succeeded before.
    pub needs: Vec<StepName>,
    /// Names of the steps that must be settled before, whatever came of them.
    pub after: Vec<StepName>,
    /// Why it is in the plan.
    pub because: String,
    /// False when it, or a step that it needs, is refused and not looked at again when it begins.
    pub will_run: bool,
    /// Names of the refused steps for which it cannot be done, when no guard refuses it itself.
    pub blocked_by: Vec<StepName>,
    /// Why it will not be done.
    pub refusals: Vec<Refusal>,
    /// True when it is refused as things are now, and judged again when its turn comes: then `will_run` is true as well.
    pub refused_for_now: bool,
    /// Things worth knowing that change nothing.
    pub notes: Vec<String>,
    /// What it does.
    pub action: ActionDocument,
}

/// What a step does.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ActionDocument {
    /// Ask a question.
    Check(Box<CheckDocument>),
    /// Run a command.
    Target(Box<TargetDocument>),
    /// Write a copy.
    Backup {
        /// The directory copied from.
        source: AbsolutePath,
        /// The directory copied to.
        to: AbsolutePath,
        /// `all` or `expired`.
        contents: &'static str,
        /// Files to store.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Special files that cannot be stored.
        skipped: u64,
        /// True when there is nothing to store: no archive is written.
        nothing: bool,
        /// Why the copy will not be trusted.
        suspect: Option<String>,
        /// The number the copy gets.
        sequence: u64,
        /// The newest copy before it.
        parent: Option<String>,
        /// Bytes free at the destination.
        free: Option<u64>,
        /// True when source and destination share a file system.
        same_file_system: bool,
        /// True when something that may change the source comes before it in the run: then this action is
        /// planned again when the step begins, and only files listed here are deleted.
        looked_at_again: bool,
        /// Mount points that are not entered.
        skipped_mounts: Vec<RelPath>,
    },
    /// Read the copy back, compare, publish.
    Verify {
        /// Older copies to prove again, since deletions rely on them.
        older_copies: Vec<String>,
    },
    /// Delete what the proof covers.
    Cleanup(Box<CleanupDocument>),
}

/// What a cleanup step deletes and keeps.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CleanupDocument {
    /// The directory deleted from.
    pub source: AbsolutePath,
    /// Files to delete.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that the retention's classes match.
    pub matched: u64,
    /// Candidates that will be kept since a lease on them may not be asked for.
    pub lease_denied: u64,
    /// By class, in file order.
    pub classes: Vec<ClassDocument>,
    /// Every file to delete; only when files were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<Vec<DeleteDocument>>,
    /// Every file that is kept although it should have gone; only when files were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Vec<KeptDocument>>,
}

/// What a class holds and what becomes of it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClassDocument {
    /// Its name.
    pub name: String,
    /// Seconds that it keeps; null is forever.
    pub keep_seconds: Option<u64>,
    /// Its `keep-newest`.
    pub keep_newest: u32,
    /// Files it wins.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// mtime of the oldest: RFC 3339, UTC.
    pub oldest: Option<String>,
    /// mtime of the newest: RFC 3339, UTC.
    pub newest: Option<String>,
    /// Files to delete.
    pub delete_files: u64,
    /// Their bytes.
    pub delete_bytes: u64,
    /// Files that stay, by reason.
    pub stays: BTreeMap<Stays, u64>,
    /// Files that are kept, by reason.
    pub kept: BTreeMap<KeepReason, u64>,
    /// Files that other classes match as well, by their name.
    pub also: BTreeMap<String, u64>,
    /// For a keyword: the path components that held it, digits folded to `#`, and how many files each.
    pub components: BTreeMap<String, u64>,
}

/// A file to delete.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeleteDocument {
    /// Where, below the source.
    pub path: RelPath,
    /// The class that won it.
    pub class: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its mtime: RFC 3339, UTC; null when it is beyond what a date can say.
    pub mtime: Option<String>,
    /// The older copy that holds it; null is this run's copy.
    pub older_copy: Option<String>,
}

/// A file that is kept.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeptDocument {
    /// Where, below the source.
    pub path: RelPath,
    /// Why.
    pub reason: KeepReason,
}

/// A file time as a date; `None` when it is beyond what a date can say.
pub fn moment_of(ns: i128) -> Option<DateTime<Utc>> {
    let seconds = i64::try_from(ns.div_euclid(1_000_000_000)).ok()?;
    DateTime::from_timestamp(seconds, ns.rem_euclid(1_000_000_000) as u32)
}

/// What the steps that will run come to.
pub fn totals(plan: &Plan) -> PlanTotals {
    let (delete_files, delete_bytes) = plan.deletions();
    let mut totals = PlanTotals {
        delete_files,
        delete_bytes,
        refusals: plan.refusals().count() as u64,
        refusals_for_now: plan
            .steps()
            .iter()
            .filter(|step| plan.refused_for_now(step))
            .map(|step| step.refusals.len() as u64)
            .sum(),
        ..PlanTotals::default()
    };
    for step in plan.steps().iter().filter(|step| plan.will_run(step)) {
        match &step.action {
            Action::Check(_) => totals.checks += 1,
            Action::Target(_) => totals.targets += 1,
            Action::Backup(backup) if !backup.nothing => {
                totals.copy_files += backup.files;
                totals.copy_bytes += backup.bytes;
            }
            Action::Backup(_) | Action::Verify(_) | Action::Cleanup(_) => {}
        }
    }
    totals
}

/// The plan as JSON; `with_files` lists every file to delete and every kept one.
pub fn document(plan: &Plan, with_files: bool) -> PlanDocument {
    let name_of = |id: &usize| plan.steps().get(*id).map(|step| step.name.clone());
    let steps = plan.steps().iter().map(|step| StepDocument {
        name: step.name.clone(),
        job: step.name.job().to_string(),
        needs: step.needs.iter().filter_map(name_of).collect(),
        after: step.after.iter().filter_map(name_of).collect(),
        because: step.because.clone(),
        will_run: plan.will_run(step),
        blocked_by: plan.blockers(step),
        refusals: step.refusals.clone(),
        refused_for_now: plan.refused_for_now(step),
        notes: step.notes.clone(),
        action: match &step.action {
            Action::Check(check) => ActionDocument::Check(Box::new(jobs::check(check))),
            Action::Target(target) => ActionDocument::Target(Box::new(jobs::target(target))),
            Action::Backup(backup) => backup_action(backup),
            Action::Verify(verify) => ActionDocument::Verify {
                older_copies: verify.older.iter().map(|copy| copy.name.clone()).collect(),
            },
            Action::Cleanup(cleanup) => {
                ActionDocument::Cleanup(Box::new(cleanup_document(cleanup, plan.verify_of(cleanup), with_files)))
            }
        },
    });
    PlanDocument {
        format: FORMAT,
        ops: plan.ops.clone(),
        file: plan.file.as_path().into(),
        paused: plan.paused.iter().map(JobName::to_string).collect(),
        notes: plan.notes.clone(),
        digest: plan.digest.clone(),
        host: plan.host.clone(),
        at: stamp(plan.at),
        timezone: plan.timezone.name().to_owned(),
        totals: totals(plan),
        steps: steps.collect(),
    }
}

fn backup_action(step: &BackupStep) -> ActionDocument {
    ActionDocument::Backup {
        source: step.backup.source.as_path().into(),
        to: step.backup.to.as_path().into(),
        contents: step.backup.contents.word(),
        files: step.files,
        bytes: step.bytes,
        skipped: step.skipped,
        nothing: step.nothing,
        suspect: step.suspect.clone(),
        sequence: step.sequence,
        parent: step.parent.clone(),
        free: step.free,
        same_file_system: step.same_file_system,
        looked_at_again: step.looked_at_again,
        skipped_mounts: step.scan.as_ref().map(|scan| scan.mounts.clone()).unwrap_or_default(),
    }
}

fn cleanup_document(step: &CleanupStep, verify: Option<&VerifyStep>, with_files: bool) -> CleanupDocument {
    let scan = step.scan.as_deref();
    CleanupDocument {
        source: step.source.as_path().into(),
        files: step.candidates.len() as u64,
        bytes: step.bytes,
        matched: step.matched,
        lease_denied: step.lease_denied,
        classes: step.classes.iter().map(class_document).collect(),
        delete: with_files.then(|| deletes(step, verify, scan)),
        kept: with_files.then(|| {
            let one = |(at, reason): &(usize, KeepReason)| {
                Some(KeptDocument {
                    path: scan?.entries.get(*at)?.path.clone(),
                    reason: *reason,
                })
            };
            step.kept.iter().filter_map(one).collect()
        }),
    }
}

fn deletes(step: &CleanupStep, verify: Option<&VerifyStep>, scan: Option<&Scan>) -> Vec<DeleteDocument> {
    let one = |candidate: &super::Candidate| {
        let entry = scan?.entries.get(candidate.entry)?;
        Some(DeleteDocument {
            path: entry.path.clone(),
            class: step.classes.get(candidate.class)?.name.clone(),
            bytes: entry.identity.size,
            mtime: moment_of(entry.identity.mtime_ns).map(stamp),
            older_copy: match candidate.cover {
                Cover::ThisRun => None,
                Cover::Older(at) => verify.and_then(|v| v.older.get(at)).map(|copy| copy.name.clone()),
            },
        })
    };
    step.candidates.iter().filter_map(one).collect()
}

fn class_document(class: &ClassSummary) -> ClassDocument {
    ClassDocument {
        name: class.name.clone(),
        keep_seconds: match class.keep {
            Keep::Forever => None,
            Keep::For(age) => Some(age.as_secs()),
        },
        keep_newest: class.keep_newest,
        files: class.files,
        bytes: class.bytes,
        oldest: class.span.and_then(|(oldest, _)| moment_of(oldest)).map(stamp),
        newest: class.span.and_then(|(_, newest)| moment_of(newest)).map(stamp),
        delete_files: class.delete.0,
        delete_bytes: class.delete.1,
        stays: class.stays.clone(),
        kept: class.kept.clone(),
        also: class.also.clone(),
        components: class.components.clone(),
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
