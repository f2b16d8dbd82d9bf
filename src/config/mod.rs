//! Text → [`Model`]: reads ops files, says everything that is wrong with them, and gives what they mean.
//!
//! The way of a file: `load` reads it and its imports, `foreign` knows other languages, `lex` and `mend` (with `slips` and
//! `braces`) make slips of the hand harmless and cut it into nodes, `tree` parses them, `reader` checks them against
//! the table in `schema` (`loanwords` knows what things are called elsewhere), `decode` makes a `document` of them, and `validate` (with `references`, `cycles`, `gates`,
//! `schedules`, `rhythm`, `timing`, `telling`, `lexical`, `reasons`, `assertions` and `language`) judges the whole and has the
//! [`Model`] built.
//! `format` gives a text its usual form.
//! [`findings`] and [`source`] say what was noticed and where; `secrets` keeps out of both what nobody may see.
//! [`explain`] has a page about each kind of finding, [`vocabulary`] the language itself as a value.
//! [`fixes`] applies what findings propose; `host` asks, only when told to, whether the machine is as the file says.
//!
//! Must not know: plans, runs, what is on disk (apart from the ops files themselves, and what `host` is told to ask).
//! Invariant: a [`Model`] exists if and only if no finding is an error.

pub mod findings;
mod format;
pub mod init;
pub mod language;
mod nodes;
mod rules;
mod secrets;
pub mod source;
mod syntax;
mod values;

use crate::clock;
use crate::model::Model;
use chrono::{DateTime, Utc};
use findings::{Finding, FindingSeverity};
use source::{Location, SourceMap, Span, import};
use std::io;
use std::path::{Path, PathBuf};

/// Why nothing could be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The root file is missing, unreadable or a directory.
    #[error("cannot read `{}`", crate::path::shown(path))]
    Unreadable { path: PathBuf, source: io::Error },
}

/// Why a text was not formatted.
#[derive(Debug)]
pub enum FormatError {
    /// It is no KDL: what is wrong, to be shown.
    Invalid(Box<Loaded>),
    /// It is larger than an ops file may be.
    Oversized,
    /// It would be larger than an ops file may be.
    TooLarge,
    /// It would have come to mean something else: a fault of ours.
    Changed,
}

/// A file that was read, with all that was noticed.
#[derive(Debug)]
pub struct Loaded {
    /// What the file means; `Some` if and only if no finding is an error.
    pub model: Option<Model>,
    pub findings: Vec<Finding>,
    /// How many facts about the host the file takes for granted and nobody looked at.
    pub unasked: usize,
    sources: SourceMap,
}

/// Reads a root file and its imports.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    load_at(path, clock::now())
}

/// The same at another time: what is said of schedules names the dates that come next.
pub fn load_at(path: &Path, now: DateTime<Utc>) -> Result<Loaded, LoadError> {
    Ok(load_text_at(path, text_of(path)?, now))
}

/// The text of a root file; of one that is too large, more than is read.
pub fn text_of(path: &Path) -> Result<Vec<u8>, LoadError> {
    import::bytes_of(path).map_err(|source| LoadError::Unreadable {
        path: path.to_path_buf(),
        source,
    })
}

/// The same for a text that is at hand; `name` is shown, and its directory is where relative paths start.
#[must_use]
pub fn load_text(name: &Path, text: Vec<u8>) -> Loaded {
    load_text_at(name, text, clock::now())
}

#[must_use]
pub fn load_text_at(name: &Path, text: Vec<u8>, now: DateTime<Utc>) -> Loaded {
    check(name, text, CheckOptions { now, host: false })
}

#[derive(Debug, Clone, Copy)]
pub struct CheckOptions {
    /// What is said of schedules names the dates that come next.
    pub now: DateTime<Utc>,
    /// Whether what the file takes for granted is looked for on this host.
    pub host: bool,
}

/// The same, looked at as it is said.
#[must_use]
pub fn check(name: &Path, text: Vec<u8>, look: CheckOptions) -> Loaded {
    judge(name, text, &import::Instead::new(), look)
}

fn judge(name: &Path, text: Vec<u8>, instead: &import::Instead, look: CheckOptions) -> Loaded {
    let read = import::read(name, text, instead);
    let judged = rules::validate::validate(&read.document, &read.sources, read.digest, look, read.findings);
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
/// What is wrong in the language of ops files does not matter here; what is no KDL comes back with its findings.
pub fn format(name: &Path, text: Vec<u8>) -> Result<String, FormatError> {
    if text.len() > import::LARGEST {
        return Err(FormatError::Oversized);
    }
    let formed = std::str::from_utf8(&text).map(format::form);
    match formed {
        Ok(Ok(formed)) => Ok(formed),
        Ok(Err(format::Unformed::TooLarge)) => Err(FormatError::TooLarge),
        Ok(Err(format::Unformed::Changed)) => Err(FormatError::Changed),
        Ok(Err(format::Unformed::Invalid)) | Err(_) => {
            let mut loaded = load_text(name, text);
            // Only what keeps it from being read, and nothing of what it imports.
            let own = loaded.sources.files().first().map_or(0, |file| file.text.len());
            let keeps = |finding: &Finding| {
                finding.code.is_syntax() && finding.labels.first().is_some_and(|label| label.span.start <= own)
            };
            loaded.findings.retain(keeps);
            Err(FormatError::Invalid(Box::new(loaded)))
        }
    }
}

/// A text as it may be shown: secrets that stand in it are behind stars.
#[must_use]
pub fn masked(text: &str) -> String {
    secrets::masked(text)
}

impl Loaded {
    pub fn errors(&self) -> usize {
        self.count(FindingSeverity::Error)
    }

    /// How many findings are warnings.
    pub fn warnings(&self) -> usize {
        self.count(FindingSeverity::Warning)
    }

    fn count(&self, severity: FindingSeverity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// The findings for people; empty when there are none. Prints the first fifty, and says how many there are.
    pub fn render(&self, color: bool, width: usize) -> String {
        findings::render(&self.findings, &self.sources, color, width)
    }

    /// The files that were read, the root first, as the user named them.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.sources.files().iter().map(|file| file.name.as_str())
    }

    /// The file, lines and columns of a span.
    pub fn place(&self, span: Span) -> Option<Location> {
        self.sources.place(span)
    }

    /// The text under a span; secrets and control characters are replaced.
    pub fn text(&self, span: Span) -> &str {
        self.sources.drawn(span)
    }
}
