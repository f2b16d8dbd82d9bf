//! Which rules apply to the alerts of a key, and which channels receive them.
//!
//! Takes the model and a key. Pure.
//! Invariant: the log receives everything. A dead man's switch receives runs only, and runs of checks only if it names
//! the checks.

use crate::channel::scope;
use crate::channel::service::MessageScope;
use crate::model::channel::{LOG, Severity};
use crate::model::{Channel, Job, JobName, Model, StepKind, StepName};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRules {
    /// The job, where the key is one of its steps.
    pub job: Option<JobName>,
    /// Bad results in a row before trouble is reported.
    pub fail_after: u32,
    /// Good results in a row before a recovery is reported.
    pub recover_after: u32,
    /// The key whose trouble holds this one's alerts.
    pub silenced_by: Option<String>,
    pub subscribers: Vec<Subscriber>,
}

/// A channel that receives the alerts of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// The name of the channel, or [`LOG`].
    pub channel: String,
    pub min_severity: Severity,
    /// How often a state that is still bad is reported again.
    pub repeat: Option<Duration>,
}

impl AlertRules {
    /// `None` when `step` is not a step of a job in the file.
    pub fn of_step(model: &Model, step: &StepName) -> Option<Self> {
        let job = model.jobs().find(|job| job.name().steps().contains(step))?;
        let (fail_after, recover_after, silenced_by) = match job {
            Job::Check(check) => {
                let silencer = |name: &String| StepName::new(StepKind::Check, name).to_string();
                let silenced_by = check.silenced_by.as_ref().map(silencer);
                (check.fail_after, check.recover_after, silenced_by)
            }
            Job::Target(_) | Job::Backup(_) | Job::Retention(_) => (1, 1, None),
        };
        Some(Self {
            job: Some(job.name()),
            fail_after,
            recover_after,
            silenced_by,
            subscribers: subscribers(model, job.settings().notify.as_deref()),
        })
    }

    /// The ops file itself, and the clock: every channel is notified.
    pub fn of_config(model: &Model) -> Self {
        Self {
            job: None,
            fail_after: 1,
            recover_after: 1,
            silenced_by: None,
            subscribers: subscribers(model, None),
        }
    }
}

fn subscribers(model: &Model, notify: Option<&[String]>) -> Vec<Subscriber> {
    let log = Subscriber {
        channel: LOG.to_owned(),
        min_severity: Severity::Info,
        repeat: None,
    };
    let channels = notified(model, notify).filter(|channel| !receives_runs(channel));
    let channels = channels.map(|channel| Subscriber {
        channel: channel.name.clone(),
        min_severity: channel.min_severity,
        repeat: channel.repeat,
    });
    std::iter::once(log).chain(channels).collect()
}

fn notified<'a>(model: &'a Model, notify: Option<&[String]>) -> impl Iterator<Item = &'a Channel> {
    let channels = model.channels.iter();
    channels.filter(move |channel| notify.is_none_or(|names| names.contains(&channel.name)))
}

/// True when it receives the start and the end of runs, and nothing else.
pub fn receives_runs(channel: &Channel) -> bool {
    scope(&channel.kind) == MessageScope::Runs
}

/// True when several keys cannot be joined into one message, because the receiver tracks each key by itself.
pub fn tracks_keys(channel: &Channel) -> bool {
    scope(&channel.kind) != MessageScope::Changes
}

/// A channel that receives runs, and the jobs that it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFollower<'a> {
    pub channel: &'a str,
    /// It receives the runs in which one of these takes part.
    pub jobs: Vec<JobName>,
    /// A run fails when one of these does; `jobs` are among them.
    pub counted: Vec<JobName>,
}

/// The channels that receive runs. Without `job`, one follows the jobs that notify it and have a schedule, or all of them
/// if none has one. Checks are followed only where they are named.
pub fn run_followers(model: &Model) -> Vec<RunFollower<'_>> {
    let follower = |channel: &'_ Channel| {
        if let Some(jobs) = &channel.follows {
            return (jobs.clone(), jobs.clone());
        }
        let notifying = model.jobs().filter(|job| {
            let notify = job.settings().notify.as_ref();
            !matches!(job, Job::Check(_)) && notify.is_none_or(|names| names.contains(&channel.name))
        });
        let notifying: Vec<Job<'_>> = notifying.collect();
        let any_scheduled = notifying.iter().any(|job| job.schedule().is_some());
        let jobs = notifying
            .iter()
            .filter(|job| !any_scheduled || job.schedule().is_some());
        (
            jobs.map(Job::name).collect(),
            notifying.iter().map(Job::name).collect::<Vec<_>>(),
        )
    };
    let channels = model.channels.iter().filter(|channel| receives_runs(channel));
    channels
        .map(|channel| {
            let (jobs, counted) = follower(channel);
            RunFollower {
                channel: &channel.name,
                jobs,
                counted,
            }
        })
        .collect()
}
