//! The runs of a process: those that were claimed and wait, and those that are active, each in its own thread.
//!
//! Takes runs that were claimed in the store, begins each once it can have a slot and its locks, gives their events in order.
//! The runs go through the same launch as `apply`. Decides nothing about schedules.
//! Invariant: a claimed run is begun, ended in the store, or left to the next process; also if its thread fails, as soon as
//! the store is writable. Threads are bounded, whatever is due at once.

use crate::clock::now;
use crate::daemon::active_run::{ActiveRun, UnwrittenEnd};
use crate::daemon::adopt::revised;
use crate::daemon::claim::previous_run;
use crate::daemon::tick::ActiveJobs;
use crate::daemon::timetable::Timetable;
use crate::daemon::waiting::{TakenLocks, WaitingRun};
use crate::error_chain::{error_chain, with_reason};
use crate::exec::pool::{StepPool, StepSlot};
use crate::launch::{self, Apply, Awaited};
use crate::limits;
use crate::model::{JobName, Model};
use crate::plan::{Plan, RunRequest};
use crate::run::{Event, Progress, State};
use crate::signal::{Ring, Stop};
use crate::store::schedules::{Decision, ScheduledRun};
use crate::store::unbegun::{NEXT_START, UNKNOWN_WAIT};
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// Active runs besides those that have a slot: they wait for a lock or for their next slot.
const MAX_WITHOUT_SLOT: usize = 32;

/// Open files that one more run needs, on average.
const FILES_OF_ONE_MORE: u64 = 64;

#[derive(Debug)]
pub enum RunMessage {
    /// It is already in the store.
    Event { run: String, event: Event },
    Ended {
        run: String,
        exit: u8,
        /// Why it could not be carried out.
        failure: Option<RunFailure>,
    },
}

#[derive(Debug)]
pub struct RunFailure {
    /// Includes the causes.
    pub message: String,
    pub help: Option<String>,
}

#[derive(Debug)]
pub struct ActiveRuns {
    options: RunOptions,
    pool: Arc<StepPool>,
    /// In the order in which they were due.
    waiting: Vec<WaitingRun>,
    running: BTreeMap<String, ActiveRun>,
    /// Ended, but not yet in the store.
    unwritten: BTreeMap<String, UnwrittenEnd>,
    /// What the store says that the waiting runs wait for.
    noted: BTreeMap<String, String>,
    sender: Sender<RunMessage>,
    receiver: Receiver<RunMessage>,
    ring: Option<Ring>,
}

#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Steps at once, and threads, in place of the ops file's.
    pub threads: Option<usize>,
    /// How long a run waits for locks of other processes.
    pub lock_wait: Duration,
    /// The command line, for the history.
    pub command: String,
}

/// One run, to be carried out in a thread.
pub(super) struct RunWork {
    model: Arc<Model>,
    request: RunRequest,
    apply: Apply,
    run: String,
    sender: Sender<RunMessage>,
    ring: Option<Ring>,
}

