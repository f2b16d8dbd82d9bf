//! Handing out messages to senders, and the results of their deliveries.
//!
//! Takes a channel, its rate limit and the time; gives one message with a lease, or several to be joined.
//! Invariant: until its lease ends, a message belongs to one sender; a message that this opsrun cannot read is given
//! up, not sent.

use super::super::columns::Stamp;
use super::super::statements::Statements as _;
use super::super::{Store, StoreError};
use super::write::Ledger;
use super::{COLUMNS, MessageState, StoredMessage};
use crate::channel::message::{DIGEST, Message};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, params};
use std::time::Duration;

/// No message waits longer. One that seems to was written before the clock was set back.
const MAX_WAIT: TimeDelta = TimeDelta::hours(25);
const MAX_JOINED: u32 = 1000;

#[derive(Debug, Clone, Copy)]
pub struct ClaimRequest<'a> {
    pub channel: &'a str,
    pub now: DateTime<Utc>,
    pub lease: Duration,
    /// At most this many messages in this time.
    pub rate_limit: Option<(u32, Duration)>,
    /// Only messages of one key are joined.
    pub key_by_key: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxClaim {
    /// Nothing before that time, if there is anything at all.
    Nothing(Option<DateTime<Utc>>),
    One(Box<ClaimedMessage>),
    /// These waited because of the rate limit and are to be joined. At least two, oldest first.
    Several(Vec<Message>),
}

/// A message that only this sender may send until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedMessage {
    pub message: Message,
    pub lease: String,
    pub attempts: u32,
    pub first_attempt: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    Sent,
    Retry {
        due: DateTime<Utc>,
        /// The other messages of the channel wait as well.
        whole_channel: bool,
        why: String,
    },
    Dead {
        why: String,
    },
}

/// Pending, due, and not being sent. `?1` is the channel and `?2` now. A due time after `?3` and a lease after `?4` were
/// written before the clock was set back, and do not count.
const FREE: &str = "state = 'pending' AND channel = ?1 AND (due_at <= ?2 OR due_at > ?3)
                    AND (leased_until IS NULL OR leased_until <= ?2 OR leased_until > ?4)";

/// No earlier message of its channel and key waits, and no earlier digest.
const FIRST_OF_KEY: &str = "NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.state = 'pending' AND e.channel = m.channel
                            AND e.key IN (m.key, 'digest') AND e.seq < m.seq)";

impl Store {
    /// The next message for a sender, if there is one.
    pub fn claim_message(&self, request: &ClaimRequest<'_>) -> Result<OutboxClaim, StoreError> {
        // Usually there is nothing, and a read does not keep others from writing.
        let any = self.read(|db| {
            let mut any = db.prepare_cached("SELECT 1 FROM outbox WHERE state = 'pending' AND channel = ?1")?;
            any.exists([request.channel])
        })?;
        if !any {
            return Ok(OutboxClaim::Nothing(None));
        }
        self.write(|db| claim(db, request))
    }

    /// Records the result of a delivery. A sender that lost its lease can still record that the message was delivered.
    pub fn settle_message(
        &self,
        id: &str,
        lease: &str,
        settlement: &Settlement,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let at = Stamp(now);
        self.write(|db| match settlement {
            Settlement::Sent => db.run(
                "UPDATE outbox SET state = 'sent', settled_at = ?2, attempts = attempts + 1, last_error = NULL,
                 first_attempt_at = coalesce(first_attempt_at, ?2), lease = NULL, leased_until = NULL
                 WHERE id = ?1 AND state = 'pending'",
                params![id, at],
            ),
            Settlement::Retry {
                due,
                whole_channel,
                why,
            } => {
                let changed = db.execute(
                    "UPDATE outbox SET due_at = ?3, attempts = attempts + 1, last_error = ?4,
                     first_attempt_at = coalesce(first_attempt_at, ?2), lease = NULL, leased_until = NULL
                     WHERE id = ?1 AND state = 'pending' AND lease = ?5",
                    params![id, at, Stamp(*due), why, lease],
                )?;
                if changed > 0 && *whole_channel {
                    db.run(
                        "UPDATE outbox SET due_at = max(due_at, ?2)
                         WHERE state = 'pending' AND channel = (SELECT channel FROM outbox WHERE id = ?1)",
                        params![id, Stamp(*due)],
                    )?;
                }
                Ok(())
            }
            Settlement::Dead { why } => db.run(
                "UPDATE outbox SET state = 'dead', settled_at = ?2, attempts = attempts + 1, last_error = ?3,
                 first_attempt_at = coalesce(first_attempt_at, ?2), lease = NULL, leased_until = NULL
                 WHERE id = ?1 AND state = 'pending' AND lease = ?4",
                params![id, at, why, lease],
            ),
        })
    }

