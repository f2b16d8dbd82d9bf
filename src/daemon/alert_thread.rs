//! The thread that sends alerts while the schedules run.
//!
//! It is restarted with every new version of the ops file, and after every problem with the state.
//! Invariant: no run waits for it, and unsent alerts stay in the outbox.

use crate::alert::channel::ChannelSender;
use crate::alert::{AlertError, outbox};
use crate::error_chain::error_chain;
use crate::model::Model;
use crate::secret::Vault;
use crate::signal::{Ring, Stop};
use crate::store::Store;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long to send after everything else has stopped.
const FINAL_TIME: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct AlertThread {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    reports: Receiver<String>,
}

impl AlertThread {
    pub fn begin(model: &Arc<Model>, ring: Ring) -> io::Result<Self> {
        let stop = Stop::new()?;
        let (sender, reports) = mpsc::channel();
        let work = {
            let (model, stop) = (Arc::clone(model), stop.clone());
            move || {
                let log = |text: &str| {
                    // The receiver may be gone.
                    let _ = sender.send(text.to_owned());
                    ring.ring();
                };
                let channels = ChannelSender::new(Vault::expecting(model.values()), stop.clone());
                let sent = Store::open(&model.ops.state_dir)
                    .map_err(AlertError::from)
                    .and_then(|store| outbox::send_until_stopped(&model, &store, &channels, &stop, &log));
                if let Err(error) = sent {
                    log(&format!("alerts cannot be sent: {}", error_chain(&error)));
                }
            }
        };
        let thread = thread::Builder::new().name("alerts".to_owned()).spawn(work)?;
        Ok(Self {
            stop,
            thread: Some(thread),
            reports,
        })
    }

    pub fn next_report(&self) -> Option<String> {
        self.reports.try_recv().ok()
    }

    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends it, and sends the last alerts for a moment. Returns the remaining reports.
    pub fn end(mut self, model: &Model) -> Vec<String> {
        self.stop.ask();
        // The panic hook has reported a panic.
        let _ = self.thread.take().map(JoinHandle::join);
        let (sender, reports) = mpsc::channel();
        let channels = ChannelSender::new(Vault::expecting(model.values()), Stop::default());
        let log = |text: &str| {
            // The receiver is still here.
            let _ = sender.send(text.to_owned());
        };
        match outbox::send(model, &channels, FINAL_TIME, &log) {
            Ok(left) => {
                let waiting: u64 = left.iter().map(|row| row.pending).sum();
                if waiting > 0 {
                    log(&format!(
                        "pending alerts: {waiting}; to list them, run `opsrun alerts list`"
                    ));
                }
            }
            Err(error) => log(&format!("alerts cannot be sent: {}", error_chain(&error))),
        }
        self.reports.try_iter().chain(reports.try_iter()).collect()
    }
}

impl Drop for AlertThread {
    fn drop(&mut self) {
        // An attempt in progress ends by itself.
        self.stop.ask();
    }
}
