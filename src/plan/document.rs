//! The plan as JSON, for programs.
//!
//! Takes a [`Plan`], gives a [`PlanDocument`] that serialises in a stable order; its JSON Schema is
//! `schemas/plan.schema.json`, and a test compares the two. Knows nothing of how people are shown a plan. Probes, commands
//! and classes serialise themselves.
//! Invariant: fields are added within a format number, never renamed, removed or given another meaning.

use super::facts::Scan;
use super::graph::{Action, BackupStep, CleanupStep, Cover, Plan, VerifyStep};
use super::guards::Refusal;
use super::summary::ClassSummary;
use crate::clock::from_nanos;
use crate::keep_reason::KeepReason;
use crate::model::check::{Probe, Worst};
use crate::model::{Check, Command, Contents, JobName, Retry, StdoutFile, StepName, Target};
use crate::path::{RelPath, serialize_path};
use crate::units::millis;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::path::Path;

pub const FORMAT: u32 = 1;

/// What apply would do.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun plan, format 1"))]
pub struct PlanDocument<'a> {
    /// Number of this format: 1.
    pub format: u32,
    /// The `ops` name.
    pub ops: &'a str,
    /// The root ops file.
    #[serde(serialize_with = "serialize_path")]
    #[cfg_attr(test, schemars(with = "crate::path::AbsolutePath"))]
    pub file: &'a Path,
    /// SHA-256 of the ops files, in hexadecimal.
    pub digest: &'a str,
    /// The machine it was made on.
    pub host: &'a str,
    /// The moment by which ages are counted: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: DateTime<Utc>,
    /// The IANA time zone of the ops file.
    pub timezone: &'a str,
    /// The time zone data in use: version and directory.
    pub zone_data: String,
    /// Jobs that are left out because they, or what they depend on, are paused.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub paused: &'a [JobName],
    /// What was asked for with `--only` and is left out, and why: a sentence each.
    pub notes: &'a [String],
    /// What the steps that will run come to.
    pub totals: PlanTotals,
    /// In an order in which every step comes after all that it needs, and cleanups after every copy.
    pub steps: Vec<StepDocument<'a>>,
}

/// What the steps that will run come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Totals"))]
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
pub struct StepDocument<'a> {
    /// `backup:observer`, `verify:observer`, `cleanup:observer`.
    pub name: &'a StepName,
    /// The job it is part of: `backup:observer`, `retention:observer`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub job: JobName,
    /// Names of the steps that must have succeeded before.
    pub needs: Vec<&'a StepName>,
    /// Names of the steps that must be settled before, whatever came of them.
    pub after: Vec<&'a StepName>,
    /// Why it is in the plan.
    pub because: &'a str,
    /// False when it, or a step that it needs, is refused and not looked at again when it begins.
    pub will_run: bool,
    /// Names of the refused steps for which it cannot be done, when no guard refuses it itself.
    pub blocked_by: Vec<StepName>,
    /// Why it will not be done.
    pub refusals: &'a [Refusal],
    /// True when it is refused as things are now, and judged again when its turn comes: then `will_run` is true as well.
    pub refused_for_now: bool,
    /// Things worth knowing that change nothing.
    pub notes: &'a [String],
    /// What it does.
    pub action: ActionDocument<'a>,
}

