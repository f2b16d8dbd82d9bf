//! The findings of one `check`, as JSON and as the source of the other formats.
//!
//! Takes files that were read ([`Loaded`]) and those that could not be.
//! Invariant: every text is one line without control characters, and none contains a secret: text under a span is taken
//! from the excerpt, and a fix that would write a secret is left out. Lines and columns count from one, columns count
//! characters; offsets count bytes from zero.

use crate::config::Loaded;
use crate::config::findings::{Code, Finding, FindingSeverity};
use crate::config::source::Location;
use crate::path::shown;
use crate::report::shared::output;
use crate::report::shared::style::one_line;
use serde::{Serialize, Serializer};
use std::collections::{HashMap, HashSet};
use std::path::Path;

pub const FORMAT: u32 = 1;

/// The findings of one `check`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "opsrun findings, format 1"))]
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
    #[serde(serialize_with = "id")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub code: Code,
    /// `unknown-node`: the name used by `allow`.
    pub slug: &'static str,
    /// `error` or `warning`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub severity: FindingSeverity,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub place: Location,
    /// A remark about the place; may be empty.
    pub label: String,
    /// Other relevant places.
    pub related: Vec<RelatedDocument>,
    /// What to write instead.
    pub help: Option<String>,
    /// The same as edits, if they are mechanical and safe: what `--fix` does.
    pub fix: Option<FixDocument>,
    /// The text at the place, as far as it may be shown.
    #[serde(skip)]
    pub snippet: String,
    /// Its number among the findings with the same code and snippet in the same file.
    #[serde(skip)]
    pub occurrence: usize,
}

/// Another relevant place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RelatedDocument {
    /// Where.
    pub place: Location,
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
    pub place: Location,
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
            let (code, file) = (found.code, place.file.clone());
            let key = (file.clone(), place.start, place.end, code, found.message.clone());
            if self.seen.insert(key) {
                let count = self.alike.entry((code, file, found.snippet.clone())).or_default();
                found.occurrence = *count;
                *count += 1;
                match found.severity {
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

const MAX_SNIPPET_CHARS: usize = 200;

fn document(finding: &Finding, loaded: &Loaded) -> Option<FindingDocument> {
    let place = |span| loaded.location(span);
    let (first, others) = finding.labels.split_first()?;
    let mut snippet = one_line(loaded.text(first.span).trim());
    if let Some((cut, _)) = snippet.char_indices().nth(MAX_SNIPPET_CHARS) {
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
        code: finding.code,
        slug: finding.code.slug(),
        severity: finding.severity,
        message: one_line(&finding.message),
        place: place(first.span)?,
        label: one_line(&first.text),
        related: related.collect(),
        help: finding.help.as_deref().map(one_line),
        fix,
        snippet,
        occurrence: 0,
    })
}

impl FindingDocument {
    /// Message, label and help, a line each.
    pub fn lines(&self) -> Vec<String> {
        let texts = [&self.message, &self.label].map(String::as_str);
        let message = texts
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(": ");
        let help = self.help.iter().map(|help| format!("help: {help}"));
        std::iter::once(message).chain(help).collect()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
fn id<S: Serializer>(code: &Code, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(code.id())
}
