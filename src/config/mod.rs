//! Text → [`Model`]: reads ops files, reports everything that is wrong with them, and gives what they mean.
//!
//! Three ways in: [`load`](fn@load) gives the model, [`check`] the findings, [`format`](fn@format) the usual form of a text. The way of
//! a file:
//! - `syntax`: text → KDL tree; mistakes are repaired, so that one hides no other
//! - `load`: the root file and its imports → one document of decoded `nodes`; `source` knows files, spans and imports
//! - `nodes`, `values` and `language`: what each node takes, and the language as data
//! - `rules`: the document as a whole → the [`Model`], or what is wrong between its parts
//! - [`findings`]: what was found, how it looks, and how it is fixed · `secrets`: keeps secrets out of all that is shown
//! - `format`: the usual form of a text · [`init`]: ops files to start with
//!
//! Must not know: plans, runs, what is on disk (apart from the ops files, and what `check --host` asks for).
//! Invariant: a [`Model`] exists if and only if no finding is an error.

pub mod findings;
mod format;
pub mod init;
pub mod language;
mod load;
mod nodes;
mod rules;
mod secrets;
mod shell;
pub mod source;
mod syntax;
mod values;

pub use secrets::masked;

use crate::clock;
use crate::model::Model;
use chrono::{DateTime, Utc};
use findings::{Finding, FindingSeverity};
use source::read_file::read_bounded;
use source::{Location, SourceMap, Span};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy)]
pub struct CheckOptions {
    /// The present: findings about schedules name the dates that come next.
    pub now: DateTime<Utc>,
    /// Whether the facts about this host that the file relies on are checked.
    pub host: bool,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The root file is missing, unreadable or a directory.
    #[error("cannot read `{}`", crate::path::shown(path))]
    Unreadable { path: PathBuf, source: io::Error },
}

/// Why a text was not formatted.
#[derive(Debug)]
pub enum FormatError {
    /// It is not valid KDL: what is wrong, to be shown.
    Invalid(Box<Loaded>),
    /// It is larger than an ops file may be.
    Oversized,
    /// It would be larger than an ops file may be.
    TooLarge,
    /// Its meaning would change: a bug of opsrun.
    Changed,
}

/// A file that was read, with all findings.
#[derive(Debug)]
pub struct Loaded {
    /// `Some` if and only if no finding is an error.
    pub model: Option<Model>,
    pub findings: Vec<Finding>,
    /// The number of facts about the host that the file relies on and that were not checked.
    pub unasked: usize,
    sources: SourceMap,
}

/// Reads a root file and its imports.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    Ok(load_text(path, text_of(path)?))
}

/// The text of a root file; of one that is too large, more than the limit.
pub fn text_of(path: &Path) -> Result<Vec<u8>, LoadError> {
    read_bounded(path).map_err(|source| LoadError::Unreadable {
        path: path.to_path_buf(),
        source,
    })
}

/// The same for a text; `name` is shown, and relative paths start at its directory.
pub fn load_text(name: &Path, text: Vec<u8>) -> Loaded {
    let (now, host) = (clock::now(), false);
    check(name, text, CheckOptions { now, host })
}

pub fn check(name: &Path, text: Vec<u8>, options: CheckOptions) -> Loaded {
    check_with(name, text, &load::FileOverrides::new(), options)
}

/// The same, with texts in place of files on disk.
fn check_with(name: &Path, text: Vec<u8>, overrides: &load::FileOverrides, options: CheckOptions) -> Loaded {
    let read = load::load(name, text, overrides);
    let CheckOptions { now, host } = options;
    let judged = rules::check(
        &read.document,
        &read.sources,
        read.digest,
        now,
        host,
        &read.zones,
        read.findings,
    );
    let mut findings = judged.findings;
    secrets::mask(&mut findings, &read.sources, &read.secrets);
    Loaded {
        model: judged.model,
        findings,
        unasked: judged.unasked,
        sources: read.sources,
    }
}

/// The text of an ops file in its usual form: white space changed, nothing else. `name` is shown.
///
/// Only the syntax matters here: text that is not valid KDL is returned with its findings.
pub fn format(name: &Path, text: Vec<u8>) -> Result<String, FormatError> {
    if text.len() > syntax::limits::MAX_FILE_SIZE {
        return Err(FormatError::Oversized);
    }
    let formatted = std::str::from_utf8(&text).map(format::format);
    match formatted {
        Ok(Ok(formatted)) => Ok(formatted),
        Ok(Err(format::FormatFailure::TooLarge)) => Err(FormatError::TooLarge),
        Ok(Err(format::FormatFailure::Changed)) => Err(FormatError::Changed),
        Ok(Err(format::FormatFailure::Invalid)) | Err(_) => {
            let mut loaded = load_text(name, text);
            // Only its syntax, and nothing of what it imports.
            let own = loaded.sources.files().first().map_or(0, |file| file.text.len());
            let own_syntax = |finding: &Finding| {
                finding.code.is_syntax() && finding.labels.first().is_some_and(|label| label.span.start <= own)
            };
            loaded.findings.retain(own_syntax);
            Err(FormatError::Invalid(Box::new(loaded)))
        }
    }
}

impl Loaded {
    pub fn errors(&self) -> usize {
        self.count(FindingSeverity::Error)
    }

    pub fn warnings(&self) -> usize {
        self.count(FindingSeverity::Warning)
    }

    fn count(&self, severity: FindingSeverity) -> usize {
        let findings = self.findings.iter();
        findings.filter(|finding| finding.severity == severity).count()
    }

    /// The findings for people: the first fifty, and a line of totals. Empty when there are none.
    pub fn render(&self, color: bool, width: usize) -> String {
        findings::render(&self.findings, &self.sources, color, width)
    }

    /// The files that were read, the root first, as the user named them.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.sources.files().iter().map(|file| file.name.as_str())
    }

    /// The file, lines and columns of a span.
    pub fn location(&self, span: Span) -> Option<Location> {
        self.sources.location(span)
    }

    /// The text under a span; secrets and control characters are replaced.
    pub fn text(&self, span: Span) -> &str {
        self.sources.drawn(span)
    }
}
