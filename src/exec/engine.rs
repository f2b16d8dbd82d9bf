//! The one loop over the steps of a plan.
//!
//! Takes a plan, the world that it was made of, and a recorder; gives the [`Status`] that the events make.
//! Steps run in the plan's order, which respects the edges; a step that does not succeed blocks what needs it
//! and nothing else.
//! Invariant: every step is settled exactly once, and its settling is recorded before the next begins.

use super::action::{self, Context, Settled};
use super::survey::World;
use super::{How, action::Slots};
use crate::plan::{Action, Plan, Step, guards};
use crate::run::{Event, Outcome, Progress, Record, RecordError, State, Status};

/// What the actions need from outside, beside the recorder.
pub trait Memory {
    /// Remembers which marker a backup's destination has.
    fn remember_marker(&mut self, backup: &str, path: &std::path::Path, id: &str) -> Result<(), RecordError>;
}

/// A recorder that also remembers.
pub trait Journal: Record + Memory {}
impl<T: Record + Memory> Journal for T {}

/// Runs every step.
///
/// # Errors
/// Only when something cannot be recorded: then nothing that depends on it has happened.
pub fn run(
    plan: &Plan,
    world: &mut World,
    journal: &mut dyn Journal,
    progress: &dyn Progress,
    how: &How,
) -> Result<Status, RecordError> {
    let mut status = Status::default();
    let mut slots = Slots::default();
    let put = |journal: &mut dyn Journal, status: &mut Status, event: Event| -> Result<(), RecordError> {
        journal.record(&event)?;
        status.apply(&event);
        Ok(())
    };
    for job in &plan.paused {
        let event = Event::StepFinished {
            step: job.clone(),
            outcome: action::outcome(State::Paused, "paused in the ops file"),
        };
        put(journal, &mut status, event)?;
    }
    for step in plan.steps() {
        let outcome = if let Some(outcome) = before(plan, step, &status, how) {
            outcome
        } else {
            put(
                journal,
                &mut status,
                Event::StepStarted {
                    step: step.name.clone(),
                },
            )?;
            let mut context = Context {
                plan,
                step,
                world,
                journal,
                progress,
                how,
                slots: &mut slots,
            };
            let settled = match &step.action {
                Action::Backup(backup) => action::backup::run(&mut context, backup),
                Action::Verify(verify) => action::verify::run(&mut context, verify),
                Action::Cleanup(cleanup) => action::cleanup::run(&mut context, cleanup),
            };
            match settled {
                Ok(outcome) | Err(Settled::Outcome(outcome)) => outcome,
                Err(Settled::Record(error)) => return Err(error),
            }
        };
        put(
            journal,
            &mut status,
            Event::StepFinished {
                step: step.name.clone(),
                outcome,
            },
        )?;
    }
    Ok(status)
}

/// The outcome of a step that will not begin; `None` when it may.
fn before(plan: &Plan, step: &Step, status: &Status, how: &How) -> Option<Outcome> {
    let unmet = step.needs.iter().filter_map(|id| plan.steps().get(*id)).find(|needed| {
        !status
            .steps
            .get(&needed.name)
            .copied()
            .flatten()
            .is_some_and(State::opens)
    });
    if let Some(refusal) = step.refusals.first() {
        let unwritable = refusal.guard == guards::name::UNWRITABLE;
        let more = step
            .refusals
            .iter()
            .skip(1)
            .map(|r| format!("{}; {}", r.message, r.help))
            .collect();
        return Some(Outcome {
            state: if unwritable { State::NoSpace } else { State::Refused },
            summary: refusal.message.clone(),
            help: Some(refusal.help.clone()),
            details: more,
        });
    }
    if let Some(needed) = unmet {
        return Some(Outcome {
            state: State::Blocked,
            summary: format!("{} did not succeed", needed.name),
            help: None,
            details: Vec::new(),
        });
    }
    how.stop.signal().map(action::interrupted)
}