impl ActiveRuns {
    /// `ring` wakes the loop when there is a message, or a slot for a run that waits.
    pub fn new(model: &Model, options: RunOptions, ring: Option<Ring>) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            pool: launch::step_pool(model, options.threads),
            options,
            waiting: Vec::new(),
            running: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            noted: BTreeMap::new(),
            sender,
            receiver,
            ring,
        }
    }

    /// The ops file has changed: `concurrency` may have.
    pub fn resize(&mut self, model: &Model) {
        self.pool.resize(launch::steps(model, self.options.threads));
    }

    /// A run that is claimed now.
    pub fn add(&mut self, model: &Arc<Model>, claimed: &ScheduledRun) {
        self.waiting.push(WaitingRun::new(model, claimed, now(), &self.pool));
        self.waiting.sort_by_key(WaitingRun::first_due);
    }

    /// The ops file may be another one: runs that wait go by it. Returns the decisions about jobs that no longer wait.
    pub(super) fn revise(
        &mut self,
        model: &Arc<Model>,
        timetable: &Timetable,
        store: &Store,
    ) -> Result<Vec<Decision>, StoreError> {
        let mut dropped = Vec::new();
        let mut at = 0;
        while let Some(run) = self.waiting.get_mut(at) {
            if Arc::ptr_eq(&run.model, model) {
                at += 1;
                continue;
            }
            let decided = |decision: &Decision| revised(timetable, decision);
            let left: Vec<Decision> = run.claimed.jobs.iter().filter_map(decided).collect();
            let mut claimed = run.claimed.clone();
            claimed.jobs.retain(|decision| decided(decision).is_none());
            let ours = left.is_empty() || store.revise(&claimed.run, &claimed.jobs, &left)?;
            dropped.extend(left);
            if ours && !claimed.jobs.is_empty() {
                *run = WaitingRun::new(model, &claimed, run.claimed_at, &self.pool);
                at += 1;
            } else {
                self.waiting.remove(at);
            }
        }
        Ok(dropped)
    }

    /// Begins the waiting runs that can be.
    pub(super) fn begin_waiting(&mut self, spawn: &mut dyn FnMut(RunWork) -> io::Result<()>) {
        let mut todo = VecDeque::from(std::mem::take(&mut self.waiting));
        while let Some((run, slot)) = self.next_ready(&mut todo) {
            run.slots.keep(slot);
            if !self.begin(run, spawn) {
                self.waiting.extend(todo.drain(..));
                self.waiting.sort_by_key(WaitingRun::first_due);
            }
        }
    }

    /// The first run of `todo` that can begin now. Those before it wait on.
    fn next_ready(&mut self, todo: &mut VecDeque<WaitingRun>) -> Option<(WaitingRun, StepSlot)> {
        let most = self.pool.size().saturating_mul(2).saturating_add(MAX_WITHOUT_SLOT);
        let mut taken = TakenLocks::default();
        for (id, running) in &self.running {
            taken.add(id, &running.locks);
        }
        let working = self.running.values().filter(|running| !running.checks_only).count();
        while let Some(mut run) = todo.pop_front() {
            if let Some(awaited) = taken.awaited_by(&run.locks) {
                run.wait_for(awaited);
            } else if working >= most && !run.is_checks_only() {
                run.wait_for(format!("the end of another run: {working} are active"));
            } else if let Some(slot) = run.take_slot(self.ring.as_ref()) {
                return Some((run, slot));
            }
            self.waiting.push(run);
        }
        None
    }

    /// False when it waits on, since the system allows no more: the end of an active run makes room.
    fn begin(&mut self, mut waiting: WaitingRun, spawn: &mut dyn FnMut(RunWork) -> io::Result<()>) -> bool {
        let (claimed, run) = (waiting.claimed.clone(), waiting.claimed.run.clone());
        let (model, claimed_at) = (Arc::clone(&waiting.model), waiting.claimed_at);
        let files = (self.running.len() as u64).saturating_mul(FILES_OF_ONE_MORE);
        limits::raise_open_files(files.saturating_add(limits::FILES_OF_A_RUN));
        let awaited = Awaited::default();
        let begun = Stop::new().and_then(|stop| {
            let running = ActiveRun::new(&mut waiting, stop.clone(), awaited.clone());
            self.running.insert(run.clone(), running);
            spawn(RunWork {
                model: waiting.model,
                request: waiting.request,
                apply: Apply {
                    threads: self.options.threads,
                    slots: Some(waiting.slots),
                    awaited,
                    lock_wait: self.options.lock_wait,
                    command: self.options.command.clone(),
                    stop,
                    claimed: Some(waiting.claimed),
                },
                run: run.clone(),
                sender: self.sender.clone(),
                ring: self.ring.clone(),
            })
        });
        if let Err(error) = begun {
            if self.running.len() > 1 {
                self.running.remove(&run);
                let mut waiting = WaitingRun::new(&model, &claimed, claimed_at, &self.pool);
                waiting.wait_for(format!("the end of another run, since {}", limits::no_thread(&error)));
                self.waiting.push(waiting);
                return false;
            }
            let help = "raise the limit of threads (`ulimit -u`, `TasksMax=` in a systemd unit) or of open files (`ulimit -n`)";
            let failure = RunFailure {
                message: format!("cannot start a run: {}", with_reason(&error)),
                help: Some(help.to_owned()),
            };
            let ended = RunMessage::Ended {
                run,
                exit: 1,
                failure: Some(failure),
            };
            send(&self.sender, self.ring.as_ref(), ended);
        }
        true
    }

    pub fn next_message(&mut self) -> Option<RunMessage> {
        let message = self.receiver.try_recv().ok()?;
        self.follow(&message);
        Some(message)
    }

    /// Waits for a message.
    pub(super) fn wait_message(&mut self, time: Duration) -> Option<RunMessage> {
        match self.receiver.recv_timeout(time) {
            Ok(message) => {
                self.follow(&message);
                Some(message)
            }
            // It has a sender itself.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    fn follow(&mut self, message: &RunMessage) {
        match message {
            RunMessage::Event { run, event } => {
                if let Some(running) = self.running.get_mut(run) {
                    running.update(event);
                }
            }
            RunMessage::Ended { run, exit, failure } => {
                if let Some(running) = self.running.remove(run)
                    && let Some(RunFailure { message, help }) = failure
                {
                    let end = running.unwritten((message, help.as_deref()), *exit);
                    self.unwritten.insert(run.clone(), end);
                }
            }
        }
    }

    /// The number of active runs.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// True if no run is active; some may wait.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The number of runs that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn active_jobs(&self) -> ActiveJobs {
        let mut active = ActiveJobs::default();
        for (run, running) in &self.running {
            running.add_to(&mut active, run);
        }
        // What a waiting run only needs is free until that run begins.
        for waiting in &self.waiting {
            let awaited = waiting.awaited.as_deref().unwrap_or(UNKNOWN_WAIT);
            for job in &waiting.due {
                active.add_waiting(job.clone(), previous_run(awaited, waiting.claimed_at));
            }
        }
        active
    }

    /// Stops the runs in which these jobs are due and unsettled. One that has not begun never will.
    pub fn replace(&mut self, jobs: &BTreeSet<JobName>) {
        for running in self.running.values().filter(|running| running.has_due(jobs)) {
            running.stop.ask();
        }
        let with = |run: &mut WaitingRun| run.due.iter().any(|job| jobs.contains(job));
        for run in self.waiting.extract_if(.., with) {
            let why = ("a newer run replaced it before it could start", None);
            let end = UnwrittenEnd::new(run.due.iter(), State::Interrupted, why, 1);
            self.unwritten.insert(run.claimed.run, end);
            if let Some(ring) = &self.ring {
                ring.ring();
            }
        }
    }

    pub fn stop(&self, signal: u8) {
        for running in self.running.values() {
            running.stop.pass_on(signal);
        }
    }

    /// Leaves the runs that have not begun to the next process.
    pub fn leave_waiting(&mut self, store: &Store) -> Result<(), StoreError> {
        let left = std::mem::take(&mut self.waiting).into_iter();
        store.note_waits(&left.map(|run| (run.claimed.run, NEXT_START.to_owned())).collect())
    }

    /// Writes what the waiting runs wait for, where that has changed.
    pub fn write_waits(&mut self, store: &Store) -> Result<(), StoreError> {
        let waiting = self.waiting.iter();
        let waits = waiting.filter_map(|run| Some((run.claimed.run.clone(), run.awaited.clone()?)));
        let waits: BTreeMap<String, String> = waits.collect();
        let changed = |(run, reason): &(&String, &String)| self.noted.get(*run) != Some(*reason);
        let changes = waits.iter().filter(changed);
        let changes = changes.map(|(run, reason)| (run.clone(), reason.clone())).collect();
        store.note_waits(&changes)?;
        self.noted = waits;
        Ok(())
    }

    /// Writes the ends that could not be written yet.
    pub fn write_ends(&mut self, model: &Model, store: &Store) {
        self.unwritten
            .retain(|run, end| launch::not_done(model, store, run, &end.steps, &end.outcome, end.exit).is_err());
    }
}

