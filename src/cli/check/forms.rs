//! `check --format`: which forms are wanted, and where each goes.
//!
//! Takes the arguments, gives a plan of outputs and carries it out. Must not know what is in a form.
//! Invariant: no two forms go to one place, and stdout holds one thing only.

use super::super::args::{CheckArgs, FindingsFormat, Wanted};
use super::super::exit::{Exit, Failure};
use super::super::terminal::Terminal;
use crate::path::shown;
use crate::report::findings::{Checked, Failing, github, json, junit, sarif};
use crate::report::shared::output;
use crate::report::shared::style::Style;
use std::path::Path;

/// Where everything goes.
#[derive(Debug)]
pub(super) struct Forms {
    wanted: Vec<Wanted>,
    /// stdout belongs to a diff or to a mended text.
    taken: bool,
}

impl Forms {
    pub(super) fn of(args: &CheckArgs) -> Result<Self, Failure> {
        let mut wanted = args.format.clone();
        if wanted.is_empty() {
            wanted.push(Wanted {
                format: FindingsFormat::Text,
                path: None,
            });
        }
        let filtered = args.fix && args.files.iter().any(|file| file == Path::new("-"));
        let taken = args.diff || filtered;
        if filtered && args.diff {
            return Err(Failure::new(
                Exit::Usage,
                "with `-`, `--fix` writes the mended text to stdout, and `--diff` its changes",
                Some("leave one of them out"),
            ));
        }
        if filtered && args.files.len() > 1 {
            return Err(Failure::new(
                Exit::Usage,
                "`--fix -` writes one mended text to stdout",
                Some("name the other files in a call of their own"),
            ));
        }
        for (at, one) in wanted.iter().enumerate() {
            if taken && one.path.is_none() && one.format != FindingsFormat::Text {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("stdout holds the changes, so `{}` cannot go there", one.format.word()),
                    Some("write it to a file: `--format json=findings.json`"),
                ));
            }
            if wanted.iter().take(at).any(|other| other.path == one.path) {
                let place = one
                    .path
                    .as_deref()
                    .map_or("stdout".to_owned(), |path| format!("`{}`", shown(path)));
                return Err(Failure::new(
                    Exit::Usage,
                    format!("two formats go to {place}"),
                    Some("give each a place of its own: `--format text --format json=findings.json`"),
                ));
            }
        }
        Ok(Self { wanted, taken })
    }

    fn has_text(&self, in_file: bool) -> bool {
        let mut texts = self.wanted.iter().filter(|one| one.format == FindingsFormat::Text);
        texts.any(|one| one.path.is_some() == in_file)
    }

    pub(super) fn people_read_along(&self) -> bool {
        self.has_text(false)
    }

    /// Whether text for people goes to a file.
    pub(super) fn people_in_file(&self) -> bool {
        self.has_text(true)
    }

    pub(super) fn people_on_stderr(&self) -> bool {
        self.taken
    }

    pub(super) fn people_style(&self, terminal: &Terminal) -> Style {
        if self.taken { terminal.err } else { terminal.out }
    }

    pub(super) fn page(&self, terminal: &Terminal) -> usize {
        if self.taken {
            terminal.err_page()
        } else {
            terminal.out_page()
        }
    }

    /// Writes all that was not said on the way.
    pub(super) fn write(&self, checked: &Checked, failing: Failing, people: &str) -> Result<(), Failure> {
        for one in &self.wanted {
            let text = match one.format {
                FindingsFormat::Text if one.path.is_none() => continue,
                FindingsFormat::Text => people.to_owned(),
                FindingsFormat::Json => json::text(checked),
                FindingsFormat::Github => github::text(checked),
                FindingsFormat::Sarif => sarif::text(checked),
                FindingsFormat::Junit => junit::text(checked, failing),
            };
            match &one.path {
                None => output::to_stdout(&text)?,
                Some(path) => std::fs::write(path, text).map_err(|error| {
                    Failure::new(
                        Exit::CannotWrite,
                        format!("cannot write `{}`: {error}", shown(path)),
                        Some("name a file in a directory that exists and can be written"),
                    )
                })?,
            }
        }
        Ok(())
    }
}
