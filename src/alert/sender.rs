//! From the outbox to people: attempts, waiting, giving up.
//!
//! Takes messages from an [`Outbox`], hands each to a [`Deliver`], and settles what became of it. Every channel is
//! served by itself, one message at a time: one that hangs keeps no other waiting, and what is under way is bounded.
//! Invariant: a message leaves the outbox only after it was delivered or given up; what is given up is said.

use super::terms::follows_keys;
use crate::channel::answer::Delivery;
use crate::channel::message::Message;
use crate::clock::Mark;
use crate::model::Channel;
use crate::signal::Stop;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join_all, try_join_all};
use std::future::Future;
use std::time::Duration;

/// The first wait is between a half of this and all of it; every further one is up to twice as long...
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// ...and no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// A server that asks for more time than this is asked again all the same.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3600);
/// What fails for longer than this is given up.
pub const GIVE_UP: TimeDelta = TimeDelta::days(3);
/// What a delivery may take besides its channel's timeout: to end a command and its children.
const ENDING: Duration = Duration::from_secs(10);
/// What a lease lasts beyond the longest delivery.
const LEASE: Duration = Duration::from_secs(30);
/// How often it is looked whether there is something to send.
const LOOK: Duration = Duration::from_secs(2);
/// What is under way may take so long to end once opsrun was told to stop.
const STOPPING: Duration = Duration::from_secs(5);
/// When the outbox cannot be used, it is tried again after this.
const BROKEN: Duration = Duration::from_secs(30);

/// Delivers messages over channels.
pub trait Deliver {
    /// Makes one attempt, within the channel's timeout. It may be dropped at any time, and must leave nothing behind
    /// then.
    fn deliver(&self, channel: &Channel, message: &Message) -> impl Future<Output = Delivery>;
}

/// A message that this sender alone may send until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub message: Message,
    pub lease: String,
    pub attempts: u32,
    pub first_attempt: Option<DateTime<Utc>>,
}

/// What there is to do for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Nothing before that moment, if there is anything at all.
    Nothing {
        until: Option<DateTime<Utc>>,
    },
    One(Box<Claimed>),
    /// These waited for room: they are to be joined. Oldest first, at least two; of one key only, where the channel
    /// follows each key by itself.
    Several(Vec<Message>),
}

/// How a claimed message is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    Sent,
    Retry {
        /// Not before.
        due: DateTime<Utc>,
        /// All others of the channel neither.
        whole_channel: bool,
        why: String,
    },
    Dead {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    pub channel: String,
    pub message: Message,
    pub why: String,
}

/// Where messages wait. Everything that is `Ok` is durable.
pub trait Outbox {
    /// What is to be done for a channel, and if it is one message: a lease on it.
    fn claim(&self, channel: &Channel, lease: Duration, now: DateTime<Utc>) -> Result<Due, OutboxError>;

    /// Notes what became of a claimed message.
    fn settle(&self, claimed: &Claimed, settled: &Settled, now: DateTime<Utc>) -> Result<(), OutboxError>;

    /// Puts a digest, if there is one, in the place of messages, whose ids are given. All or nothing: false when
    /// one of them is no longer waiting.
    fn merge(
        &self,
        channel: &str,
        ids: &[String],
        digest: Option<&Message>,
        now: DateTime<Utc>,
    ) -> Result<bool, OutboxError>;

    /// Gives up what waits for channels that are not among these, and gives it; forgets what was settled long ago.
    fn tidy(&self, channels: &[&str], now: DateTime<Utc>) -> Result<Vec<GivenUp>, OutboxError>;
}

/// The outbox cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the outbox")]
pub struct OutboxError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Sends what is in an outbox.
#[expect(missing_debug_implementations, reason = "it holds functions")]
pub struct Sender<'a, O, D> {
    pub outbox: &'a O,
    pub deliver: &'a D,
    pub channels: &'a [Channel],
    pub clock: &'a dyn Fn() -> DateTime<Utc>,
    /// Anything from 0 to 1, different each time.
    pub random: &'a dyn Fn() -> f64,
    pub clean: &'a dyn Fn(&str) -> String,
    /// Told of what is given up, and of an outbox that cannot be used.
    pub log: &'a dyn Fn(&str),
}

/// Until when it is sent.
enum Until<'a> {
    /// So long since then.
    Passed(Mark, Duration),
    Stopped(&'a Stop),
}

impl Until<'_> {
    fn over(&self) -> bool {
        match self {
            Self::Passed(since, limit) => since.elapsed() >= *limit,
            Self::Stopped(stop) => stop.asked(),
        }
    }

    /// Comes back when what is under way must end.
    async fn end(&self) {
        match self {
            Self::Passed(since, limit) => tokio::time::sleep(limit.saturating_sub(since.elapsed())).await,
            Self::Stopped(stop) => {
                stop.wait().await;
                tokio::time::sleep(STOPPING).await;
            }
        }
    }
}

