//! One look at the clock: what runs now, what does not and why, and when to look again.
//!
//! Takes the [`Book`], what the store remembers ([`Agenda`]), what is at work, and `now`; gives a [`Round`]. Pure: the
//! daemon, `apply --due` and the simulation ask the same question, and only what they do with the answer differs.
//! Invariant: a round that is written moves every schedule whose instants it decided about past them, so that nothing
//! is decided about twice; all jobs that are due at one instant are in one run, but for those that may be replaced.

use crate::daemon::timetable::{Book, Due, Entry};
use crate::model::backoff::Gate;
use crate::model::schedule::{Missed, Skipped, due::due};
use crate::model::{JobKind, JobName, Overlap};
use crate::run::Occurrence;
use crate::store::schedules::{
    Agenda, Decision, FiringVerdict, ScheduleAdvance, ScheduleState, ScheduledRun, TickRecord,
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Runs of one job side by side, where `overlap "allow"` has no bound of its own.
pub const MOST_SIDE_BY_SIDE: u32 = 16;

/// Jobs that are at work, by how many runs have them before them and how many are doing them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtWork {
    jobs: BTreeMap<JobName, Work>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Work {
    ahead: u32,
    begun: u32,
}

impl AtWork {
    /// Another run has it before it, or is doing it.
    pub fn add(&mut self, job: JobName, begun: bool) {
        let work = self.jobs.entry(job).or_default();
        if begun {
            work.begun += 1;
        } else {
            work.ahead += 1;
        }
    }

    fn runs(&self, job: &JobName) -> u32 {
        let work = self.jobs.get(job).copied().unwrap_or_default();
        // Several runs may ask one question: a check counts only while it is really being asked.
        work.begun + if job.kind == JobKind::Check { 0 } else { work.ahead }
    }
}

/// What one look at the clock comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// What is to be written. The runs in it have no ids yet; they are in the order of their instants.
    pub turn: TickRecord,
    /// Jobs whose run is to be stopped, since another one takes its place.
    pub replaced: BTreeSet<JobName>,
    /// When to look again at the latest. None: nothing is ever due again.
    pub wake: Option<DateTime<Utc>>,
    /// The clock is behind what was decided about by so much: it was set back.
    pub behind: Option<Duration>,
}

#[must_use]
pub fn round(book: &Book, agenda: &Agenda, at_work: &AtWork, now: DateTime<Utc>) -> Round {
    let mut deciding = Deciding {
        agenda,
        at_work,
        now,
        round: Round::default(),
        taken: BTreeSet::new(),
        trying: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    for (job, waiting) in &agenda.queue {
        deciding.waiting(book.due(job), job, waiting);
    }
    for entry in &book.entries {
        deciding.schedule(entry);
    }
    let known: BTreeSet<&str> = book.entries.iter().map(|entry| &*entry.schedule.name).collect();
    for (name, state) in &agenda.schedules {
        if !known.contains(&**name) && !state.definition.is_empty() {
            deciding.round.turn.advances.push(ScheduleAdvance {
                schedule: name.clone(),
                before: Some(state.clone()),
                after: ScheduleState {
                    definition: String::new(),
                    ..state.clone()
                },
            });
        }
    }
    for (_, group) in std::mem::take(&mut deciding.groups) {
        deciding.round.turn.runs.extend(group.into_runs());
    }
    deciding.round
}

struct Deciding<'a> {
    agenda: &'a Agenda,
    at_work: &'a AtWork,
    now: DateTime<Utc>,
    round: Round,
    /// Jobs that this round begins.
    taken: BTreeSet<JobName>,
    /// Targets that this round tries once more, and the instant of the run that does.
    trying: BTreeMap<JobName, DateTime<Utc>>,
    groups: BTreeMap<DateTime<Utc>, Group<'a>>,
}

impl<'a> Deciding<'a> {
    /// A job that waited for its own earlier run.
    fn waiting(&mut self, due: Option<&'a Due>, job: &JobName, waiting: &Occurrence) {
        let Some(due) = due else {
            self.round.turn.unqueue.push(job.clone());
            let reason = "it waited, and the ops file no longer schedules it".to_owned();
            let decision = one(job, waiting, FiringVerdict::Dropped, reason);
            return self.round.turn.decisions.push(decision);
        };
        if self.at_work.runs(job) == 0 {
            self.round.turn.unqueue.push(job.clone());
            let why = "it waited for the run before to end";
            self.admit(due, waiting, why);
        }
    }

