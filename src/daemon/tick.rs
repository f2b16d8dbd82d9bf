//! One look at the clock: what runs now, what does not and why, and when to look again.
//!
//! Takes the [`Timetable`], what the store remembers ([`Agenda`]), the active jobs and `now`; gives a [`Tick`]. Pure: the
//! daemon, `apply --due` and the simulation make the same decision, and differ only in what they do with it.
//! A clock that was set back too far to wait for it ([`set_back`]) begins its schedules again; once it is back where it was,
//! they go on behind what they ran there.
//! Invariant: a tick that is written moves every schedule past the instants that it decided about, so that nothing is
//! decided twice while the clock goes forward. Of the jobs that are due at one instant, those are in one run that share what
//! they need, or a directory; all others are in runs of their own.

use crate::daemon::clock::{ClockView, SinceLook};
use crate::daemon::timetable::{ScheduledJob, Timetable, TimetableEntry};
use crate::model::backoff::Gate;
use crate::model::schedule::due::{GRACE, due, set_back, stands_until};
use crate::model::schedule::{Due, Missed, Schedule, Skipped};
use crate::model::{JobName, Overlap};
use crate::run::Occurrence;
use crate::store::schedules::{
    Agenda, Decision, FiringVerdict, ScheduleAdvance, ScheduleState, ScheduledRun, TickRecord,
};
use crate::units::long_time;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

/// Runs of one job at the same time, with `overlap "allow"`.
pub const MAX_PARALLEL_RUNS: usize = 16;

/// Jobs that are at work, or wait for it in a run that was claimed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActiveJobs {
    jobs: BTreeMap<JobName, JobRuns>,
    /// Jobs whose processes work without an opsrun, each with a description.
    left_running: BTreeMap<JobName, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct JobRuns {
    started: u32,
    /// Why each of the others has not started, in words that follow a semicolon.
    waiting: Vec<String>,
}

impl ActiveJobs {
    pub fn add_started(&mut self, job: JobName) {
        self.jobs.entry(job).or_default().started += 1;
    }

    /// `why`: for example "its previous run waits for a slot".
    pub fn add_waiting(&mut self, job: JobName, why: String) {
        self.jobs.entry(job).or_default().waiting.push(why);
    }

    /// Adds the jobs of another place.
    pub fn extend(&mut self, others: Self) {
        for (job, runs) in others.jobs {
            let all = self.jobs.entry(job).or_default();
            all.started += runs.started;
            all.waiting.extend(runs.waiting);
        }
    }

    /// A job that was left at work by an opsrun which was killed; `what` is a sentence without its end.
    pub fn add_left_running(&mut self, job: JobName, what: String) {
        self.left_running.insert(job, what);
    }

    fn is_busy(&self, job: &JobName) -> bool {
        self.runs(job) > 0 || self.left_running.contains_key(job)
    }

    fn runs(&self, job: &JobName) -> usize {
        let runs = self.jobs.get(job);
        runs.map_or(0, |runs| runs.started as usize + runs.waiting.len())
    }

    /// Why a job cannot begin once more.
    fn reason(&self, job: &JobName) -> &str {
        let runs = self.jobs.get(job);
        let waiting = runs
            .filter(|runs| runs.started == 0)
            .and_then(|runs| runs.waiting.first());
        let left = self.left_running.get(job).filter(|_| runs.is_none());
        let why = waiting.or(left);
        why.map_or("its previous run is still active", String::as_str)
    }
}

/// The decisions of one look at the clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tick {
    /// What to write. Its runs have no ids yet; they are in the order of their instants.
    pub turn: TickRecord,
    /// Jobs whose run must stop, since a new one replaces it.
    pub replaced: BTreeSet<JobName>,
    /// When to look again at the latest. None: nothing will ever be due.
    pub wake: Option<DateTime<Utc>>,
    /// By how much the clock is before the instants already decided: it was set back.
    pub behind: Option<Duration>,
    /// Until when schedules wait for that.
    pub stands_until: Option<DateTime<Utc>>,
    /// The schedules that begin again for that, with how far back the clock was set.
    pub set_back: BTreeMap<String, Duration>,
}

