//! Handing out messages to senders, and the results of their deliveries.
//!
//! Takes a channel, its rate limit and the time; gives one message with a lease, or several to be joined.
//! - A message that some recipients have and others do not is *partial*. It waits for the others alone: later messages of
//!   its key go to the recipients that are not behind, and to the others after it.
//! - A delivery that works makes everything due that waits for its channel after a failed attempt, each message once
//!   (`lifted`), until a new message fails: a message that only fails itself is not tried with every other.
//!
//! Invariant: until its lease ends, a message belongs to one sender; a message that this opsrun cannot read is given
//! up, not sent.

use super::super::columns::Stamp;
use super::super::statements::Statements as _;
use super::super::{Store, StoreError};
use super::write::Ledger;
use super::{COLUMNS, MessageState, StoredMessage};
use crate::channel::answer::RecipientResults;
use crate::channel::message::{DIGEST, Message};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, Row, params};
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
    /// How long the last message that the rate limit allows waits for others that it can be joined with.
    pub gather: TimeDelta,
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
    /// The results of earlier attempts.
    pub recipients: RecipientResults,
    /// The results of earlier messages that wait for some recipients: who is missing in one of them gets this one later.
    pub earlier: Vec<RecipientResults>,
    /// The channels that gave it up before it came here.
    pub given_up_by: Vec<String>,
}

impl ClaimedMessage {
    /// Who is to be asked now, of all recipients of the channel.
    pub fn addressees(&self, all: &[String]) -> Vec<String> {
        let ready = |address: &&String| {
            !self.recipients.includes(address) && self.earlier.iter().all(|earlier| earlier.includes(address))
        };
        all.iter().filter(ready).cloned().collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    Sent {
        /// What is to be remembered besides, such as refused recipients.
        note: Option<String>,
        /// For the fallback, each if it was given the trouble that this ends.
        relays: Vec<Relay>,
    },
    Retry {
        due: DateTime<Utc>,
        /// Until then no message of the channel is sent: the server asked for that.
        pause_until: Option<DateTime<Utc>>,
        why: String,
        /// The message is partial.
        recipients: Option<RecipientResults>,
        /// Some recipient got it in this attempt.
        progress: bool,
    },
    Dead {
        why: String,
        relay: Option<Box<Relay>>,
    },
}

/// A message for the fallback of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    pub channel: String,
    pub message: Message,
    /// The channels that gave it up.
    pub given_up_by: Vec<String>,
}

/// Pending, due, and not being sent. `?1` is the channel and `?2` now. A due time after `?3` and a lease after `?4` were
/// written before the clock was set back, and do not count.
const FREE: &str = "state = 'pending' AND channel = ?1 AND (due_at <= ?2 OR due_at > ?3)
                    AND (leased_until IS NULL OR leased_until <= ?2 OR leased_until > ?4)";

