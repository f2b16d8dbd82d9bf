//! `opsrun alerts`: what is on its way, what was given up, and whether a channel works.
//!
//! Takes an ops file, gives a table or JSON on stdout; `replay` and `test` send.
//! Invariant: ends with 1 when what was asked to be sent was not.

use super::args::{AlertsCommand, AlertsListArgs, AlertsReplayArgs, AlertsTestArgs};
use super::exit::{self, Exit, Failure};
use super::file;
use super::plan::json;
use super::terminal::Terminal;
use crate::alert::channel::ChannelSender;
use crate::alert::outbox;
use crate::channel::answer::Delivery;
use crate::model::{Channel, Model};
use crate::report::alerts::{AlertsDocument, alerts_text, undelivered_text};
use crate::report::shared::output;
use crate::secret::Vault;
use crate::signal::Stop;
use crate::store::outbox::Undelivered;
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
    let document = AlertsDocument::new(outbox::list(&model, args.all)?);
    let text = if args.json {
        json(&document)?
    } else if args.all && document.alerts.is_empty() {
        "no alerts yet\n".to_owned()
    } else {
        alerts_text(&document.alerts, model.ops.timezone, terminal.out)
    };
    output::to_stdout(&text)?;
    Ok(Exit::Done.into())
}

fn replay(args: &AlertsReplayArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file, Some(&args.place), terminal)?;
    let stop = exit::stop()?;
    if args.dead || !args.ids.is_empty() {
        let done = outbox::replay(&model, &args.ids)?;
        let again = plural(done.again.len() as u64, "alert is", "alerts are");
        let mut text = format!("{again} sent again\n");
        if !done.overtaken.is_empty() {
            let left = plural(done.overtaken.len() as u64, "alert is", "alerts are");
            text = text + &left + " left alone, since later news of the same was delivered; name one to send it\n";
        }
        output::to_stderr(&text);
    }
    let (vault, sender) = messenger(&model, stop.clone());
    let left = send(&model, &vault, &sender, REPLAY, terminal)?;
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
    let (vault, sender) = messenger(&model, stop);
    let mut failed = false;
    let mut lines = Vec::new();
    for (channel, delivery) in outbox::send_test(&model, &channels, &sender, &vault)? {
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
pub(super) fn messenger(model: &Model, stop: Stop) -> (Arc<Vault>, ChannelSender) {
    let vault = Arc::new(Vault::expecting(model.values()));
    let sender = ChannelSender::new(Arc::clone(&vault), stop);
    (vault, sender)
}

/// Sends what is due, and gives what is not delivered then.
pub(super) fn send(
    model: &Model,
    vault: &Vault,
    sender: &ChannelSender,
    limit: Duration,
    terminal: &Terminal,
) -> Result<Vec<Undelivered>, Failure> {
    let log = |text: &str| output::to_stderr(&warning(text, terminal));
    Ok(outbox::send(model, sender, vault, limit, &log)?)
}

/// What nobody can be told of but whoever reads the log.
pub(super) fn warning(text: &str, terminal: &Terminal) -> String {
    let text = crate::report::shared::style::one_line(text);
    format!("{} {text}\n", terminal.err.warn("warning:"))
}