    fn schedule(&mut self, entry: &'a Entry) {
        let name = &entry.schedule.name;
        let known = self.agenda.schedules.get(name);
        let current = known.filter(|state| state.definition == entry.definition);
        let jitter = TimeDelta::from_std(entry.jitter).unwrap_or_default();
        let then = self.now.checked_sub_signed(jitter).unwrap_or(self.now);
        if let Some(behind) = current.and_then(|state| (state.handled - self.now).to_std().ok()) {
            self.round.behind = self.round.behind.max(Some(behind).filter(|behind| !behind.is_zero()));
        }
        let mut due = due(&entry.schedule, current.map(|state| state.handled), then);
        if let Some(next) = due.next.and_then(|next| next.checked_add_signed(jitter)) {
            self.wake(next);
        }
        let made_up = usize::from(due.on_time) < due.run.len();
        if matches!(entry.schedule.missed, Missed::All { .. }) && made_up {
            // One after the other, and none while the one before is at work; what is left is found again then.
            if entry.jobs.iter().any(|due| self.is_busy(&due.job)) {
                return;
            }
            if due.run.len() > 1 {
                due.run.truncate(1);
                due.on_time = false;
                due.handled = due.run.first().copied();
                self.wake(self.now);
            }
        }
        let handled = due.handled.unwrap_or(then);
        let after = match current {
            Some(state) => ScheduleState {
                handled,
                ..state.clone()
            },
            None => ScheduleState {
                definition: entry.definition.clone(),
                since: self.now,
                // Whatever the clock says: nothing that was decided about comes again.
                handled: known.map_or(handled, |state| state.handled.max(handled)),
            },
        };
        if known != Some(&after) {
            self.round.turn.advances.push(ScheduleAdvance {
                schedule: name.clone(),
                before: known.cloned(),
                after,
            });
        }
        for skipped in &due.skipped {
            let told = entry.jobs.iter().map(|job| missed(&job.job, name, skipped));
            self.round.turn.decisions.extend(told);
        }
        for (at, instant) in due.run.iter().enumerate() {
            let on_time = due.on_time && at + 1 == due.run.len();
            let why = if on_time { "it was due" } else { "it is made up for" };
            let occurrence = Occurrence {
                schedule: name.clone(),
                instant: *instant,
            };
            for job in &entry.jobs {
                self.occurs(job, &occurrence, why);
            }
        }
    }

    fn occurs(&mut self, due: &'a Due, occurrence: &Occurrence, why: &str) {
        let job = &due.job;
        if due.along.is_some() {
            // It has no time of its own: what is decided about its backup goes for it.
            return self.along(due, occurrence, why);
        }
        if due.paused.is_none() && self.is_busy(job) {
            return self.overlaps(due, occurrence, why);
        }
        self.admit(due, occurrence, why);
    }

    fn along(&mut self, due: &'a Due, occurrence: &Occurrence, why: &str) {
        let backup = due.along.as_ref();
        if backup.is_some_and(|backup| self.taken.contains(backup)) {
            if due.paused.is_none() && self.is_busy(&due.job) {
                return self.overlaps(due, occurrence, why);
            }
            return self.admit(due, occurrence, why);
        }
        let mut told = self.round.turn.decisions.iter().rev();
        let same = told.find(|told| backup == Some(&told.job) && told.first == *occurrence);
        let copy = same.map(|told| one(&due.job, occurrence, told.verdict, told.reason.clone()));
        self.round.turn.decisions.extend(copy);
    }

    fn overlaps(&mut self, due: &'a Due, occurrence: &Occurrence, why: &str) {
        let job = &due.job;
        let waits = self.agenda.queue.get(job).filter(|_| !self.taken.contains(job));
        let (verdict, reason) = match due.overlap {
            Overlap::Skip => (FiringVerdict::SkippedOverlap, "it still runs from the time before"),
            Overlap::Queue if waits.is_some() => {
                (FiringVerdict::SkippedOverlap, "it still runs, and one waits already")
            }
            Overlap::Queue => {
                self.round.turn.queue.push((job.clone(), occurrence.clone()));
                (FiringVerdict::Queued, "it still runs from the time before")
            }
            Overlap::Replace => {
                if let Some(waits) = waits {
                    let reason = "another one took its place before it could begin".to_owned();
                    let older = one(job, waits, FiringVerdict::SkippedOverlap, reason);
                    self.round.turn.decisions.push(older);
                }
                self.round.turn.queue.push((job.clone(), occurrence.clone()));
                self.round.replaced.insert(job.clone());
                (
                    FiringVerdict::Queued,
                    "it takes the place of the one that still runs, which is stopped",
                )
            }
            Overlap::Allow if self.at_work.runs(job) < MOST_SIDE_BY_SIDE => {
                return self.admit(due, occurrence, why);
            }
            Overlap::Allow => (
                FiringVerdict::SkippedOverlap,
                "too many of its runs are at work already",
            ),
        };
        let decision = one(job, occurrence, verdict, reason.to_owned());
        self.round.turn.decisions.push(decision);
    }

