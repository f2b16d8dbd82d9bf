//! What is told: written with what happens, sent when there is time.
//!
//! Takes a model, for the channels and where the state is; writes messages into its outbox, sends what is there, shows
//! what is not delivered.
//! - `voice`: from events to messages, in the transaction of the events · [`postbox`]: the store as an outbox
//!
//! Invariant: a message is durable before anything is sent, and sending fails no run.

pub mod postbox;
mod voice;

pub(in crate::launch) use voice::Voice;

use super::LaunchError;
use crate::alert::sender::OutboxError;
use crate::alert::{Deliver, Delivery, Message, Origin, Sender};
use crate::exec::survey;
use crate::model::{Channel, Model};
use crate::run::Outcome;
use crate::secret::Vault;
use crate::signal::Stop;
use crate::store::outbox::{Replayed, Stand, StoredMessage, Undelivered};
use crate::store::{Store, StoreError};
use postbox::Postbox;
use std::time::Duration;

/// How long a run sends at its end.
pub const AFTER_A_RUN: Duration = Duration::from_secs(10);

/// How long when it was told to stop.
pub const AFTER_A_SIGNAL: Duration = Duration::from_secs(2);

/// Messages that are listed at most.
const LISTED: u32 = 1000;

/// Sends what is due, for no longer than `limit`; gives what is not delivered then. `log` is told of what is given up.
pub fn send(
    model: &Model,
    deliver: &impl Deliver,
    vault: &Vault,
    limit: Duration,
    log: &dyn Fn(&str),
) -> Result<Vec<Undelivered>, LaunchError> {
    if model.channels.is_empty() {
        return undelivered(model);
    }
    let store = Store::open(&model.ops.state_dir)?;
    block_on(with_sender(model, &store, deliver, vault, log, async |sender| {
        sender.flush(limit).await
    }))?
    .map_err(failed)?;
    Ok(store.undelivered()?)
}

/// Sends what is there and what comes, until opsrun is told to stop.
pub fn keep_sending(
    model: &Model,
    store: &Store,
    deliver: &impl Deliver,
    vault: &Vault,
    stop: &Stop,
    log: &dyn Fn(&str),
) -> Result<(), LaunchError> {
    block_on(with_sender(model, store, deliver, vault, log, async |sender| {
        sender.run(stop).await;
    }))
}

/// Sends while `work` is done, from the moment on at which it says that there is a state. Whatever becomes of the
/// sending, the work is not kept waiting for longer than it takes to end a delivery.
pub fn meanwhile<T>(
    model: &Model,
    deliver: &(impl Deliver + Sync),
    vault: &Vault,
    log: &(dyn Fn(&str) + Sync),
    work: impl FnOnce(&mut (dyn FnMut() + Send)) -> T,
) -> T {
    /// Ends the sending also when the work panics.
    struct Over(Stop);
    impl Drop for Over {
        fn drop(&mut self) {
            self.0.ask();
        }
    }
    let over = match Stop::new() {
        Ok(over) if !model.channels.is_empty() => over,
        // All of it is sent at the end.
        _ => return work(&mut || {}),
    };
    std::thread::scope(|scope| {
        let (begin, begun) = std::sync::mpsc::sync_channel::<()>(1);
        let stop = over.clone();
        // Without a thread all of it is sent at the end, too.
        let _ = std::thread::Builder::new().spawn_scoped(scope, move || {
            if begun.recv().is_ok()
                && let Ok(store) = Store::open(&model.ops.state_dir)
            {
                let _ = keep_sending(model, &store, deliver, vault, &stop, log);
            }
        });
        let _over = Over(over);
        work(&mut move || {
            // Told already, or nobody listens.
            let _ = begin.try_send(());
        })
    })
}

async fn with_sender<T, D: Deliver>(
    model: &Model,
    store: &Store,
    deliver: &D,
    vault: &Vault,
    log: &dyn Fn(&str),
    work: impl AsyncFnOnce(&Sender<'_, Postbox<'_>, D>) -> T,
) -> T {
    let sender = Sender {
        outbox: &Postbox(store),
        deliver,
        channels: &model.channels,
        clock: &crate::clock::now,
        random: &random,
        clean: &|text| vault.redact(text),
        log,
    };
    work(&sender).await
}

