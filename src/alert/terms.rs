//! By what it is decided who is told of a key.
//!
//! Takes the model and a key, gives the settings that apply. Pure.
//! Invariant: the log hears of everything, and a dead man's switch of runs alone.

use crate::channel::{service::MessageScope, spec};
use crate::model::channel::{ChannelKind, LOG, Severity};
use crate::model::{Channel, Job, JobName, Model, StepKind, StepName};
use std::time::Duration;

/// By what it is decided what is told of one key, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The job, where the key is that of a step.
    pub job: Option<JobName>,
    /// Bad results in a row before somebody is told.
    pub fail_after: u32,
    /// Good results in a row before it counts as recovered.
    pub recover_after: u32,
    /// The key whose trouble holds this one's alerts.
    pub silenced_by: Option<String>,
    pub listeners: Vec<Listener>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The name of the channel, or [`LOG`].
    pub channel: String,
    /// What is less is not told here.
    pub min_severity: Severity,
    /// How often what is still bad is told again.
    pub repeat: Option<Duration>,
}

impl Listener {
    fn of(channel: &Channel) -> Self {
        Self {
            channel: channel.name.clone(),
            min_severity: channel.min_severity,
            repeat: channel.repeat,
        }
    }

    fn log() -> Self {
        Self {
            channel: LOG.to_owned(),
            min_severity: Severity::Info,
            repeat: None,
        }
    }
}

impl Terms {
    /// Of a step; `None` when it is no step of a job of the file.
    #[must_use]
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
            listeners: listeners(model, job.notify()),
        })
    }

    /// Of the ops file itself: everybody is told.
    #[must_use]
    pub fn of_config(model: &Model) -> Self {
        Self {
            job: None,
            fail_after: 1,
            recover_after: 1,
            silenced_by: None,
            listeners: listeners(model, None),
        }
    }
}

fn listeners(model: &Model, notify: Option<&[String]>) -> Vec<Listener> {
    let named = |channel: &&Channel| notify.is_none_or(|names| names.contains(&channel.name));
    let told = model
        .channels
        .iter()
        .filter(|channel| !counts_runs(channel))
        .filter(named);
    std::iter::once(Listener::log()).chain(told.map(Listener::of)).collect()
}

fn scope(channel: &Channel) -> MessageScope {
    match &channel.kind {
        ChannelKind::Web(web) => spec(web.service).scope,
        ChannelKind::Email(_) | ChannelKind::Command(_) => MessageScope::Changes,
    }
}

/// True when it receives the start and the end of runs, and nothing else.
#[must_use]
pub fn counts_runs(channel: &Channel) -> bool {
    scope(channel) == MessageScope::Runs
}

/// True when several keys cannot be joined into one message, because the receiver tracks each key by itself.
#[must_use]
pub fn follows_keys(channel: &Channel) -> bool {
    scope(channel) != MessageScope::Changes
}

/// The channels that are told of runs in which a job takes part.
pub fn counters<'a>(model: &'a Model, job: Job<'a>) -> impl Iterator<Item = &'a Channel> {
    let named = move |channel: &&Channel| job.notify().is_none_or(|names| names.contains(&channel.name));
    model
        .channels
        .iter()
        .filter(|channel| counts_runs(channel))
        .filter(named)
}
