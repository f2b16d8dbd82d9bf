//! Messages until they are delivered, and what is remembered of what was told.
//!
//! Takes rows whose JSON it does not read, gives them back by channel, in order, one sender at a time. What is told of
//! an event is written with it, in one transaction ([`Ledger`]). Knows nothing of channels or of how messages are sent.
//! Invariant: a message is given out only while no earlier one of its channel and key waits, and to one sender at a
//! time; nothing that waits is ever removed.

use super::{Store, StoreError, moment, stamp};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// The key of messages that stand for several keys: nothing of their channel overtakes them.
pub const EVERY_KEY: &str = "digest";

/// Nothing is put off for longer: what seems to be was, before the clock was set back.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(25);
/// For so long it is known what was delivered.
const REMEMBERED: TimeDelta = TimeDelta::days(90);
/// Messages that are joined at once.
const JOINED: u32 = 1000;

/// What is done within a transaction: only the store can fail it.
pub type Done<T> = rusqlite::Result<T>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stand {
    Pending,
    /// It waits until what silences it is well.
    Held,
    Sent,
    Dead,
    Merged,
    /// It was not told: it was over before.
    Dropped,
}

impl Stand {
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Held,
        Self::Sent,
        Self::Dead,
        Self::Merged,
        Self::Dropped,
    ];

    #[must_use]
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

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stand| stand.word() == word)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    pub id: String,
    pub channel: String,
    pub key: String,
    pub kind: String,
    pub severity: String,
    /// When it was written; it is due at once.
    pub at: DateTime<Utc>,
    pub json: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    pub id: String,
    pub channel: String,
    pub key: String,
    pub kind: String,
    pub severity: String,
    pub stand: Stand,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Not sent before.
    pub due_at: DateTime<Utc>,
    pub attempts: u32,
    pub first_attempt_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    /// When it was delivered, given up, merged or dropped.
    pub settled_at: Option<DateTime<Utc>>,
    pub json: String,
}

const COLUMNS: &str = "id, channel, key, kind, severity, state, created_at, due_at, attempts, first_attempt_at, \
                       last_error, settled_at, json";

impl StoredMessage {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let some = |column: usize| match row.get_ref(column)? {
            rusqlite::types::ValueRef::Null => Ok(None),
            _ => moment(row, column).map(Some),
        };
        let word: String = row.get(5)?;
        Ok(Self {
            id: row.get(0)?,
            channel: row.get(1)?,
            key: row.get(2)?,
            kind: row.get(3)?,
            severity: row.get(4)?,
            stand: Stand::of(&word).ok_or(rusqlite::Error::InvalidQuery)?,
            created_at: moment(row, 6)?,
            due_at: moment(row, 7)?,
            attempts: row.get(8)?,
            first_attempt_at: some(9)?,
            last_error: row.get(10)?,
            settled_at: some(11)?,
            json: row.get(12)?,
        })
    }
}

/// Writes within a transaction that somebody else begins and ends.
#[derive(Debug)]
pub struct Ledger<'a>(pub(super) &'a Connection);

