//! `opsrun serve`: runs the schedules until told to stop.
//!
//! Takes arguments, prints what the daemon has to say on stderr, a line for each; gives the code of the signal that
//! ended it. Where the lines go to the journal of the system, which knows the time, they do not tell it.
//! Invariant: an invalid file at the start ends with 78; later it is said, and the plan before stays in force.

use super::apply::command_line;
use super::args::ServeArgs;
use super::exit::{Exit, Failure};
use super::file;
use super::terminal::Terminal;
use crate::daemon;
use crate::daemon::clock::Jump;
use crate::daemon::notice::{Told, Voice};
use crate::daemon::runs::How;
use crate::model::JobName;
use crate::model::Model;
use crate::report::run::lines::Detail;
use crate::report::run::lines::Lines;
use crate::report::schedule::why;
use crate::report::shared::output;
use crate::report::shared::times;
use crate::run::Event;
use crate::signal::Signals;
use crate::store::schedules::{Decision, FiringVerdict};
use crate::units::{plural, show_duration};
use chrono::{DateTime, SecondsFormat, Utc};
use std::collections::BTreeMap;
use std::time::Duration;

pub fn run(args: &ServeArgs, terminal: &Terminal) -> Result<u8, Failure> {
    // First: a `SIGHUP` that comes while the file is read must not end us.
    let signals = Signals::install()
        .map_err(|error| Failure::new(Exit::Software, format!("cannot handle signals: {error}"), None))?;
    let model = file::model(&args.file, Some(&args.place), terminal)?;
    let how = How {
        threads: args.threads.count(),
        command: command_line(),
    };
    let mut speaker = Speaker {
        terminal: *terminal,
        timed: std::env::var_os("JOURNAL_STREAM").is_none(),
        zone: model.ops.timezone,
        runs: BTreeMap::new(),
        left: BTreeMap::new(),
    };
    let reread = || file::reread(&args.file, Some(&args.place), terminal);
    Ok(daemon::serve(model, &how, &reread, &signals, &mut speaker)?)
}

/// Prints what the daemon has to say.
struct Speaker {
    terminal: Terminal,
    timed: bool,
    zone: chrono_tz::Tz,
    /// What has happened in each run so far.
    runs: BTreeMap<String, Lines>,
    /// Why each job was left out the last time: what goes on for hours is said once.
    left: BTreeMap<JobName, (FiringVerdict, String)>,
}

impl Voice for Speaker {
    fn tell(&mut self, at: DateTime<Utc>, told: &Told<'_>) {
        if let Told::Serving { model, .. } = told {
            self.zone = model.ops.timezone;
        }
        let (detail, text) = self.text(told);
        if detail > self.terminal.detail {
            return;
        }
        let time = if self.timed {
            times::local(at, self.zone) + " "
        } else {
            String::new()
        };
        let lines = text.lines().map(|line| format!("{time}{line}\n"));
        output::to_stderr(&lines.collect::<String>());
    }
}

impl Speaker {
    /// What is said, and from which level of detail on.
    fn text(&mut self, told: &Told<'_>) -> (Detail, String) {
        let (normal, always) = (Detail::Normal, Detail::Quiet);
        match told {
            Told::Serving {
                model,
                schedules,
                again,
            } => (normal, serving(model, *schedules, *again)),
            Told::Invalid { message, findings } => {
                let text = format!("{findings}error: the ops file was read again and cannot be used: {message}\n");
                (
                    always,
                    text + "  help: mend it; until then the plan before stays in force",
                )
            }
            Told::Valid => (always, "the ops file can be used again".to_owned()),
            Told::Event { run, event } => {
                if let Event::StepStarted { step } = event {
                    self.left.remove(&step.job());
                }
                let (style, detail) = (self.terminal.err, self.terminal.detail);
                let lines = self.runs.entry((*run).to_owned());
                let lines = lines.or_insert_with(|| Lines::new(style, detail));
                (always, lines.lines(event))
            }
            Told::NotDone { run, message, help } => {
                let text = output::failure_text(&format!("run {run}: {message}"), *help, self.terminal.err);
                (always, text)
            }
            Told::CutShort { run, message } => (always, format!("note     run {run} {message}")),
            Told::Alerts(text) => (always, format!("warning: {text}")),
            Told::Ended { run } => {
                self.runs.remove(*run);
                (always, String::new())
            }
            Told::NotRun(decision) => {
                let why = (decision.verdict, decision.reason.clone());
                let before = self.left.insert(decision.job.clone(), why.clone());
                let detail = if before == Some(why) { Detail::Verbose } else { normal };
                (detail, left_out(decision))
            }
            Told::Clock(jump) => (normal, jumped(*jump)),
            Told::Behind(behind) => {
                let behind = rough(*behind);
                let text = format!(
                    "warning: the clock is {behind} behind instants that were decided about; until it passes them, \
                     nothing of these schedules runs"
                );
                (always, text)
            }
            Told::NoState { message, help } => {
                let text = output::failure_text(&format!("nothing can begin: {message}"), *help, self.terminal.err);
                (always, text)
            }
            Told::State => (always, "the state can be used again".to_owned()),
            Told::Stopping { signal, runs } => {
                let runs = match runs {
                    0 => String::new(),
                    runs => format!(": {} asked to stop", plural(*runs as u64, "run is", "runs are")),
                };
                (normal, format!("stopping by signal {signal}{runs}"))
            }
        }
    }
}

fn serving(model: &Model, schedules: usize, again: bool) -> String {
    let what = if again { "serving anew" } else { "serving" };
    let schedules = plural(schedules as u64, "schedule", "schedules");
    let mut text = format!(
        "{what} {}: {schedules} of {}",
        model.ops.name,
        plural(model.jobs().count() as u64, "job", "jobs")
    );
    if model.jobs().all(|job| job.schedule().is_none()) {
        text += "\nwarning: no job has a schedule: nothing will ever run; write `cron`, `every` or `schedule` in a job";
    }
    text
}

/// A job that was due and is not run, in one line.
pub(super) fn left_out(decision: &Decision) -> String {
    let at = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let word = match decision.verdict {
        FiringVerdict::Ran => "runs",
        FiringVerdict::Missed => "missed",
        FiringVerdict::SkippedOverlap => "skipped",
        FiringVerdict::Queued => "waits",
        FiringVerdict::BackedOff => "back-off",
        FiringVerdict::Paused => "paused",
        FiringVerdict::Dropped => "dropped",
    };
    let when = if decision.count == 1 && !decision.more {
        at(decision.first.instant)
    } else {
        let more = if decision.more { "more than " } else { "" };
        let times = plural(decision.count, "time", "times");
        format!("{more}{times}, {} to {}", at(decision.first.instant), at(decision.last))
    };
    format!(
        "{word:<8} {}  by {} {when}: {}",
        decision.job,
        decision.first.schedule,
        why::reason(decision.verdict.word(), &decision.reason)
    )
}

fn jumped(jump: Jump) -> String {
    match jump {
        Jump::Slept(time) => format!("the machine slept for {}", rough(time)),
        Jump::Forward(time) => format!("the clock was set forward by {}", rough(time)),
        Jump::Back(time) => format!("the clock was set back by {}", rough(time)),
    }
}

fn rough(time: Duration) -> String {
    show_duration(Duration::from_secs(time.as_secs()))
}
