//! From the events of a run to alerts in the outbox.
//!
//! Takes events as they are recorded, and writes the alerts about them through a [`Ledger`], in the transaction of the
//! events. The alert states are read there too, since another process may write alerts as well.
//! Invariant: no text is written before the vault has redacted it.

use super::decide::{AlertAction, KeyState, Notification};
use super::rules::{AlertRules, RunFollower, run_followers};
use crate::channel::message::{CLOCK, CONFIG, Message, MessageOrigin};
use crate::exec::survey;
use crate::model::channel::{LOG, Severity};
use crate::model::command::shell_line;
use crate::model::{JobName, Model, StepName};
use crate::run::{Event, Outcome, State};
use crate::secret::Vault;
use crate::store::outbox::{Ledger, MessageState};
use crate::store::{Store, StoreError};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::path::Path;

/// The alerts of one run, or of none.
#[derive(Debug)]
pub struct AlertRecorder<'a> {
    model: &'a Model,
    vault: &'a Vault,
    origin: MessageOrigin,
    run: Option<String>,
    /// The channels that receive runs.
    followers: Vec<RunFollower<'a>>,
    /// Those that were notified of the start of this run.
    started: BTreeSet<&'a str>,
    /// Steps of this run that failed, each with what happened.
    failed: Vec<(StepName, State, String)>,
    /// The jobs that took part in this run.
    took_part: BTreeSet<JobName>,
}

/// Where commands look for an ops file that is not named.
const SYSTEM_FILE: &str = "/etc/opsrun/ops.kdl";

impl<'a> AlertRecorder<'a> {
    pub fn new(model: &'a Model, vault: &'a Vault, run: Option<&str>) -> Self {
        Self {
            model,
            vault,
            origin: MessageOrigin {
                ops: model.ops.name.clone(),
                host: survey::host(),
            },
            run: run.map(str::to_owned),
            followers: run_followers(model),
            started: BTreeSet::new(),
            failed: Vec::new(),
            took_part: BTreeSet::new(),
        }
    }

