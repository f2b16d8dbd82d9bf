//! When to speak and when to be silent.
//!
//! Takes what was told of a key so far ([`KeyState`]), who is to be told ([`Terms`]) and a result, gives the state
//! anew and what is to be said. Pure: `now` is an argument.
//! - Only changes are told: bad after `fail-after` bad results in a row, well after `recover-after` good ones, and from
//!   one severity to another at once. Whoever was told of trouble is told how it goes on, whatever its `min-severity`.
//! - [`CHANGES`] changes within [`WINDOW`] are flapping. Each channel that heard of one of these changes, or would by
//!   its `min-severity`, is notified once, with the worst severity among them. Then nothing is sent until the state has
//!   settled: [`EQUAL`] equal results in a row, or [`QUIET`] without a change. The settled state is always reported.
//! - Flapping that settled by equal results continues with the next change: only [`QUIET`] without a change ends it. A
//!   further burst sends no second notification of the flapping, only how it settles.
//! - While another key holds this one, trouble is held back, the newest of each channel. It is let go when the other is
//!   well again, and dropped when this one is well before.
//! - What says nothing about its subject (blocked, interrupted, paused) never lessens what is known.
//!
//! Invariant: a recovery is told where trouble was told and nowhere else; the last that a channel was told is how
//! things stand, once they have settled.

use super::terms::{Listener, Terms};
use crate::channel::message::{Kind, Message, Origin};
use crate::model::channel::{LOG, Severity};
use crate::run::{Outcome, State};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub const CHANGES: usize = 5;
/// ...within so long a time are flapping.
pub const WINDOW: TimeDelta = TimeDelta::minutes(30);
/// So many equal results in a row settle it...
pub const EQUAL: u32 = 3;
/// ...and so does so long a time without a change.
pub const QUIET: TimeDelta = TimeDelta::minutes(10);

