//! Long and short jobs on a virtual clock: ticks, waiting runs and slots decide as in the daemon, and steps take virtual time.
//!
//! What must hold is asked of lists that the test keeps itself: who works, who was due, who waits.

use super::*;
use crate::config;
use crate::daemon::tick::tick;
use crate::daemon::timetable::Timetable;
use crate::exec::pool::{Lane, SlotRequest};
use crate::model::{JobKind, StepName};
use crate::run::Outcome;
use crate::store::schedules::{Agenda, Decision, FiringVerdict};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use std::path::Path;

fn begin() -> DateTime<Utc> {
    "2026-11-25T00:00:00Z".parse().unwrap()
}

/// A run that has begun, in place of the engine.
struct Engine {
    work: RunWork,
    /// The jobs that have not started.
    due: BTreeSet<JobName>,
    unsettled: BTreeSet<JobName>,
    requests: [Option<SlotRequest>; 2],
}

struct Step {
    run: String,
    job: JobName,
    end: DateTime<Utc>,
    _slot: StepSlot,
}

struct Load {
    model: Arc<Model>,
    timetable: Timetable,
    agenda: Agenda,
    runs: ActiveRuns,
    engines: BTreeMap<String, Engine>,
    /// The steps at work.
    steps: Vec<Step>,
    seconds: BTreeMap<JobName, i64>,
    size: usize,
    /// The decisions of all ticks.
    skipped: Vec<Decision>,
    /// Every scheduled start: the job, its instant, and when it began.
    starts: Vec<(JobName, DateTime<Utc>, DateTime<Utc>)>,
}

