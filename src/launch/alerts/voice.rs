//! From what happens in a run to messages in the outbox.
//!
//! Takes events as they are recorded, and writes what is told of them through a [`Ledger`]: in the transaction of the
//! events. What was told so far is read there too, since another process may tell as well.
//! Invariant: no text is written that was not put through the vault.

use crate::alert::decide::Speech;
use crate::alert::{Act, KeyState, Message, Origin, Terms};
use crate::exec::survey;
use crate::model::channel::LOG;
use crate::model::{Model, StepName};
use crate::run::{Event, Outcome, State};
use crate::secret::Vault;
use crate::store::outbox::{Done, Ledger, NewMessage, Stand};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

pub(in crate::launch) struct Voice<'a> {
    model: &'a Model,
    vault: &'a Vault,
    origin: Origin,
    run: Option<String>,
    /// Channels that count runs, by the steps of the jobs that they are told of.
    counters: BTreeMap<StepName, Vec<&'a str>>,
    /// Of these runs: which were told that it began, and what went wrong for them.
    counted: BTreeMap<&'a str, Vec<String>>,
}

impl<'a> Voice<'a> {
    pub(in crate::launch) fn new(model: &'a Model, vault: &'a Vault, run: Option<&str>) -> Self {
        let mut counters: BTreeMap<StepName, Vec<&str>> = BTreeMap::new();
        for job in model.jobs() {
            for channel in crate::alert::terms::counters(model, job) {
                for step in job.name().steps() {
                    counters.entry(step).or_default().push(&channel.name);
                }
            }
        }
        Self {
            model,
            vault,
            origin: Origin {
                ops: model.ops.name.clone(),
                host: survey::host(),
            },
            run: run.map(str::to_owned),
            counters,
            counted: BTreeMap::new(),
        }
    }

