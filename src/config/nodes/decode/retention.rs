//! `retention`: a reading becomes a [`RetentionNode`].
//!
//! Takes a checked reading, gives the node; reports classes with globs and a keyword or neither, and limits that limit
//! nothing.
//! Invariant: a reading's every value is used here.

use super::{arg, flag, glob_list, globs, job, number, small, text};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::{BudgetNode, ClassNode, RetentionNode};
use crate::config::nodes::reader::{Datum, Reading};
use crate::config::source::Spanned;
use crate::model::{InUse, Keep};

/// Least length of a keyword: shorter ones match nearly everything.
const SHORTEST_KEYWORD: usize = 3;

pub(in crate::config) fn retention(reading: &Reading, findings: &mut Vec<Finding>) -> RetentionNode {
    let (exclude, exclude_known) = glob_list(reading, "exclude");
    let mut classes_known = true;
    let classes: Vec<ClassNode> = reading
        .children_named("class")
        .map(|node| {
            let (class, known) = class(node, findings);
            classes_known &= known;
            class
        })
        .collect();
    let max_delete = reading.child("max-delete").map(|node| {
        if node.props.is_empty() && !node.damaged {
            findings.push(
                Finding::new(
                    Code::Missing,
                    node.head,
                    "`max-delete` has no limit",
                    "needs at least one of `files`, `bytes`, `share`",
                )
                .help("for example `max-delete files=50000 bytes=\"200GiB\" share=\"20%\"`"),
            );
        }
        BudgetNode {
            span: node.head,
            files: node.prop("files").and_then(number),
            bytes: node.prop("bytes").and_then(number),
            share: node.prop("share").and_then(|value| match value.value {
                Datum::Percent(percent) => Some(percent),
                _ => None,
            }),
        }
    });
    let ignore = arg(reading, "in-use")
        .and_then(text)
        .is_some_and(|word| word.value == "ignore");
    RetentionNode {
        job: job(reading, findings),
        backup: reading.prop("backup").and_then(text),
        backup_given: reading.prop("backup").is_some(),
        classes,
        exclude,
        patterns_known: exclude_known && classes_known && !reading.damaged,
        max_delete,
        remove_empty_dirs: flag(reading, "remove-empty-dirs"),
        in_use: if ignore { InUse::Ignore } else { InUse::Keep },
    }
}

fn class(reading: &Reading, findings: &mut Vec<Finding>) -> (ClassNode, bool) {
    let (patterns, known) = globs(reading.args.iter().skip(1));
    let given = reading.args.len() > 1;
    let keyword = reading.prop("keyword");
    let mut fine = known && !reading.damaged;
    let name = reading.args.first().and_then(text);
    let shown = name.as_ref().map_or("…", |name| name.value.as_str());
    match keyword {
        Some(keyword) if given => {
            fine = false;
            let first = reading.args.get(1).map_or(reading.head, |value| value.span);
            findings.push(
                Finding::new(
                    Code::SurplusArgument,
                    keyword.span,
                    "a class has globs or a keyword, not both",
                    "the keyword",
                )
                .also(first, "a glob")
                .help("make two classes of it: a file that either matches is held by the one with the longer keep"),
            );
        }
        None if !given && name.is_some() && !reading.damaged => {
            fine = false;
            findings.push(
                Finding::new(
                    Code::Missing,
                    reading.head,
                    "`class` says no files",
                    "needs globs, or `keyword=`",
                )
                .help(format!(
                    "write `class \"{shown}\" \"{shown}/**\" keep=…` or `class \"{shown}\" keyword=\"{shown}\" keep=…`"
                )),
            );
        }
        _ => {}
    }
    let keyword = keyword.and_then(text);
    if let Some(word) = &keyword
        && word.value.chars().count() < SHORTEST_KEYWORD
    {
        fine = false;
        findings.push(
            Finding::new(
                Code::BadValue,
                word.span,
                format!("the keyword `{}` is too short", excerpt(&word.value)),
                format!("at least {SHORTEST_KEYWORD} characters: shorter ones match nearly everything"),
            )
            .help(format!(
                "name what may go: a longer keyword, or a narrow glob such as `class \"{shown}\" \"raw/**\" keep=…`"
            )),
        );
    }
    let keep = reading.prop("keep").and_then(|value| {
        let keep = match value.value {
            Datum::Forever => Keep::Forever,
            Datum::Duration(duration) => Keep::For(duration),
            _ => return None,
        };
        Some(Spanned {
            value: keep,
            span: value.span,
        })
    });
    fine &= keep.is_some() && name.is_some();
    let class = ClassNode {
        name,
        head: reading.head,
        globs: patterns,
        keyword,
        keep,
        keep_newest: reading.prop("keep-newest").and_then(small).unwrap_or(0),
    };
    (class, fine)
}
