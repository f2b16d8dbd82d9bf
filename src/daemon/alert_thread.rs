//! Alerts on their way while the schedules run: a thread that sends what the outbox holds and what comes.
//!
//! Takes a model, for its channels and where the state is; says what it has to say through the loop. It is begun anew
//! with every plan, and after every trouble with the state.
//! Invariant: no run waits for it, and what it did not send is still in the outbox.

use crate::alert::channel::ChannelSender;
use crate::alert::{AlertError, outbox};
use crate::error_chain::error_chain;
use crate::model::Model;
use crate::secret::Vault;
use crate::signal::{Ring, Stop};
use crate::store::Store;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long is still sent when everything else has stopped.
const AT_THE_END: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Sending {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    said: Receiver<String>,
}

impl Sending {
    pub fn begin(model: &Arc<Model>, ring: Ring) -> io::Result<Self> {
        let stop = Stop::new()?;
        let (sender, said) = mpsc::channel();
        let work = {
            let (model, stop) = (Arc::clone(model), stop.clone());
            move || {
                let log = |text: &str| say(&sender, &ring, text);
                let vault = Arc::new(Vault::expecting(model.values()));
                let channel_sender = ChannelSender::new(Arc::clone(&vault), stop.clone());
                let sent = Store::open(&model.ops.state_dir)
                    .map_err(AlertError::from)
                    .and_then(|store| outbox::send_until_stopped(&model, &store, &channel_sender, &vault, &stop, &log));
                if let Err(error) = sent {
                    log(&format!("alerts cannot be sent: {}", error_chain(&error)));
                }
            }
        };
        let thread = thread::Builder::new().name("alerts".to_owned()).spawn(work)?;
        Ok(Self {
            stop,
            thread: Some(thread),
            said,
        })
    }

    /// What it has to say, if it does.
    #[must_use]
    pub fn said(&self) -> Option<String> {
        self.said.try_recv().ok()
    }

    /// It has come to an end by itself.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends it, and sends for a moment what came last. Gives what there is to say.
    #[must_use]
    pub fn end(mut self, model: &Model) -> Vec<String> {
        self.stop.ask();
        // A panic in it was said when it came.
        let _ = self.thread.take().map(JoinHandle::join);
        let (sender, said) = mpsc::channel();
        let vault = Arc::new(Vault::expecting(model.values()));
        let channel_sender = ChannelSender::new(Arc::clone(&vault), Stop::default());
        let log = |text: &str| {
            // Nobody can be gone who listens right here.
            let _ = sender.send(text.to_owned());
        };
        match outbox::send(model, &channel_sender, &vault, AT_THE_END, &log) {
            Ok(left) => {
                let waiting: u64 = left.iter().map(|row| row.pending).sum();
                if waiting > 0 {
                    log(&format!(
                        "alerts that wait to be sent: {waiting}; `opsrun alerts list` shows them"
                    ));
                }
            }
            Err(error) => log(&format!("alerts cannot be sent: {}", error_chain(&error))),
        }
        self.said.try_iter().chain(said.try_iter()).collect()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // What is under way ends by itself; nobody waits for it.
        self.stop.ask();
    }
}

fn say(sender: &Sender<String>, ring: &Ring, text: &str) {
    // Whoever listened may have begun another one.
    let _ = sender.send(text.to_owned());
    ring.ring();
}