pub fn tick(timetable: &Timetable, agenda: &Agenda, active: &ActiveJobs, clock: impl Into<ClockView>) -> Tick {
    let clock = clock.into();
    let now = clock.now;
    let mut builder = TickBuilder {
        agenda,
        active,
        now,
        since: clock.since,
        tick: Tick {
            set_back: schedules_set_back(timetable, agenda, clock),
            ..Tick::default()
        },
        started: BTreeSet::new(),
        probing: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    for (job, waiting) in &agenda.queue {
        builder.queued(timetable.job(job), job, waiting);
    }
    for entry in &timetable.entries {
        builder.schedule(entry);
    }
    let known: BTreeSet<&str> = timetable.entries.iter().map(|entry| &*entry.schedule.name).collect();
    for (name, state) in &agenda.schedules {
        if !known.contains(&**name) && !state.definition.is_empty() {
            builder.tick.turn.advances.push(ScheduleAdvance {
                schedule: name.clone(),
                before: Some(state.clone()),
                after: ScheduleState {
                    definition: String::new(),
                    ..state.clone()
                },
            });
        }
    }
    for (_, group) in std::mem::take(&mut builder.groups) {
        builder.tick.turn.runs.extend(into_runs(group));
    }
    builder.tick
}

fn schedules_set_back(timetable: &Timetable, agenda: &Agenda, clock: ClockView) -> BTreeMap<String, Duration> {
    let entries = timetable.entries.iter().filter(|_| clock.settled);
    let found = entries.filter_map(|TimetableEntry { schedule, .. }| {
        let handled = agenda.schedules.get(&schedule.name)?.handled;
        Some((schedule.name.clone(), set_back(schedule, handled, clock.now)?))
    });
    found.collect()
}

/// Jobs that start for one instant.
type InstantGroup<'a> = Vec<(&'a ScheduledJob, Decision)>;

struct TickBuilder<'a> {
    agenda: &'a Agenda,
    active: &'a ActiveJobs,
    now: DateTime<Utc>,
    since: SinceLook,
    tick: Tick,
    /// Jobs that this tick starts.
    started: BTreeSet<JobName>,
    /// Targets that this tick tries once more, and the instant of that run.
    probing: BTreeMap<JobName, DateTime<Utc>>,
    groups: BTreeMap<DateTime<Utc>, InstantGroup<'a>>,
}

impl<'a> TickBuilder<'a> {
    /// A job that is queued behind its own earlier run.
    fn queued(&mut self, due: Option<&'a ScheduledJob>, job: &JobName, waiting: &Occurrence) {
        let Some(due) = due else {
            self.tick.turn.unqueue.push(job.clone());
            let reason = "it was queued, and the ops file no longer schedules it";
            return self.decide(job, waiting, FiringVerdict::Dropped, reason);
        };
        // It will be due again, and runs then.
        if waiting.instant > self.now && self.tick.set_back.contains_key(&waiting.schedule) {
            self.tick.turn.unqueue.push(job.clone());
            let reason = "it was queued, and the clock was set back to before it was due";
            return self.decide(job, waiting, FiringVerdict::Dropped, reason);
        }
        if !self.active.is_busy(job) {
            self.tick.turn.unqueue.push(job.clone());
            let why = "it was queued until its previous run ended";
            self.admit(due, waiting, why);
        }
    }

