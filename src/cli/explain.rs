//! `opsrun explain`: what a finding means, why it matters, and how it looks wrong and right.
//!
//! Takes codes or slugs, gives their pages on stdout; without any the list of all. Reads no file.
//! Invariant: one name that is unknown, and nothing is printed but what to type instead.

use super::args::ExplainArgs;
use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::config::findings::Code;
use crate::config::findings::explain::find;
use crate::report::findings::explain;
use crate::report::shared::output;

pub fn run(args: &ExplainArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let codes = args.codes.iter().map(|typed| known(typed));
    let mut codes = codes.collect::<Result<Vec<Code>, Failure>>()?;
    let mut seen = Vec::new();
    codes.retain(|code| {
        let new = !seen.contains(code);
        seen.push(*code);
        new
    });
    output::to_stdout(&if codes.is_empty() {
        explain::codes(terminal.out, terminal.out_width)
    } else {
        explain::pages(&codes, terminal.out, terminal.out_width)
    })?;
    Ok(Exit::Done.into())
}

fn known(typed: &str) -> Result<Code, Failure> {
    find(typed).map_err(|near| {
        let help = match near {
            Some(near) => format!("did you mean `opsrun explain {near}` ({})?", near.slug()),
            None => "`opsrun explain` lists all codes".to_owned(),
        };
        Failure::new(Exit::Usage, format!("no finding is called `{typed}`"), Some(&help))
    })
}
