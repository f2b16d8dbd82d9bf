//! Steps and edges.
//!
//! An edge means *A before B, and B only if A succeeded*. A verify step can be made only with the
//! [`BackupToken`] that adding its backup step gave, a cleanup step only with the [`VerifyToken`] of its
//! verify step: no code path can leave an edge of `backup → verify → cleanup` out.
//! Invariant: every step comes after all steps that it needs.

use super::facts::{CopyFacts, PlanFacts, Scan};
use super::guards::{self, Refusal};
use super::summary::ClassSummary;
use crate::archive::{LeftOut, Writer};
use crate::entry::EntryKind;
use crate::model::retention::KeepReason;
use crate::model::{Backup, Check, JobName, Retention, StepKind, StepName, Strategy, Target};
use crate::path::RelPath;
use crate::time_zone::{Zone, ZoneData};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

pub type StepId = usize;

#[derive(Debug, Clone)]
pub struct Plan {
    pub ops: String,
    pub file: PathBuf,
    /// SHA-256 of the ops files.
    pub digest: String,
    pub host: String,
    /// Who makes its copies.
    pub writer: Writer,
    /// The moment by which ages are counted.
    pub at: DateTime<Utc>,
    pub timezone: Zone,
    /// The data of its time zone.
    pub zone_data: ZoneData,
    /// Jobs that are left out because they, or what they depend on, are paused.
    pub paused: Vec<JobName>,
    /// What was asked for and is left out, and why: one sentence each.
    pub notes: Vec<String>,
    /// In an order that respects the edges.
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub id: StepId,
    pub name: StepName,
    /// What must have succeeded before.
    pub needs: Vec<StepId>,
    /// What must be settled before, whatever came of it: a cleanup comes after every copy of the run, since what
    /// it deletes another backup may be about to read.
    pub after: Vec<StepId>,
    pub because: String,
    /// Why it will not be done. Empty: it will.
    pub refusals: Vec<Refusal>,
    /// Things worth knowing that change nothing.
    pub notes: Vec<String>,
    pub action: Action,
    /// See [`Plan::will_run`]; settled when the step is added, since all that it needs is there then.
    runs: bool,
    /// See [`Plan::blockers`]; settled likewise, and shared along a chain.
    blockers: Arc<[StepId]>,
}

#[derive(Debug, Clone)]
pub enum Action {
    Check(Box<Check>),
    Target(Box<Target>),
    /// Write a copy; not yet published.
    Backup(Box<BackupStep>),
    /// Read the copy back, compare, publish; re-read the older copies that deletions rely on.
    Verify(Box<VerifyStep>),
    Cleanup(Box<CleanupStep>),
}

impl Action {
    fn step_name(&self) -> StepName {
        match self {
            Self::Check(check) => StepName::new(StepKind::Check, &check.name),
            Self::Target(target) => StepName::new(StepKind::Target, &target.name),
            Self::Backup(step) => StepName::new(StepKind::Backup, &step.backup.name),
            Self::Verify(step) => StepName::new(StepKind::Verify, &step.name),
            Self::Cleanup(step) => StepName::new(StepKind::Cleanup, &step.retention.name),
        }
    }
}

