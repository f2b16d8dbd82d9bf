//! Which jobs a run consists of, and in which order they come.
//!
//! Takes a model and a [`RunRequest`], gives jobs. Pure; knows nothing of what is on disk.
//! Invariant: a job comes after all that it needs; all that it needs is selected with it, or neither is.

use super::order::Order;
use crate::model::{Job, JobKind, JobName, Model};
use crate::units::joined;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Which jobs, and which guards the user switched off.
#[derive(Debug, Clone, Default)]
pub struct RunRequest {
    /// `--only`: jobs and globs; empty is all.
    pub only: Vec<String>,
    /// `--except`.
    pub except: Vec<String>,
    pub accept_clock: bool,
    pub accept_shrink: bool,
    pub accept_destination: bool,
    pub over_budget: Vec<JobName>,
}

/// A name on the command line that selects no job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{flag} {pattern}` selects no job")]
pub struct UnknownJob {
    pub flag: &'static str,
    pub pattern: String,
    pub jobs: Vec<JobName>,
}

impl RunRequest {
    /// The guards that were switched off, as flags.
    pub fn overrides(&self) -> Vec<String> {
        let flags = [
            (self.accept_clock, "--accept-clock"),
            (self.accept_shrink, "--accept-shrink"),
            (self.accept_destination, "--accept-destination"),
        ];
        let flags = flags.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag.to_owned());
        let over_budget = self.over_budget.iter().map(|job| format!("--over-budget {job}"));
        flags.chain(over_budget).collect()
    }

    /// Of the jobs that this request would bring those that are left out since they, or what they depend on, are
    /// paused; by kind and in file order. A pattern that selects nothing brings nothing: [`Self::jobs`] refuses it.
    pub fn paused(&self, model: &Model) -> Vec<JobName> {
        let all: Vec<JobName> = model.jobs().map(|job| job.name()).collect();
        let edges = Edges::new(model);
        let excepted = select(&all, "--except", &self.except).unwrap_or_default();
        let excepted = reached(excepted, &edges.needed_by);
        let wanted = self.asked(&all).unwrap_or_default();
        let wanted = reached(wanted.difference(&excepted).cloned(), &edges.needs);
        let asleep = model.jobs().filter(Job::paused).map(|job| job.name());
        let asleep = reached(asleep, &edges.needed_by);
        all.into_iter()
            .filter(|name| wanted.contains(name) && asleep.contains(name))
            .collect()
    }

    /// What `--only` selects and the run leaves out all the same, in sentences: one for each job that is the cause.
    /// What `--except` selects as well is left out on purpose, and not reported.
    pub fn left_out(&self, model: &Model) -> Vec<String> {
        if self.only.is_empty() {
            return Vec::new();
        }
        let all: Vec<JobName> = model.jobs().map(|job| job.name()).collect();
        let edges = Edges::new(model);
        let asked = select(&all, "--only", &self.only).unwrap_or_default();
        let excepted = select(&all, "--except", &self.except).unwrap_or_default();
        let asleep = model.jobs().filter(Job::paused).map(|job| job.name());
        let causes: BTreeSet<JobName> = excepted.iter().cloned().chain(asleep).collect();
        let because = first_cause(&causes, &edges.needed_by);
        let mut told: Vec<(&JobName, bool, Vec<String>)> = Vec::new();
        let mut place: HashMap<(&JobName, bool), usize> = HashMap::new();
        for job in all.iter().filter(|job| asked.contains(job) && !excepted.contains(job)) {
            let Some(cause) = because.get(job) else { continue };
            let own = job == cause;
            let at = *place.entry((cause, own)).or_insert_with(|| {
                told.push((cause, own, Vec::new()));
                told.len() - 1
            });
            if let Some((_, _, jobs)) = told.get_mut(at) {
                jobs.push(job.to_string());
            }
        }
        let sentence = |(cause, own, jobs): (&JobName, bool, Vec<String>)| {
            let names = jobs.join(", ");
            let (left, depend) = if jobs.len() == 1 {
                ("was selected and is left out", "it depends on")
            } else {
                ("were selected and are left out", "they depend on")
            };
            match (own, excepted.contains(cause)) {
                (true, _) => format!("{names} {left}: it is paused"),
                (false, true) => format!("{names} {left}: {depend} {cause}, which --except leaves out"),
                (false, false) => format!("{names} {left}: {depend} {cause}, which is paused"),
            }
        };
        told.into_iter().map(sentence).collect()
    }

    /// What is asked for by name, whatever is left out of that again; everything without `--only`.
    fn asked(&self, all: &[JobName]) -> Result<BTreeSet<JobName>, UnknownJob> {
        if self.only.is_empty() {
            return Ok(all.iter().cloned().collect());
        }
        select(all, "--only", &self.only)
    }

    /// The jobs that a run of this request consists of.
    ///
    /// `--only` brings what a job depends on, `--except` also drops what depends on it; a paused job, and
    /// what depends on it, is left out. Of a job that is left out nothing is brought either.
    ///
    /// # Errors
    /// A pattern that selects nothing.
    pub fn jobs(&self, model: &Model) -> Result<BTreeSet<JobName>, UnknownJob> {
        let all: Vec<JobName> = model.jobs().map(|job| job.name()).collect();
        let over_budget: Vec<String> = self.over_budget.iter().map(JobName::to_string).collect();
        select(&all, "--over-budget", &over_budget)?;
        let edges = Edges::new(model);
        let asked = self.asked(&all)?;
        let asleep = model.jobs().filter(Job::paused).map(|job| job.name());
        let dropped = select(&all, "--except", &self.except)?.into_iter().chain(asleep);
        let dropped = reached(dropped, &edges.needed_by);
        // What these need is not dropped: they would be as well.
        Ok(reached(asked.difference(&dropped).cloned(), &edges.needs))
    }
}

