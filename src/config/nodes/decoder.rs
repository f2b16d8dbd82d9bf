//! What the decoding of a node needs and yields besides the node itself.
//!
//! Takes checked values, gives values of the model: paths absolute, programs with a `/` absolute. What a node names on the
//! host is collected on the way, so that no rule has to know the single probes and channels.
//! Invariant: a relative path starts at the directory of the file that it is written in.

use super::checked_node::CheckedNode;
use crate::config::findings::{Code, Finding};
use crate::config::source::{Span, Spanned, paths};
use crate::config::values::Datum;
use crate::user_database::RunAs;
use std::path::{Path, PathBuf};

pub struct Decoder<'a> {
    /// The directory of the file that holds the node.
    pub dir: &'a Path,
    /// The directory of the first file, in which commands run by default.
    pub root: &'a Path,
    pub findings: &'a mut Vec<Finding>,
    pub host_references: Vec<HostReference>,
    /// The job that a probe asks about, as written.
    pub asked_job: Option<Spanned<String>>,
}

/// Something that a node expects to exist on the host.
#[derive(Debug)]
pub struct HostReference {
    pub span: Span,
    pub what: HostObject,
}

#[derive(Debug)]
pub enum HostObject {
    Variable(String),
    /// Absolute where it holds a `/`, otherwise to be found in a search path.
    Program(String, SearchPath),
    File(PathBuf, &'static str),
    Directory(PathBuf, &'static str),
    /// Where files will be written; made when it is missing.
    OutputDirectory(PathBuf),
    /// A user or a group that opsrun may become.
    Account(RunAs),
}

/// Where a program without a `/` is looked up.
#[derive(Debug, Clone)]
pub enum SearchPath {
    Inherited,
    Own(String),
    /// A secret.
    Unknown,
}

impl<'a> Decoder<'a> {
    pub fn new(dir: &'a Path, root: &'a Path, findings: &'a mut Vec<Finding>) -> Self {
        Self {
            dir,
            root,
            findings,
            host_references: Vec::new(),
            asked_job: None,
        }
    }

    pub fn report(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub fn refer(&mut self, span: Span, what: HostObject) {
        self.host_references.push(HostReference { span, what });
    }

    pub fn path(&self, value: &Spanned<Datum>) -> Option<Spanned<PathBuf>> {
        Some(Spanned {
            value: paths::normal(&self.dir.join(value.value.text()?)),
            span: value.span,
        })
    }

    /// The path that a child is given.
    pub fn path_of(&self, node: &CheckedNode, child: &str) -> Option<Spanned<PathBuf>> {
        self.path(node.arg(child)?)
    }

    /// A file that a child names and that must exist.
    pub fn file_of(&mut self, node: &CheckedNode, child: &'static str) -> Option<PathBuf> {
        let path = self.path_of(node, child)?;
        self.refer(path.span, HostObject::File(path.value.clone(), child));
        Some(path.value)
    }

    /// A program with a `/` starts at the directory of its file, like every path.
    pub fn program(&mut self, word: &str, span: Span) -> Option<String> {
        if !word.contains('/') {
            return Some(word.to_owned());
        }
        let path = paths::normal(&self.dir.join(word)).into_os_string().into_string().ok();
        if path.is_none() {
            self.report(
                Finding::new(
                    Code::BadValue,
                    span,
                    "the program is in a directory whose name is not UTF-8",
                    "relative to the directory of this file",
                )
                .help("write its path from `/` on, or rename the directory"),
            );
        }
        path
    }
}
