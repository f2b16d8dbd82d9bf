//! Findings as JSON, for programs of the user.
//!
//! Takes a [`Checked`], gives one document over all files; its JSON Schema is `schemas/findings.schema.json`, and a test
//! compares the two.
//! Invariant: lines and columns count from one, columns count characters; offsets count bytes from zero.

use crate::config::findings::FindingSeverity;
use crate::config::source::Location;
use crate::report::findings::Checked;
use crate::report::findings::Row;
use crate::report::findings::word;
use serde::Serialize;

pub const FORMAT: u32 = 1;

/// All that one `check` found.
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
    /// The files that were named and could be read, in that order.
    pub files: Vec<FileDocument>,
    /// The files that could not be read.
    pub unread: Vec<UnreadDocument>,
    /// In the order of the files, within a file by offset.
    pub findings: Vec<FindingDocument>,
}

/// A file that was named.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileDocument {
    /// As it was named.
    pub file: String,
    /// Whether opsrun can use it.
    pub valid: bool,
    /// Errors in it and in what it imports.
    pub errors: u64,
    /// Warnings in it and in what it imports.
    pub warnings: u64,
    /// The files that it imports.
    pub imports: Vec<String>,
}

/// A file that could not be read.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnreadDocument {
    /// As it was named.
    pub file: String,
    /// Why.
    pub message: String,
    /// What to try next.
    pub help: Option<String>,
}

/// One finding.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FindingDocument {
    /// `OPS2001`: never changes its meaning.
    pub code: String,
    /// `unknown-node`: what `allow` names.
    pub slug: String,
    /// `error` or `warning`.
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub place: PlaceDocument,
    /// What is to be said of the place; may be empty.
    pub label: String,
    /// Other places that matter.
    pub related: Vec<RelatedDocument>,
    /// What to write instead.
    pub help: Option<String>,
    /// The same as edits, where they are mechanical and safe: what `--fix` does.
    pub fix: Option<FixDocument>,
}

/// A stretch of a file.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlaceDocument {
    /// Which file.
    pub file: String,
    /// The line it starts on, from 1.
    pub line: u64,
    /// The character of that line it starts at, from 1.
    pub column: u64,
    /// The line it ends on.
    pub end_line: u64,
    /// One past the character it ends at.
    pub end_column: u64,
    /// Its first byte in the file, from 0.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
}

/// Another place that matters.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RelatedDocument {
    /// Where.
    pub place: PlaceDocument,
    /// What is to be said of it.
    pub label: String,
}

/// What would mend a finding.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FixDocument {
    /// What it does.
    pub title: String,
    /// All of them together, in order; none touches another.
    pub edits: Vec<EditDocument>,
}

/// One change of a text.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EditDocument {
    /// What is taken out; nothing, where `start` is `end`.
    pub place: PlaceDocument,
    /// What is put there.
    pub text: String,
}

#[must_use]
pub fn document(checked: &Checked) -> FindingsDocument {
    FindingsDocument {
        format: FORMAT,
        opsrun: env!("CARGO_PKG_VERSION").to_owned(),
        errors: checked.count(FindingSeverity::Error) as u64,
        warnings: checked.count(FindingSeverity::Warning) as u64,
        files: checked
            .files
            .iter()
            .map(|file| FileDocument {
                file: file.name.clone(),
                valid: file.valid,
                errors: file.errors as u64,
                warnings: file.warnings as u64,
                imports: file.read.iter().skip(1).cloned().collect(),
            })
            .collect(),
        unread: checked
            .unread
            .iter()
            .map(|unread| UnreadDocument {
                file: unread.name.clone(),
                message: unread.message.clone(),
                help: unread.help.clone(),
            })
            .collect(),
        findings: checked.rows.iter().map(finding).collect(),
    }
}

#[must_use]
pub fn text(checked: &Checked) -> String {
    // Strings, numbers and lists always serialise.
    serde_json::to_string_pretty(&document(checked)).unwrap_or_default() + "\n"
}

fn finding(row: &Row) -> FindingDocument {
    FindingDocument {
        code: row.code.id().to_owned(),
        slug: row.code.slug().to_owned(),
        severity: word(row.severity).to_owned(),
        message: row.message.clone(),
        place: place(&row.place),
        label: row.label.clone(),
        related: row
            .related
            .iter()
            .map(|(at, label)| RelatedDocument {
                place: place(at),
                label: label.clone(),
            })
            .collect(),
        help: row.help.clone(),
        fix: row.fix.as_ref().map(|fix| FixDocument {
            title: fix.title.clone(),
            edits: fix
                .edits
                .iter()
                .map(|(at, text)| EditDocument {
                    place: place(at),
                    text: text.clone(),
                })
                .collect(),
        }),
    }
}

fn place(at: &Location) -> PlaceDocument {
    PlaceDocument {
        file: at.file.clone(),
        line: at.line as u64,
        column: at.column as u64,
        end_line: at.end_line as u64,
        end_column: at.end_column as u64,
        start: at.start as u64,
        end: at.end as u64,
    }
}
