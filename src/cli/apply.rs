//! `opsrun apply`: executes the plan once.
//!
//! Takes arguments, asks at a terminal, prints events on stderr as they happen; gives the exit code of the run.
//! Invariant: at a terminal no file is deleted and no command run unless the plan was shown and confirmed, or `--yes` given.

use super::alerts;
use super::args::{ApplyArgs, command_line};
use super::exit::{self, Failure};
use super::file;
use super::notice_lines::skipped_line;
use super::question;
use super::terminal::Terminal;
use crate::alert::channel::ChannelSender;
use crate::alert::outbox::{AFTER_A_RUN, AFTER_A_SIGNAL, send_during};
use crate::daemon::run_due::{DueObserver, run_due};
use crate::daemon::runs::{RunFailure, RunOptions};
use crate::launch::prune::prune_after_run;
use crate::launch::{self, Apply, Awaited};
use crate::model::Model;
use crate::plan::Plan;
use crate::report::alerts::undelivered_text;
use crate::report::plan::text::{PlanTextOptions, plan_text};
use crate::report::run::json_lines;
use crate::report::run::lines::{Detail, EventLines};
use crate::report::run::progress::ProgressBars;
use crate::report::shared::advice::advice;
use crate::report::shared::{output, times};
use crate::run::Event;
use crate::secret::Vault;
use crate::signal::Stop;
use crate::units::{plural, show_files};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub fn run(args: &ApplyArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = Arc::new(file::model_to_run(&args.run.file.path()?, &args.run.state, terminal)?);
    let stop = exit::stop()?;
    let bars = ProgressBars::new(terminal.progress());
    let mut unasked = None;
    let mut confirm = |plan: &Plan| match confirm(plan, args.yes, terminal, &|| stop.asked()) {
        Ok(yes) => yes,
        Err(failure) => {
            unasked = Some(failure);
            false
        }
    };
    if args.json {
        output::to_stdout(&json_lines::head())?;
    }
    // A closed stdout must not stop a run halfway: it is reported at the end.
    let mut lost = None;
    let mut json = |line: &str| {
        if args.json && lost.is_none() {
            lost = output::to_stdout(line).err();
        }
    };
    // Sending ends with the run, not with a signal: that is to be reported, too.
    let sender = ChannelSender::new(Vault::expecting(model.values()), Stop::default());
    let log = |text: &str| bars.print(&alerts::warning(text, terminal));
    let exit = send_during(&model, &sender, &log, |begun| {
        let new_lines = || EventLines::new(terminal.err, terminal.detail, &model.ops.timezone);
        if args.due {
            let mut lines: BTreeMap<String, EventLines> = BTreeMap::new();
            let mut sink = |run: &str, event: &Event| {
                begun();
                json(&json_lines::line_of_run(run, event));
                let lines = lines.entry(run.to_owned()).or_insert_with(new_lines);
                bars.print(&lines.lines(event));
            };
            let observer = DueObserver {
                confirm: &mut confirm,
                sink: &mut sink,
            };
            return due(&model, args, &stop, observer, &bars, terminal);
        }
        let mut lines = new_lines();
        let mut sink = |event: &Event| {
            begun();
            json(&json_lines::line(event));
            bars.print(&lines.lines(event));
        };
        let options = Apply {
            threads: args.threads.count(),
            slots: None,
            awaited: Awaited::default(),
            lock_wait: args.lock_wait,
            command: command_line(),
            stop: stop.clone(),
            claimed: None,
        };
        let request = args.run.request();
        let done = launch::apply(&model, &request, &options, &mut confirm, &mut sink, &bars);
        done.map_err(Failure::from)
    })?;
    send_alerts(&model, &sender, &stop, terminal);
    if !stop.asked() {
        prune_after_run(&model);
    }
    if let Some(failure) = unasked.filter(|_| exit == 0) {
        return Err(failure);
    }
    match lost {
        Some(error) if exit == 0 => Err(error.into()),
        _ => Ok(exit),
    }
}

fn due(
    model: &Arc<Model>,
    args: &ApplyArgs,
    stop: &Stop,
    observer: DueObserver<'_>,
    bars: &ProgressBars,
    terminal: &Terminal,
) -> Result<u8, Failure> {
    let options = RunOptions {
        threads: args.threads.count(),
        // No other process will run what is claimed: it waits for any lock.
        lock_wait: if args.lock_wait.is_zero() {
            Duration::MAX
        } else {
            args.lock_wait
        },
        command: command_line(),
    };
    let done = run_due(model, &options, stop, observer, bars)?;
    for skipped in done.skipped.iter().filter(|_| terminal.detail > Detail::Quiet) {
        bars.print(&(skipped_line(skipped, &model.ops.timezone) + "\n"));
    }
    for RunFailure { message, help } in done.failures {
        bars.print(&output::failure_text(&message, help.as_deref(), terminal.err));
    }
    if done.runs == 0 && terminal.detail > Detail::Quiet {
        let next = done.next.map_or_else(
            || "; no schedule has a later run".to_owned(),
            |next| format!("; next run: {}", times::with_zone(next, &model.ops.timezone)),
        );
        bars.print(&format!("nothing is due{next}\n"));
    }
    Ok(done.exit)
}

/// A failed delivery does not fail the run: it is reported, and retried later.
fn send_alerts(model: &Model, sender: &ChannelSender, stop: &Stop, terminal: &Terminal) {
    let limit = if stop.asked() { AFTER_A_SIGNAL } else { AFTER_A_RUN };
    match alerts::send(model, sender, limit, terminal) {
        Ok(mut left) => {
            // Alerts that are given up are reported when that happens, and by `status`.
            left.retain(|row| row.pending > 0);
            for row in &mut left {
                row.dead = 0;
            }
            let mut text = undelivered_text(&left, crate::clock::now(), terminal.err);
            if !left.is_empty() {
                text += &advice("  the next run retries; to retry now, run `opsrun alerts replay`\n");
            }
            output::to_stderr(&text);
        }
        Err(failure) => failure.print(terminal.err),
    }
}

/// True if the run may proceed: it deletes nothing and runs no command, no terminal can answer, or the answer is
/// yes. A signal counts as no. A terminal at which asking is impossible is a failure.
fn confirm(plan: &Plan, yes: bool, terminal: &Terminal, stopped: &dyn Fn() -> bool) -> Result<bool, Failure> {
    let (files, bytes) = plan.deletions();
    let commands = plan.commands();
    // Without the plan, at least show what the request leaves out.
    let unshown = || {
        for note in &plan.notes {
            output::to_stderr(&format!("note: {note}\n"));
        }
        Ok(true)
    };
    if yes || (files == 0 && commands == 0) {
        return unshown();
    }
    let options = PlanTextOptions {
        files: false,
        style: terminal.err,
        width: terminal.err_width,
    };
    let instead = "use --yes to proceed without confirmation";
    let before = || plan_text(plan, &options) + "\n";
    match question::ask(before, question(commands, files, bytes), instead, terminal, stopped)? {
        Some(answer) => Ok(answer),
        None => unshown(),
    }
}

fn question(commands: u64, files: u64, bytes: u64) -> String {
    let run = plural(commands, "command", "commands");
    let delete = show_files(files, bytes);
    match (commands, files) {
        (0, _) => format!("Delete {delete}? [y/N] "),
        (_, 0) => format!("Run {run}? [y/N] "),
        _ => format!("Run {run} and delete {delete}? [y/N] "),
    }
}
