//! Paths that must not be deleted: copies, the history, ops files, and files that jobs use (OPS5004).
//!
//! Invariant: a path is reported only with a proof that the retention may delete it.

use super::deletable::Deletable;
use super::path_cache::{PathSetCache, no_prefix, term};
use super::path_sets::SearchResult;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::Document;
use crate::config::nodes::{HostObject, HostReference};
use crate::config::rules::resolved::ResolvedBackup;
use crate::config::source::paths::shown;
use crate::config::source::{SourceMap, Span, paths};
use crate::model::Ops;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A path that no retention should reach.
pub(in crate::config) struct ProtectedPath {
    pub(in crate::config) path: PathBuf,
    /// Everything below it is meant.
    pub(in crate::config) is_dir: bool,
    pub(in crate::config) what: String,
    /// Where it is written, and what to say there.
    pub(in crate::config) named: Option<(Span, &'static str)>,
    /// Without it opsrun or its promise is lost; otherwise only a job is.
    pub(in crate::config) vital: bool,
}

/// All protected paths, sorted: paths below a directory directly follow it.
pub(in crate::config) fn all(
    document: &Document,
    places: &[ResolvedBackup<'_>],
    ops: &Ops,
    sources: &SourceMap,
) -> Vec<ProtectedPath> {
    let mut all = Vec::new();
    for place in places {
        if let Some(to) = &place.to {
            let span = place.node.to.as_ref().map(|to| to.span);
            all.push(ProtectedPath {
                path: to.clone(),
                is_dir: true,
                what: format!("the copies of backup `{}`", place.name),
                named: span.map(|span| (span, "copies are written here")),
                vital: true,
            });
        }
    }
    all.push(ProtectedPath {
        path: ops.state_dir.clone(),
        is_dir: true,
        what: "the run history".to_owned(),
        named: None,
        vital: true,
    });
    for file in sources.files() {
        all.push(ProtectedPath {
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
        HostObject::Program(..) | HostObject::Variable(_) | HostObject::Directory(..) => return None,
    };
    Some(ProtectedPath {
        path: path.to_path_buf(),
        is_dir: false,
        what: format!("{what} `{}`", paths::shown(path)),
        named: Some((reference.span, label)),
        vital: false,
    })
}

/// Most pairs of a retention and a path of a job that are compared.
const MAX_PAIRS: usize = 20_000;

/// OPS5004.
pub(in crate::config) fn own_files(
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
    let mut finding = Finding::new(
        Code::DeletesOwnFiles,
        reach.name_span(),
        format!("retention `{}` may delete {}", reach.claim.name, one.what),
        format!("may delete `{}`", excerpt(&shown(&reach.source.join(witness)))),
    );
    let source = reach.claim.backup.node.source.as_ref();
    match (one.named, source) {
        (Some((span, label)), _) => finding = finding.also(span, label),
        (None, Some(source)) if one.is_dir => finding = finding.also(source.span, "contains it"),
        _ => {}
    }
    if !one.vital {
        finding = finding.warning();
    }
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
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut prefix = below.as_os_str().as_bytes().to_vec();
    if is_dir {
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let prefix: Rc<[u8]> = Rc::from(prefix);
        for class in &reach.finite {
            let mut terms = vec![term(&reach.valid, &no_prefix(), true)];
            terms.extend(reach.deletable(class, &prefix));
            if let SearchResult::Witness(path) = sets.search(&terms) {
                return Some(below.join(std::ffi::OsString::from_vec(path)));
            }
        }
        return None;
    }
    let hit = reach.finite.iter().any(|class| {
        reach
            .deletable(class, &no_prefix())
            .iter()
            .all(|term| term.holds(&prefix))
    });
    hit.then(|| below.to_path_buf())
}
