//! `backup`: a reading becomes a [`BackupNode`].
//!
//! Takes a checked reading, gives the node; reports a `keep` that keeps nothing, and what the form of the copies does not
//! have.
//! Invariant: a reading's every value is used here.

use super::{arg, duration, flag, glob_list, job, number, path, small, spanned, text};
use crate::config::findings::{Code, Finding};
use crate::config::nodes::document::{BackupNode, KeepNode};
use crate::config::nodes::reader::{Datum, Reading};
use crate::config::source::Spanned;
use crate::model::Contents;

/// Of gzip, when the file names none.
const USUAL_LEVEL: u8 = 6;

pub(in crate::config) fn backup(reading: &Reading, findings: &mut Vec<Finding>) -> BackupNode {
    let (include, include_known) = glob_list(reading, "include");
    let (exclude, exclude_known) = glob_list(reading, "exclude");
    let strategy = reading.child("strategy");
    let contents = arg(reading, "contents").and_then(text).map(|word| Spanned {
        value: if word.value == "expired" {
            Contents::Expired
        } else {
            Contents::All
        },
        span: word.span,
    });
    BackupNode {
        job: job(reading, findings),
        source: path(reading, "source"),
        include,
        exclude,
        patterns_known: include_known && exclude_known && !reading.damaged,
        to: path(reading, "to"),
        level: strategy.map_or(Some(USUAL_LEVEL), |node| strategy_level(node, findings)),
        contents,
        keep: reading.child("keep").map(|node| keep(node, findings)),
        floor: spanned(arg(reading, "floor"), small),
        stall: spanned(arg(reading, "stall"), duration),
        cross_mounts: flag(reading, "cross-mounts"),
    }
}

/// The level of an archive; `None` for plain files, which have none.
fn strategy_level(reading: &Reading, findings: &mut Vec<Finding>) -> Option<u8> {
    let copy = reading.args.first().and_then(text).filter(|word| word.value == "copy");
    let Some(copy) = copy else {
        let level = reading.prop("level").and_then(number);
        return Some(level.and_then(|level| u8::try_from(level).ok()).unwrap_or(USUAL_LEVEL));
    };
    for (name, value) in &reading.props {
        findings.push(
            Finding::new(
                Code::UnknownProperty,
                value.span,
                format!("`strategy \"copy\"` takes no `{name}`"),
                "an archive has one",
            )
            .also(copy.span, "a tree of plain files")
            .help(format!("delete `{name}=`, or write `strategy \"archive\" {name}=…`")),
        );
    }
    None
}

fn keep(reading: &Reading, findings: &mut Vec<Finding>) -> KeepNode {
    let mut counts = Vec::new();
    for (name, value) in &reading.props {
        if let Some(count) = small(value) {
            counts.push((
                *name,
                Spanned {
                    value: count,
                    span: value.span,
                },
            ));
        }
    }
    let node = KeepNode {
        span: reading.head,
        counts,
        within: spanned(reading.prop("within"), duration),
        deleted: spanned(reading.prop("deleted"), duration),
        damaged: reading.damaged || reading.props.iter().any(|(_, value)| value.value == Datum::Bad),
    };
    let nothing =
        node.counts.iter().all(|(_, count)| count.value == 0) && node.within.is_none() && node.deleted.is_none();
    if nothing && !node.damaged {
        let message = if node.counts.is_empty() {
            "`keep` has no rule"
        } else {
            "`keep` has only zeros"
        };
        findings.push(
            Finding::new(
                Code::EmptyKeep,
                node.span,
                message,
                "would keep no copy beyond the floor",
            )
            .help("say what stays, such as `keep last=7 daily=14`, or delete the line to keep every copy"),
        );
    }
    node
}
