//! From the outbox to the channels: attempts, waiting, giving up.
//!
//! Claims messages in the store, hands each to a [`Deliver`], and records the result. Each channel is served by itself, one
//! message at a time: a channel that hangs keeps no other waiting. What a channel gives up goes to its fallback, if it has
//! one. A message that some recipients of a mail have is sent to the others alone.
//! Invariant: a message leaves the outbox only after it was delivered or given up, and giving up is logged.

use super::rules::tracks_keys;
use crate::channel::answer::{Delivery, RecipientResults};
use crate::channel::message::{Message, MessageKind};
use crate::clock::Stopwatch;
use crate::error_chain::error_chain;
use crate::model::Channel;
use crate::signal::Stop;
use crate::store::outbox::{ClaimRequest, ClaimedMessage, OutboxClaim, Relay, Settlement};
use crate::store::{Store, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join_all, try_join_all};
use std::future::Future;
use std::time::Duration;

/// The first wait is between half of this and all of it. Each further one is up to twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const MAX_WAIT: Duration = Duration::from_secs(3600);
/// A server that asks for a longer wait is tried after this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// No channel is left alone for longer because of one answer: then the next new message is tried.
const MAX_PAUSE: Duration = Duration::from_secs(3600);
/// How long the last message that a rate limit allows waits for others, while more may come.
const GATHER_TIME: TimeDelta = TimeDelta::seconds(10);
/// A message that fails for longer is given up.
pub const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(3);
/// Before it is given up. Their waits add up to half an hour.
const LEAST_ATTEMPTS: u32 = 8;
/// Added to the channel's timeout, to end a command and its children.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(10);
/// Added to the longest delivery, for the lease.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How long a delivery may go on after a signal.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// After the store could not be used.
const STORE_RETRY: Duration = Duration::from_secs(30);

pub trait Deliver {
    /// Makes one attempt, within the channel's timeout; `to`: which of the channel's recipients are to get it. It
    /// may be dropped at any time, and must leave nothing behind then.
    fn deliver(&self, channel: &Channel, message: &Message, to: &[String]) -> impl Future<Output = Delivery>;
}

#[expect(missing_debug_implementations, reason = "it holds functions")]
pub struct OutboxSender<'a, D> {
    pub store: &'a Store,
    pub deliver: &'a D,
    pub channels: &'a [Channel],
    pub clock: &'a dyn Fn() -> DateTime<Utc>,
    /// Anything from 0 to 1, different each time.
    pub random: &'a dyn Fn() -> f64,
    pub redact: &'a dyn Fn(&str) -> String,
    /// Receives a line for each message that is given up, and for a store that cannot be used.
    pub log: &'a dyn Fn(&str),
}

enum Deadline<'a> {
    After(Stopwatch, Duration),
    Stopped(&'a Stop),
}

impl Deadline<'_> {
    fn passed(&self) -> bool {
        match self {
            Self::After(since, limit) => since.elapsed() >= *limit,
            Self::Stopped(stop) => stop.asked(),
        }
    }

    /// More messages may come while it lasts.
    fn gather(&self) -> TimeDelta {
        match self {
            Self::After(..) => TimeDelta::zero(),
            Self::Stopped(_) => GATHER_TIME,
        }
    }

    /// Returns when a delivery must end.
    async fn wait(&self) {
        match self {
            Self::After(since, limit) => tokio::time::sleep(limit.saturating_sub(since.elapsed())).await,
            Self::Stopped(stop) => {
                stop.wait().await;
                tokio::time::sleep(STOP_GRACE).await;
            }
        }
    }
}

