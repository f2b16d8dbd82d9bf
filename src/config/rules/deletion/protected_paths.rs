//! What must not be deleted: copies, the history, ops files, and the files that the ops files name.
//!
//! Takes the document, gives [`Precious`] paths in their order. Judges nothing.
//! Invariant: every path is absolute and stands once.

use crate::config::nodes::document::Document;
use crate::config::nodes::{HostObject, HostReference};
use crate::config::rules::validate::Place;
use crate::config::source::{SourceMap, Span, paths};
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
    let targets = document.targets.iter().map(|node| &node.job);
    let jobs = targets.chain(document.checks.iter().map(|node| &node.job));
    all.extend(jobs.flat_map(|job| &job.host_references).filter_map(named));
    all.sort_by(|a, b| (&a.path, !a.vital).cmp(&(&b.path, !b.vital)));
    // Of a file that many jobs name, the first is said. Destinations are all said: each belongs to one backup.
    all.dedup_by(|b, a| a.path == b.path && !b.vital);
    all
}

/// A file that a job names; `None` for what is not a file, or looked up elsewhere.
fn named(reference: &HostReference) -> Option<Precious> {
    let (path, what, label) = match &reference.what {
        HostObject::Program(path, _) if path.contains('/') => (Path::new(path), "the program", "run from here"),
        HostObject::File(path, "ca-file") => (path.as_path(), "the certificates", "read from here"),
        HostObject::File(path, _) => (path.as_path(), "the secret", "read from here"),
        HostObject::Program(..) | HostObject::Variable(_) | HostObject::Directory(..) => return None,
    };
    Some(Precious {
        path: path.to_path_buf(),
        is_dir: false,
        what: format!("{what} `{}`", paths::shown(path)),
        named: Some((reference.span, label)),
        vital: false,
    })
}
