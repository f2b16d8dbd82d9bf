//! Text → [`Model`]: reads ops files, says everything that is wrong with them, and gives what they mean.
//!
//! The way of a file: `load` reads it and its imports, `foreign` knows other languages, `lex` and `mend` (with `slips` and
//! `braces`) make slips of the hand harmless and cut it into nodes, `tree` parses them, `reader` checks them against the table in `schema`, `decode` makes a `document` of
//! them, and `validate` (with `references`, `cycles`, `lexical`, `reasons` and `language`) judges the whole and has the
//! [`Model`] built.
//! [`findings`] and [`source`] say what was noticed and where; `secrets` keeps out of both what nobody may see.
//! [`fixes`] applies what findings propose; `host` asks, only when told to, whether the machine is as the file says.
//!
//! Must not know: plans, runs, what is on disk (apart from the ops files themselves, and what `host` is told to ask).
//! Invariant: a [`Model`] exists if and only if no finding is an error.

mod allows;
mod braces;
mod build;
mod cycles;
mod decode;
mod document;
pub mod findings;
pub mod fixes;
mod foreign;
mod grammar;
mod host;
mod language;
mod lex;
mod lexical;
mod load;
mod mend;
mod nearest;
mod paths;
mod reach;
mod reader;
mod reasons;
mod references;
mod schema;
mod secret_forms;
mod secrets;
mod slips;
pub mod source;
mod tree;
mod validate;
mod values;

use crate::model::Model;
use findings::{Finding, Severity};
use source::{Place, Sources, Span};
use std::io;
use std::path::{Path, PathBuf};

/// Why nothing could be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The root file is missing, unreadable or a directory.
    #[error("cannot read `{}`", crate::path::shown(path))]
    Unreadable {
        /// As the user gave it.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A file that was read, with all that was noticed.
#[derive(Debug)]
pub struct Loaded {
    /// What the file means; `Some` if and only if no finding is an error.
    pub model: Option<Model>,
    /// By file and offset.
    pub findings: Vec<Finding>,
    /// How many facts about the host the file takes for granted and nobody looked at.
    pub unasked: usize,
    sources: Sources,
}

/// Reads a root file and its imports.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    Ok(load_text(path, text_of(path)?))
}

/// The text of a root file; of one that is too large, more than is read.
pub fn text_of(path: &Path) -> Result<Vec<u8>, LoadError> {
    load::bytes_of(path).map_err(|source| LoadError::Unreadable {
        path: path.to_path_buf(),
        source,
    })
}

/// The same for a text that is at hand; `name` is shown, and its directory is where relative paths start.
#[must_use]
pub fn load_text(name: &Path, text: Vec<u8>) -> Loaded {
    check_text(name, text, false)
}

/// The same; with `host`, what the file takes for granted is looked for on this host.
#[must_use]
pub fn check_text(name: &Path, text: Vec<u8>, host: bool) -> Loaded {
    judge(name, text, &load::Instead::new(), host)
}

fn judge(name: &Path, text: Vec<u8>, instead: &load::Instead, host: bool) -> Loaded {
    let read = load::read(name, text, instead);
    let judged = validate::validate(&read.document, &read.sources, read.digest, read.findings, host);
    let mut findings = judged.findings;
    secrets::redact(&mut findings, &read.sources);
    Loaded {
        model: judged.model,
        findings,
        unasked: judged.unasked,
        sources: read.sources,
    }
}

impl Loaded {
    /// How many findings are errors.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many findings are warnings.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
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
    pub fn place(&self, span: Span) -> Option<Place> {
        self.sources.place(span)
    }

    /// The text under a span; secrets and control characters are replaced.
    pub fn text(&self, span: Span) -> &str {
        self.sources.drawn(span)
    }
}
