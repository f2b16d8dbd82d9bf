//! `opsrun alerts`: undelivered alerts, delivery attempts, tests of channels.
//!
//! Invariant: exits with 1 if something was to be sent and was not.

use super::args::{AlertsCommand, AlertsListArgs, AlertsReplayArgs, AlertsTestArgs};
use super::exit::{self, Exit, Failure};
use super::file;
use super::terminal::{Terminal, print};
use crate::alert::channel::ChannelSender;
use crate::alert::outbox;
use crate::channel::answer::Delivery;
use crate::model::{Channel, Model};
use crate::report::alerts::{AlertsDocument, FORMAT, alerts_text, undelivered_text};
use crate::report::shared::output;
use crate::report::shared::style::one_line;
use crate::secret::Vault;
use crate::store::outbox::Undelivered;
use crate::units::plural;
use std::time::Duration;

/// How long `alerts replay` sends.
const REPLAY_TIME: Duration = Duration::from_secs(60);

pub fn run(command: &AlertsCommand, terminal: &Terminal) -> Result<u8, Failure> {
    match command {
        AlertsCommand::List(args) => list(args, terminal),
        AlertsCommand::Replay(args) => replay(args, terminal),
        AlertsCommand::Test(args) => test(args, terminal),
    }
}

fn list(args: &AlertsListArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let (model, other) = file::model_and_server(&args.file.path()?, Some(&args.state), terminal)?;
    let document = AlertsDocument {
        format: FORMAT,
        alerts: outbox::list(&model, args.all)?,
    };
    let none = if args.all {
        "no alerts yet"
    } else {
        "all alerts are delivered"
    };
    print(&document, args.json, |document| {
        alerts_text(&document.alerts, none, &model.ops.timezone, terminal.out)
    })?;
    Ok(file::exit(other.as_ref()).into())
}

fn replay(args: &AlertsReplayArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model_to_write(&args.file.path()?, &args.state, terminal)?;
    let stop = exit::stop()?;
    if args.dead || !args.ids.is_empty() {
        let done = outbox::replay(&model, &args.ids)?;
        let again = plural(done.again.len() as u64, "alert", "alerts");
        let mut text = format!("sending {again} again\n");
        if !done.overtaken.is_empty() {
            let skipped = plural(done.overtaken.len() as u64, "alert", "alerts");
            text = text
                + &skipped
                + " skipped: a later alert about the same was delivered; give the ID to send it anyway\n";
        }
        output::to_stderr(&text);
    }
    let left = send(
        &model,
        &ChannelSender::new(Vault::expecting(model.values()), stop.clone()),
        REPLAY_TIME,
        terminal,
    )?;
    output::to_stderr(&undelivered_text(&left, crate::clock::now(), terminal.err));
    let pending = left.iter().any(|row| row.pending > 0);
    match stop.signal() {
        Some(signal) => Ok(128 + signal),
        None => Ok(if pending { Exit::Failed } else { Exit::Done }.into()),
    }
}

fn test(args: &AlertsTestArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.file.path()?, None, terminal)?;
    let channels = selected(&model, &args.channels)?;
    let sender = ChannelSender::new(Vault::expecting(model.values()), exit::stop()?);
    let mut exit = Exit::Done;
    let mut lines = Vec::new();
    for (channel, delivery) in outbox::send_test(&model, &channels, &sender)? {
        let result = match &delivery {
            Delivery::Sent { answer } if answer.is_empty() => terminal.out.good("sent"),
            Delivery::Sent { answer } => terminal.out.good(one_line(&format!("sent: {answer}"))),
            Delivery::Partial { why, .. } => {
                exit = Exit::Failed;
                terminal
                    .out
                    .warn(one_line(&format!("not sent to every recipient: {why}")))
            }
            Delivery::Retry { why, .. } | Delivery::Dead { why } => {
                exit = Exit::Failed;
                terminal.out.bad(one_line(&format!("not sent: {why}")))
            }
        };
        let (name, kind) = (terminal.out.name(&channel.name), channel.kind.word());
        lines.push(format!("{name} ({kind}) {result}\n"));
    }
    output::to_stdout(&lines.concat())?;
    Ok(exit.into())
}

/// The channels of these names; all if there are none.
fn selected<'a>(model: &'a Model, names: &[String]) -> Result<Vec<&'a Channel>, Failure> {
    if model.channels.is_empty() {
        let help = "declare one: `channel \"ops\" { webhook { url from-env=\"OPS_WEBHOOK\"; }; }`";
        return Err(Failure::new(
            Exit::Usage,
            "the ops file declares no channels",
            Some(help),
        ));
    }
    if let Some(name) = names.iter().find(|name| model.channel(name).is_none()) {
        let known: Vec<&str> = model.channels.iter().map(|channel| channel.name.as_str()).collect();
        let help = format!("channels: {}", known.join(", "));
        return Err(Failure::new(
            Exit::Usage,
            format!("unknown channel `{name}`"),
            Some(&help),
        ));
    }
    let selected = |channel: &&Channel| names.is_empty() || names.contains(&channel.name);
    Ok(model.channels.iter().filter(selected).collect())
}

/// Sends what is due; returns what is still undelivered.
pub(super) fn send(
    model: &Model,
    sender: &ChannelSender,
    limit: Duration,
    terminal: &Terminal,
) -> Result<Vec<Undelivered>, Failure> {
    let log = |text: &str| output::to_stderr(&warning(text, terminal));
    Ok(outbox::send(model, sender, limit, &log)?)
}

/// About alerts, which no channel can report.
pub(super) fn warning(text: &str, terminal: &Terminal) -> String {
    format!("{} {}\n", terminal.err.warn("warning:"), one_line(text))
}
