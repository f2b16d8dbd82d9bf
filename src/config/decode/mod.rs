//! Readings → the [`Document`]: each node of the schema becomes its own type.
//!
//! Takes checked readings, gives document nodes; reports only what concerns one node by itself and the schema cannot
//! say (globs or a keyword, a `keep` without rules, two probes). One file a kind of job; here is what they share, and
//! `ops` and `import`. Knows nothing of other nodes.
//! Invariant: a reading's every value is used here.

mod backup;
mod check;
mod command;
mod levels;
mod retention;
mod target;

pub(super) use backup::backup;
pub(super) use check::check;
pub(super) use command::suggested_variable;
pub(super) use retention::retention;
pub(super) use target::target;

use super::document::{Allow, JobNode, OpsNode};
use super::findings::{Code, Finding};
use super::reader::{Datum, Reading};
use super::schema::VERSION;
use super::source::{Span, Spanned};
use crate::model::pattern::Pattern;
use std::path::PathBuf;
use std::time::Duration;

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
    path_of(arg(reading, child)?)
}

fn path_of(value: &Spanned<Datum>) -> Option<Spanned<PathBuf>> {
    let text = text(value)?;
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
                extent: allow.extent,
            })
        })
        .collect();
    JobNode {
        name: reading.args.first().and_then(text),
        head: reading.head,
        extent: reading.extent,
        needs: reading
            .child("needs")
            .map(|node| node.args.iter().filter_map(text).collect())
            .unwrap_or_default(),
        timeout: arg(reading, "timeout").and_then(duration),
        paused: flag(reading, "paused"),
        allows,
        damaged: reading.damaged,
    }
}

/// True when something in a node or below it could not be used: what it would have given rise to is not there.
fn hurt(reading: &Reading) -> bool {
    let values = reading.args.iter().chain(reading.props.iter().map(|(_, value)| value));
    reading.damaged
        || reading.lost
        || values.into_iter().any(|value| value.value == Datum::Bad)
        || reading.children.iter().any(hurt)
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

/// `import`: the path, and whether it may match nothing.
pub(super) fn import(reading: &Reading) -> Option<(Spanned<String>, bool, Span)> {
    let path = text(reading.args.first()?)?;
    let optional = reading
        .prop("optional")
        .is_some_and(|value| value.value == Datum::Bool(true));
    Some((path, optional, reading.head))
}
