//! Tries a scenario under many faults, on two cores, and judges every case.
//!
//! Takes a scenario, faults and what to ask after each; gives what went wrong, each with all that is needed to
//! do it again. A case: lay the tree out, run under the fault, check; run once more without, check that this
//! finished the job and left nothing behind.

use super::checker::{Expect, problems};
use super::scenario::{Case, Scenario, Snapshot};
use super::tracer::{End, Fault, Lack, Program, Trace, run};
use nix::errno::Errno;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;

/// One for each core of the smallest machine that runs these tests.
const WORKERS: usize = 2;

/// A sweep stops after this many failures.
const ENOUGH: usize = 12;

/// Trees that are laid out in advance, so that their files are no longer fresh when they are needed.
const AHEAD: usize = 3;

/// A scenario and how to run it.
pub struct Sweep {
    /// What is tried.
    pub scenario: Scenario,
    /// What its tree holds before.
    pub before: Snapshot,
    /// What the file systems lack, each below a directory of the case.
    pub lacks: Vec<(&'static str, &'static str, Errno)>,
}

/// What a sweep found.
#[derive(Default)]
pub struct Findings {
    /// What went wrong.
    pub wrong: Vec<String>,
    /// How often each exit code ended the run under a fault, and the run after it.
    pub exits: BTreeMap<(String, String), usize>,
}

/// The program, of the same build as these tests. `OPSRUN_FAULTS_BINARY` names another one to be tried instead.
pub fn binary() -> PathBuf {
    std::env::var_os("OPSRUN_FAULTS_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_opsrun").into(), PathBuf::from)
}

/// A run without questions, whose calls always come in the same order.
pub fn apply(case: &Case) -> Program {
    Program {
        path: binary(),
        args: ["apply", "--yes", "--threads", "1", "ops.kdl"].map(Into::into).to_vec(),
        dir: case.root().to_owned(),
        lacks: Vec::new(),
    }
}

impl Sweep {
    /// Of a scenario.
    pub fn new(scenario: Scenario) -> Self {
        let before = scenario.snapshot();
        let lacks = Vec::new();
        Self {
            scenario,
            before,
            lacks,
        }
    }

    /// On file systems that lack these calls below these directories of a case; `.` is all of it.
    pub fn without(scenario: Scenario, lacks: &[(&'static str, &'static str, Errno)]) -> Self {
        let lacks = lacks.to_vec();
        Self {
            lacks,
            ..Self::new(scenario)
        }
    }

    /// The program on those file systems.
    pub fn apply(&self, case: &Case) -> Program {
        let lack = |&(call, below, errno): &(&'static str, &str, Errno)| Lack {
            call,
            below: case.root().canonicalize().unwrap().join(below).components().collect(),
            errno,
        };
        Program {
            lacks: self.lacks.iter().map(lack).collect(),
            ..apply(case)
        }
    }

    /// The undisturbed run: it must finish, and its calls are what is then disturbed.
    pub fn undisturbed(&self) -> Trace {
        let case = self.scenario.lay_out();
        case.settle();
        let trace = run(&self.apply(&case), Fault::None, &case.scratch());
        let wrong = problems(&case, &self.scenario, &self.before, Expect::FinishedAndTidy);
        assert!(
            trace.end == End::Code(0) && wrong.is_empty(),
            "the undisturbed run of `{}` ended with {:?}: {wrong:#?}\n{}\n{}",
            self.scenario.name,
            trace.end,
            trace.stdout,
            trace.stderr
        );
        trace
    }

    /// Tries every fault. `first` may put a case into another state before.
    pub fn try_all(&self, faults: &[Fault], first: Option<Fault>) -> Findings {
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let findings = Mutex::new(Findings::default());
        let work = || {
            let mut ready: VecDeque<Case> = VecDeque::new();
            while !stop.load(Ordering::Relaxed) {
                let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                while ready.len() <= AHEAD {
                    ready.push_back(self.scenario.lay_out());
                }
                let Some(mut case) = ready.pop_front() else { break };
                let (exits, wrong) = self.try_one(&mut case, *fault, first);
                let mut findings = findings.lock().unwrap();
                *findings.exits.entry(exits).or_default() += 1;
                findings.wrong.extend(wrong);
                stop.fetch_or(findings.wrong.len() >= ENOUGH, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(work);
            }
        });
        findings.into_inner().unwrap()
    }