/// How grave a result is: `None` is good. What is paused has none.
#[must_use]
pub fn gravity(state: State) -> Option<Severity> {
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
    /// What counts, after `fail-after` and `recover-after`; `None` is well.
    pub bad: Option<Severity>,
    /// The last result, its texts included.
    pub last: Option<Outcome>,
    /// The result that made it what it is.
    pub state: Option<State>,
    bad_in_a_row: u32,
    good_in_a_row: u32,
    /// Equally grave results in a row.
    equal_in_a_row: u32,
    /// The newest changes, oldest first; at most [`CHANGES`].
    changes: Vec<Change>,
    /// It changes too often to be told.
    pub flapping: bool,
    /// Channels that were notified of the flapping, or will be when they are no longer silenced. Kept after it settled,
    /// until nothing has changed for [`QUIET`].
    flapping_notified: BTreeSet<String>,
    /// Trouble that was told and is not over, by channel.
    told: BTreeMap<String, Told>,
    /// Trouble that is held back, by channel.
    held: BTreeMap<String, Told>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredChange")]
struct Change {
    at: DateTime<Utc>,
    /// The worse of the severities before and after it.
    severity: Severity,
    /// Channels that were notified of it.
    notified: BTreeSet<String>,
}

/// Earlier versions remembered the time alone.
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

impl From<StoredChange> for Change {
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
struct Told {
    kind: Kind,
    severity: Severity,
    state: State,
    at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Tell(Speech),
    /// A message that waits until what silences it is well again.
    Hold(Speech),
    /// What is held for this channel is to be told now.
    Release(String),
    /// What is held for this channel is never told.
    Drop(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    pub channel: String,
    pub kind: Kind,
    pub severity: Severity,
    pub state: State,
    /// What the channel was told last, when that is not over.
    pub previous: Option<State>,
}

impl Act {
    /// The channel that is notified now.
    fn notified(&self) -> Option<String> {
        match self {
            Self::Tell(speech) => Some(speech.channel.clone()),
            Self::Hold(_) | Self::Release(_) | Self::Drop(_) => None,
        }
    }
}

impl KeyState {
    /// True when it silences those that name it.
    #[must_use]
    pub fn silences(&self) -> bool {
        self.bad >= Some(Severity::Warning)
    }

    /// True when something is held back.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// True when there is nothing to remember: it is well, and nobody was told otherwise of late.
    #[must_use]
    pub fn is_idle(&self, now: DateTime<Utc>) -> bool {
        let recent = self.changes.iter().any(|change| now - change.at < WINDOW);
        let open = !self.told.is_empty() || !self.held.is_empty();
        self.bad.is_none() && self.bad_in_a_row == 0 && !self.flapping && !open && !recent
    }

    #[must_use]
    pub fn message(&self, origin: &Origin, key: &str, terms: &Terms, speech: &Speech, now: DateTime<Utc>) -> Message {
        let summary = self.last.as_ref().map_or("", |last| &last.summary);
        let mut message = Message::new(origin, key, speech.kind, speech.severity, summary, now);
        message.job = terms.job.as_ref().map(ToString::to_string);
        message.state = Some(speech.state);
        message.previous = speech.previous;
        if let Some(last) = &self.last {
            message.help.clone_from(&last.help);
            message.details.clone_from(&last.details);
        }
        message
    }

    /// After a result. `silenced` tells that what silences this key is bad.
    #[must_use]
    pub fn after(&self, terms: &Terms, outcome: &Outcome, silenced: bool, now: DateTime<Utc>) -> (Self, Vec<Act>) {
        let mut deciding = Deciding::new(self, terms, silenced, now);
        deciding.result(outcome);
        (deciding.key, deciding.acts)
    }

    /// After nothing but time.
    #[must_use]
    pub fn later(&self, terms: &Terms, silenced: bool, now: DateTime<Utc>) -> (Self, Vec<Act>) {
        let mut deciding = Deciding::new(self, terms, silenced, now);
        if deciding.end_flapping_when_quiet() && deciding.key.flapping {
            deciding.settle();
        }
        deciding.standing();
        (deciding.key, deciding.acts)
    }
}

struct Deciding<'a> {
    key: KeyState,
    terms: &'a Terms,
    silenced: bool,
    now: DateTime<Utc>,
    acts: Vec<Act>,
}

impl<'a> Deciding<'a> {
    fn new(before: &KeyState, terms: &'a Terms, silenced: bool, now: DateTime<Utc>) -> Self {
        let mut key = before.clone();
        // A clock that was set back: what seems to come from the future happened just now.
        for at in key
            .changes
            .iter_mut()
            .map(|change| &mut change.at)
            .chain(key.told.values_mut().map(|told| &mut told.at))
        {
            *at = (*at).min(now);
        }
        let mut deciding = Self {
            key,
            terms,
            silenced,
            now,
            acts: Vec::new(),
        };
        deciding.forget_strangers();
        deciding
    }

    /// Channels that are no longer told.
    fn forget_strangers(&mut self) {
        let listens = |name: &String| self.terms.listeners.iter().any(|to| to.channel == *name);
        self.key.told.retain(|name, _| listens(name));
        self.key.flapping_notified.retain(listens);
        let strangers: Vec<String> = self.key.held.keys().filter(|name| !listens(name)).cloned().collect();
        for name in strangers {
            self.drop_held(&name);
        }
    }

    fn result(&mut self, outcome: &Outcome) {
        let found = gravity(outcome.state);
        let says_nothing = matches!(outcome.state, State::Blocked | State::Interrupted) && found < self.key.bad;
        if outcome.state == State::Paused || says_nothing {
            return;
        }
        let quiet = self.end_flapping_when_quiet();
        let equal = self.key.last.as_ref().is_some_and(|last| gravity(last.state) == found);
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
            let settled = self.key.equal_in_a_row >= EQUAL && found == self.key.bad;
            if self.key.flapping && (settled || quiet) {
                self.settle();
            }
        }
        self.standing();
    }

    /// Counts a result; true when it changes what counts.
    fn count(&mut self, found: Option<Severity>) -> bool {
        let key = &mut self.key;
        if found.is_some() {
            key.good_in_a_row = 0;
            key.bad_in_a_row = key.bad_in_a_row.saturating_add(1);
            key.bad != found && (key.bad.is_some() || key.bad_in_a_row >= self.terms.fail_after)
        } else {
            key.bad_in_a_row = 0;
            key.good_in_a_row = key.good_in_a_row.saturating_add(1);
            key.bad.is_some() && key.good_in_a_row >= self.terms.recover_after
        }
    }

    fn change(&mut self, found: Option<Severity>, quiet: bool) {
        let before = std::mem::replace(&mut self.key.bad, found);
        let now = self.now;
        self.key.changes.retain(|change| now - change.at < WINDOW);
        if self.key.changes.len() >= CHANGES {
            self.key.changes.remove(0);
        }
        self.key.changes.push(Change {
            at: now,
            severity: found.max(before).unwrap_or(Severity::Info),
            notified: BTreeSet::new(),
        });
        if self.key.flapping && quiet {
            // It had settled before this change, but no result came to show it: the state is as it is now.
            self.settle();
        } else if self.key.flapping || self.key.changes.len() >= CHANGES {
            self.key.flapping = true;
            self.flapping();
        } else {
            let first = self.acts.len();
            match found {
                Some(severity) => self.trouble(Kind::Trouble, severity),
                None => self.recovery(Kind::Recovery),
            }
            let acts = self.acts.get(first..).unwrap_or_default();
            if let Some(change) = self.key.changes.last_mut() {
                change.notified = acts.iter().filter_map(Act::notified).collect();
            }
        }
    }

    /// When it has flapped and nothing has changed for [`QUIET`], the next change counts as the first one again.
    fn end_flapping_when_quiet(&mut self) -> bool {
        let flapped = self.key.flapping || !self.key.flapping_notified.is_empty();
        let quiet = flapped && self.key.changes.last().is_none_or(|last| self.now - last.at >= QUIET);
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
            Some(severity) => self.trouble(Kind::Settled, severity),
            None => self.recovery(Kind::Settled),
        }
    }

    fn flapping(&mut self) {
        let worst = self.key.changes.iter().map(|change| change.severity).max();
        let severity = worst.unwrap_or(Severity::Info);
        for to in &self.terms.listeners {
            let name = &to.channel;
            if self.key.flapping_notified.contains(name) {
                // A settled state that still waits is out of date.
                if self.key.held.get(name).is_some_and(|held| held.kind != Kind::Flapping) {
                    self.drop_held(name);
                }
            } else if self.heard_of_a_change(to) || self.concerned(to, severity) {
                self.speak(to, Kind::Flapping, severity);
                self.key.flapping_notified.insert(name.clone());
            } else {
                self.drop_held(name);
            }
        }
    }

    fn heard_of_a_change(&self, to: &Listener) -> bool {
        let mut changes = self.key.changes.iter();
        changes.any(|change| change.notified.contains(&to.channel))
    }

    fn trouble(&mut self, kind: Kind, severity: Severity) {
        for to in &self.terms.listeners {
            let told = self.key.told.get(&to.channel);
            let knows = told.is_some_and(|told| told.severity == severity && told.kind != Kind::Flapping);
            if knows || !self.concerned(to, severity) {
                self.drop_held(&to.channel);
            } else {
                self.speak(to, kind, severity);
            }
        }
    }

    fn recovery(&mut self, kind: Kind) {
        let held: Vec<String> = self.key.held.keys().cloned().collect();
        for name in held {
            self.drop_held(&name);
        }
        let state = self.key.state.unwrap_or(State::Ok);
        for (channel, told) in std::mem::take(&mut self.key.told) {
            self.acts.push(Act::Tell(Speech {
                channel,
                kind,
                severity: told.severity,
                state,
                previous: Some(told.state),
            }));
        }
    }

    /// True when the channel is told of trouble so grave, or was told of it before.
    fn concerned(&self, to: &Listener, severity: Severity) -> bool {
        severity >= to.min_severity || self.key.told.contains_key(&to.channel)
    }

    fn speak(&mut self, to: &Listener, kind: Kind, severity: Severity) {
        let name = &to.channel;
        self.drop_held(name);
        let state = self.key.state.unwrap_or(State::Unknown);
        let speech = Speech {
            channel: name.clone(),
            kind,
            severity,
            state,
            previous: self.key.told.get(name).map(|told| told.state),
        };
        let told = Told {
            kind,
            severity,
            state,
            at: self.now,
        };
        // The log keeps nothing to itself.
        if self.silenced && name != LOG {
            self.key.held.insert(name.clone(), told);
            self.acts.push(Act::Hold(speech));
        } else {
            self.key.told.insert(name.clone(), told);
            self.acts.push(Act::Tell(speech));
        }
    }

    fn drop_held(&mut self, channel: &str) {
        if let Some(held) = self.key.held.remove(channel) {
            if held.kind == Kind::Flapping {
                self.key.flapping_notified.remove(channel);
            }
            self.acts.push(Act::Drop(channel.to_owned()));
        }
    }

    /// What is due as long as things stand as they do: what is no longer silenced, and repetitions.
    fn standing(&mut self) {
        let Some(severity) = self.key.bad.filter(|_| !self.silenced) else {
            return;
        };
        for (channel, mut told) in std::mem::take(&mut self.key.held) {
            told.at = self.now;
            self.acts.push(Act::Release(channel.clone()));
            self.key.told.insert(channel, told);
        }
        if self.key.flapping {
            return;
        }
        let now = self.now;
        for to in &self.terms.listeners {
            let due = |told: &Told| {
                let repeat = to.repeat.and_then(|repeat| TimeDelta::from_std(repeat).ok());
                repeat.is_some_and(|repeat| now - told.at >= repeat)
            };
            if self.key.told.get(&to.channel).is_some_and(due) {
                self.speak(to, Kind::Repeat, severity);
            }
        }
    }
}

#[cfg(test)]
mod tests;