/// No earlier message of its channel and key waits, and no earlier digest; partial ones hold up recipients, not messages.
/// A digest that another channel gave up may be about any key, and waits for all.
const FIRST_OF_KEY: &str = "NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.state = 'pending' AND e.channel = m.channel
                            AND e.recipients IS NULL
                            AND e.key IN (m.key, 'digest') AND e.seq < m.seq)
                            AND NOT (m.key = 'digest' AND m.given_up_by IS NOT NULL AND EXISTS (
                            SELECT 1 FROM outbox AS e WHERE e.state = 'pending' AND e.channel = m.channel
                            AND e.recipients IS NULL AND e.seq < m.seq))";

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
            Settlement::Sent { note, relays } => {
                let changed = db.execute(
                    "UPDATE outbox SET state = 'sent', settled_at = ?2, attempts = attempts + 1, last_error = ?3,
                     first_attempt_at = coalesce(first_attempt_at, ?2), lease = NULL, leased_until = NULL
                     WHERE id = ?1 AND state = 'pending'",
                    params![id, at, note],
                )?;
                if changed == 0 {
                    return Ok(());
                }
                for relay in relays {
                    if knows_of_trouble(db, relay)? {
                        relay_message(db, relay)?;
                    }
                }
                wake(db, id, now)?;
                lift(db, id, true, now)
            }
            Settlement::Retry {
                due,
                pause_until,
                why,
                recipients,
                progress,
            } => {
                let first = "SELECT attempts = 0 FROM outbox WHERE id = ?1";
                let fresh = db.first(first, [id], |row| row.get(0))?.unwrap_or(false);
                let changed = db.execute(
                    "UPDATE outbox SET due_at = ?3, attempts = attempts + 1, last_error = ?4, pause_until = ?6,
                     recipients = coalesce(?7, recipients),
                     first_attempt_at = coalesce(first_attempt_at, ?2), lease = NULL, leased_until = NULL
                     WHERE id = ?1 AND state = 'pending' AND lease = ?5",
                    params![
                        id,
                        at,
                        Stamp(*due),
                        why,
                        lease,
                        pause_until.map(Stamp),
                        recipients.as_ref().map(to_json).transpose()?
                    ],
                )?;
                if changed == 0 {
                    return Ok(());
                }
                if *progress {
                    wake(db, id, now)?;
                    return lift(db, id, false, now);
                }
                if fresh {
                    // The trouble is the channel's: what waits is worth an attempt when that has passed.
                    db.run(
                        "UPDATE outbox SET lifted = 0 WHERE state = 'pending' AND lifted = 1
                         AND channel = (SELECT channel FROM outbox WHERE id = ?1)",
                        [id],
                    )?;
                }
                Ok(())
            }
            Settlement::Dead { why, relay } => {
                let changed = db.execute(
                    "UPDATE outbox SET state = 'dead', settled_at = ?2, attempts = attempts + 1, last_error = ?3,
                     first_attempt_at = coalesce(first_attempt_at, ?2), lease = NULL, leased_until = NULL
                     WHERE id = ?1 AND state = 'pending' AND lease = ?4",
                    params![id, at, why, lease],
                )?;
                if changed == 0 {
                    return Ok(());
                }
                if let Some(relay) = relay {
                    relay_message(db, relay)?;
                }
                wake(db, id, now)
            }
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

/// Makes due the later messages that recipients of this one wait for.
fn wake(db: &Connection, id: &str, now: DateTime<Utc>) -> rusqlite::Result<()> {
    db.run(
        "UPDATE outbox AS m SET due_at = min(due_at, ?2) WHERE state = 'pending' AND recipients IS NOT NULL AND EXISTS (
         SELECT 1 FROM outbox AS e WHERE e.id = ?1 AND e.channel = m.channel AND e.seq < m.seq
         AND (e.key IN (m.key, 'digest') OR m.key = 'digest'))",
        params![id, Stamp(now)],
    )
}

/// Makes due what waits for the channel of this message after a failed attempt; partial messages only `with_partial`.
fn lift(db: &Connection, id: &str, with_partial: bool, now: DateTime<Utc>) -> rusqlite::Result<()> {
    db.run(
        "UPDATE outbox SET due_at = min(due_at, ?2), lifted = 1
         WHERE state = 'pending' AND attempts > 0 AND lifted = 0 AND id <> ?1
         AND (?3 OR recipients IS NULL) AND channel = (SELECT channel FROM outbox WHERE id = ?1)",
        params![id, Stamp(now), with_partial],
    )
}

fn to_json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn relay_message(db: &Connection, relay: &Relay) -> rusqlite::Result<()> {
    Ledger(db).enqueue(&relay.channel, &relay.message, MessageState::Pending)?;
    db.run(
        "UPDATE outbox SET given_up_by = ?2 WHERE id = ?1",
        params![relay.message.id, to_json(&relay.given_up_by)?],
    )
}

/// The newest that came to the fallback about this key from another channel, also within a digest, is not its end.
fn knows_of_trouble(db: &Connection, relay: &Relay) -> rusqlite::Result<bool> {
    let key = &relay.message.key;
    let newest = "SELECT json FROM outbox WHERE channel = ?1 AND key IN (?2, ?3) AND given_up_by IS NOT NULL
         ORDER BY seq DESC";
    let mut newest = db.prepare_cached(newest)?;
    let mut rows = newest.query(params![relay.channel, key, DIGEST])?;
    while let Some(row) = rows.next()? {
        let json: String = row.get(0)?;
        let message = serde_json::from_str::<Message>(&json).ok();
        if let Some(over) = message.and_then(|message| message.is_over_for(key)) {
            return Ok(!over);
        }
    }
    Ok(false)
}

