//! The copies at a destination, for `list`.
//!
//! Invariant: an unreadable copy is listed with the reason.

use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::{Left, Right};
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::time_zone::Zone;
use crate::units::{plural, show_count, show_size, total};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use std::fmt::Write as _;

pub const FORMAT: u32 = 1;

/// The copies at a destination.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "opsrun list, format 1"))]
pub struct ListDocument {
    /// Number of this format: 1.
    pub format: u32,
    /// By backup, newest first.
    pub copies: Vec<CopyDocument>,
    /// Copies of other machines in the same destinations: they are not mixed with these.
    pub others: Vec<CopyGroupDocument>,
}

/// What another machine copied from one source for one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CopyGroupDocument {
    /// What `--writer` takes: the id of the machine and its ops file; for copies of formats 1 and 2 the host.
    pub writer: String,
    /// The machine.
    pub host: String,
    /// The `ops` name.
    pub ops: String,
    /// The backup.
    pub backup: String,
    /// The directory that was copied.
    pub source: String,
    /// How many copies.
    pub copies: u64,
    /// When the newest was begun: RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub newest: DateTime<Utc>,
}

/// One copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CopyDocument {
    /// `<backup>-<stamp>-<run id>`.
    pub copy: String,
    /// The backup.
    pub backup: String,
    /// The id of the machine and its ops file; for copies of formats 1 and 2 the host. Null if the copy is broken.
    pub writer: Option<String>,
    /// The machine; null if the copy is broken.
    pub host: Option<String>,
    /// The directory that was copied; null if the copy is broken.
    pub source: Option<String>,
    /// When it was begun: RFC 3339, UTC.
    #[serde(serialize_with = "to_seconds")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub at: Option<DateTime<Utc>>,
    /// Number of entries, without directories.
    pub files: u64,
    /// Size of the archive in bytes.
    pub archive_bytes: u64,
    /// Whether it is complete and can be trusted.
    #[serde(flatten)]
    pub state: CopyState,
    /// Files deleted from the source that this copy covers.
    pub deleted: u64,
}

/// Whether a copy is complete and can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "state", content = "reason", rename_all = "kebab-case")]
pub enum CopyState {
    /// It contains every selected entry, with its attributes.
    Complete,
    /// Some selected entries, or attributes of them, could not be read; the reason.
    Incomplete(String),
    /// The source had shrunk too much to trust the copy; the reason.
    Suspect(String),
    /// It cannot be read; the reason.
    Broken(String),
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn to_seconds<S: Serializer>(at: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).serialize(to)
}

impl CopyState {
    /// Its word, and the reason if it is not complete.
    fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Complete => ("complete", None),
            Self::Incomplete(why) => ("incomplete", Some(why)),
            Self::Suspect(why) => ("suspect", Some(why)),
            Self::Broken(why) => ("broken", Some(why)),
        }
    }
}

/// A table, then the reasons of the copies that are not complete.
/// After that the copies of other machines.
pub fn copies_text(document: &ListDocument, zone: &Zone, style: Style) -> String {
    let copies = &document.copies;
    if copies.is_empty() {
        return "no copies\n".to_owned() + &others_text(&document.others, zone, style);
    }
    let rows: Vec<[Cell; 6]> = copies
        .iter()
        .map(|line| {
            let (word, reason) = line.state.parts();
            let tone = if reason.is_none() { Tone::Good } else { Tone::Warn };
            let when = line.at.map(|at| times::local_minute(at, zone));
            let readable = |text: String| match line.state {
                CopyState::Broken(_) => "-".to_owned(),
                _ => text,
            };
            [
                one_line(&line.copy).into(),
                when.unwrap_or_else(|| "?".to_owned()).into(),
                readable(show_count(line.files)).into(),
                readable(show_size(line.archive_bytes)).into(),
                Cell::toned(word, tone),
                show_count(line.deleted).into(),
            ]
        })
        .collect();
    let heading = ["copy", &format!("when ({zone})"), "files", "size", "state", "deleted"];
    let align = [Left, Left, Right, Right, Left, Right];
    let mut text = table(heading, align, &rows, style);
    for line in copies {
        if let (word, Some(reason)) = line.state.parts() {
            let (copy, reason) = (one_line(&line.copy), one_line(reason));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{copy}: {}: {reason}", style.warn(word));
        }
    }
    let bytes = total(copies.iter().map(|line| line.archive_bytes));
    let count = plural(copies.len() as u64, "copy", "copies");
    text += &style.dim(format!("{count}, {}", show_size(bytes)));
    text.push('\n');
    text + &others_text(&document.others, zone, style)
}

fn others_text(others: &[CopyGroupDocument], zone: &Zone, style: Style) -> String {
    if others.is_empty() {
        return String::new();
    }
    let rows: Vec<[Cell; 6]> = others
        .iter()
        .map(|group| {
            [
                one_line(&group.writer).into(),
                one_line(&group.host).into(),
                one_line(&group.backup).into(),
                one_line(&group.source).into(),
                show_count(group.copies).into(),
                times::local_minute(group.newest, zone).into(),
            ]
        })
        .collect();
    let heading = [
        "writer",
        "host",
        "backup",
        "source",
        "copies",
        &format!("newest ({zone})"),
    ];
    let title = "copies of other machines, not used here unless --writer names one:";
    let table = table(heading, [Left, Left, Left, Left, Right, Left], &rows, style);
    format!("\n{title}\n{table}")
}
