//! What must not be deleted: copies, the history, ops files, and the files that the ops files name.
//!
//! Takes the document, gives [`Precious`] paths in their order. Judges nothing.
//! Invariant: every path is absolute and stands once.

use crate::config::nodes::build;
use crate::config::nodes::document::{ArgvNode, CommandNode, Document, ProbeNode, ProgramNode, TextNode};
use crate::config::rules::validate::Place;
use crate::config::source::{SourceMap, Span, Spanned, paths};
use crate::model::Ops;
use std::path::{Path, PathBuf};

/// A path that no retention should reach.
pub(in crate::config) struct Precious {
    pub(in crate::config) path: PathBuf,
    /// Everything below it is meant.
    pub(in crate::config) is_dir: bool,
    pub(in crate::config) what: String,
    /// Where it is written, and what to say there.
    pub(in crate::config) named: Option<(Span, &'static str)>,
    /// Without it opsrun or its promise is lost; otherwise only a job is.
    pub(in crate::config) vital: bool,
}

/// All of them, in order of paths: what lies below a directory stands in one row behind it.
pub(in crate::config) fn all(
    document: &Document,
    places: &[Place<'_>],
    ops: &Ops,
    sources: &SourceMap,
) -> Vec<Precious> {
    let mut all = Vec::new();
    for place in places {
        if let Some(to) = &place.to {
            let span = place.node.to.as_ref().map(|to| to.span);
            all.push(Precious {
                path: to.clone(),
                is_dir: true,
                what: format!("the copies of the backup `{}`", place.name),
                named: span.map(|span| (span, "copies are written here")),
                vital: true,
            });
        }
    }
    all.push(Precious {
        path: ops.state_dir.clone(),
        is_dir: true,
        what: "the history of all runs".to_owned(),
        named: None,
        vital: true,
    });
    for file in sources.files() {
        all.push(Precious {
            path: file.path.clone(),
            is_dir: false,
            what: format!("the ops file `{}`", file.name),
            named: None,
            vital: true,
        });
    }
    let mut named = Named { sources, all };
    named.document(document);
    let mut all = named.all;
    all.sort_by(|a, b| (&a.path, !a.vital).cmp(&(&b.path, !b.vital)));
    // Of a file that many jobs name, the first is said. Destinations are all said: each belongs to one backup.
    all.dedup_by(|b, a| a.path == b.path && !b.vital);
    all
}

/// Collects the files that jobs name.
struct Named<'a> {
    sources: &'a SourceMap,
    all: Vec<Precious>,
}

impl Named<'_> {
    fn document(&mut self, document: &Document) {
        for target in &document.targets {
            if let Some(command) = &target.command {
                self.command(command);
            }
        }
        for check in &document.checks {
            match &check.probe {
                Some(ProbeNode::Command(command)) => self.command(command),
                Some(ProbeNode::Http(http)) => {
                    self.value(&http.url);
                    http.headers.iter().for_each(|(_, value)| self.value(value));
                    self.certificates(http.ca_file.as_ref());
                }
                Some(ProbeNode::TlsExpiry { ca_file, .. }) => self.certificates(ca_file.as_ref()),
                _ => {}
            }
        }
    }

    fn command(&mut self, command: &CommandNode) {
        if let ProgramNode::Argv(argv) = &command.program {
            self.program(argv);
        }
        command.env.iter().for_each(|(_, value)| self.value(value));
    }

    fn value(&mut self, value: &TextNode) {
        match value {
            TextNode::File(path) => self.file(&path.value, path.span, "the secret", "read from here"),
            TextNode::Command(argv) => self.program(argv),
            TextNode::Plain(_) | TextNode::Env(_) => {}
        }
    }

    fn certificates(&mut self, path: Option<&Spanned<PathBuf>>) {
        if let Some(path) = path {
            self.file(&path.value, path.span, "the certificates", "read from here");
        }
    }

    /// A name without a `/` is looked up elsewhere.
    fn program(&mut self, argv: &ArgvNode) {
        if let Some(program) = argv.words.first().filter(|word| word.contains('/')) {
            self.file(Path::new(program), argv.span, "the program", "run from here");
        }
    }

    fn file(&mut self, path: &Path, span: Span, what: &str, label: &'static str) {
        let path = paths::normal(&build::dir(self.sources, span).join(path));
        self.all.push(Precious {
            what: format!("{what} `{}`", paths::shown(&path)),
            path,
            is_dir: false,
            named: Some((span, label)),
            vital: false,
        });
    }
}
