//! One whole run: locks, store, recovery, survey, plan, execution, outcome. Called by `apply` and by the schedules.
//!
//! Takes a model and a request, gives a plan ([`plan()`]) or a finished run ([`apply`]), with the same code up to the
//! plan. Prints nothing: events and progress go to what the caller hands in.
//! - `settings`: how it is carried out · `locks`: what keeps two runs apart
//! - `resurvey`: surveying a backup again during a run · [`job_ends`]: locks and back-offs at the end of a job
//! - `left_running`: waiting for what an opsrun that was killed left, or ending it
//! - [`copies`]: the copies in destinations, and verifying them · [`restore`]: restoring files
//! - [`mod@prune`]: history that is too old · `own_writer`: who makes copies here · [`history`]: past runs · [`crontab()`]: the user's crontab
//!
//! Invariant: an event is in the store before it goes anywhere else.

pub mod copies;
mod crontab;
mod error;
pub mod history;
pub mod job_ends;
mod left_running;
mod locks;
pub mod own_writer;
pub mod prune;
pub mod restore;
mod resurvey;
pub mod served;
mod settings;
pub mod state_place;

pub use crate::tree::rewrite::{RewriteError, rewrite, write_new};
pub use crontab::crontab;
pub use error::LaunchError;
pub use locks::{locked_directories, locked_jobs};
pub use settings::{Apply, Awaited, step_pool, steps, threads};

use crate::alert::recorder::AlertRecorder;
use crate::clock::Stopwatch;
use crate::exec::engine;
use crate::exec::own_copies::OwnCopies;
use crate::exec::recorder::Memory;
use crate::exec::survey::{self, World};
use crate::exec::{RunSettings, action::recover};
use crate::limits;
use crate::liveness::children::{self, Children, Orphan};
use crate::model::{JobName, Model, StepName};
use crate::plan::facts::PlanFacts;
use crate::plan::{self, Plan, RunRequest};
use crate::run::{Event, JobHistory, NoteSubject, Outcome, Progress, Record, RecordError, Status};
use crate::secret::Vault;
use crate::signal::Stop;
use crate::store::{self, Store, StoreError};
use crate::units::millis;
use chrono::{DateTime, Utc};
use job_ends::JobEnds;
use locks::Locks;
use resurvey::{Resurvey, remembered};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// The plan of what [`apply`] would do now, or at another moment. Changes nothing, but for a scratch directory in each
/// destination, which is gone again when it returns.
pub fn plan(model: &Model, request: &RunRequest, at: Option<DateTime<Utc>>, stop: &Stop) -> Result<Plan, LaunchError> {
    let jobs = request.jobs(model)?;
    let store = Store::open_or_empty(&model.ops.state_dir)?;
    let remembered = remembered(model, &store, own_writer::known(model, &store)?)?;
    let mut world = survey::open(model, &jobs);
    survey::probe(&mut world, &remembered);
    let now = at.unwrap_or_else(crate::clock::now);
    let facts = survey::look(model, &jobs, &world, &remembered, now, stop);
    if let Some(signal) = stop.signal() {
        return Err(LaunchError::Signal(signal));
    }
    Ok(plan::build(model, request, &facts)?)
}

