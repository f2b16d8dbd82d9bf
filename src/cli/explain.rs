//! `opsrun explain`: what a finding means, why it matters, and examples of wrong and right.
//!
//! Invariant: with an unknown name, nothing is printed but a suggestion.

use super::args::ExplainArgs;
use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::config::findings::Code;
use crate::config::findings::explain::find;
use crate::report::findings::explain;
use crate::report::shared::output;

pub fn run(args: &ExplainArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let mut codes = Vec::new();
    for typed in &args.codes {
        let code = known(typed)?;
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
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
            None => "to list all codes, run `opsrun explain`".to_owned(),
        };
        Failure::new(Exit::Usage, format!("unknown finding `{typed}`"), Some(&help))
    })
}
