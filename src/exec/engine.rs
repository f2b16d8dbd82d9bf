//! The one loop over the steps of a plan.
//!
//! Takes a plan, the world that it was made of, and a journal; gives the [`Status`] that the events make. A step begins once
//! the [pool](super::pool) has a slot for it: commands and questions as tasks of this thread, copying and deleting in
//! threads of their own. A step that does not succeed blocks what needs it and nothing else.
//! Invariant: every step is settled exactly once, after all that it needs; its beginning and its end are recorded.
//! After a stop, no step begins, and the loop ends with the steps under way.

use super::action::{self, Context, Ended, Slots, StepAbort};
use super::due_steps::DueSteps;
use super::pool::Lane;
use super::recorder::{Journal, Recorder, Shared};
use super::step_thread::in_thread;
use super::survey::World;
use super::{RunSettings, locked};
use crate::model::StepName;
use crate::plan::guards::Guard;
use crate::plan::order::Order;
use crate::plan::{Action, Plan, Step, StepId};
use crate::run::{Event, NoteSubject, Outcome, Progress, RecordError, State, Status};
use crate::secret::Vault;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread::Scope;

/// Looks at a source and a destination again, when something before them in the run may have changed them.
pub trait LookAgain: Sync {
    /// The steps that replace steps of the plan: the backup's, and of all that rely on it. What was
    /// opened goes into the world.
    fn look_again(
        &self,
        plan: &Plan,
        backup: StepId,
        world: &Mutex<World>,
        recorder: &dyn Recorder,
    ) -> Result<Vec<Step>, StepAbort>;
}

/// Runs every step.
///
/// # Errors
/// Only when something cannot be recorded: then nothing that depends on it has happened.
pub fn run(
    plan: &Plan,
    world: &Mutex<World>,
    journal: &mut (dyn Journal + Send),
    progress: &dyn Progress,
    how: &RunSettings,
    look: &dyn LookAgain,
    secrets: &Vault,
) -> Result<Status, RecordError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| RecordError {
            place: "no step was begun: the event loop".to_owned(),
            source: Box::new(source),
        })?;
    let recorder = Shared::new(journal, how.stop.clone());
    let run = Run {
        plan,
        world,
        recorder: &recorder,
        progress,
        how,
        look,
        slots: Mutex::default(),
        secrets,
    };
    let done = std::thread::scope(|scope| runtime.block_on(run.all(scope)));
    // A call to a dead mount may hang forever in its thread: do not wait for it.
    runtime.shutdown_background();
    done.map(|()| recorder.status())
}

/// What all steps of one run share.
struct Run<'a, 'j> {
    plan: &'a Plan,
    world: &'a Mutex<World>,
    recorder: &'a Shared<'j>,
    progress: &'a dyn Progress,
    how: &'a RunSettings,
    look: &'a dyn LookAgain,
    slots: Mutex<Slots>,
    secrets: &'a Vault,
}

