//! The store, as the sender sees it.
//!
//! Takes what the sender asks, gives it in its own words. Invariant: a message that cannot be read is given up, not sent.

use super::voice::row;
use crate::alert::sender::{Claimed, Due, GivenUp, Outbox, OutboxError, Settled};
use crate::alert::{Message, terms};
use crate::model::Channel;
use crate::store::outbox::{Asking, Attempted, Given, StoredMessage};
use crate::store::{Store, StoreError};
use chrono::{DateTime, Utc};
use std::time::Duration;

#[derive(Debug)]
pub struct Postbox<'a>(pub &'a Store);

impl Outbox for Postbox<'_> {
    fn claim(&self, channel: &Channel, lease: Duration, now: DateTime<Utc>) -> Result<Due, OutboxError> {
        let asking = Asking {
            channel: &channel.name,
            now,
            lease,
            room: channel.rate_limit.map(|limit| (limit.count, limit.per)),
            key_by_key: terms::follows_keys(channel),
        };
        loop {
            match self.0.claim_message(&asking)? {
                Given::Nothing(until) => return Ok(Due::Nothing { until }),
                Given::Several(rows) => {
                    let messages: Option<Vec<Message>> = rows.iter().map(message).collect();
                    match messages {
                        Some(messages) => return Ok(Due::Several(messages)),
                        None => self.give_up_unreadable(&rows, now)?,
                    }
                }
                Given::One(row, lease) => match message(&row) {
                    Some(message) => {
                        return Ok(Due::One(Box::new(Claimed {
                            message,
                            lease,
                            attempts: row.attempts,
                            first_attempt: row.first_attempt_at,
                        })));
                    }
                    None => self.0.give_up(&row.id, UNREADABLE, now)?,
                },
            }
        }
    }

    fn settle(&self, claimed: &Claimed, settled: &Settled, now: DateTime<Utc>) -> Result<(), OutboxError> {
        let attempted = match settled {
            Settled::Sent => Attempted::Sent,
            Settled::Retry {
                due,
                whole_channel,
                why,
            } => Attempted::Retry {
                due: *due,
                whole_channel: *whole_channel,
                why,
            },
            Settled::Dead { why } => Attempted::Dead { why },
        };
        let (id, lease) = (&claimed.message.id, &claimed.lease);
        Ok(self.0.settle_message(id, lease, &attempted, now)?)
    }

    fn merge(
        &self,
        channel: &str,
        ids: &[String],
        digest: Option<&Message>,
        now: DateTime<Utc>,
    ) -> Result<bool, OutboxError> {
        let joined = digest.map(|digest| row(channel, digest)).transpose();
        let joined = joined.map_err(|error| OutboxError(Box::new(error)))?;
        Ok(self.0.merge_messages(ids, joined.as_ref(), now)?)
    }

    fn tidy(&self, channels: &[&str], now: DateTime<Utc>) -> Result<Vec<GivenUp>, OutboxError> {
        let rows = self.0.tidy_messages(channels, now)?;
        let given_up = |row: StoredMessage| {
            Some(GivenUp {
                message: message(&row)?,
                why: row.last_error.unwrap_or_default(),
                channel: row.channel,
            })
        };
        Ok(rows.into_iter().filter_map(given_up).collect())
    }
}

impl Postbox<'_> {
    fn give_up_unreadable(&self, rows: &[StoredMessage], now: DateTime<Utc>) -> Result<(), StoreError> {
        for row in rows.iter().filter(|row| message(row).is_none()) {
            self.0.give_up(&row.id, UNREADABLE, now)?;
        }
        Ok(())
    }
}

const UNREADABLE: &str = "a later opsrun wrote it: it cannot be read";

fn message(row: &StoredMessage) -> Option<Message> {
    serde_json::from_str(&row.json).ok()
}

impl From<StoreError> for OutboxError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}
