//! From the events of a run to alerts in the outbox.
//!
//! Takes events as they are recorded, and writes the alerts about them through a [`Ledger`], in the transaction of the
//! events. The alert states are read there too, since another process may write alerts as well.
//! Invariant: no text is written before the vault has redacted it.

use super::decide::{AlertAction, KeyState, Notification};
use super::rules::{AlertRules, run_channels};
use crate::channel::message::{CLOCK, CONFIG, Message, MessageOrigin};
use crate::exec::survey;
use crate::model::channel::LOG;
use crate::model::{Model, StepName};
use crate::run::{Event, Outcome, State};
use crate::secret::Vault;
use crate::store::outbox::{Ledger, MessageState};
use crate::store::{Store, StoreError};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// The alerts of one run, or of none.
#[derive(Debug)]
pub struct AlertRecorder<'a> {
    model: &'a Model,
    vault: &'a Vault,
    origin: MessageOrigin,
    run: Option<String>,
    /// The channels that receive runs, by the steps of the jobs that notify them.
    run_channels: BTreeMap<StepName, Vec<&'a str>>,
    /// The channels that were notified of the start of this run, each with the failures that concern it.
    started: BTreeMap<&'a str, Vec<String>>,
}

impl<'a> AlertRecorder<'a> {
    pub fn new(model: &'a Model, vault: &'a Vault, run: Option<&str>) -> Self {
        let mut channels: BTreeMap<StepName, Vec<&str>> = BTreeMap::new();
        for job in model.jobs() {
            for channel in run_channels(model, &job) {
                for step in job.name().steps() {
                    channels.entry(step).or_default().push(&channel.name);
                }
            }
        }
        Self {
            model,
            vault,
            origin: MessageOrigin {
                ops: model.ops.name.clone(),
                host: survey::host(),
            },
            run: run.map(str::to_owned),
            run_channels: channels,
            started: BTreeMap::new(),
        }
    }

    pub fn events(&mut self, ledger: &Ledger<'_>, events: &[Event]) -> rusqlite::Result<()> {
        let now = crate::clock::now();
        for event in events {
            match event {
                Event::StepStarted { step } => self.step_started(ledger, step, now)?,
                Event::StepFinished { step, outcome } => self.step_finished(ledger, step, outcome, now)?,
                Event::RunFinished { .. } => {
                    self.run_finished(ledger, now)?;
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
                Event::StepFinished { step, outcome } => self.note_failure(step, outcome),
                _ => {}
            }
        }
        let help = "`opsrun history` shows what happened before, and `opsrun status` what is still at work";
        let outcome = Outcome {
            help: Some(help.to_owned()),
            ..Outcome::new(State::Interrupted, "the run was interrupted")
        };
        for step in unfinished {
            self.step_finished(ledger, step, &outcome, now)?;
        }
        for failures in self.started.values_mut().filter(|failures| failures.is_empty()) {
            failures.push("the run was interrupted".to_owned());
        }
        self.run_finished(ledger, now)
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
        let Some(rules) = self.rules(key) else {
            return Ok(());
        };
        let before = state(ledger, key)?;
        let silenced = is_silenced(ledger, &rules)?;
        let (after, actions) = before.after(&rules, &self.redacted(outcome), silenced, now);
        self.write(ledger, key, &rules, (&before, &after), actions, now)
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
        self.result(ledger, &step.to_string(), outcome, now)
    }

    /// For a channel that receives runs, the run starts with the first step of a job that notifies it.
    fn step_started(&mut self, ledger: &Ledger<'_>, step: &StepName, now: DateTime<Utc>) -> rusqlite::Result<()> {
        let run = self.run.clone().unwrap_or_default();
        for channel in self.first_seen(step) {
            let message = Message::of_run(&self.origin, &run, None, "the run has started", now);
            self.enqueue(ledger, channel, message, MessageState::Pending)?;
        }
        Ok(())
    }

    /// The channels for which this is the first step of the run.
    fn first_seen(&mut self, step: &StepName) -> Vec<&'a str> {
        let mut first = Vec::new();
        for channel in self.run_channels.get(step).into_iter().flatten() {
            self.started.entry(channel).or_insert_with(|| {
                first.push(*channel);
                Vec::new()
            });
        }
        first
    }

    fn note_failure(&mut self, step: &StepName, outcome: &Outcome) {
        if outcome.state.opens() || outcome.state == State::Paused {
            return;
        }
        for channel in self.run_channels.get(step).into_iter().flatten() {
            let failure = format!("{step} {}: {}", outcome.state.predicate(), outcome.summary);
            self.started.entry(channel).or_default().push(failure);
        }
    }

    fn run_finished(&mut self, ledger: &Ledger<'_>, now: DateTime<Utc>) -> rusqlite::Result<()> {
        let run = self.run.clone().unwrap_or_default();
        for (channel, failures) in std::mem::take(&mut self.started) {
            let (state, summary) = match failures.first() {
                None => (State::Ok, "the run succeeded"),
                Some(first) => (State::Failed, first.as_str()),
            };
            let mut message = Message::of_run(&self.origin, &run, Some(state), summary, now);
            message.details.clone_from(&failures);
            self.enqueue(ledger, channel, message, MessageState::Pending)?;
        }
        Ok(())
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
            message.run.clone_from(&self.run);
            self.enqueue(ledger, &notification.channel, message, state)
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