    /// Tells of events, in their order.
    pub(in crate::launch) fn events(&mut self, ledger: &Ledger<'_>, events: &[Event]) -> Done<()> {
        let now = crate::clock::now();
        for event in events {
            match event {
                Event::StepStarted { step } => self.taking_part(ledger, step, now)?,
                Event::StepFinished { step, outcome } => self.finished(ledger, step, outcome, now)?,
                Event::RunFinished { .. } => {
                    self.counted(ledger, now)?;
                    self.later(ledger, now)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Tells of a run that ended without a word, of which this is recorded.
    pub(in crate::launch) fn cut_short(&mut self, ledger: &Ledger<'_>, events: &[Event]) -> Done<()> {
        let now = crate::clock::now();
        let mut open: BTreeSet<&StepName> = BTreeSet::new();
        for event in events {
            match event {
                Event::StepStarted { step } => {
                    self.note_part(step);
                    open.insert(step);
                }
                Event::StepFinished { step, outcome } => {
                    self.note(step, outcome);
                    open.remove(step);
                }
                _ => {}
            }
        }
        let outcome = Outcome {
            state: State::Interrupted,
            summary: "its run was cut short".to_owned(),
            help: Some(
                "`opsrun history` shows what happened before; commands that it had started may still be running"
                    .to_owned(),
            ),
            details: Vec::new(),
        };
        for step in open {
            self.finished(ledger, step, &outcome, now)?;
        }
        for wrong in self.counted.values_mut().filter(|wrong| wrong.is_empty()) {
            wrong.push("the run was cut short".to_owned());
        }
        self.counted(ledger, now)
    }

    /// Tells of what time alone has made due: repetitions, and what has settled.
    pub(in crate::launch) fn later(&self, ledger: &Ledger<'_>, now: DateTime<Utc>) -> Done<()> {
        for (key, json) in ledger.alert_states()? {
            let before: KeyState = serde_json::from_str(&json).unwrap_or_default();
            let Some(terms) = self.terms(&key).filter(|_| !before.is_idle(now)) else {
                continue;
            };
            let silenced = silenced(ledger, &terms)?;
            let (after, acts) = before.later(&terms, silenced, now);
            self.write(ledger, &key, &terms, (&before, &after), acts, now)?;
        }
        Ok(())
    }

    pub(in crate::launch) fn result(
        &self,
        ledger: &Ledger<'_>,
        key: &str,
        outcome: &Outcome,
        now: DateTime<Utc>,
    ) -> Done<()> {
        let Some(terms) = self.terms(key) else {
            return Ok(());
        };
        let before = state(ledger, key)?;
        let silenced = silenced(ledger, &terms)?;
        let (after, acts) = before.after(&terms, &self.clean(outcome), silenced, now);
        self.write(ledger, key, &terms, (&before, &after), acts, now)
    }

    fn terms(&self, key: &str) -> Option<Terms> {
        if key == crate::channel::message::CONFIG {
            return Some(Terms::of_config(self.model));
        }
        Terms::of_step(self.model, &key.parse().ok()?)
    }

    fn finished(&mut self, ledger: &Ledger<'_>, step: &StepName, outcome: &Outcome, now: DateTime<Utc>) -> Done<()> {
        if outcome.state != State::Paused {
            self.taking_part(ledger, step, now)?;
            self.note(step, outcome);
        }
        self.result(ledger, &step.to_string(), outcome, now)
    }

    /// The run begins for whoever counts the runs of this step's job.
    fn taking_part(&mut self, ledger: &Ledger<'_>, step: &StepName, now: DateTime<Utc>) -> Done<()> {
        let run = self.run.clone().unwrap_or_default();
        for channel in self.note_part(step) {
            let message = Message::of_run(&self.origin, &run, None, "the run has begun", now);
            self.enqueue(ledger, channel, message, Stand::Pending)?;
        }
        Ok(())
    }

    /// The channels for which this is the first step of the run.
    fn note_part(&mut self, step: &StepName) -> Vec<&'a str> {
        let channels = self.counters.get(step).cloned().unwrap_or_default();
        let mut first = Vec::new();
        for channel in channels {
            self.counted.entry(channel).or_insert_with(|| {
                first.push(channel);
                Vec::new()
            });
        }
        first
    }

    fn note(&mut self, step: &StepName, outcome: &Outcome) {
        if outcome.state.opens() || outcome.state == State::Paused {
            return;
        }
        for channel in self.note_part_of(step) {
            if let Some(wrong) = self.counted.get_mut(channel) {
                wrong.push(format!("{step} is {}: {}", outcome.state.word(), outcome.summary));
            }
        }
    }

    fn note_part_of(&mut self, step: &StepName) -> Vec<&'a str> {
        self.note_part(step);
        self.counters.get(step).cloned().unwrap_or_default()
    }

    /// The run is over for whoever counts it.
    fn counted(&mut self, ledger: &Ledger<'_>, now: DateTime<Utc>) -> Done<()> {
        let run = self.run.clone().unwrap_or_default();
        for (channel, wrong) in std::mem::take(&mut self.counted) {
            let (state, summary) = match wrong.first() {
                None => (State::Ok, "the run succeeded"),
                Some(first) => (State::Failed, first.as_str()),
            };
            let mut message = Message::of_run(&self.origin, &run, Some(state), summary, now);
            message.details.clone_from(&wrong);
            self.enqueue(ledger, channel, message, Stand::Pending)?;
        }
        Ok(())
    }

    fn write(
        &self,
        ledger: &Ledger<'_>,
        key: &str,
        terms: &Terms,
        (before, after): (&KeyState, &KeyState),
        acts: Vec<Act>,
        now: DateTime<Utc>,
    ) -> Done<()> {
        for act in acts {
            match act {
                Act::Tell(speech) => {
                    // What the log is told stands in the events; here it is kept that it was.
                    let stand = if speech.channel == LOG {
                        Stand::Sent
                    } else {
                        Stand::Pending
                    };
                    self.say(ledger, key, terms, after, &speech, stand, now)?;
                }
                Act::Hold(speech) => self.say(ledger, key, terms, after, &speech, Stand::Held, now)?,
                Act::Release(channel) => ledger.release(&channel, key, now)?,
                Act::Drop(channel) => ledger.drop_held(&channel, key, now)?,
            }
        }
        if before == after || (before.is_idle(now) && after.is_idle(now)) {
            return Ok(());
        }
        ledger.remember_alert_state(key, &json(after)?, now)
    }

    #[expect(clippy::too_many_arguments, reason = "all that a message is made of")]
    fn say(
        &self,
        ledger: &Ledger<'_>,
        key: &str,
        terms: &Terms,
        state: &KeyState,
        speech: &Speech,
        stand: Stand,
        now: DateTime<Utc>,
    ) -> Done<()> {
        let mut message = state.message(&self.origin, key, terms, speech, now);
        message.run.clone_from(&self.run);
        self.enqueue(ledger, &speech.channel, message, stand)
    }

    fn enqueue(&self, ledger: &Ledger<'_>, channel: &str, message: Message, stand: Stand) -> Done<()> {
        let message = message.cleaned(&|text| self.vault.redact(text));
        ledger.enqueue(&row(channel, &message)?, stand)
    }

    fn clean(&self, outcome: &Outcome) -> Outcome {
        let clean = |text: &String| self.vault.redact(text);
        Outcome {
            state: outcome.state,
            summary: clean(&outcome.summary),
            help: outcome.help.as_ref().map(clean),
            details: outcome.details.iter().map(clean).collect(),
        }
    }
}

/// A message as the store keeps it.
pub(super) fn row(channel: &str, message: &Message) -> Done<NewMessage> {
    Ok(NewMessage {
        id: message.id.clone(),
        channel: channel.to_owned(),
        key: message.key.clone(),
        kind: message.kind.word().to_owned(),
        severity: message.severity.word().to_owned(),
        at: message.at,
        json: json(message)?,
    })
}

fn json(value: &impl serde::Serialize) -> Done<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// What is remembered; of what cannot be read, nothing.
fn state(ledger: &Ledger<'_>, key: &str) -> Done<KeyState> {
    let json = ledger.alert_state(key)?;
    Ok(json
        .and_then(|json| serde_json::from_str(&json).ok())
        .unwrap_or_default())
}

fn silenced(ledger: &Ledger<'_>, terms: &Terms) -> Done<bool> {
    match &terms.silenced_by {
        Some(other) => Ok(state(ledger, other)?.silences()),
        None => Ok(false),
    }
}