impl Ledger<'_> {
    pub fn alert_state(&self, key: &str) -> Done<Option<String>> {
        self.0
            .prepare_cached("SELECT json FROM alert_states WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()
    }

    /// Every key of which something is remembered, and what.
    pub fn alert_states(&self) -> Done<Vec<(String, String)>> {
        let mut statement = self
            .0
            .prepare_cached("SELECT key, json FROM alert_states ORDER BY key")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    pub fn remember_alert_state(&self, key: &str, json: &str, at: DateTime<Utc>) -> Done<()> {
        self.0
            .prepare_cached(
                "INSERT INTO alert_states (key, at, json) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET at = ?2, json = ?3",
            )?
            .execute(params![key, stamp(at), json])
            .map(drop)
    }

    /// Puts a message in; what is neither pending nor held is settled at once.
    pub fn enqueue(&self, message: &NewMessage, stand: Stand) -> Done<()> {
        let at = stamp(message.at);
        let settled = (!matches!(stand, Stand::Pending | Stand::Held)).then_some(&at);
        self.0
            .prepare_cached(
                "INSERT INTO outbox (id, channel, key, kind, severity, state, created_at, due_at, settled_at, json)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9)",
            )?
            .execute(params![
                message.id,
                message.channel,
                message.key,
                message.kind,
                message.severity,
                stand.word(),
                at,
                settled,
                message.json
            ])
            .map(drop)
    }

    /// What is held for a channel and key is to be sent.
    pub fn release(&self, channel: &str, key: &str, at: DateTime<Utc>) -> Done<()> {
        self.0
            .execute(
                "UPDATE outbox SET state = 'pending', due_at = ?3 WHERE state = 'held' AND channel = ?1 AND key = ?2",
                params![channel, key, stamp(at)],
            )
            .map(drop)
    }

    /// What is held for a channel and key is never sent.
    pub fn drop_held(&self, channel: &str, key: &str, at: DateTime<Utc>) -> Done<()> {
        self.0
            .execute(
                "UPDATE outbox SET state = 'dropped', settled_at = ?3
                 WHERE state = 'held' AND channel = ?1 AND key = ?2",
                params![channel, key, stamp(at)],
            )
            .map(drop)
    }
}

/// What is written with something else, in its transaction.
pub type Telling<'a> = &'a mut dyn FnMut(&Ledger<'_>) -> Done<()>;

/// Who asks for a message, and on which terms.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    pub channel: &'a str,
    pub now: DateTime<Utc>,
    /// For so long nobody else is given it.
    pub lease: Duration,
    /// No more than so many are sent in so long a time.
    pub room: Option<(u32, Duration)>,
    /// Only messages of one key are joined.
    pub key_by_key: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Nothing before that moment, if there is anything at all.
    Nothing(Option<DateTime<Utc>>),
    /// One, and the name of the lease on it.
    One(Box<StoredMessage>, String),
    /// These waited for room, at least two, oldest first: to be joined.
    Several(Vec<StoredMessage>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted<'a> {
    Sent,
    Retry {
        /// Not before.
        due: DateTime<Utc>,
        /// Nor is any other of the channel.
        whole_channel: bool,
        why: &'a str,
    },
    Dead {
        why: &'a str,
    },
}

/// What is not delivered, by channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    pub channel: String,
    pub pending: u64,
    pub dead: u64,
    /// When the oldest that is to be sent was written.
    pub since: Option<DateTime<Utc>>,
    /// Why the last attempt at one of them failed.
    pub last_error: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    pub again: Vec<String>,
    /// These are not: their channel was told later news of the key since.
    pub overtaken: Vec<String>,
}

/// Of one channel, due, and in nobody's hands. `?1` the channel, `?2` now, `?3` no later due is meant, `?4` no later
/// lease is meant.
const FREE: &str = "state = 'pending' AND channel = ?1 AND (due_at <= ?2 OR due_at > ?3)
                    AND (leased_until IS NULL OR leased_until <= ?2 OR leased_until > ?4)";

/// Nothing of its channel that must come before it waits.
const FIRST_OF_KEY: &str = "NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.state = 'pending' AND e.channel = m.channel
                            AND e.key IN (m.key, 'digest') AND e.seq < m.seq)";

impl Store {
    /// Writes in one transaction what `tell` wants written.
    pub fn tell(&self, tell: Telling<'_>) -> Result<(), StoreError> {
        self.write(|db| tell(&Ledger(db)))
    }

    /// The next message for a sender, if there is one.
    pub fn claim_message(&self, asking: &Asking<'_>) -> Result<Given, StoreError> {
        // Most of the time there is nothing, and nobody needs to be kept from writing to find out.
        let any = self.read(|db| {
            let mut any = db.prepare_cached("SELECT 1 FROM outbox WHERE state = 'pending' AND channel = ?1")?;
            any.exists([asking.channel])
        })?;
        if !any {
            return Ok(Given::Nothing(None));
        }
        self.write(|db| claim(db, asking))
    }

