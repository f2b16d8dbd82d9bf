//! `opsrun completions`: a completion script for a shell.
//!
//! Invariant: the script is generated from the arguments themselves.

use super::args::{Cli, CompletionsArgs};
use super::exit::{Exit, Failure};
use crate::report::shared::output;
use clap::CommandFactory;

pub fn run(args: &CompletionsArgs) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "opsrun", &mut script);
    output::to_stdout(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done.into())
}
