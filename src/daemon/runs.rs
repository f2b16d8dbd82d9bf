//! The runs that are at work: each in a thread of its own, through the same launch as `apply`.
//!
//! Takes runs that were begun in the store, gives what happens in them, in order, to the one loop that asks. Knows
//! which jobs each has still before it; decides nothing about them.
//! Invariant: a run that was begun ends in the store, too, whatever became of its thread, as soon as the store can be
//! written.

use crate::daemon::tick::AtWork;
use crate::launch::{self, Apply, ClaimedRun, LaunchError};
use crate::model::{JobName, Model, StepName};
use crate::plan::Request;
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
pub enum Happened {
    /// An event; the store has it.
    Event { run: String, event: Event },
    Ended {
        run: String,
        /// Why it could not be done, where it could not.
        failure: Option<Failed>,
    },
}

/// A run that could not be done.
#[derive(Debug)]
pub struct Failed {
    pub exit: u8,
    /// What went wrong, causes included.
    pub message: String,
    pub help: Option<String>,
}

#[derive(Debug)]
pub struct Runs {
    running: BTreeMap<String, Running>,
    /// Ended, and their end is not in the store yet.
    unwritten: BTreeMap<String, Unwritten>,
    sender: Sender<Happened>,
    receiver: Receiver<Happened>,
    ring: Ring,
}

#[derive(Debug)]
struct Unwritten {
    /// Of the jobs that were due and are not settled.
    steps: Vec<StepName>,
    outcome: Outcome,
    exit: u8,
}

#[derive(Debug)]
struct Running {
    stop: Stop,
    /// Due in it, not only needed.
    due: BTreeSet<JobName>,
    /// Not settled, and whether they have begun.
    left: BTreeMap<JobName, bool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone)]
pub struct How {
    /// Threads of each, and steps at once.
    pub threads: Option<usize>,
    /// The command line, for the record.
    pub command: String,
}

impl Runs {
    /// None yet. `ring` wakes the loop when something happened.
    #[must_use]
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

    pub fn begin(&mut self, model: &Arc<Model>, beginning: &ScheduledRun, how: &How) {
        let run = beginning.run.clone();
        let due: BTreeSet<JobName> = beginning.jobs.iter().map(|decision| decision.job.clone()).collect();
        let request = Request {
            only: due.iter().map(JobName::to_string).collect(),
            ..Request::default()
        };
        let jobs = request.jobs(model).unwrap_or_default();
        let left = jobs.into_iter().map(|job| (job, false));
        let (stop, left) = (Stop::new(), left.collect());
        let mut running = Running {
            stop: Stop::default(),
            due,
            left,
            thread: None,
        };
        let begun = stop.and_then(|stop| {
            running.stop = stop.clone();
            let how = Apply {
                threads: how.threads,
                // Whatever holds a lock ends one day, or we are told to stop.
                lock_wait: Duration::MAX,
                command: how.command.clone(),
                stop,
                claimed: Some(ClaimedRun {
                    run: run.clone(),
                    occurrences: beginning.occurrences.clone(),
                }),
            };
            let (model, sender, ring) = (Arc::clone(model), self.sender.clone(), self.ring.clone());
            let (name, run) = (format!("run {run}"), run.clone());
            thread::Builder::new().name(name).spawn(move || {
                let failure = one(&model, &request, &how, &run, &sender, &ring);
                // The loop that listens lives as long as the threads do.
                let _ = sender.send(Happened::Ended { run, failure });
                ring.ring();
            })
        });
        match begun {
            Ok(thread) => running.thread = Some(thread),
            Err(error) => {
                let failure = Failed {
                    exit: 1,
                    message: format!("cannot begin a run: {error}"),
                    help: Some("make room: the system has no more threads or open files for us".to_owned()),
                };
                let ended = Happened::Ended {
                    run: run.clone(),
                    failure: Some(failure),
                };
                let _ = self.sender.send(ended);
                self.ring.ring();
            }
        }
        self.running.insert(run, running);
    }