/// The jobs that the patterns of a flag name.
fn select(all: &[JobName], flag: &'static str, patterns: &[String]) -> Result<BTreeSet<JobName>, UnknownJob> {
    let mut hit = BTreeSet::new();
    for pattern in patterns {
        let matcher = globset::Glob::new(pattern).ok().map(|glob| glob.compile_matcher());
        let matches = |job: &&JobName| matcher.as_ref().is_some_and(|glob| glob.is_match(job.to_string()));
        let found: Vec<JobName> = all.iter().filter(matches).cloned().collect();
        if found.is_empty() {
            return Err(UnknownJob {
                flag,
                pattern: pattern.clone(),
                jobs: all.to_vec(),
            });
        }
        hit.extend(found);
    }
    Ok(hit)
}

/// Who needs whom, both ways.
struct Edges {
    needs: HashMap<JobName, Vec<JobName>>,
    needed_by: HashMap<JobName, Vec<JobName>>,
}

impl Edges {
    fn new(model: &Model) -> Self {
        let needs: HashMap<JobName, Vec<JobName>> = model.jobs().map(|job| (job.name(), job.needs())).collect();
        let mut needed_by: HashMap<JobName, Vec<JobName>> = HashMap::new();
        for (job, needed) in &needs {
            for needed in needed {
                needed_by.entry(needed.clone()).or_default().push(job.clone());
            }
        }
        Self { needs, needed_by }
    }
}

/// The jobs and all that can be reached from them.
fn reached(jobs: impl IntoIterator<Item = JobName>, along: &HashMap<JobName, Vec<JobName>>) -> BTreeSet<JobName> {
    let mut reached = BTreeSet::new();
    let mut todo: Vec<JobName> = jobs.into_iter().collect();
    while let Some(job) = todo.pop() {
        if !reached.contains(&job) {
            todo.extend(along.get(&job).into_iter().flatten().cloned());
            reached.insert(job);
        }
    }
    reached
}

/// For all that can be reached from `causes` one of those from which it can; a cause is its own.
fn first_cause(causes: &BTreeSet<JobName>, along: &HashMap<JobName, Vec<JobName>>) -> HashMap<JobName, JobName> {
    let mut found: HashMap<JobName, JobName> = causes.iter().map(|job| (job.clone(), job.clone())).collect();
    for cause in causes {
        let mut todo = vec![cause];
        while let Some(job) = todo.pop() {
            for next in along.get(job).into_iter().flatten() {
                if !found.contains_key(next) {
                    found.insert(next.clone(), cause.clone());
                    todo.push(next);
                }
            }
        }
    }
    found
}

/// The jobs of a run, and which of them needs which.
pub(super) struct Selected {
    pub(super) jobs: BTreeSet<JobName>,
    needed_by: HashMap<JobName, Vec<JobName>>,
}

impl Selected {
    pub(super) fn new(model: &Model, jobs: BTreeSet<JobName>) -> Self {
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
    pub(super) fn reason(&self, name: &JobName) -> String {
        match self.needed_by.get(name).map_or(&[][..], Vec::as_slice) {
            [] => "selected".to_owned(),
            [one] => format!("{one} needs it"),
            many => format!("{} need it", joined(many)),
        }
    }
}

pub(super) struct OrderedJob<'a> {
    pub(super) job: Job<'a>,
    /// Something that may change files comes before it: a target, or a retention.
    pub(super) behind_change: bool,
}

/// The selected jobs, each after all that it needs: checks first, then targets, then backups, then retentions,
/// and in file order within a kind, as far as what they need allows.
pub(super) fn in_order<'a>(model: &'a Model, jobs: &BTreeSet<JobName>) -> Vec<OrderedJob<'a>> {
    let all: Vec<Job<'a>> = model.jobs().filter(|job| jobs.contains(&job.name())).collect();
    let place: BTreeMap<JobName, usize> = all.iter().enumerate().map(|(at, job)| (job.name(), at)).collect();
    let needs = |job: &Job<'_>| job.needs().iter().filter_map(|name| place.get(name).copied()).collect();
    let needs: Vec<Vec<usize>> = all.iter().map(needs).collect();
    // The indices are in the order of preference already.
    let mut left = Order::new(needs.iter().cloned());
    let mut changes = vec![false; all.len()];
    let mut order = Vec::new();
    while let Some(at) = left.begin_next() {
        left.settle(at);
        let Some(job) = all.get(at) else { continue };
        let changed = |needed: &usize| changes.get(*needed).copied().unwrap_or(false);
        let behind_change = needs.get(at).into_iter().flatten().any(changed);
        let kind = job.name().kind;
        if let Some(changes) = changes.get_mut(at) {
            *changes = behind_change || matches!(kind, JobKind::Target | JobKind::Retention);
        }
        let job = *job;
        order.push(OrderedJob { job, behind_change });
    }
    order
}
