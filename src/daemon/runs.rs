//! The active runs: each in its own thread, through the same launch as `apply`.
//!
//! Takes runs that were begun in the store, gives their events in order to the loop. Knows which jobs of each run are not
//! settled yet; decides nothing.
//! Invariant: a run that was begun is also ended in the store, even if its thread fails, as soon as the store is writable.

use crate::daemon::tick::ActiveJobs;
use crate::error_chain::with_reason;
use crate::launch::{self, Apply};
use crate::model::{JobName, Model, StepName};
use crate::plan::RunRequest;
use crate::run::{Event, Outcome, Progress, State};
use crate::signal::{Ring, Stop};
use crate::store::Store;
use crate::store::schedules::ScheduledRun;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

#[derive(Debug)]
pub enum RunMessage {
    /// It is already in the store.
    Event { run: String, event: Event },
    Ended {
        run: String,
        /// Why it could not be carried out.
        failure: Option<RunFailure>,
    },
}

#[derive(Debug)]
pub struct RunFailure {
    pub exit: u8,
    /// Includes the causes.
    pub message: String,
    pub help: Option<String>,
}

#[derive(Debug)]
pub struct ActiveRuns {
    running: BTreeMap<String, ActiveRun>,
    /// Ended, but not yet in the store.
    unwritten: BTreeMap<String, UnwrittenEnd>,
    sender: Sender<RunMessage>,
    receiver: Receiver<RunMessage>,
    ring: Ring,
}

#[derive(Debug)]
struct UnwrittenEnd {
    /// Of the due jobs that are not settled.
    steps: Vec<StepName>,
    outcome: Outcome,
    exit: u8,
}

#[derive(Debug)]
struct ActiveRun {
    stop: Stop,
    /// The jobs that are due, without those that are only needed.
    due: BTreeSet<JobName>,
    /// The unsettled jobs, and whether they have started.
    left: BTreeMap<JobName, bool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Of each run.
    pub threads: Option<usize>,
    /// The command line, for the history.
    pub command: String,
}

