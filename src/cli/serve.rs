//! `opsrun serve`: runs the schedules until a signal stops it.
//!
//! Invariant: an invalid file at the start exits with 78; later it is reported, and the current one stays in force.

use super::args::{ServeArgs, command_line};
use super::exit::{self, Failure};
use super::file;
use super::notice_lines::NoticePrinter;
use super::terminal::Terminal;
use crate::daemon;
use crate::daemon::runs::RunOptions;
use std::time::Duration;

pub fn run(args: &ServeArgs, terminal: &Terminal) -> Result<u8, Failure> {
    // First: a `SIGHUP` while the file is read must not end the process.
    let signals = exit::signals()?;
    let file = args.file.path()?;
    let model = file::model_to_run(&file, &args.state, terminal)?;
    let options = RunOptions {
        threads: args.threads.count(),
        // A lock is released some time, or a signal stops the wait.
        lock_wait: Duration::MAX,
        command: command_line(),
    };
    let mut printer = NoticePrinter::new(terminal, model.ops.timezone.clone());
    let reload = || file::reload(&file, Some(&args.state), terminal);
    Ok(daemon::serve(model, options, &reload, &signals, &mut printer)?)
}