/// Tells of what time alone has made due: repetitions, and states that have settled. For whoever runs for long.
pub fn tick(model: &Model, store: &Store, vault: &Vault) -> Result<(), LaunchError> {
    let voice = Voice::new(model, vault, None);
    Ok(store.tell(&mut |ledger| voice.later(ledger, crate::clock::now()))?)
}

/// Tells how the ops file itself stands: whether it could be read again.
pub fn tell_config(model: &Model, store: &Store, vault: &Vault, outcome: &Outcome) -> Result<(), LaunchError> {
    let voice = Voice::new(model, vault, None);
    let key = crate::channel::message::CONFIG;
    Ok(store.tell(&mut |ledger| voice.result(ledger, key, outcome, crate::clock::now()))?)
}

/// Sends a message over each of these channels, and gives what came of it, in their order. Nothing is written.
pub fn probe<'a>(
    model: &Model,
    channels: &[&'a Channel],
    deliver: &impl Deliver,
    vault: &Vault,
) -> Result<Vec<(&'a Channel, Delivery)>, LaunchError> {
    let origin = Origin {
        ops: model.ops.name.clone(),
        host: survey::host(),
    };
    let clean = |text: String| vault.redact(&text);
    let one = |channel: &'a Channel| {
        let message = Message::probe(&origin, crate::clock::now());
        async move {
            let delivery = match deliver.deliver(channel, &message).await {
                Delivery::Sent { answer } => Delivery::Sent { answer: clean(answer) },
                Delivery::Retry { after, why } => Delivery::Retry { after, why: clean(why) },
                Delivery::Dead { why } => Delivery::Dead { why: clean(why) },
            };
            (channel, delivery)
        }
    };
    block_on(futures_util::future::join_all(channels.iter().copied().map(one)))
}

/// What is not delivered. Makes no state and changes none.
pub fn undelivered(model: &Model) -> Result<Vec<Undelivered>, LaunchError> {
    match Store::open_read_only(&model.ops.state_dir)? {
        Some(store) => Ok(store.undelivered()?),
        None => Ok(Vec::new()),
    }
}

/// The newest messages, oldest first: those that wait or were given up, or all. Makes no state and changes none.
pub fn list(model: &Model, all: bool) -> Result<Vec<StoredMessage>, LaunchError> {
    const OPEN: [Stand; 3] = [Stand::Pending, Stand::Held, Stand::Dead];
    let Some(store) = Store::open_read_only(&model.ops.state_dir)? else {
        return Ok(Vec::new());
    };
    Ok(store.messages(if all { &Stand::ALL } else { &OPEN }, LISTED)?)
}

/// Puts back what was given up: these, by the beginnings of their ids, or with none all of it. What waits is due at once.
pub fn replay(model: &Model, ids: &[String]) -> Result<Replayed, LaunchError> {
    let store = Store::open(&model.ops.state_dir)?;
    let now = crate::clock::now();
    if ids.is_empty() {
        return Ok(store.replay(None, now)?);
    }
    let found: Result<Vec<String>, LaunchError> = ids.iter().map(|id| named(&store, id)).collect();
    Ok(store.replay(Some(&found?), now)?)
}

fn named(store: &Store, beginning: &str) -> Result<String, LaunchError> {
    match store.messages_named(beginning)?.as_slice() {
        [one] if matches!(one.stand, Stand::Pending | Stand::Dead) => Ok(one.id.clone()),
        [one] => Err(LaunchError::Usage {
            message: format!("the message `{}` is {}", one.id, one.stand.word()),
            help: "only what is dead or pending can be sent again".to_owned(),
        }),
        [] => Err(LaunchError::Usage {
            message: format!("there is no message `{beginning}`"),
            help: "`opsrun alerts list --all` lists them".to_owned(),
        }),
        _ => Err(LaunchError::Usage {
            message: format!("`{beginning}` begins the ids of several messages"),
            help: "give more of one: `opsrun alerts list --all` lists them".to_owned(),
        }),
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, LaunchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(LaunchError::Runtime)?;
    let done = runtime.block_on(work);
    // A question to a dead name server may hang in a thread for ever: nobody waits for it.
    runtime.shutdown_background();
    Ok(done)
}

fn failed(error: OutboxError) -> LaunchError {
    match error.0.downcast::<StoreError>() {
        Ok(error) => LaunchError::Store(*error),
        Err(error) => LaunchError::Outbox(OutboxError(error)),
    }
}

/// From 0 to 1.
fn random() -> f64 {
    let bits = u32::try_from(ulid::Ulid::new().random() & u128::from(u32::MAX)).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}