impl<D: Deliver> OutboxSender<'_, D> {
    /// Sends messages that are due, for no longer than `limit`.
    ///
    /// # Errors
    /// When the store cannot be used. Messages that were sent by then stay sent.
    pub async fn flush(&self, limit: Duration) -> Result<(), StoreError> {
        self.tidy()?;
        let deadline = Deadline::After(Stopwatch::set(), limit);
        let each = self.channels.iter().map(|channel| self.drain(channel, &deadline));
        try_join_all(each).await.map(drop)
    }

    pub async fn run(&self, stop: &Stop) {
        if let Err(error) = self.tidy() {
            self.store_failed(&error);
        }
        join_all(self.channels.iter().map(|channel| self.serve(channel, stop))).await;
    }

    async fn serve(&self, channel: &Channel, stop: &Stop) {
        let deadline = Deadline::Stopped(stop);
        while !stop.asked() {
            let wait = match self.drain(channel, &deadline).await {
                Ok(()) => POLL_INTERVAL,
                Err(error) => {
                    self.store_failed(&error);
                    STORE_RETRY
                }
            };
            tokio::select! {
                biased;
                () = stop.wait() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn store_failed(&self, error: &StoreError) {
        (self.log)(&format!("cannot use the outbox: {}", error_chain(error)));
    }

    fn tidy(&self) -> Result<(), StoreError> {
        let names: Vec<&str> = self.channels.iter().map(|channel| channel.name.as_str()).collect();
        for row in self.store.tidy_messages(&names, (self.clock)())? {
            if let Some(message) = &row.message {
                self.log_given_up(&row.channel, message, row.last_error.as_deref().unwrap_or_default());
            }
        }
        Ok(())
    }

    fn log_given_up(&self, channel: &str, message: &Message, why: &str) {
        let (id, title, summary) = (&message.id, message.title(), &message.summary);
        (self.log)(&format!(
            "alert {id} for channel {channel} was given up: {why}; its text: {title}: {summary}"
        ));
    }

    fn log_refused(&self, channel: &str, message: &Message, results: &RecipientResults) {
        if let Some(refusals) = results.refusals() {
            let (id, title) = (&message.id, message.title());
            (self.log)(&format!(
                "alert {id} for channel {channel} was {refusals}; its title: {title}"
            ));
        }
    }

    /// Sends what is due for one channel.
    async fn drain(&self, channel: &Channel, deadline: &Deadline<'_>) -> Result<(), StoreError> {
        let timeout = channel.timeout + TIMEOUT_MARGIN;
        while !deadline.passed() {
            let claim = self.store.claim_message(&ClaimRequest {
                channel: &channel.name,
                now: (self.clock)(),
                lease: timeout + LEASE_MARGIN,
                rate_limit: channel.rate_limit.map(|limit| (limit.count, limit.per)),
                key_by_key: tracks_keys(channel),
                gather: deadline.gather(),
            })?;
            match claim {
                OutboxClaim::Nothing(_) => return Ok(()),
                OutboxClaim::Several(messages) => self.join(channel, &messages)?,
                OutboxClaim::One(claimed) => {
                    let to = claimed.addressees(channel.recipients());
                    let delivery = if to.is_empty() && !channel.recipients().is_empty() {
                        Delivery::Partial {
                            results: RecipientResults::default(),
                            why: BEHIND.to_owned(),
                        }
                    } else {
                        tokio::select! {
                            biased;
                            delivery = self.deliver.deliver(channel, &claimed.message, &to) => delivery,
                            () = tokio::time::sleep(timeout) => Delivery::retry("no answer in time"),
                            () = deadline.wait() => Delivery::retry("opsrun ended before there was an answer"),
                        }
                    };
                    self.settle(channel, &claimed, &to, delivery)?;
                }
            }
        }
        Ok(())
    }

    /// Joins messages into a digest. Where the receiver tracks keys, the newest message replaces the others of its key.
    fn join(&self, channel: &Channel, messages: &[Message]) -> Result<(), StoreError> {
        let now = (self.clock)();
        let (joined, digest) = match messages.split_last() {
            Some((_, before)) if tracks_keys(channel) => (before, None),
            _ => (messages, Message::digest(messages, now)),
        };
        let ids: Vec<String> = joined.iter().map(|message| message.id.clone()).collect();
        // If another sender was faster, the next claim shows what is left.
        self.store
            .merge_messages(&channel.name, &ids, digest.as_ref(), now)
            .map(drop)
    }

    fn settle(
        &self,
        channel: &Channel,
        claimed: &ClaimedMessage,
        to: &[String],
        delivery: Delivery,
    ) -> Result<(), StoreError> {
        let now = (self.clock)();
        let name = &channel.name;
        let settlement = match delivery {
            Delivery::Sent { answer } => {
                tracing::info!(channel = %name, id = %claimed.message.id, answer = %(self.redact)(&answer), "alert sent");
                let results = RecipientResults {
                    taken: to.to_vec(),
                    refused: Vec::new(),
                };
                self.taken(channel, claimed, results, &answer, to)
            }
            Delivery::Partial { results, why } => {
                self.log_refused(name, &claimed.message, &results);
                self.taken(channel, claimed, results, &why, to)
            }
            Delivery::Dead { why } => self.dead(channel, claimed, &claimed.recipients, (self.redact)(&why)),
            Delivery::Retry { after, why } => {
                let why = (self.redact)(&why);
                if self.is_too_old(claimed) {
                    self.dead(
                        channel,
                        claimed,
                        &claimed.recipients,
                        format!("{why}, for more than 3 days"),
                    )
                } else {
                    let after = after.map(|after| after.min(MAX_RETRY_AFTER));
                    let wait = wait(claimed.attempts, (self.random)()).max(after.unwrap_or_default());
                    let later = |wait: Duration| now + TimeDelta::from_std(wait).unwrap_or_default();
                    Settlement::Retry {
                        due: later(wait),
                        pause_until: after.map(|after| later(after.min(MAX_PAUSE))),
                        why,
                        recipients: None,
                        progress: false,
                    }
                }
            }
        };
        self.store
            .settle_message(&claimed.message.id, &claimed.lease, &settlement, now)?;
        if let Settlement::Dead { why, .. } = &settlement {
            self.log_given_up(name, &claimed.message, why);
        }
        Ok(())
    }

    fn is_too_old(&self, claimed: &ClaimedMessage) -> bool {
        let now = (self.clock)();
        let long = claimed.first_attempt.is_some_and(|first| now - first >= GIVE_UP_AFTER);
        // The time alone may have passed while the machine was off, or by a clock that was ahead for a moment.
        long && claimed.attempts >= LEAST_ATTEMPTS
    }

    /// After an attempt in which not every recipient of `to` has to have got it.
    fn taken(
        &self,
        channel: &Channel,
        claimed: &ClaimedMessage,
        now_done: RecipientResults,
        answer: &str,
        to: &[String],
    ) -> Settlement {
        let now = (self.clock)();
        let progress = !now_done.taken.is_empty();
        let mut done = claimed.recipients.clone();
        done.extend(now_done);
        let left: Vec<&String> = channel.recipients().iter().filter(|to| !done.includes(to)).collect();
        if left.is_empty() {
            if done.taken.is_empty() && !done.refused.is_empty() {
                return self.dead(channel, claimed, &done, done.refusals().unwrap_or_default());
            }
            return Settlement::Sent {
                note: done.refusals(),
                relays: claimed
                    .message
                    .ends()
                    .into_iter()
                    .filter_map(|end| self.relay(channel, claimed, end, None))
                    .collect(),
            };
        }
        let why = (self.redact)(answer);
        if self.is_too_old(claimed) {
            return self.dead(channel, claimed, &done, format!("{why}, for more than 3 days"));
        }
        // Recipients that wait for an earlier message get this one right after it: that makes it due.
        let refused_for_now = left.iter().any(|address| to.contains(address));
        let wait = if refused_for_now {
            wait(claimed.attempts, (self.random)())
        } else {
            MAX_WAIT
        };
        Settlement::Retry {
            due: now + TimeDelta::from_std(wait).unwrap_or_default(),
            pause_until: None,
            why: if refused_for_now { why } else { BEHIND.to_owned() },
            recipients: Some(done),
            progress,
        }
    }

    fn dead(&self, channel: &Channel, claimed: &ClaimedMessage, done: &RecipientResults, why: String) -> Settlement {
        let mut why = why;
        if !done.taken.is_empty() {
            why = format!("{why}; delivered to {}", done.taken.join(", "));
        }
        let relay = self.relay(channel, claimed, claimed.message.clone(), Some(&why));
        if let Some(relay) = &relay {
            why = format!("{why}; handed to the fallback {}", relay.channel);
        }
        let relay = relay.map(Box::new);
        Settlement::Dead { why, relay }
    }

    /// The message as the fallback of this channel receives it. Of runs, it receives failures only.
    fn relay(
        &self,
        channel: &Channel,
        claimed: &ClaimedMessage,
        mut message: Message,
        why: Option<&str>,
    ) -> Option<Relay> {
        let fallback = channel.fallback.as_ref()?;
        let mut given_up_by = claimed.given_up_by.clone();
        given_up_by.push(channel.name.clone());
        let of_a_run = match message.kind {
            MessageKind::RunStarted => return None,
            MessageKind::RunFinished => true,
            _ => false,
        };
        let known = self.channels.iter().any(|known| known.name == *fallback);
        if !known || given_up_by.contains(fallback) || (of_a_run && message.is_over()) {
            return None;
        }
        message.id = ulid::Ulid::new().to_string();
        if let Some(why) = why {
            message
                .details
                .insert(0, format!("channel {} gave it up: {why}", channel.name));
        }
        Some(Relay {
            channel: fallback.clone(),
            message: message.cleaned(self.redact),
            given_up_by,
        })
    }
}

/// Why a recipient does not get a message yet.
const BEHIND: &str = "a recipient waits for an earlier alert";

/// The wait after this many earlier attempts: between half and all of a time that doubles, so that senders that failed
/// together do not come back together.
fn wait(attempts: u32, random: f64) -> Duration {
    let doubled = 1_u32.checked_shl(attempts.min(31)).unwrap_or(u32::MAX);
    let longest = FIRST_WAIT.saturating_mul(doubled).min(MAX_WAIT);
    longest.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_differ() {
        let longest: Vec<u64> = (0..12).map(|before| wait(before, 0.0).as_secs()).collect();
        assert_eq!(longest, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]);
        assert_eq!(wait(0, 1.0), Duration::from_secs(5));
        assert_eq!(wait(u32::MAX, 0.5), Duration::from_secs(2700));
    }
}
