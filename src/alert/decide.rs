//! When to notify a channel, and when to be silent.
//!
//! Takes what is known of a key ([`KeyState`]), which channels are notified ([`AlertRules`]) and a result; gives the new
//! state and the actions. Pure: `now` is an argument.
//! - Only changes are reported: trouble after `fail-after` bad results in a row, a recovery after `recover-after` good
//!   ones, and another severity at once. A channel that was notified of trouble is notified how it goes on, whatever its
//!   `min-severity`.
//! - [`FLAPPING_CHANGES`] changes within [`FLAPPING_WINDOW`] are flapping. Each channel that heard of one of these changes,
//!   or would by its `min-severity`, is notified once, with the worst severity among them. Then nothing is sent until the
//!   state has settled: [`SETTLING_RESULTS`] equal results in a row, or [`SETTLING_TIME`] without a change. The settled
//!   state is always reported.
//! - Flapping that settled by equal results continues with the next change: only [`SETTLING_TIME`] without a change ends
//!   it. A further burst sends no second notification of the flapping, only how it settles.
//! - While another key silences this one, trouble is held, the newest of each channel. It is released when the other key
//!   recovers, and dropped when this one recovers first.
//! - A result that says nothing about its subject (blocked, interrupted, paused) never lowers a known severity.
//!
//! Invariant: a channel receives a recovery only if it received the trouble, and the last message that it received is the
//! present state, once that has settled.

use super::rules::{AlertRules, Subscriber};
use crate::channel::message::{Message, MessageKind, MessageOrigin};
use crate::model::channel::{LOG, Severity};
use crate::run::{Outcome, State};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub const FLAPPING_CHANGES: usize = 5;
pub const FLAPPING_WINDOW: TimeDelta = TimeDelta::minutes(30);
pub const SETTLING_RESULTS: u32 = 3;
pub const SETTLING_TIME: TimeDelta = TimeDelta::minutes(10);