    /// Notes what became of a message that was claimed. Whose lease was lost can only say that it is delivered.
    pub fn settle_message(
        &self,
        id: &str,
        lease: &str,
        attempted: &Attempted<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let at = stamp(now);
        self.write(|db| match attempted {
            Attempted::Sent => db
                .execute(
                    "UPDATE outbox SET state = 'sent', settled_at = ?2, attempts = attempts + 1, last_error = NULL,
                     first_attempt_at = coalesce(first_attempt_at, ?2), lease = NULL, leased_until = NULL
                     WHERE id = ?1 AND state = 'pending'",
                    params![id, at],
                )
                .map(drop),
            Attempted::Retry {
                due,
                whole_channel,
                why,
            } => {
                let changed = db.execute(
                    "UPDATE outbox SET due_at = ?3, attempts = attempts + 1, last_error = ?4,
                     first_attempt_at = coalesce(first_attempt_at, ?2), lease = NULL, leased_until = NULL
                     WHERE id = ?1 AND state = 'pending' AND lease = ?5",
                    params![id, at, stamp(*due), why, lease],
                )?;
                if changed > 0 && *whole_channel {
                    db.execute(
                        "UPDATE outbox SET due_at = max(due_at, ?2)
                         WHERE state = 'pending' AND channel = (SELECT channel FROM outbox WHERE id = ?1)",
                        params![id, stamp(*due)],
                    )?;
                }
                Ok(())
            }
            Attempted::Dead { why } => db
                .execute(
                    "UPDATE outbox SET state = 'dead', settled_at = ?2, attempts = attempts + 1, last_error = ?3,
                     first_attempt_at = coalesce(first_attempt_at, ?2), lease = NULL, leased_until = NULL
                     WHERE id = ?1 AND state = 'pending' AND lease = ?4",
                    params![id, at, why, lease],
                )
                .map(drop),
        })
    }

