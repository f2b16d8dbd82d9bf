//! Directories of different jobs that lie in one another: copies that are copied, sources that hold what opsrun writes.
//!
//! Takes resolved backups and retentions and the state directory, gives findings. One backup's own source and destination,
//! and two destinations, are `destinations`'.
//! Invariant: paths are compared as text. Reported as refused is what the guards of a plan refuse: they use the backup's
//! `exclude`, with the same matcher.

use crate::config::findings::{Code, Finding};
use crate::config::rules::resolved::{ResolvedBackup, ResolvedRetention};
use crate::config::source::Span;
use crate::config::source::paths::shown;
use crate::model::pattern::{SelectionState, Selector};
use crate::model::{Contents, Ops};
use crate::path::RelPath;
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Most pairs of a source and a destination in it that are looked at: their number can grow with the square, but so would
/// the findings.
const MAX_PAIRS: usize = 20_000;

/// OPS5003 between jobs, OPS5016 and OPS5017.
pub(in crate::config) fn check(
    places: &[ResolvedBackup<'_>],
    claims: &[ResolvedRetention<'_>],
    ops: &Ops,
    findings: &mut Vec<Finding>,
) {
    let mut targets: Vec<(&Path, usize)> = places
        .iter()
        .enumerate()
        .filter_map(|(at, place)| Some((place.to.as_deref()?, at)))
        .collect();
    // Sorted: paths below a directory directly follow it.
    targets.sort_unstable();
    let deleting: HashSet<&str> = claims.iter().map(|claim| claim.backup.name).collect();
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
    for (at, place) in places.iter().enumerate() {
        let (Some(source), true) = (&place.source, place.node.patterns_known) else {
            continue;
        };
        let mut selector = None;
        let deletes = deleting.contains(place.name);
        let above = source.ancestors().skip(1).find_map(|dir| by_target.get(dir));
        if let Some(other) = above.and_then(|other| places.get(*other)).filter(|_| deletes)
            && other.name != place.name
        {
            findings.extend(in_copies(place, other, &reported));
        }
        let from = targets.partition_point(|(to, _)| *to < source.as_path());
        for (to, other_at) in targets.iter().skip(from) {
            let Ok(below) = to.strip_prefix(source) else {
                break;
            };
            asked += 1;
            if asked > MAX_PAIRS {
                return;
            }
            let Some(other) = places.get(*other_at).filter(|other| other.name != place.name) else {
                continue;
            };
            let selector = selector.get_or_insert_with(|| Selector::new(&place.node.selection()));
            let standing = standing(selector, below);
            if deletes && !standing.excluded {
                findings.extend(holds_copies(place, other, below, &reported));
            } else if stores_all(place) && standing.selected() && stores_a_copy(selector, below, other.name) {
                copied.push((at, *other_at));
            }
        }
        let reached = place
            .node
            .source
            .as_ref()
            .is_some_and(|source| reported.contains(&source.span));
        if !reached {
            findings.extend(holds_state(place, &ops.state_dir, &mut selector));
        }
    }
    again(places, &copied, findings);
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

/// True when a file called like a copy's would be stored.
fn stores_a_copy(selector: &mut Selector, below: &Path, name: &str) -> bool {
    let file = below.join(format!("{name}-20260101T000000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV.tar.gz"));
    RelPath::new(file.as_os_str().as_bytes()).is_some_and(|path| selector.standing(&path).selected())
}

fn stores_all(place: &ResolvedBackup<'_>) -> bool {
    place
        .node
        .contents
        .as_ref()
        .is_none_or(|contents| contents.value == Contents::All)
}

/// OPS5003: a source that lies in another's destination, and a retention that deletes from it.
fn in_copies(place: &ResolvedBackup<'_>, other: &ResolvedBackup<'_>, reported: &HashSet<Span>) -> Option<Finding> {
    let (source, to) = (place.node.source.as_ref()?, other.node.to.as_ref()?);
    if reported.contains(&source.span) || reported.contains(&to.span) {
        return None;
    }
    let finding = Finding::new(
        Code::DestinationOverlap,
        source.span,
        format!(
            "the source of backup `{}` is inside the destination of backup `{}`, and a retention deletes from it",
            place.name, other.name
        ),
        "opsrun refuses every run of it",
    );
    Some(
        finding
            .also(to.span, "copies are written here")
            .help("remove the retention of this backup, or move one of the two directories"),
    )
}

/// OPS5003: a source that holds another's destination, and a retention that deletes from it.
fn holds_copies(
    place: &ResolvedBackup<'_>,
    other: &ResolvedBackup<'_>,
    below: &Path,
    reported: &HashSet<Span>,
) -> Option<Finding> {
    let (source, to) = (place.node.source.as_ref()?, other.node.to.as_ref()?);
    if reported.contains(&to.span) {
        return None;
    }
    let finding = Finding::new(
        Code::DestinationOverlap,
        source.span,
        format!(
            "the source of backup `{}` contains the copies of backup `{}`, and a retention deletes from it",
            place.name, other.name
        ),
        "opsrun refuses every run of it",
    );
    Some(
        finding
            .also(to.span, "copies are written here")
            .help(out_of(below, "move them out of the source")),
    )
}

fn out_of(below: &Path, instead: &str) -> String {
    if below.as_os_str().is_empty() {
        instead.to_owned()
    } else {
        format!(
            "add `exclude \"{}\"` to the backup, or {instead}",
            below.to_string_lossy()
        )
    }
}

/// OPS5016.
fn holds_state(place: &ResolvedBackup<'_>, state: &Path, selector: &mut Option<Selector>) -> Option<Finding> {
    let (source, written) = (place.source.as_deref()?, place.node.source.as_ref()?);
    let help = if let Ok(below) = state.strip_prefix(source) {
        let selector = selector.get_or_insert_with(|| Selector::new(&place.node.selection()));
        if standing(selector, below).excluded {
            return None;
        }
        out_of(below, "use another `state-dir` in `ops`")
    } else if source.starts_with(state) {
        "use another `state-dir` in `ops`, or another source".to_owned()
    } else {
        return None;
    };
    let finding = Finding::new(
        Code::StateInSource,
        written.span,
        format!(
            "the source of backup `{}` contains the run history in `{}`",
            place.name,
            shown(state)
        ),
        "opsrun refuses every run of it",
    );
    Some(finding.help(help))
}

/// Copies that are copied again: without end (OPS5003), or beside what they are copies of (OPS5017).
fn again(places: &[ResolvedBackup<'_>], copied: &[(usize, usize)], findings: &mut Vec<Finding>) {
    let pairs: HashSet<(usize, usize)> = copied.iter().copied().collect();
    for &(at, other_at) in copied {
        let (Some(place), Some(other)) = (places.get(at), places.get(other_at)) else {
            continue;
        };
        let (Some(source), Some(written), Some(to)) = (&place.source, &place.node.source, &other.node.to) else {
            continue;
        };
        if pairs.contains(&(other_at, at)) {
            if let (true, Some(own)) = (other_at < at, &place.node.to) {
                findings.push(
                    Finding::new(
                        Code::DestinationOverlap,
                        own.span,
                        format!(
                            "backups `{}` and `{}` copy each other's copies, so they grow with every run",
                            other.name, place.name
                        ),
                        format!("`{}` copies from here", other.name),
                    )
                    .also(to.span, format!("`{}` copies from here", place.name))
                    .help(format!(
                        "exclude the destination of the other backup in one of them: `{}`",
                        place.to.as_deref().map(shown).unwrap_or_default()
                    )),
                );
            }
            continue;
        }
        let (Some(original), Some(copies)) = (&other.source, &other.to) else {
            continue;
        };
        let Ok(below) = original.strip_prefix(source) else {
            continue;
        };
        let mut selector = Selector::new(&place.node.selection());
        if !standing(&mut selector, below).selected() {
            continue;
        }
        let copies = copies.strip_prefix(source).unwrap_or(copies);
        findings.push(
            Finding::new(
                Code::CopiesOfCopies,
                written.span,
                format!(
                    "backup `{}` stores the data of backup `{}` and also all of its copies",
                    place.name, other.name
                ),
                "contains both",
            )
            .also(to.span, "copies are written here")
            .help(out_of(copies, "move the copies out of the source")),
        );
    }
}
