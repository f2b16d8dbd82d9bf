//! Directories of different jobs that lie in one another: copies that are copied, sources that hold what opsrun writes.
//!
//! Takes resolved backups and retentions and the state directory, gives findings. One backup's own source and destination,
//! and two destinations, are `destinations`'.
//! Invariant: paths are compared as text. Reported as refused is what the guards of a plan refuse: they use the backup's
//! `exclude`, with the same matcher.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::BackupNode;
use crate::config::rules::names::ResolvedRetention;
use crate::config::source::paths::shown;
use crate::config::source::{Span, Spanned};
use crate::model::pattern::{SelectionState, Selector};
use crate::model::{Contents, Ops};
use crate::path::RelPath;
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most pairs of a source and a destination in it that are looked at: their number can grow with the square, but so would
/// the findings.
const MAX_PAIRS: usize = 20_000;

/// OPS5003 between jobs, OPS5016 and OPS5017.
pub fn check(backups: &[BackupNode], claims: &[ResolvedRetention<'_>], ops: &Ops, findings: &mut Vec<Finding>) {
    let places = backups.iter().enumerate();
    let mut targets: Vec<(&Path, usize)> = places
        .filter_map(|(at, node)| Some((path(node.to.as_ref())?, at)))
        .collect();
    // Sorted: paths below a directory directly follow it.
    targets.sort_unstable();
    let deleting: HashSet<&str> = claims.iter().map(|claim| claim.backup.name()).collect();
    let mut by_target: HashMap<&Path, usize> = HashMap::new();
    for (to, at) in &targets {
        by_target.entry(to).or_insert(*at);
    }
    // What a retention can delete is not reported again.
    let reported: HashSet<Span> = findings
        .iter()
        .filter(|finding| matches!(finding.code, Code::DeletesOwnFiles | Code::DestinationOverlap))
        .flat_map(|finding| finding.labels.iter().map(|label| label.span))
        .collect();
    let mut copied = Vec::new();
    let mut asked = 0_usize;
    for (at, node) in backups.iter().enumerate() {
        let (Some(source), true) = (path(node.source.as_ref()), node.patterns_known) else {
            continue;
        };
        let mut selector = None;
        let source_reported = node
            .source
            .as_ref()
            .is_some_and(|source| reported.contains(&source.span));
        let deletes = deleting.contains(node.name());
        let above = source.ancestors().skip(1).find_map(|dir| by_target.get(dir));
        if let Some(other) = above.and_then(|other| backups.get(*other)).filter(|_| deletes)
            && other.name() != node.name()
            && !source_reported
        {
            let help = "remove the retention of this backup, or move one of the two directories".to_owned();
            findings.extend(refused(node, "is inside the destination", other, help, &reported));
        }
        let from = targets.partition_point(|(to, _)| *to < source);
        for (to, other_at) in targets.iter().skip(from) {
            let Ok(below) = to.strip_prefix(source) else {
                break;
            };
            asked += 1;
            if asked > MAX_PAIRS {
                return;
            }
            let Some(other) = backups.get(*other_at).filter(|other| other.name() != node.name()) else {
                continue;
            };
            let selector = selector.get_or_insert_with(|| Selector::new(&node.selection()));
            let standing = standing(selector, below);
            if deletes && !nothing_below(selector, below) {
                let help = out_of(below, "move them out of the source");
                findings.extend(refused(node, "contains the copies", other, help, &reported));
            } else if stores_all(node) && standing.selected() && stores_a_copy(selector, below, other.name()) {
                copied.push((at, *other_at));
            }
        }
        if !source_reported {
            findings.extend(holds_state(node, &ops.state_dir, &mut selector));
        }
    }
    again(backups, &copied, findings);
}

fn path(written: Option<&Spanned<PathBuf>>) -> Option<&Path> {
    written.map(|written| written.value.as_path())
}

/// What the patterns say of a directory below the source; of the source itself that it is read.
fn standing(selector: &mut Selector, below: &Path) -> SelectionState {
    match RelPath::new(below.as_os_str().as_bytes()) {
        Some(path) => selector.standing(&path),
        None => SelectionState {
            included: true,
            excluded: false,
        },
    }
}

/// True when the backup stores nothing of a directory below its source.
fn nothing_below(selector: &mut Selector, below: &Path) -> bool {
    RelPath::new(below.as_os_str().as_bytes()).is_some_and(|path| selector.nothing_below(&path))
}

/// True when a file called like a copy's would be stored.
fn stores_a_copy(selector: &mut Selector, below: &Path, name: &str) -> bool {
    let file = below.join(format!("{name}-20260101T000000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV.tar.gz"));
    RelPath::new(file.as_os_str().as_bytes()).is_some_and(|path| selector.standing(&path).selected())
}

fn stores_all(node: &BackupNode) -> bool {
    node.contents
        .as_ref()
        .is_none_or(|contents| contents.value == Contents::All)
}

/// What a plan is refused for.
const REFUSED: &str = "opsrun refuses to run this backup";

/// OPS5003: a source and another's destination that lie in one another, and a retention that deletes from the source.
fn refused(
    node: &BackupNode,
    lies: &str,
    other: &BackupNode,
    help: String,
    reported: &HashSet<Span>,
) -> Option<Finding> {
    let (source, to) = (node.source.as_ref()?.span, other.to.as_ref()?.span);
    if reported.contains(&to) {
        return None;
    }
    let (name, other) = (node.name(), other.name());
    let message = format!("the source of backup `{name}` {lies} of backup `{other}`, and a retention deletes from it");
    let finding = Finding::new(Code::DestinationOverlap, source, message, REFUSED);
    Some(finding.also(to, "copies are written here").help(help))
}

fn out_of(below: &Path, instead: &str) -> String {
    if below.as_os_str().is_empty() {
        return instead.to_owned();
    }
    format!(
        "add `exclude \"{}\"` to the backup, or {instead}",
        below.to_string_lossy()
    )
}

/// OPS5016.
fn holds_state(node: &BackupNode, state: &Path, selector: &mut Option<Selector>) -> Option<Finding> {
    let source = node.source.as_ref()?;
    let help = if let Ok(below) = state.strip_prefix(&source.value) {
        let selector = selector.get_or_insert_with(|| Selector::new(&node.selection()));
        if nothing_below(selector, below) {
            return None;
        }
        out_of(below, "use another `state-dir` in `ops`")
    } else if source.value.starts_with(state) {
        "use another `state-dir` in `ops`, or another source".to_owned()
    } else {
        return None;
    };
    let name = node.name();
    let message = format!(
        "the source of backup `{name}` contains the run history in `{}`",
        shown(state)
    );
    Some(Finding::new(Code::StateInSource, source.span, message, REFUSED).help(help))
}

/// Copies that are copied again: without end (OPS5003), or beside what they are copies of (OPS5017).
fn again(backups: &[BackupNode], copied: &[(usize, usize)], findings: &mut Vec<Finding>) {
    let pairs: HashSet<(usize, usize)> = copied.iter().copied().collect();
    for &(at, other_at) in copied {
        let (Some(node), Some(other)) = (backups.get(at), backups.get(other_at)) else {
            continue;
        };
        if !pairs.contains(&(other_at, at)) {
            findings.extend(copies_of_copies(node, other));
        } else if other_at < at {
            findings.extend(each_other(node, other));
        }
    }
}

/// OPS5003.
fn each_other(node: &BackupNode, other: &BackupNode) -> Option<Finding> {
    let (own, to) = (node.to.as_ref()?, other.to.as_ref()?.span);
    let (name, other) = (node.name(), other.name());
    let message = format!("backups `{other}` and `{name}` copy each other's copies, so they grow with every run");
    Some(
        Finding::new(
            Code::DestinationOverlap,
            own.span,
            message,
            format!("`{other}` copies from here"),
        )
        .also(to, format!("`{name}` copies from here"))
        .help(format!(
            "exclude the destination of the other backup in one of them: `{}`",
            shown(&own.value)
        )),
    )
}

/// OPS5017.
fn copies_of_copies(node: &BackupNode, other: &BackupNode) -> Option<Finding> {
    let (source, original, to) = (node.source.as_ref()?, other.source.as_ref()?, other.to.as_ref()?);
    let below = original.value.strip_prefix(&source.value).ok()?;
    if !standing(&mut Selector::new(&node.selection()), below).selected() {
        return None;
    }
    let copies = to.value.strip_prefix(&source.value).unwrap_or(&to.value);
    let (name, other) = (node.name(), other.name());
    let message = format!("backup `{name}` stores the data of backup `{other}` and also all of its copies");
    Some(
        Finding::new(Code::CopiesOfCopies, source.span, message, "contains both")
            .also(to.span, "copies are written here")
            .help(out_of(copies, "move the copies out of the source")),
    )
}