    /// Replaces the messages of `ids` by a digest, if there is one. False, and nothing is done, when one of them no longer
    /// waits or is being sent.
    pub fn merge_messages(
        &self,
        channel: &str,
        ids: &[String],
        digest: Option<&Message>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let at = Stamp(now);
        self.write(|db| {
            let mut free = db.prepare_cached(
                "SELECT 1 FROM outbox WHERE id = ?1 AND state = 'pending'
                 AND (leased_until IS NULL OR leased_until <= ?2)",
            )?;
            for id in ids {
                if !free.exists(params![id, at])? {
                    return Ok(false);
                }
            }
            let mut merge = db.prepare_cached(
                "UPDATE outbox SET state = 'merged', settled_at = ?2, lease = NULL, leased_until = NULL WHERE id = ?1",
            )?;
            for id in ids {
                merge.execute(params![id, at])?;
            }
            if let Some(digest) = digest {
                Ledger(db).enqueue(channel, digest, MessageState::Pending)?;
            }
            Ok(true)
        })
    }
}

fn claim(db: &Connection, request: &ClaimRequest<'_>) -> rusqlite::Result<OutboxClaim> {
    let now = request.now;
    let lease = TimeDelta::from_std(request.lease).unwrap_or(MAX_WAIT);
    let channel = request.channel;
    let (at, no_later, no_lease) = (Stamp(now), Stamp(now + MAX_WAIT), Stamp(now + lease + lease));
    let free = params![channel, at, no_later, no_lease];
    if let Some((count, per)) = request.rate_limit {
        if let Some(until) = rate_limited_until(db, request, count, per)? {
            db.execute(&format!("UPDATE outbox SET waited = 1 WHERE {FREE}"), free)?;
            return Ok(OutboxClaim::Nothing(Some(until)));
        }
        let several = readable(db, joinable(db, free)?, now)?;
        let by_key = request.key_by_key;
        let several = if by_key { of_one_key(several) } else { several };
        if several.len() > 1 {
            return Ok(OutboxClaim::Several(several));
        }
    }
    let first =
        format!("SELECT {COLUMNS} FROM outbox AS m WHERE {FREE} AND {FIRST_OF_KEY} ORDER BY attempts, seq LIMIT 1");
    loop {
        let Some(row) = db.first(&first, free, StoredMessage::of)? else {
            break;
        };
        let Some(message) = row.message else {
            give_up_unreadable(db, &row.id, now)?;
            continue;
        };
        let name = ulid::Ulid::new().to_string();
        db.execute(
            "UPDATE outbox SET lease = ?2, leased_until = ?3 WHERE id = ?1",
            params![message.id, name, Stamp(now + lease)],
        )?;
        return Ok(OutboxClaim::One(Box::new(ClaimedMessage {
            message,
            lease: name,
            attempts: row.attempts,
            first_attempt: row.first_attempt_at,
        })));
    }
    // When the first waiting message is due, or the lease on it ends.
    let next = format!(
        "SELECT max(due_at, coalesce(leased_until, due_at)) AS next FROM outbox AS m
         WHERE state = 'pending' AND channel = ?1 AND {FIRST_OF_KEY} ORDER BY next LIMIT 1"
    );
    let next = db.first(&next, [channel], |row| row.get::<_, Stamp>(0))?;
    Ok(OutboxClaim::Nothing(next.map(|next| next.0)))
}