impl RunWork {
    pub(super) fn name(&self) -> String {
        format!("run {}", self.run)
    }

    /// Carries it out; reports every event, and the end.
    pub(super) fn carry_out(self, confirm: &mut dyn FnMut(&Plan) -> bool, progress: &dyn Progress) {
        let mut sink = |event: &Event| {
            let (run, event) = (self.run.clone(), event.clone());
            send(&self.sender, self.ring.as_ref(), RunMessage::Event { run, event });
        };
        let work = || launch::apply(&self.model, &self.request, &self.apply, confirm, &mut sink, progress);
        let (exit, failure) = match panic::catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(exit)) => (exit, None),
            Ok(Err(error)) => {
                let failure = RunFailure {
                    message: error_chain(&error),
                    help: error.help(),
                };
                (self.apply.exit_code_of(&error), Some(failure))
            }
            Err(_) => {
                let help = "please report this bug with the message above and the output of `opsrun --version`";
                let failure = RunFailure {
                    message: "an internal error ended the run".to_owned(),
                    help: Some(help.to_owned()),
                };
                (70, Some(failure))
            }
        };
        let Self {
            apply,
            run,
            sender,
            ring,
            ..
        } = self;
        // Its slot and its place in the pool are free before others hear of its end.
        drop(apply);
        send(&sender, ring.as_ref(), RunMessage::Ended { run, exit, failure });
    }
}

/// The receiver lives as long as the threads.
fn send(sender: &Sender<RunMessage>, ring: Option<&Ring>, message: RunMessage) {
    let _ = sender.send(message);
    if let Some(ring) = ring {
        ring.ring();
    }
}

#[cfg(test)]
mod mixed_load;
#[cfg(test)]
mod tests;
