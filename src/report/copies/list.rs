//! The copies at a destination, for `list`.
//!
//! Takes one [`CopyLine`] a copy, gives a table for people and a document for programs; its JSON Schema is
//! `schemas/list.schema.json`, and a test compares the two. Knows nothing of manifests.
//! Invariant: a copy that cannot be read is a line with the reason, never a missing line.

use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::{Left, Right};
use crate::report::shared::table::{Cell, Tone, table};
use crate::units::{plural, show_count, show_size};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

/// The number of the JSON format.
pub const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyLine {
    /// `<backup>-<stamp>-<run id>`.
    pub copy: String,
    pub backup: String,
    /// When it was begun; `None` when it cannot be read.
    pub at: Option<DateTime<Utc>>,
    /// Entries in it that are no directories.
    pub files: u64,
    pub archive_bytes: u64,
    pub state: CopyState,
    /// Files deleted from the source on the strength of it.
    pub deleted: u64,
}

/// How far a copy can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", content = "reason", rename_all = "kebab-case")]
pub enum CopyState {
    /// Everything that was selected is in it.
    Complete,
    /// Something that was selected could not be read; the reason.
    Incomplete(String),
    /// The source had shrunk so far that it is not trusted to stand for it; the reason.
    Suspect(String),
    /// It cannot be read; the reason.
    Broken(String),
}

impl CopyState {
    fn word(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete(_) => "incomplete",
            Self::Suspect(_) => "suspect",
            Self::Broken(_) => "broken",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Complete => None,
            Self::Incomplete(why) | Self::Suspect(why) | Self::Broken(why) => Some(why),
        }
    }
}

/// The copies at a destination.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun list, format 1"))]
pub struct ListDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// In the order given: by backup, newest first.
    pub copies: Vec<CopyDocument>,
}

/// One copy.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CopyDocument {
    /// `<backup>-<stamp>-<run id>`.
    pub copy: String,
    /// The backup it is a copy of.
    pub backup: String,
    /// When it was begun: RFC 3339, UTC.
    pub at: Option<String>,
    /// Entries in it that are no directories.
    pub files: u64,
    /// Size of the archive in bytes.
    pub archive_bytes: u64,
    /// How far it can be trusted.
    #[serde(flatten)]
    pub state: CopyState,
    /// Files deleted from the source on the strength of it.
    pub deleted: u64,
}

#[must_use]
pub fn document(copies: &[CopyLine]) -> ListDocument {
    let one = |line: &CopyLine| CopyDocument {
        copy: line.copy.clone(),
        backup: line.backup.clone(),
        at: line.at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        files: line.files,
        archive_bytes: line.archive_bytes,
        state: line.state.clone(),
        deleted: line.deleted,
    };
    ListDocument {
        format: FORMAT,
        copies: copies.iter().map(one).collect(),
    }
}

/// The copies for people: a table, then the reasons of those that are not complete.
#[must_use]
pub fn copies_text(copies: &[CopyLine], zone: chrono_tz::Tz, style: Style) -> String {
    if copies.is_empty() {
        return "no copies\n".to_owned();
    }
    let rows: Vec<[Cell; 6]> = copies
        .iter()
        .map(|line| {
            let tone = match line.state {
                CopyState::Complete => Tone::Good,
                _ => Tone::Warn,
            };
            let when = line.at.map_or_else(
                || "?".to_owned(),
                |at| at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string(),
            );
            [
                one_line(&line.copy).into(),
                when.into(),
                show_count(line.files).into(),
                show_size(line.archive_bytes).into(),
                Cell::toned(line.state.word(), tone),
                show_count(line.deleted).into(),
            ]
        })
        .collect();
    let heading = ["copy", &format!("when ({zone})"), "files", "size", "state", "deleted"];
    let align = [Left, Left, Right, Right, Left, Right];
    let mut text = table(heading, align, &rows, style);
    for line in copies {
        if let Some(reason) = line.state.reason() {
            let (copy, word) = (one_line(&line.copy), style.warn(line.state.word()));
            text += &[&copy, ": ", &word, ": ", &one_line(reason), "\n"].concat();
        }
    }
    let bytes: u64 = copies.iter().map(|line| line.archive_bytes).sum();
    let total = format!(
        "{}, {}",
        plural(copies.len() as u64, "copy", "copies"),
        show_size(bytes)
    );
    text + &style.dim(total) + "\n"
}