impl Run<'_, '_> {
    async fn all<'s>(&'s self, scope: &'s Scope<'s, '_>) -> Result<(), RecordError> {
        self.secrets.foresee(&self.how.stop).await;
        self.doubt_secrets();
        for job in &self.plan.paused {
            self.recorder.record_soon(Event::StepFinished {
                step: job.into(),
                outcome: action::outcome(State::Paused, "paused in the ops file, or needs a job that is"),
            });
        }
        let steps = self.plan.steps().iter();
        let mut order = Order::new(steps.map(|step| [&step.needs[..], &step.after[..]].concat()));
        let mut under_way = FuturesUnordered::new();
        let mut due = DueSteps::new(&self.how.slots);
        let mut granted = None;
        let mut broken = None;
        loop {
            while broken.is_none() {
                self.settle_due(&mut order, &mut due);
                let Some((id, slot)) = granted.take().or_else(|| due.next_free()) else {
                    break;
                };
                let Some(step) = self.plan.steps().get(id) else {
                    continue;
                };
                if let Some(outcome) = self.not_begun(step) {
                    self.settle(&mut order, step, outcome);
                    continue;
                }
                self.announce(step);
                under_way.push(async move {
                    let ended = self.one(step, scope).await;
                    drop(slot);
                    (step, ended)
                });
            }
            // Checks that others need never wait for the target of another check: so no two runs wait for each other.
            self.how.slots.let_go_of(Lane::Check);
            // Before anything that has begun goes on: what begins is announced.
            if let Err(error) = self.recorder.flush() {
                broken = broken.or(Some(error));
            }
            if broken.is_some() {
                due.take_all();
                granted = None;
            }
            if under_way.is_empty() && due.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                Some(ended) = under_way.next() => {
                    // With it all that has ended meanwhile, so that they are recorded in one go.
                    let mut ended = Some(ended);
                    while let Some((step, outcome)) = ended {
                        match outcome {
                            Ok(outcome) | Err(StepAbort::Outcome(outcome)) => self.settle(&mut order, step, outcome),
                            // The recorder has stopped the run: steps under way end, no other begins.
                            Err(StepAbort::Record(error)) => broken = broken.or(Some(error)),
                        }
                        ended = under_way.next().now_or_never().flatten();
                    }
                }
                // Steps that wait for a slot wait no longer.
                () = self.how.stop.wait(), if !due.is_empty() => {}
                next = due.next(), if !due.is_empty() => granted = Some(next),
            }
        }
        broken.map_or(Ok(()), Err)
    }

    /// Settles the due steps that will not begin; the others wait for a slot.
    fn settle_due(&self, order: &mut Order, due: &mut DueSteps<'_>) {
        let mut waiting = if self.how.stop.asked() {
            due.take_all()
        } else {
            BTreeSet::new()
        };
        while let Some(id) = waiting.pop_first().or_else(|| order.begin_next()) {
            let Some(step) = self.plan.steps().get(id) else {
                continue;
            };
            match self.not_begun(step) {
                Some(outcome) => self.settle(order, step, outcome),
                None => due.add(id, self.lane(step)),
            }
        }
    }

    fn lane(&self, step: &Step) -> Lane {
        match &step.action {
            Action::Check(_) => self.how.slots.pool().check_lane(),
            Action::Target(_) | Action::Backup(_) | Action::Verify(_) | Action::Cleanup(_) => Lane::Work,
        }
    }

    /// Notes which secrets are hardly any: their text is replaced wherever it occurs.
    fn doubt_secrets(&self) {
        for message in self.secrets.take_doubts() {
            let step = NoteSubject::Run(self.how.run.clone());
            self.recorder.record_soon(Event::Note { step, message });
        }
    }

    fn settle(&self, order: &mut Order, step: &Step, outcome: Outcome) {
        order.settle(step.id);
        self.doubt_secrets();
        self.recorder.record_soon(Event::StepFinished {
            step: step.name.clone(),
            outcome,
        });
    }

    /// The outcome of a step that is due and does not begin; `None` also for one that is to be looked at again before that is
    /// known.
    fn not_begun(&self, planned: &Step) -> Option<Outcome> {
        if looked_at_again(planned) && self.unmet(planned).is_none() && !self.how.stop.asked() {
            return None;
        }
        let again = self.again(planned);
        self.before(again.as_deref().unwrap_or(planned), again.is_some())
    }

    /// Says that a step begins, unless it is to be looked at again first.
    fn announce(&self, planned: &Step) {
        if !looked_at_again(planned) {
            self.recorder.record_soon(started(planned));
        }
    }

    fn again(&self, planned: &Step) -> Option<Arc<Step>> {
        locked(&self.slots).again.get(&planned.id).cloned()
    }

    /// From its beginning to its outcome.
    async fn one<'s>(&'s self, planned: &'s Step, scope: &'s Scope<'s, '_>) -> Ended {
        // What could not be announced is not done.
        self.recorder.flush()?;
        if looked_at_again(planned) {
            if self.unmet(planned).is_none() && !self.how.stop.asked() {
                let look = || self.look.look_again(self.plan, planned.id, self.world, self.recorder);
                let steps = in_thread(scope, look).await??;
                let steps = steps.into_iter().map(|step| (step.id, Arc::new(step)));
                locked(&self.slots).again.extend(steps);
                if self.again(planned).is_none() {
                    // What was planned is out of date: without a new look nothing is copied.
                    return Ok(action::outcome(State::Failed, "it could not be looked at again"));
                }
            }
            let again = self.again(planned);
            if let Some(outcome) = self.before(again.as_deref().unwrap_or(planned), again.is_some()) {
                return Ok(outcome);
            }
            self.recorder.record(&started(planned))?;
        }
        let again = self.again(planned);
        let step: &Step = again.as_deref().unwrap_or(planned);
        let context = self.context(step);
        let name = step.name.to_string();
        match &step.action {
            Action::Check(check) => {
                let _shown = context.show(&name, 0, 0);
                action::check::run(&context, check).await
            }
            Action::Target(target) => {
                let _shown = context.show(&name, 0, 0);
                action::target::run(&context, target).await
            }
            Action::Backup(_) | Action::Verify(_) | Action::Cleanup(_) => {
                let step = again.clone();
                in_thread(scope, move || self.files(step.as_deref().unwrap_or(planned))).await?
            }
        }
    }

    fn context<'c>(&'c self, step: &'c Step) -> Context<'c> {
        Context {
            plan: self.plan,
            step,
            world: self.world,
            recorder: self.recorder,
            progress: self.progress,
            how: self.how,
            slots: &self.slots,
            secrets: self.secrets,
        }
    }

    /// The steps that work with files, in a thread of their own.
    fn files(&self, step: &Step) -> Ended {
        let context = self.context(step);
        let _counted = self.how.slots.pool().begin_file_step();
        match &step.action {
            Action::Backup(backup) => action::backup::run(&context, backup),
            Action::Verify(verify) => action::verify::run(&context, verify),
            Action::Cleanup(cleanup) => action::cleanup::run(&context, cleanup),
            Action::Check(_) | Action::Target(_) => Ok(action::outcome(State::Failed, "no work with files")),
        }
    }

    /// The first step that this one needs and that did not succeed.
    fn unmet(&self, step: &Step) -> Option<(&StepName, Option<State>)> {
        let needed = step.needs.iter().filter_map(|id| self.plan.steps().get(*id));
        needed
            .map(|needed| (&needed.name, self.recorder.state_of(&needed.name)))
            .find(|(_, state)| !state.is_some_and(State::opens))
    }

    /// The outcome of a step that will not begin; `None` when it may. With `again`, its refusals are current, unlike
    /// the refusals of the plan.
    fn before(&self, step: &Step, again: bool) -> Option<Outcome> {
        let blocked = || {
            let (name, state) = self.unmet(step)?;
            let state = state.map_or_else(|| "is not done".to_owned(), State::predicate);
            Some(action::outcome(State::Blocked, format!("{name} {state}")))
        };
        let refused = || {
            let refusal = step.refusals.first()?;
            let unwritable = refusal.guard == Guard::Unwritable;
            let state = if unwritable { State::NoSpace } else { State::Refused };
            let more = step
                .refusals
                .iter()
                .skip(1)
                .map(|r| format!("{}; {}", r.message, r.help));
            let outcome = action::outcome(state, refusal.message.clone()).with_help(refusal.help.clone());
            Some(outcome.with_details(more.collect()))
        };
        let stopped = || {
            let signal = self.how.stop.signal();
            let outcome = || signal.map_or_else(|| action::outcome(State::Interrupted, "stopped"), action::interrupted);
            self.how.stop.asked().then(outcome)
        };
        if self.plan.judged_again(step) && !again {
            // It was never planned again, since an earlier step failed: report that one.
            blocked().or_else(stopped).or_else(refused)
        } else {
            refused().or_else(blocked).or_else(stopped)
        }
    }
}

fn looked_at_again(step: &Step) -> bool {
    matches!(&step.action, Action::Backup(backup) if backup.looked_at_again)
}

fn started(step: &Step) -> Event {
    Event::StepStarted {
        step: step.name.clone(),
    }
}
