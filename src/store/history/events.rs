//! The events of a run, read again.

use super::super::columns::Stamp;
use super::super::statements::Statements as _;
use super::super::{Store, StoreError};
use crate::run::Event;
use chrono::{DateTime, Utc};
use rusqlite::Row;

/// An event as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Counts up over all runs.
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub event: Event,
}

impl Store {
    /// The events of a run, in order.
    pub fn events_of(&self, run: &str) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = "SELECT seq, at, json FROM events WHERE run = ?1 ORDER BY seq";
        let rows = self.read(|db| db.rows(sql, [run], event_row))?;
        rows.into_iter().map(|row| self.event(row)).collect()
    }

    pub(super) fn event(&self, (seq, at, json): EventRow) -> Result<StoredEvent, StoreError> {
        let event = serde_json::from_str(&json).map_err(|source| StoreError::Event {
            path: self.path.clone(),
            seq,
            source,
        })?;
        Ok(StoredEvent { seq, at, event })
    }
}

pub(super) type EventRow = (i64, DateTime<Utc>, String);

pub(super) fn event_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok((row.get(0)?, row.get::<_, Stamp>(1)?.0, row.get(2)?))
}
