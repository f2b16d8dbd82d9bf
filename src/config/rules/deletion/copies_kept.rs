//! Rules about which copies and files stay that contradict each other (OPS5011, OPS5012) or have no effect (OPS5018).

use crate::config::findings::{Code, Finding};
use crate::config::nodes::BackupNode;
use crate::config::nodes::document::Document;
use crate::config::rules::names::ResolvedRetention;
use crate::model::{Contents, Keep};
use std::collections::HashSet;

/// OPS5011 and OPS5012.
pub fn copies(document: &Document, claims: &[ResolvedRetention<'_>], findings: &mut Vec<Finding>) {
    let used: HashSet<&str> = claims.iter().map(|claim| claim.backup.name()).collect();
    for node in &document.backups {
        let Some(contents) = node.contents.as_ref().filter(|c| c.value == Contents::Expired) else {
            continue;
        };
        if let Some(keep) = &node.keep {
            let counts = keep
                .counts
                .iter()
                .map(|(name, count)| (count.span, format!("`keep {name}=` counts copies")));
            let within = keep
                .within
                .as_ref()
                .map(|within| (within.span, "`keep within=` keeps whole copies".to_owned()));
            findings.extend(counts.chain(within).map(|(span, what)| {
                let message = format!("{what}, but each of these copies contains different files");
                let label = "would delete the only copy of a deleted file";
                Finding::new(Code::CountingKeep, span, message, label)
                    .also(contents.span, "each copy contains only the files that expired then")
                    .help("write how long to keep the copy of a deleted file instead: `keep deleted=\"2y\"`")
            }));
        }
        let name = node.name();
        let unsure = document.blind || document.hidden_retention || name.is_empty();
        if !unsure && !used.contains(name) {
            let message = format!("nothing in backup `{name}` can ever expire");
            let finding = Finding::new(
                Code::NoRetention,
                contents.span,
                message,
                "no retention uses this backup",
            );
            findings.push(finding.help(format!(
                "write `contents \"all\"`, or add `retention \"{name}\" backup=\"{name}\" {{ class \"raw\" \"raw/**\" keep=\"30d\"; }}` \
                 with globs for the files that may be deleted"
            )));
        }
    }
}

/// OPS5018: numbers that decide nothing beside others.
pub fn without_effect(document: &Document, findings: &mut Vec<Finding>) {
    for class in document.retentions.iter().flat_map(|node| &node.classes) {
        if let Some(keep) = class.keep.as_ref().filter(|keep| keep.value == Keep::Forever)
            && class.keep_newest > 0
        {
            let message = "`keep-newest=` has no effect in a class that keeps files forever";
            findings.push(
                Finding::new(
                    Code::NoEffect,
                    keep.span,
                    message,
                    "keeps all files, not only the newest",
                )
                .help("write how long to keep the older files, for example `keep=\"30d\"`, or delete `keep-newest=`"),
            );
        }
    }
    for node in document.backups.iter().filter(|node| !node.job.damaged) {
        findings.extend(floor_keeps_more(node));
        if node.keep.is_none() {
            let floor = node.floor.as_ref().map(|floor| ("floor", floor.span));
            let stall = node.stall.as_ref().map(|stall| ("stall", stall.span));
            findings.extend(floor.into_iter().chain(stall).map(|(name, span)| {
                let message = format!("`{name}` has no effect in a backup without `keep`");
                Finding::new(Code::NoEffect, span, message, "copies are never deleted").help(format!(
                    "add a rule, for example `keep last=7 daily=14`, or delete `{name}`"
                ))
            }));
        }
    }
}

fn floor_keeps_more(node: &BackupNode) -> Option<Finding> {
    let keep = node.keep.as_ref()?;
    let rules: Vec<_> = keep.counts.iter().filter(|(_, count)| count.value > 0).collect();
    let ([("last", last)], Some(floor)) = (rules.as_slice(), &node.floor) else {
        return None;
    };
    if last.value > floor.value || keep.within.is_some() || keep.deleted.is_some() || keep.damaged {
        return None;
    }
    let message = format!(
        "`keep last={}` has no effect because `floor` keeps as many copies",
        last.value
    );
    let more = floor.value.saturating_add(1);
    Some(
        Finding::new(Code::NoEffect, last.span, message, "not more than `floor`")
            .also(floor.span, "always keeps these")
            .help(format!("write `keep last={more}` or more, or lower `floor`")),
    )
}
