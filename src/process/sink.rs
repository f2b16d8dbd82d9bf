//! An output that goes to a sink, whole: no piece is left out, and no more than a few are in memory.
//!
//! Takes pieces as they are read, gives them to a writer in a thread of its own, which may block: the child waits then. A sink
//! that hangs keeps its thread, and no one waits for it once the run is to stop.
//! Invariant: a delivery is [`SinkEnd::Whole`] only when the pipe was closed by all who held it, and all of it was taken.

use super::capture::Capture;
use crate::signal::Stop;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Notify, mpsc, oneshot};

/// How long an output is still read when the child is gone and another process holds it open.
pub(super) const LINGER: Duration = Duration::from_millis(500);
/// Pieces between the pipe and the sink.
const PIECES: usize = 2;
const PIECE_BYTES: usize = 64 * 1024;
/// How long a sink may take to end when the run is to stop, or its output is of no use any more.
const SINK_PATIENCE: Duration = Duration::from_secs(10);
/// The most that can be in a pipe: more comes from a process that was left behind.
const MAX_PIPE_BYTES: usize = 1024 * 1024;

/// Who takes the standard output of a child.
pub(super) enum Consumer<'a> {
    Capture(&'a mut Capture),
    /// The flag is set when the end of the output was reached.
    Sink(mpsc::Sender<Vec<u8>>, &'a AtomicBool),
}

/// What became of an output.
#[derive(Debug)]
pub enum SinkEnd<S> {
    /// The sink took all of it.
    Whole(S),
    /// The child was ended, or its output is still open: something may be missing.
    Cut,
    /// The sink took no more.
    Refused(io::Error),
    /// The sink does not come back.
    Hangs,
}

/// The writer, and how it ends.
pub(super) struct SinkThread<S>(oneshot::Receiver<(S, io::Result<()>)>);

impl<S: Write + Send + 'static> SinkThread<S> {
    pub(super) fn begin(mut sink: S) -> io::Result<(mpsc::Sender<Vec<u8>>, Self)> {
        let (pieces, mut taken) = mpsc::channel::<Vec<u8>>(PIECES);
        let (ended, end) = oneshot::channel();
        std::thread::Builder::new().name("stdout".to_owned()).spawn(move || {
            let mut written = Ok(());
            while let Some(piece) = taken.blocking_recv() {
                written = sink.write_all(&piece);
                if written.is_err() {
                    break;
                }
            }
            // Before the result: the sender of the pieces learns that none is taken any more.
            drop(taken);
            let _ = ended.send((sink, written));
        })?;
        Ok((pieces, Self(end)))
    }

    pub(super) async fn end(self, whole: bool, stop: &Stop) -> SinkEnd<S> {
        let patience = async {
            if whole {
                stop.wait().await;
            }
            tokio::time::sleep(SINK_PATIENCE).await;
        };
        tokio::select! {
            ended = self.0 => match ended {
                Ok((_, Err(error))) => SinkEnd::Refused(error),
                Ok((sink, Ok(()))) if whole => SinkEnd::Whole(sink),
                Ok(_) => SinkEnd::Cut,
                Err(_) => SinkEnd::Refused(io::Error::other("the writer ended without a result")),
            },
            () = patience => SinkEnd::Hangs,
        }
    }
}

/// Says when the child has ended, and for how long its output is read then.
#[derive(Default)]
pub(super) struct Linger {
    begun: AtomicBool,
    held_open: AtomicBool,
    bell: Notify,
}

impl Linger {
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
        self.bell.notify_waiters();
    }

    /// A while after the child has ended; each call waits for itself.
    pub(super) async fn over(&self) {
        let bell = self.bell.notified();
        if !self.begun.load(Ordering::SeqCst) {
            bell.await;
        }
        tokio::time::sleep(LINGER).await;
    }

    pub(super) fn was_held_open(&self) -> bool {
        self.held_open.load(Ordering::SeqCst)
    }
}

/// Gives the pieces of an output to a sink. False when that takes no more.
pub(super) async fn forward(
    mut end: Receiver,
    pieces: mpsc::Sender<Vec<u8>>,
    whole: &AtomicBool,
    linger: &Linger,
) -> bool {
    let mut late = 0;
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = tokio::select! {
            biased;
            read = end.read(&mut piece) => read,
            () = linger.over() => {
                linger.held_open.store(true, Ordering::SeqCst);
                return true;
            }
        };
        match read {
            Ok(0) => {
                whole.store(true, Ordering::Relaxed);
                return true;
            }
            Ok(length) => piece.truncate(length),
            Err(_) => return true,
        }
        if linger.begun.load(Ordering::SeqCst) {
            late += piece.len();
            if late > MAX_PIPE_BYTES {
                linger.held_open.store(true, Ordering::SeqCst);
                return true;
            }
        }
        if pieces.send(piece).await.is_err() {
            return false;
        }
    }
}
