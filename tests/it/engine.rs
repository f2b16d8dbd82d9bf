//! The engine on random graphs of real commands, with what must hold asked at every event; and what a signal makes
//! of it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: it stops at what it did not expect"
)]

use crate::support::workspace::is_gone;
use opsrun::archive::Writer;
use opsrun::exec::RunSettings;
use opsrun::exec::action::StepAbort;
use opsrun::exec::engine::{self, LookAgain};
use opsrun::exec::pool::StepPool;
use opsrun::exec::recorder::Memory;
use opsrun::exec::recorder::Recorder;
use opsrun::exec::survey::World;
use opsrun::liveness::children::Children;
use opsrun::model::command::{Command, Program};
use opsrun::model::{JobKind, JobName, JobSettings, Model, Ops, Overlap, StepName, Target};
use opsrun::plan::facts::PlanFacts;
use opsrun::plan::{self, Plan, RunRequest, Step, StepId};
use opsrun::run::{Event, JobHistory, Outcome, Progress, Record, RecordError, State, Status};
use opsrun::secret::Vault;
use opsrun::signal::Stop;
use opsrun::units::joined;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Nothing is looked at again where nothing is copied.
struct Blind;

impl LookAgain for Blind {
    fn look_again(&self, _: &Plan, _: StepId, _: &Mutex<World>, _: &dyn Recorder) -> Result<Vec<Step>, StepAbort> {
        Ok(Vec::new())
    }
}

struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: usize, _: &str, _: u64, _: u64) {}
    fn advance(&self, _: usize, _: u64, _: u64) {}
    fn end(&self, _: usize) {}
}

/// What a step is at.
#[derive(Debug, Clone, PartialEq)]
enum Standing {
    UnderWay,
    Ended(Outcome),
}

/// Looks at every event as it comes.
struct Watcher<'a> {
    plan: &'a Plan,
    width: usize,
    steps: BTreeMap<StepName, Standing>,
    order: Vec<StepName>,
    /// Fails to record from this event on.
    breaks_at: Option<usize>,
    seen: usize,
}

impl<'a> Watcher<'a> {
    fn new(plan: &'a Plan, width: usize) -> Self {
        Self {
            plan,
            width,
            steps: BTreeMap::new(),
            order: Vec::new(),
            breaks_at: None,
            seen: 0,
        }
    }

    fn state(&self, step: StepId) -> Option<State> {
        match self.steps.get(&self.plan.steps()[step].name)? {
            Standing::Ended(outcome) => Some(outcome.state),
            Standing::UnderWay => None,
        }
    }

    fn look(&mut self, event: &Event) {
        match event {
            Event::StepStarted { step } => {
                assert!(!self.steps.contains_key(step), "{step} begins twice");
                let planned = self.plan.steps().iter().find(|s| s.name == *step).unwrap();
                for needed in &planned.needs {
                    assert!(self.state(*needed).is_some_and(State::opens), "{step} begins too early");
                }
                self.steps.insert(step.clone(), Standing::UnderWay);
                self.order.push(step.clone());
                let under_way = self.steps.values().filter(|s| **s == Standing::UnderWay).count();
                assert!(under_way <= self.width, "{under_way} at once");
            }
            Event::StepFinished { step, outcome } => {
                let begun = match self.steps.insert(step.clone(), Standing::Ended(outcome.clone())) {
                    None => false,
                    Some(Standing::UnderWay) => true,
                    Some(Standing::Ended(_)) => panic!("{step} ends twice"),
                };
                let never = matches!(outcome.state, State::Blocked | State::Refused | State::Paused);
                assert!(
                    begun != never || outcome.state == State::Interrupted,
                    "{step}: {outcome:?}"
                );
            }
            Event::Attempted { step, .. } => assert_eq!(self.steps.get(step), Some(&Standing::UnderWay)),
            _ => {}
        }
    }
}

impl Record for Watcher<'_> {
    fn record_all(&mut self, events: &[Event]) -> Result<(), RecordError> {
        self.seen += events.len();
        if self.breaks_at.is_some_and(|at| self.seen >= at) {
            return Err(RecordError {
                place: "the watcher".to_owned(),
                source: "full".into(),
            });
        }
        for event in events {
            self.look(event);
        }
        Ok(())
    }
}