/// What a step does.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ActionDocument<'a> {
    /// Ask a question.
    Check(CheckDocument<'a>),
    /// Run a command.
    Target(TargetDocument<'a>),
    /// Write a copy.
    Backup {
        /// The directory copied from.
        #[serde(serialize_with = "serialize_path")]
        #[cfg_attr(test, schemars(with = "crate::path::AbsolutePath"))]
        source: &'a Path,
        /// The directory copied to.
        #[serde(serialize_with = "serialize_path")]
        #[cfg_attr(test, schemars(with = "crate::path::AbsolutePath"))]
        to: &'a Path,
        /// `all` or `expired`.
        #[cfg_attr(test, schemars(with = "String"))]
        contents: Contents,
        /// Files to store.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Special files that cannot be stored.
        skipped: u64,
        /// True when there is nothing to store: no archive is written.
        nothing: bool,
        /// Why the copy will not be trusted.
        suspect: Option<&'a str>,
        /// The number the copy gets.
        sequence: u64,
        /// The newest copy before it.
        parent: Option<&'a str>,
        /// Bytes free at the destination.
        free: Option<u64>,
        /// True when source and destination share a file system.
        same_file_system: bool,
        /// True when something that may change the source comes before it in the run: then this action is
        /// planned again when the step begins, and only files listed here are deleted.
        looked_at_again: bool,
        /// Mount points that are not entered.
        skipped_mounts: &'a [RelPath],
    },
    /// Read the copy back, compare, publish.
    Verify {
        /// Older copies to prove again, since deletions rely on them.
        older_copies: Vec<&'a str>,
    },
    /// Delete what the proof covers.
    Cleanup(CleanupDocument<'a>),
}

/// What a target runs.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TargetDocument<'a> {
    /// The command.
    pub command: &'a Command,
    /// The file that its standard output becomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<&'a StdoutFile>,
    /// Longest time for one attempt; null for no limit.
    pub timeout_millis: Option<u64>,
    /// Between TERM and KILL.
    pub kill_after_millis: u64,
    /// How a failed attempt is repeated; null is not at all.
    pub retry: Option<&'a Retry>,
    /// Exit codes that mean success.
    pub ok_codes: &'a [u8],
}

/// What a check asks.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckDocument<'a> {
    /// The question.
    #[serde(flatten)]
    pub probe: &'a Probe,
    /// Longest time for an answer.
    pub timeout_millis: u64,
    /// Between TERM and KILL, for a check that runs a command.
    pub kill_after_millis: Option<u64>,
    /// The worst state that it may have: `warning` or `critical`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub severity: Worst,
}

/// What a cleanup step deletes and keeps.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CleanupDocument<'a> {
    /// The directory deleted from.
    #[serde(serialize_with = "serialize_path")]
    #[cfg_attr(test, schemars(with = "crate::path::AbsolutePath"))]
    pub source: &'a Path,
    /// Files to delete.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that the retention's classes match.
    pub matched: u64,
    /// Files that will be kept since a lease on them may not be asked for.
    pub lease_denied: u64,
    /// By class, in file order.
    pub classes: &'a [ClassSummary],
    /// Every file to delete; only when files were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<Vec<DeleteDocument<'a>>>,
    /// Every file that is kept although it should have gone; only when files were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Vec<KeptDocument<'a>>>,
}

/// A file to delete.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeleteDocument<'a> {
    /// Where, below the source.
    pub path: &'a RelPath,
    /// The class that won it.
    pub class: &'a str,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its mtime: RFC 3339, UTC; null when it is beyond what a date can say.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub mtime: Option<DateTime<Utc>>,
    /// The older copy that holds it; null is this run's copy.
    pub older_copy: Option<&'a str>,
}

/// A file that is kept.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KeptDocument<'a> {
    /// Where, below the source.
    pub path: &'a RelPath,
    /// Why.
    pub reason: KeepReason,
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
                totals.copy_bytes = totals.copy_bytes.saturating_add(backup.bytes);
            }
            Action::Backup(_) | Action::Verify(_) | Action::Cleanup(_) => {}
        }
    }
    totals
}

