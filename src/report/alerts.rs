//! Messages that are on their way, for `alerts list`, and what is not delivered, for `status` and after a run.
//!
//! Takes rows, gives a table for people and a document for programs; its JSON Schema is `schemas/alerts.schema.json`, and
//! a test compares the two. Knows nothing of the store.
//! Invariant: why something was not delivered stands on one line.

use crate::alert::Message;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::{Left, Right};
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::units::plural;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

/// The number of the JSON format.
pub const FORMAT: u32 = 1;

#[derive(Debug, Clone)]
pub struct AlertRow {
    pub id: String,
    pub channel: String,
    pub state: Stands,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Not sent before.
    pub due_at: DateTime<Utc>,
    pub attempts: u32,
    pub last_error: Option<String>,
    /// When it was delivered, given up, merged or dropped.
    pub settled_at: Option<DateTime<Utc>>,
    /// What it says; `None` when a later opsrun wrote it.
    pub message: Option<Message>,
}

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stands {
    /// It is to be sent.
    Pending,
    /// It waits until the check that silences it is well.
    Held,
    /// It was delivered.
    Sent,
    /// It was given up.
    Dead,
    /// Another one says it too.
    Merged,
    /// It was not told: it was over before.
    Dropped,
}

impl Stands {
    fn cell(self) -> Cell {
        let (word, tone) = match self {
            Self::Pending => ("pending", Tone::Warn),
            Self::Held => ("held", Tone::Dim),
            Self::Sent => ("sent", Tone::Good),
            Self::Dead => ("dead", Tone::Bad),
            Self::Merged => ("merged", Tone::Dim),
            Self::Dropped => ("dropped", Tone::Dim),
        };
        Cell::toned(word, tone)
    }
}

/// Messages.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun alerts, format 1"))]
pub struct AlertsDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// Oldest first.
    pub alerts: Vec<AlertDocument>,
}

/// One message.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AlertDocument {
    /// Its id, a ULID.
    pub id: String,
    /// For whom.
    pub channel: String,
    /// How it stands.
    pub state: Stands,
    /// When it was written: RFC 3339, UTC.
    pub created_at: String,
    /// Not sent before: RFC 3339, UTC.
    pub due_at: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// When it was delivered, given up, merged or dropped: RFC 3339, UTC.
    pub settled_at: Option<String>,
    /// What it says; null when a later opsrun wrote it.
    pub message: Option<Message>,
}

#[must_use]
pub fn document(rows: &[AlertRow]) -> AlertsDocument {
    let one = |row: &AlertRow| AlertDocument {
        id: row.id.clone(),
        channel: row.channel.clone(),
        state: row.state,
        created_at: stamp(row.created_at),
        due_at: stamp(row.due_at),
        attempts: row.attempts,
        last_error: row.last_error.clone(),
        settled_at: row.settled_at.map(stamp),
        message: row.message.clone(),
    };
    AlertsDocument {
        format: FORMAT,
        alerts: rows.iter().map(one).collect(),
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[must_use]
pub fn alerts_text(rows: &[AlertRow], zone: chrono_tz::Tz, style: Style) -> String {
    if rows.is_empty() {
        return "every alert is delivered\n".to_owned();
    }
    let rows: Vec<[Cell; 6]> = rows
        .iter()
        .map(|row| {
            let mut said = row.message.as_ref().map_or_else(
                || "written by a later opsrun".to_owned(),
                |message| format!("{}: {}", message.title(), message.summary),
            );
            if let Some(why) = &row.last_error {
                said = format!("{said} ({why})");
            }
            [
                one_line(&row.id).into(),
                Cell::toned(one_line(&row.channel), Tone::Name),
                row.state.cell(),
                times::local(row.created_at, zone).into(),
                row.attempts.to_string().into(),
                one_line(&said).into(),
            ]
        })
        .collect();
    let heading = ["alert", "channel", "state", &format!("when ({zone})"), "tries", "says"];
    table(heading, [Left, Left, Left, Left, Right, Left], &rows, style)
}

/// What is not delivered over one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UndeliveredRow {
    /// The channel.
    pub channel: String,
    /// Alerts that are to be sent.
    pub pending: u64,
    /// Alerts that were given up.
    pub dead: u64,
    /// When the oldest that is to be sent was written: RFC 3339, UTC.
    pub since: Option<DateTime<Utc>>,
    /// Why the last attempt at one of them failed.
    pub last_error: Option<String>,
}

/// One line a channel; nothing when everything is delivered.
#[must_use]
pub fn undelivered_text(rows: &[UndeliveredRow], now: DateTime<Utc>, style: Style) -> String {
    let line = |row: &UndeliveredRow| {
        let mut parts = Vec::new();
        if row.pending > 0 {
            let since = row
                .since
                .map_or_else(String::new, |since| format!(" for {}", times::ago(since, now)));
            parts.push(format!(
                "{} not delivered{since}",
                plural(row.pending, "alert is", "alerts are")
            ));
        }
        if row.dead > 0 {
            parts.push(format!("{} given up", plural(row.dead, "alert was", "alerts were")));
        }
        let why = row
            .last_error
            .as_ref()
            .map_or_else(String::new, |why| format!(": {why}"));
        format!(
            "{} {}\n",
            style.warn(format!("channel {}:", one_line(&row.channel))),
            one_line(&format!("{}{why}", parts.join(", ")))
        )
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_not_delivered_and_why() {
        let row = |pending, dead, last_error: Option<&str>| UndeliveredRow {
            channel: "ops".to_owned(),
            pending,
            dead,
            since: (pending > 0).then(|| "2026-11-23T12:00:00Z".parse().unwrap()),
            last_error: last_error.map(str::to_owned),
        };
        let now = "2026-11-23T14:00:00Z".parse().unwrap();
        let text = |rows: &[UndeliveredRow]| undelivered_text(rows, now, Style::PLAIN);
        assert_eq!(text(&[]), "");
        assert_eq!(
            text(&[row(2, 1, Some("connection\nrefused"))]),
            "channel ops: 2 alerts are not delivered for 2 h, 1 alert was given up: connection\\nrefused\n"
        );
        assert_eq!(text(&[row(0, 3, None)]), "channel ops: 3 alerts were given up\n");
    }
}