    /// Gives up a message that nobody can send.
    pub fn give_up(&self, id: &str, why: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute(
                "UPDATE outbox SET state = 'dead', settled_at = ?2, last_error = ?3, lease = NULL, leased_until = NULL
                 WHERE id = ?1 AND state = 'pending'",
                params![id, stamp(now), why],
            )
            .map(drop)
        })
    }

    /// Puts a message, if there is one, in the place of those of `ids`; false, and nothing is done, when one of them
    /// waits no longer, or is in somebody's hands.
    pub fn merge_messages(
        &self,
        ids: &[String],
        joined: Option<&NewMessage>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let at = stamp(now);
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
            if let Some(joined) = joined {
                Ledger(db).enqueue(joined, Stand::Pending)?;
            }
            Ok(true)
        })
    }

    /// Gives up what waits for channels that are not among `known`, and forgets what was settled long ago, the dead
    /// excepted. Gives what was given up.
    pub fn tidy_messages(&self, known: &[&str], now: DateTime<Utc>) -> Result<Vec<StoredMessage>, StoreError> {
        let waiting = format!("SELECT {COLUMNS} FROM outbox WHERE state IN ('pending', 'held') ORDER BY seq");
        let strangers = |db: &Connection| {
            let mut statement = db.prepare_cached(&waiting)?;
            let rows: Vec<StoredMessage> = statement.query_map([], StoredMessage::of)?.collect::<Done<_>>()?;
            let stranger = |row: &StoredMessage| !known.contains(&row.channel.as_str());
            Done::Ok(rows.into_iter().filter(stranger).collect::<Vec<_>>())
        };
        let old = "state IN ('sent', 'merged', 'dropped') AND settled_at < ?1";
        let past = stamp(now - REMEMBERED);
        let any = self.read(|db| {
            let any_old = db
                .prepare_cached(&format!("SELECT 1 FROM outbox WHERE {old}"))?
                .exists([&past])?;
            Ok(any_old || !strangers(db)?.is_empty())
        })?;
        if !any {
            return Ok(Vec::new());
        }
        self.write(|db| {
            db.execute(&format!("DELETE FROM outbox WHERE {old}"), [&past])?;
            let mut given_up = strangers(db)?;
            for row in &mut given_up {
                row.stand = Stand::Dead;
                row.last_error = Some("the ops file has no channel of this name".to_owned());
                db.execute(
                    "UPDATE outbox SET state = 'dead', settled_at = ?2, last_error = ?3, lease = NULL,
                     leased_until = NULL WHERE id = ?1",
                    params![row.id, stamp(now), row.last_error],
                )?;
            }
            Ok(given_up)
        })
    }

    /// Messages that stand so, oldest first: the newest `limit` of them. None in a state that an earlier opsrun made.
    pub fn messages(&self, stands: &[Stand], limit: u32) -> Result<Vec<StoredMessage>, StoreError> {
        let words: Vec<String> = stands.iter().map(|stand| format!("'{}'", stand.word())).collect();
        let newest = format!(
            "SELECT {COLUMNS} FROM outbox WHERE state IN ({}) ORDER BY seq DESC LIMIT ?1",
            words.join(", ")
        );
        let mut rows: Vec<StoredMessage> = self.read(|db| {
            if !db.table_exists(None, "outbox")? {
                return Ok(Vec::new());
            }
            let mut statement = db.prepare(&newest)?;
            statement.query_map([limit], StoredMessage::of)?.collect()
        })?;
        rows.reverse();
        Ok(rows)
    }

    /// Messages whose id begins so, at most two.
    pub fn messages_named(&self, beginning: &str) -> Result<Vec<StoredMessage>, StoreError> {
        let named = format!("SELECT {COLUMNS} FROM outbox WHERE substr(id, 1, length(?1)) = ?1 ORDER BY seq LIMIT 2");
        self.read(|db| {
            let mut statement = db.prepare(&named)?;
            statement.query_map([beginning], StoredMessage::of)?.collect()
        })
    }

    /// Puts messages that were given up back, to be sent at once and as if for the first time; with no `ids` all of
    /// them, except where their channel was told later news of the key. What still waits is due at once.
    pub fn replay(&self, ids: Option<&[String]>, now: DateTime<Utc>) -> Result<Replayed, StoreError> {
        let at = stamp(now);
        self.write(|db| {
            let mut done = Replayed::default();
            let mut back = db.prepare_cached(
                "UPDATE outbox SET state = 'pending', due_at = ?2, attempts = 0, first_attempt_at = NULL,
                 settled_at = NULL, waited = 0 WHERE id = ?1 AND state = 'dead'",
            )?;
            if let Some(ids) = ids {
                for id in ids {
                    let waits = db.execute(
                        "UPDATE outbox SET due_at = ?2 WHERE id = ?1 AND state = 'pending'",
                        params![id, at],
                    )?;
                    if waits + back.execute(params![id, at])? > 0 {
                        done.again.push(id.clone());
                    }
                }
                return Ok(done);
            }
            let mut dead = db.prepare_cached(
                "SELECT id, EXISTS (SELECT 1 FROM outbox AS later WHERE later.state IN ('sent', 'merged')
                 AND later.channel = m.channel AND later.key = m.key AND later.seq > m.seq)
                 FROM outbox AS m WHERE state = 'dead' ORDER BY seq",
            )?;
            let dead: Vec<(String, bool)> = dead
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Done<_>>()?;
            for (id, overtaken) in dead {
                if overtaken {
                    done.overtaken.push(id);
                } else {
                    back.execute(params![id, at])?;
                    done.again.push(id);
                }
            }
            db.execute("UPDATE outbox SET due_at = ?1 WHERE state = 'pending'", [&at])?;
            Ok(done)
        })
    }

    /// What is not delivered, by channel in the order of names; nothing in a state that an earlier opsrun made.
    pub fn undelivered(&self) -> Result<Vec<Undelivered>, StoreError> {
        self.read(|db| {
            if !db.table_exists(None, "outbox")? {
                return Ok(Vec::new());
            }
            let mut statement = db.prepare(
                "SELECT channel, count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'dead'),
                 min(created_at) FILTER (WHERE state = 'pending'),
                 (SELECT last_error FROM outbox AS f WHERE f.channel = m.channel AND f.state IN ('pending', 'dead')
                  AND last_error IS NOT NULL ORDER BY seq DESC LIMIT 1)
                 FROM outbox AS m WHERE state IN ('pending', 'dead') GROUP BY channel ORDER BY channel",
            )?;
            let rows = statement.query_map([], |row| {
                let since = row.get_ref(3)? != rusqlite::types::ValueRef::Null;
                Ok(Undelivered {
                    channel: row.get(0)?,
                    pending: u64::from(row.get::<_, u32>(1)?),
                    dead: u64::from(row.get::<_, u32>(2)?),
                    since: since.then(|| moment(row, 3)).transpose()?,
                    last_error: row.get(4)?,
                })
            })?;
            rows.collect()
        })
    }
}