/// Executes the plan of a request once, and returns the exit code. If `confirm` refuses the plan, nothing is done.
pub fn apply(
    model: &Model,
    request: &RunRequest,
    how: &Apply,
    confirm: &mut dyn FnMut(&Plan) -> bool,
    sink: &mut (dyn FnMut(&Event) + Send),
    progress: &dyn Progress,
) -> Result<u8, LaunchError> {
    let jobs = request.jobs(model)?;
    let since = Stopwatch::set();
    let store = Store::open(&model.ops.state_dir)?;
    let alone = || Arc::new(step_pool(model, how.threads).member(crate::clock::now()));
    let slots = how.slots.clone().unwrap_or_else(alone);
    let mut locks = Locks::new(how, &store, &slots);
    let exclusive = locked_jobs(model, &jobs);
    locks.jobs(&model.ops.state_dir, &exclusive)?;
    let ended = locks.left_running(model, &exclusive)?;
    let mut world = survey::open(model, &jobs);
    locks.world(&world)?;
    how.awaited.set(None);
    let own = own_writer::ensured(model, &store)?;
    survey::probe(&mut world, &remembered(model, &store, own)?);
    if let Some(limit) = limits::too_few_files() {
        return Err(LaunchError::Limit(limit));
    }

    let new = || ulid::Ulid::new().to_string();
    let run = how.claimed.as_ref().map_or_else(new, |claimed| claimed.run.clone());
    let secrets = Vault::expecting(model.values());
    let interrupted = mark_interrupted(model, &store, &secrets)?;
    if how.claimed.is_none() {
        store.begin_run(&run, &how.command, crate::clock::now())?;
    }
    let mut settling = JobEnds::new(model, &store, &run, how.claimed.is_some(), &mut locks.jobs);
    let sink = &mut |event: &Event| {
        settling.observe(event);
        sink(event);
    };
    let mut journal = Tee {
        store: &store,
        journal: store.journal(&run),
        alerts: AlertRecorder::new(model, &secrets, Some(&run)),
        sink,
    };
    journal.record(&Event::RunStarted {
        run: run.clone(),
        ops: model.ops.name.clone(),
        host: survey::host(),
        digest: model.ops.digest.clone(),
        zone_data: model.ops.zone_data.to_string(),
        overrides: request.overrides(),
        occurrences: how.claimed.iter().flat_map(|run| run.occurrences.clone()).collect(),
    })?;
    for (run, message) in interrupted {
        journal.record(&Event::Note {
            step: NoteSubject::Run(format!("run {run}")),
            message,
        })?;
    }
    ended.iter().try_for_each(|event| journal.record(event))?;
    prune::forget_missing_copies(model, &jobs, &world, &store)?;
    let (facts, mut stuck) = repair(model, &jobs, &world, &store, &how.stop, &mut journal)?;
    let plan = plan::build(model, request, &facts)?;
    let status = if how.stop.asked() || !confirm(&plan) {
        Status::default()
    } else {
        let how = RunSettings {
            run: run.clone(),
            slots: Arc::clone(&slots),
            stop: how.stop.clone(),
            children: Arc::new(Children::of(&model.ops.state_dir, &run)?),
            copies: Arc::new(OwnCopies::new(model, own_writer::known(model, &store)?)),
        };
        let look = Resurvey {
            model,
            request,
            facts: &facts,
            store: &store,
            stop: &how.stop,
            turn: Mutex::default(),
            stuck: AtomicBool::new(stuck),
        };
        let status = engine::run(&plan, &Mutex::new(world), &mut journal, progress, &how, &look, &secrets)?;
        stuck = look.stuck.into_inner();
        status
    };
    let exit = match (how.stop.signal(), status.exit_code()) {
        (Some(signal), _) => 128 + signal,
        (None, 0 | 4) if stuck => 1,
        (None, exit) => exit,
    };
    let millis = millis(since.elapsed());
    journal.record(&Event::RunFinished { exit, millis })?;
    Ok(exit)
}

/// Marks runs whose process is gone as interrupted, and writes the alerts about them. Returns their ids, each with a
/// description for people.
pub fn mark_interrupted(model: &Model, store: &Store, secrets: &Vault) -> Result<Vec<(String, String)>, StoreError> {
    let mut marked = Vec::new();
    let left = children::orphans(&model.ops.state_dir);
    for run in store.interrupted_runs()? {
        let events: Vec<Event> = store.events_of(&run)?.into_iter().map(|stored| stored.event).collect();
        let unfinished = unfinished_steps(&events);
        let mut alerts = AlertRecorder::new(model, secrets, Some(&run));
        store.mark_interrupted(&run, &mut |ledger| alerts.interrupted(ledger, &events, &unfinished))?;
        let left: Vec<&Orphan> = left.iter().filter(|orphan| orphan.run == run).collect();
        marked.push((run.clone(), interruption(&unfinished, &left)));
    }
    Ok(marked)
}

/// In the order in which they began.
fn unfinished_steps(events: &[Event]) -> Vec<StepName> {
    let mut unfinished: Vec<StepName> = Vec::new();
    for event in events {
        match event {
            Event::StepStarted { step } => unfinished.push(step.clone()),
            Event::StepFinished { step, .. } => unfinished.retain(|open| open != step),
            _ => {}
        }
    }
    unfinished
}

fn interruption(unfinished: &[StepName], left: &[&Orphan]) -> String {
    let mut text = "was interrupted".to_owned();
    if !unfinished.is_empty() {
        text = format!("{text} during {}", crate::units::joined(unfinished));
    }
    let left: Vec<String> = left
        .iter()
        .map(|orphan| format!("{} ({})", orphan.step, orphan.processes()))
        .collect();
    if !left.is_empty() {
        text = format!("{text}; still at work: {}", crate::units::joined(&left));
    }
    text
}

