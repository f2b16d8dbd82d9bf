//! `opsrun alerts`: what is on its way, what was given up, and whether a channel works.
//!
//! Takes an ops file, gives a table or JSON on stdout; `replay` and `test` send.
//! Invariant: ends with 1 when what was asked to be sent was not.

use super::args::{AlertsCommand, AlertsListArgs, AlertsReplayArgs, AlertsTestArgs};
use super::exit::{self, Exit, Failure};
use super::file;
use super::plan::json;
use super::terminal::Terminal;
use crate::alert::Delivery;
use crate::alert::channel::Courier;
use crate::launch::alerts;
use crate::model::{Channel, Model};
use crate::report::alerts::{AlertRow, Stands, UndeliveredRow, alerts_text, document, undelivered_text};
use crate::report::shared::output;
use crate::secret::Vault;
use crate::signal::Stop;
use crate::store::outbox::{Stand, StoredMessage, Undelivered};
use crate::units::plural;
use std::sync::Arc;
use std::time::Duration;

/// How long `alerts replay` sends.
const REPLAY: Duration = Duration::from_secs(60);

pub fn run(command: &AlertsCommand, terminal: &Terminal) -> Result<u8, Failure> {
    match command {
        AlertsCommand::List(args) => list(args, terminal),
        AlertsCommand::Replay(args) => replay(args, terminal),
        AlertsCommand::Test(args) => test(args, terminal),
    }
}

fn list(args: &AlertsListArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, Some(&args.place), terminal)?;
    let rows: Vec<AlertRow> = alerts::list(&model, args.all)?.into_iter().map(row).collect();
    let text = if args.json {
        json(&document(&rows))?
    } else if args.all && rows.is_empty() {
        "no alerts yet\n".to_owned()
    } else {
        alerts_text(&rows, model.ops.timezone, terminal.out)
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done.into())
}

fn replay(args: &AlertsReplayArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, Some(&args.place), terminal)?;
    let stop = exit::stop()?;
    if args.dead || !args.ids.is_empty() {
        let done = alerts::replay(&model, &args.ids)?;
        let again = plural(done.again.len() as u64, "alert is", "alerts are");
        let mut text = format!("{again} sent again\n");
        if !done.overtaken.is_empty() {
            let left = plural(done.overtaken.len() as u64, "alert is", "alerts are");
            text = text + &left + " left alone, since later news of the same was delivered; name one to send it\n";
        }
        output::to_stderr(&text);
    }
    let (vault, courier) = messenger(&model, stop.clone());
    let left = send(&model, &vault, &courier, REPLAY, terminal)?;
    output::to_stderr(&undelivered_text(&left, crate::clock::now(), terminal.err));
    let waiting = left.iter().any(|row| row.pending > 0);
    match stop.signal() {
        Some(signal) => Ok(128 + signal),
        None => Ok(if waiting { Exit::Failed } else { Exit::Done }.into()),
    }
}

fn test(args: &AlertsTestArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, None, terminal)?;
    let channels = named(&model, &args.channels)?;
    let stop = exit::stop()?;
    let (vault, courier) = messenger(&model, stop);
    let mut failed = false;
    let mut lines = Vec::new();
    for (channel, delivery) in alerts::probe(&model, &channels, &courier, &vault)? {
        let said = match &delivery {
            Delivery::Sent { answer } if answer.is_empty() => "sent".to_owned(),
            Delivery::Sent { answer } => format!("sent: {answer}"),
            Delivery::Retry { why, .. } | Delivery::Dead { why } => format!("not sent: {why}"),
        };
        let sent = matches!(delivery, Delivery::Sent { .. });
        failed |= !sent;
        let said = crate::report::shared::style::one_line(&said);
        let said = if sent {
            terminal.out.good(said)
        } else {
            terminal.out.bad(said)
        };
        let (name, kind) = (terminal.out.name(&channel.name), channel.kind.word());
        lines.push(format!("{name} ({kind}) {said}\n"));
    }
    output::to_stdout(&lines.concat())?;
    Ok(if failed { Exit::Failed } else { Exit::Done }.into())
}

/// The channels of these names; without names all of them.
fn named<'a>(model: &'a Model, names: &[String]) -> Result<Vec<&'a Channel>, Failure> {
    if model.channels.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "the ops file declares no channels",
            Some("declare one: `channel \"ops\" { webhook { url from-env=\"OPS_WEBHOOK\"; }; }`"),
        ));
    }
    let known: Vec<&str> = model.channels.iter().map(|channel| channel.name.as_str()).collect();
    for name in names {
        if model.channel(name).is_none() {
            let help = format!("channels are: {}", known.join(", "));
            return Err(Failure::new(
                Exit::Usage,
                format!("there is no channel `{name}`"),
                Some(&help),
            ));
        }
    }
    let wanted = |channel: &&Channel| names.is_empty() || names.contains(&channel.name);
    Ok(model.channels.iter().filter(wanted).collect())
}

/// Who delivers, until `stop`, and what it knows of secrets: each is fetched once, however much is sent.
pub(super) fn messenger(model: &Model, stop: Stop) -> (Arc<Vault>, Courier) {
    let vault = Arc::new(Vault::expecting(model.values()));
    let courier = Courier::new(Arc::clone(&vault), stop);
    (vault, courier)
}

/// Sends what is due, and gives what is not delivered then.
pub(super) fn send(
    model: &Model,
    vault: &Vault,
    courier: &Courier,
    limit: Duration,
    terminal: &Terminal,
) -> Result<Vec<UndeliveredRow>, Failure> {
    let log = |text: &str| output::to_stderr(&warning(text, terminal));
    let left = alerts::send(model, courier, vault, limit, &log)?;
    Ok(left.into_iter().map(undelivered).collect())
}

/// What nobody can be told of but whoever reads the log.
pub(super) fn warning(text: &str, terminal: &Terminal) -> String {
    let text = crate::report::shared::style::one_line(text);
    format!("{} {text}\n", terminal.err.warn("warning:"))
}

/// What is not delivered, as it is shown.
pub(super) fn undelivered(row: Undelivered) -> UndeliveredRow {
    UndeliveredRow {
        channel: row.channel,
        pending: row.pending,
        dead: row.dead,
        since: row.since,
        last_error: row.last_error,
    }
}

fn row(row: StoredMessage) -> AlertRow {
    AlertRow {
        message: serde_json::from_str(&row.json).ok(),
        id: row.id,
        channel: row.channel,
        state: match row.stand {
            Stand::Pending => Stands::Pending,
            Stand::Held => Stands::Held,
            Stand::Sent => Stands::Sent,
            Stand::Dead => Stands::Dead,
            Stand::Merged => Stands::Merged,
            Stand::Dropped => Stands::Dropped,
        },
        created_at: row.created_at,
        due_at: row.due_at,
        attempts: row.attempts,
        last_error: row.last_error,
        settled_at: row.settled_at,
    }
}
