//! What a model says about when its jobs run, made ready to be asked often.
//!
//! Takes a [`Model`], gives a [`Book`]: the schedules that jobs run by, with these jobs, what each of them brings and
//! what may keep it from running. Pure; knows no clock and no store.
//! Invariant: every job with a schedule stands once; so does a retention without one, beside its backup.

use crate::model::schedule::Schedule;
use crate::model::{Job, JobName, Model, Overlap};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub struct Book {
    /// In the order of the model, those without jobs left out.
    pub entries: Vec<Entry>,
}

/// A schedule and the jobs that run by it.
#[derive(Debug, Clone)]
pub struct Entry {
    pub schedule: Schedule,
    pub definition: String,
    /// How much later than its instants it runs.
    pub jitter: Duration,
    pub jobs: Vec<Due>,
}

#[derive(Debug, Clone)]
pub struct Due {
    pub job: JobName,
    /// The backup with which it runs, where it has no schedule of its own.
    pub along: Option<JobName>,
    /// Why it is left out of every run.
    pub paused: Option<String>,
    /// What happens when it still runs.
    pub overlap: Overlap,
    /// Itself and all that it needs.
    pub brings: BTreeSet<JobName>,
    /// The targets among them that are left alone after failures.
    pub gates: Vec<JobName>,
}

impl Book {
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let jobs: BTreeMap<JobName, Job<'_>> = model.jobs().map(|job| (job.name(), job)).collect();
        let due = |job: &Job<'_>, along: Option<JobName>| entry_of(model, &jobs, job, along);
        let entry = |schedule: &Schedule| {
            let own = model.jobs().filter(|job| job.schedule() == Some(&*schedule.name));
            let mut entry = Entry {
                schedule: schedule.clone(),
                definition: schedule.definition(),
                jitter: schedule.jitter_of(&model.ops.name),
                jobs: own.map(|job| due(&job, None)).collect(),
            };
            let backups = model
                .backups
                .iter()
                .filter(|b| b.schedule.as_ref() == Some(&schedule.name));
            for (backup, retention) in backups.flat_map(|b| model.retentions_of(&b.name).map(move |r| (b, r))) {
                if retention.schedule.is_none() {
                    let along = Job::Backup(backup).name();
                    entry.jobs.push(due(&Job::Retention(retention), Some(along)));
                }
            }
            entry
        };
        Self {
            entries: model
                .schedules
                .iter()
                .map(entry)
                .filter(|entry| !entry.jobs.is_empty())
                .collect(),
        }
    }

    /// The job as it stands here.
    #[must_use]
    pub fn due(&self, job: &JobName) -> Option<&Due> {
        self.entries
            .iter()
            .flat_map(|entry| &entry.jobs)
            .find(|due| due.job == *job)
    }
}

fn entry_of(model: &Model, jobs: &BTreeMap<JobName, Job<'_>>, job: &Job<'_>, along: Option<JobName>) -> Due {
    let name = job.name();
    let mut brings = BTreeSet::new();
    let mut todo = vec![name.clone()];
    while let Some(next) = todo.pop() {
        if !brings.contains(&next) {
            todo.extend(jobs.get(&next).map(Job::needs).unwrap_or_default());
            brings.insert(next);
        }
    }
    let asleep = brings.iter().find(|job| jobs.get(job).is_some_and(Job::paused));
    let paused = match asleep {
        _ if job.paused() => Some("it is paused".to_owned()),
        Some(cause) => Some(format!("it depends on {cause}, which is paused")),
        None => None,
    };
    let gates = model.targets.iter().filter(|target| target.back_off.is_some());
    let gates = gates.map(|target| Job::Target(target).name());
    Due {
        paused,
        overlap: match job {
            Job::Target(target) => target.overlap,
            Job::Check(_) | Job::Backup(_) | Job::Retention(_) => Overlap::Skip,
        },
        gates: gates.filter(|gate| brings.contains(gate)).collect(),
        job: name,
        along,
        brings,
    }
}