    fn schedule(&mut self, entry: &'a TimetableEntry) {
        let name = &entry.schedule.name;
        let jitter = TimeDelta::from_std(entry.jitter).unwrap_or_default();
        let then = self.now.checked_sub_signed(jitter).unwrap_or(self.now);
        let stored = self.agenda.schedules.get(name);
        let known = stored.map(|state| self.known(entry, state, then));
        let current = known.as_ref().filter(|state| state.definition == entry.definition);
        if let Some(state) = current {
            let behind = (state.handled - self.now).to_std().ok();
            self.tick.behind = self.tick.behind.max(behind.filter(|behind| !behind.is_zero()));
            let until = stands_until(&entry.schedule, state.handled, self.now);
            self.tick.stands_until = self.tick.stands_until.max(until);
        }
        let mut due = due(&entry.schedule, current.map(|state| state.handled), then);
        if let Some(next) = due.next.and_then(|next| next.checked_add_signed(jitter)) {
            self.wake(next);
        }
        let catches_up = usize::from(due.on_time) < due.run.len();
        if matches!(entry.schedule.missed, Missed::All { .. }) && catches_up {
            // One after the other, and none while the previous one is running; the rest is found again later.
            if entry.jobs.iter().any(|due| self.is_busy(&due.job)) {
                if let (Some(before), Some(after)) = (stored, known.filter(|known| Some(known) != stored)) {
                    self.advance(name, Some(before), after);
                }
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
                // Even if the clock was set back, nothing is decided twice.
                handled: known.as_ref().map_or(handled, |state| state.handled.max(handled)),
                era: known.as_ref().map_or(0, |state| state.era),
            },
        };
        if stored != Some(&after) {
            self.advance(name, stored, after);
        }
        for skipped in &due.skipped {
            let missed = entry.jobs.iter().map(|job| missed(&job.job, name, skipped));
            self.tick.turn.decisions.extend(missed);
        }
        for (at, instant) in due.run.iter().enumerate() {
            let on_time = due.on_time && at + 1 == due.run.len();
            let why = if on_time {
                "it was due"
            } else {
                "it catches up a missed run"
            };
            let occurrence = Occurrence {
                schedule: name.clone(),
                instant: *instant,
            };
            for job in &entry.jobs {
                self.occurs(job, &occurrence, why);
            }
        }
    }

    fn advance(&mut self, schedule: &str, before: Option<&ScheduleState>, after: ScheduleState) {
        self.tick.turn.advances.push(ScheduleAdvance {
            schedule: schedule.to_owned(),
            before: before.cloned(),
            after,
        });
    }

    /// Everything up to this was decided about: where the clock is back, also what ran there before it was set back.
    fn decided_until(&self, schedule: &Schedule, handled: DateTime<Utc>, then: DateTime<Utc>) -> DateTime<Utc> {
        let Some(ran) = self.agenda.ran.get(&schedule.name).filter(|ran| **ran > handled) else {
            return handled;
        };
        // When the clock just went on, an instant that ran too early, by a clock that was ahead, comes as planned.
        let went_on = match self.since {
            SinceLook::Steady | SinceLook::Unknown => true,
            SinceLook::Forward(time) => time <= GRACE,
        };
        let Due {
            run, on_time, skipped, ..
        } = due(schedule, Some(handled), then);
        let alone = on_time && run.len() == 1 && skipped.is_empty() && run.first() == Some(ran);
        if went_on && alone { handled } else { *ran }
    }

    /// What counts of a schedule's past, as the clock is now.
    fn known(&mut self, entry: &TimetableEntry, stored: &ScheduleState, then: DateTime<Utc>) -> ScheduleState {
        let (schedule, handled) = (&entry.schedule, stored.handled);
        let Some(behind) = self.tick.set_back.get(&schedule.name) else {
            return ScheduleState {
                handled: self.decided_until(schedule, handled, then),
                ..stored.clone()
            };
        };
        let reason = format!(
            "the clock was set back by {}; the schedule goes on from {}",
            long_time(*behind),
            self.now.to_rfc3339_opts(SecondsFormat::Secs, true)
        );
        let last = Occurrence {
            schedule: schedule.name.clone(),
            instant: handled,
        };
        for job in &entry.jobs {
            self.decide(&job.job, &last, FiringVerdict::ClockSetBack, &reason);
        }
        ScheduleState {
            handled: then,
            since: stored.since.min(self.now),
            era: stored.era.saturating_add(1),
            definition: stored.definition.clone(),
        }
    }

