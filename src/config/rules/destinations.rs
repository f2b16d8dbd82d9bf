//! Destinations inside sources, sources inside destinations, and destinations that two backups share (OPS5003).
//!
//! Invariant: paths are compared as text; nothing on disk is looked at.

use crate::config::findings::{Code, Finding};
use crate::config::rules::resolved::ResolvedBackup;
use crate::config::source::paths::shown;
use std::collections::HashMap;
use std::path::Path;

/// OPS5003.
pub(in crate::config) fn check(places: &[ResolvedBackup<'_>], findings: &mut Vec<Finding>) {
    let mut by_target: HashMap<&Path, &ResolvedBackup<'_>> = HashMap::new();
    let mut targets: HashMap<&Path, &ResolvedBackup<'_>> = HashMap::new();
    for place in places {
        if let Some(to) = &place.to {
            targets.entry(to).or_insert(place);
        }
    }
    for place in places {
        let (Some(to), Some(written)) = (&place.to, &place.node.to) else {
            continue;
        };
        if let (Some(source), Some(from)) = (&place.source, &place.node.source) {
            let clash = if to == source {
                Some("source and destination are the same directory")
            } else if to.starts_with(source) {
                Some("the destination is inside its own source")
            } else if source.starts_with(to) {
                Some("the source is inside its own destination")
            } else {
                None
            };
            if let Some(message) = clash {
                let outside = outside(source, place.name);
                findings.push(
                    Finding::new(
                        Code::DestinationOverlap,
                        written.span,
                        message,
                        format!("copies are written to `{}`", shown(to)),
                    )
                    .also(from.span, format!("reads from `{}`", shown(source)))
                    .help(format!(
                        "write the copies to a directory outside of the source, for example `to \"{outside}\"`"
                    )),
                );
            }
        }
        let outer = to.ancestors().skip(1).find_map(|above| targets.get(above));
        if let Some(outer) = outer.filter(|outer| !same_job(outer, place)) {
            let (Some(above), Some(there)) = (&outer.to, &outer.node.to) else {
                continue;
            };
            findings.push(
                Finding::new(
                    Code::DestinationOverlap,
                    written.span,
                    format!(
                        "backup `{}` writes into the destination of backup `{}`",
                        place.name, outer.name
                    ),
                    format!("`{}` is inside `{}`", shown(to), shown(above)),
                )
                .also(there.span, "that destination")
                .help(format!(
                    "use separate directories, for example `to \"{}\"`",
                    beside(above, place, &targets)
                )),
            );
        }
        match by_target.get(to.as_path()) {
            // Two jobs with one name are one error already.
            Some(first) if same_job(first, place) => {}
            Some(first) => {
                let mut finding = Finding::new(
                    Code::DestinationOverlap,
                    written.span,
                    format!(
                        "backups `{}` and `{}` have the same destination",
                        first.name, place.name
                    ),
                    format!("`{}` again", shown(to)),
                )
                .help(format!(
                    "give each backup its own directory, for example `to \"{}\"`",
                    beside(to, place, &targets)
                ));
                if let Some(first) = &first.node.to {
                    finding = finding.also(first.span, "first here");
                }
                findings.push(finding);
            }
            None => {
                by_target.insert(to, place);
            }
        }
    }
}

fn same_job(a: &ResolvedBackup<'_>, b: &ResolvedBackup<'_>) -> bool {
    !a.name.is_empty() && a.name == b.name
}

/// A directory beside `taken` that no backup writes to or reads from.
fn beside(taken: &Path, place: &ResolvedBackup<'_>, targets: &HashMap<&Path, &ResolvedBackup<'_>>) -> String {
    let name = if place.name.is_empty() { "data" } else { place.name };
    let above = taken.parent().unwrap_or(Path::new("/"));
    let last = taken.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let free = |candidate: &Path| {
        let source = place.source.as_deref();
        candidate.ancestors().all(|dir| !targets.contains_key(dir))
            && source.is_none_or(|source| !candidate.starts_with(source) && !source.starts_with(candidate))
    };
    let named = above.join(name);
    if above.parent().is_some() && free(&named) {
        return shown(&named);
    }
    let joined = above.join(format!("{last}-{name}").trim_start_matches('-'));
    if last.is_empty() || !free(&joined) {
        return format!("/mnt/backup/{name}");
    }
    shown(&joined)
}

fn outside(source: &Path, name: &str) -> String {
    let name = if name.is_empty() { "data" } else { name };
    let proposed = Path::new("/backup").join(name);
    if proposed.starts_with(source) || source.starts_with(&proposed) {
        format!("/mnt/backup/{name}")
    } else {
        shown(&proposed)
    }
}