    /// One case: how the disturbed run and the one after it ended, and what went wrong.
    fn try_one(&self, case: &mut Case, fault: Fault, first: Option<Fault>) -> ((String, String), Option<String>) {
        case.settle();
        let program = self.apply(case);
        let mut story = Vec::new();
        if let Some(first) = first {
            let trace = run(&program, first, &case.scratch());
            story.push(format!("{first:?} at {}", trace.hit.as_deref().unwrap_or("no call")));
        }
        let trace = run(&program, fault, &case.scratch());
        story.push(format!("{fault:?} at {}", trace.hit.as_deref().unwrap_or("no call")));
        let mut wrong = self.judge(case, fault, &trace);
        let mut ended = String::new();
        if wrong.is_empty() {
            (ended, wrong) = self.finish(case);
        }
        let exits = (format!("{:?}", trace.end), ended);
        let report = (!wrong.is_empty()).then(|| {
            format!(
                "scenario `{}`, {}; it ended with {:?}, the next with {}:\n    {}\n  its output: {}",
                self.scenario.name,
                story.join(", then "),
                trace.end,
                if exits.1.is_empty() { "(not run)" } else { &exits.1 },
                wrong.join("\n    "),
                trace.stderr.trim()
            )
        });
        (exits, report)
    }

    /// What is wrong right after the fault.
    fn judge(&self, case: &Case, fault: Fault, trace: &Trace) -> Vec<String> {
        let killed = matches!(fault, Fault::KillBefore(_) | Fault::KillTorn(_) | Fault::KillAfter(_));
        // A run that reports success must have finished the job.
        let expect = if trace.end == End::Code(0) {
            Expect::Finished
        } else {
            Expect::NothingLost
        };
        let mut wrong = problems(case, &self.scenario, &self.before, expect);
        if trace.hung {
            wrong.push("it had to be killed: it went on and on".to_owned());
        }
        if trace.stderr.contains("panicked") {
            wrong.push("it panicked".to_owned());
        }
        match trace.end {
            End::Signal(signal) if !killed => wrong.push(format!("it died of {signal}")),
            End::Code(70) => wrong.push("it called itself defective".to_owned()),
            _ => {}
        }
        wrong
    }

    /// Exit code and output.
    fn undisturbed_run(&self, case: &Case) -> (Option<i32>, String, String) {
        let program = self.apply(case);
        if !self.lacks.is_empty() {
            let trace = run(&program, Fault::None, &case.scratch());
            let code = match trace.end {
                End::Code(code) => Some(code),
                End::Signal(_) => None,
            };
            return (code, trace.stdout, trace.stderr);
        }
        let done = Command::new(&program.path)
            .args(&program.args)
            .current_dir(&program.dir)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    }

    /// Runs without a fault until the job is finished: once, or twice if a recovery has just restored files to the
    /// source, which are too fresh to be deleted (exit 4).
    fn finish(&self, case: &mut Case) -> (String, Vec<String>) {
        let mut ended = String::new();
        for _ in 0..2 {
            let (code, stdout, stderr) = self.undisturbed_run(case);
            ended.push_str(&code.map_or("signal".to_owned(), |c| c.to_string()));
            let expect = if code == Some(0) {
                Expect::FinishedAndTidy
            } else {
                Expect::NothingLost
            };
            let mut wrong = problems(case, &self.scenario, &self.before, expect);
            let again = code == Some(4) && ended.len() == 1;
            if code != Some(0) && !again {
                wrong.push("the run after it did not finish the job".to_owned());
            }
            if !wrong.is_empty() {
                wrong.push(format!("output of the next run: {}\n{}", stderr.trim(), stdout.trim()));
                return (ended, wrong);
            }
            if !again {
                break;
            }
            case.relaid(SystemTime::now());
            case.settle();
        }
        (ended, Vec::new())
    }
}

impl Findings {
    /// Fails with the first problems; else prints a summary.
    pub fn settle(self, what: &str, cases: &str) {
        let seen: Vec<String> = self
            .exits
            .iter()
            .map(|((end, after), n)| format!("{n} × {end} then {after}"))
            .collect();
        eprintln!("{what}: {cases}; {}", seen.join(", "));
        assert!(self.wrong.is_empty(), "{what}, {cases}:\n{}", self.wrong.join("\n"));
    }
}