    fn occurs(&mut self, due: &'a ScheduledJob, occurrence: &Occurrence, why: &str) {
        let job = &due.job;
        if due.along.is_some() {
            // It has no schedule of its own: the decision about its backup applies to it.
            return self.along(due, occurrence, why);
        }
        if due.paused.is_none() && self.is_busy(job) {
            return self.overlaps(due, occurrence, why);
        }
        self.admit(due, occurrence, why);
    }

    fn along(&mut self, due: &'a ScheduledJob, occurrence: &Occurrence, why: &str) {
        let backup = due.along.as_ref();
        if backup.is_some_and(|backup| self.started.contains(backup)) {
            if due.paused.is_none() && self.is_busy(&due.job) {
                return self.overlaps(due, occurrence, why);
            }
            return self.admit(due, occurrence, why);
        }
        let mut decisions = self.tick.turn.decisions.iter().rev();
        let same = decisions.find(|other| backup == Some(&other.job) && other.occurrence() == *occurrence);
        let copy = same.map(|other| one(&due.job, occurrence, other.verdict, other.reason.clone()));
        self.tick.turn.decisions.extend(copy);
    }

    fn overlaps(&mut self, due: &'a ScheduledJob, occurrence: &Occurrence, why: &str) {
        let job = &due.job;
        let waits = self.agenda.queue.get(job).filter(|_| !self.started.contains(job));
        let active = self.active.reason(job).to_owned();
        let (verdict, reason) = match due.overlap {
            Overlap::Skip => (FiringVerdict::SkippedOverlap, active),
            Overlap::Queue if waits.is_some() => (
                FiringVerdict::SkippedOverlap,
                format!("{active}, and one is queued already"),
            ),
            Overlap::Queue => {
                self.tick.turn.queue.push((job.clone(), occurrence.clone()));
                (FiringVerdict::Queued, active)
            }
            Overlap::Replace => {
                if let Some(waits) = waits {
                    let reason = "a newer run replaced it before it could start";
                    self.decide(job, waits, FiringVerdict::SkippedOverlap, reason);
                }
                self.tick.turn.queue.push((job.clone(), occurrence.clone()));
                self.tick.replaced.insert(job.clone());
                let reason = "it replaces the previous run, which is being stopped";
                (FiringVerdict::Queued, reason.to_owned())
            }
            Overlap::Allow if self.active.runs(job) < MAX_PARALLEL_RUNS => {
                return self.admit(due, occurrence, why);
            }
            Overlap::Allow => (
                FiringVerdict::SkippedOverlap,
                format!("too many of its runs are active, and {active}"),
            ),
        };
        self.decide(job, occurrence, verdict, &reason);
    }

    /// Runs it, unless it is paused or in back-off.
    fn admit(&mut self, due: &'a ScheduledJob, occurrence: &Occurrence, why: &str) {
        match (&due.paused, self.closed_gate(due, occurrence.instant)) {
            (Some(reason), _) => self.decide(&due.job, occurrence, FiringVerdict::Paused, reason),
            (None, Err(reason)) => self.decide(&due.job, occurrence, FiringVerdict::BackedOff, &reason),
            (None, Ok(tries)) => {
                let after = if tries.is_empty() {
                    ""
                } else {
                    "; one attempt after a back-off"
                };
                let decision = one(&due.job, occurrence, FiringVerdict::Ran, format!("{why}{after}"));
                self.probing
                    .extend(tries.into_iter().map(|target| (target, occurrence.instant)));
                self.started.insert(due.job.clone());
                self.groups.entry(occurrence.instant).or_default().push((due, decision));
            }
        }
    }

