//! Readings → the [`Document`]: each node of the schema becomes its own type.
//!
//! Takes checked readings, gives document nodes; reports only what concerns one node by itself and the schema cannot
//! say (globs or a keyword, a `keep` without rules). Knows nothing of other nodes.
//! Invariant: a reading's every value is used here.

use super::document::{Allow, BackupNode, BudgetNode, ClassNode, JobNode, KeepNode, OpsNode, RetentionNode};
use super::findings::{Code, Finding};
use super::mend::one_line;
use super::reader::{Datum, Reading};
use super::schema::VERSION;
use super::source::{Span, Spanned};
use crate::model::pattern::Pattern;
use crate::model::{Contents, InUse, Keep};
use std::path::PathBuf;
use std::time::Duration;

/// Least length of a keyword: shorter ones match nearly everything.
const SHORTEST_KEYWORD: usize = 3;

/// Zones of the IANA data that only stand for old habits.
const ABBREVIATIONS: &[&str] = &[
    "CET", "CST6CDT", "EET", "EST", "EST5EDT", "HST", "MET", "MST", "MST7MDT", "PST8PDT", "WET",
];

fn text(value: &Spanned<Datum>) -> Option<Spanned<String>> {
    match &value.value {
        Datum::Text(text) => Some(Spanned {
            value: text.clone(),
            span: value.span,
        }),
        _ => None,
    }
}

fn number(value: &Spanned<Datum>) -> Option<u64> {
    match value.value {
        Datum::Number(number) => Some(number),
        _ => None,
    }
}

fn small(value: &Spanned<Datum>) -> Option<u32> {
    number(value).and_then(|number| u32::try_from(number).ok())
}

fn duration(value: &Spanned<Datum>) -> Option<Duration> {
    match value.value {
        Datum::Duration(duration) => Some(duration),
        _ => None,
    }
}

/// The one argument of a child.
fn arg<'a>(reading: &'a Reading, child: &str) -> Option<&'a Spanned<Datum>> {
    reading.child(child)?.args.first()
}

fn path(reading: &Reading, child: &str) -> Option<Spanned<PathBuf>> {
    let text = text(arg(reading, child)?)?;
    Some(Spanned {
        value: PathBuf::from(text.value),
        span: text.span,
    })
}

/// A flag is on when it stands bare.
fn flag(reading: &Reading, child: &str) -> bool {
    match reading.child(child) {
        None => false,
        Some(node) => !matches!(
            node.args.first(),
            Some(Spanned {
                value: Datum::Bool(false),
                ..
            })
        ),
    }
}

fn globs<'a>(values: impl Iterator<Item = &'a Spanned<Datum>>) -> (Vec<Spanned<Pattern>>, bool) {
    let mut all_known = true;
    let mut patterns = Vec::new();
    for value in values {
        match &value.value {
            Datum::Glob(pattern) => patterns.push(Spanned {
                value: pattern.clone(),
                span: value.span,
            }),
            _ => all_known = false,
        }
    }
    (patterns, all_known)
}

fn glob_list(reading: &Reading, child: &str) -> (Vec<Spanned<Pattern>>, bool) {
    match reading.child(child) {
        None => (Vec::new(), true),
        Some(node) => {
            let (patterns, known) = globs(node.args.iter());
            (patterns, known && !node.damaged && !node.args.is_empty())
        }
    }
}

fn job(reading: &Reading) -> JobNode {
    let allows = reading
        .children_named("allow")
        .filter_map(|allow| {
            Some(Allow {
                slug: text(allow.args.first()?)?,
            })
        })
        .collect();
    JobNode {
        name: reading.args.first().and_then(text),
        head: reading.head,
        extent: reading.extent,
        timeout: arg(reading, "timeout").and_then(duration),
        paused: flag(reading, "paused"),
        allows,
        damaged: reading.damaged,
    }
}

/// `ops`
pub(super) fn ops(reading: &Reading, findings: &mut Vec<Finding>) -> OpsNode {
    if let Some(version) = reading.prop("version")
        && let Some(number) = number(version)
        && number != VERSION
    {
        findings.push(
            Finding::new(
                Code::Version,
                version.span,
                format!("this build does not know version {number} of the language"),
                "unknown version",
            )
            .help(format!("write `ops version={VERSION}`, or use a newer opsrun")),
        );
    }
    if let Some(zone) = arg(reading, "timezone")
        && let Datum::Zone(tz) = zone.value
        && ABBREVIATIONS.contains(&tz.name())
    {
        findings.push(
            Finding::new(
                Code::UnknownTimezone,
                zone.span,
                format!("`{}` is an abbreviation, not a place", tz.name()),
                "its rules for summer time may not be those of any place",
            )
            .warning()
            .help("name a place, such as `timezone \"Europe/Berlin\"` or `timezone \"America/New_York\"`, or \"UTC\""),
        );
    }
    OpsNode {
        span: reading.name_span,
        name: arg(reading, "name").and_then(text),
        timezone: arg(reading, "timezone").and_then(|value| match value.value {
            Datum::Zone(zone) => Some(zone),
            _ => None,
        }),
        state_dir: path(reading, "state-dir"),
        concurrency: arg(reading, "concurrency").and_then(small),
    }
}

/// `backup`
pub(super) fn backup(reading: &Reading, findings: &mut Vec<Finding>) -> BackupNode {
    let (include, include_known) = glob_list(reading, "include");
    let (exclude, exclude_known) = glob_list(reading, "exclude");
    let level = reading
        .child("strategy")
        .and_then(|node| node.prop("level"))
        .and_then(number)
        .and_then(|level| u8::try_from(level).ok());
    let copy = arg(reading, "strategy")
        .and_then(text)
        .is_some_and(|word| word.value == "copy");
    let contents = arg(reading, "contents").and_then(text).map(|word| Spanned {
        value: if word.value == "expired" {
            Contents::Expired
        } else {
            Contents::All
        },
        span: word.span,
    });
    BackupNode {
        job: job(reading),
        source: path(reading, "source"),
        include,
        exclude,
        patterns_known: include_known && exclude_known && !reading.damaged,
        to: path(reading, "to"),
        level: (!copy).then(|| level.unwrap_or(6)),
        contents,
        keep: reading.child("keep").map(|node| keep(node, findings)),
        floor: arg(reading, "floor").and_then(small).unwrap_or(1),
        stall: arg(reading, "stall").and_then(duration),
        cross_mounts: flag(reading, "cross-mounts"),
    }
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
    let spanned = |name: &str| {
        let value = reading.prop(name)?;
        Some(Spanned {
            value: duration(value)?,
            span: value.span,
        })
    };
    let node = KeepNode {
        span: reading.head,
        counts,
        within: spanned("within"),
        deleted: spanned("deleted"),
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

/// `retention`
pub(super) fn retention(reading: &Reading, findings: &mut Vec<Finding>) -> RetentionNode {
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
        job: job(reading),
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
        None if !given && !reading.args.is_empty() && !reading.damaged => {
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
                format!("the keyword `{}` is too short", one_line(&word.value)),
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
    fine &= keep.is_some();
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

/// `import`: the path, and whether it may match nothing.
pub(super) fn import(reading: &Reading) -> Option<(Spanned<String>, bool, Span)> {
    let path = text(reading.args.first()?)?;
    let optional = reading
        .prop("optional")
        .is_some_and(|value| value.value == Datum::Bool(true));
    Some((path, optional, reading.head))
}
