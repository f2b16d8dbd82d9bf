//! From the outbox to people: attempts, waiting, giving up.
//!
//! Takes messages from an [`Outbox`], hands each to a [`Deliver`], and settles what became of it.
//! Invariant: a message leaves the outbox only after it was delivered or given up; what is given up is said.

use super::message::Message;
use crate::model::Channel;
use chrono::{DateTime, Utc};
use std::future::Future;
use std::time::Duration;

/// What became of an attempt to deliver. No text in it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It was taken.
    Sent {
        /// What the other side said, in one line: a status, the first line of an answer.
        answer: String,
    },
    /// Not now: it is tried again.
    Retry {
        /// Not before so long a time, where the other side said so.
        after: Option<Duration>,
        /// Why not, in one line.
        why: String,
    },
    /// Never: another attempt would end in the same way.
    Dead {
        /// Why not, in one line.
        why: String,
    },
}

/// Delivers messages over channels.
pub trait Deliver {
    /// Makes one attempt. Whoever calls it ends it after the channel's timeout.
    fn deliver(&self, channel: &Channel, message: &Message) -> impl Future<Output = Delivery>;
}

/// A message that this sender alone may send until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// What is told.
    pub message: Message,
    /// Names the lease.
    pub lease: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When the first was made.
    pub first_attempt: Option<DateTime<Utc>>,
}

/// What there is to do for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Nothing before that moment, if there is anything at all.
    Nothing {
        /// When to ask again.
        until: Option<DateTime<Utc>>,
    },
    /// Send this one.
    One(Box<Claimed>),
    /// These waited for room: they are to be joined. Oldest first, at least two.
    Several(Vec<Message>),
}

/// How a claimed message is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It was taken.
    Sent,
    /// It is tried again.
    Retry {
        /// Not before.
        due: DateTime<Utc>,
        /// All others of the channel neither.
        whole_channel: bool,
        /// Why.
        why: String,
    },
    /// It is given up.
    Dead {
        /// Why.
        why: String,
    },
}

/// How many messages a channel takes from which moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// At most.
    pub count: u32,
    /// Those sent since then count.
    pub per: Duration,
}

/// Where messages wait. Everything that is `Ok` is durable.
pub trait Outbox {
    /// What is to be done for a channel, and if it is one message: a lease on it.
    fn claim(&self, channel: &str, now: DateTime<Utc>, lease: Duration, room: Option<Room>)
    -> Result<Due, OutboxError>;

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

    /// Gives up what waits for channels that are not among these; gives what that was, in one line each.
    fn give_up_unknown(&self, channels: &[&str], now: DateTime<Utc>) -> Result<Vec<String>, OutboxError>;
}

/// The outbox cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the outbox")]
pub struct OutboxError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