fn claim(db: &Connection, asking: &Asking<'_>) -> Done<Given> {
    let now = asking.now;
    let lease = TimeDelta::from_std(asking.lease).unwrap_or(LONGEST_WAIT);
    let channel = asking.channel;
    let (at, no_later, no_lease) = (stamp(now), stamp(now + LONGEST_WAIT), stamp(now + lease + lease));
    let free = params![channel, at, no_later, no_lease];
    if let Some((count, per)) = asking.room {
        if let Some(until) = no_room(db, asking, count, per)? {
            db.execute(&format!("UPDATE outbox SET waited = 1 WHERE {FREE}"), free)?;
            return Ok(Given::Nothing(Some(until)));
        }
        let several = joinable(db, free)?;
        let several = if asking.key_by_key {
            of_one_key(several)
        } else {
            several
        };
        if several.len() > 1 {
            return Ok(Given::Several(several));
        }
    }
    let first =
        format!("SELECT {COLUMNS} FROM outbox AS m WHERE {FREE} AND {FIRST_OF_KEY} ORDER BY attempts, seq LIMIT 1");
    let found = db
        .prepare_cached(&first)?
        .query_row(free, StoredMessage::of)
        .optional()?;
    if let Some(message) = found {
        let name = ulid::Ulid::new().to_string();
        db.execute(
            "UPDATE outbox SET lease = ?2, leased_until = ?3 WHERE id = ?1",
            params![message.id, name, stamp(now + lease)],
        )?;
        return Ok(Given::One(Box::new(message), name));
    }
    // When the first of what waits is due, or the lease on it ends.
    let next = format!(
        "SELECT max(due_at, coalesce(leased_until, due_at)) AS next FROM outbox AS m
         WHERE state = 'pending' AND channel = ?1 AND {FIRST_OF_KEY} ORDER BY next LIMIT 1"
    );
    let next = db
        .prepare_cached(&next)?
        .query_row([channel], |row| moment(row, 0))
        .optional()?;
    Ok(Given::Nothing(next))
}

/// When there is room again; `None` when there is.
fn no_room(db: &Connection, asking: &Asking<'_>, count: u32, per: Duration) -> Done<Option<DateTime<Utc>>> {
    let now = asking.now;
    let per = TimeDelta::from_std(per).unwrap_or(TimeDelta::MAX);
    let since = now.checked_sub_signed(per).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let under_way: u32 = db
        .prepare_cached("SELECT count(*) FROM outbox WHERE state = 'pending' AND channel = ?1 AND leased_until > ?2")?
        .query_row(params![asking.channel, stamp(now)], |row| row.get(0))?;
    let Some(left) = count.checked_sub(under_way).filter(|left| *left > 0) else {
        return Ok(Some(now + TimeDelta::seconds(1)));
    };
    // As many as fill it: when the oldest of them was sent.
    let full = db
        .prepare_cached(
            "SELECT settled_at FROM outbox WHERE state = 'sent' AND channel = ?1 AND settled_at > ?2 AND settled_at <= ?3
             ORDER BY settled_at DESC LIMIT 1 OFFSET ?4",
        )?
        .query_row(
            params![asking.channel, stamp(since), stamp(now), left - 1],
            |row| moment(row, 0),
        )
        .optional()?;
    Ok(full.map(|at| at.checked_add_signed(per).unwrap_or(DateTime::<Utc>::MAX_UTC)))
}

/// What may be joined, if something of it waited for room: nothing that is overtaken by it would come later.
fn joinable(db: &Connection, free: &[&dyn rusqlite::ToSql]) -> Done<Vec<StoredMessage>> {
    let joinable = format!(
        "SELECT {COLUMNS}, waited FROM outbox AS m WHERE {FREE} AND key <> '{EVERY_KEY}' AND NOT EXISTS (
         SELECT 1 FROM outbox AS e WHERE e.state = 'pending' AND e.channel = m.channel AND e.seq < m.seq
         AND (e.key = '{EVERY_KEY}' OR (e.key = m.key AND NOT (e.due_at <= ?2 OR e.due_at > ?3))
              OR (e.key = m.key AND NOT (e.leased_until IS NULL OR e.leased_until <= ?2 OR e.leased_until > ?4))))
         ORDER BY seq LIMIT {JOINED}"
    );
    let mut statement = db.prepare_cached(&joinable)?;
    let rows = statement.query_map(free, |row| Ok((StoredMessage::of(row)?, row.get::<_, bool>(13)?)))?;
    let rows: Vec<(StoredMessage, bool)> = rows.collect::<Done<_>>()?;
    let waited = rows.iter().any(|(_, waited)| *waited);
    let rows = rows.into_iter().map(|(row, _)| row);
    Ok(if waited { rows.collect() } else { Vec::new() })
}

/// Those of the first key of which there are several.
fn of_one_key(rows: Vec<StoredMessage>) -> Vec<StoredMessage> {
    let count = |key: &str| rows.iter().filter(|row| row.key == key).count();
    let key = rows.iter().find(|row| count(&row.key) > 1).map(|row| row.key.clone());
    rows.into_iter().filter(|row| Some(&row.key) == key.as_ref()).collect()
}

#[cfg(test)]
mod tests;
