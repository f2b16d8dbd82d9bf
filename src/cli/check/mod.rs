//! `opsrun check`: validates ops files, and fixes them on request.
//!
//! Takes files or stdin, gives the findings in every requested format; on stdout, since they are the data. `outputs`
//! decides where each format goes, `fix` implements `--fix` and `--diff`. Changes only the files; `--host` only reads.
//! Invariant: every file is checked, even if others are invalid; JSON, SARIF and JUnit cover all files in one document.

mod fix;
mod outputs;

use super::args::{CheckArgs, FailOn};
use super::exit::{Exit, Failure};
use super::terminal::{DEFAULT_WIDTH, Terminal};
use crate::clock;
use crate::config::{self, CheckOptions, Loaded};
use crate::path::shown;
use crate::report::findings::document::{FailureLevel, FindingsDocument};
use crate::report::findings::explain;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::report::shared::style::Style;
use crate::units::plural;
use outputs::Outputs;
use std::io::Read;
use std::path::Path;

pub fn run(args: &CheckArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let outputs = Outputs::of(args)?;
    let failing = match args.fail_on {
        FailOn::Error => FailureLevel::Errors,
        FailOn::Warning => FailureLevel::Warnings,
        FailOn::Never => FailureLevel::Never,
    };
    let options = CheckOptions {
        now: clock::now(),
        host: args.host,
    };
    let mut fixer = fix::Fixer::new(args, terminal, options);
    let mut exit: u8 = Exit::Done.into();
    let mut findings = FindingsDocument::default();
    let mut file_text = String::new();
    let mut unasked = 0;
    let mut codes = Vec::new();
    for file in &args.files {
        let looked = text_of(file, &args.stdin_name).and_then(|(name, text)| {
            let (loaded, failure) = if fixer.is_wanted() {
                fixer.run(file, name, text)?
            } else {
                (config::check(name, text, options), None)
            };
            Ok((name, loaded, failure))
        });
        let (name, loaded, failure) = match looked {
            Ok(found) => found,
            Err(failure) => {
                failure.print(terminal.err);
                exit = exit.max(failure.exit);
                findings.add_unread(file, &failure.message, failure.help.as_deref());
                continue;
            }
        };
        if let Some(failure) = failure {
            failure.print(terminal.err);
            exit = exit.max(failure.exit);
        }
        unasked += loaded.unasked;
        codes.extend(loaded.findings.iter().map(|finding| finding.code));
        if outputs.text_to_terminal() {
            let text = text(
                name,
                &loaded,
                terminal,
                outputs.text_style(terminal),
                outputs.text_width(terminal),
            );
            if outputs.text_to_stderr() {
                output::to_stderr(&text);
            } else {
                output::to_stdout(&text)?;
            }
        }
        if outputs.text_to_file() {
            file_text += &text(name, &loaded, terminal, Style::PLAIN, DEFAULT_WIDTH);
        }
        if !fixer.only_shows() && loaded.findings.iter().any(|finding| failing.fails(finding.severity)) {
            exit = exit.max(Exit::Failed.into());
        }
        findings.add(name, &loaded);
    }
    let closing = |style: Style| {
        let mut lines = explain::pointer(codes.iter().copied(), style);
        if unasked > 0 && terminal.detail > Detail::Quiet {
            let note = "not checked: variables, programs and paths of this host; to check them, add `--host`";
            lines += &(style.dim(note) + "\n");
        }
        lines
    };
    if outputs.text_to_terminal() {
        let lines = closing(outputs.text_style(terminal));
        if outputs.text_to_stderr() {
            output::to_stderr(&lines);
        } else {
            output::to_stdout(&lines)?;
        }
    }
    if outputs.text_to_file() {
        file_text += &closing(Style::PLAIN);
    }
    outputs.write(&findings, failing, &file_text)?;
    if fixer.only_shows() && fixer.has_found() {
        exit = exit.max(Exit::Failed.into());
    }
    Ok(exit)
}

/// The name and the bytes of a file, or of stdin.
fn text_of<'a>(file: &'a Path, stdin_name: &'a Path) -> Result<(&'a Path, Vec<u8>), Failure> {
    if file != Path::new("-") {
        return Ok((file, config::text_of(file)?));
    }
    let mut text = Vec::new();
    match std::io::stdin().lock().read_to_end(&mut text) {
        Ok(_) => Ok((stdin_name, text)),
        Err(error) => Err(Failure::new(Exit::NoInput, format!("cannot read stdin: {error}"), None)),
    }
}

/// The findings of one file, and a summary.
fn text(name: &Path, loaded: &Loaded, terminal: &Terminal, style: Style, width: usize) -> String {
    let mut text = loaded.render(style.is_color(), width);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if loaded.errors() > 0 || terminal.detail > Detail::Quiet {
        text = text + &summary(name, loaded, style) + "\n";
    }
    text
}

fn summary(name: &Path, loaded: &Loaded, style: Style) -> String {
    let warnings = match loaded.warnings() as u64 {
        0 => String::new(),
        n => format!(", {}", style.warn(plural(n, "warning", "warnings"))),
    };
    let fixable = match loaded.findings.iter().filter(|finding| finding.fix.is_some()).count() {
        0 => String::new(),
        n => format!("; {n} fixable with `--fix`"),
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
        return format!("{}: {}{warnings} ({jobs}){fixable}", shown(name), style.good("ok"));
    }
    let errors = plural(loaded.errors() as u64, "error", "errors");
    format!("{}: {}{warnings}{fixable}", shown(name), style.bad(errors))
}
