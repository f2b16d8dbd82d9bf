//! What can be told wrong from paths and numbers alone, without asking what patterns match.
//!
//! Takes resolved backups and retentions, gives findings: destinations inside sources, sources that are whole
//! systems, rotation rules that contradict `contents`.
//! Invariant: paths are compared by their letters; no link is followed, nothing on disk is asked.

use crate::config::findings::{Code, Finding};
use crate::config::nodes::document::Document;
use crate::config::rules::validate::{Claim, Place};
use crate::config::source::paths::shown;
use crate::model::{Contents, Keep};
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path};

/// Directories that belong to the system, and whose removal of old files would break it.
const SYSTEM: &[&str] = &[
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin",
    "srv", "sys", "tmp", "usr", "var",
];

/// OPS5003.
pub(in crate::config) fn destinations(places: &[Place<'_>], findings: &mut Vec<Finding>) {
    let mut by_target: HashMap<&Path, &Place<'_>> = HashMap::new();
    let mut targets: HashMap<&Path, &Place<'_>> = HashMap::new();
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
                Some("the destination is the source itself")
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
                        format!("copies go to `{}`", shown(to)),
                    )
                    .also(from.span, format!("reads from `{}`", shown(source)))
                    .help(format!("put the copies beside the data, such as `to \"{outside}\"`")),
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
                        "the backup `{}` writes into the destination of the backup `{}`",
                        place.name, outer.name
                    ),
                    format!("`{}` is inside `{}`", shown(to), shown(above)),
                )
                .also(there.span, "that destination")
                .help(format!(
                    "give each a directory beside the other's, such as `to \"{}\"`",
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
                        "the backups `{}` and `{}` write to one destination",
                        first.name, place.name
                    ),
                    format!("`{}` again", shown(to)),
                )
                .help(format!(
                    "give each its own directory, such as `to \"{}\"`",
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

fn same_job(a: &Place<'_>, b: &Place<'_>) -> bool {
    !a.name.is_empty() && a.name == b.name
}

/// A directory beside `taken` that no backup writes to or reads from.
fn beside(taken: &Path, place: &Place<'_>, targets: &HashMap<&Path, &Place<'_>>) -> String {
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

/// OPS5008.
pub(in crate::config) fn system_sources(claims: &[Claim<'_>], findings: &mut Vec<Finding>) {
    for claim in claims {
        let (Some(source), Some(written)) = (&claim.backup.source, &claim.backup.node.source) else {
            continue;
        };
        let parts: Vec<String> = source
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let what = match parts.as_slice() {
            [] => Some("the whole system"),
            [root] if root == "root" => Some("a home directory"),
            [top] if SYSTEM.contains(&top.as_str()) => Some("a system directory"),
            [home, _] if home == "home" => Some("a home directory"),
            _ => None,
        };
        if let Some(what) = what {
            findings.push(
                Finding::new(
                    Code::SystemSource,
                    claim.node.backup.as_ref().map_or(claim.node.job.head, |b| b.span),
                    format!(
                        "the retention `{}` would delete from `{}`, {what}",
                        claim.name,
                        shown(source)
                    ),
                    "names the backup of it",
                )
                .also(written.span, "its source")
                .help(format!(
                    "point the backup at the directory that holds the data, such as `source \"{}\"`",
                    shown(&source.join("data"))
                )),
            );
        }
    }
}

/// OPS5011 and OPS5012.
pub(in crate::config) fn copies(
    document: &Document,
    places: &[Place<'_>],
    claims: &[Claim<'_>],
    findings: &mut Vec<Finding>,
) {
    let named: HashSet<&str> = claims.iter().map(|claim| claim.backup.name).collect();
    for place in places {
        let Some(contents) = place.node.contents.as_ref().filter(|c| c.value == Contents::Expired) else {
            continue;
        };
        if let Some(keep) = &place.node.keep {
            for (name, count) in &keep.counts {
                findings.push(
                    Finding::new(
                        Code::CountingKeep,
                        count.span,
                        format!("`keep {name}=` counts copies, but these copies hold different files each"),
                        "would remove the only copy of a deleted file",
                    )
                    .also(contents.span, "each copy holds only what had expired then")
                    .help("say how long a deleted file's copy stays instead: `keep deleted=\"2y\"`"),
                );
            }
            if let Some(within) = &keep.within {
                findings.push(
                    Finding::new(
                        Code::CountingKeep,
                        within.span,
                        "`keep within=` keeps whole copies, but these copies hold different files each",
                        "would remove the only copy of a deleted file",
                    )
                    .also(contents.span, "each copy holds only what had expired then")
                    .help("say how long a deleted file's copy stays instead: `keep deleted=\"2y\"`"),
                );
            }
        }
        let unsure = document.blind || document.hidden_retention || place.name.is_empty();
        if !unsure && !named.contains(place.name) {
            findings.push(
                Finding::new(
                    Code::NoRetention,
                    contents.span,
                    format!("nothing of the backup `{}` can ever expire", place.name),
                    "no retention names this backup",
                )
                .help(format!(
                    "write `contents \"all\"`, or add `retention \"{0}\" backup=\"{0}\" {{ class \"raw\" \"raw/**\" keep=\"30d\"; }}` \
                     with globs that name what may be deleted",
                    place.name
                )),
            );
        }
    }
}

/// OPS5018: numbers that decide nothing beside others.
pub(in crate::config) fn without_effect(document: &Document, findings: &mut Vec<Finding>) {
    for class in document.retentions.iter().flat_map(|node| &node.classes) {
        if let Some(keep) = class.keep.as_ref().filter(|keep| keep.value == Keep::Forever)
            && class.keep_newest > 0
        {
            findings.push(
                Finding::new(
                    Code::NoEffect,
                    keep.span,
                    "`keep-newest=` decides nothing in a class that keeps forever",
                    "all of its files stay, not only the newest",
                )
                .help("say how long the older ones stay, such as `keep=\"30d\"`, or delete `keep-newest=`"),
            );
        }
    }
    for node in document.backups.iter().filter(|node| !node.job.damaged) {
        let Some(keep) = &node.keep else {
            let floor = node.floor.as_ref().map(|floor| ("floor", floor.span));
            let stall = node.stall.as_ref().map(|stall| ("stall", stall.span));
            for (name, span) in floor.into_iter().chain(stall) {
                findings.push(
                    Finding::new(
                        Code::NoEffect,
                        span,
                        format!("`{name}` decides nothing in a backup without `keep`"),
                        "no copy is ever removed",
                    )
                    .help(format!(
                        "add a rule, such as `keep last=7 daily=14`, or delete `{name}`"
                    )),
                );
            }
            continue;
        };
        let rules: Vec<_> = keep.counts.iter().filter(|(_, count)| count.value > 0).collect();
        if let ([("last", last)], Some(floor)) = (rules.as_slice(), &node.floor)
            && last.value <= floor.value
            && keep.within.is_none()
            && keep.deleted.is_none()
            && !keep.damaged
        {
            findings.push(
                Finding::new(
                    Code::NoEffect,
                    last.span,
                    format!("`keep last={}` decides nothing: the floor keeps as many", last.value),
                    "no more than the floor",
                )
                .also(floor.span, "these stay whatever `keep` says")
                .help(format!(
                    "say `keep last={}` or more, or lower the floor",
                    floor.value.saturating_add(1)
                )),
            );
        }
    }
}

/// OPS5009.
pub(in crate::config) fn budgets(document: &Document, findings: &mut Vec<Finding>) {
    for node in &document.retentions {
        if node.job.damaged {
            continue;
        }
        if let Some(budget) = &node.max_delete {
            if budget.value.share == Some(100) && budget.value.files.is_none() && budget.value.bytes.is_none() {
                findings.push(
                    Finding::new(
                        Code::NoMaxDelete,
                        budget.span,
                        "a share of 100% limits nothing",
                        "one run may delete every file that the classes match",
                    )
                    .help("write a smaller share, such as `max-delete share=\"20%\"`, or limit `files=` or `bytes=`"),
                );
            }
            continue;
        }
        let Some(name) = &node.job.name else {
            continue;
        };
        findings.push(
            Finding::new(
                Code::NoMaxDelete,
                name.span,
                format!("the retention `{}` has no limit to what one run may delete", name.value),
                "a wrong clock or a wrong class would not be stopped",
            )
            .help("add `max-delete files=50000 share=\"20%\"`"),
        );
    }
}