#[derive(Debug, Clone)]
pub struct BackupStep {
    pub backup: Backup,
    /// The listing it copies from; `None` when there is none (then the step is refused).
    pub scan: Option<Arc<Scan>>,
    /// Entries to store: indices into the listing, in walk order, directories above them included.
    pub store: Vec<usize>,
    /// Regular files, links among `store`.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that they take on the disk: fewer than `bytes` where there are holes.
    pub allocated: u64,
    /// Sockets, pipes and devices that are selected and cannot be stored: skipped and reported.
    pub skipped: u64,
    /// What the newest copy left out by itself, if it says so.
    pub left_out_before: Option<LeftOut>,
    /// Files that lost nearly all of their content since the newest copy, a line for each.
    pub emptied: Vec<String>,
    /// Set when the source is empty or shrank so far that the copy is made but not trusted.
    pub suspect: Option<String>,
    /// True when there is nothing to store: no archive is written.
    pub nothing: bool,
    pub sequence: u64,
    /// The newest copy before it.
    pub parent: Option<String>,
    /// The tree that unchanged files share their data with.
    pub shares_with: Option<String>,
    /// Archive bytes and content bytes of that copy.
    pub last_ratio: Option<(u64, u64)>,
    pub free: Option<u64>,
    /// True when source and destination share a file system.
    pub same_file_system: bool,
    /// The first copies go to the source's own file system, and files may be deleted because of them: a warning.
    pub first_beside_source: Option<String>,
    /// True when something that may change the source comes before it in the run: source and destination are
    /// looked at again when the step begins, and the copy is planned again.
    pub looked_at_again: bool,
}

impl BackupStep {
    /// True when the source was listed and has nothing that the backup could store.
    pub fn is_source_empty(&self) -> bool {
        self.scan
            .as_ref()
            .is_some_and(|scan| guards::is_empty(&self.backup, scan))
    }

    /// About how large the copy will be. A tree takes what the source takes: that files may share their data is not
    /// counted on. An archive goes by the ratio of the newest copy, or, when there is none, by what even
    /// well-compressible data needs.
    pub fn expected_size(&self) -> u64 {
        let ratio = match self.backup.strategy {
            Strategy::Copy => (1, 1),
            Strategy::Archive { .. } => self.last_ratio.unwrap_or((1, 20)),
        };
        packed_size(self.allocated, ratio)
    }

    /// About how many files and directories the copy will make. What has several names is made once.
    pub fn expected_inodes(&self) -> u64 {
        /// The archive with its list and manifest, and what is made beside them until they have their names.
        const OF_A_COPY: u64 = 8;
        let Some(scan) = self.scan.as_ref().filter(|_| self.backup.strategy == Strategy::Copy) else {
            return OF_A_COPY;
        };
        let mut linked = BTreeSet::new();
        let stored = self.store.iter().filter_map(|at| scan.entries.get(*at));
        let made = stored.filter(|entry| {
            let alone = entry.nlink < 2 || entry.kind == EntryKind::Dir;
            alone || linked.insert((entry.identity.dev, entry.identity.ino))
        });
        OF_A_COPY + made.count() as u64
    }
}

/// What so many bytes need, when `packed` were needed for `plain`.
fn packed_size(bytes: u64, (packed, plain): (u64, u64)) -> u64 {
    // A copy of a few bytes is mostly headers. That says nothing of other content, which never grows.
    let content = u128::from(bytes) * u128::from(packed.min(plain)) / u128::from(plain.max(1));
    u64::try_from(content).unwrap_or(u64::MAX).saturating_add(64 * 1024)
}

#[derive(Debug, Clone)]
pub struct VerifyStep {
    pub backup: BackupToken,
    pub name: String,
    /// Older copies to prove again, since deletions of this plan rely on them.
    pub older: Vec<CopyFacts>,
}

#[derive(Debug, Clone)]
pub struct CleanupStep {
    pub verify: VerifyToken,
    pub retention: Retention,
    pub source: PathBuf,
    pub cross_mounts: bool,
    pub scan: Option<Arc<Scan>>,
    /// Files to delete, in walk order.
    pub candidates: Vec<Candidate>,
    pub bytes: u64,
    /// Files that the retention's classes match.
    pub matched: u64,
    /// By class, in file order.
    pub classes: Vec<ClassSummary>,
    /// Files that are kept although a class matches and age or place would say otherwise: index and reason.
    pub kept: Vec<(usize, KeepReason)>,
    /// How many of them are kept since we may not ask for a lease on them.
    pub lease_denied: u64,
    /// Directories below its source that are the sources of other backups: they stay when they are empty.
    pub sources_below: BTreeSet<RelPath>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub entry: usize,
    /// Index into the retention's classes.
    pub class: usize,
    /// Where its proof comes from.
    pub cover: Cover,
}

