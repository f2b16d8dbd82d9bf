//! Messages until they are delivered: their states, lists of them, and what is sent again or given up.
//!
//! Takes and gives messages by channel. Does not know how a message is sent.
//! - [`mod@write`]: messages and alert states, in the transaction of the events that they report
//! - [`claim`]: one message at a time for a sender, in order, and the result of its delivery
//!
//! Invariant: a message is given out only while no earlier one of its channel and key waits, and to one sender at a
//! time; a message that waits is never removed.

pub mod claim;
pub mod write;

pub use claim::{ClaimRequest, ClaimedMessage, OutboxClaim, Relay, Settlement};
pub use write::{AlertWriter, Ledger};

use super::columns::{Stamp, from_word};
use super::statements::Statements as _;
use super::{Store, StoreError};
use crate::channel::message::Message;
use crate::clock::MillisUtc;
use chrono::{DateTime, Utc};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MessageState {
    /// It waits to be sent.
    Pending,
    /// It waits until the check that silences it recovers.
    Held,
    /// It was delivered.
    Sent,
    /// It was given up.
    Dead,
    /// It is part of a digest, or a later message replaces it.
    Merged,
    /// It was not sent, because its cause was over before.
    Dropped,
}

impl MessageState {
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Held,
        Self::Sent,
        Self::Dead,
        Self::Merged,
        Self::Dropped,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Merged => "merged",
            Self::Dropped => "dropped",
        }
    }
}

impl ToSql for MessageState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.word().into())
    }
}

impl FromSql for MessageState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        from_word(value)
    }
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "AlertDocument"))]
pub struct StoredMessage {
    /// Its id, a ULID.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// Its state.
    pub state: MessageState,
    /// When it was created: RFC 3339, UTC.
    pub created_at: MillisUtc,
    /// Not sent before: RFC 3339, UTC.
    pub due_at: MillisUtc,
    /// Number of attempts.
    pub attempts: u32,
    #[serde(skip)]
    pub first_attempt_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was delivered, given up, merged or dropped: RFC 3339, UTC.
    pub settled_at: Option<MillisUtc>,
    /// The message; null if a later opsrun wrote it.
    pub message: Option<Message>,
}

const COLUMNS: &str =
    "id, channel, state, created_at, due_at, attempts, first_attempt_at, last_error, settled_at, json";

impl StoredMessage {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let some_time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<Stamp>>(column)?.map(|stamp| stamp.0));
        Ok(Self {
            id: row.get(0)?,
            channel: row.get(1)?,
            state: row.get(2)?,
            created_at: MillisUtc(row.get::<_, Stamp>(3)?.0),
            due_at: MillisUtc(row.get::<_, Stamp>(4)?.0),
            attempts: row.get(5)?,
            first_attempt_at: some_time(6)?,
            last_error: row.get(7)?,
            settled_at: some_time(8)?.map(MillisUtc),
            message: serde_json::from_str(row.get_ref(9)?.as_str()?).ok(),
        })
    }
}

/// Alerts that were not delivered over one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Undelivered {
    /// The channel.
    pub channel: String,
    /// Alerts that wait to be sent.
    pub pending: u64,
    /// Alerts that were given up.
    pub dead: u64,
    /// When the oldest waiting alert was created: RFC 3339, UTC.
    pub since: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    pub again: Vec<String>,
    /// Not sent again: later news of their key was delivered over their channel.
    pub overtaken: Vec<String>,
}

impl Store {
    /// Gives up messages for channels that are not among `known`, and returns them.
    pub fn tidy_messages(&self, known: &[&str], now: DateTime<Utc>) -> Result<Vec<StoredMessage>, StoreError> {
        let waiting = format!("SELECT {COLUMNS} FROM outbox WHERE state IN ('pending', 'held') ORDER BY seq");
        let strangers = |db: &Connection| {
            let mut rows = db.rows(&waiting, [], StoredMessage::of)?;
            rows.retain(|row| !known.contains(&row.channel.as_str()));
            Ok::<_, rusqlite::Error>(rows)
        };
        if self.read(strangers)?.is_empty() {
            return Ok(Vec::new());
        }
        self.write(|db| {
            let mut given_up = strangers(db)?;
            for row in &mut given_up {
                row.state = MessageState::Dead;
                row.last_error = Some("the ops file has no channel of this name".to_owned());
                db.execute(
                    "UPDATE outbox SET state = 'dead', settled_at = ?2, last_error = ?3, lease = NULL,
                     leased_until = NULL WHERE id = ?1",
                    params![row.id, Stamp(now), row.last_error],
                )?;
            }
            Ok(given_up)
        })
    }