impl Memory for Watcher<'_> {
    fn remember_marker(&mut self, _: &str, _: &Path, _: &str) -> Result<(), RecordError> {
        Ok(())
    }

    fn history_of(&mut self, _: &JobName) -> Result<JobHistory, RecordError> {
        Ok(JobHistory::default())
    }

    fn reading_of(&mut self, _: &str) -> Result<Option<String>, RecordError> {
        Ok(None)
    }

    fn remember_reading(&mut self, _: &str, _: &str) -> Result<(), RecordError> {
        Ok(())
    }
}

fn model(targets: Vec<Target>) -> Model {
    Model {
        ops: Ops {
            name: "ops".to_owned(),
            timezone: opsrun::time_zone::Zone::utc(),
            zone_data: opsrun::time_zone::ZoneData::BuiltIn,
            zone_files: Vec::new(),
            state_dir: PathBuf::from("/state"),
            state_named: false,
            state_given: true,
            concurrency: None,
            history: opsrun::model::Keep::Forever,
            files: Vec::new(),
            digest: String::new(),
        },
        schedules: Vec::new(),
        channels: Vec::new(),
        checks: Vec::new(),
        targets,
        backups: Vec::new(),
        retentions: Vec::new(),
    }
}

fn target(name: &str, line: &str, needs: &[String]) -> Target {
    Target {
        name: name.to_owned(),
        stdout: None,
        command: Command {
            program: Program::Shell(line.to_owned()),
            cwd: PathBuf::from("/"),
            env: Vec::new(),
            run_as: None,
        },
        timeout: None,
        kill_after: Duration::from_secs(5),
        retry: None,
        back_off: None,
        ok_codes: vec![0],
        overlap: Overlap::Skip,
        job: JobSettings {
            needs: needs.iter().map(|n| JobName::new(JobKind::Target, n)).collect(),
            ..JobSettings::default()
        },
    }
}

fn planned(targets: Vec<Target>) -> Plan {
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let facts = PlanFacts {
        now,
        clock: now,
        host: "box".to_owned(),
        writer: Writer::default(),
        uid: 0,
        may_lease_all: true,
        backups: BTreeMap::new(),
        verdicts: BTreeMap::new(),
    };
    plan::build(&model(targets), &RunRequest::default(), &facts).unwrap()
}

fn run(plan: &Plan, watcher: &mut Watcher<'_>, stop: Stop) -> Result<Status, RecordError> {
    let state = tempfile::tempdir().unwrap();
    let how = RunSettings {
        run: "01JD".to_owned(),
        slots: Arc::new(StepPool::new(watcher.width, watcher.width).member(opsrun::clock::now())),
        stop,
        children: Arc::new(Children::of(state.path(), "01JD").unwrap()),
        copies: Arc::default(),
    };
    engine::run(
        plan,
        &Mutex::new(World::default()),
        watcher,
        &Quiet,
        &how,
        &Blind,
        &Vault::default(),
    )
}

fn ended(watcher: &Watcher<'_>, step: &str) -> Outcome {
    match &watcher.steps[&step.parse().unwrap()] {
        Standing::Ended(outcome) => outcome.clone(),
        Standing::UnderWay => panic!("{step} never ended"),
    }
}

