//! What `check` found, for programs: JSON, annotations of GitHub, SARIF, JUnit.
//!
//! Takes files that were read ([`Loaded`]) and those that could not be, gives one [`Checked`] of plain values over all of
//! them; each form is a function of it. The form for people is `config`'s own, since it draws the text.
//! - [`json`]: everything, as `schemas/findings.schema.json` has it · [`sarif`]: SARIF 2.1.0
//! - [`github`]: workflow commands · [`junit`]: one suite a file, one case a finding
//! - [`diff`]: what `--fix` changes · [`explain`]: pages about findings
//!
//! Invariant: every text here is one line without control characters, and none holds a secret: what stands under a
//! span is taken as it is drawn, and a fix that would write a secret is left out.

pub mod diff;
pub mod explain;
pub mod github;
pub mod json;
pub mod junit;
pub mod sarif;

use crate::config::Loaded;
use crate::config::findings::{Code, Finding, FindingSeverity};
use crate::config::source::Location;
use crate::path::shown;
use crate::report::shared::style::one_line;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// From where on a finding makes a check fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    Errors,
    Warnings,
    Nothing,
}

impl Failing {
    /// Whether one of that severity does.
    #[must_use]
    pub fn fails(self, severity: FindingSeverity) -> bool {
        match self {
            Self::Errors => severity == FindingSeverity::Error,
            Self::Warnings => true,
            Self::Nothing => false,
        }
    }
}

/// All that one `check` looked at.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The files that were named and read, in that order.
    pub files: Vec<CheckedFile>,
    /// Those that could not be read.
    pub unread: Vec<Unread>,
    /// In the order of the files, within a file by offset. What two root files import is found once.
    pub rows: Vec<Row>,
    seen: HashSet<(String, usize, usize, Code, String)>,
    alike: HashMap<(Code, String, String), usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFile {
    pub name: String,
    pub valid: bool,
    pub errors: usize,
    /// Warnings in it and its imports.
    pub warnings: usize,
    /// The files that were read for it, itself first.
    pub read: Vec<String>,
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub name: String,
    pub message: String,
    pub help: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub code: Code,
    pub severity: FindingSeverity,
    pub message: String,
    pub place: Location,
    /// What to say of that place; may be empty.
    pub label: String,
    /// What stands there, as far as it may be shown.
    pub snippet: String,
    /// Which one it is of those of its kind that stand at the same text in the same file.
    pub occurrence: usize,
    /// Other places that matter, and what to say of them.
    pub related: Vec<(Location, String)>,
    pub help: Option<String>,
    pub fix: Option<RowFix>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFix {
    pub title: String,
    /// Which stretches are replaced, by what.
    pub edits: Vec<(Location, String)>,
}

impl Checked {
    pub fn add(&mut self, name: &Path, loaded: &Loaded) {
        self.files.push(CheckedFile {
            name: shown(name).to_string(),
            valid: loaded.errors() == 0,
            errors: loaded.errors(),
            warnings: loaded.warnings(),
            read: loaded.files().map(str::to_owned).collect(),
        });
        for finding in &loaded.findings {
            let Some(mut row) = row(finding, loaded) else {
                continue;
            };
            let place = &row.place;
            let key = (
                place.file.clone(),
                place.start,
                place.end,
                row.code,
                row.message.clone(),
            );
            if self.seen.insert(key) {
                let alike = (row.code, row.place.file.clone(), row.snippet.clone());
                let count = self.alike.entry(alike).or_default();
                row.occurrence = *count;
                *count += 1;
                self.rows.push(row);
            }
        }
    }

    /// Adds one that could not be read.
    pub fn unread(&mut self, name: &Path, message: &str, help: Option<&str>) {
        self.unread.push(Unread {
            name: shown(name).to_string(),
            message: one_line(message),
            help: help.map(one_line),
        });
    }

    /// How many findings there are of a severity.
    #[must_use]
    pub fn count(&self, severity: FindingSeverity) -> usize {
        self.rows.iter().filter(|row| row.severity == severity).count()
    }

    /// Every file that was read, each once, in order.
    #[must_use]
    pub fn all_files(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let files = self.files.iter().flat_map(|file| &file.read).map(String::as_str);
        files.filter(|name| seen.insert(*name)).collect()
    }
}

/// Longest text of a place that is told.
const LONGEST_SNIPPET: usize = 200;

fn row(finding: &Finding, loaded: &Loaded) -> Option<Row> {
    let place = |span| loaded.place(span);
    let (first, others) = finding.labels.split_first()?;
    let mut snippet = one_line(loaded.text(first.span).trim());
    if let Some((cut, _)) = snippet.char_indices().nth(LONGEST_SNIPPET) {
        snippet.truncate(cut);
    }
    let fix = finding.fix.as_ref().filter(|fix| !fix.secret).and_then(|fix| {
        let edits = fix.edits.iter().map(|(span, text)| Some((place(*span)?, text.clone())));
        Some(RowFix {
            title: one_line(&fix.title),
            edits: edits.collect::<Option<_>>()?,
        })
    });
    let related = others
        .iter()
        .filter_map(|label| Some((place(label.span)?, one_line(&label.text))));
    Some(Row {
        code: finding.code,
        severity: finding.severity,
        message: one_line(&finding.message),
        place: place(first.span)?,
        label: one_line(&first.text),
        snippet,
        occurrence: 0,
        related: related.collect(),
        help: finding.help.as_deref().map(one_line),
        fix,
    })
}

fn word(severity: FindingSeverity) -> &'static str {
    match severity {
        FindingSeverity::Error => "error",
        FindingSeverity::Warning => "warning",
    }
}

/// Message, label and help, a line each.
fn prose(row: &Row) -> Vec<String> {
    let mut lines = vec![row.message.clone()];
    if !row.label.is_empty() {
        lines = vec![format!("{}: {}", row.message, row.label)];
    }
    lines.extend(row.help.iter().map(|help| format!("help: {help}")));
    lines
}