impl<O: Outbox, D: Deliver> Sender<'_, O, D> {
    /// Sends what is due, for no longer than `limit`.
    ///
    /// # Errors
    /// When the outbox cannot be used. What was sent by then is.
    pub async fn flush(&self, limit: Duration) -> Result<(), OutboxError> {
        self.tidy()?;
        let until = Until::Passed(Mark::set(), limit);
        let each = self.channels.iter().map(|channel| self.channel(channel, &until));
        try_join_all(each).await.map(drop)
    }

    /// Sends what is there and what comes until opsrun is told to stop.
    pub async fn run(&self, stop: &Stop) {
        if let Err(error) = self.tidy() {
            self.broken(&error);
        }
        join_all(self.channels.iter().map(|channel| self.serve(channel, stop))).await;
    }

    async fn serve(&self, channel: &Channel, stop: &Stop) {
        let until = Until::Stopped(stop);
        while !stop.asked() {
            let wait = match self.channel(channel, &until).await {
                // Something may come before.
                Ok(_) => LOOK,
                Err(error) => {
                    self.broken(&error);
                    BROKEN
                }
            };
            tokio::select! {
                biased;
                () = stop.wait() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn broken(&self, error: &OutboxError) {
        let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
        let causes: Vec<String> = causes.map(ToString::to_string).collect();
        (self.log)(&causes.join(": "));
    }

    fn tidy(&self) -> Result<(), OutboxError> {
        let names: Vec<&str> = self.channels.iter().map(|channel| channel.name.as_str()).collect();
        for given_up in self.outbox.tidy(&names, (self.clock)())? {
            self.given_up(&given_up.channel, &given_up.message, &given_up.why);
        }
        Ok(())
    }

    fn given_up(&self, channel: &str, message: &Message, why: &str) {
        let (title, summary) = (message.title(), &message.summary);
        let id = &message.id;
        (self.log)(&format!(
            "alert {id} for channel {channel} is given up: {why}; it said: {title}: {summary}"
        ));
    }

    /// Sends what is due for one channel; gives when it is worth to look again, as far as that is known.
    async fn channel(&self, channel: &Channel, until: &Until<'_>) -> Result<Option<DateTime<Utc>>, OutboxError> {
        let longest = channel.timeout + ENDING;
        while !until.over() {
            match self.outbox.claim(channel, longest + LEASE, (self.clock)())? {
                Due::Nothing { until } => return Ok(until),
                Due::Several(messages) => self.join(channel, &messages)?,
                Due::One(claimed) => {
                    let delivery = tokio::select! {
                        biased;
                        delivery = self.deliver.deliver(channel, &claimed.message) => delivery,
                        () = tokio::time::sleep(longest) => retry("no answer in time"),
                        () = until.end() => retry("there was no more time to wait for an answer"),
                    };
                    self.settle(channel, &claimed, delivery)?;
                }
            }
        }
        Ok(None)
    }

    /// Several in one; where each key is followed by itself, the newest of one key for all of that key.
    fn join(&self, channel: &Channel, messages: &[Message]) -> Result<(), OutboxError> {
        let now = (self.clock)();
        let (joined, digest) = match messages.split_last() {
            Some((_, before)) if follows_keys(channel) => (before, None),
            _ => (messages, Message::digest(messages, now)),
        };
        let ids: Vec<String> = joined.iter().map(|message| message.id.clone()).collect();
        // Where somebody was faster, the next look shows what is left.
        self.outbox.merge(&channel.name, &ids, digest.as_ref(), now).map(drop)
    }

    fn settle(&self, channel: &Channel, claimed: &Claimed, delivery: Delivery) -> Result<(), OutboxError> {
        let now = (self.clock)();
        let name = &channel.name;
        let settled = match delivery {
            Delivery::Sent { answer } => {
                tracing::info!(channel = %name, id = %claimed.message.id, answer = %(self.clean)(&answer), "alert sent");
                Settled::Sent
            }
            Delivery::Dead { why } => Settled::Dead {
                why: (self.clean)(&why),
            },
            Delivery::Retry { why, .. } if claimed.first_attempt.is_some_and(|first| now - first >= GIVE_UP) => {
                Settled::Dead {
                    why: format!("{}, for more than 3 days", (self.clean)(&why)),
                }
            }
            Delivery::Retry { after, why } => {
                let wait = wait(claimed.attempts, (self.random)()).max(after.unwrap_or_default().min(LONGEST_ASKED));
                Settled::Retry {
                    due: now + TimeDelta::from_std(wait).unwrap_or_default(),
                    whole_channel: after.is_some(),
                    why: (self.clean)(&why),
                }
            }
        };
        self.outbox.settle(claimed, &settled, now)?;
        if let Settled::Dead { why } = &settled {
            self.given_up(name, &claimed.message, why);
        }
        Ok(())
    }
}

fn retry(why: &str) -> Delivery {
    Delivery::Retry {
        after: None,
        why: why.to_owned(),
    }
}

/// How long until the next attempt after so many before the one that failed now: between a half and all of a time that
/// doubles, so that those who failed together do not come back together.
fn wait(before: u32, random: f64) -> Duration {
    let doubled = 1_u32.checked_shl(before.min(31)).unwrap_or(u32::MAX);
    let most = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
    most.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
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
