//! `opsrun schema`: the language of ops files and the forms of our output, as JSON.
//!
//! Takes a name, gives JSON on stdout. Reads no file.
//! Invariant: what is printed stands in `schemas/` of the source, too.

use super::args::SchemaArgs;
use super::exit::{Exit, Failure};
use crate::report::schemas;
use crate::report::shared::output;

pub fn run(args: &SchemaArgs) -> Result<u8, Failure> {
    let json = schemas::json(&args.of);
    let json = json.map_err(|error| Failure::of(Exit::Software.into(), &error, None))?;
    // clap lets no other name through.
    output::to_stdout(&json.unwrap_or_default())?;
    Ok(Exit::Done.into())
}
