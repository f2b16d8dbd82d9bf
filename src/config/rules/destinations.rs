//! Destinations inside sources, sources inside destinations, and destinations that two backups share (OPS5003).
//!
//! Invariant: paths are compared as text; nothing on disk is looked at.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::BackupNode;
use crate::config::source::Spanned;
use crate::config::source::paths::shown;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Which backup writes to a directory; of several the first.
type ByDestination<'a> = HashMap<&'a Path, (&'a BackupNode, &'a Spanned<PathBuf>)>;

/// OPS5003.
pub fn check(backups: &[BackupNode], findings: &mut Vec<Finding>) {
    let mut destinations = ByDestination::new();
    for node in backups {
        if let Some(to) = &node.to {
            destinations.entry(&to.value).or_insert((node, to));
        }
    }
    for node in backups {
        if let Some(to) = &node.to {
            findings.extend(own_source(node, to));
            findings.extend(inside_another(node, to, &destinations));
            findings.extend(shared(node, to, &destinations));
        }
    }
}

fn own_source(node: &BackupNode, to: &Spanned<PathBuf>) -> Option<Finding> {
    let from = node.source.as_ref()?;
    let (source, copies) = (&from.value, &to.value);
    let message = if copies == source {
        "source and destination are the same directory"
    } else if copies.starts_with(source) {
        "the destination is inside its own source"
    } else if source.starts_with(copies) {
        "the source is inside its own destination"
    } else {
        return None;
    };
    let label = format!("copies are written to `{}`", shown(copies));
    let outside = outside(source, node.name());
    Some(
        Finding::new(Code::DestinationOverlap, to.span, message, label)
            .also(from.span, format!("reads from `{}`", shown(source)))
            .help(format!(
                "write the copies to a directory outside of the source, for example `to \"{outside}\"`"
            )),
    )
}

fn inside_another(node: &BackupNode, to: &Spanned<PathBuf>, destinations: &ByDestination<'_>) -> Option<Finding> {
    let mut above = to.value.ancestors().skip(1);
    let (outer, above) = above.find_map(|above| destinations.get(above))?;
    if same_job(outer, node) {
        return None;
    }
    let (name, other) = (node.name(), outer.name());
    let message = format!("backup `{name}` writes into the destination of backup `{other}`");
    let label = format!("`{}` is inside `{}`", shown(&to.value), shown(&above.value));
    let beside = beside(&above.value, node, destinations);
    Some(
        Finding::new(Code::DestinationOverlap, to.span, message, label)
            .also(above.span, "the outer destination")
            .help(format!("use separate directories, for example `to \"{beside}\"`")),
    )
}

fn shared(node: &BackupNode, to: &Spanned<PathBuf>, destinations: &ByDestination<'_>) -> Option<Finding> {
    let (first, there) = destinations.get(to.value.as_path())?;
    // Two jobs with one name are one error already.
    if there.span == to.span || same_job(first, node) {
        return None;
    }
    let (name, other) = (node.name(), first.name());
    let message = format!("backups `{other}` and `{name}` have the same destination");
    let beside = beside(&to.value, node, destinations);
    Some(
        Finding::new(
            Code::DestinationOverlap,
            to.span,
            message,
            format!("also writes to `{}`", shown(&to.value)),
        )
        .also(there.span, "first here")
        .help(format!(
            "give each backup its own directory, for example `to \"{beside}\"`"
        )),
    )
}

fn same_job(a: &BackupNode, b: &BackupNode) -> bool {
    !a.name().is_empty() && a.name() == b.name()
}

/// A directory beside `taken` that no backup writes to or reads from.
fn beside(taken: &Path, node: &BackupNode, destinations: &ByDestination<'_>) -> String {
    let name = or_data(node.name());
    let above = taken.parent().unwrap_or(Path::new("/"));
    let last = taken.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let free = |candidate: &Path| {
        let apart = |source: &Path| !candidate.starts_with(source) && !source.starts_with(candidate);
        candidate.ancestors().all(|dir| !destinations.contains_key(dir))
            && node.source.as_ref().is_none_or(|source| apart(&source.value))
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
    let name = or_data(name);
    let proposed = Path::new("/backup").join(name);
    if proposed.starts_with(source) || source.starts_with(&proposed) {
        format!("/mnt/backup/{name}")
    } else {
        shown(&proposed)
    }
}

fn or_data(name: &str) -> &str {
    if name.is_empty() { "data" } else { name }
}
