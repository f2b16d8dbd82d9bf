//! Alerts and their delivery: `alerts list`, and the undelivered ones in `status` and after a run.
//!
//! Invariant: the reason of a failed delivery is on one line.

use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::{Left, Right};
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::store::outbox::{MessageState, StoredMessage, Undelivered};
use crate::time_zone::Zone;
use crate::units::plural;
use chrono::{DateTime, Utc};
use serde::Serialize;

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

/// Alerts.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "opsrun alerts, format 1"))]
pub struct AlertsDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// Oldest first.
    pub alerts: Vec<StoredMessage>,
}

/// Without any: `none`.
pub fn alerts_text(alerts: &[StoredMessage], none: &str, zone: &Zone, style: Style) -> String {
    if alerts.is_empty() {
        return format!("{none}\n");
    }
    let rows: Vec<[Cell; 6]> = alerts
        .iter()
        .map(|alert| {
            let mut text = alert.message.as_ref().map_or_else(
                || "written by a later opsrun".to_owned(),
                |message| format!("{}: {}", message.title(), message.summary),
            );
            if let Some(error) = &alert.last_error {
                text = format!("{text} ({error})");
            }
            [
                one_line(&alert.id).into(),
                Cell::toned(one_line(&alert.channel), Tone::Name),
                state_cell(alert.state),
                times::local(alert.created_at.0, zone).into(),
                alert.attempts.to_string().into(),
                one_line(&text).into(),
            ]
        })
        .collect();
    let created = format!("created ({zone})");
    let heading = ["alert", "channel", "state", &created, "attempts", "message"];
    table(heading, [Left, Left, Left, Left, Right, Left], &rows, style)
}

/// One line per channel; empty if everything is delivered.
pub fn undelivered_text(rows: &[Undelivered], now: DateTime<Utc>, style: Style) -> String {
    let line = |row: &Undelivered| {
        let mut parts = Vec::new();
        if row.pending > 0 {
            let since = row.since.map(|since| format!(" for {}", times::ago(since, now)));
            let alerts = plural(row.pending, "alert", "alerts");
            parts.push(format!("{alerts} undelivered{}", since.unwrap_or_default()));
        }
        if row.dead > 0 {
            parts.push(format!("{} given up", plural(row.dead, "alert", "alerts")));
        }
        let channel = style.warn(format!("channel {}:", one_line(&row.channel)));
        let why = row.last_error.iter().map(|why| format!(": {why}"));
        let text: String = std::iter::once(parts.join(", ")).chain(why).collect();
        format!("{channel} {}\n", one_line(&text))
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_counts_undelivered_alerts_with_the_reason() {
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
            "channel ops: 2 alerts undelivered for 2 h, 1 alert given up: connection\\nrefused\n"
        );
        assert_eq!(text(&[row(0, 3, None)]), "channel ops: 3 alerts given up\n");
    }
}
