//! `opsrun check`: validates ops files, and fixes them on request.
//!
//! The findings are the data: they go to stdout. `outputs` decides where each format goes, `fix` implements `--fix` and
//! `--diff`.
//! Invariant: every file is checked, even if others are invalid; JSON, SARIF and JUnit cover all files in one document.

mod fix;
mod outputs;

use super::args::CheckArgs;
use super::exit::{Exit, Failure};
use super::file::read;
use super::ops_file;
use super::terminal::{DEFAULT_WIDTH, Terminal};
use crate::clock;
use crate::config::{self, CheckOptions, Loaded};
use crate::launch::state_place;
use crate::path::shown;
use crate::report::findings::document::FindingsDocument;
use crate::report::findings::explain;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::report::shared::style::Style;
use crate::units::plural;
use outputs::Outputs;
use std::path::Path;

pub fn run(args: &CheckArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let files = ops_file::paths(&args.files, &args.file)?;
    let outputs = Outputs::of(args, &files)?;
    // With `--diff` alone the exit code depends on the changes only.
    let only_shows = args.diff && !args.fix;
    let options = CheckOptions {
        now: clock::now(),
        host: args.host,
    };
    let mut fixer = fix::Fixer::new(args, terminal, options);
    let mut exit: u8 = Exit::Done.into();
    let mut findings = FindingsDocument::default();
    let mut file_text = String::new();
    let mut unasked = 0;
    let mut zone_data = None;
    let mut codes = Vec::new();
    for file in &files {
        let name = if file == Path::new("-") { &args.stdin_name } else { file };
        let checked = read(file).and_then(|text| {
            if args.fix || args.diff {
                fixer.run(file, name, text)
            } else {
                Ok((config::check(name, text, options), None))
            }
        });
        let (loaded, failure) = match checked {
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
        if let Some(model) = loaded.model.as_ref().filter(|_| args.host) {
            zone_data = Some(model.ops.zone_data.to_string());
        }
        if terminal.detail > Detail::Quiet {
            output::to_stderr(&earlier_state(&loaded, terminal));
        }
        codes.extend(loaded.findings.iter().map(|finding| finding.code));
        if let Some((style, width)) = outputs.page(terminal) {
            outputs.print(&text(name, &loaded, terminal, style, width))?;
        }
        if outputs.text_to_file() {
            file_text += &text(name, &loaded, terminal, Style::PLAIN, DEFAULT_WIDTH);
        }
        if !only_shows
            && loaded
                .findings
                .iter()
                .any(|finding| args.fail_on.fails(finding.severity))
        {
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
        if let Some(zone_data) = zone_data.as_ref().filter(|_| terminal.detail > Detail::Quiet) {
            lines += &(style.dim(format!("time zones {zone_data}")) + "\n");
        }
        lines
    };
    if let Some((style, _)) = outputs.page(terminal) {
        outputs.print(&closing(style))?;
    }
    if outputs.text_to_file() {
        file_text += &closing(Style::PLAIN);
    }
    outputs.write(&findings, args.fail_on, &file_text)?;
    if only_shows && fixer.found {
        exit = exit.max(Exit::Failed.into());
    }
    Ok(exit)
}

/// What to know of a state that an earlier version left; empty when there is nothing.
fn earlier_state(loaded: &Loaded, terminal: &Terminal) -> String {
    match loaded.model.as_ref().map(|model| state_place::earlier(&model.ops)) {
        None | Some(Ok(None)) => String::new(),
        Some(Ok(Some(place))) => state_place::note(&place),
        Some(Err(several)) => {
            let warning = terminal.err.warn("warning:");
            format!("{warning} {several}\n  help: {}\n", several.help())
        }
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
        let mut jobs: Vec<String> = some.map(|(n, one, many)| plural(*n as u64, one, many)).collect();
        if jobs.is_empty() {
            jobs.push("no jobs".to_owned());
        }
        let jobs = jobs.join(", ");
        return format!("{}: {}{warnings} ({jobs}){fixable}", shown(name), style.good("ok"));
    }
    let errors = plural(loaded.errors() as u64, "error", "errors");
    format!("{}: {}{warnings}{fixable}", shown(name), style.bad(errors))
}
