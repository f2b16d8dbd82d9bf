//! Paths that must not be deleted: copies, the history, ops files, and files that jobs use (OPS5004).
//!
//! Invariant: a path is reported only with a proof that the retention may delete it.

use super::deletable::Deletable;
use super::path_cache::{PathSetCache, joined, no_prefix, prefix, term};
use super::path_sets::SearchResult;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::Document;
use crate::config::nodes::{HostObject, HostReference};
use crate::config::source::paths::shown;
use crate::config::source::{SourceMap, Span};
use crate::model::Ops;
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A path that no retention should reach.
pub struct ProtectedPath {
    pub path: PathBuf,
    /// Everything below it is meant.
    pub is_dir: bool,
    pub what: String,
    /// Where it is written, and what to say there.
    pub named: Option<(Span, &'static str)>,
    /// Without it opsrun or its promise is lost; otherwise only a job is.
    pub vital: bool,
}

/// All protected paths, sorted: paths below a directory directly follow it.
pub fn all(document: &Document, ops: &Ops, sources: &SourceMap) -> Vec<ProtectedPath> {
    let vital = |path: &Path, is_dir, what, named| ProtectedPath {
        path: path.to_path_buf(),
        is_dir,
        what,
        named,
        vital: true,
    };
    let mut all = vec![vital(&ops.state_dir, true, "the run history".to_owned(), None)];
    all.extend(document.backups.iter().filter_map(|node| {
        let to = node.to.as_ref()?;
        let what = format!("the copies of backup `{}`", node.name());
        Some(vital(&to.value, true, what, Some((to.span, "copies are written here"))))
    }));
    let files = sources.files().iter();
    all.extend(files.map(|file| vital(&file.path, false, format!("the ops file `{}`", file.name), None)));
    let targets = document.targets.iter().map(|node| &node.job);
    let jobs = targets.chain(document.checks.iter().map(|node| &node.job));
    all.extend(jobs.flat_map(|job| &job.host_references).filter_map(named));
    all.sort_by(|a, b| (&a.path, !a.vital).cmp(&(&b.path, !b.vital)));
    // Of a file that many jobs use, the first is reported; of destinations, all: each belongs to one backup.
    all.dedup_by(|b, a| a.path == b.path && !b.vital);
    all
}

/// A file that a job names; `None` for what is not a file, or looked up elsewhere.
fn named(reference: &HostReference) -> Option<ProtectedPath> {
    let (path, what, label) = match &reference.what {
        HostObject::Program(path, _) if path.contains('/') => (Path::new(path), "the program", "run from here"),
        HostObject::File(path, "ca-file") => (path.as_path(), "the certificates", "read from here"),
        HostObject::File(path, _) => (path.as_path(), "the secret", "read from here"),
        HostObject::Program(..)
        | HostObject::Variable(_)
        | HostObject::Directory(..)
        | HostObject::OutputDirectory(_)
        | HostObject::Account(_) => {
            return None;
        }
    };
    Some(ProtectedPath {
        path: path.to_path_buf(),
        is_dir: false,
        what: format!("{what} `{}`", shown(path)),
        named: Some((reference.span, label)),
        vital: false,
    })
}

/// Most pairs of a retention and a path of a job that are compared.
const MAX_PAIRS: usize = 20_000;

/// OPS5004.
pub fn own_files(
    reaches: &[Deletable<'_>],
    sets: &PathSetCache,
    precious: &[ProtectedPath],
    findings: &mut Vec<Finding>,
) {
    let overlaps: HashSet<Span> = findings
        .iter()
        .filter(|finding| finding.code == Code::DestinationOverlap)
        .map(Finding::span)
        .collect();
    let mut asked = 0_usize;
    for reach in reaches.iter().filter(|reach| reach.decidable) {
        let from = precious.partition_point(|one| one.path.as_path() < reach.source);
        for one in precious.iter().skip(from) {
            let Ok(below) = one.path.strip_prefix(reach.source) else {
                break;
            };
            // Very many warnings say no more than some.
            asked += usize::from(!one.vital);
            if !one.vital && asked > MAX_PAIRS {
                continue;
            }
            let Some(witness) = reachable(reach, below, one.is_dir, sets) else {
                continue;
            };
            // Already an error of its own.
            if one.named.is_some_and(|(span, _)| overlaps.contains(&span)) {
                continue;
            }
            findings.push(reached(reach, one, below, &witness));
        }
    }
}

fn reached(reach: &Deletable<'_>, one: &ProtectedPath, below: &Path, witness: &Path) -> Finding {
    let message = format!("retention `{}` may delete {}", reach.claim.node.name(), one.what);
    let label = format!("may delete `{}`", excerpt(&shown(&reach.source.join(witness))));
    let contains = reach.claim.backup.source.as_ref().filter(|_| one.is_dir);
    let named = one.named.or(contains.map(|source| (source.span, "contains it")));
    let finding = Finding::new(Code::DeletesOwnFiles, reach.claim.node.job.name_span(), message, label);
    let finding = if one.vital { finding } else { finding.warning() };
    let finding = match named {
        Some((span, label)) => finding.also(span, label),
        None => finding,
    };
    let exclude = below.to_string_lossy();
    finding.help(if below.as_os_str().is_empty() {
        "move it out of the source".to_owned()
    } else if one.is_dir {
        // A plan is refused as long as the backup would read it, whatever the retention spares.
        format!("move it out of the source, or add `exclude \"{exclude}\"` to the backup")
    } else {
        format!("move it out of the source, or add `exclude \"{exclude}\"` to the retention")
    })
}

/// A path that may be deleted: the one below the source, or for directories one that it holds.
fn reachable(reach: &Deletable<'_>, below: &Path, is_dir: bool, sets: &PathSetCache) -> Option<PathBuf> {
    if is_dir {
        return reach.finite.iter().find_map(|class| {
            let mut terms = vec![term(&reach.valid, &no_prefix(), true)];
            terms.extend(reach.deletable(class, &prefix(below)));
            match sets.search(&terms) {
                SearchResult::Witness(path) => Some(joined(below, path)),
                SearchResult::Empty | SearchResult::Unknown => None,
            }
        });
    }
    let path = below.as_os_str().as_bytes();
    let meets = |class| reach.deletable(class, &no_prefix()).iter().all(|term| term.holds(path));
    reach.finite.iter().any(meets).then(|| below.to_path_buf())
}