    fn decide(&mut self, job: &JobName, occurrence: &Occurrence, verdict: FiringVerdict, reason: &str) {
        let decision = one(job, occurrence, verdict, reason.to_owned());
        self.tick.turn.decisions.push(decision);
    }

    /// The targets to try once more, or why one of them is in back-off.
    fn closed_gate(&self, due: &ScheduledJob, instant: DateTime<Utc>) -> Result<Vec<JobName>, String> {
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
                        "{who} failed {failures} times in a row; back-off until {until}"
                    ));
                }
                Gate::Probe => {
                    let elsewhere = self.probing.get(target).is_some_and(|other| *other != instant);
                    if elsewhere || self.active.runs(target) > 0 {
                        return Err(format!("{who} failed; one attempt after the back-off is running"));
                    }
                    tries.push(target.clone());
                }
            }
        }
        Ok(tries)
    }

    fn is_busy(&self, job: &JobName) -> bool {
        self.started.contains(job) || self.active.is_busy(job)
    }

    fn wake(&mut self, at: DateTime<Utc>) {
        let sooner = self.tick.wake.is_none_or(|wake| at < wake);
        self.tick.wake = if sooner { Some(at) } else { self.tick.wake };
    }
}

/// One run for every target that may be replaced, with the jobs that need it: stopping that one stops nothing else. And one
/// run for all others that are tied to each other.
fn into_runs(group: InstantGroup<'_>) -> impl Iterator<Item = ScheduledRun> {
    let mut rest = group;
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
    let mut tied = tied_groups(rest);
    tied.append(&mut parts);
    tied.into_iter().filter(|part| !part.is_empty()).map(|part| {
        let jobs: Vec<Decision> = part.into_iter().map(|(_, decision)| decision).collect();
        let occurrences: BTreeSet<Occurrence> = jobs.iter().map(Decision::occurrence).collect();
        ScheduledRun {
            run: String::new(),
            occurrences: occurrences.into_iter().collect(),
            jobs,
        }
    })
}

/// What two jobs may have in common.
#[derive(PartialEq, Eq, Hash)]
enum Tie<'a> {
    Job(&'a JobName),
    Directory(&'a Path),
}

/// Parts that have nothing in common, in the order of their first jobs.
fn tied_groups(jobs: InstantGroup<'_>) -> Vec<InstantGroup<'_>> {
    // By job: the first one that it is tied to, over any number of steps.
    let mut firsts: Vec<usize> = (0..jobs.len()).collect();
    let first_of = |firsts: &[usize], mut at: usize| {
        while let Some(next) = firsts.get(at).copied().filter(|next| *next != at) {
            at = next;
        }
        at
    };
    let mut seen: HashMap<Tie<'_>, usize> = HashMap::new();
    for (at, (due, _)) in jobs.iter().enumerate() {
        let directories = due.directories.iter().map(|path| Tie::Directory(path));
        for tie in due.brings.iter().map(Tie::Job).chain(directories) {
            let other = *seen.entry(tie).or_insert(at);
            let (one, other) = (first_of(&firsts, at), first_of(&firsts, other));
            if let Some(later) = firsts.get_mut(one.max(other)) {
                *later = one.min(other);
            }
        }
    }
    drop(seen);
    let mut groups: BTreeMap<usize, InstantGroup<'_>> = BTreeMap::new();
    for (at, job) in jobs.into_iter().enumerate() {
        groups.entry(first_of(&firsts, at)).or_default().push(job);
    }
    groups.into_values().collect()
}

fn one(job: &JobName, occurrence: &Occurrence, verdict: FiringVerdict, reason: String) -> Decision {
    Decision {
        job: job.clone(),
        schedule: occurrence.schedule.clone(),
        first: occurrence.instant,
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
        schedule: schedule.to_owned(),
        first: skipped.first,
        last: skipped.last,
        count: skipped.count,
        more: skipped.more,
        verdict: FiringVerdict::Missed,
        reason: skipped.reason.word().to_owned(),
    }
}

#[cfg(test)]
mod tests;
