//! What commands and the daemon do with the outbox: send it, list it, and send again what was given up.
//!
//! Takes a model, for its channels and the place of the state. Redacts every answer with the vault.
//! Invariant: a message is durable before anything is sent, and a run never fails because of its alerts.

use super::channel::ChannelSender;
use super::sender::{Deliver, OutboxSender};
use crate::channel::answer::Delivery;
use crate::channel::message::{Message, MessageOrigin};
use crate::exec::survey;
use crate::model::{Channel, Model};
use crate::signal::Stop;
use crate::store::outbox::{MessageState, Replayed, StoredMessage, Undelivered};
use crate::store::{Store, StoreError};
use std::io;
use std::time::Duration;

/// Why alerts cannot be sent or shown at all. An undelivered message is not an error: it waits, or is given up.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot start the event loop")]
    Runtime(#[source] io::Error),
    /// The command line names a message that cannot be sent again.
    #[error("{message}")]
    Usage { message: String, help: &'static str },
}

impl AlertError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(error) => error.exit_code(),
            Self::Runtime(_) => 70,
            Self::Usage { .. } => 64,
        }
    }

    pub fn help(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.help().map(str::to_owned),
            Self::Runtime(_) => None,
            Self::Usage { help, .. } => Some((*help).to_owned()),
        }
    }
}

/// How long a run sends at its end.
pub const AFTER_A_RUN: Duration = Duration::from_secs(10);

/// The same after a signal.
pub const AFTER_A_SIGNAL: Duration = Duration::from_secs(2);

const MAX_LISTED: u32 = 1000;

/// Sends messages that are due, for no longer than `limit`, and returns what is not delivered then. `log` receives what is
/// given up.
pub fn send(
    model: &Model,
    deliver: &ChannelSender,
    limit: Duration,
    log: &dyn Fn(&str),
) -> Result<Vec<Undelivered>, AlertError> {
    if model.channels.is_empty() {
        return undelivered(model);
    }
    let store = Store::open(&model.ops.state_dir)?;
    let sender = with_sender(model, &store, deliver, log, async |sender| sender.flush(limit).await);
    block_on(sender)??;
    Ok(store.undelivered()?)
}

/// Sends messages as they come, until `stop`.
pub fn send_until_stopped(
    model: &Model,
    store: &Store,
    deliver: &ChannelSender,
    stop: &Stop,
    log: &dyn Fn(&str),
) -> Result<(), AlertError> {
    block_on(with_sender(model, store, deliver, log, async |sender| {
        sender.run(stop).await;
    }))
}

/// Sends messages in a thread while `work` is done. `work` calls its argument once the state exists. It never waits for
/// the thread longer than it takes to end a delivery.
pub fn send_during<T>(
    model: &Model,
    deliver: &ChannelSender,
    log: &(dyn Fn(&str) + Sync),
    work: impl FnOnce(&mut (dyn FnMut() + Send)) -> T,
) -> T {
    /// Ends the thread also when the work panics.
    struct StopOnDrop(Stop);
    impl Drop for StopOnDrop {
        fn drop(&mut self) {
            self.0.ask();
        }
    }
    let over = match Stop::new() {
        Ok(over) if !model.channels.is_empty() => over,
        // All messages are sent at the end.
        _ => return work(&mut || {}),
    };
    std::thread::scope(|scope| {
        let (begin, begun) = std::sync::mpsc::sync_channel::<()>(1);
        let stop = over.clone();
        // Without a thread all messages are sent at the end, too.
        let _ = std::thread::Builder::new().spawn_scoped(scope, move || {
            if begun.recv().is_ok()
                && let Ok(store) = Store::open(&model.ops.state_dir)
            {
                let _ = send_until_stopped(model, &store, deliver, &stop, log);
            }
        });
        let _over = StopOnDrop(over);
        work(&mut move || {
            // The thread has begun already, or is gone.
            let _ = begin.try_send(());
        })
    })
}

async fn with_sender<T>(
    model: &Model,
    store: &Store,
    deliver: &ChannelSender,
    log: &dyn Fn(&str),
    work: impl AsyncFnOnce(&OutboxSender<'_, ChannelSender>) -> T,
) -> T {
    let sender = OutboxSender {
        store,
        deliver,
        channels: &model.channels,
        clock: &crate::clock::now,
        random: &random,
        redact: &|text| deliver.vault.redact(text),
        log,
    };
    work(&sender).await
}

/// Sends a test message over each of these channels, and returns the results in their order. Writes nothing.
pub fn send_test<'a>(
    model: &Model,
    channels: &[&'a Channel],
    deliver: &ChannelSender,
) -> Result<Vec<(&'a Channel, Delivery)>, AlertError> {
    let origin = MessageOrigin {
        ops: model.ops.name.clone(),
        host: survey::host(),
    };
    let one = |channel: &'a Channel| {
        let message = Message::probe(&origin, crate::clock::now());
        async move {
            let mut delivery = deliver.deliver(channel, &message, channel.recipients()).await;
            let (Delivery::Sent { answer: text }
            | Delivery::Partial { why: text, .. }
            | Delivery::Retry { why: text, .. }
            | Delivery::Dead { why: text }) = &mut delivery;
            *text = deliver.vault.redact(text);
            (channel, delivery)
        }
    };
    block_on(futures_util::future::join_all(channels.iter().copied().map(one)))
}

/// What is not delivered. Makes no state and changes none.
pub fn undelivered(model: &Model) -> Result<Vec<Undelivered>, AlertError> {
    Ok(Store::open_or_empty(&model.ops.state_dir)?.undelivered()?)
}

/// The newest messages, oldest first: those that wait or were given up, or all. Makes no state and changes none.
pub fn list(model: &Model, all: bool) -> Result<Vec<StoredMessage>, AlertError> {
    const OPEN: [MessageState; 3] = [MessageState::Pending, MessageState::Held, MessageState::Dead];
    let store = Store::open_or_empty(&model.ops.state_dir)?;
    Ok(store.messages(if all { &MessageState::ALL } else { &OPEN }, MAX_LISTED)?)
}

/// Makes messages pending again that were given up: those whose ids begin so, or all. Waiting messages are due now.
pub fn replay(model: &Model, ids: &[String]) -> Result<Replayed, AlertError> {
    let store = Store::open(&model.ops.state_dir)?;
    let now = crate::clock::now();
    if ids.is_empty() {
        return Ok(store.replay(None, now)?);
    }
    let found: Result<Vec<String>, AlertError> = ids.iter().map(|id| find(&store, id)).collect();
    Ok(store.replay(Some(&found?), now)?)
}

fn find(store: &Store, prefix: &str) -> Result<String, AlertError> {
    let (message, help) = match store.messages_by_prefix(prefix)?.as_slice() {
        [one] if matches!(one.state, MessageState::Pending | MessageState::Dead) => return Ok(one.id.clone()),
        [one] => (
            format!("alert `{}` is {}", one.id, one.state.word()),
            "only dead or pending alerts can be sent again",
        ),
        [] => (
            format!("there is no alert `{prefix}`"),
            "list all alerts with `opsrun alerts list --all`",
        ),
        _ => (
            format!("several alerts begin with `{prefix}`"),
            "write more of the id; `opsrun alerts list --all` lists them",
        ),
    };
    Err(AlertError::Usage { message, help })
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, AlertError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AlertError::Runtime)?;
    let done = runtime.block_on(work);
    // A question to a dead name server may keep its thread forever: do not wait for it.
    runtime.shutdown_background();
    Ok(done)
}

fn random() -> f64 {
    let bits = u32::try_from(ulid::Ulid::new().random() & u128::from(u32::MAX)).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}
