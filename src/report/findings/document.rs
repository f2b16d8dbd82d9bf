//! The findings of one `check`, as JSON and as the source of the other formats.
//!
//! Takes files that were read ([`Loaded`]) and those that could not be, gives one document over all of them; its JSON
//! Schema is `schemas/findings.schema.json`, and a test compares the two.
//! Invariant: every text is one line without control characters, and none contains a secret: text under a span is taken
//! from the excerpt, and a fix that would write a secret is left out. Lines and columns count from one, columns count
//! characters; offsets count bytes from zero.

use crate::config::Loaded;
use crate::config::findings::{Code, Finding, FindingSeverity};
use crate::config::source::Location;
use crate::path::shown;
use crate::report::shared::output;
use crate::report::shared::style::one_line;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::path::Path;

pub const FORMAT: u32 = 1;

/// The severities at which a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureLevel {
    Errors,
    Warnings,
    Never,
}

impl FailureLevel {
    pub fn fails(self, severity: FindingSeverity) -> bool {
        match self {
            Self::Errors => severity == FindingSeverity::Error,
            Self::Warnings => true,
            Self::Never => false,
        }
    }
}

/// The findings of one `check`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun findings, format 1"))]
pub struct FindingsDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// Version of opsrun.
    pub opsrun: String,
    /// Errors in all files.
    pub errors: u64,
    /// Warnings in all files.
    pub warnings: u64,
    /// The files that were given and could be read, in that order.
    pub files: Vec<FileDocument>,
    /// The files that could not be read.
    pub unread: Vec<UnreadDocument>,
    /// In the order of the files, within a file by offset.
    pub findings: Vec<FindingDocument>,
    /// What two files import is found once.
    #[serde(skip)]
    seen: HashSet<(String, u64, u64, Code, String)>,
    #[serde(skip)]
    alike: HashMap<(Code, String, String), usize>,
}

/// A file that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileDocument {
    /// Its name as given.
    pub file: String,
    /// Whether opsrun can use it.
    pub valid: bool,
    /// Errors in the file and its imports.
    pub errors: u64,
    /// Warnings in the file and its imports.
    pub warnings: u64,
    /// The files that it imports.
    pub imports: Vec<String>,
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnreadDocument {
    /// Its name as given.
    pub file: String,
    /// Why it could not be read.
    pub message: String,
    /// What to try next.
    pub help: Option<String>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FindingDocument {
    /// `OPS2001`: its meaning never changes.
    pub code: String,
    /// `unknown-node`: the name used by `allow`.
    pub slug: String,
    /// `error` or `warning`.
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub place: PlaceDocument,
    /// A remark about the place; may be empty.
    pub label: String,
    /// Other relevant places.
    pub related: Vec<RelatedDocument>,
    /// What to write instead.
    pub help: Option<String>,
    /// The same as edits, if they are mechanical and safe: what `--fix` does.
    pub fix: Option<FixDocument>,
    #[serde(skip)]
    pub kind: Code,
    #[serde(skip)]
    pub level: FindingSeverity,
    /// The text at the place, as far as it may be shown.
    #[serde(skip)]
    pub snippet: String,
    /// Its number among the findings with the same code and snippet in the same file.
    #[serde(skip)]
    pub occurrence: usize,
}

/// A range in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlaceDocument {
    /// The file.
    pub file: String,
    /// Its first line, from 1.
    pub line: u64,
    /// Its first character in that line, from 1.
    pub column: u64,
    /// Its last line.
    pub end_line: u64,
    /// One past its last character.
    pub end_column: u64,
    /// Its first byte in the file, from 0.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
}

/// Another relevant place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RelatedDocument {
    /// Where.
    pub place: PlaceDocument,
    /// A remark about it.
    pub label: String,
}

/// Edits that fix a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FixDocument {
    /// What it does.
    pub title: String,
    /// To be applied together, in order; they do not overlap.
    pub edits: Vec<EditDocument>,
}

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EditDocument {
    /// The range to replace; empty if `start` is `end`.
    pub place: PlaceDocument,
    /// The new text.
    pub text: String,
}

