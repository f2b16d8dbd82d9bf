//! The command line: arguments → calls → text and an exit code.
//!
//! Takes the arguments, loads the ops file, calls the rooms below, prints through `report`. Contains no logic of its own.
//! - [`args`]: all arguments and their help · [`values`]: the syntax of single values
//! - [`exit`]: exit codes and failures · [`terminal`]: the properties of the terminal
//! - `ops_file`: which file · [`mod@file`]: from FILE to a model · [`notice_lines`]: the notices of the daemon
//! - `suggestions`: commands and flags of other programs
//! - [`destination_notes`]: missing destinations, and other files at destinations
//! - one file per command: [`plan`], [`apply`], [`serve`], [`check`], [`mod@fmt`], [`init`], [`graph`], [`status`], [`history`],
//!   [`why`], [`simulate`], [`list`], [`verify`], [`restore`], [`alerts`], [`explain`], [`schema`], [`completions`], [`man`]
//!
//! Invariant: the program exits only with a code in [`exit`]; a closed pipe causes no panic.

pub mod alerts;
pub mod apply;
pub mod args;
pub mod check;
pub mod completions;
pub mod destination_notes;
pub mod exit;
pub mod explain;
pub mod file;
pub mod fmt;
pub mod graph;
pub mod history;
pub mod init;
pub mod list;
pub mod man;
pub mod notice_lines;
mod ops_file;
pub mod plan;
mod question;
pub mod restore;
pub mod schema;
pub mod serve;
pub mod simulate;
pub mod status;
mod suggestions;
pub mod terminal;
pub mod values;
pub mod verify;
pub mod why;

use crate::report::shared::output;
use crate::report::shared::style::Style;
use args::{Cli, CliCommand};
use clap::{CommandFactory, FromArgMatches};
use exit::{Exit, Failure};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use terminal::Terminal;

pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no message");
        let message = format!("internal error at {place}: {text}");
        let help = "please report this bug with the output of `opsrun --version`";
        output::to_stderr(&output::failure_text(&message, Some(help), Style::PLAIN));
    }));
    if let Err(failure) = exit::at_start() {
        failure.print(Style::PLAIN);
        return ExitCode::from(failure.exit);
    }
    let code = match parse() {
        Ok(cli) => panic::catch_unwind(AssertUnwindSafe(|| run(&cli))).unwrap_or(Exit::Software.into()),
        Err(mut error) => usage(&mut error),
    };
    ExitCode::from(code)
}

/// The arguments. An empty environment variable counts as unset.
fn parse() -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    if std::env::var_os("OPSRUN_STATE_DIR").is_some_and(|value| value.is_empty()) {
        command = without_state_variable(command);
    }
    let matches = command.try_get_matches()?;
    Cli::from_arg_matches(&matches)
}

fn without_state_variable(command: clap::Command) -> clap::Command {
    let unset = |arg: clap::Arg| match arg.get_id().as_str() {
        "state_dir" => arg.env(None::<&'static str>),
        _ => arg,
    };
    command.mut_args(unset).mut_subcommands(without_state_variable)
}

fn usage(error: &mut clap::Error) -> u8 {
    suggestions::add(error, std::env::args_os().skip(1));
    // A closed pipe is not an error.
    let _ = error.print();
    if error.exit_code() == 0 {
        Exit::Done.into()
    } else {
        Exit::Usage.into()
    }
}

fn run(cli: &Cli) -> u8 {
    let terminal = Terminal::detect(&cli.global);
    log(cli.global.verbose);
    let done = match &cli.command {
        CliCommand::Plan(args) => plan::run(args, &terminal),
        CliCommand::Apply(args) => apply::run(args, &terminal),
        CliCommand::Serve(args) => serve::run(args, &terminal),
        CliCommand::Check(args) => check::run(args, &terminal),
        CliCommand::Fmt(args) => fmt::run(args, &terminal),
        CliCommand::Init(args) => init::run(args, &terminal),
        CliCommand::Graph(args) => graph::run(args, &terminal),
        CliCommand::Status(args) => status::run(args, &terminal),
        CliCommand::History(args) => history::run(args, &terminal),
        CliCommand::Why(args) => why::run(args, &terminal),
        CliCommand::Simulate(args) => simulate::run(args, &terminal),
        CliCommand::List(args) => list::run(args, &terminal),
        CliCommand::Verify(args) => verify::run(args, &terminal),
        CliCommand::Restore(args) => restore::run(args, &terminal),
        CliCommand::Alerts(args) => alerts::run(&args.command, &terminal),
        CliCommand::Explain(args) => explain::run(args, &terminal),
        CliCommand::Schema(args) => schema::run(args),
        CliCommand::Completions(args) => completions::run(args),
        CliCommand::Man(args) => man::run(args, &terminal),
    };
    done.unwrap_or_else(|failure: Failure| {
        failure.print(terminal.err);
        failure.exit
    })
}

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
    // It can be set only once: here.
    let _ = tracing::subscriber::set_global_default(logger);
}
