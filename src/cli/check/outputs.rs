//! `check --format`: the requested formats, and where each is written.
//!
//! Invariant: no two formats go to the same place.

use super::super::args::{CheckArgs, FailOn, FindingsFormat, FormatOutput};
use super::super::exit::{Exit, Failure};
use super::super::terminal::Terminal;
use crate::path::shown;
use crate::report::findings::document::FindingsDocument;
use crate::report::findings::{github, junit, sarif};
use crate::report::shared::output;
use crate::report::shared::style::Style;
use clap::ValueEnum as _;
use clap::builder::PossibleValue;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Outputs {
    outputs: Vec<FormatOutput>,
    /// stdout is used for a diff or for the fixed text.
    taken: bool,
}

impl Outputs {
    pub(super) fn of(args: &CheckArgs, files: &[PathBuf]) -> Result<Self, Failure> {
        let mut outputs = args.format.clone();
        if outputs.is_empty() {
            outputs.push(FormatOutput {
                format: FindingsFormat::Text,
                path: None,
            });
        }
        let filtered = args.fix && files.iter().any(|file| file == Path::new("-"));
        let taken = args.diff || filtered;
        let usage = |message: String, help| Err(Failure::new(Exit::Usage, message, Some(help)));
        if filtered && args.diff {
            let message = "with `-`, `--fix` and `--diff` both print to stdout";
            return usage(message.to_owned(), "remove one of them");
        }
        if filtered && files.len() > 1 {
            let message = "`--fix -` cannot be combined with other files";
            return usage(message.to_owned(), "fix the other files with a separate command");
        }
        for (at, one) in outputs.iter().enumerate() {
            if taken && one.path.is_none() && one.format != FindingsFormat::Text {
                let format = one.format.to_possible_value();
                let format = format.as_ref().map_or("", PossibleValue::get_name);
                let message = format!("`--format {format}` cannot use stdout: the changes are printed there");
                return usage(message, "write it to a file: `--format json=findings.json`");
            }
            if outputs.iter().take(at).any(|other| other.path == one.path) {
                let path = one.path.as_deref();
                let place = path.map_or("stdout".to_owned(), |path| format!("`{}`", shown(path)));
                return usage(
                    format!("two formats are written to {place}"),
                    "use a different path for each: `--format text --format json=findings.json`",
                );
            }
        }
        Ok(Self { outputs, taken })
    }

    fn has_text(&self, in_file: bool) -> bool {
        let mut texts = self.outputs.iter().filter(|one| one.format == FindingsFormat::Text);
        texts.any(|one| one.path.is_some() == in_file)
    }

    pub(super) fn text_to_file(&self) -> bool {
        self.has_text(true)
    }

    /// The style and width of text on stdout or stderr, if it is wanted there.
    pub(super) fn page(&self, terminal: &Terminal) -> Option<(Style, usize)> {
        let page = if self.taken {
            (terminal.err, terminal.err_page())
        } else {
            (terminal.out, terminal.out_page())
        };
        self.has_text(false).then_some(page)
    }

    /// Prints text on stdout, or on stderr if stdout is used for the changes.
    pub(super) fn print(&self, text: &str) -> io::Result<()> {
        if self.taken {
            output::to_stderr(text);
            return Ok(());
        }
        output::to_stdout(text)
    }

    /// Writes everything except text on stdout or stderr, which is printed file by file.
    pub(super) fn write(&self, findings: &FindingsDocument, fail_on: FailOn, text: &str) -> Result<(), Failure> {
        for one in &self.outputs {
            let text = match one.format {
                FindingsFormat::Text if one.path.is_none() => continue,
                FindingsFormat::Text => text.to_owned(),
                FindingsFormat::Json => findings.json(),
                FindingsFormat::Github => github::text(findings),
                FindingsFormat::Sarif => sarif::text(findings),
                FindingsFormat::Junit => junit::text(findings, |severity| fail_on.fails(severity)),
            };
            match &one.path {
                None => output::to_stdout(&text)?,
                Some(path) => std::fs::write(path, text).map_err(|error| {
                    let message = format!("cannot write `{}`: {error}", shown(path));
                    let help = "give a path in an existing, writable directory";
                    Failure::new(Exit::CannotWrite, message, Some(help))
                })?,
            }
        }
        Ok(())
    }
}