impl ActiveRuns {
    /// `ring` wakes the loop when there is a message.
    pub fn new(ring: Ring) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            running: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            sender,
            receiver,
            ring,
        }
    }

    pub fn begin(&mut self, model: &Arc<Model>, beginning: &ScheduledRun, options: &RunOptions) {
        let run = beginning.run.clone();
        let due: BTreeSet<JobName> = beginning.jobs.iter().map(|decision| decision.job.clone()).collect();
        let request = RunRequest {
            only: due.iter().map(JobName::to_string).collect(),
            ..RunRequest::default()
        };
        let jobs = request.jobs(model).unwrap_or_default();
        let mut running = ActiveRun {
            stop: Stop::default(),
            due,
            left: jobs.into_iter().map(|job| (job, false)).collect(),
            thread: None,
        };
        let begun = Stop::new().and_then(|stop| {
            running.stop = stop.clone();
            let apply = Apply {
                threads: options.threads,
                // A lock is released some time, or a signal stops the wait.
                lock_wait: Duration::MAX,
                command: options.command.clone(),
                stop,
                claimed: Some(beginning.clone()),
            };
            let (model, sender, ring) = (Arc::clone(model), self.sender.clone(), self.ring.clone());
            let (name, run) = (format!("run {run}"), run.clone());
            thread::Builder::new().name(name).spawn(move || {
                let failure = run_one(&model, &request, &apply, &run, &sender, &ring);
                // The receiver lives as long as the threads.
                let _ = sender.send(RunMessage::Ended { run, failure });
                ring.ring();
            })
        });
        match begun {
            Ok(thread) => running.thread = Some(thread),
            Err(error) => {
                let failure = Some(RunFailure {
                    exit: 1,
                    message: format!("cannot start a run: {}", with_reason(&error)),
                    help: Some(
                        "raise the limit of threads (`ulimit -u`, `TasksMax=` in a systemd unit) or of open files (`ulimit -n`)"
                            .to_owned(),
                    ),
                });
                let run = run.clone();
                let _ = self.sender.send(RunMessage::Ended { run, failure });
                self.ring.ring();
            }
        }
        self.running.insert(run, running);
    }

    pub fn next_message(&mut self) -> Option<RunMessage> {
        let message = self.receiver.try_recv().ok()?;
        match &message {
            RunMessage::Event { run, event } => {
                if let Some(running) = self.running.get_mut(run) {
                    running.update(event);
                }
            }
            RunMessage::Ended { run, failure } => {
                let Some(mut running) = self.running.remove(run) else {
                    return Some(message);
                };
                // The thread is about to end; a panic was caught.
                let _ = running.thread.take().map(JoinHandle::join);
                if let Some(failure) = failure {
                    self.unwritten.insert(run.clone(), running.unwritten(failure));
                }
            }
        }
        Some(message)
    }

    pub fn len(&self) -> usize {
        self.running.len()
    }

    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub fn active_jobs(&self) -> ActiveJobs {
        let mut active = ActiveJobs::default();
        for (job, started) in self.running.values().flat_map(|running| &running.left) {
            active.add(job.clone(), *started);
        }
        active
    }

    /// Stops the runs in which these jobs are due and unsettled.
    pub fn replace(&self, jobs: &BTreeSet<JobName>) {
        let with = |running: &&ActiveRun| {
            let mut due = running.due.iter();
            due.any(|job| jobs.contains(job) && running.left.contains_key(job))
        };
        for running in self.running.values().filter(with) {
            running.stop.ask();
        }
    }

    pub fn stop(&self, signal: u8) {
        for running in self.running.values() {
            running.stop.pass_on(signal);
        }
    }

    /// Writes the ends that could not be written yet.
    pub fn write_ends(&mut self, model: &Model, store: &Store) {
        self.unwritten
            .retain(|run, end| launch::not_done(model, store, run, &end.steps, &end.outcome, end.exit).is_err());
    }
}

impl ActiveRun {
    fn unwritten(&self, failure: &RunFailure) -> UnwrittenEnd {
        let left = self.due.iter().filter(|job| self.left.contains_key(job));
        let state = if self.stop.asked() {
            State::Interrupted
        } else {
            State::Failed
        };
        UnwrittenEnd {
            steps: left.filter_map(|job| job.steps().pop()).collect(),
            outcome: Outcome {
                help: failure.help.clone(),
                ..Outcome::new(state, failure.message.as_str())
            },
            exit: failure.exit,
        }
    }

    fn update(&mut self, event: &Event) {
        match event {
            Event::StepStarted { step } => {
                let job = self.left.iter_mut().find(|(job, _)| job.steps().contains(step));
                if let Some((_, started)) = job {
                    *started = true;
                }
            }
            Event::StepFinished { step, .. } => self.left.retain(|job, _| job.steps().last() != Some(step)),
            _ => {}
        }
    }
}

fn run_one(
    model: &Model,
    request: &RunRequest,
    options: &Apply,
    run: &str,
    sender: &Sender<RunMessage>,
    ring: &Ring,
) -> Option<RunFailure> {
    let mut sink = |event: &Event| {
        let (run, event) = (run.to_owned(), event.clone());
        let _ = sender.send(RunMessage::Event { run, event });
        ring.ring();
    };
    let work = || launch::apply(model, request, options, &mut |_| true, &mut sink, &NoProgress);
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(RunFailure {
            exit: options.exit_code_of(&error),
            message: crate::error_chain::error_chain(&error),
            help: error.help(),
        }),
        Err(_) => Some(RunFailure {
            exit: 70,
            message: "an internal error ended the run".to_owned(),
            help: Some("please report this bug with the message above and the output of `opsrun --version`".to_owned()),
        }),
    }
}

struct NoProgress;

impl Progress for NoProgress {}
