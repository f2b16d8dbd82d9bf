//! `opsrun check`: validates ops files.
//!
//! Takes files or stdin, gives the findings on stdout, since here they are the data, and a verdict a file.
//! Must not touch anything but the files.
//! Invariant: every file is looked at, whatever is wrong with the others.

use super::args::{CheckArgs, FailOn};
use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::config::{self, Loaded};
use crate::path::shown;
use crate::report::lines::Detail;
use crate::report::output;
use crate::units::plural;
use std::io::Read;
use std::path::Path;

/// Runs it.
pub fn run(args: &CheckArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let mut exit: u8 = Exit::Done.into();
    for file in &args.files {
        let (name, loaded) = match load(file, &args.stdin_name) {
            Ok(found) => found,
            Err(failure) => {
                output::failure(&failure.message, failure.help.as_deref(), terminal.err);
                exit = exit.max(failure.exit);
                continue;
            }
        };
        let (errors, warnings) = (loaded.errors() as u64, loaded.warnings() as u64);
        let mut text = loaded.render(terminal.out.is_color(), terminal.out_page());
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        if errors > 0 || terminal.detail > Detail::Quiet {
            text = text + &verdict(name, &loaded, terminal) + "\n";
        }
        output::to_stdout(&text)?;
        if errors > 0 || (warnings > 0 && args.fail_on == FailOn::Warning) {
            exit = exit.max(Exit::Failed.into());
        }
    }
    Ok(exit)
}

fn load<'a>(file: &'a Path, stdin_name: &'a Path) -> Result<(&'a Path, Loaded), Failure> {
    if file != Path::new("-") {
        return Ok((file, config::load(file)?));
    }
    let mut text = Vec::new();
    match std::io::stdin().lock().read_to_end(&mut text) {
        Ok(_) => Ok((stdin_name, config::load_text(stdin_name, text))),
        Err(error) => Err(Failure::new(Exit::NoInput, format!("cannot read stdin: {error}"), None)),
    }
}

fn verdict(name: &Path, loaded: &Loaded, terminal: &Terminal) -> String {
    let style = terminal.out;
    let warnings = match loaded.warnings() as u64 {
        0 => String::new(),
        n => format!(", {}", style.warn(plural(n, "warning", "warnings"))),
    };
    if let Some(model) = &loaded.model {
        let kinds = [
            (model.checks.len(), "check", "checks"),
            (model.targets.len(), "target", "targets"),
            (model.backups.len(), "backup", "backups"),
            (model.retentions.len(), "retention", "retentions"),
        ];
        let some = kinds.iter().filter(|(n, ..)| *n > 0);
        let jobs: Vec<String> = some.map(|(n, one, many)| plural(*n as u64, one, many)).collect();
        let jobs = if jobs.is_empty() {
            "no jobs".to_owned()
        } else {
            jobs.join(", ")
        };
        return format!("{}: {}{warnings} ({jobs})", shown(name), style.good("ok"));
    }
    let errors = plural(loaded.errors() as u64, "error", "errors");
    format!("{}: {}{warnings}", shown(name), style.bad(errors))
}