impl Load {
    fn new(text: &str, size: usize, seconds: BTreeMap<JobName, i64>) -> Self {
        let text = format!("ops {{ name \"x\"; concurrency {size}; }}\n{text}");
        let loaded = config::load_text(Path::new("/srv/ops.kdl"), text.clone().into_bytes());
        let rendered = loaded.render(false, 100);
        let model = Arc::new(loaded.model.unwrap_or_else(|| panic!("{text}\n{rendered}")));
        let options = RunOptions {
            threads: None,
            lock_wait: Duration::MAX,
            command: String::new(),
        };
        Self {
            timetable: Timetable::new(&model),
            agenda: Agenda::default(),
            runs: ActiveRuns::new(&model, options, None),
            model,
            engines: BTreeMap::new(),
            steps: Vec::new(),
            seconds,
            size,
            skipped: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// Goes on until `hours` have passed.
    fn pass(&mut self, hours: i64) {
        let (mut now, until) = (begin(), begin() + TimeDelta::hours(hours));
        while now < until {
            let wake = self.look(now);
            let end = self.steps.iter().map(|step| step.end).min();
            now = wake
                .into_iter()
                .chain(end)
                .min()
                .unwrap_or(until)
                .max(now + TimeDelta::milliseconds(1));
        }
    }

    fn look(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        for step in self.steps.extract_if(.., |step| step.end <= now).collect::<Vec<_>>() {
            self.settle(&step);
        }
        self.begin_and_start(now);
        let mut wake = None;
        for _ in 0..3 {
            let active = self.runs.active_jobs();
            let tick = tick(&self.timetable, &self.agenda, &active, now);
            self.agenda.follow(&tick.turn);
            for skipped in &tick.turn.decisions {
                self.compare_reason(skipped);
            }
            self.skipped.extend(tick.turn.decisions);
            for (n, mut claimed) in tick.turn.runs.into_iter().enumerate() {
                claimed.run = format!("{:012}-{n:03}-{:06}", now.timestamp(), self.starts.len());
                self.runs.add(&self.model, &claimed);
            }
            wake = tick.wake;
            self.begin_and_start(now);
        }
        wake
    }

    fn begin_and_start(&mut self, now: DateTime<Utc>) {
        loop {
            let mut begun = Vec::new();
            self.runs.begin_waiting(&mut |work| {
                begun.push(work);
                Ok(())
            });
            let idle = begun.is_empty();
            for work in begun {
                let jobs = work.request.jobs(&self.model).unwrap();
                let engine = Engine {
                    due: jobs.clone(),
                    unsettled: jobs,
                    requests: [None, None],
                    work,
                };
                self.engines.insert(engine.work.run.clone(), engine);
            }
            let runs: Vec<String> = self.engines.keys().cloned().collect();
            let started = runs.iter().filter(|run| self.start(run, now)).count();
            if idle && started == 0 {
                return;
            }
        }
    }

    /// Starts what is due in a run and gets a slot.
    fn start(&mut self, run: &str, now: DateTime<Utc>) -> bool {
        let mut any = false;
        loop {
            let engine = self.engines.get_mut(run).unwrap();
            let ready = |job: &&JobName| {
                let mut jobs = self.model.jobs();
                let needs = jobs.find(|other| other.name() == **job).unwrap().needs();
                needs.iter().all(|need| !engine.unsettled.contains(need))
            };
            let ready: Vec<JobName> = engine.due.iter().filter(ready).cloned().collect();
            let next = Lane::ALL.into_iter().enumerate().find_map(|(at, lane)| {
                let of_lane = |job: &&JobName| (job.kind == JobKind::Check) == (lane == Lane::Check);
                let job = ready.iter().find(of_lane)?;
                let slots = engine.work.apply.slots.as_ref().unwrap();
                let request = engine.requests[at].get_or_insert_with(|| slots.request(lane, None));
                let slot = request.take()?;
                engine.requests[at] = None;
                Some((job.clone(), slot))
            });
            let Some((job, slot)) = next else { return any };
            any = true;
            engine.due.remove(&job);
            let claimed = engine.work.apply.claimed.as_ref().unwrap();
            let instant = claimed.jobs.iter().find(|decision| decision.job == job);
            let instant = instant.map(|decision| decision.first);
            self.starts.extend(instant.map(|instant| (job.clone(), instant, now)));
            let begun = Event::StepStarted { step: step(&job) };
            self.follow_event(run, begun);
            let exclusive = |other: &Step| other.job == job && job.kind != JobKind::Check;
            assert!(!self.steps.iter().any(exclusive), "{job} works twice at {now}");
            self.steps.push(Step {
                run: run.to_owned(),
                end: now + TimeDelta::seconds(self.seconds[&job]),
                job,
                _slot: slot,
            });
            for check in [false, true] {
                let of_lane = |step: &&Step| (step.job.kind == JobKind::Check) == check;
                let count = self.steps.iter().filter(of_lane).count();
                assert!(count <= self.size, "{count} at once, at {now}");
            }
        }
    }

    fn settle(&mut self, ended: &Step) {
        let outcome = Outcome::new(State::Ok, "done");
        let step = step(&ended.job);
        self.follow_event(&ended.run, Event::StepFinished { step, outcome });
        let engine = self.engines.get_mut(&ended.run).unwrap();
        engine.unsettled.remove(&ended.job);
        if engine.unsettled.is_empty() {
            self.engines.remove(&ended.run);
            self.runs.follow(&RunMessage::Ended {
                run: ended.run.clone(),
                exit: 0,
                failure: None,
            });
        }
    }

    fn follow_event(&mut self, run: &str, event: Event) {
        let run = run.to_owned();
        self.runs.follow(&RunMessage::Event { run, event });
    }

    /// The reason of a skipped instant is what the lists of this test say of the job.
    fn compare_reason(&self, skipped: &Decision) {
        if skipped.verdict != FiringVerdict::SkippedOverlap {
            return;
        }
        let (job, reason) = (&skipped.job, &skipped.reason);
        if self.steps.iter().any(|step| step.job == *job) {
            assert_eq!(reason, "its previous run is still active", "{job}");
            return;
        }
        let engine = self.engines.values().find(|engine| engine.due.contains(job));
        if let Some(engine) = engine {
            let mut jobs = self.model.jobs();
            let needs = jobs.find(|other| other.name() == *job).unwrap().needs();
            let need = needs.iter().find(|need| engine.unsettled.contains(*need));
            match need {
                Some(need) => assert!(
                    reason.contains(&format!("waits for {need}, which it needs")),
                    "{job}: {reason}"
                ),
                None => assert!(reason.contains("waits for a slot"), "{job}: {reason}"),
            }
            return;
        }
        // Its run has not begun.
        let waiting = self.runs.waiting.iter().find(|run| run.due.contains(job)).unwrap();
        let brings = |due: &JobName| &self.timetable.job(due).unwrap().brings;
        let needed = |engine: &&Engine| {
            let mut held = engine.unsettled.iter().filter(|other| other.kind != JobKind::Check);
            held.any(|other| waiting.due.iter().any(|due| brings(due).contains(other)))
        };
        match self.engines.values().find(needed) {
            Some(engine) => {
                let run = &engine.work.run;
                let locked = reason.contains(", which run ") && reason.contains(" has locked");
                assert!(locked, "{job} waits for run {run}: {reason}");
            }
            None => assert!(reason.contains("waits for a slot"), "{job}: {reason}"),
        }
    }
}

fn step(job: &JobName) -> StepName {
    job.steps().pop().unwrap()
}

fn job(kind: JobKind, name: &str) -> JobName {
    JobName::new(kind, name)
}

/// Slots, and by job its seconds: long targets (fewer than slots), short targets, checks; and whether a long one needs a check.
#[derive(Debug, Clone)]
struct Mix {
    size: usize,
    long: Vec<(i64, bool)>,
    short: Vec<(u32, i64)>,
    checks: Vec<(u32, i64)>,
}

fn mixes() -> impl Strategy<Value = Mix> {
    let mix = |size: usize| {
        let long = proptest::collection::vec((1_800_i64..15_000, any::<bool>()), 1..size);
        let short = proptest::collection::vec((60_u32..600, 1_i64..6), 1..6);
        let checks = proptest::collection::vec((60_u32..300, 1_i64..6), 1..4);
        (Just(size), long, short, checks)
    };
    let mix = (2_usize..6).prop_flat_map(mix);
    mix.prop_map(|(size, long, short, checks)| Mix {
        size,
        long,
        short,
        checks,
    })
}

impl Mix {
    fn load(&self) -> Load {
        let (mut lines, mut seconds) = (Vec::new(), BTreeMap::new());
        for (n, (period, time)) in self.checks.iter().enumerate() {
            lines.push(format!(
                "check \"c{n}\" {{ tcp \"127.0.0.1:1\"; every \"{period}s\"; timeout \"1s\"; }}"
            ));
            seconds.insert(job(JobKind::Check, &format!("c{n}")), *time);
        }
        for (n, (time, needs)) in self.long.iter().enumerate() {
            let needs = if *needs { "needs \"check:c0\";" } else { "" };
            lines.push(format!(
                "target \"long{n}\" {{ command \"true\"; every \"1h\"; {needs} }}"
            ));
            seconds.insert(job(JobKind::Target, &format!("long{n}")), *time);
        }
        for (n, (period, time)) in self.short.iter().enumerate() {
            lines.push(format!(
                "target \"short{n}\" {{ command \"true\"; every \"{period}s\"; }}"
            ));
            seconds.insert(job(JobKind::Target, &format!("short{n}")), *time);
        }
        Load::new(&lines.join("\n"), self.size, seconds)
    }

    fn period(&self, job: &JobName) -> Option<TimeDelta> {
        let at = |prefix: &str| job.name.strip_prefix(prefix)?.parse::<usize>().ok();
        let of =
            |list: &[(u32, i64)], at: usize| list.get(at).map(|(period, _)| TimeDelta::seconds(i64::from(*period)));
        match job.kind {
            JobKind::Check => of(&self.checks, at("c")?),
            _ => of(&self.short, at("short")?),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// While fewer long jobs run than there are slots, no instant of a short job or a check is skipped, and none begins later
    /// than its period.
    #[test]
    fn no_short_job_waits_for_a_long_one(mix in mixes()) {
        let mut load = mix.load();
        load.pass(5);
        for (job, instant, began) in &load.starts {
            if let Some(period) = mix.period(job) {
                prop_assert!(*began - *instant <= period, "{job}, due at {instant}, began at {began}");
            }
        }
        for skipped in &load.skipped {
            // A check may be at work for a run that needs it: then it is as fresh as it can be.
            let at_work = skipped.job.kind == JobKind::Check && skipped.reason == "its previous run is still active";
            prop_assert!(at_work || mix.period(&skipped.job).is_none(), "{skipped:?}");
        }
        prop_assert!(load.starts.iter().any(|(job, ..)| job.name.starts_with("long")));
    }

    /// With too few slots, and jobs that need each other: every skipped instant has its true reason, nothing works twice or
    /// beside more than is allowed, and every job gets its turn.
    #[test]
    fn skipped_instants_name_what_is_waited_for(
        size in 1_usize..3,
        times in proptest::collection::vec(1_i64..900, 6),
        needs in proptest::collection::vec(0_usize..4, 6),
    ) {
        let (mut lines, mut seconds) = (Vec::new(), BTreeMap::new());
        lines.push("check \"c\" { tcp \"127.0.0.1:1\"; every \"1m\"; timeout \"1s\"; }".to_owned());
        seconds.insert(job(JobKind::Check, "c"), 30);
        for (n, time) in times.iter().enumerate() {
            let need = match needs[n] {
                0 if n > 0 => format!("needs \"target:t{}\";", n - 1),
                1 => "needs \"check:c\";".to_owned(),
                _ => String::new(),
            };
            let period = 60 * (n + 1);
            lines.push(format!("target \"t{n}\" {{ command \"true\"; every \"{period}s\"; {need} }}"));
            seconds.insert(job(JobKind::Target, &format!("t{n}")), *time);
        }
        let mut load = Load::new(&lines.join("\n"), size, seconds);
        load.pass(4);
        for n in 0..times.len() {
            let name = format!("t{n}");
            prop_assert!(load.starts.iter().any(|(job, ..)| job.name == name), "{name} never began");
        }
    }
}
