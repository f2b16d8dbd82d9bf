//! `opsrun check`: validates ops files, and mends them when asked to.
//!
//! Takes files or stdin, gives the findings in every form that was asked for; on stdout, since here they are the data.
//! `forms` says where each form goes, `fix` is `--fix` and `--diff`.
//! Must not touch anything but the files, and with `--host` only looks at what else they name.
//! Invariant: every file is looked at, whatever is wrong with the others; a document of a program is one over all.

mod fix;
mod forms;

use super::args::{CheckArgs, FailOn};
use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::clock;
use crate::config::{self, CheckOptions, Loaded};
use crate::path::shown;
use crate::report::findings::explain;
use crate::report::findings::{Checked, Failing};
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::report::shared::style::Style;
use crate::units::plural;
use forms::Forms;
use std::io::Read;
use std::path::Path;

/// Width of text that goes to a file.
const PAGE: usize = 100;

pub fn run(args: &CheckArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let forms = Forms::of(args)?;
    let failing = match args.fail_on {
        FailOn::Error => Failing::Errors,
        FailOn::Warning => Failing::Warnings,
        FailOn::Never => Failing::Nothing,
    };
    let look = CheckOptions {
        now: clock::now(),
        host: args.host,
    };
    let mut fixer = fix::Fixer::new(args, terminal, look);
    let mut exit: u8 = Exit::Done.into();
    let mut checked = Checked::default();
    let mut people = String::new();
    let mut unasked = 0;
    let mut codes = Vec::new();
    for file in &args.files {
        let looked = text_of(file, &args.stdin_name).and_then(|(name, text)| {
            let (loaded, failure) = if fixer.is_wanted() {
                fixer.run(file, name, text)?
            } else {
                (config::check(name, text, look), None)
            };
            Ok((name, loaded, failure))
        });
        let (name, loaded, failure) = match looked {
            Ok(found) => found,
            Err(failure) => {
                output::failure(&failure.message, failure.help.as_deref(), terminal.err);
                exit = exit.max(failure.exit);
                checked.unread(file, &failure.message, failure.help.as_deref());
                continue;
            }
        };
        if let Some(failure) = failure {
            output::failure(&failure.message, failure.help.as_deref(), terminal.err);
            exit = exit.max(failure.exit);
        }
        unasked += loaded.unasked;
        codes.extend(loaded.findings.iter().map(|finding| finding.code));
        if forms.people_read_along() {
            let text = text(
                name,
                &loaded,
                terminal,
                forms.people_style(terminal),
                forms.page(terminal),
            );
            if forms.people_on_stderr() {
                output::to_stderr(&text);
            } else {
                output::to_stdout(&text)?;
            }
        }
        if forms.people_in_file() {
            people += &text(name, &loaded, terminal, Style::PLAIN, PAGE);
        }
        if !fixer.only_shows() && loaded.findings.iter().any(|finding| failing.fails(finding.severity)) {
            exit = exit.max(Exit::Failed.into());
        }
        checked.add(name, &loaded);
    }
    let closing = |style: Style| {
        let mut lines = explain::pointer(codes.iter().copied(), style);
        if unasked > 0 && terminal.detail > Detail::Quiet {
            let note = "not looked at: variables, programs and paths of this host; `--host` does";
            lines += &(style.dim(note) + "\n");
        }
        lines
    };
    if forms.people_read_along() {
        let lines = closing(forms.people_style(terminal));
        if forms.people_on_stderr() {
            output::to_stderr(&lines);
        } else {
            output::to_stdout(&lines)?;
        }
    }
    if forms.people_in_file() {
        people += &closing(Style::PLAIN);
    }
    forms.write(&checked, failing, &people)?;
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

/// What people are told of one file.
fn text(name: &Path, loaded: &Loaded, terminal: &Terminal, style: Style, width: usize) -> String {
    let mut text = loaded.render(style.is_color(), width);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if loaded.errors() > 0 || terminal.detail > Detail::Quiet {
        text = text + &verdict(name, loaded, style) + "\n";
    }
    text
}

fn verdict(name: &Path, loaded: &Loaded, style: Style) -> String {
    let warnings = match loaded.warnings() as u64 {
        0 => String::new(),
        n => format!(", {}", style.warn(plural(n, "warning", "warnings"))),
    };
    let fixable = match loaded.findings.iter().filter(|finding| finding.fix.is_some()).count() {
        0 => String::new(),
        n => format!("; `--fix` mends {n}"),
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