/// The plan as JSON; `with_files` lists every file to delete and every kept one.
pub fn document(plan: &Plan, with_files: bool) -> PlanDocument<'_> {
    let name_of = |id: &usize| plan.steps().get(*id).map(|step| &step.name);
    let steps = plan.steps().iter().map(|step| StepDocument {
        name: &step.name,
        job: step.name.job(),
        needs: step.needs.iter().filter_map(name_of).collect(),
        after: step.after.iter().filter_map(name_of).collect(),
        because: &step.because,
        will_run: plan.will_run(step),
        blocked_by: plan.blockers(step),
        refusals: &step.refusals,
        refused_for_now: plan.refused_for_now(step),
        notes: &step.notes,
        action: match &step.action {
            Action::Check(check) => ActionDocument::Check(check_document(check)),
            Action::Target(target) => ActionDocument::Target(target_document(target)),
            Action::Backup(backup) => backup_action(backup),
            Action::Verify(verify) => ActionDocument::Verify {
                older_copies: verify.older.iter().map(|copy| copy.name.as_str()).collect(),
            },
            Action::Cleanup(cleanup) => {
                ActionDocument::Cleanup(cleanup_document(cleanup, plan.verify_of(cleanup), with_files))
            }
        },
    });
    PlanDocument {
        format: FORMAT,
        ops: &plan.ops,
        file: &plan.file,
        paused: &plan.paused,
        notes: &plan.notes,
        digest: &plan.digest,
        host: &plan.host,
        at: plan.at,
        timezone: plan.timezone.name(),
        zone_data: plan.zone_data.to_string(),
        totals: totals(plan),
        steps: steps.collect(),
    }
}

fn target_document(target: &Target) -> TargetDocument<'_> {
    TargetDocument {
        command: &target.command,
        stdout: target.stdout.as_ref(),
        timeout_millis: target.timeout.map(millis),
        kill_after_millis: millis(target.kill_after),
        retry: target.retry.as_ref(),
        ok_codes: &target.ok_codes,
    }
}

fn check_document(check: &Check) -> CheckDocument<'_> {
    CheckDocument {
        probe: &check.probe,
        timeout_millis: millis(check.timeout),
        kill_after_millis: matches!(check.probe, Probe::Command { .. }).then(|| millis(check.kill_after)),
        severity: check.worst,
    }
}

fn backup_action(step: &BackupStep) -> ActionDocument<'_> {
    ActionDocument::Backup {
        source: &step.backup.source,
        to: &step.backup.to,
        contents: step.backup.contents,
        files: step.files,
        bytes: step.bytes,
        skipped: step.skipped,
        nothing: step.nothing,
        suspect: step.suspect.as_deref(),
        sequence: step.sequence,
        parent: step.parent.as_deref(),
        free: step.free,
        same_file_system: step.same_file_system,
        looked_at_again: step.looked_at_again,
        skipped_mounts: step.scan.as_ref().map_or(&[], |scan| &scan.mounts),
    }
}

fn cleanup_document<'a>(
    step: &'a CleanupStep,
    verify: Option<&'a VerifyStep>,
    with_files: bool,
) -> CleanupDocument<'a> {
    let scan = step.scan.as_deref();
    CleanupDocument {
        source: &step.source,
        files: step.candidates.len() as u64,
        bytes: step.bytes,
        matched: step.matched,
        lease_denied: step.lease_denied,
        classes: &step.classes,
        delete: with_files.then(|| deletes(step, verify, scan)),
        kept: with_files.then(|| {
            let one = |(at, reason): &(usize, KeepReason)| {
                Some(KeptDocument {
                    path: &scan?.entries.get(*at)?.path,
                    reason: *reason,
                })
            };
            step.kept.iter().filter_map(one).collect()
        }),
    }
}

fn deletes<'a>(
    step: &'a CleanupStep,
    verify: Option<&'a VerifyStep>,
    scan: Option<&'a Scan>,
) -> Vec<DeleteDocument<'a>> {
    let one = |candidate: &super::Candidate| {
        let entry = scan?.entries.get(candidate.entry)?;
        Some(DeleteDocument {
            path: &entry.path,
            class: &step.classes.get(candidate.class)?.name,
            bytes: entry.identity.size,
            mtime: from_nanos(entry.identity.mtime_ns),
            older_copy: match candidate.cover {
                Cover::ThisRun => None,
                Cover::Older(at) => verify.and_then(|v| v.older.get(at)).map(|copy| copy.name.as_str()),
            },
        })
    };
    step.candidates.iter().filter_map(one).collect()
}