    /// The newest `limit` messages in these states, oldest first. None where an earlier opsrun made the database.
    pub fn messages(&self, states: &[MessageState], limit: u32) -> Result<Vec<StoredMessage>, StoreError> {
        let words: Vec<String> = states.iter().map(|state| format!("'{}'", state.word())).collect();
        let newest = format!(
            "SELECT {COLUMNS} FROM outbox WHERE state IN ({}) ORDER BY seq DESC LIMIT ?1",
            words.join(", ")
        );
        let mut rows: Vec<StoredMessage> = self.read(|db| {
            if !db.table_exists(None, "outbox")? {
                return Ok(Vec::new());
            }
            db.rows(&newest, [limit], StoredMessage::of)
        })?;
        rows.reverse();
        Ok(rows)
    }

    /// Messages whose id begins with `prefix`, at most two.
    pub fn messages_by_prefix(&self, prefix: &str) -> Result<Vec<StoredMessage>, StoreError> {
        let named = format!("SELECT {COLUMNS} FROM outbox WHERE substr(id, 1, length(?1)) = ?1 ORDER BY seq LIMIT 2");
        self.read(|db| db.rows(&named, [prefix], StoredMessage::of))
    }

    /// Makes messages that were given up pending again, due now and without attempts. Without `ids` all of them, except
    /// where later news of the key was delivered over the channel. Messages that still wait are due now. Recipients that
    /// have the message do not get it again; those that refused it are asked again.
    pub fn replay(&self, ids: Option<&[String]>, now: DateTime<Utc>) -> Result<Replayed, StoreError> {
        let at = Stamp(now);
        self.write(|db| {
            let mut done = Replayed::default();
            let mut back = db.prepare_cached(
                "UPDATE outbox SET state = 'pending', due_at = ?2, attempts = 0, first_attempt_at = NULL,
                 settled_at = NULL, waited = 0, lifted = 0, pause_until = NULL,
                 recipients = json_remove(recipients, '$.refused') WHERE id = ?1 AND state = 'dead'",
            )?;
            if let Some(ids) = ids {
                for id in ids {
                    let sql = "UPDATE outbox SET due_at = ?2, pause_until = NULL WHERE id = ?1 AND state = 'pending'";
                    let waits = db.execute(sql, params![id, at])?;
                    if waits + back.execute(params![id, at])? > 0 {
                        done.again.push(id.clone());
                    }
                }
                return Ok(done);
            }
            let dead = "SELECT id, EXISTS (SELECT 1 FROM outbox AS later WHERE later.state IN ('sent', 'merged')
                 AND later.channel = m.channel AND later.key = m.key AND later.seq > m.seq)
                 FROM outbox AS m WHERE state = 'dead' ORDER BY seq";
            for (id, overtaken) in db.rows(dead, [], |row| Ok((row.get(0)?, row.get(1)?)))? {
                if overtaken {
                    done.overtaken.push(id);
                } else {
                    back.execute(params![id, at])?;
                    done.again.push(id);
                }
            }
            db.execute(
                "UPDATE outbox SET due_at = ?1, pause_until = NULL WHERE state = 'pending'",
                [&at],
            )?;
            Ok(done)
        })
    }

    /// After the clock was set back: what waits for a time that a clock had set that was ahead is due now.
    pub fn due_after_clock_was_set_back(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.execute(
            "UPDATE outbox SET due_at = ?1, pause_until = NULL
             WHERE state = 'pending' AND (due_at > ?1 OR pause_until > ?1)",
            [Stamp(now)],
        )
    }

    /// By channel, in the order of names. Nothing where an earlier opsrun made the database.
    pub fn undelivered(&self) -> Result<Vec<Undelivered>, StoreError> {
        self.read(|db| {
            if !db.table_exists(None, "outbox")? {
                return Ok(Vec::new());
            }
            db.rows(
                "SELECT channel, count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'dead'),
                 min(created_at) FILTER (WHERE state = 'pending'),
                 (SELECT last_error FROM outbox AS f WHERE f.channel = m.channel AND f.state IN ('pending', 'dead')
                  AND last_error IS NOT NULL ORDER BY seq DESC LIMIT 1)
                 FROM outbox AS m WHERE state IN ('pending', 'dead') GROUP BY channel ORDER BY channel",
                [],
                |row| {
                    Ok(Undelivered {
                        channel: row.get(0)?,
                        pending: u64::from(row.get::<_, u32>(1)?),
                        dead: u64::from(row.get::<_, u32>(2)?),
                        since: row.get::<_, Option<Stamp>>(3)?.map(|since| since.0),
                        last_error: row.get(4)?,
                    })
                },
            )
        })
    }
}

#[cfg(test)]
mod tests;
