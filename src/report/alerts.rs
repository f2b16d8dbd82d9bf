//! The alerts of the outbox, for `alerts list`, and undelivered alerts, for `status` and after a run.
//!
//! Takes stored messages, gives a table for people and a document for programs; its JSON Schema is
//! `schemas/alerts.schema.json`, and a test compares the two.
//! Invariant: the reason of a failure is one line.

use crate::channel::message::Message;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::{Left, Right};
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::store::outbox::{MessageState, StoredMessage, Undelivered};
use crate::units::plural;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// The number of the JSON format.
pub const FORMAT: u32 = 1;

fn state_cell(state: MessageState) -> Cell {
    let tone = match state {
        MessageState::Pending => Tone::Warn,
        MessageState::Sent => Tone::Good,
        MessageState::Dead => Tone::Bad,
        MessageState::Held | MessageState::Merged | MessageState::Dropped => Tone::Dim,
    };
    Cell::toned(state.word(), tone)
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun alerts, format 1"))]
pub struct AlertsDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// Oldest first.
    pub alerts: Vec<AlertDocument>,
}

/// One alert.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AlertDocument {
    /// Its id, a ULID.
    pub id: String,
    /// The channel that receives it.
    pub channel: String,
    /// Whether it was sent.
    pub state: MessageState,
    /// When it was created: RFC 3339, UTC.
    #[serde(serialize_with = "millis")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub created_at: DateTime<Utc>,
    /// It is not sent before this: RFC 3339, UTC.
    #[serde(serialize_with = "millis")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub due_at: DateTime<Utc>,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was delivered, given up, merged or dropped: RFC 3339, UTC.
    #[serde(serialize_with = "some_millis")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub settled_at: Option<DateTime<Utc>>,
    /// The alert; null when a later opsrun wrote it.
    pub message: Option<Message>,
}

impl AlertsDocument {
    #[must_use]
    pub fn new(messages: Vec<StoredMessage>) -> Self {
        let one = |stored: StoredMessage| AlertDocument {
            id: stored.id,
            channel: stored.channel,
            state: stored.state,
            created_at: stored.created_at,
            due_at: stored.due_at,
            attempts: stored.attempts,
            last_error: stored.last_error,
            settled_at: stored.settled_at,
            message: stored.message,
        };
        Self {
            format: FORMAT,
            alerts: messages.into_iter().map(one).collect(),
        }
    }
}

fn millis<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn some_millis<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => millis(at, serializer),
        None => serializer.serialize_none(),
    }
}

#[must_use]
pub fn alerts_text(alerts: &[AlertDocument], zone: chrono_tz::Tz, style: Style) -> String {
    if alerts.is_empty() {
        return "every alert is delivered\n".to_owned();
    }
    let rows: Vec<[Cell; 6]> = alerts
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
                state_cell(row.state),
                times::local(row.created_at, zone).into(),
                row.attempts.to_string().into(),
                one_line(&said).into(),
            ]
        })
        .collect();
    let heading = ["alert", "channel", "state", &format!("when ({zone})"), "tries", "says"];
    table(heading, [Left, Left, Left, Left, Right, Left], &rows, style)
}

/// One line per channel; nothing when every alert was delivered.
#[must_use]
pub fn undelivered_text(rows: &[Undelivered], now: DateTime<Utc>, style: Style) -> String {
    let line = |row: &Undelivered| {
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
        let row = |pending, dead, last_error: Option<&str>| Undelivered {
            channel: "ops".to_owned(),
            pending,
            dead,
            since: (pending > 0).then(|| "2026-11-23T12:00:00Z".parse().unwrap()),
            last_error: last_error.map(str::to_owned),
        };
        let now = "2026-11-23T14:00:00Z".parse().unwrap();
        let text = |rows: &[Undelivered]| undelivered_text(rows, now, Style::PLAIN);
        assert_eq!(text(&[]), "");
        assert_eq!(
            text(&[row(2, 1, Some("connection\nrefused"))]),
            "channel ops: 2 alerts are not delivered for 2 h, 1 alert was given up: connection\\nrefused\n"
        );
        assert_eq!(text(&[row(0, 3, None)]), "channel ops: 3 alerts were given up\n");
    }
}