/// Where the proof of a file's content comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    ThisRun,
    /// An older copy: index into [`VerifyStep::older`].
    Older(usize),
}

/// Proof that a backup step is in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupToken(StepId);

/// Proof that a verify step is in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyToken(StepId);

impl BackupToken {
    pub fn step(self) -> StepId {
        self.0
    }
}

impl VerifyToken {
    pub fn step(self) -> StepId {
        self.0
    }
}

/// What every step has.
#[derive(Debug, Clone, Default)]
pub struct Remarks {
    pub because: String,
    /// Why it will not be done.
    pub refusals: Vec<Refusal>,
    pub notes: Vec<String>,
}

impl Step {
    pub(super) fn with(&self, action: Action, remarks: Remarks) -> Self {
        Self {
            because: remarks.because,
            refusals: remarks.refusals,
            notes: remarks.notes,
            action,
            ..self.clone()
        }
    }
}

impl Plan {
    /// An empty plan.
    pub(super) fn new(ops: &crate::model::Ops, facts: &PlanFacts) -> Self {
        Self {
            ops: ops.name.clone(),
            file: ops.files.first().cloned().unwrap_or_default(),
            digest: ops.digest.clone(),
            host: facts.host.clone(),
            writer: facts.writer.clone(),
            at: facts.now,
            timezone: ops.timezone.clone(),
            zone_data: ops.zone_data.clone(),
            paused: Vec::new(),
            notes: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(super) fn add_check(&mut self, check: Check, needs: Vec<StepId>, remarks: Remarks) -> StepId {
        self.push(needs, remarks, Action::Check(Box::new(check)))
    }

    pub(super) fn add_target(&mut self, target: Target, needs: Vec<StepId>, remarks: Remarks) -> StepId {
        self.push(needs, remarks, Action::Target(Box::new(target)))
    }

    pub(super) fn add_backup(&mut self, step: BackupStep, needs: Vec<StepId>, remarks: Remarks) -> BackupToken {
        BackupToken(self.push(needs, remarks, Action::Backup(Box::new(step))))
    }

    /// Adds the verify step of a backup step.
    pub(super) fn add_verify(&mut self, step: VerifyStep, remarks: Remarks) -> VerifyToken {
        let needs = vec![step.backup.step()];
        VerifyToken(self.push(needs, remarks, Action::Verify(Box::new(step))))
    }

    /// Adds the cleanup step of a retention, after every copy and every cleanup that is there already: no two
    /// steps of a run delete at the same time, and none while another one copies.
    pub(super) fn add_cleanup(&mut self, step: CleanupStep, mut needs: Vec<StepId>, remarks: Remarks) -> StepId {
        let proof = step.verify.step();
        if !needs.contains(&proof) {
            needs.insert(0, proof);
        }

        let files = |step: &&Step| matches!(step.action, Action::Backup(_) | Action::Verify(_) | Action::Cleanup(_));
        let after: Vec<StepId> = self
            .steps
            .iter()
            .filter(files)
            .map(|step| step.id)
            .filter(|id| !needs.contains(id))
            .collect();
        let id = self.push(needs, remarks, Action::Cleanup(Box::new(step)));
        if let Some(step) = self.steps.get_mut(id) {
            step.after = after;
        }
        id
    }

    fn push(&mut self, needs: Vec<StepId>, remarks: Remarks, action: Action) -> StepId {
        let id = self.steps.len();
        let mut step = Step {
            id,
            name: action.step_name(),
            needs,
            after: Vec::new(),
            because: remarks.because,
            refusals: remarks.refusals,
            notes: remarks.notes,
            action,
            runs: false,
            blockers: Arc::default(),
        };
        let needed = step.needs.iter().filter_map(|id| self.steps.get(*id));
        let unmet: Vec<&Step> = needed.filter(|needed| !needed.runs).collect();
        step.runs = (step.refusals.is_empty() || self.judged_again(&step)) && unmet.is_empty();
        step.blockers = refused_before(&unmet);
        self.steps.push(step);
        id
    }

    /// Files and bytes that the plan would delete from sources.
    pub fn deletions(&self) -> (u64, u64) {
        self.steps
            .iter()
            .filter(|step| self.will_run(step))
            .fold((0, 0_u64), |(files, bytes), step| match &step.action {
                Action::Cleanup(cleanup) => (
                    files + cleanup.candidates.len() as u64,
                    bytes.saturating_add(cleanup.bytes),
                ),
                _ => (files, bytes),
            })
    }

    /// Commands that the plan would run.
    pub fn commands(&self) -> u64 {
        let is_target = |step: &&Step| matches!(step.action, Action::Target(_)) && self.will_run(step);
        self.steps.iter().filter(is_target).count() as u64
    }

    /// True when the step's refusals apply only for now: its copy is planned again when it begins.
    pub fn judged_again(&self, step: &Step) -> bool {
        let backup = match &step.action {
            Action::Backup(backup) => return backup.looked_at_again,
            Action::Verify(verify) => Some(verify.backup),
            Action::Cleanup(cleanup) => self.verify_of(cleanup).map(|verify| verify.backup),
            Action::Check(_) | Action::Target(_) => None,
        };
        let backup = backup.and_then(|token| self.steps.get(token.step()));
        matches!(backup.map(|step| &step.action), Some(Action::Backup(backup)) if backup.looked_at_again)
    }

    /// True when neither the step nor anything it needs is refused, unless the refusal is judged again.
    pub fn will_run(&self, step: &Step) -> bool {
        self.steps.get(step.id).is_some_and(|step| step.runs)
    }

    /// True when guards refuse the step as things are now, and it is judged again when its turn comes.
    pub fn refused_for_now(&self, step: &Step) -> bool {
        !step.refusals.is_empty() && self.will_run(step)
    }

    /// Names of the refused steps for which `step`, which no guard refuses, cannot be done: in order, each once.
    pub fn blockers(&self, step: &Step) -> Vec<StepName> {
        if !step.refusals.is_empty() || self.will_run(step) {
            return Vec::new();
        }
        let refused = self.steps.get(step.id).into_iter().flat_map(|step| &*step.blockers);
        let refused = refused.filter_map(|id| self.steps.get(*id));
        refused.map(|step| step.name.clone()).collect()
    }

    /// The verify step whose proof `cleanup` needs: its older copies are what [`Cover::Older`] counts.
    pub fn verify_of(&self, cleanup: &CleanupStep) -> Option<&VerifyStep> {
        match self.steps.get(cleanup.verify.step()).map(|step| &step.action) {
            Some(Action::Verify(verify)) => Some(verify),
            _ => None,
        }
    }

    /// Every refusal, with the step's name.
    pub fn refusals(&self) -> impl Iterator<Item = (&StepName, &Refusal)> {
        self.steps
            .iter()
            .flat_map(|step| step.refusals.iter().map(|refusal| (&step.name, refusal)))
    }
}

/// The refused steps among `unmet` and those before them, for which a step that needs `unmet` cannot be done.
fn refused_before(unmet: &[&Step]) -> Arc<[StepId]> {
    match unmet {
        [only] if only.refusals.is_empty() => Arc::clone(&only.blockers),
        _ => {
            let mut all = BTreeSet::new();
            for step in unmet {
                if step.refusals.is_empty() {
                    all.extend(step.blockers.iter().copied());
                } else {
                    all.insert(step.id);
                }
            }
            all.into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_few_bytes_does_not_say_that_content_grows() {
        let (own, room) = (1 << 30, 64 * 1024);
        assert_eq!(packed_size(own, (236, 2)), own + room);
        assert_eq!(packed_size(own, (1, 4)), own / 4 + room);
        assert_eq!(packed_size(own, (0, 0)), room);
    }
}
