//! `opsrun apply`: executes the plan once.
//!
//! Takes arguments, asks where somebody can answer, prints events on stderr as they come; gives the run's exit
//! code. Knows nothing of how steps are done.
//! Invariant: at a terminal nothing is deleted and no command run before the plan was shown and answered with yes, or `--yes` given.

use super::alerts;
use super::args::ApplyArgs;
use super::exit::{self, Exit, Failure};
use super::terminal::{Ask, Terminal};
use super::{file, serve};
use crate::alert::channel::ChannelSender;
use crate::alert::outbox::{AFTER_A_RUN, AFTER_A_SIGNAL, send_during};
use crate::daemon::run_due::once;
use crate::launch::{self, Apply};
use crate::model::Model;
use crate::plan::Plan;
use crate::report::alerts::undelivered_text;
use crate::report::plan::text::PlanText;
use crate::report::plan::text::plan_text;
use crate::report::run::json_lines;
use crate::report::run::lines::Detail;
use crate::report::run::lines::Lines;
use crate::report::run::progress::Bars;
use crate::report::shared::output;
use crate::report::shared::times;
use crate::report::shared::words::argv;
use crate::run::Event;
use crate::secret::Vault;
use crate::signal::Stop;
use crate::units::{plural, show_size};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::{BufRead, Write};

pub fn run(args: &ApplyArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let model = file::model(&args.run.file, Some(&args.run.place), terminal)?;
    let stop = exit::stop()?;
    let how = Apply {
        threads: args.threads.count(),
        lock_wait: args.lock_wait,
        command: command_line(),
        stop: stop.clone(),
        claimed: None,
    };
    let bars = Bars::new(terminal.progress());
    let mut lines = Lines::new(terminal.err, terminal.detail);
    let mut mute = None;
    let mut confirm = |plan: &Plan| match confirm(plan, args.yes, terminal, &|| stop.asked()) {
        Ok(yes) => yes,
        Err(failure) => {
            mute = Some(failure);
            false
        }
    };
    if args.json {
        output::to_stdout(&json_lines::head())?;
    }
    // A reader who is lost halfway must not stop a run halfway: it is said at the end.
    let mut lost = None;
    // What tells of the run ends with it, not with a signal: that is to be told, too.
    let (vault, sender) = alerts::messenger(&model, Stop::default());
    let log = |text: &str| bars.print(&alerts::warning(text, terminal));
    let exit = send_during(&model, &sender, &vault, &log, |begun| {
        let mut sink = |event: &Event| {
            begun();
            if args.json && lost.is_none() {
                lost = output::to_stdout(&json_lines::line(event)).err();
            }
            bars.print(&lines.lines(event));
        };
        if args.due {
            return due(&model, &how, &mut confirm, &mut sink, &bars, terminal);
        }
        let request = args.run.request();
        let done = launch::apply(&model, &request, &how, &mut confirm, &mut sink, &bars);
        done.map(|done| done.exit).map_err(Failure::from)
    })?;
    tell(&model, &vault, &sender, &stop, terminal);
    if let Some(failure) = mute.filter(|_| exit == 0) {
        return Err(failure);
    }
    match lost {
        Some(error) if exit == 0 => Err(error.into()),
        _ => Ok(exit),
    }
}

fn due(
    model: &Model,
    how: &Apply,
    confirm: &mut dyn FnMut(&Plan) -> bool,
    sink: &mut (dyn FnMut(&Event) + Send),
    bars: &Bars,
    terminal: &Terminal,
) -> Result<u8, Failure> {
    let done = once(model, how, confirm, sink, bars)?;
    for left in &done.left {
        if terminal.detail > Detail::Quiet {
            bars.print(&(serve::left_out(left) + "\n"));
        }
    }
    for error in done.failures {
        let failure = Failure::from(error);
        bars.print(&output::failure_text(
            &failure.message,
            failure.help.as_deref(),
            terminal.err,
        ));
    }
    if done.runs == 0 && terminal.detail > Detail::Quiet {
        let next = done.next.map_or_else(
            || "; no schedule has anything due in the future".to_owned(),
            |next| format!("; next: {}", times::whole(next, model.ops.timezone)),
        );
        bars.print(&format!("nothing is due{next}\n"));
    }
    Ok(done.exit)
}