/// By target, in an order that every need points back along: those needed, and the exit code.
fn graphs() -> impl Strategy<Value = Vec<(Vec<Index>, u8)>> {
    let code = prop_oneof![3 => Just(0_u8), 1 => Just(3_u8)];
    proptest::collection::vec((proptest::collection::vec(any::<Index>(), 0..3), code), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Order kept, everything settled, nothing twice (asked at every event), and each step ends as the graph says.
    #[test]
    fn every_step_ends_as_the_graph_says(graph in graphs(), width in 1_usize..5) {
        let name = |at: usize| format!("t{:02}", 99 - at);
        let mut targets = Vec::new();
        let mut expected: BTreeMap<String, State> = BTreeMap::new();
        for (at, (picks, code)) in graph.iter().enumerate() {
            let needs: Vec<usize> = if at == 0 { Vec::new() } else { picks.iter().map(|p| p.index(at)).collect() };
            let mut names: Vec<String> = needs.iter().map(|n| name(*n)).collect();
            names.dedup();
            let open = names.iter().all(|n| expected[&format!("target:{n}")] == State::Ok);
            let state = match (open, code) {
                (false, _) => State::Blocked,
                (true, 0) => State::Ok,
                (true, _) => State::Failed,
            };
            expected.insert(format!("target:{}", name(at)), state);
            targets.insert(0, target(&name(at), &format!("exit {code}"), &names));
        }
        let plan = planned(targets);
        let mut watcher = Watcher::new(&plan, width);
        let status = run(&plan, &mut watcher, Stop::new().unwrap()).unwrap();
        let found: BTreeMap<String, State> =
            status.steps.iter().map(|(step, state)| (step.to_string(), state.unwrap())).collect();
        prop_assert_eq!(&found, &expected);
        let watched: BTreeMap<String, State> =
            expected.keys().map(|step| (step.clone(), ended(&watcher, step).state)).collect();
        prop_assert_eq!(watched, expected);
        if width == 1 {
            let begun: Vec<&StepName> = watcher.order.iter().collect();
            let in_order: Vec<&StepName> =
                plan.steps().iter().map(|s| &s.name).filter(|s| watcher.order.contains(s)).collect();
            prop_assert_eq!(begun, in_order);
        }
    }

    /// Wherever the journal breaks: nothing begins that was not announced, and the run ends with the error.
    #[test]
    fn a_journal_that_breaks_ends_the_run(graph in graphs(), width in 1_usize..5, at in 1_usize..20) {
        let dir = tempfile::tempdir().unwrap();
        let targets: Vec<Target> = (0..graph.len())
            .map(|n| target(&format!("t{n}"), &format!("touch {}/t{n}", dir.path().display()), &[]))
            .collect();
        let plan = planned(targets);
        let mut watcher = Watcher::new(&plan, width);
        watcher.breaks_at = Some(at);
        let done = run(&plan, &mut watcher, Stop::new().unwrap());
        let events = 3 * graph.len();
        prop_assert_eq!(done.is_err(), at <= events, "{} events", watcher.seen);
        for made in std::fs::read_dir(dir.path()).unwrap() {
            let step = format!("target:{}", made.unwrap().file_name().to_str().unwrap());
            prop_assert!(watcher.steps.contains_key(&step.parse().unwrap()), "{step} ran without having been announced");
        }
    }
}

#[test]
fn a_stop_ends_every_group_and_begins_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready");
    rustix::fs::mkfifoat(rustix::fs::CWD, &ready, rustix::fs::Mode::RWXU).unwrap();
    // Each has a child of its own that does not listen to TERM. The stop comes when both say that they are there.
    let line = format!(
        "(trap '' TERM; sh -c 'echo $PPID' > {0}; while :; do sleep 1000; done) & sleep 1000",
        ready.display()
    );
    let mut targets: Vec<Target> = ["a", "b", "c"].map(|name| target(name, &line, &[])).into();
    for target in &mut targets {
        target.kill_after = Duration::from_millis(200);
    }
    let plan = planned(targets);
    let mut watcher = Watcher::new(&plan, 2);
    let stop = Stop::new().unwrap();
    let asker = std::thread::spawn({
        let stop = stop.clone();
        move || {
            // Open for writing too, so that it has no end between the two.
            let ready = std::fs::File::options().read(true).write(true).open(ready).unwrap();
            let lines = std::io::BufRead::lines(std::io::BufReader::new(ready));
            let deaf: Vec<String> = lines.take(2).map(Result::unwrap).collect();
            stop.ask();
            deaf
        }
    });
    run(&plan, &mut watcher, stop).unwrap();
    for step in ["target:a", "target:b"] {
        let outcome = ended(&watcher, step);
        assert_eq!(outcome.state, State::Interrupted, "{step}");
        assert!(outcome.summary.contains("ended with KILL"), "{step}: {outcome:?}");
    }
    assert_eq!(ended(&watcher, "target:c").state, State::Interrupted);
    assert_eq!(joined(&watcher.order), "target:a, target:b");
    for pid in asker.join().unwrap() {
        assert!(is_gone(&pid), "{pid} is still there");
    }
}