/// `None` is good. A paused job has no severity.
pub fn severity_of(state: State) -> Option<Severity> {
    match state {
        State::Ok | State::Nothing | State::Paused => None,
        State::Blocked => Some(Severity::Info),
        State::Warning | State::Partial | State::Interrupted => Some(Severity::Warning),
        State::Critical | State::Unknown | State::Failed | State::Refused | State::NoSpace => Some(Severity::Critical),
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyState {
    /// After `fail-after` and `recover-after`; `None` is good.
    pub bad: Option<Severity>,
    pub last: Option<Outcome>,
    /// The run of `last`.
    pub run: Option<String>,
    /// The state of the result that set `bad`.
    pub state: Option<State>,
    bad_in_a_row: u32,
    good_in_a_row: u32,
    /// Results of the same severity in a row.
    equal_in_a_row: u32,
    /// The newest changes, oldest first; at most [`FLAPPING_CHANGES`].
    changes: Vec<SeverityChange>,
    pub flapping: bool,
    /// Channels that were notified of the flapping, or will be when they are no longer silenced. Kept after it settled,
    /// until nothing has changed for [`SETTLING_TIME`].
    flapping_notified: BTreeSet<String>,
    /// Trouble that was reported and is not over, by channel.
    #[serde(rename = "told")]
    open: BTreeMap<String, OpenAlert>,
    /// Trouble that is held, by channel.
    held: BTreeMap<String, OpenAlert>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredChange")]
struct SeverityChange {
    at: DateTime<Utc>,
    /// The worse of the severities before and after it.
    severity: Severity,
    /// Channels that were notified of it.
    notified: BTreeSet<String>,
}

/// Earlier versions stored the time alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredChange {
    Time(DateTime<Utc>),
    Change {
        at: DateTime<Utc>,
        severity: Severity,
        notified: BTreeSet<String>,
    },
}

impl From<StoredChange> for SeverityChange {
    fn from(stored: StoredChange) -> Self {
        match stored {
            StoredChange::Time(at) => Self {
                at,
                severity: Severity::Info,
                notified: BTreeSet::new(),
            },
            StoredChange::Change { at, severity, notified } => Self { at, severity, notified },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OpenAlert {
    kind: MessageKind,
    severity: Severity,
    state: State,
    at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertAction {
    Notify(Notification),
    /// The message waits until the key that silences it recovers.
    Hold(Notification),
    /// Send the message that is held for this channel.
    Release(String),
    /// Never send the message that is held for this channel.
    Drop(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub channel: String,
    pub kind: MessageKind,
    pub severity: Severity,
    pub state: State,
    /// The state that the channel was last notified of, when that is not over.
    pub previous: Option<State>,
}

impl AlertAction {
    /// The channel that is notified now.
    fn notified(&self) -> Option<String> {
        match self {
            Self::Notify(notification) => Some(notification.channel.clone()),
            Self::Hold(_) | Self::Release(_) | Self::Drop(_) => None,
        }
    }
}

impl KeyState {
    /// True when it silences the keys that name it.
    pub fn silences(&self) -> bool {
        self.bad >= Some(Severity::Warning)
    }

    /// True when its trouble is known, or its changes are.
    pub fn is_known(&self) -> bool {
        self.bad.is_some() || self.flapping
    }

    /// True when there is nothing to remember: it is good, and no channel was notified otherwise recently.
    pub fn is_idle(&self, now: DateTime<Utc>) -> bool {
        let recent = self.changes.iter().any(|change| now - change.at < FLAPPING_WINDOW);
        let open = !self.open.is_empty() || !self.held.is_empty();
        self.bad.is_none() && self.bad_in_a_row == 0 && !self.flapping && !open && !recent
    }

    pub fn message(
        &self,
        origin: &MessageOrigin,
        key: &str,
        rules: &AlertRules,
        notification: &Notification,
        now: DateTime<Utc>,
    ) -> Message {
        let summary = self.last.as_ref().map_or("", |last| &last.summary);
        let mut message = Message::new(origin, key, notification.kind, notification.severity, summary, now);
        message.job = rules.job.as_ref().map(ToString::to_string);
        message.state = Some(notification.state);
        message.previous = notification.previous;
        if let Some(last) = &self.last {
            message.help.clone_from(&last.help);
            message.details.clone_from(&last.details);
        }
        message
    }

    /// After a result. `silenced`: the key that silences this one is bad.
    pub fn after(
        &self,
        rules: &AlertRules,
        outcome: &Outcome,
        silenced: bool,
        now: DateTime<Utc>,
    ) -> (Self, Vec<AlertAction>) {
        let mut update = Update::new(self, rules, silenced, now);
        update.result(outcome);
        (update.key, update.actions)
    }

    /// After time alone.
    pub fn later(&self, rules: &AlertRules, silenced: bool, now: DateTime<Utc>) -> (Self, Vec<AlertAction>) {
        let mut update = Update::new(self, rules, silenced, now);
        if update.end_flapping_when_quiet() && update.key.flapping {
            update.settle();
        }
        update.report_due();
        (update.key, update.actions)
    }
}

struct Update<'a> {
    key: KeyState,
    rules: &'a AlertRules,
    silenced: bool,
    now: DateTime<Utc>,
    actions: Vec<AlertAction>,
}

impl<'a> Update<'a> {
    fn new(before: &KeyState, rules: &'a AlertRules, silenced: bool, now: DateTime<Utc>) -> Self {
        let mut key = before.clone();
        // The clock was set back: a time in the future counts as now.
        for at in key
            .changes
            .iter_mut()
            .map(|change| &mut change.at)
            .chain(key.open.values_mut().map(|open| &mut open.at))
        {
            *at = (*at).min(now);
        }
        let mut update = Self {
            key,
            rules,
            silenced,
            now,
            actions: Vec::new(),
        };
        update.forget_removed_channels();
        update
    }

    /// Channels that are no longer notified.
    fn forget_removed_channels(&mut self) {
        let listens = |name: &String| self.rules.subscribers.iter().any(|to| to.channel == *name);
        self.key.open.retain(|name, _| listens(name));
        self.key.flapping_notified.retain(listens);
        let removed: Vec<String> = self.key.held.keys().filter(|name| !listens(name)).cloned().collect();
        for name in removed {
            self.drop_held(&name);
        }
    }

    fn result(&mut self, outcome: &Outcome) {
        let found = severity_of(outcome.state);
        let says_nothing = matches!(outcome.state, State::Blocked | State::Interrupted) && found < self.key.bad;
        if outcome.state == State::Paused || says_nothing {
            return;
        }
        let quiet = self.end_flapping_when_quiet();
        let equal = self
            .key
            .last
            .as_ref()
            .is_some_and(|last| severity_of(last.state) == found);
        self.key.equal_in_a_row = if equal {
            self.key.equal_in_a_row.saturating_add(1)
        } else {
            1
        };
        self.key.last = Some(outcome.clone());
        let changed = self.count(found);
        if changed {
            self.key.state = Some(outcome.state);
            self.change(found, quiet);
        } else {
            if found == self.key.bad {
                self.key.state = Some(outcome.state);
            }
            let settled = self.key.equal_in_a_row >= SETTLING_RESULTS && found == self.key.bad;
            if self.key.flapping && (settled || quiet) {
                self.settle();
            }
        }
        self.report_due();
    }

    /// Counts a result; true when it changes what counts.
    fn count(&mut self, found: Option<Severity>) -> bool {
        let key = &mut self.key;
        if found.is_some() {
            key.good_in_a_row = 0;
            key.bad_in_a_row = key.bad_in_a_row.saturating_add(1);
            key.bad != found && (key.bad.is_some() || key.bad_in_a_row >= self.rules.fail_after)
        } else {
            key.bad_in_a_row = 0;
            key.good_in_a_row = key.good_in_a_row.saturating_add(1);
            key.bad.is_some() && key.good_in_a_row >= self.rules.recover_after
        }
    }

    fn change(&mut self, found: Option<Severity>, quiet: bool) {
        let before = std::mem::replace(&mut self.key.bad, found);
        let now = self.now;
        self.key.changes.retain(|change| now - change.at < FLAPPING_WINDOW);
        if self.key.changes.len() >= FLAPPING_CHANGES {
            self.key.changes.remove(0);
        }
        self.key.changes.push(SeverityChange {
            at: now,
            severity: found.max(before).unwrap_or(Severity::Info),
            notified: BTreeSet::new(),
        });
        if self.key.flapping && quiet {
            // It had settled before this change, but no result came to show it: the state is as it is now.
            self.settle();
        } else if self.key.flapping || self.key.changes.len() >= FLAPPING_CHANGES {
            self.key.flapping = true;
            self.flapping();
        } else {
            let first = self.actions.len();
            match found {
                Some(severity) => self.trouble(MessageKind::Trouble, severity),
                None => self.recovery(MessageKind::Recovery),
            }
            let actions = self.actions.get(first..).unwrap_or_default();
            if let Some(change) = self.key.changes.last_mut() {
                change.notified = actions.iter().filter_map(AlertAction::notified).collect();
            }
        }
    }

    /// When it has flapped and nothing has changed for [`SETTLING_TIME`], the next change counts as the first one again.
    fn end_flapping_when_quiet(&mut self) -> bool {
        let flapped = self.key.flapping || !self.key.flapping_notified.is_empty();
        let quiet = flapped
            && self
                .key
                .changes
                .last()
                .is_none_or(|last| self.now - last.at >= SETTLING_TIME);
        if quiet {
            self.key.changes.clear();
            self.key.flapping_notified.clear();
        }
        quiet
    }

    /// No longer flapping: the state is reported, whatever was reported before.
    fn settle(&mut self) {
        self.key.flapping = false;
        match self.key.bad {
            Some(severity) => self.trouble(MessageKind::Settled, severity),
            None => self.recovery(MessageKind::Settled),
        }
    }

    fn flapping(&mut self) {
        let worst = self.key.changes.iter().map(|change| change.severity).max();
        let severity = worst.unwrap_or(Severity::Info);
        for to in &self.rules.subscribers {
            let name = &to.channel;
            if self.key.flapping_notified.contains(name) {
                // A settled state that still waits is out of date.
                if self
                    .key
                    .held
                    .get(name)
                    .is_some_and(|held| held.kind != MessageKind::Flapping)
                {
                    self.drop_held(name);
                }
            } else if self.heard_of_a_change(to) || self.concerned(to, severity) {
                self.notify(to, MessageKind::Flapping, severity);
                self.key.flapping_notified.insert(name.clone());
            } else {
                self.drop_held(name);
            }
        }
    }

    fn heard_of_a_change(&self, to: &Subscriber) -> bool {
        let mut changes = self.key.changes.iter();
        changes.any(|change| change.notified.contains(&to.channel))
    }

    fn trouble(&mut self, kind: MessageKind, severity: Severity) {
        for to in &self.rules.subscribers {
            let open = self.key.open.get(&to.channel);
            let knows = open.is_some_and(|open| open.severity == severity && open.kind != MessageKind::Flapping);
            if knows || !self.concerned(to, severity) {
                self.drop_held(&to.channel);
            } else {
                self.notify(to, kind, severity);
            }
        }
    }

    fn recovery(&mut self, kind: MessageKind) {
        let held: Vec<String> = self.key.held.keys().cloned().collect();
        for name in held {
            self.drop_held(&name);
        }
        let state = self.key.state.unwrap_or(State::Ok);
        for (channel, open) in std::mem::take(&mut self.key.open) {
            self.actions.push(AlertAction::Notify(Notification {
                channel,
                kind,
                severity: open.severity,
                state,
                previous: Some(open.state),
            }));
        }
    }

    /// True when the severity is high enough for the channel, or it was notified of this trouble before.
    fn concerned(&self, to: &Subscriber, severity: Severity) -> bool {
        severity >= to.min_severity || self.key.open.contains_key(&to.channel)
    }

    fn notify(&mut self, to: &Subscriber, kind: MessageKind, severity: Severity) {
        let name = &to.channel;
        self.drop_held(name);
        let state = self.key.state.unwrap_or(State::Unknown);
        let notification = Notification {
            channel: name.clone(),
            kind,
            severity,
            state,
            previous: self.key.open.get(name).map(|open| open.state),
        };
        let open = OpenAlert {
            kind,
            severity,
            state,
            at: self.now,
        };
        // The log is never silenced.
        if self.silenced && name != LOG {
            self.key.held.insert(name.clone(), open);
            self.actions.push(AlertAction::Hold(notification));
        } else {
            self.key.open.insert(name.clone(), open);
            self.actions.push(AlertAction::Notify(notification));
        }
    }

    fn drop_held(&mut self, channel: &str) {
        if let Some(held) = self.key.held.remove(channel) {
            if held.kind == MessageKind::Flapping {
                self.key.flapping_notified.remove(channel);
            }
            self.actions.push(AlertAction::Drop(channel.to_owned()));
        }
    }

    /// What is due without a change: messages that are no longer silenced, and repetitions.
    fn report_due(&mut self) {
        let Some(severity) = self.key.bad.filter(|_| !self.silenced) else {
            return;
        };
        for (channel, mut open) in std::mem::take(&mut self.key.held) {
            open.at = self.now;
            self.actions.push(AlertAction::Release(channel.clone()));
            self.key.open.insert(channel, open);
        }
        if self.key.flapping {
            return;
        }
        let now = self.now;
        for to in &self.rules.subscribers {
            let due = |open: &OpenAlert| {
                let repeat = to.repeat.and_then(|repeat| TimeDelta::from_std(repeat).ok());
                repeat.is_some_and(|repeat| now - open.at >= repeat)
            };
            if self.key.open.get(&to.channel).is_some_and(due) {
                self.notify(to, MessageKind::Repeat, severity);
            }
        }
    }
}

#[cfg(test)]
mod tests;