impl Default for FindingsDocument {
    fn default() -> Self {
        Self {
            format: FORMAT,
            opsrun: env!("CARGO_PKG_VERSION").to_owned(),
            errors: 0,
            warnings: 0,
            files: Vec::new(),
            unread: Vec::new(),
            findings: Vec::new(),
            seen: HashSet::new(),
            alike: HashMap::new(),
        }
    }
}

impl FindingsDocument {
    pub fn add(&mut self, name: &Path, loaded: &Loaded) {
        self.files.push(FileDocument {
            file: shown(name).to_string(),
            valid: loaded.errors() == 0,
            errors: loaded.errors() as u64,
            warnings: loaded.warnings() as u64,
            imports: loaded.files().skip(1).map(str::to_owned).collect(),
        });
        for mut found in loaded.findings.iter().filter_map(|finding| document(finding, loaded)) {
            let place = &found.place;
            let (code, file) = (found.kind, place.file.clone());
            let key = (file.clone(), place.start, place.end, code, found.message.clone());
            if self.seen.insert(key) {
                let count = self.alike.entry((code, file, found.snippet.clone())).or_default();
                found.occurrence = *count;
                *count += 1;
                match found.level {
                    FindingSeverity::Error => self.errors += 1,
                    FindingSeverity::Warning => self.warnings += 1,
                }
                self.findings.push(found);
            }
        }
    }

    pub fn add_unread(&mut self, name: &Path, message: &str, help: Option<&str>) {
        self.unread.push(UnreadDocument {
            file: shown(name).to_string(),
            message: one_line(message),
            help: help.map(one_line),
        });
    }

    /// Every file that was read, each once, in order.
    pub fn all_files(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let files = self.files.iter();
        let files = files.flat_map(|file| std::iter::once(&file.file).chain(&file.imports));
        files.map(String::as_str).filter(|name| seen.insert(*name)).collect()
    }

    pub fn json(&self) -> String {
        // Strings, numbers and lists always serialise.
        output::json(self).unwrap_or_default()
    }
}

/// In characters.
const MAX_SNIPPET: usize = 200;

fn document(finding: &Finding, loaded: &Loaded) -> Option<FindingDocument> {
    let place = |span| loaded.location(span).map(PlaceDocument::from);
    let (first, others) = finding.labels.split_first()?;
    let mut snippet = one_line(loaded.text(first.span).trim());
    if let Some((cut, _)) = snippet.char_indices().nth(MAX_SNIPPET) {
        snippet.truncate(cut);
    }
    let fix = finding.fix.as_ref().filter(|fix| !fix.secret).and_then(|fix| {
        let edits = fix.edits.iter().map(|(span, text)| {
            Some(EditDocument {
                place: place(*span)?,
                text: text.clone(),
            })
        });
        Some(FixDocument {
            title: one_line(&fix.title),
            edits: edits.collect::<Option<_>>()?,
        })
    });
    let related = others.iter().filter_map(|label| {
        Some(RelatedDocument {
            place: place(label.span)?,
            label: one_line(&label.text),
        })
    });
    Some(FindingDocument {
        code: finding.code.id().to_owned(),
        slug: finding.code.slug().to_owned(),
        severity: word(finding.severity).to_owned(),
        message: one_line(&finding.message),
        place: place(first.span)?,
        label: one_line(&first.text),
        related: related.collect(),
        help: finding.help.as_deref().map(one_line),
        fix,
        kind: finding.code,
        level: finding.severity,
        snippet,
        occurrence: 0,
    })
}

impl From<Location> for PlaceDocument {
    fn from(place: Location) -> Self {
        Self {
            file: place.file,
            line: place.line as u64,
            column: place.column as u64,
            end_line: place.end_line as u64,
            end_column: place.end_column as u64,
            start: place.start as u64,
            end: place.end as u64,
        }
    }
}

impl FindingDocument {
    /// Message, label and help, a line each.
    pub fn lines(&self) -> Vec<String> {
        let message = if self.label.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.message, self.label)
        };
        let help = self.help.iter().map(|help| format!("help: {help}"));
        std::iter::once(message).chain(help).collect()
    }
}

pub(super) fn word(severity: FindingSeverity) -> &'static str {
    match severity {
        FindingSeverity::Error => "error",
        FindingSeverity::Warning => "warning",
    }
}
