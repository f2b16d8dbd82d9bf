//! What the daemon reports, as lines for people.
//!
//! Takes notices, gives lines. `serve` prints them, but for checks that are as they were; `apply --due` shares the line
//! about a job that is not run.
//! Invariant: a job that is skipped for the same reason again is reported in verbose mode only.

use super::terminal::Terminal;
use crate::daemon::clock::ClockStep;
use crate::daemon::notice::{Notice, NoticeSubscriber};
use crate::daemon::runs::{RunFailure, RunMessage};
use crate::model::{JobName, Model};
use crate::report::run::lines::Detail;
use crate::report::run::news::RunNews;
use crate::report::schedule::why;
use crate::report::shared::{output, times};
use crate::run::Event;
use crate::store::schedules::{Decision, FiringVerdict};
use crate::time_zone::Zone;
use crate::units::{plural, show_duration};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) struct NoticePrinter {
    terminal: Terminal,
    /// Lines start with the time. The system journal adds it by itself.
    timed: bool,
    zone: Zone,
    runs: RunNews,
    /// Why each job was last skipped.
    skipped: BTreeMap<JobName, (FiringVerdict, String)>,
}

impl NoticePrinter {
    pub(super) fn new(terminal: &Terminal, zone: Zone) -> Self {
        Self {
            terminal: *terminal,
            timed: std::env::var_os("JOURNAL_STREAM").is_none(),
            zone,
            runs: RunNews::new(terminal.err, terminal.detail),
            skipped: BTreeMap::new(),
        }
    }

    /// The text, and the level of detail from which on it is printed.
    fn text(&mut self, at: DateTime<Utc>, notice: &Notice<'_>) -> (Detail, String) {
        let (normal, always) = (Detail::Normal, Detail::Quiet);
        match notice {
            Notice::Serving {
                model,
                schedules,
                reloaded,
            } => (normal, serving(model, *schedules, *reloaded)),
            Notice::Invalid { message, findings } => {
                let help = "  help: fix it; until then the current ops file stays in force";
                (
                    always,
                    format!("{findings}error: cannot reload the ops file: {message}\n{help}"),
                )
            }
            Notice::Valid => (always, "the ops file is valid again".to_owned()),
            Notice::Run(RunMessage::Event { run, event }) => {
                if let Event::StepStarted { step } = event {
                    self.skipped.remove(&step.job());
                }
                (always, self.runs.lines(run, event, at, &self.zone))
            }
            Notice::Run(RunMessage::Ended { run, failure, .. }) => {
                self.runs.ended(run);
                let text = failure.as_ref().map(|RunFailure { message, help }| {
                    output::failure_text(&format!("run {run}: {message}"), help.as_deref(), self.terminal.err)
                });
                (always, text.unwrap_or_default())
            }
            Notice::Interrupted { run, message } => (always, format!("note     run {run} {message}")),
            Notice::Alerts(text) | Notice::ClockSetBack(text) => (always, format!("warning: {text}")),
            Notice::Skipped(decision) => {
                let why = (decision.verdict, decision.reason.clone());
                let before = self.skipped.insert(decision.job.clone(), why.clone());
                let detail = if before == Some(why) { Detail::Verbose } else { normal };
                (detail, skipped_line(decision, &self.zone))
            }
            Notice::Clock(step) => (normal, clock_step(*step)),
            Notice::ClockBehind(behind) => {
                let behind = seconds(*behind);
                let text = format!(
                    "warning: the clock is {behind} before scheduled times that were handled; until it passes them, these \
                     schedules run nothing"
                );
                (always, text)
            }
            Notice::StateUnusable { message, help } => {
                let message = format!("no run can start: {message}");
                (always, output::failure_text(&message, *help, self.terminal.err))
            }
            Notice::StateUsable => (always, "the state is usable again".to_owned()),
            Notice::Stopping { signal, runs } => {
                let runs = match runs {
                    0 => String::new(),
                    runs => format!(", waiting for {}", plural(*runs as u64, "run", "runs")),
                };
                (normal, format!("stopping on signal {signal}{runs}"))
            }
        }
    }
}

impl NoticeSubscriber for NoticePrinter {
    fn notify(&mut self, at: DateTime<Utc>, notice: &Notice<'_>) {
        if let Notice::Serving { model, .. } = notice {
            self.zone = model.ops.timezone.clone();
        }
        let (detail, text) = self.text(at, notice);
        if detail > self.terminal.detail {
            return;
        }
        let local = || times::local(at, &self.zone) + " ";
        let time = if self.timed { local() } else { String::new() };
        let lines = text.lines().map(|line| format!("{time}{line}\n"));
        output::to_stderr(&lines.collect::<String>());
    }
}

fn serving(model: &Model, schedules: usize, reloaded: bool) -> String {
    let what = if reloaded { "reloaded, serving" } else { "serving" };
    let schedules = plural(schedules as u64, "schedule", "schedules");
    let jobs = plural(model.jobs().count() as u64, "job", "jobs");
    let mut text = format!("{what} {}: {schedules}, {jobs}", model.ops.name);
    if model.names_zones() {
        text = text + "; time zones " + &model.ops.zone_data.to_string();
    }
    if model.jobs().all(|job| job.schedule().is_none()) {
        text += "\nwarning: no job has a schedule, so nothing will run; add `cron`, `every` or `schedule` to a job";
    }
    text
}

/// A job that was due and is not run, in one line.
pub(super) fn skipped_line(decision: &Decision, zone: &Zone) -> String {
    let at = |at: DateTime<Utc>| times::local_exact(at, zone);
    let word = match decision.verdict {
        FiringVerdict::SkippedOverlap => "skipped",
        FiringVerdict::BackedOff => "back-off",
        verdict => verdict.word(),
    };
    let when = if decision.count == 1 && !decision.more {
        at(decision.first)
    } else {
        let more = if decision.more { "more than " } else { "" };
        let times = plural(decision.count, "time", "times");
        format!("{more}{times}, {} to {}", at(decision.first), at(decision.last))
    };
    let (job, schedule, reason) = (&decision.job, &decision.schedule, why::reason(decision));
    format!("{word:<8} {job}  for {schedule} {when}: {reason}")
}

fn clock_step(step: ClockStep) -> String {
    match step {
        ClockStep::Slept(time) => format!("the machine slept for {}", seconds(time)),
        ClockStep::Forward(time) => format!("the clock was set forward by {}", seconds(time)),
        ClockStep::Back(time) => format!("the clock was set back by {}", seconds(time)),
    }
}

fn seconds(time: Duration) -> String {
    show_duration(Duration::from_secs(time.as_secs()))
}