/// Sends what the run has to tell. That it does not arrive is no fault of the run: it is said, and tried again.
fn tell(model: &Model, vault: &Vault, sender: &ChannelSender, stop: &Stop, terminal: &Terminal) {
    let limit = if stop.asked() { AFTER_A_SIGNAL } else { AFTER_A_RUN };
    match alerts::send(model, vault, sender, limit, terminal) {
        Ok(mut left) => {
            // What was given up is said when it is, and by `status`.
            left.retain(|row| row.pending > 0);
            for row in &mut left {
                row.dead = 0;
            }
            let mut text = undelivered_text(&left, crate::clock::now(), terminal.err);
            if !left.is_empty() {
                text += "  the next run sends them again, or `opsrun alerts replay`\n";
            }
            output::to_stderr(&text);
        }
        Err(failure) => output::failure(&failure.message, failure.help.as_deref(), terminal.err),
    }
}

/// True when the run may go on: nothing would be deleted and no command run, nobody is there to ask, or the answer is yes.
/// A signal while the question stands is a no. Somebody who is there and cannot be asked is a failure.
fn confirm(plan: &Plan, yes: bool, terminal: &Terminal, stopped: &dyn Fn() -> bool) -> Result<bool, Failure> {
    let (files, bytes) = plan.deletions();
    let commands = plan.commands();
    // Whoever is shown no plan still has to hear what is left out of what was asked for.
    let unshown = || {
        for note in &plan.notes {
            output::to_stderr(&format!("note: {note}\n"));
        }
        Ok(true)
    };
    if yes || (files == 0 && commands == 0) {
        return unshown();
    }
    let mut tty = match terminal.ask {
        Ask::Nobody => return unshown(),
        Ask::Stderr => None,
        Ask::Terminal => Some(open_terminal()?),
    };
    let how = PlanText {
        files: false,
        style: terminal.err,
        width: terminal.err_width,
    };
    let question = question(commands, files, bytes);
    let mut say = |text: &str| match &mut tty {
        None => {
            output::to_stderr(text);
            Ok(())
        }
        Some(tty) => tty.write_all(text.as_bytes()).map_err(|e| mute(&e)),
    };
    say(&format!("{}\n{}", plan_text(plan, &how), terminal.err.bold(question)))?;
    let answer = answer(stopped);
    if answer.as_ref().is_none_or(|answer| !answer.ends_with('\n')) {
        // Nobody ended the line of the question.
        say("\n")?;
    }
    Ok(answer.is_some_and(|answer| is_yes(&answer)))
}

/// What is asked before anything is done that may not be wanted.
fn question(commands: u64, files: u64, bytes: u64) -> String {
    let run = plural(commands, "command", "commands");
    let delete = format!("{} ({})", plural(files, "file", "files"), show_size(bytes));
    match (commands, files) {
        (0, _) => format!("Delete {delete}? [y/N] "),
        (_, 0) => format!("Run {run}? [y/N] "),
        _ => format!("Run {run} and delete {delete}? [y/N] "),
    }
}

/// The terminal that stdin is, where stderr is another thing.
fn open_terminal() -> Result<File, Failure> {
    File::options().write(true).open("/dev/tty").map_err(|e| mute(&e))
}

/// Silence is no yes.
fn mute(error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("cannot ask before deleting: stderr is no terminal, and `/dev/tty` cannot be used: {error}"),
        Some("give --yes to delete without being asked"),
    )
}

/// A line from stdin; `None` once `stopped`. A blocked read would go on after a signal, so it is begun only
/// when there is something to read.
fn answer(stopped: &dyn Fn() -> bool) -> Option<String> {
    let stdin = std::io::stdin();
    let slice = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    loop {
        if stopped() {
            return None;
        }
        let mut waiting = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut waiting, Some(&slice)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => break,
            Err(_) => return None,
        }
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line).ok()?;
    Some(line)
}

/// Nothing but a clear yes counts.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// The arguments as they were typed, for the history.
pub(super) fn command_line() -> String {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    argv(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(["y\n", "Y", " yes \n", "YES"].into_iter().all(is_yes));
        assert!(!["", "\n", "n", "yep", "j", "1"].into_iter().any(is_yes));
    }
}
