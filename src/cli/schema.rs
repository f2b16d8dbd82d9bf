//! `opsrun schema`: the language of ops files, and the schemas of all JSON outputs.
//!
//! Takes a name, gives JSON on stdout. Reads no file.
//! Invariant: the output is also in `schemas/` of the source.

use super::args::SchemaArgs;
use super::exit::{Exit, Failure};
use crate::report::schemas;
use crate::report::shared::output;

pub fn run(args: &SchemaArgs) -> Result<u8, Failure> {
    // clap accepts known names only.
    output::to_stdout(schemas::json(&args.name).unwrap_or_default())?;
    Ok(Exit::Done.into())
}