    /// The next thing that happened, if something did.
    pub fn happened(&mut self) -> Option<Happened> {
        let happened = self.receiver.try_recv().ok()?;
        match &happened {
            Happened::Event { run, event } => {
                if let Some(running) = self.running.get_mut(run) {
                    running.hear(event);
                }
            }
            Happened::Ended { run, failure } => {
                let Some(mut running) = self.running.remove(run) else {
                    return Some(happened);
                };
                // It has nothing left to do but to end; a panic was caught.
                let _ = running.thread.take().map(JoinHandle::join);
                if let Some(failure) = failure {
                    self.unwritten.insert(run.clone(), running.unwritten(failure));
                }
            }
        }
        Some(happened)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// None is at work.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    #[must_use]
    pub fn at_work(&self) -> AtWork {
        let mut at_work = AtWork::default();
        for (job, begun) in self.running.values().flat_map(|running| &running.left) {
            at_work.add(job.clone(), *begun);
        }
        at_work
    }

    /// Stops the runs in which these jobs are due and not settled.
    pub fn replace(&self, jobs: &BTreeSet<JobName>) {
        let with = |running: &&Running| {
            let mut due = running.due.iter();
            due.any(|job| jobs.contains(job) && running.left.contains_key(job))
        };
        for running in self.running.values().filter(with) {
            running.stop.ask();
        }
    }

    /// Asks all of them to stop.
    pub fn stop(&self, signal: u8) {
        for running in self.running.values() {
            running.stop.pass_on(signal);
        }
    }

    /// Writes the ends that could not be written yet.
    pub fn write_ends(&mut self, model: &Model, store: &Store) {
        self.unwritten.retain(|run, end| {
            let written = launch::not_done(model, store, run, &end.steps, &end.outcome, end.exit);
            written.is_err()
        });
    }
}

impl Running {
    fn unwritten(&self, failure: &Failed) -> Unwritten {
        let left = self.due.iter().filter(|job| self.left.contains_key(job));
        Unwritten {
            steps: left.filter_map(|job| job.steps().pop()).collect(),
            outcome: Outcome {
                state: if self.stop.asked() {
                    State::Interrupted
                } else {
                    State::Failed
                },
                summary: failure.message.clone(),
                help: failure.help.clone(),
                details: Vec::new(),
            },
            exit: failure.exit,
        }
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::StepStarted { step } => {
                let begun = self.left.iter_mut().find(|(job, _)| job.steps().contains(step));
                if let Some((_, begun)) = begun {
                    *begun = true;
                }
            }
            Event::StepFinished { step, .. } => self.left.retain(|job, _| job.steps().last() != Some(step)),
            _ => {}
        }
    }
}

fn one(
    model: &Model,
    request: &Request,
    how: &Apply,
    run: &str,
    sender: &Sender<Happened>,
    ring: &Ring,
) -> Option<Failed> {
    let mut sink = |event: &Event| {
        let event = Happened::Event {
            run: run.to_owned(),
            event: event.clone(),
        };
        let _ = sender.send(event);
        ring.ring();
    };
    let work = || launch::apply(model, request, how, &mut |_| true, &mut sink, &Silent);
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(failed(&error, &how.stop)),
        Err(_) => Some(Failed {
            exit: 70,
            message: "an internal error ended the run".to_owned(),
            help: Some("please report what was said about it, with the output of `opsrun --version`".to_owned()),
        }),
    }
}

fn failed(error: &LaunchError, stop: &Stop) -> Failed {
    Failed {
        // Whoever was told to stop while it waited for a lock stopped.
        exit: stop.signal().map_or_else(|| error.exit_code(), |signal| 128 + signal),
        message: crate::error_chain::error_chain(error),
        help: error.help(),
    }
}

/// Nobody watches the progress of a run of ours.
struct Silent;

impl Progress for Silent {
    fn begin(&self, _: usize, _: &str, _: u64, _: u64) {}

    fn advance(&self, _: usize, _: u64, _: u64) {}

    fn end(&self, _: usize) {}
}