/// Gives up the others.
fn readable(db: &Connection, rows: Vec<StoredMessage>, now: DateTime<Utc>) -> rusqlite::Result<Vec<Message>> {
    let mut messages = Vec::with_capacity(rows.len());
    for row in rows {
        match row.message {
            Some(message) => messages.push(message),
            None => give_up_unreadable(db, &row.id, now)?,
        }
    }
    Ok(messages)
}

fn give_up_unreadable(db: &Connection, id: &str, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let sql = "UPDATE outbox SET state = 'dead', settled_at = ?2, lease = NULL, leased_until = NULL,
         last_error = 'a later version of opsrun wrote it, and this one cannot read it'
         WHERE id = ?1 AND state = 'pending'";
    db.run(sql, params![id, Stamp(now)])
}

/// When the rate limit allows the next message; `None` when it does now.
fn rate_limited_until(
    db: &Connection,
    request: &ClaimRequest<'_>,
    count: u32,
    per: Duration,
) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let now = request.now;
    let per = TimeDelta::from_std(per).unwrap_or(TimeDelta::MAX);
    let since = now.checked_sub_signed(per).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let being_sent: u32 = db
        .prepare_cached("SELECT count(*) FROM outbox WHERE state = 'pending' AND channel = ?1 AND leased_until > ?2")?
        .query_row(params![request.channel, Stamp(now)], |row| row.get(0))?;
    let Some(left) = count.checked_sub(being_sent).filter(|left| *left > 0) else {
        return Ok(Some(now + TimeDelta::seconds(1)));
    };
    // The oldest of the messages that fill the limit.
    let full = db.first(
        "SELECT settled_at FROM outbox WHERE state = 'sent' AND channel = ?1 AND settled_at > ?2 AND settled_at <= ?3
         ORDER BY settled_at DESC LIMIT 1 OFFSET ?4",
        params![request.channel, Stamp(since), Stamp(now), left - 1],
        |row| row.get::<_, Stamp>(0),
    )?;
    Ok(full.map(|at| at.0.checked_add_signed(per).unwrap_or(DateTime::<Utc>::MAX_UTC)))
}

/// The messages that may be joined, if the rate limit made one of them wait. No message overtakes an earlier one of its key.
fn joinable(db: &Connection, free: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<StoredMessage>> {
    let joinable = format!(
        "SELECT {COLUMNS}, waited FROM outbox AS m WHERE {FREE} AND key <> '{DIGEST}' AND NOT EXISTS (
         SELECT 1 FROM outbox AS e WHERE e.state = 'pending' AND e.channel = m.channel AND e.seq < m.seq
         AND (e.key = '{DIGEST}' OR (e.key = m.key AND NOT (e.due_at <= ?2 OR e.due_at > ?3))
              OR (e.key = m.key AND NOT (e.leased_until IS NULL OR e.leased_until <= ?2 OR e.leased_until > ?4))))
         ORDER BY seq LIMIT {MAX_JOINED}"
    );
    let rows = db.rows(&joinable, free, |row| {
        Ok((StoredMessage::of(row)?, row.get::<_, bool>(10)?))
    })?;
    let waited = rows.iter().any(|(_, waited)| *waited);
    let rows = rows.into_iter().map(|(row, _)| row);
    Ok(if waited { rows.collect() } else { Vec::new() })
}

/// The messages of the first key that has several.
fn of_one_key(messages: Vec<Message>) -> Vec<Message> {
    let count = |key: &str| messages.iter().filter(|message| message.key == key).count();
    let several = messages.iter().find(|message| count(&message.key) > 1);
    let key = several.map(|message| message.key.clone());
    let of_key = messages
        .into_iter()
        .filter(|message| Some(&message.key) == key.as_ref());
    of_key.collect()
}
