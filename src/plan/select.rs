//! Which jobs a run consists of, and in which order they come.
//!
//! Takes a model and a [`Request`], gives jobs. Pure; knows nothing of what is on disk.
//! Invariant: a job comes after all that it needs; all that it needs is selected with it, or neither is.

use crate::model::{Job, JobKind, JobName, Model};
use globset::GlobMatcher;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::path::Path;

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

    /// Jobs that are paused, or that need one that is; by kind and in file order.
    #[must_use]
    pub fn paused(&self, model: &Model) -> Vec<String> {
        let edges = Edges::new(model);
        let asleep = model.jobs().filter(Job::paused).map(|job| job.name());
        let asleep = reached(asleep, &edges.needed_by);
        let names = model.jobs().map(|job| job.name());
        names
            .filter(|name| asleep.contains(name))
            .map(|name| name.to_string())
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
        let all: Vec<JobName> = model.jobs().map(|job| job.name()).collect();
        select(&all, "--over-budget", &self.over_budget)?;
        let edges = Edges::new(model);
        let wanted = if self.only.is_empty() {
            all.iter().cloned().collect()
        } else {
            reached(select(&all, "--only", &self.only)?, &edges.needs)
        };
        let asleep = model.jobs().filter(Job::paused).map(|job| job.name());
        let dropped = select(&all, "--except", &self.except)?.into_iter().chain(asleep);
        let dropped = reached(dropped, &edges.needed_by);
        let kept = wanted.iter().filter(|job| !dropped.contains(*job));
        Ok(kept.map(JobName::to_string).collect())
    }
}

/// The jobs that the patterns of a flag name.
fn select(all: &[JobName], flag: &'static str, patterns: &[String]) -> Result<BTreeSet<JobName>, UnknownJob> {
    let mut hit = BTreeSet::new();
    for pattern in patterns {
        let matcher = globset::Glob::new(pattern).ok().map(|glob| glob.compile_matcher());
        let matches = |job: &&JobName| {
            matcher
                .as_ref()
                .is_some_and(|m: &GlobMatcher| m.is_match(Path::new(&job.to_string())))
        };
        let found: Vec<JobName> = all.iter().filter(matches).cloned().collect();
        if found.is_empty() {
            return Err(UnknownJob {
                flag,
                pattern: pattern.clone(),
                jobs: all.iter().map(JobName::to_string).collect(),
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
        for (job, needed) in needs
            .iter()
            .flat_map(|(job, needs)| needs.iter().map(move |n| (job, n)))
        {
            needed_by.entry(needed.clone()).or_default().push(job.clone());
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

/// A job in its place.
pub(super) struct Placed<'a> {
    pub(super) job: Job<'a>,
    /// Something that may change files comes before it: a target, or a retention.
    pub(super) behind_change: bool,
}

/// The selected jobs, each after all that it needs: checks first, then targets, then backups, then retentions,
/// and in file order within a kind, as far as what they need allows.
pub(super) fn in_order<'a>(model: &'a Model, jobs: &BTreeSet<String>) -> Vec<Placed<'a>> {
    let all: Vec<Job<'a>> = model
        .jobs()
        .filter(|job| jobs.contains(&job.name().to_string()))
        .collect();
    let place: BTreeMap<JobName, usize> = all.iter().enumerate().map(|(at, job)| (job.name(), at)).collect();
    let needs: Vec<Vec<usize>> = all
        .iter()
        .map(|job| job.needs().iter().filter_map(|name| place.get(name).copied()).collect())
        .collect();
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); all.len()];
    for (at, needed) in needs
        .iter()
        .enumerate()
        .flat_map(|(at, needs)| needs.iter().map(move |needed| (at, *needed)))
    {
        if let Some(list) = needed_by.get_mut(needed) {
            list.push(at);
        }
    }
    // Kahn's algorithm; the indices are in the order of preference already.
    let free = waiting.iter().enumerate().filter(|(_, n)| **n == 0);
    let mut ready: BinaryHeap<Reverse<usize>> = free.map(|(at, _)| Reverse(at)).collect();
    let mut changes = vec![false; all.len()];
    let mut order = Vec::new();
    while let Some(Reverse(at)) = ready.pop() {
        let Some(job) = all.get(at) else { continue };
        let behind_change = needs
            .get(at)
            .into_iter()
            .flatten()
            .any(|needed| changes.get(*needed).copied().unwrap_or(false));
        let kind = job.name().kind;
        if let Some(changes) = changes.get_mut(at) {
            *changes = behind_change || matches!(kind, JobKind::Target | JobKind::Retention);
        }
        order.push(Placed {
            job: *job,
            behind_change,
        });
        for next in needed_by.get(at).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(*next) {
                *left -= 1;
                if *left == 0 {
                    ready.push(Reverse(*next));
                }
            }
        }
    }
    order
}
