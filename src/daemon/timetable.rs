//! The schedules of a model and the jobs that run on them.
//!
//! Takes a [`Model`], gives a [`Timetable`]: each schedule with its jobs, what every job needs, and what may keep it
//! from running. Pure; knows no clock and no store.
//! Invariant: every job with a schedule is in it once; so is a retention without one, beside its backup.

use crate::launch::locked_directories;
use crate::model::schedule::Schedule;
use crate::model::{Job, JobName, Model, Overlap};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub struct Timetable {
    /// The `ops` name.
    pub ops: String,
    /// In the order of the model, without schedules that have no jobs.
    pub entries: Vec<TimetableEntry>,
}

/// A schedule and the jobs that run on it.
#[derive(Debug, Clone)]
pub struct TimetableEntry {
    pub schedule: Schedule,
    pub definition: String,
    /// Delay of its runs after its instants.
    pub jitter: Duration,
    pub jobs: Vec<ScheduledJob>,
}

#[derive(Debug, Clone)]
pub struct ScheduledJob {
    pub job: JobName,
    /// The backup that it runs with, if it has no schedule of its own.
    pub along: Option<JobName>,
    /// Why no run includes it.
    pub paused: Option<String>,
    /// What happens if it is still running.
    pub overlap: Overlap,
    /// The job and everything that it needs.
    pub brings: BTreeSet<JobName>,
    /// The sources and destinations of the backups among them, which a run locks.
    pub directories: BTreeSet<PathBuf>,
    /// The targets among them that have a back-off.
    pub gates: Vec<JobName>,
}

impl Timetable {
    pub fn new(model: &Model) -> Self {
        let jobs: BTreeMap<JobName, Job<'_>> = model.jobs().map(|job| (job.name(), job)).collect();
        let scheduled = |job: &Job<'_>, along: Option<JobName>| scheduled_job(model, &jobs, job, along);
        let entry = |schedule: &Schedule| {
            let own = model.jobs().filter(|job| job.schedule() == Some(&*schedule.name));
            let mut entry = TimetableEntry {
                schedule: schedule.clone(),
                definition: schedule.definition(),
                jitter: schedule.jitter_of(&model.ops.name),
                jobs: own.map(|job| scheduled(&job, None)).collect(),
            };
            let backups = model.backups.iter();
            let backups = backups.filter(|b| b.job.schedule.as_ref() == Some(&schedule.name));
            for (backup, retention) in backups.flat_map(|b| model.retentions_of(&b.name).map(move |r| (b, r))) {
                if retention.job.schedule.is_none() {
                    let along = Job::Backup(backup).name();
                    entry.jobs.push(scheduled(&Job::Retention(retention), Some(along)));
                }
            }
            entry
        };
        let entries = model.schedules.iter().map(entry);
        Self {
            ops: model.ops.name.clone(),
            entries: entries.filter(|entry| !entry.jobs.is_empty()).collect(),
        }
    }

    /// A job with the entry in which it is.
    pub fn find(&self, job: &JobName) -> Option<(&TimetableEntry, &ScheduledJob)> {
        let mut entries = self.entries.iter();
        entries.find_map(|entry| Some((entry, entry.jobs.iter().find(|scheduled| scheduled.job == *job)?)))
    }

    pub fn job(&self, job: &JobName) -> Option<&ScheduledJob> {
        Some(self.find(job)?.1)
    }
}

fn scheduled_job(
    model: &Model,
    jobs: &BTreeMap<JobName, Job<'_>>,
    job: &Job<'_>,
    along: Option<JobName>,
) -> ScheduledJob {
    let name = job.name();
    let mut brings = BTreeSet::new();
    let mut todo = vec![name.clone()];
    while let Some(next) = todo.pop() {
        if !brings.contains(&next) {
            todo.extend(jobs.get(&next).map(Job::needs).unwrap_or_default());
            brings.insert(next);
        }
    }
    let paused_need = brings.iter().find(|job| jobs.get(job).is_some_and(Job::paused));
    let paused = match paused_need {
        _ if job.paused() => Some("it is paused".to_owned()),
        Some(cause) => Some(format!("it needs {cause}, which is paused")),
        None => None,
    };
    let gates = model.targets.iter().filter(|target| target.back_off.is_some());
    let gates = gates.map(|target| Job::Target(target).name());
    ScheduledJob {
        paused,
        overlap: match job {
            Job::Target(target) => target.overlap,
            Job::Check(_) | Job::Backup(_) | Job::Retention(_) => Overlap::Skip,
        },
        gates: gates.filter(|gate| brings.contains(gate)).collect(),
        job: name,
        along,
        directories: locked_directories(model, &brings),
        brings,
    }
}
