//! Model + request + facts → plan.
//!
//! Takes what is declared, what was asked for and what was found; gives the steps, each after all that it needs,
//! with the reason for each and every guard that says no. Pure and deterministic.
//! Invariant: a guard that refuses a backup refuses, by the edges, all that relies on its copy.

use super::chain::{ChainPlanner, PlannedCleanup, sum_bytes};
use super::facts::{PlanFacts, Scan};
use super::graph::{Action, CleanupStep, Plan, Remarks, Step, StepId, VerifyStep, VerifyToken};
use super::select::{RunRequest, Selected, UnknownJob, in_order};
use crate::entry::Identity;
use crate::model::retention::KeepReason;
use crate::model::{Job, JobName, Model};
use crate::path::RelPath;
use std::collections::HashMap;
use std::sync::Arc;

/// # Errors
/// A pattern of the request that selects nothing.
pub fn build(model: &Model, request: &RunRequest, facts: &PlanFacts) -> Result<Plan, UnknownJob> {
    let jobs = request.jobs(model)?;
    let mut plan = Plan::new(&model.ops, facts);
    plan.paused = request.paused(model);
    plan.notes = request.left_out(model);
    let order = in_order(model, &jobs);
    let selected = Selected::new(model, jobs);
    // By job: the step whose success is the job's success.
    let mut last: HashMap<JobName, StepId> = HashMap::new();
    let mut proofs: HashMap<String, VerifyToken> = HashMap::new();
    let mut cleanups: HashMap<String, (PlannedCleanup<'_>, Option<Arc<Scan>>)> = HashMap::new();
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
                let planner = ChainPlanner::new(model, &selected, request, facts, backup, found);
                let chain = planner.plan(placed.behind_change);
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

/// The steps of one backup and of the cleanups that rely on it, planned again from `facts`, to replace the steps of
/// `plan`, under the same names and with the same edges. Nothing is deleted that `plan` does not list, or that
/// changed since.
pub fn look_again(plan: &Plan, backup: StepId, model: &Model, request: &RunRequest, facts: &PlanFacts) -> Vec<Step> {
    let Some(Action::Backup(planned)) = plan.steps().get(backup).map(|step| &step.action) else {
        return Vec::new();
    };
    let name = &planned.backup.name;
    let (Some(job), Some(found)) = (model.backup(name), facts.backups.get(name)) else {
        return Vec::new();
    };
    let selected = Selected::new(model, plan.steps().iter().map(|step| step.name.job()).collect());
    let planner = ChainPlanner::new(model, &selected, request, facts, job, found);
    let mut chain = planner.plan(planned.looked_at_again);
    let scan = chain.backup.scan.clone();
    let cleanups = chain.cleanups.drain(..);
    let mut cleanups: HashMap<&str, PlannedCleanup<'_>> = cleanups.map(|c| (c.retention.name.as_str(), c)).collect();
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
/// is kept, and reported.
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
