//! Rules about which copies and files stay that contradict each other (OPS5011, OPS5012) or have no effect (OPS5018).

use crate::config::findings::{Code, Finding};
use crate::config::nodes::document::Document;
use crate::config::rules::resolved::{ResolvedBackup, ResolvedRetention};
use crate::model::{Contents, Keep};
use std::collections::HashSet;

/// OPS5011 and OPS5012.
pub(in crate::config) fn copies(
    document: &Document,
    places: &[ResolvedBackup<'_>],
    claims: &[ResolvedRetention<'_>],
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
                        format!("`keep {name}=` counts copies, but each of these copies contains different files"),
                        "would delete the only copy of a deleted file",
                    )
                    .also(contents.span, "each copy contains only the files that expired then")
                    .help("write how long to keep the copy of a deleted file instead: `keep deleted=\"2y\"`"),
                );
            }
            if let Some(within) = &keep.within {
                findings.push(
                    Finding::new(
                        Code::CountingKeep,
                        within.span,
                        "`keep within=` keeps whole copies, but each of these copies contains different files",
                        "would delete the only copy of a deleted file",
                    )
                    .also(contents.span, "each copy contains only the files that expired then")
                    .help("write how long to keep the copy of a deleted file instead: `keep deleted=\"2y\"`"),
                );
            }
        }
        let unsure = document.blind || document.hidden_retention || place.name.is_empty();
        if !unsure && !named.contains(place.name) {
            findings.push(
                Finding::new(
                    Code::NoRetention,
                    contents.span,
                    format!("nothing in backup `{}` can ever expire", place.name),
                    "no retention uses this backup",
                )
                .help(format!(
                    "write `contents \"all\"`, or add `retention \"{0}\" backup=\"{0}\" {{ class \"raw\" \"raw/**\" keep=\"30d\"; }}` \
                     with globs for the files that may be deleted",
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
                    "`keep-newest=` has no effect in a class that keeps files forever",
                    "keeps all files, not only the newest",
                )
                .help("write how long to keep the older files, for example `keep=\"30d\"`, or delete `keep-newest=`"),
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
                        format!("`{name}` has no effect in a backup without `keep`"),
                        "copies are never deleted",
                    )
                    .help(format!(
                        "add a rule, for example `keep last=7 daily=14`, or delete `{name}`"
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
                    format!(
                        "`keep last={}` has no effect because `floor` keeps as many copies",
                        last.value
                    ),
                    "not more than `floor`",
                )
                .also(floor.span, "always keeps these")
                .help(format!(
                    "write `keep last={}` or more, or lower `floor`",
                    floor.value.saturating_add(1)
                )),
            );
        }
    }
}
