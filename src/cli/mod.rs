//! The command line: arguments → calls → text and an exit code.
//!
//! Takes what the user typed, loads the ops file, calls `launch`, prints through `report`. Holds no logic of
//! its own: what a command does is in the rooms below.
//! - [`args`]: everything that can be typed · [`values`]: the forms of single values
//! - [`exit`]: exit codes and the failures that lead to them
//! - [`terminal`]: what kind of terminal this is · [`mod@file`]: from FILE to a model
//! - `tips`: what people type who know other programs
//! - [`remarks`]: what looking at copies should not pass over in silence
//! - one file a command: [`plan`], [`apply`], [`serve`], [`check`], [`mod@fmt`], [`init`], [`graph`], [`status`], [`history`],
//!   [`why`], [`simulate`], [`list`], [`verify`], [`restore`], [`alerts`], [`explain`], [`schema`], [`completions`], [`man`]
//!
//! Invariant: every way out of the program is one of the codes in [`exit`]; nothing panics over a closed pipe.

pub mod alerts;
pub mod apply;
pub mod args;
pub mod check;
pub mod completions;
pub mod exit;
pub mod explain;
pub mod file;
pub mod fmt;
pub mod graph;
pub mod history;
pub mod init;
pub mod list;
pub mod man;
pub mod plan;
pub mod remarks;
pub mod restore;
pub mod schema;
pub mod serve;
pub mod simulate;
pub mod status;
pub mod terminal;
mod tips;
pub mod values;
pub mod verify;
pub mod why;

use crate::report::shared::output;
use crate::report::shared::style::Style;
use args::{Cli, Command};
use clap::{CommandFactory, FromArgMatches};
use exit::{Exit, Failure};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use terminal::Terminal;

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no message");
        let message = format!("internal error at {place}: {text}");
        let help = "please report this with the output of `opsrun --version`";
        output::failure(&message, Some(help), Style::PLAIN);
    }));
    let code = match parse() {
        Ok(cli) => panic::catch_unwind(AssertUnwindSafe(|| run(&cli))).unwrap_or(Exit::Software.into()),
        Err(mut error) => usage(&mut error),
    };
    ExitCode::from(code)
}

/// The arguments. A variable that is set to nothing is not set.
fn parse() -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    if std::env::var_os("OPSRUN_STATE_DIR").is_some_and(|value| value.is_empty()) {
        for name in [
            "plan", "apply", "serve", "status", "why", "history", "list", "verify", "restore",
        ] {
            let unset = |arg: clap::Arg| arg.env(None::<&'static str>);
            command = command.mut_subcommand(name, |sub| sub.mut_arg("state_dir", unset));
        }
        command = command.mut_subcommand("alerts", |alerts| {
            let unset = |arg: clap::Arg| arg.env(None::<&'static str>);
            let unset = |sub: clap::Command| sub.mut_arg("state_dir", unset);
            alerts.mut_subcommand("list", unset).mut_subcommand("replay", unset)
        });
    }
    let matches = command.try_get_matches()?;
    Cli::from_arg_matches(&matches)
}

/// clap's own output: help and version end well, everything else is a mistake in the arguments.
fn usage(error: &mut clap::Error) -> u8 {
    tips::add(error, std::env::args_os().skip(1));
    // A closed pipe is no reason to fail, and there is nowhere else to say it.
    let _ = error.print();
    if error.exit_code() == 0 {
        Exit::Done.into()
    } else {
        Exit::Usage.into()
    }
}

fn run(cli: &Cli) -> u8 {
    let terminal = Terminal::look(&cli.global);
    log(cli.global.verbose);
    let done = match &cli.command {
        Command::Plan(args) => plan::run(args, &terminal),
        Command::Apply(args) => apply::run(args, &terminal),
        Command::Serve(args) => serve::run(args, &terminal),
        Command::Check(args) => check::run(args, &terminal),
        Command::Fmt(args) => fmt::run(args, &terminal),
        Command::Init(args) => init::run(args, &terminal),
        Command::Graph(args) => graph::run(args, &terminal),
        Command::Status(args) => status::run(args, &terminal),
        Command::History(args) => history::run(args, &terminal),
        Command::Why(args) => why::run(args, &terminal),
        Command::Simulate(args) => simulate::run(args, &terminal),
        Command::List(args) => list::run(args, &terminal),
        Command::Verify(args) => verify::run(args, &terminal),
        Command::Restore(args) => restore::run(args, &terminal),
        Command::Alerts(args) => alerts::run(&args.command, &terminal),
        Command::Explain(args) => explain::run(args, &terminal),
        Command::Schema(args) => schema::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args, &terminal),
    };
    done.unwrap_or_else(|failure: Failure| {
        output::failure(&failure.message, failure.help.as_deref(), terminal.err);
        failure.exit
    })
}

/// `-v`: what the rooms below log, on stderr.
fn log(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => tracing::Level::INFO,
        2 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    let logger = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .log_internal_errors(false)
        .finish();
    // It can be set but once, and this is that once.
    let _ = tracing::subscriber::set_global_default(logger);
}