    /// Runs it, unless it is paused or left alone.
    fn admit(&mut self, due: &'a Due, occurrence: &Occurrence, why: &str) {
        let refused = match (&due.paused, self.closed_gate(due, occurrence.instant)) {
            (Some(reason), _) => Some((FiringVerdict::Paused, reason.clone())),
            (None, Err(reason)) => Some((FiringVerdict::BackedOff, reason)),
            (None, Ok(tries)) => {
                let why = tries
                    .first()
                    .map_or_else(|| why.to_owned(), |_| format!("{why}; it is tried once"));
                for target in tries {
                    self.trying.insert(target, occurrence.instant);
                }
                self.taken.insert(due.job.clone());
                let decision = one(&due.job, occurrence, FiringVerdict::Ran, why);
                self.groups
                    .entry(occurrence.instant)
                    .or_default()
                    .jobs
                    .push((due, decision));
                None
            }
        };
        if let Some((verdict, reason)) = refused {
            let decision = one(&due.job, occurrence, verdict, reason);
            self.round.turn.decisions.push(decision);
        }
    }

    /// The targets that are to be tried once more, or why one of them is left alone.
    fn closed_gate(&self, due: &Due, instant: DateTime<Utc>) -> Result<Vec<JobName>, String> {
        let mut tries = Vec::new();
        for target in &due.gates {
            let Some(state) = self.agenda.back_offs.get(target) else {
                continue;
            };
            let who = if *target == due.job {
                "it".to_owned()
            } else {
                format!("{target}, which it needs,")
            };
            match state.may_run(self.now) {
                Gate::Run => {}
                Gate::Wait { until } => {
                    let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
                    let failures = state.failures;
                    return Err(format!(
                        "{who} failed {failures} times in a row and is left alone until {until}"
                    ));
                }
                Gate::Probe => {
                    let elsewhere = self.trying.get(target).is_some_and(|other| *other != instant);
                    if elsewhere || self.at_work.runs(target) > 0 {
                        return Err(format!("{who} failed and is being tried once more"));
                    }
                    tries.push(target.clone());
                }
            }
        }
        Ok(tries)
    }

    fn is_busy(&self, job: &JobName) -> bool {
        self.taken.contains(job) || self.at_work.runs(job) > 0
    }

    fn wake(&mut self, at: DateTime<Utc>) {
        let sooner = self.round.wake.is_none_or(|wake| at < wake);
        self.round.wake = if sooner { Some(at) } else { self.round.wake };
    }
}

/// Jobs that begin for one instant.
#[derive(Default)]
struct Group<'a> {
    jobs: Vec<(&'a Due, Decision)>,
}

impl Group<'_> {
    /// One run, and one more for every target that may be replaced, with the jobs that need it: whoever stops it
    /// stops nothing else.
    fn into_runs(self) -> Vec<ScheduledRun> {
        let mut rest = self.jobs;
        let mut parts = Vec::new();
        let replaceable: Vec<JobName> = rest
            .iter()
            .filter(|(due, _)| due.overlap == Overlap::Replace)
            .map(|(due, _)| due.job.clone())
            .collect();
        for target in replaceable {
            let (part, others) = rest.into_iter().partition(|(due, _)| due.brings.contains(&target));
            rest = others;
            parts.push(part);
        }
        parts.insert(0, rest);
        parts
            .into_iter()
            .filter(|part: &Vec<_>| !part.is_empty())
            .map(|part| {
                let jobs: Vec<Decision> = part.into_iter().map(|(_, decision)| decision).collect();
                let occurrences: BTreeSet<Occurrence> = jobs.iter().map(|job| job.first.clone()).collect();
                ScheduledRun {
                    run: String::new(),
                    occurrences: occurrences.into_iter().collect(),
                    jobs,
                }
            })
            .collect()
    }
}

fn one(job: &JobName, occurrence: &Occurrence, verdict: FiringVerdict, reason: String) -> Decision {
    Decision {
        job: job.clone(),
        first: occurrence.clone(),
        last: occurrence.instant,
        count: 1,
        more: false,
        verdict,
        reason,
    }
}

fn missed(job: &JobName, schedule: &str, skipped: &Skipped) -> Decision {
    Decision {
        job: job.clone(),
        first: Occurrence {
            schedule: schedule.to_owned(),
            instant: skipped.first,
        },
        last: skipped.last,
        count: skipped.count,
        more: skipped.more,
        verdict: FiringVerdict::Missed,
        reason: skipped.reason.word().to_owned(),
    }
}

#[cfg(test)]
mod tests;
