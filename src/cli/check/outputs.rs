//! `check --format`: the requested formats, and where each is written.
//!
//! Takes the arguments, gives the outputs and writes them.
//! Invariant: no two formats go to the same place.

use super::super::args::{CheckArgs, FindingsFormat, FormatOutput};
use super::super::exit::{Exit, Failure};
use super::super::terminal::Terminal;
use crate::path::shown;
use crate::report::findings::document::{FailureLevel, FindingsDocument};
use crate::report::findings::{github, junit, sarif};
use crate::report::shared::output;
use crate::report::shared::style::Style;
use std::path::Path;

#[derive(Debug)]
pub(super) struct Outputs {
    outputs: Vec<FormatOutput>,
    /// stdout is used for a diff or for the fixed text.
    taken: bool,
}

impl Outputs {
    pub(super) fn of(args: &CheckArgs) -> Result<Self, Failure> {
        let mut outputs = args.format.clone();
        if outputs.is_empty() {
            outputs.push(FormatOutput {
                format: FindingsFormat::Text,
                path: None,
            });
        }
        let filtered = args.fix && args.files.iter().any(|file| file == Path::new("-"));
        let taken = args.diff || filtered;
        if filtered && args.diff {
            return Err(Failure::new(
                Exit::Usage,
                "with `-`, `--fix` and `--diff` both print to stdout",
                Some("remove one of them"),
            ));
        }
        if filtered && args.files.len() > 1 {
            return Err(Failure::new(
                Exit::Usage,
                "`--fix -` cannot be combined with other files",
                Some("fix the other files with a separate command"),
            ));
        }
        for (at, one) in outputs.iter().enumerate() {
            if taken && one.path.is_none() && one.format != FindingsFormat::Text {
                return Err(Failure::new(
                    Exit::Usage,
                    format!(
                        "`--format {}` cannot use stdout: the changes are printed there",
                        one.format.word()
                    ),
                    Some("write it to a file: `--format json=findings.json`"),
                ));
            }
            if outputs.iter().take(at).any(|other| other.path == one.path) {
                let place = one
                    .path
                    .as_deref()
                    .map_or("stdout".to_owned(), |path| format!("`{}`", shown(path)));
                return Err(Failure::new(
                    Exit::Usage,
                    format!("two formats are written to {place}"),
                    Some("use a different path for each: `--format text --format json=findings.json`"),
                ));
            }
        }
        Ok(Self { outputs, taken })
    }

    fn has_text(&self, in_file: bool) -> bool {
        let mut texts = self.outputs.iter().filter(|one| one.format == FindingsFormat::Text);
        texts.any(|one| one.path.is_some() == in_file)
    }

    pub(super) fn text_to_terminal(&self) -> bool {
        self.has_text(false)
    }

    pub(super) fn text_to_file(&self) -> bool {
        self.has_text(true)
    }

    pub(super) fn text_to_stderr(&self) -> bool {
        self.taken
    }

    pub(super) fn text_style(&self, terminal: &Terminal) -> Style {
        if self.taken { terminal.err } else { terminal.out }
    }

    pub(super) fn text_width(&self, terminal: &Terminal) -> usize {
        if self.taken {
            terminal.err_page()
        } else {
            terminal.out_page()
        }
    }

    /// Writes everything except text on stdout or stderr, which is printed file by file.
    pub(super) fn write(&self, findings: &FindingsDocument, failing: FailureLevel, text: &str) -> Result<(), Failure> {
        for one in &self.outputs {
            let text = match one.format {
                FindingsFormat::Text if one.path.is_none() => continue,
                FindingsFormat::Text => text.to_owned(),
                FindingsFormat::Json => findings.json(),
                FindingsFormat::Github => github::text(findings),
                FindingsFormat::Sarif => sarif::text(findings),
                FindingsFormat::Junit => junit::text(findings, failing),
            };
            match &one.path {
                None => output::to_stdout(&text)?,
                Some(path) => std::fs::write(path, text).map_err(|error| {
                    Failure::new(
                        Exit::CannotWrite,
                        format!("cannot write `{}`: {error}", shown(path)),
                        Some("give a path in an existing, writable directory"),
                    )
                })?,
            }
        }
        Ok(())
    }
}