fn claim(db: &Connection, request: &ClaimRequest<'_>) -> rusqlite::Result<OutboxClaim> {
    let now = request.now;
    let lease = TimeDelta::from_std(request.lease).unwrap_or(MAX_WAIT);
    let channel = request.channel;
    let (at, no_later, no_lease) = (Stamp(now), Stamp(now + MAX_WAIT), Stamp(now + lease + lease));
    let free = params![channel, at, no_later, no_lease];
    // Leases that were given by a clock that was ahead would keep messages from being joined, and count as being sent.
    db.execute(
        "UPDATE outbox SET lease = NULL, leased_until = NULL
         WHERE state = 'pending' AND channel = ?1 AND leased_until > ?2",
        params![channel, no_lease],
    )?;
    if let Some(until) = paused_until(db, channel, now)? {
        return Ok(OutboxClaim::Nothing(Some(until)));
    }
    if let Some((count, per)) = request.rate_limit {
        let left = match allowance(db, request, count, per)? {
            Allowance::Until(until) => {
                db.execute(&format!("UPDATE outbox SET waited = 1 WHERE {FREE}"), free)?;
                return Ok(OutboxClaim::Nothing(Some(until)));
            }
            Allowance::Left(left) => left,
        };
        let waited = db
            .prepare_cached(&format!("SELECT 1 FROM outbox WHERE {FREE} AND waited = 1"))?
            .exists(free)?;
        // The last message that is allowed joins all that wait: the next would come much later.
        let last = left == 1 && !request.key_by_key;
        if waited || last {
            let rows = joinable(db, free)?;
            let oldest = rows.first().map(|row| row.created_at.0 + request.gather);
            let open = |until: &DateTime<Utc>| *until > now && *until <= now + request.gather;
            if let Some(until) = oldest.filter(|until| !waited && count > 1 && open(until)) {
                return Ok(OutboxClaim::Nothing(Some(until)));
            }
            let several = readable(db, rows, now)?;
            let by_key = request.key_by_key;
            let several = if by_key { of_one_key(several) } else { several };
            if several.len() > 1 {
                return Ok(OutboxClaim::Several(several));
            }
        }
    }
    // A message that failed alone waits for those that were not tried yet.
    let first = format!(
        "SELECT {COLUMNS}, seq, key, recipients, given_up_by FROM outbox AS m WHERE {FREE} AND {FIRST_OF_KEY}
         ORDER BY CASE lifted WHEN 1 THEN 0 ELSE attempts END, seq LIMIT 1"
    );
    loop {
        let Some(row) = db.first(&first, free, ClaimRow::of)? else {
            break;
        };
        let stored = row.stored;
        let Some(message) = stored.message else {
            give_up_unreadable(db, &stored.id, now)?;
            continue;
        };
        let name = ulid::Ulid::new().to_string();
        db.execute(
            "UPDATE outbox SET lease = ?2, leased_until = ?3 WHERE id = ?1",
            params![message.id, name, Stamp(now + lease)],
        )?;
        let earlier = earlier_partial(db, channel, row.seq, &row.key)?;
        return Ok(OutboxClaim::One(Box::new(ClaimedMessage {
            message,
            lease: name,
            attempts: stored.attempts,
            first_attempt: stored.first_attempt_at,
            recipients: row.recipients.unwrap_or_default(),
            earlier,
            given_up_by: row.given_up_by,
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

struct ClaimRow {
    stored: StoredMessage,
    seq: i64,
    key: String,
    /// `Some` for a partial message.
    recipients: Option<RecipientResults>,
    given_up_by: Vec<String>,
}

impl ClaimRow {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let given_up_by = row.get::<_, Option<String>>(13)?;
        Ok(Self {
            stored: StoredMessage::of(row)?,
            seq: row.get(10)?,
            key: row.get(11)?,
            recipients: row.get::<_, Option<String>>(12)?.map(|json| results(&json)),
            given_up_by: given_up_by
                .and_then(|json| serde_json::from_str(&json).ok())
                .unwrap_or_default(),
        })
    }
}

/// What cannot be read counts as no results: a mail comes twice rather than never.
fn results(json: &str) -> RecipientResults {
    serde_json::from_str(json).unwrap_or_default()
}

/// The partial messages that recipients of this one must get before it.
fn earlier_partial(db: &Connection, channel: &str, seq: i64, key: &str) -> rusqlite::Result<Vec<RecipientResults>> {
    db.rows(
        "SELECT recipients FROM outbox WHERE state = 'pending' AND channel = ?1 AND seq < ?2 AND recipients IS NOT NULL
         AND (key IN (?3, 'digest') OR ?3 = 'digest')",
        params![channel, seq, key],
        |row| Ok(results(&row.get::<_, String>(0)?)),
    )
}

/// Until when the server asked to be left alone. A time after [`MAX_WAIT`] was written before the clock was set back.
fn paused_until(db: &Connection, channel: &str, now: DateTime<Utc>) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let until = "SELECT max(pause_until) FROM outbox
         WHERE state = 'pending' AND channel = ?1 AND pause_until > ?2 AND pause_until <= ?3";
    let until = db.first(until, params![channel, Stamp(now), Stamp(now + MAX_WAIT)], |row| {
        row.get::<_, Option<Stamp>>(0)
    })?;
    Ok(until.flatten().map(|until| until.0))
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

/// What a rate limit allows now.
enum Allowance {
    /// So many messages; at least one.
    Left(u32),
    /// Nothing before that time.
    Until(DateTime<Utc>),
}

fn allowance(db: &Connection, request: &ClaimRequest<'_>, count: u32, per: Duration) -> rusqlite::Result<Allowance> {
    let now = request.now;
    let per = TimeDelta::from_std(per).unwrap_or(TimeDelta::MAX);
    let since = now.checked_sub_signed(per).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let being_sent: u32 = db
        .prepare_cached("SELECT count(*) FROM outbox WHERE state = 'pending' AND channel = ?1 AND leased_until > ?2")?
        .query_row(params![request.channel, Stamp(now)], |row| row.get(0))?;
    let Some(left) = count.checked_sub(being_sent).filter(|left| *left > 0) else {
        return Ok(Allowance::Until(now + TimeDelta::seconds(1)));
    };
    // The newest that count, partial ones among them, newest first.
    let sent = db.rows(
        "SELECT settled_at AS at FROM outbox WHERE state = 'sent' AND channel = ?1 AND settled_at > ?2
         AND settled_at <= ?3
         UNION ALL
         SELECT first_attempt_at FROM outbox WHERE state = 'pending' AND channel = ?1 AND recipients IS NOT NULL
         AND first_attempt_at > ?2 AND first_attempt_at <= ?3 AND (leased_until IS NULL OR leased_until <= ?3)
         ORDER BY at DESC LIMIT ?4",
        params![request.channel, Stamp(since), Stamp(now), left],
        |row| row.get::<_, Stamp>(0),
    )?;
    let used = u32::try_from(sent.len()).unwrap_or(u32::MAX);
    Ok(match sent.last().filter(|_| used >= left) {
        Some(oldest) => Allowance::Until(oldest.0.checked_add_signed(per).unwrap_or(DateTime::<Utc>::MAX_UTC)),
        None => Allowance::Left(left - used),
    })
}

/// The messages that may be joined. No message overtakes an earlier one of its key.
fn joinable(db: &Connection, free: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<StoredMessage>> {
    let joinable = format!(
        "SELECT {COLUMNS} FROM outbox AS m WHERE {FREE} AND key <> '{DIGEST}' AND recipients IS NULL AND NOT EXISTS (
         SELECT 1 FROM outbox AS e WHERE e.state = 'pending' AND e.channel = m.channel AND e.seq < m.seq
         AND e.recipients IS NULL
         AND (e.key = '{DIGEST}' OR (e.key = m.key AND NOT (e.due_at <= ?2 OR e.due_at > ?3))
              OR (e.key = m.key AND NOT (e.leased_until IS NULL OR e.leased_until <= ?2 OR e.leased_until > ?4))))
         ORDER BY seq LIMIT {MAX_JOINED}"
    );
    db.rows(&joinable, free, StoredMessage::of)
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