    pub fn events(&mut self, ledger: &Ledger<'_>, events: &[Event]) -> rusqlite::Result<()> {
        let now = crate::clock::now();
        for event in events {
            match event {
                Event::StepStarted { step } => self.step_started(ledger, step, now)?,
                Event::StepFinished { step, outcome } => self.step_finished(ledger, step, outcome, now)?,
                Event::RunFinished { .. } => {
                    self.finish_run(ledger, None, now)?;
                    self.time_passed(ledger, now)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A run whose process is gone. `events` are all that it recorded, `unfinished` the steps that it had started.
    pub fn interrupted(
        &mut self,
        ledger: &Ledger<'_>,
        events: &[Event],
        unfinished: &[StepName],
    ) -> rusqlite::Result<()> {
        let now = crate::clock::now();
        for event in events {
            match event {
                Event::StepStarted { step } => drop(self.first_seen(step)),
                Event::StepFinished { step, outcome } if outcome.state != State::Paused => {
                    self.first_seen(step);
                    self.note_failure(step, outcome);
                }
                _ => {}
            }
        }
        let help = "`opsrun status` shows what is still at work";
        let outcome = Outcome {
            help: Some(help.to_owned()),
            ..Outcome::new(State::Interrupted, "the run was interrupted")
        };
        for step in unfinished {
            self.step_finished(ledger, step, &outcome, now)?;
        }
        self.finish_run(ledger, Some("the run was interrupted"), now)
    }

    /// Repetitions, and states that have settled without a result.
    pub fn time_passed(&self, ledger: &Ledger<'_>, now: DateTime<Utc>) -> rusqlite::Result<()> {
        for (key, json) in ledger.alert_states()? {
            let before: KeyState = serde_json::from_str(&json).unwrap_or_default();
            let Some(rules) = self.rules(&key).filter(|_| !before.is_idle(now)) else {
                continue;
            };
            let silenced = is_silenced(ledger, &rules)?;
            let (after, actions) = before.later(&rules, silenced, now);
            self.write(ledger, &key, &rules, (&before, &after), actions, now)?;
        }
        Ok(())
    }

    fn result(&self, ledger: &Ledger<'_>, key: &str, outcome: &Outcome, now: DateTime<Utc>) -> rusqlite::Result<()> {
        match self.rules(key) {
            Some(rules) => self.result_by(ledger, key, &rules, outcome, now),
            None => Ok(()),
        }
    }

    fn result_by(
        &self,
        ledger: &Ledger<'_>,
        key: &str,
        rules: &AlertRules,
        outcome: &Outcome,
        now: DateTime<Utc>,
    ) -> rusqlite::Result<()> {
        let before = state(ledger, key)?;
        let silenced = is_silenced(ledger, rules)?;
        let outcome = self.redacted(outcome);
        let (mut after, actions) = before.after(rules, &outcome, silenced, now);
        if after.last.as_ref() == Some(&outcome) {
            after.run.clone_from(&self.run);
        }
        self.write(ledger, key, rules, (&before, &after), actions, now)
    }

    fn rules(&self, key: &str) -> Option<AlertRules> {
        if matches!(key, CONFIG | CLOCK) {
            return Some(AlertRules::of_config(self.model));
        }
        AlertRules::of_step(self.model, &key.parse().ok()?)
    }

    fn step_finished(
        &mut self,
        ledger: &Ledger<'_>,
        step: &StepName,
        outcome: &Outcome,
        now: DateTime<Utc>,
    ) -> rusqlite::Result<()> {
        if outcome.state != State::Paused {
            self.step_started(ledger, step, now)?;
            self.note_failure(step, outcome);
        }
        let Some(mut rules) = AlertRules::of_step(self.model, step) else {
            return Ok(());
        };
        let key = step.to_string();
        if outcome.state == State::Blocked && self.is_explained(&rules) && !state(ledger, &key)?.is_known() {
            rules.subscribers.retain(|to| to.channel == LOG);
        }
        self.result_by(ledger, &key, &rules, outcome, now)
    }

    /// One cause, one message: each channel that would be notified of a blocked step is notified of a step of this run that
    /// failed.
    fn is_explained(&self, rules: &AlertRules) -> bool {
        let causes = self.failed.iter().filter(|(_, state, _)| *state != State::Blocked);
        let causes: Vec<AlertRules> = causes
            .filter_map(|(cause, ..)| AlertRules::of_step(self.model, cause))
            .collect();
        let explains = |to: &str| {
            let mut subscribers = causes.iter().flat_map(|cause| &cause.subscribers);
            subscribers.any(|known| known.channel == to)
        };
        let concerned = rules.subscribers.iter();
        let mut concerned = concerned.filter(|to| to.channel != LOG && to.min_severity == Severity::Info);
        !causes.is_empty() && concerned.all(|to| explains(&to.channel))
    }

    /// For a channel that receives runs, the run starts with the first step of a job that it follows.
    fn step_started(&mut self, ledger: &Ledger<'_>, step: &StepName, now: DateTime<Utc>) -> rusqlite::Result<()> {
        let run = self.run.clone().unwrap_or_default();
        for channel in self.first_seen(step) {
            let message = Message::of_run(&self.origin, &run, None, "the run has started", now);
            self.enqueue(ledger, channel, self.shown(message), MessageState::Pending)?;
        }
        Ok(())
    }

    /// The channels for which this is the first step of the run.
    fn first_seen(&mut self, step: &StepName) -> Vec<&'a str> {
        let job = step.job();
        let mut first = Vec::new();
        for follower in &self.followers {
            if follower.jobs.contains(&job) && self.started.insert(follower.channel) {
                first.push(follower.channel);
            }
        }
        self.took_part.insert(job);
        first
    }

    fn note_failure(&mut self, step: &StepName, outcome: &Outcome) {
        if outcome.state.opens() || outcome.state == State::Paused {
            return;
        }
        let failure = format!("{step} {}: {}", outcome.state.predicate(), outcome.summary);
        self.failed.push((step.clone(), outcome.state, failure));
    }

    /// Reports the end of this run. `interruption`: why it ended early.
    fn finish_run(
        &mut self,
        ledger: &Ledger<'_>,
        interruption: Option<&str>,
        now: DateTime<Utc>,
    ) -> rusqlite::Result<()> {
        let run = self.run.clone().unwrap_or_default();
        let (started, failed) = (std::mem::take(&mut self.started), std::mem::take(&mut self.failed));
        for follower in self
            .followers
            .iter()
            .filter(|follower| started.contains(follower.channel))
        {
            let concerns = |step: &StepName| follower.counted.contains(&step.job());
            let failures = failed.iter().filter(|(step, ..)| concerns(step));
            let mut failures: Vec<String> = failures.map(|(.., failure)| failure.clone()).collect();
            if failures.is_empty() {
                failures.extend(interruption.map(str::to_owned));
            }
            // The failure of a job lasts until that job succeeds, whatever else does.
            for job in follower.jobs.iter().filter(|job| !self.took_part.contains(job)) {
                failures.extend(self.lasting_failure(ledger, job)?);
            }
            let (state, summary) = match failures.first() {
                None => (State::Ok, "the run succeeded"),
                Some(first) => (State::Failed, first.as_str()),
            };
            let mut message = Message::of_run(&self.origin, &run, Some(state), summary, now);
            message.details.clone_from(&failures);
            self.enqueue(ledger, follower.channel, self.shown(message), MessageState::Pending)?;
        }
        Ok(())
    }

    /// How a job that is not in this run failed the last time.
    fn lasting_failure(&self, ledger: &Ledger<'_>, job: &JobName) -> rusqlite::Result<Option<String>> {
        let paused = self.model.jobs().any(|known| known.name() == *job && known.paused());
        for step in job.steps().into_iter().filter(|_| !paused) {
            let known = state(ledger, &step.to_string())?;
            let failed = known.state.filter(|state| known.bad.is_some() && !state.opens());
            if let Some(state) = failed {
                let summary = known.last.map_or_else(String::new, |last| last.summary);
                return Ok(Some(format!(
                    "{step} {} since an earlier run: {summary}",
                    state.predicate()
                )));
            }
        }
        Ok(None)
    }

    /// With the command that shows its run.
    fn shown(&self, mut message: Message) -> Message {
        let file = self
            .model
            .ops
            .files
            .first()
            .filter(|file| **file != Path::new(SYSTEM_FILE));
        message.show = message.run.as_ref().map(|run| {
            let mut words = ["opsrun", "history", run].map(str::to_owned).to_vec();
            words.extend(
                file.iter()
                    .flat_map(|file| ["-f".to_owned(), file.to_string_lossy().into_owned()]),
            );
            if self.model.ops.state_named {
                let place = self.model.ops.state_dir.to_string_lossy();
                words.extend(["--state-dir".to_owned(), place.into_owned()]);
            }
            shell_line(&words)
        });
        message
    }

    fn write(
        &self,
        ledger: &Ledger<'_>,
        key: &str,
        rules: &AlertRules,
        (before, after): (&KeyState, &KeyState),
        actions: Vec<AlertAction>,
        now: DateTime<Utc>,
    ) -> rusqlite::Result<()> {
        let enqueue = |notification: &Notification, state| {
            let mut message = after.message(&self.origin, key, rules, notification, now);
            // Time alone has no run: then it is the run of the last result.
            message.run = self.run.clone().or_else(|| after.run.clone());
            self.enqueue(ledger, &notification.channel, self.shown(message), state)
        };
        for action in actions {
            match action {
                // The log shows the events themselves; the outbox only remembers that it was notified.
                AlertAction::Notify(notification) if notification.channel == LOG => {
                    enqueue(&notification, MessageState::Sent)?;
                }
                AlertAction::Notify(notification) => enqueue(&notification, MessageState::Pending)?,
                AlertAction::Hold(notification) => enqueue(&notification, MessageState::Held)?,
                AlertAction::Release(channel) => ledger.release(&channel, key, now)?,
                AlertAction::Drop(channel) => ledger.drop_held(&channel, key, now)?,
            }
        }
        if before == after || (before.is_idle(now) && after.is_idle(now)) {
            return Ok(());
        }
        let json =
            serde_json::to_string(after).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        ledger.remember_alert_state(key, &json, now)
    }

    fn enqueue(&self, ledger: &Ledger<'_>, to: &str, message: Message, state: MessageState) -> rusqlite::Result<()> {
        ledger.enqueue(to, &message.cleaned(&|text| self.vault.redact(text)), state)
    }

    fn redacted(&self, outcome: &Outcome) -> Outcome {
        let redact = |text: &String| self.vault.redact(text);
        Outcome {
            state: outcome.state,
            summary: redact(&outcome.summary),
            help: outcome.help.as_ref().map(redact),
            details: outcome.details.iter().map(redact).collect(),
        }
    }
}

/// Reports what is due because time has passed. For a process that runs for long.
pub fn report_time(model: &Model, store: &Store, vault: &Vault) -> Result<(), StoreError> {
    let recorder = AlertRecorder::new(model, vault, None);
    store.write_alerts(&mut |ledger| recorder.time_passed(ledger, crate::clock::now()))
}

/// Reports whether the ops file could be read again.
pub fn report_config(model: &Model, store: &Store, vault: &Vault, outcome: &Outcome) -> Result<(), StoreError> {
    let recorder = AlertRecorder::new(model, vault, None);
    store.write_alerts(&mut |ledger| recorder.result(ledger, CONFIG, outcome, crate::clock::now()))
}

/// Reports whether the schedules follow the clock.
pub fn report_clock(model: &Model, store: &Store, vault: &Vault, outcome: &Outcome) -> Result<(), StoreError> {
    let recorder = AlertRecorder::new(model, vault, None);
    store.write_alerts(&mut |ledger| recorder.result(ledger, CLOCK, outcome, crate::clock::now()))
}

/// A state that cannot be read counts as none.
fn state(ledger: &Ledger<'_>, key: &str) -> rusqlite::Result<KeyState> {
    let state = ledger
        .alert_state(key)?
        .and_then(|json| serde_json::from_str(&json).ok());
    Ok(state.unwrap_or_default())
}

fn is_silenced(ledger: &Ledger<'_>, rules: &AlertRules) -> rusqlite::Result<bool> {
    match &rules.silenced_by {
        Some(other) => Ok(state(ledger, other)?.silences()),
        None => Ok(false),
    }
}