/// Ends a run that was begun and could not be carried out: `steps` get this outcome.
pub fn not_done(
    model: &Model,
    store: &Store,
    run: &str,
    steps: &[StepName],
    outcome: &Outcome,
    exit: u8,
) -> Result<(), RecordError> {
    let secrets = Vault::expecting(model.values());
    let mut tee = Tee {
        store,
        journal: store.journal(run),
        alerts: AlertRecorder::new(model, &secrets, Some(run)),
        sink: &mut |_| {},
    };
    let settled = steps.iter().map(|step| Event::StepFinished {
        step: step.clone(),
        outcome: outcome.clone(),
    });
    let mut events: Vec<Event> = settled.collect();
    events.push(Event::RunFinished { exit, millis: 0 });
    tee.record_all(&events)
}

/// Repairs what earlier runs left, and surveys. True if something could not be repaired.
fn repair(
    model: &Model,
    jobs: &BTreeSet<JobName>,
    world: &World,
    store: &Store,
    stop: &Stop,
    journal: &mut Tee<'_>,
) -> Result<(PlanFacts, bool), LaunchError> {
    let own = own_writer::ensured(model, store)?;
    let mut any_stuck = false;
    let mut record = |event: Event| {
        any_stuck |= matches!(&event, Event::Recovered { stuck, .. } if !stuck.is_empty());
        journal.record(&event)
    };
    let (events, cleared) = recover::run(model, jobs, world, &own, &store.unpublished_copies()?, stop);
    events.into_iter().try_for_each(&mut record)?;
    for copy in cleared {
        store.forget_copy(&copy)?;
    }
    let remembered = remembered(model, store, own)?;
    let facts = survey::look(model, jobs, world, &remembered, crate::clock::now(), stop);
    let (cleared, stuck) = (recover::parts(&facts, world), recover::strays(&facts));
    if cleared > 0 || !stuck.is_empty() {
        record(Event::Recovered {
            place: "what was left in the sources".to_owned(),
            put_back: 0,
            completed: 0,
            cleared,
            stuck,
        })?;
    }
    Ok((facts, any_stuck))
}

/// Events go into the store with their alerts, then to the sink.
struct Tee<'a> {
    store: &'a Store,
    journal: store::RunJournal<'a>,
    alerts: AlertRecorder<'a>,
    sink: &'a mut (dyn FnMut(&Event) + Send),
}

impl Record for Tee<'_> {
    fn record_all(&mut self, events: &[Event]) -> Result<(), RecordError> {
        let alerts = &mut self.alerts;
        self.journal
            .record_with_alerts(events, &mut |ledger| alerts.events(ledger, events))?;
        for event in events {
            (self.sink)(event);
        }
        Ok(())
    }
}

impl Memory for Tee<'_> {
    fn remember_marker(&mut self, backup: &str, path: &Path, id: &str) -> Result<(), RecordError> {
        let done = self.store.remember_marker(backup, path, id);
        done.map_err(|source| unrecorded(self.store, source))
    }

    fn history_of(&mut self, job: &JobName) -> Result<JobHistory, RecordError> {
        let history = self.store.job_history(job);
        history.map_err(|source| unrecorded(self.store, source))
    }

    fn reading_of(&mut self, check: &str) -> Result<Option<String>, RecordError> {
        let reading = self.store.reading(check);
        reading.map_err(|source| unrecorded(self.store, source))
    }

    fn remember_reading(&mut self, check: &str, json: &str) -> Result<(), RecordError> {
        let done = self.store.remember_reading(check, crate::clock::now(), json);
        done.map_err(|source| unrecorded(self.store, source))
    }
}

fn unrecorded(store: &Store, source: StoreError) -> RecordError {
    RecordError {
        place: crate::path::shown(store.path()).to_string(),
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::State;

    #[test]
    fn steps_without_an_end_are_unfinished_in_the_order_in_which_they_began() {
        let step = |step: &str| -> StepName { step.parse().unwrap() };
        let started = |name: &str| Event::StepStarted { step: step(name) };
        let finished = |name: &str| Event::StepFinished {
            step: step(name),
            outcome: Outcome {
                state: State::Ok,
                summary: String::new(),
                help: None,
                details: Vec::new(),
            },
        };
        let events = [
            started("target:b"),
            started("target:c"),
            started("target:a"),
            finished("target:b"),
            finished("verify:d"),
        ];
        assert_eq!(unfinished_steps(&events), [step("target:c"), step("target:a")]);
        assert_eq!(
            interruption(&unfinished_steps(&events), &[]),
            "was interrupted during target:c, target:a"
        );
        assert_eq!(interruption(&[], &[]), "was interrupted");
    }
}
