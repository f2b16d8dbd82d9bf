//! Writing messages and alert states.
//!
//! Works inside a transaction that the caller of [`AlertWriter`] opened: an event and the alerts about it are there
//! together or not at all. Does not read the JSON of an alert state.

use super::super::columns::Stamp;
use super::super::statements::Statements as _;
use super::super::{Store, StoreError};
use super::MessageState;
use crate::channel::message::Message;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

/// Writes alerts in the transaction that it is given.
pub type AlertWriter<'a> = &'a mut dyn FnMut(&Ledger<'_>) -> rusqlite::Result<()>;

/// A transaction that someone else opened and will end.
#[derive(Debug)]
pub struct Ledger<'a>(pub(in crate::store) &'a Connection);

impl Ledger<'_> {
    pub fn alert_state(&self, key: &str) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT json FROM alert_states WHERE key = ?1";
        self.0.first(sql, [key], |row| row.get(0))
    }

    /// The states of all keys.
    pub fn alert_states(&self) -> rusqlite::Result<Vec<(String, String)>> {
        let sql = "SELECT key, json FROM alert_states ORDER BY key";
        self.0.rows(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    pub fn remember_alert_state(&self, key: &str, json: &str, at: DateTime<Utc>) -> rusqlite::Result<()> {
        let sql = "INSERT INTO alert_states (key, at, json) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET at = ?2, json = ?3";
        self.0.run(sql, params![key, Stamp(at), json])
    }

    /// A message that is neither pending nor held is settled at once. What a pending one has to wait for is due with it:
    /// news is not held up by the back-off of what was before it.
    pub fn enqueue(&self, channel: &str, message: &Message, state: MessageState) -> rusqlite::Result<()> {
        let at = Stamp(message.at);
        let settled = (!matches!(state, MessageState::Pending | MessageState::Held)).then_some(at);
        let json =
            serde_json::to_string(message).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let Message {
            id,
            key,
            kind,
            severity,
            ..
        } = message;
        self.0.run(
            "INSERT INTO outbox (id, channel, key, kind, severity, state, created_at, due_at, settled_at, json)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9)",
            params![id, channel, key, kind, severity, state, at, settled, json],
        )?;
        if state != MessageState::Pending {
            return Ok(());
        }
        self.0.run(
            "UPDATE outbox SET due_at = ?3 WHERE state = 'pending' AND channel = ?1 AND key IN (?2, 'digest')
             AND recipients IS NULL AND attempts > 0 AND due_at > ?3",
            params![channel, key, at],
        )
    }

    /// A held message becomes due.
    pub fn release(&self, channel: &str, key: &str, at: DateTime<Utc>) -> rusqlite::Result<()> {
        self.0.run(
            "UPDATE outbox SET state = 'pending', due_at = ?3 WHERE state = 'held' AND channel = ?1 AND key = ?2",
            params![channel, key, Stamp(at)],
        )
    }

    /// A held message is never sent.
    pub fn drop_held(&self, channel: &str, key: &str, at: DateTime<Utc>) -> rusqlite::Result<()> {
        self.0.run(
            "UPDATE outbox SET state = 'dropped', settled_at = ?3 WHERE state = 'held' AND channel = ?1 AND key = ?2",
            params![channel, key, Stamp(at)],
        )
    }
}

impl Store {
    pub fn write_alerts(&self, write: AlertWriter<'_>) -> Result<(), StoreError> {
        self.write(|db| write(&Ledger(db)))
    }
}
